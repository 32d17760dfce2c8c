//! Arguments that are refused, and parts of the messages.

pub(super) const NUMBER: &str = "expected a whole number from 1 to 4294967295";
pub(super) const MEBIBYTES: &str = "expected a whole number from 1 to 1048576";
pub(super) const TIME: &str = "expected a time above 0 with its unit";
pub(super) const ADDRESS: &str = "expected HOST:PORT, PORT";
pub(super) const TOKEN: &str = "expected 1 to 256 ASCII";
pub(super) const HOST: &str = "expected a host name without scheme and port";
pub(super) const ORIGIN: &str = "expected scheme, host and optional port";
pub(super) const BOUNDARY: &str = "expected 1 to 70 letters, digits";
pub(super) const HISTORY: &str = "expected 0s for no history, or a time from 1s to 24h";
pub(super) const NO_SOURCE: &str =
    "unknown source \"carrier-pigeon\"; expected one of v4l2:/dev/video0";
pub(super) const NO_CAMERA: &str =
    "invalid camera address; expected http://USER:PASSWORD@HOST:PORT/PATH";
pub(super) const NO_REDIS: &str =
    "invalid Redis address; expected redis://USER:PASSWORD@HOST:PORT/CHANNEL";
pub(super) const USERS: &str = "expected a file of lines user:password or user:hash";
pub(super) const TOKENS: &str = "expected a file whose first line is the token";

