use super::*;

fn shown(address: &str) -> String {
    SecretAddress::new(address).to_string()
}

#[test]
fn userinfo_and_query_values_of_an_address_are_masked() {
    for (address, masked) in [
        ("http://cam/stream", "http://cam/stream"),
        ("http://ann:s3cret@cam/stream", "http://***@cam/stream"),
        ("http://ann@cam", "http://***@cam"),
        ("http://ann:@cam", "http://***@cam"),
        ("http://@cam", "http://@cam"),
        (
            "http://cam/cgi?user=admin&pwd=s3cret#fps=2&insecure=1",
            "http://cam/cgi?user=***&pwd=***#fps=2&insecure=1",
        ),
        ("http://cam?s3cret", "http://cam?***"),
        (
            "http://cam/?action=stream?dummy=s3cret",
            "http://cam/?action=***",
        ),
        (
            "http://cam/?action=stream_1&x=1",
            "http://cam/?action=stream_1&x=***",
        ),
        (
            "http://cam/?a=&token=s3cret;x",
            "http://cam/?a=&token=***;***",
        ),
        (
            "https://[fe80::1%25eth0]:8443/v?k=s3cret",
            "https://[fe80::1%25eth0]:8443/v?k=***",
        ),
        ("HTTP://cam/?PWD=s3cret", "HTTP://cam/?PWD=***"),
        (
            "rtsp://cam/user=admin&password=s3cret&channel=1/x",
            "rtsp://cam/user=admin&password=***&channel=1/x",
        ),
        (
            "rtsp://cam/user=admin_password=s3cret_channel=1.sdp",
            "rtsp://cam/user=admin_password=***",
        ),
        (
            "redis://ann:s3cret@h/cam#timeout=5s",
            "redis://***@h/cam#timeout=5s",
        ),
        (
            "redis+list://:s3cret@h/work?max=7",
            "redis+list://***@h/work?max=7",
        ),
        (
            "front=http://ann:s3cret@cam/?x=y",
            "front=http://***@cam/?x=***",
        ),
    ] {
        assert_eq!(shown(address), masked, "{address}");
        let debug = format!("{:?}", SecretAddress::new(address));
        assert!(!debug.contains("s3cret"), "{debug}");
    }
}

#[test]
fn sources_without_credentials_stay_readable() {
    for address in [
        "v4l2:/dev/video0?size=640x480&fps=15",
        "/dev/video0?size=640x480",
        "stills:/srv/pictures?fps=1",
        "stills:/srv/my pictures?fps=0.5&watch=1",
        "pattern:1280x720?fps=30&quality=80",
        "rpicam:?hflip=1",
        "door=pattern:64x48",
        "-",
        "exec:framecast capture 'pattern:64x48?fps=5'",
        "exec:ffmpeg -f v4l2 -i /dev/video0 -vf 'scale=640:480, fps=5' -f mjpeg -",
    ] {
        assert_eq!(shown(address), address);
        for text in [
            format!("camera a: started ({address})"),
            format!("[{address}]: {address}, 2 frames"),
        ] {
            assert_eq!(mask(&text), text);
        }
    }
}

#[test]
fn own_parameters_behind_the_hash_are_masked_in_text_as_in_the_address() {
    for address in [
        "http://cam/video#fps=2&timeout=30s&insecure=1",
        "http://ann:s3cret@cam/?pwd=s3cret#fps=2",
        "redis://ann:s3cret@h/cam#timeout=5s",
        "front=redis+list://:s3cret@h/work?max=7#insecure=1",
        "exec:curl -su ann:s3cret http://cam/?x=s3cret#every=1s",
    ] {
        let line = format!("camera a: started ({})", shown(address));
        assert_eq!(mask(&line), line);
        assert!(line.contains('#') && !line.contains("s3cret"), "{line}");
    }
}

#[test]
fn malformed_address_does_not_show_its_password() {
    for address in [
        "http://ann:s3/cret@cam/",
        "http://ann:s3cret#x@cam/",
        "http://ann:80#s3cret@cam/",
        "http://ann:80/s3cret@cam/x?user=a@b",
        "http://ann:s3cret?x@cam/",
        "http://ann:s3\"cret@cam/",
        "http://ann:s3cret@",
        "http://cam:s3cret/",
        "http://cam/?pwd=x#s3cret",
        "ann:s3cret@cam/video",
        "192.0.2.5:8080/video?pwd=s3cret",
        "http:ann:s3cret@cam",
        "http//ann:s3cret@cam/video",
        "http:/ann:s3cret@cam/video",
        "exec:curl 'http://ann:s3cret@cam/",
    ] {
        let shown = shown(address);
        assert!(
            !shown.contains("s3cret") && !shown.contains("cret@"),
            "{address}: {shown}"
        );
    }
}

