//! The control group: well-behaved viewers that check every byte, on a thread of their own.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::attackers::connect;
use crate::picture::PictureCache;
use crate::stream_checker::{Seen, StreamChecker};
use crate::support::eventually;

/// Interval at which the thread answers requests and lets slow viewers read.
const TICK: Duration = Duration::from_millis(20);
/// Receive buffer of slow viewers. The default one would hide that they are slow for some
/// megabytes.
const SLOW_BUFFER_BYTES: usize = 8 * 1024;
const SCRATCH_BYTES: usize = 256 * 1024;
/// Maximum number of bytes that a viewer reads per turn, so that all viewers get their share.
const TURN_BYTES_MAX: usize = 1024 * 1024;

/// A viewer to be started.
#[derive(Clone, Debug)]
pub struct ViewerSpec {
    /// The address of the stream, without `key`.
    pub target: String,
    /// Whether it uses the framing of browsers, `framing=advance`.
    pub is_advance: bool,
    /// Whether the camera numbers its frames.
    pub is_numbered: bool,
    /// Maximum number of bytes read per second.
    pub rate: Option<usize>,
}

impl ViewerSpec {
    /// Makes viewers of the first camera. Every second one uses `framing=advance`.
    pub fn steady(count: usize) -> Vec<Self> {
        let framing = |is_advance| if is_advance { "advance" } else { "length" };
        let spec = |is_advance: bool| Self {
            target: format!("/stream?framing={}", framing(is_advance)),
            is_advance,
            is_numbered: true,
            rate: None,
        };
        (0..count).map(|index| spec(index % 2 == 1)).collect()
    }

    /// Makes viewers that read at a limited rate.
    pub fn slow(count: usize, bytes_per_second: usize) -> Vec<Self> {
        Self::steady(count)
            .into_iter()
            .map(|spec| Self {
                rate: Some(bytes_per_second),
                ..spec
            })
            .collect()
    }
}

/// The state of a viewer.
#[derive(Clone, Debug)]
pub struct ViewerState {
    pub key: String,
    pub is_slow: bool,
    pub seen: Seen,
    /// The first fault of its stream.
    pub fault: Option<String>,
    /// When the server closed the connection.
    pub ended_at: Option<Instant>,
}

/// The running control group. Dropping it ends its thread.
#[derive(Debug)]
pub struct ControlGroup {
    requests: Sender<Sender<Vec<ViewerState>>>,
    thread: Option<JoinHandle<()>>,
}

impl ControlGroup {
    /// Starts the viewers and returns when each has received a frame.
    pub fn start(address: SocketAddr, specs: Vec<ViewerSpec>) -> Self {
        let (sender, requests) = mpsc::channel();
        let thread = std::thread::spawn(move || Worker::open(address, &specs).run(&requests));
        let control_group = Self {
            requests: sender,
            thread: Some(thread),
        };
        eventually("every viewer has a frame", || {
            control_group
                .snapshot()
                .iter()
                .all(|viewer| viewer.seen.frames > 0 || viewer.fault.is_some())
        });
        control_group
    }

