//! What is written on the command line.

use framecast::capture::Source;
use framecast::capture::v4l2::controls::spell;

#[test]
fn cameras_are_read_and_shown_as_written() {
    for (text, canonical) in [
        ("/dev/video0", "v4l2:/dev/video0?fps=30&format=auto&quality=80"),
        ("v4l2", "v4l2:/dev/video0?fps=30&format=auto&quality=80"),
        ("v4l2:/dev/video7", "v4l2:/dev/video7?fps=30&format=auto&quality=80"),
        ("/dev/video12?format=mjpg", "v4l2:/dev/video12?fps=30&format=mjpg&quality=80"),
        ("/dev/v4l/by-path/pci-0000:00-0:1", "v4l2:/dev/v4l/by-path/pci-0000:00-0:1?fps=30&format=auto&quality=80"),
        (
            "v4l2:/dev/video0?size=1280x720&fps=7.5&format=yuyv&quality=9",
            "v4l2:/dev/video0?size=1280x720&fps=7.5&format=yuyv&quality=9",
        ),
        (
            "v4l2:?exposure_auto=1&fps=30&brightness=-3&format=auto",
            "v4l2:/dev/video0?fps=30&format=auto&quality=80&exposure_auto=1&brightness=-3",
        ),
    ] {
        let source: Source = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(source.to_string(), text);
        assert_eq!(canonical.parse::<Source>().unwrap(), source, "{text}");
    }
}

#[test]
fn a_camera_may_be_plugged_in_later() {
    assert!("v4l2:/dev/there/is/none".parse::<Source>().unwrap().check().is_ok());
}

#[test]
fn what_cannot_be_meant_is_told_the_rule() {
    let refusal = |text: &str| text.parse::<Source>().expect_err(text).to_string();
    let size = "write WIDTHxHEIGHT, each from 1 to 65535, such as 1280x720";
    for value in ["", "1280", "x", "0x720", "1280x65536", "1280x720x3", "-1x1"] {
        assert_eq!(refusal(&format!("v4l2?size={value}")), format!("{value:?} is no size for v4l2; {size}"));
    }
    let format = r#""h264" is no format for v4l2; write auto, mjpg, jpeg, yuyv, "#;
    assert!(refusal("/dev/video0?format=h264").starts_with(format));
    let known = "it takes size, fps, format, quality and the camera's controls, such as brightness";
    for name in ["Brightness", "", "white balance", "_gain"] {
        assert_eq!(refusal(&format!("v4l2?{name}=1")), format!("v4l2 has no parameter {name:?}; {known}"));
    }
    for value in ["", "1.5", "on"] {
        let rule = "write gain=NUMBER, a whole one";
        assert_eq!(
            refusal(&format!("v4l2?gain={value}")),
            format!("{value:?} is no value of a control for v4l2; {rule}")
        );
    }
}

#[test]
fn controls_are_spelled_in_small_letters() {
    for (name, spelled) in [
        ("Brightness", "brightness"),
        ("Exposure, Auto", "exposure_auto"),
        ("White Balance Temperature, Auto", "white_balance_temperature_auto"),
        ("Exposure (Absolute)", "exposure_absolute"),
        ("  LED1 Mode ", "led1_mode"),
        ("", ""),
    ] {
        assert_eq!(spell(name), spelled);
    }
}
