//! Viewers that do not read, links that are too slow, descriptors that have run out.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::support::{Program, TIMEOUT, eventually, field};

/// A connection whose receive buffer is small, so that the server soon feels that nobody reads.
fn narrow(address: SocketAddr, request: &str) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&address.into()).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.write_all(request.as_bytes()).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream
}

#[test]
fn viewers_that_never_read_are_let_go_and_cost_the_others_nothing() {
    let program = Program::serve(&[
        "--camera",
        "pattern:640x480?fps=30",
        "--stall-timeout",
        "2s",
    ]);
    let mut healthy: Vec<_> = (0..5).map(|_| program.watch("/stream")).collect();
    let request = "GET /stream HTTP/1.1\r\nHost: cam\r\n\r\n";
    let stalled: Vec<_> = (0..50).map(|_| narrow(program.address, request)).collect();
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
        assert!(frames < 30 * 20, "they are still there");
    }
    assert_eq!(program.state()["cameras"][0]["viewers"], 5);
    drop(stalled);
}

/// Its link carries far less than the stream: what it is shown is new all the same, never torn, and
/// in order.
#[test]
fn a_slow_viewer_is_shown_what_is_new() {
    let program = Program::serve(&["--camera", "pattern:640x480?fps=30"]);
    let request = "GET /stream HTTP/1.1\r\nHost: cam\r\n\r\n";
    let stream = narrow(program.address, request);
    let mut lines = BufReader::new(Slow(stream));
    let mut parts = 0;
    let mut last = 0;
    let begun = Instant::now();
    // Until ten frames were skipped, however fast the camera is on a busy machine.
    while last < parts + 10 {
        assert!(
            begun.elapsed() < TIMEOUT,
            "no frame is skipped: {parts} parts up to number {last}"
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
        // Once more is what it is given where a busy machine has no newer one for two seconds.
        assert!(sequence >= last);
        parts += u64::from(sequence > last);
        last = sequence;
    }
    let state = program.state();
    assert!(state["frames"]["skipped_slow"].as_u64() > Some(0));
}

/// A reader that takes a little at a time.
struct Slow(TcpStream);

impl Read for Slow {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        std::thread::sleep(Duration::from_millis(5));
        let few = buffer.len().min(512);
        self.0.read(&mut buffer[..few])
    }
}

/// The kernel tells once that somebody waits. When descriptors run out before everybody was
/// accepted, it does not tell again: those who wait must be remembered.
#[test]
fn who_waits_for_a_descriptor_is_accepted_when_one_is_free() {
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
    // They are accepted in the order in which they came, so behind the first that waits all wait.
    let served = all
        .iter_mut()
        .map_while(|stream| stream.read_exact(&mut reply).ok())
        .count();
    assert!(
        (20..40).contains(&served),
        "{served} of 60 fit under a limit of 40 descriptors"
    );
    // Those that were served go; no new connection is made, and yet those that wait have their
    // turn.
    let waiting = all.split_off(served);
    drop(all);
    for mut stream in waiting {
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        stream.read_exact(&mut reply).expect("its turn comes");
    }
    eventually("the lack was counted", || {
        program.state()["loop"]["accept_failures"].as_u64() > Some(0)
    });
}

#[test]
fn a_viewer_too_many_is_told_to_come_back() {
    let program = Program::serve(&["--viewers-max", "2"]);
    let watching = [program.watch("/stream"), program.watch("/stream")];
    let reply = program.get("/stream");
    assert_eq!(
        (reply.status(), reply.field("Retry-After")),
        (503, Some("5"))
    );
    drop(watching);
    eventually("there is room again", || {
        program.state()["cameras"][0]["viewers"] == 0
    });
    program.watch("/stream");
}

#[test]
fn connections_beyond_the_limit_wait_their_turn() {
    let program = Program::serve(&["--connections-max", "3", "--request-timeout", "1s"]);
    let silent: Vec<_> = (0..3).map(|_| program.send("")).collect();
    // The three have a second to say something; then the fourth is served.
    assert_eq!(program.get("/healthz").status(), 200);
    drop(silent);
}
