//! The control group: viewers who do nothing wrong, on a thread of their own, and who check every
//! byte.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::crowd::connect;
use crate::follower::{Follower, Seen};
use crate::picture::Gallery;
use crate::support::eventually;

/// How often the thread looks whether it is asked something, and lets slow viewers read.
const TICK: Duration = Duration::from_millis(20);
/// The receive buffer of slow viewers: with the usual one they would look fast for their first
/// megabytes.
const SLOW_BUFFER_BYTES: usize = 8 * 1024;
const SCRATCH_BYTES: usize = 256 * 1024;
/// A fast viewer reads no more before the others have their turn.
const TURN_BYTES_MAX: usize = 1024 * 1024;

/// Who watches what.
#[derive(Clone, Debug)]
pub struct Seat {
    /// The address of the stream, without `key`.
    pub target: String,
    /// Whether it is a browser's framing.
    pub is_advance: bool,
    /// Whether the camera numbers its frames.
    pub is_numbered: bool,
    /// Bytes a second that it reads at most.
    pub rate: Option<usize>,
}

impl Seat {
    /// Of `count` viewers of the first camera, every other one is a browser.
    pub fn steady(count: usize) -> Vec<Self> {
        let framing = |is_advance| if is_advance { "advance" } else { "length" };
        let seat = |is_advance: bool| Self {
            target: format!("/stream?framing={}", framing(is_advance)),
            is_advance,
            is_numbered: true,
            rate: None,
        };
        (0..count).map(|index| seat(index % 2 == 1)).collect()
    }

    /// Viewers whose link carries about half of what there is.
    pub fn slow(count: usize, bytes_per_second: usize) -> Vec<Self> {
        Self::steady(count)
            .into_iter()
            .map(|seat| Self {
                rate: Some(bytes_per_second),
                ..seat
            })
            .collect()
    }
}

/// What a viewer has come to.
#[derive(Clone, Debug)]
pub struct Watched {
    pub key: String,
    pub is_slow: bool,
    pub seen: Seen,
    /// What was wrong with its stream.
    pub fault: Option<String>,
    /// When the server ended it.
    pub ended_at: Option<Instant>,
}

/// The group while it watches.
#[derive(Debug)]
pub struct Audience {
    questions: Sender<Sender<Vec<Watched>>>,
    thread: Option<JoinHandle<()>>,
}

impl Audience {
    /// Lets everybody come, and returns once each has seen a frame.
    pub fn gather(address: SocketAddr, seats: Vec<Seat>) -> Self {
        let (questions, asked) = mpsc::channel();
        let thread = std::thread::spawn(move || Room::open(address, &seats).run(&asked));
        let audience = Self {
            questions,
            thread: Some(thread),
        };
        eventually("everybody sees a frame", || {
            audience
                .look()
                .iter()
                .all(|watched| watched.seen.frames > 0 || watched.fault.is_some())
        });
        audience
    }

    /// What each has seen so far.
    pub fn look(&self) -> Vec<Watched> {
        let (answer, answered) = mpsc::channel();
        self.questions.send(answer).expect("the audience is there");
        answered.recv().expect("the audience answers")
    }
}

