//! Tests with a simulated Redis.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::PICTURES;
use rustix::process::{Pid, Signal, kill_process};
use rustls::{ServerConnection, StreamOwned};

use crate::support::certificate::Certificate;
use crate::support::{self, eventually};

/// Listens, calls `serve` for each connection, and counts them.
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

/// A `framecast` process with stdin and stderr piped, killed when dropped.
struct Program(Child);

impl Program {
    fn start(arguments: &[&str]) -> Self {
        Self::start_in(arguments, None)
    }

    /// Starts it with the certificates of a file as the system's store.
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

    /// Kills it, and returns its stderr.
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
fn failing_redis_is_retried_slowly_and_logged_once() {
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
            eventually("retried", || count.load(Ordering::Relaxed) >= 2);
            let (before, begun) = (count.load(Ordering::Relaxed), Instant::now());
            eventually("retried again", || {
                count.load(Ordering::Relaxed) >= before + 3
            });
            // Two intervals of at least 250 ms lie between three attempts.
            assert!(begun.elapsed() >= Duration::from_millis(450), "{begun:?}");
            let words = program.words();
            assert_eq!(words.lines().count(), 1, "{words}");
            assert!(words.ends_with("; retrying\n"), "{words}");
        }
    }
}

#[test]
fn viewers_see_outage_of_redis_and_driver_is_not_killed() {
    let (address, attempts) = listen(drop);
    let place = format!("redis://{address}/cam");
    let server = support::Program::serve(&["--camera", &format!("{place}#timeout=100ms")]);
    let mut viewer = server.watch("/stream");
    viewer.part();
    let reply = server.get("/snapshot");
    let reason = format!("Camera camera is offline: {place}: connection closed;");
    assert!(
        reply.status() == 503 && reply.text().starts_with(&reason),
        "{}",
        reply.text()
    );
    // Eight attempts take 2 s: another driver would have been killed long before.
    eventually("retried", || attempts.load(Ordering::Relaxed) >= 8);
    assert_eq!(server.state()["cameras"][0]["driver_restarts"], 0);
    assert_eq!(server.state()["cameras"][0]["viewers"], 1);
}

#[test]
fn hanging_publisher_is_disconnected_and_restarted() {
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let options = ["--camera", "stills:?fps=60", "--stall-timeout", "500ms"];
    let server = support::Program::serve(
        &[&options[..], &["--publish", &format!("redis://{gone}/cam")]].concat(),
    );
    let delivered = || server.state()["publishers"][0]["delivered"].as_u64();
    eventually("frames are accepted", || delivered() >= Some(10));
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
    eventually("the publisher is restarted", || {
        server.state()["publishers"][0]["restarts"] == 1 && delivered() >= Some(10)
    });
    let state = server.state();
    assert_eq!(
        state["connections"]["closed"]["stall_timeout"], 1,
        "{state}"
    );
    assert!(
        !server.children().contains(&publisher),
        "the hanging publisher is killed"
    );
    server.signal(Signal::TERM);
    assert!(server.wait().0.success());
}

#[test]
fn publisher_reads_input_while_redis_is_stalled() {
    let (address, _) = listen(|mut stream| {
        let mut hello = [0; 512];
        let _ = stream
            .read(&mut hello)
            .and_then(|_| stream.write_all(b"+PONG\r\n"));
        // From here on, nothing is read or answered.
        thread::sleep(Duration::from_secs(60));
    });
    let mut program = Program::start(&["publish", &format!("redis://{address}/cam")]);
    let mut input = program.0.stdin.take().unwrap();
    // More than the capacity of all buffers.
    for _ in 0..2000 {
        input.write_all(PICTURES[0]).unwrap();
    }
}

#[test]
fn large_frame_is_published_if_the_option_allows_it() {
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
    eventually("published", || {
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
    eventually("the server passes its limit on", || {
        received.load(Ordering::Relaxed) > jpeg.len()
    });
}

#[test]
fn certificate_of_system_authority_or_insecure_is_accepted() {
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
            // A command ends with the end marker of the JPEG and a line break.
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
        let told = words.contains("certificate rejected (") && words.contains("insecure=1");
        assert_eq!(told, accepted == 0, "{words}");
    }
}

/// The maximum resident memory of a driver that receives a reply of ten gigabytes.
const RESIDENT_KIB_MAX: u64 = 64 * 1024;

#[test]
fn too_large_reply_is_not_read() {
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
                // Answer the next command with an endless reply.
                let _ = stream
                    .read(&mut received)
                    .and_then(|_| stream.write_all(announced.as_bytes()));
                while stream.write_all(&[b'x'; 64 * 1024]).is_ok() {}
            });
            let program = Program::start(&["capture", &format!("{scheme}://{address}/cam")]);
            eventually("retried", || count.load(Ordering::Relaxed) >= 3);
            let status =
                std::fs::read_to_string(format!("/proc/{}/status", program.0.id())).unwrap();
            let peak = status
                .lines()
                .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
            let peak: u64 = peak.and_then(|peak| peak.parse().ok()).expect("its peak");
            assert!(peak < RESIDENT_KIB_MAX, "{announced:?} took {peak} KiB");
            let words = program.words();
            assert!(words.contains("reply too large (1000000000"), "{words}");
            assert!(words.contains("8 MiB; raise --frame-max-mib"), "{words}");
            assert_eq!(words.lines().count(), 1, "{words}");
        }
    }
}