    /// Returns the current state of each viewer.
    pub fn snapshot(&self) -> Vec<ViewerState> {
        let (answer, answered) = mpsc::channel();
        self.requests.send(answer).expect("the thread runs");
        answered.recv().expect("the thread answers")
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        // The thread ends when the channel is closed.
        self.requests = mpsc::channel().0;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Worker {
    poll: Poll,
    viewers: Vec<Viewer>,
    pictures: PictureCache,
    scratch: Vec<u8>,
}

struct Viewer {
    stream: Option<TcpStream>,
    request: Option<String>,
    stream_checker: StreamChecker,
    rate: Option<usize>,
    allowance: usize,
    /// Whether the socket may have more bytes: an event arrived, or the last turn used its budget.
    is_readable: bool,
    viewer: ViewerState,
}

impl Worker {
    fn open(address: SocketAddr, specs: &[ViewerSpec]) -> Self {
        let poll = Poll::new().expect("a poll can be made");
        let open = |(index, spec): (usize, &ViewerSpec)| {
            let recv_buffer = spec.rate.map(|_| SLOW_BUFFER_BYTES);
            let mut stream =
                connect(address, None, recv_buffer).expect("a connection can be begun");
            let both = Interest::READABLE | Interest::WRITABLE;
            poll.registry()
                .register(&mut stream, Token(index), both)
                .expect("it can be registered");
            let key = format!("control-{index}");
            let mark = if spec.target.contains('?') { '&' } else { '?' };
            Viewer {
                stream: Some(stream),
                request: Some(format!(
                    "GET {}{mark}key={key} HTTP/1.1\r\nHost: cam\r\n\r\n",
                    spec.target
                )),
                stream_checker: StreamChecker::new(spec.is_advance, spec.is_numbered),
                rate: spec.rate,
                allowance: 0,
                is_readable: false,
                viewer: ViewerState {
                    key,
                    is_slow: spec.rate.is_some(),
                    seen: Seen::default(),
                    fault: None,
                    ended_at: None,
                },
            }
        };
        let viewers = specs.iter().enumerate().map(open).collect();
        Self {
            poll,
            viewers,
            pictures: PictureCache::default(),
            scratch: vec![0; SCRATCH_BYTES],
        }
    }

    fn run(&mut self, requests: &Receiver<Sender<Vec<ViewerState>>>) {
        let mut events = Events::with_capacity(1024);
        let mut ticked_at = Instant::now();
        loop {
            let is_readable = self.viewers.iter().any(|viewer| viewer.is_readable);
            let timeout = if is_readable { Duration::ZERO } else { TICK };
            match self.poll.poll(&mut events, Some(timeout)) {
                Err(error) if error.kind() != ErrorKind::Interrupted => {
                    panic!("poll: {error}")
                }
                _ => {}
            }
            for event in &events {
                self.viewers[event.token().0].is_readable = true;
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
                pictures,
                scratch,
                ..
            } = self;
            viewers
                .iter_mut()
                .for_each(|viewer| viewer.turn(scratch, pictures));
            match requests.try_recv() {
                Ok(answer) => {
                    drop(answer.send(self.viewers.iter().map(Viewer::snapshot).collect()))
                }
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => return,
            }
        }
    }
}

impl Viewer {
    fn snapshot(&self) -> ViewerState {
        ViewerState {
            seen: self.stream_checker.seen.clone(),
            ..self.viewer.clone()
        }
    }

    fn refill(&mut self, elapsed: Duration) {
        if let Some(rate) = self.rate {
            self.allowance = (rate as f64 * elapsed.as_secs_f64().min(0.1)) as usize;
            self.is_readable |= self.stream.is_some();
        }
    }

    fn turn(&mut self, scratch: &mut [u8], pictures: &mut PictureCache) {
        if !std::mem::take(&mut self.is_readable) {
            return;
        }
        let room = if self.rate.is_some() {
            std::mem::take(&mut self.allowance)
        } else {
            TURN_BYTES_MAX
        };
        if let Err(fault) = self.read(room, scratch, pictures) {
            self.viewer.fault.get_or_insert(fault);
            self.stream = None;
        }
    }

    fn read(
        &mut self,
        mut room: usize,
        scratch: &mut [u8],
        pictures: &mut PictureCache,
    ) -> Result<(), String> {
        let Some(stream) = &mut self.stream else {
            return Ok(());
        };
        if let Some(request) = &self.request {
            match stream.write(request.as_bytes()) {
                Ok(written) if written == request.len() => self.request = None,
                Ok(_) => return Err("short write of a request".to_owned()),
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::NotConnected
                    ) =>
                {
                    return Ok(());
                }
                Err(error) => return Err(format!("cannot send the request: {error}")),
            }
        }
        while room > 0 {
            let size = room.min(scratch.len());
            match stream.read(&mut scratch[..size]) {
                Ok(0) => {
                    self.viewer.ended_at = Some(Instant::now());
                    self.stream = None;
                    return Ok(());
                }
                Ok(count) => {
                    room -= count;
                    self.stream_checker.receive(&scratch[..count], pictures)?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.viewer.ended_at = Some(Instant::now());
                    return Err(format!("the stream failed: {error}"));
                }
            }
        }
        self.is_readable = self.rate.is_none();
        Ok(())
    }
}
