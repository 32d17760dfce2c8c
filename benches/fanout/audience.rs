//! A hub with in-memory viewers. Each viewer accepts all bytes and records whether they lie in the
//! frame's own allocation.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind, Read, Write};
use std::ops::Range;
use std::rc::Rc;
use std::time::{Duration, Instant};

use framecast::hub::Call;
use framecast::hub::Captured;
use framecast::hub::{Answer, Hub, Limits, Readiness, Reply, Subscription, Tick, Transport};
use framecast::hub::{Peer, RateLimit};
use framecast::wire::jpeg::Picture;
use framecast::wire::metadata::WallTime;
use framecast::wire::multipart::{Framing, preamble};

const BOUNDARY: &str = "frame";
const CAMERA: usize = 0;
const PICTURE: Picture = Picture {
    width: 640,
    height: 480,
    huffman_tables: true,
};

/// Counts the bytes written to all viewers: shared or copied.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// Address range of the newest frame's allocation.
    frame: RefCell<Range<usize>>,
    /// Bytes written from that allocation.
    pub(crate) shared_bytes: Cell<u64>,
    /// Bytes written from any other memory: copies.
    pub(crate) copied_bytes: Cell<u64>,
    pub(crate) writes: Cell<u64>,
}

/// The transport of a viewer: sends one request, then accepts all bytes.
#[derive(Debug)]
pub(crate) struct Sink {
    request: &'static [u8],
    written: Rc<Written>,
}

/// A hub with its viewers and its clock.
pub(crate) struct Audience {
    hub: Hub<Sink>,
    pub(crate) written: Rc<Written>,
    now: Instant,
    jpeg: Vec<u8>,
}

impl Audience {
    /// Makes a hub with one camera, `viewers` viewers and pictures of `bytes` bytes.
    pub(crate) fn new(viewers: usize, bytes: usize) -> Self {
        let hub = Hub::new(1, BOUNDARY, Limits::default());
        let mut audience = Self {
            hub,
            written: Rc::default(),
            now: Instant::now(),
            jpeg: vec![0xd8; bytes],
        };
        for _ in 0..viewers {
            audience.join();
        }
        audience
    }

    fn join(&mut self) {
        let sink = Sink {
            request: b"GET /stream HTTP/1.0\r\n\r\n",
            written: self.written.clone(),
        };
        let key = self.hub.admit(Peer::Local, self.now, |_| Ok(sink));
        let Ok(key) = key else { return };
        self.hub.ready(
            key,
            Readiness {
                readable: true,
                ..Default::default()
            },
        );
        self.turn();
    }

    /// Runs one turn of the hub, which answers each request with the stream.
    pub(crate) fn turn(&mut self) {
        let subscribe = |call: &Call, _: &Hub<Sink>| {
            let answer = Answer::Subscribe(Subscription {
                camera: CAMERA,
                framing: Framing::Length,
                delay: Duration::ZERO,
                rate_limit: RateLimit::default(),
                label: String::new(),
                head: preamble(BOUNDARY, Framing::Length),
            });
            Reply::to(call.peer, answer)
        };
        self.hub.turn(Tick::at(self.now), Instant::now, subscribe);
    }

    /// Advances the clock.
    pub(crate) fn advance(&mut self, time: Duration) {
        self.now += time;
    }

    /// Publishes a frame: the hub copies the picture once.
    pub(crate) fn publish(&mut self) {
        let captured_wall = WallTime::nearest(Duration::from_secs(1_700_000_000));
        let captured = Captured {
            jpeg: &self.jpeg,
            picture: PICTURE,
            captured_wall,
            age: Duration::ZERO,
            sequence: None,
        };
        self.hub.publish(CAMERA, captured, self.now);
        if let Some(frame) = &self.hub.live().channels[CAMERA].live {
            let addresses = frame.allocation().as_ptr_range();
            self.written
                .frame
                .replace(addresses.start as usize..addresses.end as usize);
        }
    }
}

impl Read for Sink {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.request.read(buffer)? {
            0 => Err(ErrorKind::WouldBlock.into()),
            read => Ok(read),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let frame = self.written.frame.borrow();
        let addresses = bytes.as_ptr_range();
        let is_shared =
            frame.start <= addresses.start as usize && addresses.end as usize <= frame.end;
        let counter = if is_shared {
            &self.written.shared_bytes
        } else {
            &self.written.copied_bytes
        };
        counter.set(counter.get() + bytes.len() as u64);
        self.written.writes.set(self.written.writes.get() + 1);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for Sink {
    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}
