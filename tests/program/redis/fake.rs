//! What needs no Redis, but somebody who listens as one would.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::PICTURES;
use rustix::process::{Pid, Signal, kill_process};
use rustls::{ServerConnection, StreamOwned};

use crate::support::certificate::Certificate;
use crate::support::{self, eventually};

/// Listens, hands each connection to `serve` and counts them.
fn listen(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for stream in listener.incoming() {
            counted.fetch_add(1, Ordering::Relaxed);
            let serve = Arc::clone(&serve);
            thread::spawn(move || serve(stream.unwrap()));
        }
    });
    (address, count)
}

/// `framecast` with its words and its input piped, killed when dropped.
struct Program(Child);

impl Program {
    fn start(arguments: &[&str]) -> Self {
        Self::start_in(arguments, None)
    }

    /// Starts it with the certificates of a file as the platform's store.
    fn start_in(arguments: &[&str], store: Option<&Path>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_framecast"));
        command.envs(store.map(|store| ("SSL_CERT_FILE", store)));
        command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        Self(command.spawn().expect("the program starts"))
    }

    /// Kills it, and says what it has said.
    fn words(mut self) -> String {
        let _ = self.0.kill();
        let mut words = String::new();
        self.0
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut words)
            .unwrap();
        words
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_redis_that_fails_is_tried_five_times_a_second_at_most_and_spoken_of_once() {
    let refuse: fn(TcpStream) = drop;
    let mute: fn(TcpStream) = |mut stream| drop(stream.read_to_end(&mut Vec::new()));
    let starting: fn(TcpStream) = |mut stream| {
        while stream.read(&mut [0; 512]).is_ok_and(|count| count > 0) {
            let _ = stream.write_all(b"-LOADING Redis is loading the dataset in memory\r\n");
        }
    };
    for serve in [refuse, mute, starting] {
        for arguments in [["capture", "redis"], ["publish", "redis+list"]] {
            let (address, count) = listen(serve);
            let program =
                Program::start(&[arguments[0], &format!("{}://{address}/cam", arguments[1])]);
            eventually("it tries again", || count.load(Ordering::Relaxed) >= 2);
            let before = count.load(Ordering::Relaxed);
            thread::sleep(Duration::from_secs(2));
            let attempts = count.load(Ordering::Relaxed) - before;
            assert!((1..=10).contains(&attempts), "{attempts} attempts in 2 s");
            let words = program.words();
            assert_eq!(words.lines().count(), 1, "{words}");
            assert!(
                words.ends_with("; trying again until it is back\n"),
                "{words}"
            );
        }
    }
}

#[test]
fn viewers_are_told_that_redis_is_away_and_its_driver_is_left_alone() {
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let place = format!("redis://{gone}/cam");
    let server = support::Program::serve(&["--camera", &format!("{place}#timeout=100ms")]);
    let mut viewer = server.watch("/stream");
    viewer.part();
    let reply = server.get("/snapshot");
    let reason =
        format!("Camera camera is offline: no frames from {place}: the connection is refused;");
    assert!(
        reply.status() == 503 && reply.text().starts_with(&reason),
        "{}",
        reply.text()
    );
    // Long after another driver would have been taken for hopeless.
    thread::sleep(Duration::from_secs(2));
    assert_eq!(server.state()["cameras"][0]["driver_restarts"], 0);
    assert_eq!(server.state()["cameras"][0]["viewers"], 1);
}

#[test]
fn a_publisher_that_hangs_is_let_go_like_a_viewer_and_started_again() {
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let options = ["--camera", "stills:?fps=60", "--stall-timeout", "500ms"];
    let server = support::Program::serve(
        &[&options[..], &["--publish", &format!("redis://{gone}/cam")]].concat(),
    );
    let delivered = || server.state()["publishers"][0]["delivered"].as_u64();
    eventually("it takes frames", || delivered() >= Some(10));
    let arguments =
        |pid: &String| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let publisher = server
        .children()
        .into_iter()
        .find(|pid| arguments(pid).contains("publish"))
        .unwrap();
    kill_process(
        Pid::from_raw(publisher.parse().unwrap()).unwrap(),
        Signal::STOP,
    )
    .unwrap();
    eventually("another one runs", || {
        server.state()["publishers"][0]["restarts"] == 1 && delivered() >= Some(10)
    });
    let state = server.state();
    assert_eq!(
        state["connections"]["closed"]["stall_timeout"], 1,
        "{state}"
    );
    assert!(
        !server.children().contains(&publisher),
        "the one that hung is gone"
    );
    server.signal(Signal::TERM);
    assert!(server.wait().0.success());
}

#[test]
fn a_publisher_takes_its_input_off_though_redis_takes_nothing() {
    let (address, _) = listen(|mut stream| {
        let mut hello = [0; 512];
        let _ = stream
            .read(&mut hello)
            .and_then(|_| stream.write_all(b"+PONG\r\n"));
        // From here on nothing is read, let alone answered.
        thread::sleep(Duration::from_secs(60));
    });
    let mut program = Program::start(&["publish", &format!("redis://{address}/cam")]);
    let mut input = program.0.stdin.take().unwrap();
    // More than every buffer on the way holds.
    for _ in 0..2000 {
        input.write_all(PICTURES[0]).unwrap();
    }
}

#[test]
fn frame_larger_than_the_default_is_published_if_the_option_allows_it() {
    let jpeg = support::large_jpeg(9);
    let received = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&received);
    let (address, _) = listen(move |mut stream| {
        let mut piece = vec![0; 64 * 1024];
        let _ = stream
            .read(&mut piece)
            .and_then(|_| stream.write_all(b"+PONG\r\n"));
        while let Ok(count @ 1..) = stream.read(&mut piece) {
            counted.fetch_add(count, Ordering::Relaxed);
        }
    });
    let url = format!("redis://{address}/cam");
    let publish = |arguments: &[&str]| {
        let mut program = Program::start(arguments);
        program.0.stdin.take().unwrap().write_all(&jpeg).unwrap();
        program
    };
    let mut refusing = publish(&["publish", &url]);
    assert!(refusing.0.wait().unwrap().success());
    let words = refusing.words();
    assert!(words.contains("8 MiB; raise --frame-max-mib"), "{words}");
    assert_eq!(received.load(Ordering::Relaxed), 0);
    let _publisher = publish(&["publish", "--frame-max-mib", "16", &url]);
    eventually("it is published", || {
        received.load(Ordering::Relaxed) > jpeg.len()
    });
    received.store(0, Ordering::Relaxed);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("large.jpg"), &jpeg).unwrap();
    let camera = format!("stills:{}", folder.path().display());
    let _server = support::Program::serve(&[
        "--frame-max-mib",
        "16",
        "--camera",
        &camera,
        "--publish",
        &url,
    ]);
    eventually("a server hands its bound on", || {
        received.load(Ordering::Relaxed) > jpeg.len()
    });
}

