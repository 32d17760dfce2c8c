//! HTTPS listeners, beside a plain one.
#![cfg(feature = "tls")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustix::process::Signal;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::support::certificate::Certificate;
use crate::support::{Program, TIMEOUT, eventually, field};

const WATCH: &str = "GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A certificate in a folder, and a client that trusts it.
struct Identity {
    folder: tempfile::TempDir,
    client: Arc<ClientConfig>,
}

impl Identity {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let client = renew(folder.path());
        Self { folder, client }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Starts a server with a plain and an HTTPS listener.
    fn serve(&self, camera: &str) -> (Program, SocketAddr) {
        let files = [self.path("cert.pem"), self.path("key.pem")];
        let https = [
            "--listen",
            "https://localhost:0",
            "--tls-cert",
            &files[0],
            "--tls-key",
            &files[1],
        ];
        let mut program = Program::serve_on(
            "http://127.0.0.1:0",
            &[&["--camera", camera], &https[..]].concat(),
        );
        let line = program.line();
        let address = line
            .trim()
            .strip_prefix("listening on https://")
            .and_then(|rest| rest.strip_suffix('/'));
        let address = address
            .and_then(|address| address.parse().ok())
            .unwrap_or_else(|| panic!("{line}"));
        (program, address)
    }
}

/// Writes a new self-signed certificate and its key into `folder`.
fn renew(folder: &Path) -> Arc<ClientConfig> {
    let certificate = Certificate::new();
    certificate.write(folder.join("cert.pem"), folder.join("key.pem"));
    certificate.client()
}

type Encrypted = BufReader<StreamOwned<ClientConnection, TcpStream>>;

/// Connects and sends ClientHello.
fn hello(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
) -> StreamOwned<ClientConnection, TcpStream> {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(TIMEOUT)).unwrap();
    let mut stream = StreamOwned::new(
        ClientConnection::new(Arc::clone(config), "localhost".try_into().unwrap()).unwrap(),
        socket,
    );
    stream.conn.write_tls(&mut stream.sock).unwrap();
    stream
}

fn watch(address: SocketAddr, config: &Arc<ClientConfig>) -> std::io::Result<Encrypted> {
    let mut stream = hello(address, config);
    stream.write_all(WATCH.as_bytes())?;
    Ok(BufReader::new(stream))
}

/// Reads the next part: its sequence and its picture.
fn part(viewer: &mut Encrypted) -> (u64, Vec<u8>) {
    loop {
        let mut block = String::new();
        while !block.ends_with("\r\n\r\n") {
            assert_ne!(viewer.read_line(&mut block).unwrap(), 0, "the stream ended");
        }
        let Some(length) = field(&block, "Content-Length") else {
            continue;
        };
        let mut jpeg = vec![0; length.parse().unwrap()];
        viewer.read_exact(&mut jpeg).unwrap();
        let mut end = [0; 2];
        viewer.read_exact(&mut end).unwrap();
        return (
            field(&block, "X-Frame-Sequence").unwrap().parse().unwrap(),
            jpeg,
        );
    }
}

#[test]
fn https_viewer_gets_the_same_frames_as_http_viewer() {
    let identity = Identity::new();
    let (program, https) = identity.serve("pattern:160x120?fps=20");
    let mut plain = program.watch("/stream");
    let mut encrypted = watch(https, &identity.client).unwrap();
    let received: Vec<_> = (0..10).map(|_| part(&mut encrypted)).collect();
    let mut compared = 0;
    while compared < 5 {
        let other = plain.part();
        assert!(other.sequence <= received[9].0, "no common frame");
        if let Some((_, jpeg)) = received
            .iter()
            .find(|(sequence, _)| *sequence == other.sequence)
        {
            assert!(*jpeg == other.jpeg);
            compared += 1;
        }
    }
    assert_eq!(program.state()["tls"]["handshakes"], 1);
    program.signal(Signal::TERM);
    let mut rest = Vec::new();
    encrypted
        .read_to_end(&mut rest)
        .expect("the stream ends with close_notify");
    assert!(rest.ends_with(b"\r\n--frame--\r\n"));
    assert_eq!(program.wait().0.code(), Some(0));
}

