//! Parsing of `v4l2:` sources.

use crate::drivers::Source;
use crate::drivers::v4l2::controls::control_name;

#[test]
fn device_sources_are_parsed_and_displayed_as_written() {
    for (text, canonical) in [
        ("/dev/video0", "v4l2:/dev/video0"),
        ("v4l2", "v4l2:/dev/video0"),
        (
            "v4l2:/dev/video7?format=auto&quality=80",
            "v4l2:/dev/video7",
        ),
        ("/dev/video12?format=mjpg", "v4l2:/dev/video12?format=mjpg"),
        (
            "/dev/v4l/by-path/pci-0000:00-0:1",
            "v4l2:/dev/v4l/by-path/pci-0000:00-0:1",
        ),
        (
            "v4l2:/dev/video0?quality=9&format=yuyv&fps=7.5&size=1280x720&timeout=1m30s",
            "v4l2:/dev/video0?size=1280x720&fps=7.5&format=yuyv&quality=9&timeout=1m30s",
        ),
        (
            "v4l2:?exposure_auto=1&fps=30&brightness=-3",
            "v4l2:/dev/video0?fps=30&exposure_auto=1&brightness=-3",
        ),
        (
            "v4l2:?Exposure,+Auto=1&White%20Balance=0",
            "v4l2:/dev/video0?exposure_auto=1&white_balance=0",
        ),
        (
            "/dev/video0?resolution=640x480",
            "v4l2:/dev/video0?size=640x480",
        ),
        (
            "/dev/video0?input=HDMI+1&standard=PAL_BG",
            "v4l2:/dev/video0?input=HDMI+1&standard=pal-bg",
        ),
    ] {
        let source: Source = text
            .parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(source.to_string(), text);
        assert_eq!(canonical.parse::<Source>().unwrap(), source, "{text}");
    }
}

#[test]
fn formats_have_names_of_ffmpeg_and_gstreamer() {
    for (names, format) in [
        ("mjpg mjpeg MJPG MJPEG jpg", "mjpg"),
        ("jpeg JPEG", "jpeg"),
        ("yuyv YUYV yuyv422 YUY2", "yuyv"),
        ("uyvy UYVY uyvy422", "uyvy"),
        ("yuv420 YU12 yuv420p I420", "yuv420"),
        ("yvu420 YV12", "yvu420"),
        ("rgb24 RGB3", "rgb24"),
        ("bgr24 BGR3 BGR", "bgr24"),
        ("xbgr32 XR24 bgr0", "xbgr32"),
        ("rgb565 RGBP rgb565le", "rgb565"),
        ("grey gray GREY gray8", "grey"),
    ] {
        for name in names.split(' ') {
            let source: Source = format!("/dev/video0?format={name}").parse().unwrap();
            assert_eq!(
                source,
                format!("/dev/video0?format={format}").parse().unwrap(),
                "{name}"
            );
        }
    }
}

#[test]
fn frame_timeout_follows_timeout_rate_and_exposure() {
    for (query, seconds) in [
        ("", 5),
        ("?fps=0.2", 15),
        ("?timeout=20s", 20),
        ("?timeout=1s", 1),
        ("?fps=0.1&timeout=10s", 30),
        ("?exposure_time_absolute=60000", 18),
        ("?exposure_absolute=60000&fps=30", 18),
        ("?exposure_auto=60000", 5),
    ] {
        let source: Source = format!("/dev/video0{query}").parse().unwrap();
        assert_eq!(
            source.frame_timeout(),
            Some(std::time::Duration::from_secs(seconds)),
            "{query}"
        );
    }
}

#[test]
fn missing_device_fails_the_check() {
    let problem = "v4l2:/dev/there/is/none"
        .parse::<Source>()
        .unwrap()
        .check()
        .unwrap_err()
        .to_string();
    assert!(problem.contains("no such device; connect it"), "{problem}");
}

#[test]
fn invalid_parameter_is_rejected_with_valid_values() {
    let refusal = |text: &str| text.parse::<Source>().expect_err(text).to_string();
    for value in ["", "1280", "x", "0x720", "1280x65536", "1280x720x3", "-1x1"] {
        let refusal = refusal(&format!("v4l2?size={value}"));
        assert!(
            refusal.contains(&format!("invalid size {value:?}"))
                && refusal.contains("from 1 to 65535"),
            "{refusal}"
        );
    }
    let format = r#"invalid format "h264"; expected auto, mjpg, jpeg, yuyv, "#;
    assert!(refusal("/dev/video0?format=h264").contains(format));
    assert!(refusal("/dev/video0?standard=pal-x").contains("expected auto, pal, ntsc, secam"));
    assert!(refusal("/dev/video0?timeout=5").contains("a time with its unit"));
    for name in ["", "%20", "_"] {
        let sentence = refusal(&format!("v4l2?{name}=1"));
        assert!(
            sentence.contains("unknown parameter") && sentence.contains("control of the camera"),
            "{sentence}"
        );
    }
    for value in ["", "1.5", "on"] {
        let refusal = refusal(&format!("v4l2?gain={value}"));
        assert!(
            refusal.contains(&format!("invalid control value {value:?}"))
                && refusal.contains("gain="),
            "{refusal}"
        );
    }
}

#[test]
fn control_names_are_normalized() {
    for (name, spelled) in [
        ("Brightness", "brightness"),
        ("Exposure, Auto", "exposure_auto"),
        (
            "White Balance Temperature, Auto",
            "white_balance_temperature_auto",
        ),
        ("Exposure (Absolute)", "exposure_absolute"),
        ("  LED1 Mode ", "led1_mode"),
        ("", ""),
    ] {
        assert_eq!(control_name(name), spelled);
    }
}
