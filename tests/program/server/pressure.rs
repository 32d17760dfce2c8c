//! Viewers that do not read, slow links, exhausted descriptors, and limits.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::support::{Program, TIMEOUT, eventually, field};

/// Connects with a small receive buffer, which is soon full, and sends `request`.
fn connect_with_small_buffer(address: SocketAddr, request: &str) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&address.into()).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.write_all(request.as_bytes()).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream
}

#[test]
fn stalled_viewers_are_closed_and_cost_other_viewers_no_frame() {
    let program = Program::serve(&[
        "--camera",
        "pattern:640x480?fps=30",
        "--stall-timeout",
        "2s",
    ]);
    let mut healthy: Vec<_> = (0..5).map(|_| program.watch("/stream")).collect();
    let request = "GET /stream HTTP/1.1\r\nHost: cam\r\n\r\n";
    let stalled: Vec<_> = (0..50)
        .map(|_| connect_with_small_buffer(program.address, request))
        .collect();
    let mut sequences = vec![0; healthy.len()];
    let mut frames = 0;
    while program.state()["connections"]["closed"]["stall_timeout"].as_u64() < Some(50) {
        for (viewer, last) in healthy.iter_mut().zip(&mut sequences) {
            let sequence = viewer.part().sequence;
            let follows = sequence == *last + 1 || sequence == *last;
            assert!(*last == 0 || follows, "a healthy viewer lost a frame");
            *last = sequence;
        }
        frames += 1;
        assert!(frames < 30 * 20, "stalled viewers are not closed");
    }
    assert_eq!(program.state()["cameras"][0]["viewers"], 5);
    drop(stalled);
}

/// The viewer reads much slower than the stream. Its frames are whole and in order, and it skips to
/// new ones.
#[test]
fn slow_viewer_skips_to_new_frames() {
    let program = Program::serve(&["--camera", "pattern:640x480?fps=30"]);
    let request = "GET /stream HTTP/1.1\r\nHost: cam\r\n\r\n";
    let stream = connect_with_small_buffer(program.address, request);
    let mut lines = BufReader::new(Slow(stream));
    let mut parts = 0;
    let mut last = 0;
    let begun = Instant::now();
    // Until ten frames were skipped.
    while last < parts + 10 {
        assert!(
            begun.elapsed() < TIMEOUT,
            "too few skipped frames: {parts} parts up to sequence {last}"
        );
        let mut block = String::new();
        while !block.ends_with("\r\n\r\n") {
            lines.read_line(&mut block).unwrap();
        }
        let Some(length) = field(&block, "Content-Length") else {
            continue;
        };
        let mut jpeg = vec![0; length.parse().unwrap()];
        lines.read_exact(&mut jpeg).unwrap();
        framecast::wire::jpeg::check(&jpeg).expect("a whole picture");
        let sequence: u64 = field(&block, "X-Frame-Sequence").unwrap().parse().unwrap();
        // The newest frame is repeated after 2 s without a newer one, as on a busy machine.
        assert!(sequence >= last);
        parts += u64::from(sequence > last);
        last = sequence;
    }
    let state = program.state();
    assert!(state["frames"]["skipped_slow"].as_u64() > Some(0));
}

/// Reads slowly: 512 bytes in 5 ms.
struct Slow(TcpStream);

impl Read for Slow {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        std::thread::sleep(Duration::from_millis(5));
        let few = buffer.len().min(512);
        self.0.read(&mut buffer[..few])
    }
}

/// After EMFILE, no event reports the connections that wait: accepting must be retried when a
/// connection closes.
#[test]
fn connection_waiting_for_a_descriptor_is_accepted_when_one_is_free() {
    let mut command = Command::new("prlimit");
    command.args([
        "--nofile=40:40",
        env!("CARGO_BIN_EXE_framecast"),
        "serve",
        "--listen",
        "127.0.0.1:0",
    ]);
    let program = Program::start(command);
    let mut all: Vec<TcpStream> = (0..60)
        .map(|_| program.send("GET /healthz HTTP/1.1\r\nHost: cam\r\n\r\n"))
        .collect();
    for stream in &all {
        stream
            .set_read_timeout(Some(Duration::from_millis(500)))
            .unwrap();
    }
    let mut reply = [0; 12];
    // Connections are accepted in their order: after the first one that waits, all wait.
    let served = all
        .iter_mut()
        .map_while(|stream| stream.read_exact(&mut reply).ok())
        .count();
    assert!(
        (20..40).contains(&served),
        "{served} of 60 served with 40 descriptors"
    );
    // When the served ones close, the waiting ones are accepted, without a new connection.
    let waiting = all.split_off(served);
    drop(all);
    for mut stream in waiting {
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        stream
            .read_exact(&mut reply)
            .expect("a waiting connection is served");
    }
    eventually("the failure is counted", || {
        program.state()["loop"]["accept_failures"].as_u64() > Some(0)
    });
}

#[test]
fn viewer_over_the_limit_is_refused_with_503_and_retry_after() {
    let program = Program::serve(&["--viewers-max", "2"]);
    let watching = [program.watch("/stream"), program.watch("/stream")];
    let reply = program.get("/stream");
    assert_eq!(
        (reply.status(), reply.field("Retry-After")),
        (503, Some("5"))
    );
    drop(watching);
    eventually("both viewers are closed", || {
        program.state()["cameras"][0]["viewers"] == 0
    });
    program.watch("/stream");
}

#[test]
fn connection_over_the_limit_waits_in_the_backlog() {
    let program = Program::serve(&["--connections-max", "3", "--request-timeout", "1s"]);
    let silent: Vec<_> = (0..3).map(|_| program.send("")).collect();
    // The three silent connections are closed after 1 s. Then the fourth is accepted.
    assert_eq!(program.get("/healthz").status(), 200);
    drop(silent);
}
