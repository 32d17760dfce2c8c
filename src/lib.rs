//! framecast shows live cameras to many browsers at once, from one thread: one `mio::Poll`, one
//! event loop, no thread per viewer. The code is written to be read.
//!
//! # The life of an edge
//!
//! A kernel reports readiness in one of two ways, see epoll(7). *Level*-triggered: each wait
//! reports every socket that can be read or written. *Edge*-triggered: a wait reports only that a
//! socket has changed. Bytes that a program leaves unread are not reported again. So it must read
//! until the kernel returns "would block" (`EAGAIN`), since only then the next event is certain, or
//! remember that it has not.
//!
//! framecast uses edges. An idle viewer's socket has room to write nearly all the time, and a level
//! would report it at each wait. With edges, each socket is registered once, for both directions.
//!
//! 1. The kernel reports an edge. `EventLoop::dispatch` finds the connection by the event's token,
//!    and [`hub::Hub::ready`] sets a bit: `readable` or `writable`. Nothing is read or written yet.
//! 2. [`hub::Hub::turn`] calls `Connections::settle`, which lists the connection: to read from if
//!    `readable` is set, to send to if `writable` is set and there is something to send.
//! 3. The turn reads from the connections of one list, and writes to those of the other. Each
//!    attempt (`Connection::receive`, `WriteQueue::write_to`) fails, which closes the connection,
//!    or ends in one of three ways:
//!    - **would block**: the bit is cleared, and the kernel will report the next edge;
//!    - **nothing left**: all is written, or the input has ended, which also clears `readable`;
//!    - **own budget**: the attempt has had its share of the turn. The bit stays set.
//! 4. `settle` runs again at the end of the turn. If the bit is still set and there is work, it
//!    lists the connection again, and the next wait returns at once (`Hub::next_wake`).
//!
//! A bit that is cleared in another way, or a connection that is not listed although its bit is set
//! and it has work, is a lost edge: no event comes, and the viewer hangs. The simulation checks
//! after each step that there is none.
//!
//! These nine functions, 210 lines, set, test and clear the bits: `EventLoop::wait` and `dispatch`,
//! `Hub::ready`, `Hub::turn`, `Connections::settle`, `Connection::receive` and `write`,
//! `WriteQueue::write_to` and `write_step`. Four short ones state what work there is: a
//! connection's `wants_receive`, `wants_write` and `wants_chunk`, and `Connections::has_work`.
//!
//! Some work needs no event. Timers are for that: a deadline, a repeated frame, a rate limit. Each
//! turn has two times. `asked_at` is when the wait began: the kernel has reported all that happened
//! before, so deadlines expire by this time. `now` is when the wait ended, the time of what the
//! turn receives, answers and sends. The difference matters after a process was stopped: by `now`
//! all peers are late, by `asked_at` none is before its bytes are read.
//!
//! # The library
//!
//! [`hub`] is the deterministic core, and [`wire`] holds the formats that it reads and writes.
//! Neither uses a socket or a clock, so a test can drive them. Here three frames are published to
//! two viewers. The second viewer has room for 40 bytes until all are published: it receives the
//! rest of the first frame, then the newest.
//!
//! ```
//! use framecast::hub::*;
//! use framecast::wire::{jpeg::Picture, metadata::WallTime, multipart::Framing};
//! use std::io::{ErrorKind::WouldBlock, Read, Result, Write};
//! use std::{cell::RefCell, rc::Rc, time::{Duration, Instant}};
//! struct Memory(Rc<RefCell<(usize, Vec<u8>)>>); // Room to write, bytes written.
//! impl Read for Memory {
//!     fn read(&mut self, _: &mut [u8]) -> Result<usize> { Err(WouldBlock.into()) }
//! }
//! impl Write for Memory {
//!     fn write(&mut self, bytes: &[u8]) -> Result<usize> {
//!         let (room, written) = &mut *self.0.borrow_mut();
//!         let length = bytes.len().min(*room);
//!         *room -= length;
//!         written.extend(&bytes[..length]);
//!         if length == 0 { Err(WouldBlock.into()) } else { Ok(length) }
//!     }
//!     fn flush(&mut self) -> Result<()> { Ok(()) }
//! }
//! impl Transport for Memory { fn shutdown_write(&mut self) -> Result<()> { Ok(()) } }
//! let (now, age, captured_wall) = (Instant::now(), Duration::ZERO, WallTime::nearest(Duration::ZERO));
//! let mut hub = Hub::new(1, "frame", Limits::default());
//! let [fast, slow] = [usize::MAX, 40].map(|room| {
//!     let memory = Rc::new(RefCell::new((room, Vec::new())));
//!     let key = hub.admit(Peer::Local, now, |_| Ok(Memory(memory.clone()))).unwrap();
//!     hub.subscribe(key, Subscription { camera: 0, framing: Framing::Length, delay: age,
//!         rate_limit: RateLimit::default(), label: String::new(), head: "--frame\r\n".into() }, now);
//!     (key, memory)
//! });
//! for (jpeg, room) in [(b"first.", 0), (b"second", 0), (b"third.", 1000)] {
//!     let picture = Picture { width: 1, height: 1, huffman_tables: true };
//!     hub.publish(0, Captured { jpeg, picture, captured_wall, age, sequence: None }, now);
//!     slow.1.borrow_mut().0 += room;
//!     [fast.0, slow.0].map(|key| hub.ready(key, Readiness { writable: true, ..<_>::default() }));
//!     hub.turn(Tick::at(now), || now, |_, _| unreachable!("no request arrives"));
//! }
//! let received = [fast, slow].map(|(_, memory)| {
//!     let written = String::from_utf8_lossy(&memory.borrow().1).into_owned();
//!     ["first.", "second", "third."].map(|jpeg| written.contains(jpeg))
//! });
//! assert_eq!(received, [[true; 3], [true, false, true]]);
//! ```
//!
//! # The layers
//!
//! Imports only go down. A test checks what each layer must not know.
//!
//! | Layer | What lives there | What it does not know |
//! |---|---|---|
//! | [`options`] | the command line, checked once into plain values | sockets |
//! | [`server`] | the I/O layer: the event loop, listeners, transports, child processes | drivers |
//! | [`site`] | the answers: routes, access control, pages | connections, the kernel |
//! | [`hub`] | the deterministic core: connections, what they send, the turn | sockets, the clock, routes |
//! | [`stream`] | the values it works with: frames, channels, bodies, answers, limits | the hub, sockets, the clock |
//! | [`text`] | text from outside: URLs, credentials to mask, text made printable | sockets, frames |
//! | [`wire`] | bytes to values and back: HTTP heads, multipart, JPEG | sockets, the clock, addresses |
//!
//! Other modules use [`wire`] but none of the layers above it: [`drivers`] (child processes that
//! read cameras), [`publish`] (a child process that writes frames to Redis), [`mod@bench`] (the
//! load generator), [`health`] (the health check) and [`logging`]. [`trust`] (accepted
//! certificates), [`mod@clock`], [`generate`] (manual page, completions, service files) and
//! [`guide`] (the user's guide) use no layer.
//!
//! # The reading order
//!
//! Lines are counted without unit tests. The first eight files are the loop; the values that they
//! work with are in [`stream`], one file each.
//!
//! | File | Lines | What it shows |
//! |---|---|---|
//! | `server/event_loop.rs` | 292 | the turn of the loop |
//! | `hub/inputs.rs` | 181 | the hub, and its inputs between two turns |
//! | `hub/turn.rs` | 103 | the turn: receive, expire, answer, send, reap, and why in this order |
//! | `hub/connections.rs` | 200 | lists of connections with work to do, and timers that cost nothing per frame |
//! | `hub/connection.rs` | 400 | the seven states of one connection, and every change of state |
//! | `hub/sending.rs` | 210 | a body that is pulled, so that the next frame is always the newest |
//! | `stream/queue.rs` | 228 | the bytes that wait for the transport, and why no part of a stream is torn |
//! | `hub/steps.rs` | 385 | the steps of a turn for one connection |
//! | `server/listener.rs` | 359 | accept, and the edge that does not come again after EMFILE |
//! | `server/token.rs` | 132 | stale events: a token names a slot and a connection number |
//! | `server/supervised.rs` | 462 | a child process as an event source: pipes, SIGCHLD, backoff, restart |
//! | `server/tls/session.rs` | 223 | a second buffer between loop and kernel, and where TLS can lose an edge |
//! | `server/restart.rs` | 166 | a restart that refuses no connection |
//! | `server/camera` | 884 | a driver on demand, and the placeholder while it delivers no frames |
//! | `stream/viewer.rs` | 174 | a body: the newest frame, when the rate limit allows it |
//! | `stream/frame.rs` | 103 | one encoded copy of a frame, shared by all viewers |
//! | `wire/multipart/encode.rs` | 133 | the encoding of that copy |
//! | `stream/limits.rs` | 96 | every limit of the hub: what bounds a turn |
//! | `stream/history.rs` | 141 | past frames by reference, bounded in time and bytes |
//! | `stream/retained.rs` | 37 | the limit on memory that slow viewers hold, by reference counts |
//! | `wire/http` | 885 | requests and responses; parsers with three outcomes: a value, not yet, malformed |
//! | `wire/jpeg` | 1375 | where a JPEG ends, and whether it is whole |
//! | `wire/multipart` | 1073 | multipart encoder and decoder |
//! | `site/routes.rs` | 131 | routes |
//! | `site/pages.rs` | 430 | the answer of each route |
//! | `site/snapshot.rs` | 349 | statistics: one snapshot behind `/state`, `/metrics` and `/events` |
//! | `site/auth` | 1950 | access control: one check before routing, without a clock and without blocking |
//!
//! # The life of a frame
//!
//! From the driver's pipe to a viewer's socket, function by function. Steps 1 to 10 run for each
//! batch of bytes in the pipe, 11 to 15 once for each frame, 16 to 18 once for each turn, and the
//! last six for each viewer. A turn sends to [`stream::Limits::sends_per_turn_max`] of them at
//! most.
//!
//! 1. `server::event_loop::EventLoop::wait`: the kernel reports that the driver's pipe has become
//!    readable.
//! 2. `server::event_loop::EventLoop::dispatch`: finds the owner of the event.
//! 3. `server::supervised::Supervised::ready`: sets a bit on the driver's process.
//! 4. `server::event_loop::EventLoop::read_children`: tries every pipe whose bit is set.
//! 5. `server::camera::Camera::read`: passes whole frames on to the hub.
//! 6. `server::camera::frames::FrameReader::read`: reads until the pipe would block, or its budget
//!    is spent.
//! 7. [`wire::budget::BudgetedDecoder::decode`]: decodes what was read, within the same budget.
//! 8. [`wire::decoder::SourceDecoder::decode`]: JPEGs or parts, as the driver writes them.
//! 9. [`wire::multipart::PartDecoder::decode`]: finds the JPEG between two boundaries.
//! 10. `wire::jpeg::walk::Walk::advance`: walks its segments, to check that it is whole.
//! 11. [`hub::Hub::publish`]: replaces the camera's newest frame.
//! 12. [`stream::Live::publish`]: counts it, and adds it to the event log.
//! 13. [`stream::Channel::publish`]: numbers it, and adds it to the history.
//! 14. [`wire::multipart::EncodedPart::encode`]: encodes header, JPEG and boundary into the one
//!     allocation that all viewers share.
//! 15. [`hub::Hub::wake`]: puts the viewers on the list of connections with work to do.
//! 16. `server::event_loop::EventLoop::turn_hub`: takes the hub's turn.
//! 17. [`hub::Hub::turn`]: receives, expires, answers; then sends.
//! 18. [`hub::Hub::send_pending`]: goes through the list of connections to send to.
//! 19. [`hub::Hub::send`]: asks the body for a chunk, if the transport has room and no chunk is
//!     in flight.
//! 20. `hub::sending::Sending::pull`: queues the chunk.
//! 21. `stream::viewer::Viewer::next`: returns the newest frame, by reference, if it is new to the
//!     viewer and its rate allows it.
//! 22. [`hub::Hub::write`]: writes what is queued. A frame of which the transport took no byte is
//!     taken back: the next pull may get a newer one.
//! 23. [`stream::queue::WriteQueue::write_to`]: writes until the transport would block, nothing is
//!     left, or the budget is reached.
//! 24. `server::socket::Socket::write`: one system call; with TLS, the next flush makes it.
//!
//! # The life of a request
//!
//! A listener accepts the connection, and [`hub::Hub::admit`] assigns a slot and a number to it.
//! The next turn reads, at first without an edge, and [`wire::http::RequestReader`] tries to parse
//! the bytes: "not yet" until the head is whole. The turn calls the function `answer` of its
//! caller, which authenticates the request and calls [`site::answer`]. That returns bytes, the
//! frames of a camera, a [`hub::Body`], or "ask again when there is a frame", and sees the server
//! only through [`site::View`]. The reply changes the connection's state, and with it the deadline.