#[test]
fn arguments_after_names_of_secrets_are_masked() {
    for (command, masked) in [
        ("curl -u ann:s3cret http://cam/", "curl -u *** http://cam/"),
        (
            "curl -fsSu ann:s3cret http://cam/",
            "curl -fsSu *** http://cam/",
        ),
        (
            "mosquitto_sub -P s3cret -p 1883",
            "mosquitto_sub -P *** -p 1883",
        ),
        (
            "curl -uann:s3cret http://cam/?pwd=s3cret",
            "curl -u*** http://cam/?pwd=***",
        ),
        (
            "curl --user=ann:s3cret http://cam/",
            "curl --user=*** http://cam/",
        ),
        (
            "curl -H 'Authorization: Basic s3cret' http://cam/",
            "curl -H 'Authorization: ***' http://cam/",
        ),
        (
            "curl -b sid=s3cret -b jar.txt http://cam/",
            "curl -b *** -b jar.txt http://cam/",
        ),
        (
            "wget --header='X-Api-Key: s3cret' -O - http://cam/",
            "wget '--header=X-Api-Key: ***' -O - http://cam/",
        ),
        (
            "ffmpeg -headers 'X-A: b\r\nAuthorization: Digest a=\"s3cret\"\r\n' -i x",
            "ffmpeg -headers 'X-A: b Authorization: *** ***' -i x",
        ),
        ("grab --password s3cret -o -", "grab --password *** -o -"),
        (
            "grab --password 's3cret two' -o -",
            "grab --password *** -o -",
        ),
        (
            "grab --password=s3cret --api-key=s3cret",
            "grab --password=*** --api-key=***",
        ),
        ("grab -passwd s3cret", "grab -passwd ***"),
        ("grab -p s3cret -p 8080", "grab -p *** -p 8080"),
        (
            "sshpass -p s3cret ssh pi@cam cat",
            "sshpass -p *** ssh pi@cam cat",
        ),
        ("env CAM_PASS=s3cret grab", "env CAM_PASS=*** grab"),
        ("grab login password s3cret", "grab login password ***"),
        (
            "gst-launch-1.0 rtspsrc user-id=ann user-pw=s3cret ! x",
            "gst-launch-1.0 rtspsrc user-id=ann user-pw=*** ! x",
        ),
        (
            "sh -c 'curl -u ann:s3cret http://cam | cat'",
            "sh -c 'curl -u *** http://cam | cat'",
        ),
        (
            "sh -c \"grab --token 's3cret two' rtsp://ann:s3cret@cam\"",
            "sh -c 'grab --token *** rtsp://***@cam'",
        ),
        (
            "curl -d '{\"password\": \"s3cret\"}' http://cam/",
            "curl -d '{\"password\": \"***\"}' http://cam/",
        ),
        (
            "ffmpeg -i rtsp://ann:s3cret@cam:554/live?x=s3cret -f mjpeg -",
            "ffmpeg -i rtsp://***@cam:554/live?x=*** -f mjpeg -",
        ),
    ] {
        let shown = shown(&format!("exec:{command}"));
        assert!(!shown.contains("s3cret"), "{shown}");
        if !command.starts_with("ffmpeg -h") {
            assert_eq!(shown, format!("exec:{masked}"));
        }
    }
}

#[test]
fn text_of_other_programs_is_masked() {
    for (text, masked) in [
        (
            "rtsp://user:pa@ss@cam:554/live: refused",
            "rtsp://***@cam:554/live: refused",
        ),
        (
            "from http://a:b@c to http://d:e@f.",
            "from http://***@c to http://***@f.",
        ),
        (
            "http://cam/path@2 and me@home",
            "http://cam/path@2 and me@home",
        ),
        ("cut short http://", "cut short http://"),
        (
            "(http://ann:s3cret@cam/x?pwd=s3cret): 401",
            "(http://***@cam/x?pwd=***): 401",
        ),
        (
            "no frames from http://cam:8080, trying again",
            "no frames from http://cam:8080, trying again",
        ),
        (
            "> GET /cgi?user=ann&pwd=s3cret HTTP/1.1",
            "> GET /cgi?user=***&pwd=*** HTTP/1.1",
        ),
        (
            "> Authorization: Basic czNjcmV0\nnext",
            "> Authorization: ***\nnext",
        ),
        ("> Cookie: a=b; c=d", "> Cookie: ***"),
        ("password: s3cret, user: ann", "password: *** user: ann"),
        (
            "{\"token\": \"two words\", \"user\": 1}",
            "{\"token\": \"***\", \"user\": 1}",
        ),
        ("password = 's3cret' is wrong", "password = '***' is wrong"),
        ("api_key=s3cret&x=y", "api_key=***"),
        ("ann:s3cret@cam: refused", "***@cam: refused"),
        (
            "401 Unauthorized: Authentication failed: check user and password",
            "401 Unauthorized: Authentication failed: check user and password",
        ),
        ("no key frame yet: waiting", "no key frame yet: waiting"),
        (
            "write http://USER:PASSWORD@HOST/PATH",
            "write http://USER:PASSWORD@HOST/PATH",
        ),
        (
            "set FRAMECAST_AUTH=USER:PASSWORD",
            "set FRAMECAST_AUTH=USER:PASSWORD",
        ),
        (
            "write https://HOST:PORT/ or unix:PATH",
            "write https://HOST:PORT/ or unix:PATH",
        ),
        ("--token: a token is a word", "--token: a token is a word"),
        (
            "--token-file /etc/token: every user may read it",
            "--token-file /etc/token: every user may read it",
        ),
        (
            "token=Token(4294967295), interests=READABLE",
            "token=Token(4294967295), interests=READABLE",
        ),
    ] {
        assert_eq!(mask(text), masked);
    }
}