impl Drop for Audience {
    fn drop(&mut self) {
        // Without its questions the thread ends.
        self.questions = mpsc::channel().0;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Room {
    poll: Poll,
    viewers: Vec<Viewer>,
    gallery: Gallery,
    scratch: Vec<u8>,
}

struct Viewer {
    stream: Option<TcpStream>,
    request: Option<String>,
    follower: Follower,
    rate: Option<usize>,
    allowance: usize,
    /// A fast viewer left off before the kernel had no more.
    is_owed: bool,
    watched: Watched,
}

impl Room {
    fn open(address: SocketAddr, seats: &[Seat]) -> Self {
        let poll = Poll::new().expect("a poll can be made");
        let open = |(index, seat): (usize, &Seat)| {
            let narrow = seat.rate.map(|_| SLOW_BUFFER_BYTES);
            let mut stream = connect(address, None, narrow).expect("a connection can be begun");
            let both = Interest::READABLE | Interest::WRITABLE;
            poll.registry()
                .register(&mut stream, Token(index), both)
                .expect("it can be registered");
            let key = format!("control-{index}");
            let mark = if seat.target.contains('?') { '&' } else { '?' };
            Viewer {
                stream: Some(stream),
                request: Some(format!(
                    "GET {}{mark}key={key} HTTP/1.1\r\nHost: cam\r\n\r\n",
                    seat.target
                )),
                follower: Follower::new(seat.is_advance, seat.is_numbered),
                rate: seat.rate,
                allowance: 0,
                is_owed: false,
                watched: Watched {
                    key,
                    is_slow: seat.rate.is_some(),
                    seen: Seen::default(),
                    fault: None,
                    ended_at: None,
                },
            }
        };
        let viewers = seats.iter().enumerate().map(open).collect();
        Self {
            poll,
            viewers,
            gallery: Gallery::default(),
            scratch: vec![0; SCRATCH_BYTES],
        }
    }

    fn run(&mut self, asked: &Receiver<Sender<Vec<Watched>>>) {
        let mut events = Events::with_capacity(1024);
        let mut ticked_at = Instant::now();
        loop {
            let is_owed = self.viewers.iter().any(|viewer| viewer.is_owed);
            let timeout = if is_owed { Duration::ZERO } else { TICK };
            match self.poll.poll(&mut events, Some(timeout)) {
                Err(error) if error.kind() != ErrorKind::Interrupted => {
                    panic!("the audience cannot wait: {error}")
                }
                _ => {}
            }
            for event in &events {
                self.viewers[event.token().0].is_owed = true;
            }
            let elapsed = ticked_at.elapsed();
            if elapsed >= TICK {
                ticked_at = Instant::now();
                self.viewers
                    .iter_mut()
                    .for_each(|viewer| viewer.refill(elapsed));
            }
            let Self {
                viewers,
                gallery,
                scratch,
                ..
            } = self;
            viewers
                .iter_mut()
                .for_each(|viewer| viewer.turn(scratch, gallery));
            match asked.try_recv() {
                Ok(answer) => drop(answer.send(self.viewers.iter().map(Viewer::look).collect())),
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => return,
            }
        }
    }
}

impl Viewer {
    fn look(&self) -> Watched {
        Watched {
            seen: self.follower.seen.clone(),
            ..self.watched.clone()
        }
    }

    fn refill(&mut self, elapsed: Duration) {
        if let Some(rate) = self.rate {
            self.allowance = (rate as f64 * elapsed.as_secs_f64().min(0.1)) as usize;
            self.is_owed |= self.stream.is_some();
        }
    }

    fn turn(&mut self, scratch: &mut [u8], gallery: &mut Gallery) {
        if !std::mem::take(&mut self.is_owed) {
            return;
        }
        let room = if self.rate.is_some() {
            std::mem::take(&mut self.allowance)
        } else {
            TURN_BYTES_MAX
        };
        if let Err(fault) = self.read(room, scratch, gallery) {
            self.watched.fault.get_or_insert(fault);
            self.stream = None;
        }
    }

    fn read(
        &mut self,
        mut room: usize,
        scratch: &mut [u8],
        gallery: &mut Gallery,
    ) -> Result<(), String> {
        let Some(stream) = &mut self.stream else {
            return Ok(());
        };
        if let Some(request) = &self.request {
            match stream.write(request.as_bytes()) {
                Ok(written) if written == request.len() => self.request = None,
                Ok(_) => return Err("a request does not fit into a new socket".to_owned()),
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::NotConnected
                    ) =>
                {
                    return Ok(());
                }
                Err(error) => return Err(format!("cannot ask: {error}")),
            }
        }
        while room > 0 {
            let size = room.min(scratch.len());
            match stream.read(&mut scratch[..size]) {
                Ok(0) => {
                    self.watched.ended_at = Some(Instant::now());
                    self.stream = None;
                    return Ok(());
                }
                Ok(count) => {
                    room -= count;
                    self.follower.receive(&scratch[..count], gallery)?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.watched.ended_at = Some(Instant::now());
                    return Err(format!("the stream failed: {error}"));
                }
            }
        }
        self.is_owed = self.rate.is_none();
        Ok(())
    }
}