// The life of a frame runs through private functions of public types.
#![allow(rustdoc::private_intra_doc_links)]

#[cfg(feature = "bench")]
pub(crate) mod bench;
#[cfg(feature = "server")]
pub(crate) mod clock;
#[cfg(feature = "server")]
pub(crate) mod commands;
#[cfg(feature = "server")]
pub(crate) mod drivers;
#[cfg(feature = "server")]
pub(crate) mod generate;
pub mod guide;
#[cfg(feature = "server")]
pub(crate) mod health;
pub mod hub;
#[cfg(feature = "server")]
pub(crate) mod logging;
#[cfg(feature = "server")]
pub(crate) mod options;
#[cfg(feature = "server")]
#[cfg_attr(not(feature = "redis"), path = "publish/off.rs")]
pub(crate) mod publish;
#[cfg(feature = "server")]
pub(crate) mod server;
#[cfg(feature = "server")]
pub(crate) mod site;
pub(crate) mod stream;
#[cfg(feature = "server")]
pub(crate) mod text;
#[cfg(feature = "server")]
pub(crate) mod trust;
pub mod wire;

#[cfg(feature = "server")]
#[doc(hidden)]
pub use commands::main;

// The corpus of the fuzzer, and everything that is served, against the same oracles.
#[cfg(test)]
extern crate self as framecast;
#[cfg(all(test, feature = "server"))]
#[path = "../tests/fuzz/replay.rs"]
mod replay;