#[test]
fn secrets_of_an_address_are_masked_wherever_they_appear() {
    for (address, text, masked) in [
        (
            "http://ann:s3%40cret@cam/",
            "login of ann with s3@cret failed",
            "login of ann with *** failed",
        ),
        (
            "http://cam/?pwd=s3cret",
            "bad login (s3cret)",
            "bad login (***)",
        ),
        (
            "http://cam/?camera=front",
            "camera front is away",
            "camera front is away",
        ),
        ("http://ann:1@cam/", "1 of 1 frames", "1 of 1 frames"),
        (
            "exec:grab --password s3cret",
            "ERROR: user ann/s3cret",
            "ERROR: user ann/***",
        ),
        (
            "exec:grab rtsp://ann:s3cret@cam",
            "rtsp://cam: s3cret?",
            "rtsp://cam: ***?",
        ),
    ] {
        assert_eq!(SecretAddress::new(address).redact(text), masked);
    }
}

#[test]
fn any_text_can_be_masked() {
    for text in [
        "",
        "=",
        ":",
        "://",
        "@",
        "?",
        "#",
        "a=",
        "://@:?#=&",
        "exec:",
        "exec:'",
        "x=exec:-u",
        "ü://ü:ü@ü?ü=ü#ü",
        "\0",
    ] {
        let _ = (
            shown(text),
            mask(text),
            SecretAddress::new(text).redact(text),
        );
    }
}

#[test]
fn credentials_are_decoded_and_not_shown() {
    let credentials = Credentials::from_userinfo("u%73er:p%40ss:w%C3%B6rd").unwrap();
    assert_eq!(
        (credentials.user.as_str(), credentials.password.as_str()),
        ("user", "p@ss:wörd")
    );
    assert_eq!(
        Credentials::from_pair("ann:pw").unwrap().basic(),
        "Basic YW5uOnB3"
    );
    assert_eq!(
        Credentials::from_userinfo("ann"),
        Credentials::from_pair("ann:")
    );
    for bad in ["ann:%0apw", "ann:%ff", "a%00:b"] {
        assert_eq!(Credentials::from_userinfo(bad), None, "{bad}");
    }
    assert_eq!(Credentials::from_pair("ann"), None);
    assert!(!format!("{credentials:?}").contains("user"));
}

/// A password of any characters, percent-encoded as an address needs it.
fn encoded(password: &str) -> String {
    percent_encoding::utf8_percent_encode(password, percent_encoding::NON_ALPHANUMERIC).to_string()
}

proptest::proptest! {
    #[test]
    fn password_anywhere_in_an_address_is_masked(
        scheme in "(https?|rtsp|redis|redis\\+list|HTTP)",
        user in "[a-zA-Z0-9._-]{0,8}",
        around in "[^\u{0}]{0,4}",
        path in "(/[a-z0-9._-]{0,6}){0,3}",
        name in "[a-zA-Z_]{1,8}",
    ) {
        let secret = encoded(&format!("{around}s3cret{around}"));
        for address in [
            format!("{scheme}://{user}:{secret}@cam:81{path}"),
            format!("{scheme}://cam{path}?{name}={secret}"),
            format!("{scheme}://cam{path}?{name}=x&{secret}#fps=1"),
            format!("exec:grab {scheme}://{user}:{secret}@cam{path}?{name}={secret}"),
            format!("exec:sh -c 'grab -i {scheme}://{user}:{secret}@cam{path}'"),
        ] {
            let address = SecretAddress::new(address);
            let (whole, redacted) = (mask(address.expose()), address.redact(address.expose()));
            let text = format!("{address} {address:?} {whole} {redacted}");
            proptest::prop_assert!(!text.contains("s3cret"), "{text}");
        }
    }

    #[test]
    fn argument_of_any_characters_is_masked(
        secret in "[^\u{0}]{0,8}",
        option in "--(password|token|api-key|auth|pwd|secret)",
    ) {
        let secret = format!("s3cret{secret}");
        let quoted = shlex::try_quote(&secret).unwrap();
        let assigned = shlex::try_quote(&format!("{option}={secret}")).unwrap().into_owned();
        let script = format!("exec grab {option} {quoted}");
        let script = shlex::try_quote(&script).unwrap();
        let commands =
            [format!("grab {option} {quoted} -o -"), format!("grab {assigned} -o -"), format!("sh -c {script}")];
        for command in commands {
            let shown = shown(&format!("exec:{command}"));
            proptest::prop_assert!(!shown.contains("s3cret"), "{command}: {shown}");
        }
    }

    #[test]
    fn any_text_is_masked_without_panic(address in ".{0,60}", text in ".{0,60}") {
        let address = SecretAddress::new(address);
        let _ = (address.to_string(), address.redact(&text), mask(&text));
        let _ = mask_arguments(&[text, address.expose().to_owned()]);
    }
}