#[test]
fn certificate_is_accepted_from_the_platforms_store_or_if_that_is_wanted() {
    let certificate = Certificate::new();
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store.pem");
    certificate.write(&store, folder.path().join("key.pem"));
    let config = certificate.server();
    let published = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&published);
    let (address, _) = listen(move |stream| {
        let mut stream =
            StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
        let mut received = Vec::new();
        let mut piece = [0; 4096];
        let mut answer: &[u8] = b"+PONG\r\n";
        loop {
            match stream.read(&mut piece) {
                Ok(count @ 1..) => received.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => return,
            }
            // A command ends with a line break; the end of a picture is no other byte of it
            // followed by one.
            let whole =
                received.ends_with(b"PING\r\n") || received.ends_with(&[0xff, 0xd9, b'\r', b'\n']);
            if whole {
                counted.fetch_add(
                    usize::from(!received.ends_with(b"PING\r\n")),
                    Ordering::Relaxed,
                );
                received.clear();
                let _ = stream.write_all(answer).and_then(|()| stream.flush());
                answer = b":1\r\n";
            }
        }
    });
    let url = format!("rediss://localhost:{}/cam", address.port());
    let insecure = format!("{url}#insecure=1");
    for (url, store, accepted) in [
        (&url, None, 0),
        (&insecure, None, 1),
        (&url, Some(&*store), 2),
    ] {
        let mut program = Program::start_in(&["publish", url], store);
        let mut input = program.0.stdin.take().unwrap();
        let _ = input.write_all(PICTURES[0]);
        drop(input);
        let status = program.0.wait().unwrap();
        let words = program.words();
        assert_eq!(status.success(), accepted > 0, "{words}");
        assert_eq!(published.load(Ordering::Relaxed), accepted);
        let told = words.contains("its certificate is not accepted (")
            && words.contains("add insecure=1 behind the #");
        assert_eq!(told, accepted == 0, "{words}");
    }
}

/// What a driver may have resident, beside a reply of ten gigabytes.
const RESIDENT_KIB_MAX: u64 = 64 * 1024;

#[test]
fn reply_that_announces_too_much_is_not_read() {
    for announced in [
        "$10000000000\r\n",
        "*1000000000\r\n",
        "*3\r\n$7\r\nmessage\r\n$3\r\ncam\r\n$10000000000\r\n",
    ] {
        for scheme in ["redis", "redis+list"] {
            let (address, count) = listen(move |mut stream| {
                let mut received = [0; 4096];
                let _ = stream
                    .read(&mut received)
                    .and_then(|_| stream.write_all(b"+PONG\r\n"));
                // To what is asked next, with an answer that has no end.
                let _ = stream
                    .read(&mut received)
                    .and_then(|_| stream.write_all(announced.as_bytes()));
                while stream.write_all(&[b'x'; 64 * 1024]).is_ok() {}
            });
            let program = Program::start(&["capture", &format!("{scheme}://{address}/cam")]);
            eventually("it tries again", || count.load(Ordering::Relaxed) >= 3);
            let status =
                std::fs::read_to_string(format!("/proc/{}/status", program.0.id())).unwrap();
            let peak = status
                .lines()
                .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
            let peak: u64 = peak.and_then(|peak| peak.parse().ok()).expect("its peak");
            assert!(peak < RESIDENT_KIB_MAX, "{announced:?} took {peak} KiB");
            let words = program.words();
            assert!(words.contains("its reply announces 1000000000"), "{words}");
            assert!(words.contains("8 MiB; raise --frame-max-mib"), "{words}");
            assert_eq!(words.lines().count(), 1, "{words}");
        }
    }
}
