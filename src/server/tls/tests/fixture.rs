//! A hub with TLS clients and a clock.

use std::collections::VecDeque;
use std::io::{Cursor, Read, Write};
use std::rc::Rc;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use crate::hub::{Answer, Hub, Key, Limits, Reply, Response, Subscription, Tick, Wake};
use crate::server::TlsFiles;
use crate::server::tls::{self, Session, Shared};
use crate::site::snapshot::{Driver, Server, Snapshot};
use crate::stream::Captured;
use crate::stream::Peer;
use crate::stream::RateLimit;
use crate::wire::http::{ResponseHead, Status};
use crate::wire::jpeg::Picture;
use crate::wire::metadata::WallTime;
use crate::wire::multipart::{Framing, preamble};
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};

use super::certificate::Certificate;
use super::wire::{End, FaultProfile, Random};

struct Identity {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

static IDENTITY: LazyLock<Identity> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let certificate = Certificate::new();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let files = TlsFiles {
        certificate: path("cert.pem"),
        key: path("key.pem"),
    };
    certificate.write(&files.certificate, &files.key);
    Identity {
        server: tls::load(&files).unwrap(),
        client: certificate.client(),
    }
});

/// One client and its transport.
pub struct Client {
    pub key: Key,
    pub end: End,
    pub tls: ClientConnection,
    /// The decrypted bytes.
    pub received: Vec<u8>,
    /// The server has sent close_notify.
    pub has_ended: bool,
    outgoing: VecDeque<u8>,
}

impl Client {
    pub fn request(&mut self, head: &str) {
        self.tls.writer().write_all(head.as_bytes()).unwrap();
    }

    /// Sends at most `bytes` of the waiting ones.
    pub fn send(&mut self, bytes: usize) {
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.outgoing).unwrap();
        }
        let count = bytes.min(self.outgoing.len());
        self.end
            .0
            .borrow_mut()
            .to_server
            .extend(self.outgoing.drain(..count));
    }

    /// Receives at most `bytes` from the kernel, and decrypts them.
    pub fn receive(&mut self, bytes: usize) {
        let mut taken: Vec<u8> = {
            let to_client = &mut self.end.0.borrow_mut().to_client;
            let count = bytes.min(to_client.len());
            to_client.drain(..count).collect()
        };
        let mut taken = Cursor::new(&mut taken);
        while self.tls.read_tls(&mut taken).unwrap() > 0 {
            let state = self
                .tls
                .process_new_packets()
                .expect("the server sends valid TLS");
            let mut plain = vec![0; state.plaintext_bytes_to_read()];
            self.tls.reader().read_exact(&mut plain).unwrap();
            self.received.extend(plain);
            self.has_ended |= state.peer_has_closed();
        }
    }

    /// The whole parts received, with their sequences.
    pub fn parts(&self) -> Vec<(u64, Vec<u8>)> {
        let start = [HEAD, &preamble(BOUNDARY, Framing::Length)].concat();
        let Some(mut rest) = self.received.strip_prefix(&start[..]) else {
            return Vec::new();
        };
        let mut parts = Vec::new();
        while let Some(end) = rest.windows(4).position(|window| window == b"\r\n\r\n") {
            let Ok(header) = std::str::from_utf8(&rest[..end]) else {
                panic!("invalid header: {:?}", &rest[..end])
            };
            let field = |name: &str| {
                let value = header
                    .lines()
                    .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                value.and_then(|value| value.parse::<usize>().ok())
            };
            let Some((length, sequence)) = field("Content-Length").zip(field("X-Frame-Sequence"))
            else {
                break;
            };
            let Some(body) = rest.get(end + 4..end + 4 + length) else {
                break;
            };
            let Some(after) = rest[end + 4 + length..].strip_prefix(DELIMITER) else {
                break;
            };
            parts.push((sequence as u64, body.to_vec()));
            rest = after;
        }
        parts
    }
}

pub const BOUNDARY: &str = "frame";
const DELIMITER: &[u8] = b"\r\n--frame\r\n";
const HEAD: &[u8] = b"HEAD\r\n\r\n";
pub const WATCH: &str = "GET /stream HTTP/1.1\r\nHost: cam\r\n\r\n";