/// An option of `framecast serve`, invalid values, and key words of the error. The values are tested in
/// the option's variable too.
pub(super) const WRONG: &[(&str, &[&str], &str)] = &[
    (
        "listen",
        &[
            "65536",
            "127.0.0.1:65536",
            "127.0.0.1:",
            ":",
            "ftp://cam:80",
            "https://cam/x",
            "a b:80",
            "",
        ],
        ADDRESS,
    ),
    ("listen", &["0.0.0.0"], "add a port, as in 0.0.0.0:8080"),
    (
        "listen",
        &["::", "::1:8080", ":::8080"],
        "put an IPv6 address in brackets, as in [::]:8080",
    ),
    (
        "listen",
        &["/run/framecast.sock"],
        "needs a prefix: unix:/run/framecast.sock",
    ),
    ("listen", &["unix:"], "expected the path of a socket"),
    (
        "listen",
        &["https://127.0.0.1:0"],
        "no certificate; add --tls-cert",
    ),
    ("tls-cert", &["cert.pem"], "--tls-key <FILE>"),
    ("tls-key", &["key.pem"], "--tls-cert <FILE>"),
    (
        "camera",
        &["carrier-pigeon:", "front=carrier-pigeon:"],
        NO_SOURCE,
    ),
    (
        "camera",
        &["http://", "http://user:secret@", "https://cam:99999/"],
        NO_CAMERA,
    ),
    (
        "camera",
        &["redis://cam", "redis://user:secret@", "redis+list://"],
        NO_REDIS,
    ),
    (
        "camera",
        &["exec:", "exec:sh 'open"],
        "expected a command; write exec:PROGRAM ARGUMENTS, and close every quote",
    ),
    (
        "camera",
        &["pattern:9x9", "pattern:wide"],
        "expected WIDTHxHEIGHT, each from 16 to 8192, such as 1280x720",
    ),
    (
        "camera",
        &["pattern:64x48?fps=0", "stills:?fps=x"],
        "expected a number above 0 and at most 240, such as 30 or 0.5",
    ),
    (
        "camera",
        &["pattern:64x48?quality=101"],
        "pattern: invalid quality \"101\"; expected a whole number from 1 to 100",
    ),
    (
        "camera",
        &["stills:?speed=1"],
        "stills: unknown parameter \"speed\"; expected fps or watch",
    ),
    (
        "camera",
        &["/dev/video0?format=h264"],
        "v4l2: invalid format \"h264\"; expected auto, mjpg",
    ),
    (
        "camera",
        &["http://cam/#timeout=soon"],
        "http: invalid timeout \"soon\"; expected a time with its unit",
    ),
    (
        "publish",
        &["cam", "redis://cam:99999/x", "redis://user:secret@"],
        NO_REDIS,
    ),
    (
        "publish",
        &["front=redis://cam/x"],
        "unknown camera 'front'; the cameras are camera",
    ),
    (
        "publish",
        &["redis+list://cam/x?max=0"],
        "redis+list: invalid max \"0\"; expected a whole number from 1",
    ),
    ("always-on", &["maybe", "2"], "expected true or false"),
    (
        "offline",
        &["/not/there.jpg", "", "/dev"],
        "expected draw, last or the path of a JPEG",
    ),
    (
        "offline",
        &["/dev/zero"],
        "larger than 8 MiB; expected draw, last",
    ),
    ("offline", &["/dev/null"], "/dev/null: invalid JPEG: "),
    (
        "warm-up",
        &["-1", "soon", "6s", "101", ""],
        "expected a time of at most 5s",
    ),
    (
        "snapshot-max-age",
        &["-1s", "10", "2h", ""],
        "expected a time from 0s to 1h",
    ),
    (
        "camera-linger",
        &["0s", "10", "-1s", "soon", "", "2years"],
        TIME,
    ),
    ("boundary", &["", "two words", "-x", "a:b"], BOUNDARY),
    (
        "viewers-max",
        &["0", "-1", "many", "1.5", "4294967296", ""],
        NUMBER,
    ),
    (
        "connections-max",
        &["0", "-1", "many", "4294967296"],
        NUMBER,
    ),
    ("request-timeout", &["0s", "10", "soon"], TIME),
    ("idle-timeout", &["0s", "10", "soon"], TIME),
    ("stall-timeout", &["0s", "10", "soon"], TIME),
    ("frame-timeout", &["0s", "10", "soon"], TIME),
    ("repeat-after", &["0s", "10", "soon"], TIME),
    (
        "frame-max-mib",
        &["0", "-1", "8MiB", "65"],
        "expected a whole number from 1 to 64",
    ),
    (
        "retained-max-mib",
        &["0", "-1", "64MiB", "1048577"],
        MEBIBYTES,
    ),
    ("history", &["25h", "10", "500ms", "soon", ""], HISTORY),
    (
        "history-max-mib",
        &["0", "-1", "64MiB", "1048577"],
        MEBIBYTES,
    ),
    ("shutdown-timeout", &["0s", "10", "soon"], TIME),
    (
        "auth-file",
        &["/not/there"],
        "--auth-file /not/there: No such file or directory",
    ),
    ("auth-file", &["/not/there", "/dev", "/dev/zero"], USERS),
    ("auth-file", &["/dev/null"], "no users"),
    ("token", &["", "two words", "s\u{e9}cret"], TOKEN),
    ("token-file", &["/not/there", "/dev", "/dev/zero"], TOKENS),
    ("token-file", &["/dev/null"], TOKEN),
    ("public", &["maybe", "2"], "expected true or false"),
    ("allow-host", &["http://cam", "cam:80", "", "a/b"], HOST),
    (
        "trusted-proxy",
        &["proxy", "10.0.0.0/33", "10.0.0/8"],
        "range in CIDR notation",
    ),
    (
        "allow-origin",
        &["dash", "http://dash/", "ftp://dash", "null", ""],
        ORIGIN,
    ),
    ("connections-per-address", &["0", "-1", "many"], NUMBER),
];

