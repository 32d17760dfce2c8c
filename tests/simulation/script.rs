//! The input of a peer: requests of every kind, whole, incomplete, pipelined, and garbage.

use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::time::Duration;

use bytes::Bytes;
use framecast::stream::RateLimit;
use framecast::wire::http::{Method, Refusal, Request, Status, Version};
use framecast::wire::multipart::Framing;

use crate::random::Random;

/// The kinds of requests.
#[derive(Clone, Copy, Debug)]
pub enum Ask {
    Page {
        bytes: usize,
    },
    Nothing,
    Last {
        bytes: usize,
    },
    Snapshot {
        camera: usize,
    },
    Newer {
        camera: usize,
        after: u64,
    },
    Table {
        camera: usize,
        rows: Option<u64>,
    },
    Events {
        cameras: usize,
        has_loop: bool,
        last: Option<u64>,
    },
    Clip {
        camera: usize,
        span: Duration,
    },
    Stream(Stream),
}

/// A stream that a request asks for.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    pub camera: usize,
    pub is_delayed: bool,
    pub framing: Framing,
    pub rate_limit: RateLimit,
    /// How long its permit is valid, if it ends.
    pub permitted: Option<Duration>,
}

/// One whole request.
#[derive(Clone, Debug)]
pub struct Message {
    /// Where it ends in the bytes of the script.
    pub end: usize,
    pub path: String,
    pub ask: Ask,
    pub keep_alive: bool,
    pub head_only: bool,
    pub is_old: bool,
}

/// The input of one peer.
#[derive(Debug, Default)]
pub struct Script {
    pub bytes: Vec<u8>,
    /// The complete requests that were not handed out yet.
    pub messages: VecDeque<Message>,
    /// Where the current request begins.
    pub awaited_from: usize,
    /// Requests that were handed out.
    pub asked: u32,
    /// The last reply is due or has left. No further request is answered.
    pub is_over: bool,
    /// Where the peer pauses, and for how many steps.
    pauses: VecDeque<(usize, usize)>,
}

impl Script {
    /// Returns how many bytes the peer sends now, at most `most`.
    pub fn send(&mut self, sent: usize, most: usize) -> usize {
        let until = match self.pauses.front_mut() {
            Some((at, 0)) if *at == sent => {
                self.pauses.pop_front();
                self.pauses.front().map_or(self.bytes.len(), |(at, _)| *at)
            }
            Some((at, steps)) if *at == sent => {
                *steps -= 1;
                return 0;
            }
            Some((at, _)) => *at,
            None => self.bytes.len(),
        };
        most.min(until - sent)
    }

    /// Whether a byte of the current request has been read. Empty lines before it do not count.
    pub fn has_begun(&self, consumed: usize) -> bool {
        self.bytes[self.awaited_from..consumed]
            .iter()
            .any(|byte| !matches!(byte, b'\r' | b'\n'))
    }

    /// Returns the refusal of the input up to `consumed`, if it is invalid, or incomplete at
    /// `deadline`.
    pub fn refusal(&mut self, consumed: usize, deadline: Duration, now: Duration) -> Option<Bytes> {
        let refusal = match Request::parse(&self.bytes[self.awaited_from..consumed]) {
            Err(refusal) => refusal,
            Ok(None) if consumed > self.awaited_from && now >= deadline => Refusal {
                status: Status::RequestTimeout,
                reason: "The request did not arrive in time.",
            },
            Ok(_) => return None,
        };
        self.is_over = true;
        Some(refusal.response())
    }

    /// Checks that the request that was handed out is the next one.
    pub fn next(&mut self, path: &str) -> Result<Message, String> {
        let message = self
            .messages
            .pop_front()
            .ok_or_else(|| format!("{path} was not requested"))?;
        if message.path != path {
            return Err(format!(
                "{path} is handed out where {} is next",
                message.path
            ));
        }
        self.awaited_from = message.end;
        self.asked += 1;
        Ok(message)
    }
}

/// Draws scripts. Each path has a number of its own, so that requests can be told apart.
#[derive(Debug)]
pub struct Writer {
    pub cameras: usize,
    /// Whether there is a history.
    pub has_history: bool,
    number: u64,
}

impl Writer {
    pub fn new(cameras: usize, has_history: bool) -> Self {
        Self {
            cameras,
            has_history,
            number: 0,
        }
    }

    /// Draws a script. `sequences` are the newest of each camera.
    pub fn draw(&mut self, random: &mut Random, sequences: &[u64]) -> Script {
        let mut script = Script::default();
        let kind = random.below(22);
        if let 12.. = kind
            && kind != 20
        {
            self.some(&mut script, random, sequences);
        }
        match kind {
            0..=8 | 14 => self.stream(&mut script, random),
            10 | 12 => self.garbage(&mut script, random),
            13 => script
                .pauses
                .push_back((script.bytes.len(), random.up_to(500))),
            20 | 21 => self.endless(&mut script, random),
            _ => {}
        }
        if let 11 | 13 = kind {
            self.half(&mut script, random);
        }
        script
    }

