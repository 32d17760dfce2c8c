//! Restarts (SIGUSR2) and inherited sockets.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use command_fds::{CommandFdExt, FdMapping};
use rustix::process::{Signal, kill_process};

use crate::support::restarts::{Restarts, has_exited, new_process_of};
use crate::support::{Program, TIMEOUT, eventually};

/// Connections per second during the restarts.
const RATE: u32 = 200;

/// Connects and requests `/healthz`.
fn connect(address: SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: cam\r\nConnection: close\r\n\r\n")?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply)?;
    if reply.starts_with(b"HTTP/1.1 200 OK\r\n") && reply.ends_with(b"\r\n\r\nok\n") {
        Ok(())
    } else {
        Err(std::io::Error::other(format!(
            "a reply of {} bytes",
            reply.len()
        )))
    }
}

/// The long form, `FRAMECAST_RESTARTS=20`, has 20 restarts and at least 10,000 connections.
#[test]
fn no_connection_is_refused_during_restarts() {
    let restarts: usize =
        std::env::var("FRAMECAST_RESTARTS").map_or(3, |count| count.parse().expect("a number"));
    let mut servers = Restarts::new(Program::serve(&["--camera", "pattern:320x240?fps=30"]));
    let address = servers.first.address;
    let is_done = AtomicBool::new(false);
    let connections = AtomicUsize::new(0);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let _done = Stop(&is_done);
        let clients: Vec<_> = (0..4)
            .map(|client| {
                let (is_done, connections) = (&is_done, &connections);
                scope.spawn(move || {
                    for turn in 0.. {
                        if is_done.load(Ordering::Relaxed) {
                            return;
                        }
                        let due = Duration::from_secs(1) * (turn * 4 + client) / RATE;
                        std::thread::sleep(due.saturating_sub(begun.elapsed()));
                        connect(address).unwrap_or_else(|error| {
                            panic!("connection {turn} of client {client}: {error}")
                        });
                        connections.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        for generation in 1..=restarts {
            let before = connections.load(Ordering::Relaxed);
            servers.restart();
            let wanted = if restarts < 20 {
                before + 20
            } else {
                generation * 10_000 / restarts
            };
            eventually("there are further connections", || {
                connections.load(Ordering::Relaxed) >= wanted
                    || clients.iter().any(|client| client.is_finished())
            });
        }
    });
    let (connections, seconds) = (connections.into_inner(), begun.elapsed().as_secs_f64());
    println!("{restarts} restarts, {connections} connections in {seconds:.1} s, 0 refused");
}

/// Stops the clients, also when the test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn restart_ends_streams_on_a_part_boundary_and_keeps_the_address() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let unix = format!("unix:{}", path.display());
    let mut servers = Restarts::new(Program::serve(&[
        "--camera",
        "pattern:320x240?fps=30",
        "--listen",
        &unix,
    ]));
    let mut viewer = servers.first.watch("/stream");
    viewer.part();
    // The request of this connection is not complete yet: the old process waits for it.
    let mut late = servers.first.send("GET /healthz HTTP/1.1\r\nHo");
    let before = servers.first.pid();
    kill_process(before, Signal::USR2).unwrap();
    let rest = viewer.rest();
    assert!(
        rest.ends_with(b"--frame--\r\n"),
        "{:?}",
        String::from_utf8_lossy(&rest[rest.len().saturating_sub(60)..])
    );
    late.write_all(b"st: cam\r\n\r\n").unwrap();
    let mut reply = String::new();
    late.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"), "{reply}");
    servers.current = new_process_of(before).expect("a new process");
    eventually("the old process has exited", || has_exited(before));

    // From here on, the new process answers.
    servers.first.watch("/stream").part();
    let mut stream = UnixStream::connect(&path).expect("the socket file still exists");
    stream.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    assert!(reply.ends_with("\r\n\r\nok\n"), "{reply}");
}

/// The new process exits with an error, or cannot be started.
#[test]
fn failed_restart_keeps_the_old_process() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("framecast");
    fs::copy(env!("CARGO_BIN_EXE_framecast"), &program).unwrap();
    let mut command = Command::new(&program);
    command.args(["serve", "--listen", "127.0.0.1:0", "--always-on"]);
    let server = Program::start(command);
    eventually("there is a frame", || {
        server.get("/snapshot").status() == 200
    });
    for script in [Some("#!/bin/sh\nexit 1\n"), None] {
        fs::remove_file(&program).unwrap();
        if let Some(script) = script {
            fs::write(&program, script).unwrap();
            fs::set_permissions(
                &program,
                std::os::unix::fs::PermissionsExt::from_mode(0o755),
            )
            .unwrap();
        }
        server.signal(Signal::USR2);
        assert_eq!(server.get("/healthz").status(), 200);
        if script.is_some() {
            eventually("the new process is reaped", || {
                new_process_of(server.pid()).is_none() && server.children().len() == 1
            });
        } else {
            fs::write(&program, "").unwrap();
        }
    }
    // SIGUSR1 without a new process has no effect.
    server.signal(Signal::USR1);
    assert_eq!(server.get("/healthz").status(), 200);
    server.signal(Signal::TERM);
    let (status, log) = server.wait();
    assert_eq!(status.code(), Some(0));
    assert!(
        log.contains(
            "new process exited (exit status: 1) before it was ready; this process continues"
        ),
        "{log}"
    );
    let missing = format!(
        "cannot start new process: {}: No such file",
        program.display()
    );
    assert!(log.contains(&missing), "{log}");
}

#[test]
fn inherited_socket_is_served() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_framecast"));
    let mapping = FdMapping {
        parent_fd: socket.into(),
        child_fd: 3,
    };
    command
        .arg("serve")
        .env("LISTEN_FDS", "1")
        .fd_mappings(vec![mapping])
        .unwrap();
    let program = Program::start(command);
    assert_eq!(program.address, address);
    assert_eq!(program.get("/healthz").status(), 200);
}

#[test]
fn inherited_socket_that_does_not_listen_exits_with_a_message() {
    let connected = TcpStream::connect(
        TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap(),
    )
    .unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_framecast"));
    let mapping = FdMapping {
        parent_fd: connected.into(),
        child_fd: 3,
    };
    command
        .arg("serve")
        .env("LISTEN_FDS", "1")
        .fd_mappings(vec![mapping])
        .unwrap();
    let output = command.output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        log.contains("LISTEN_FDS: the socket does not listen"),
        "{log}"
    );
}