/// Invalid command lines, and key words of the error.
pub(super) const REFUSED: &[(&[&str], &str)] = &[
    (
        &["--port", "8080"],
        "the port is part of the address: --listen 8080",
    ),
    (
        &["-p", "8080"],
        "the port is part of the address: --listen 8080",
    ),
    (
        &["--host=0.0.0.0"],
        "the address includes the port: --listen 0.0.0.0:8080",
    ),
    (
        &["--resolution", "640x480"],
        "a camera's settings are part of its source",
    ),
    (
        &["--always-on", "true"],
        "unexpected argument 'true' found; write the value behind an equals sign",
    ),
    (
        &["/dev/video0", "bench"],
        "write the command first: framecast bench",
    ),
    (&["cameas"], "tip: a similar subcommand exists: 'cameras'"),
    (
        &["--camera", "front=/dev/vidoe0"],
        "framecast: --camera, camera front: unknown source",
    ),
    (
        &["--camera", "pattern:", "--camera", "/dev/vidoe0"],
        "framecast: --camera, camera 2: unknown source",
    ),
    (
        &["serve", "carrier-pigeon:"],
        "framecast: SOURCE: unknown source",
    ),
    (
        &["/dev/video0?size=big"],
        "framecast: SOURCE: v4l2: invalid size \"big\"",
    ),
    (
        &["a/b=pattern:64x48"],
        "invalid camera name 'a/b': it contains '/'",
    ),
    (
        &["a=b=pattern:64x48"],
        "invalid camera name 'a=b': it contains '='",
    ),
    (
        &["who?=/dev/video0"],
        "invalid camera name 'who?': it contains '?'",
    ),
    (&["--log-level", "debug"], "tip: -v logs more"),
    (&["-o", "output_http.so"], "streams are served at --listen"),
    (&["0"], "as in /dev/video0"),
    (
        &["--camera", "rtsp://user:secret@cam/live"],
        "exec:ffmpeg -nostdin -loglevel error -rtsp_transport tcp -i",
    ),
    (&["--camera", "/srv/pictures"], "stills:DIR"),
    (
        &["--camera", "192.168.1.5:8080/video"],
        "write http:// before the host",
    ),
    (&["--camera", "=stills:"], "no camera name before '='"),
    (
        &["--camera", "a<b>=stills:"],
        "invalid camera name 'a<b>': it contains '<'",
    ),
    (
        &["--camera", "a\tb=stills:"],
        "it contains control characters",
    ),
    (&["--colour"], "unexpected argument '--colour' found"),
    (&["record"], "unrecognized subcommand 'record'"),
    (&["record"], "source looks like /dev/video0"),
    (
        &["-v", "-q"],
        "the argument '--verbose...' cannot be used with '--quiet...'",
    ),
    (
        &["--generate", "icons"],
        "[possible values: man, bash, zsh, fish, systemd, dockerfile, grafana]",
    ),
    (
        &["--camera", "a=stills:", "--camera", "a=-"],
        "duplicate camera name 'a'",
    ),
    (
        &["--camera", "-", "--camera", "-"],
        "only one camera can read standard input",
    ),
    (
        &["--token", "x", "--token-file", "/dev/null"],
        "--token and --token-file: both are given",
    ),
    (
        &["--listen", "unix:s", "--tls-cert", "c", "--tls-key", "k"],
        "no address to listen on uses HTTPS; add",
    ),
    (&["capture"], "<SOURCE>"),
    (&["capture", "carrier-pigeon:"], NO_SOURCE),
    (
        &["capture", "stills:", "stills:"],
        "unexpected argument 'stills:' found",
    ),
    (
        &["capture", "rpicam:?size=big"],
        "rpicam: invalid size \"big\"; expected WIDTHxHEIGHT",
    ),
    (&["publish"], "<URL>"),
    (&["publish", "cam"], NO_REDIS),
    (
        &["publish", "redis+list://cam/x?max=x"],
        "redis+list: invalid max \"x\"; expected a whole number from 1",
    ),
    (&["token"], "--valid <TIME>"),
    (
        &["token", "--valid", "1h"],
        "by --token-file FILE or FRAMECAST_TOKEN",
    ),
    (&["token", "--valid", "0s"], TIME),
    (
        &["token", "--valid", "1h", "--token", "short"],
        "fewer than 16 characters cannot sign",
    ),
    (
        &["token", "--valid", "1h", "--camera", "a/b"],
        "it contains '/'",
    ),
    (
        &["token", "--valid", "1h", "--token-file", "/not/there"],
        TOKENS,
    ),
    (
        &["health", "cam"],
        "\"cam\": invalid server address: expected http://",
    ),
    (
        &["health", ""],
        "\"\": invalid server address: expected http://",
    ),
    (
        &["health", "ftp://cam/"],
        "\"ftp://cam/\": invalid server address: expected http://",
    ),
    (&["cameras", "all"], "unexpected argument 'all' found"),
    (&["bench"], "<URL>"),
    (
        &["bench", "cam"],
        "cam: invalid URL: expected http:// or https://",
    ),
    (
        &["bench", "http://ann:secret@cam:x/"],
        "http://***@cam:x/: invalid URL: expected http://USER:PASSWORD@HOST",
    ),
    (
        &["bench", "http://cam:99999/"],
        "expected http://USER:PASSWORD@HOST:PORT/PATH",
    ),
    (
        &["bench", "http://[::1/"],
        "brackets around IPv6 as in [::1]",
    ),
    (
        &["bench", "http://cam/", "--viewers", "2", "--ramp", "1"],
        "cannot be used with '--ramp <N,N,...>'",
    ),
];