/// A hub with one camera and TLS clients, and its clock.
pub struct Fixture {
    pub hub: Hub<Session<End>>,
    pub now: Instant,
    /// The published frames, from sequence 1.
    pub published: Vec<Vec<u8>>,
    /// The budget of handshake steps in a turn.
    pub steps: u32,
    shared: Rc<Shared>,
}

impl Fixture {
    pub fn new(limits: Limits) -> Self {
        let hub = Hub::new(1, BOUNDARY, limits);
        Self {
            hub,
            now: Instant::now(),
            published: Vec::new(),
            steps: 8,
            shared: Rc::default(),
        }
    }

    pub fn connect(&mut self, profile: FaultProfile, random: Random) -> Client {
        let end = End::new(profile, random);
        let connection = ServerConnection::new(Arc::clone(&IDENTITY.server)).unwrap();
        let session = Session::new(connection, end.clone(), Rc::clone(&self.shared));
        let key = self
            .hub
            .admit(Peer::Local, self.now, |_| Ok(session))
            .unwrap();
        let name = "localhost".try_into().unwrap();
        let tls = ClientConnection::new(Arc::clone(&IDENTITY.client), name).unwrap();
        Client {
            key,
            end,
            tls,
            received: Vec::new(),
            has_ended: false,
            outgoing: VecDeque::new(),
        }
    }

    /// Takes a snapshot of the hub.
    pub fn snapshot(&self) -> Snapshot {
        let server = Server {
            drivers: vec![Driver::default()],
            ..Server::default()
        };
        Snapshot::new(&self.hub, server, None, self.now)
    }

    /// Takes one turn.
    pub fn turn(&mut self, clients: &[Client]) {
        for client in clients {
            if let Some(readiness) = client.end.edge() {
                self.hub.ready(client.key, readiness);
            }
        }
        self.shared.allow(self.steps);
        let now = self.now;
        let answer = |path: &str| match path {
            "/stream" => Answer::Subscribe(Subscription {
                camera: 0,
                framing: Framing::Length,
                delay: Duration::ZERO,
                rate_limit: RateLimit::default(),
                label: String::new(),
                head: [HEAD, &preamble(BOUNDARY, Framing::Length)].concat().into(),
            }),
            path => {
                let body = Some(path.repeat(500).into());
                Answer::Respond(Response::new(ResponseHead::new(Status::Ok), body))
            }
        };
        self.hub.turn(
            Tick::at(now),
            || now,
            |call, _| Reply::to(call.peer, answer(&call.request.path)),
        );
    }

    /// Takes turns until nothing is left to do. Every client sends and receives all bytes.
    pub fn settle(&mut self, clients: &mut [Client]) {
        for _ in 0..100_000 {
            for client in clients.iter_mut() {
                client.send(usize::MAX);
                client.receive(usize::MAX);
            }
            let waits = |client: &Client| client.end.is_moving() || client.tls.wants_write();
            let is_moving = self.hub.next_wake() == Wake::Now || clients.iter().any(waits);
            self.turn(clients);
            if !is_moving && self.hub.next_wake() != Wake::Now && !clients.iter().any(waits) {
                return;
            }
        }
        panic!("the hub never becomes idle");
    }

    /// Publishes a frame of `bytes` bytes, different from all others.
    pub fn publish(&mut self, bytes: usize) {
        let number = self.published.len() as u64 + 1;
        let jpeg: Vec<u8> = number
            .to_be_bytes()
            .into_iter()
            .cycle()
            .take(bytes)
            .collect();
        let picture = Picture {
            width: 4,
            height: 3,
            huffman_tables: true,
        };
        let captured = Captured {
            jpeg: &jpeg,
            picture,
            captured_wall: WallTime::nearest(Duration::from_millis(1_700_000_000_000 + number)),
            age: Duration::ZERO,
            sequence: None,
        };
        self.hub.publish(0, captured, self.now);
        self.published.push(jpeg);
    }
}
