//! Secrets in options.

use clap::Parser;

use super::Options;

const CANARY: &str = "cAnArY7";

#[test]
fn debug_output_of_options_and_settings_shows_no_secret() {
    let cameras = [
        format!("relay=http://ann:{CANARY}@cam/?u=admin&p={CANARY}#timeout=2s"),
        format!("https=https://ann:{CANARY}@cam/?token={CANARY}"),
        format!("channel=redis://ann:{CANARY}@cam/channel"),
        format!("list=rediss+list://:{CANARY}@cam/work"),
        format!(
            "grab=exec:grab --password {CANARY} -u ann:{CANARY} --url rtsp://ann:{CANARY}@cam/"
        ),
    ];
    let mut arguments = vec![
        "framecast".to_owned(),
        format!("--token={CANARY}-long-enough"),
    ];
    arguments.extend(cameras.iter().map(|camera| format!("--camera={camera}")));
    arguments.push(format!("--publish=redis://:{CANARY}@cam/x"));
    let options = Options::try_parse_from(&arguments).unwrap();
    let mut shown = format!("{options:?} {options:#?}");
    let settings = options.serve.settings("framecast".as_ref()).unwrap();
    shown += &format!("{settings:?}");
    for command in ["capture", "publish", "health", "bench"] {
        let address = format!("http://ann:{CANARY}@cam/?token={CANARY}");
        shown += &format!(
            "{:?}",
            Options::try_parse_from(["framecast", command, &address]).unwrap()
        );
    }
    let token = Options::try_parse_from(["framecast", "token", "--valid", "1h", "--token", CANARY])
        .unwrap();
    shown += &format!("{token:?}");
    assert!(
        !shown.contains(CANARY) && shown.matches("***").count() > 20,
        "{shown}"
    );
}