    /// Requests with replies, pipelined or with pauses between them.
    fn some(&mut self, script: &mut Script, random: &mut Random, sequences: &[u64]) {
        let pauses = random.pick(&[0, 0, 20, 200]);
        for _ in 0..random.up_to(12) {
            let camera = random.below(self.cameras);
            let ask = match random.below(10) {
                0..3 => Ask::Page {
                    bytes: random.up_to(2_000),
                },
                3 => Ask::Page {
                    bytes: random.up_to(200_000),
                },
                4 => Ask::Nothing,
                5 if random.chance(100) => Ask::Last {
                    bytes: random.up_to(10_000),
                },
                5 => Ask::Snapshot { camera },
                6 if random.chance(500) => Ask::Table {
                    camera,
                    rows: Some(random.up_to(5_000) as u64),
                },
                6 if self.has_history && random.chance(500) => Ask::Clip {
                    camera,
                    span: Duration::from_millis(random.up_to(5_000) as u64),
                },
                6 => Ask::Snapshot { camera },
                _ => Ask::Newer {
                    camera,
                    after: (sequences[camera] + random.below(4) as u64).saturating_sub(1),
                },
            };
            self.request(script, random, ask);
            if pauses > 0 {
                script
                    .pauses
                    .push_back((script.bytes.len(), random.below(pauses)));
            }
        }
    }

    fn stream(&mut self, script: &mut Script, random: &mut Random) {
        let interval = random
            .chance(250)
            .then(|| Duration::from_micros(random.up_to(4_000_000) as u64));
        let rate = random.chance(250).then(|| random.up_to(4_000_000) as u64);
        let rate_limit = RateLimit {
            interval,
            bytes_per_second: rate.and_then(NonZeroU64::new),
        };
        let framing = random.pick(&[Framing::Length, Framing::Advance]);
        let camera = random.below(self.cameras);
        let is_delayed = self.has_history && random.chance(400);
        // Not drawn, so that the next draws are the same for every other peer.
        let permitted =
            (self.number % 4 == 3).then(|| Duration::from_millis(self.number * 37 % 5_000));
        self.request(
            script,
            random,
            Ask::Stream(Stream {
                camera,
                is_delayed,
                framing,
                rate_limit,
                permitted,
            }),
        );
        if random.chance(100) {
            // The hub reads and discards the input of viewers.
            script
                .bytes
                .resize(script.bytes.len() + random.up_to(40_000), b'?');
        }
    }

    /// A request for an endless table or for events.
    fn endless(&mut self, script: &mut Script, random: &mut Random) {
        let camera = random.below(self.cameras);
        let last = random.chance(500).then(|| random.up_to(10_000) as u64);
        let ask = match random.below(3) {
            0 => Ask::Table { camera, rows: None },
            _ => Ask::Events {
                cameras: random.below(self.cameras + 1),
                has_loop: random.chance(500),
                last,
            },
        };
        self.request(script, random, ask);
    }

    fn request(&mut self, script: &mut Script, random: &mut Random, ask: Ask) {
        self.number += 1;
        let path = format!("/{}", self.number);
        let head_only = random.chance(50) && !matches!(ask, Ask::Last { .. } | Ask::Stream(_));
        let keep_alive = !random.chance(50);
        let method = if head_only { "HEAD" } else { "GET" };
        let connection = if keep_alive {
            ""
        } else {
            "Connection: close\r\n"
        };
        let is_old = random.chance(50);
        let version = if is_old { "1.0" } else { "1.1" };
        let keep_alive = keep_alive && !is_old;
        let head = format!("{method} {path} HTTP/{version}\r\nHost: cam\r\n{connection}");
        script.bytes.extend_from_slice(head.as_bytes());
        if random.chance(30) {
            script.bytes.extend_from_slice(b"X: ");
            script
                .bytes
                .resize(script.bytes.len() + random.up_to(14_000), b'x');
            script.bytes.extend_from_slice(b"\r\n");
        }
        script.bytes.extend_from_slice(b"\r\n");
        script.messages.push_back(Message {
            end: script.bytes.len(),
            path,
            ask,
            keep_alive,
            head_only,
            is_old,
        });
    }

    /// Finds requests in random bytes: each is answered with 204.
    fn parse_requests(&self, script: &mut Script, mut from: usize) {
        while let Ok(Some((request, length))) = Request::parse(&script.bytes[from..]) {
            from += length;
            let Request {
                method,
                path,
                keep_alive,
                version,
                ..
            } = request;
            let (head_only, is_old) = (method == Method::Head, version == Version::Http10);
            script.messages.push_back(Message {
                end: from,
                path,
                ask: Ask::Nothing,
                keep_alive,
                head_only,
                is_old,
            });
        }
    }

    /// The beginning of a request that never ends.
    fn half(&mut self, script: &mut Script, random: &mut Random) {
        let whole = format!(
            "GET /half HTTP/1.1\r\nHost: cam\r\nX: {}\r\n\r\n",
            "x".repeat(random.up_to(9_000))
        );
        script
            .bytes
            .extend_from_slice(&whole.as_bytes()[..random.between(1, whole.len() - 1)]);
    }

    fn garbage(&mut self, script: &mut Script, random: &mut Random) {
        match random.below(5) {
            0 => {
                let bytes: Vec<u8> = (0..random.up_to(3_000))
                    .map(|_| random.below(256) as u8)
                    .collect();
                script.bytes.extend_from_slice(&bytes);
                self.parse_requests(script, script.bytes.len() - bytes.len());
            }
            1 => script.bytes.extend_from_slice(
                b"POST / HTTP/1.1\r\nHost: cam\r\nContent-Length: 90000\r\n\r\n",
            ),
            2 => script
                .bytes
                .extend_from_slice(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
            3 => script.bytes.extend_from_slice(b"GET / HTTP/1.1\r\n\r\n"),
            _ => {
                script
                    .bytes
                    .extend_from_slice(b"GET / HTTP/1.1\r\nHost: cam\r\nX: ");
                script.bytes.resize(script.bytes.len() + 20_000, b'x');
            }
        }
        script
            .bytes
            .resize(script.bytes.len() + random.up_to(100_000) - 1, b'!');
    }
}