#[test]
fn plain_http_on_https_port_is_answered_with_400() {
    let identity = Identity::new();
    let (program, https) = identity.serve("stills:");
    let mut stream = TcpStream::connect(https).unwrap();
    stream.write_all(WATCH.as_bytes()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{reply}");
    assert!(reply.ends_with("use https:// in the address.\n"), "{reply}");
    assert_eq!(program.state()["tls"]["plain_http_requests"], 1);
    // TLS on the plain port.
    let mut stream = hello(program.address, &identity.client);
    let failed = stream
        .write_all(WATCH.as_bytes())
        .expect_err("the port does not use TLS");
    assert!(failed.to_string().contains("corrupt message"), "{failed}");
}

#[test]
fn renewed_certificate_is_used_for_new_connections_and_an_invalid_one_is_not() {
    let identity = Identity::new();
    let (program, https) = identity.serve("stills:?fps=20");
    let mut old = watch(https, &identity.client).unwrap();
    part(&mut old);
    let renewed = renew(identity.folder.path());
    assert!(
        watch(https, &renewed).is_err(),
        "the certificate is not reloaded without SIGHUP"
    );
    program.signal(Signal::HUP);
    eventually("the certificate is reloaded", || {
        program.state()["tls"]["certificate_reloads"] == 1
    });
    assert!(
        watch(https, &identity.client).is_err(),
        "new connections get the new certificate"
    );
    part(&mut watch(https, &renewed).unwrap());

    std::fs::write(identity.path("cert.pem"), "none").unwrap();
    program.signal(Signal::HUP);
    eventually("the reload fails", || {
        program.state()["tls"]["certificate_reloads_failed"] == 1
    });
    part(&mut watch(https, &renewed).unwrap());
    part(&mut old);
    program.signal(Signal::TERM);
    let (_, log) = program.wait();
    let kept = "keeping the old certificate";
    assert!(
        log.contains(kept) && log.contains("cert.pem: no certificate found"),
        "{log}"
    );
}

#[test]
fn unfinished_handshake_is_closed_after_5_s() {
    let identity = Identity::new();
    let (program, https) = identity.serve("stills:");
    let mut silent = TcpStream::connect(https).unwrap();
    let mut half = hello(https, &identity.client);
    let began = std::time::Instant::now();
    let mut bytes = Vec::new();
    half.sock
        .read_to_end(&mut bytes)
        .expect("the server's messages, then the end");
    assert!(!bytes.is_empty());
    assert_eq!(silent.read(&mut [0; 10]).unwrap(), 0);
    assert!(
        (4..15).contains(&began.elapsed().as_secs()),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(
        program.state()["connections"]["closed"]["request_timeout"],
        2
    );
}

#[test]
fn burst_of_40_handshakes_costs_no_viewer_a_frame() {
    handshakes_do_not_delay_viewers(40);
}

#[test]
#[ignore = "1,000 clients must finish within 5 s, which needs a fast machine"]
fn burst_of_1000_handshakes_costs_no_viewer_a_frame() {
    handshakes_do_not_delay_viewers(1000);
}

fn handshakes_do_not_delay_viewers(count: usize) {
    let identity = Identity::new();
    let (program, https) = identity.serve("stills:?fps=2");
    let viewers: Vec<_> = (0..4).map(|_| program.watch("/stream")).collect();
    let viewers: Vec<_> = viewers
        .into_iter()
        .map(|viewer| std::thread::spawn(|| viewer.rest()))
        .collect();
    let mut all: Vec<_> = (0..count).map(|_| hello(https, &identity.client)).collect();
    for stream in &mut all {
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .expect("the handshake completes");
    }
    for stream in &mut all {
        let mut reply = [0; 15];
        stream
            .read_exact(&mut reply)
            .expect("the handshake completes");
        assert_eq!(&reply, b"HTTP/1.1 200 OK");
    }
    let state = program.state();
    assert_eq!(
        (
            &state["tls"]["handshakes"],
            &state["tls"]["handshakes_failed"]
        ),
        (&count.into(), &0.into())
    );
    let frames = &state["frames"];
    assert!(
        frames["delivered"].as_u64() >= Some(4) && frames["skipped_slow"] == 0,
        "frames lost: {frames}"
    );
    program.signal(Signal::TERM);
    for viewer in viewers {
        assert!(
            viewer
                .join()
                .expect("a whole stream")
                .ends_with(b"\r\n--frame--\r\n")
        );
    }
}

#[test]
fn unusable_certificate_exits_with_a_message() {
    let identity = Identity::new();
    let [cert, key] = [identity.path("cert.pem"), identity.path("key.pem")];
    let missing = Identity::new().path("key.pem");
    let other_identity = Identity::new();
    let other_key = other_identity.path("key.pem");
    let cases: [(&[&str], i32, &str); 7] = [
        (
            &["--tls-cert", &missing, "--tls-key", &key],
            1,
            "No such file or directory",
        ),
        (
            &["--tls-cert", &key, "--tls-key", &key],
            1,
            "key.pem: no certificate found; --tls-cert expects a PEM",
        ),
        (
            &["--tls-cert", &cert, "--tls-key", &cert],
            1,
            "cert.pem: no private key found; --tls-key expects a PEM",
        ),
        (
            &["--tls-cert", &cert, "--tls-key", &other_key],
            1,
            "give the key that belongs to it",
        ),
        (&["--tls-cert", &cert], 2, "--tls-key <FILE>"),
        (&["--listen", "https://127.0.0.1:0"], 2, "--tls-cert"),
        (
            &[
                "--listen",
                "http://127.0.0.1:0",
                "--tls-cert",
                &cert,
                "--tls-key",
                &key,
            ],
            2,
            "--listen https://",
        ),
    ];
    for (arguments, code, key_words) in cases {
        let mut command = Command::new(env!("CARGO_BIN_EXE_framecast"));
        let output = command.arg("serve").args(arguments).output().unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {log}");
        assert!(log.contains(key_words), "{arguments:?}: {log}");
    }
}

#[test]
fn address_without_scheme_uses_tls_if_there_is_a_certificate() {
    let identity = Identity::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_framecast"));
    command.args(["--listen", "http://127.0.0.1:0/", "--listen", "127.0.0.1:0"]);
    command.env("FRAMECAST_TLS_CERT", identity.path("cert.pem"));
    command.env("FRAMECAST_TLS_KEY", identity.path("key.pem"));
    let mut program = Program::start(command);
    assert!(
        program
            .line()
            .starts_with("listening on https://127.0.0.1:")
    );
}

#[test]
#[ignore = "needs curl, openssl and ffmpeg"]
fn curl_openssl_and_ffmpeg_connect_over_https() {
    let identity = Identity::new();
    let (program, https) = identity.serve("stills:?fps=20");
    let url = format!("https://localhost:{}", https.port());
    let picture = format!("{url}/snapshot");
    let run = |command: &[&str]| {
        let output = Command::new(command[0])
            .args(&command[1..])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{command:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    };
    let certificate = identity.path("cert.pem");
    for trust in [
        &["-k"][..],
        &["--cacert", &certificate],
        &["--cacert", &certificate, "--tls-max", "1.2"],
    ] {
        let jpeg = run(&[&["curl", "-sS", "--fail", &picture], trust].concat());
        framecast::wire::jpeg::check(&jpeg).expect("a whole picture");
    }
    let stream = format!("{url}/stream");
    let frames = ["-frames:v", "20", "-f", "framecrc", "-"];
    let listed = run(&[
        &["ffmpeg", "-v", "error", "-f", "mpjpeg", "-i", &stream],
        &frames[..],
    ]
    .concat());
    let listed = String::from_utf8(listed).unwrap();
    assert_eq!(
        listed.lines().filter(|line| line.starts_with("0,")).count(),
        20,
        "{listed}"
    );

    let address = https.to_string();
    let shown = run(&[
        "openssl",
        "s_client",
        "-connect",
        &address,
        "-CAfile",
        &certificate,
        "-alpn",
        "h2,http/1.1",
    ]);
    let shown = String::from_utf8_lossy(&shown);
    assert!(
        shown.contains("ALPN protocol: http/1.1") && shown.contains("Verify return code: 0"),
        "{shown}"
    );
    drop(program);
}