/// An option of `framecast bench`, invalid values, and key words of the error.
pub(super) const BENCH: &[(&str, &[&str], &str)] = &[
    (
        "viewers",
        &["-1", "many", "1.5", ""],
        "expected a whole number, such as 100",
    ),
    ("viewers", &["0"], "--viewers: no viewers"),
    (
        "ramp",
        &["1,x", "-1", ","],
        "expected a whole number, such as 100",
    ),
    ("ramp", &["1,0"], "--viewers: no viewers"),
    (
        "seconds",
        &["5s", ""],
        "expected a number, such as 5 or 0.5",
    ),
    (
        "seconds",
        &["0", "-1", "nan", "inf", "86401"],
        "--seconds: expected a number above 0",
    ),
    (
        "slow",
        &["-1", "few"],
        "expected a whole number, such as 100",
    ),
    (
        "slow-rate",
        &["-1", "slow"],
        "expected a whole number, such as 100",
    ),
    (
        "stalled",
        &["-1", "few"],
        "expected a whole number, such as 100",
    ),
    ("churn", &["often"], "expected a number, such as 5 or 0.5"),
    (
        "churn",
        &["-1", "10001", "nan"],
        "--churn: expected a number from 0 to 10000",
    ),
    ("pid", &["0", "-1", "framecast"], "expected a process id"),
    (
        "verify",
        &["yes"],
        "unexpected value 'yes' for '--verify' found",
    ),
    (
        "json",
        &["yes"],
        "unexpected value 'yes' for '--json' found",
    ),
    (
        "allow-faults",
        &["yes"],
        "unexpected value 'yes' for '--allow-faults' found",
    ),
];

/// Files and addresses that cannot be used: the exit code, the arguments, and a part of the message.
/// `@NAME` is a file of the fixture.
pub(super) const UNUSABLE: &[(i32, &str, &str)] = &[
    (
        1,
        "--listen @taken",
        "cannot listen on @taken: Address already in use (os error 98); stop the program that",
    ),
    (
        1,
        "--listen unix:@text",
        "@text: Address already in use (os error 98); remove that file, or choose",
    ),
    (
        1,
        "--listen unix:@no/socket",
        "@no/socket: No such file or directory (os error 2); choose a path in",
    ),
    (
        1,
        "--listen 192.0.2.1:8080",
        "Cannot assign requested address (os error 99); choose an address of this machine",
    ),
    (
        1,
        "--listen no..host:8080",
        "cannot listen on no..host:8080: ",
    ),
    (
        1,
        "--tls-cert @no --tls-key @key",
        "@no: No such file or directory (os error 2); --tls-cert and",
    ),
    (
        1,
        "--tls-cert @cert --tls-key @locked",
        "@locked: Permission denied (os error 13); --tls-cert",
    ),
    (
        1,
        "--tls-cert @text --tls-key @key",
        "@text: no certificate found; --tls-cert expects a PEM file",
    ),
    (
        1,
        "--tls-cert @cert --tls-key @cert",
        "@cert: no private key found; --tls-key expects a PEM file",
    ),
    (
        1,
        "--tls-cert @cert --tls-key @other-key",
        "@other-key: not the key of the certificate in @cert; ",
    ),
    (
        2,
        "--auth-file @locked",
        "--auth-file @locked: Permission denied (os error 13); expected a file",
    ),
    (
        2,
        "--auth-file @garbage",
        "--auth-file @garbage: not UTF-8 text; expected a file of lines",
    ),
    (
        2,
        "--auth-file @text",
        "--auth-file @text: line 1: no colon; ",
    ),
    (
        2,
        "--auth-file @no-user",
        "--auth-file @no-user: line 1: no user; ",
    ),
    (
        2,
        "--auth-file @twice",
        "--auth-file @twice: line 2: duplicate user; ",
    ),
    (
        2,
        "--auth-file @hash",
        "--auth-file @hash: line 1: unknown kind of hash",
    ),
    (
        2,
        "--token-file @words",
        "--token-file @words: expected 1 to 256",
    ),
    (
        2,
        "token --valid 1h --token-file @locked",
        "--token-file @locked: Permission denied",
    ),
    (
        2,
        "--offline @locked",
        "cannot read @locked: Permission denied",
    ),
];
