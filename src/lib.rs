//! framecast shows live cameras to any number of browsers from one thread.
//!
//! One `mio::Poll`, one loop, no thread per viewer: this is what the whole program is about, and it
//! is written to be read.
//!
//! # The life of an edge
//!
//! A kernel reports readiness in one of two ways. *Level*: it repeats, at every wait, that a socket
//! can be read or written. *Edge*: it reports once that this has changed, and not again until an
//! attempt has ended in "would block". framecast uses edges, so that ten thousand idle viewers cost
//! nothing, and each socket is registered once, for both directions.
//!
//! 1. An edge comes with a batch of events. [`hub::Hub::ready`] sets a bit on the connection,
//!    `readable` or `writable`. It reads and writes nothing.
//! 2. The turn lists the connection: as one to receive from if it is readable, as one to send to if
//!    it is writable and there is something to send. Then [`hub::Hub::turn`] tries: it reads,
//!    answers and writes.
//! 3. "Would block" clears the bit: the kernel owes the next edge.
//! 4. Anything else that ends an attempt early is a budget of our own. The bit stays set, the turn
//!    lists the connection again, and the next wait takes no time. A bit that was cleared, or a
//!    connection that was not listed, without "would block" would be a lost edge, and with it a
//!    lost viewer.
//!
//! The lists are for work that waits for no event, the timers are for what becomes due while
//! nothing happens. Time is read in three places, each for its own reason: `asked_at`, when the
//! wait began, is what deadlines are judged by, since a process that was stopped in its wait has
//! heard its peers up to then; `now`, when the wait ended, is the time of all that the turn does;
//! and a histogram reads the clock once more for each delivered frame, since sending to many
//! viewers takes milliseconds.
//!
//! # The layers
//!
//! Imports only go down. What a layer must not know is as much of its design as what it does.
//!
//! | Layer | What lives there | What it does not know |
//! |---|---|---|
//! | [`options`] | the command line, checked once into plain values | sockets |
//! | [`server`] | the I/O layer: the event loop, listeners, transports, child processes | byte formats, drivers |
//! | [`site`] | what is answered: which address means what, and what stands there | connections, the kernel |
//! | [`hub`] | the deterministic core: connections, what they send, the turn | sockets, the clock, routes |
//! | [`stream`] | the values it works with: frames, channels, bodies, answers, limits | connections |
//! | [`text`] | text from outside: URLs, credentials to mask, text made printable | sockets, frames |
//! | [`wire`] | bytes to values and back: HTTP heads, multipart, JPEG | sockets, the clock, addresses |
//!
//! Beside them, [`drivers`] (the drivers, which are programs of their own), [`mod@bench`] (a crowd
//! of viewers), [`health`] (a question to a running server) and [`logging`] stand on [`wire`],
//! those that connect to others also on [`trust`] (the certificates that are accepted); [`publish`]
//! (another program of its own, which passes frames on) on [`drivers`] too, for the way to Redis;
//! [`generate`] (what goes with the program when it is installed) and [`guide`] (the user's guide)
//! on nothing.
//!
//! # The reading order
//!
//! With the lines of each file, unit tests left out. The first ten are enough to understand the
//! loop; the values that pass through them are in [`stream`], one file each.
//!
//! | File | Lines | What it shows |
//! |---|---|---|
//! | `server/event_loop.rs` | 291 | the turn of the loop |
//! | `hub/inputs.rs` | 184 | the hub, and what comes into it between two turns |
//! | `hub/turn.rs` | 124 | the loop's largest step: receive, expire, answer, send, reap, and why in this order |
//! | `hub/connections.rs` | 227 | which connections have work to do, and deadlines that move at no cost |
//! | `hub/connection.rs` | 421 | the seven states of one peer |
//! | `hub/sending.rs` | 230 | a body that is pulled, and why what is sent next is always the newest |
//! | `stream/queue.rs` | 228 | the bytes on their way to it, and why no picture is ever torn |
//! | `hub/steps.rs` | 463 | what happens to one connection in a turn |
//! | `server/listener.rs` | 367 | accepting when descriptors run out: the edge that never comes again |
//! | `server/token.rs` | 130 | events that are late: a token names a slot and the connection it was for |
//! | `server/supervised.rs` | 461 | a child process as an event source: pipes, SIGCHLD, backoff, restart |
//! | `server/tls/session.rs` | 223 | a second buffer between loop and kernel: where TLS loses an edge, and how not to |
//! | `server/restart.rs` | 165 | a restart that refuses no connection |
//! | `server/camera` | 887 | a driver on demand, and what viewers are shown while it gives no frames |
//! | `stream/viewer.rs` | 174 | a body: the newest frame, when the viewer is due one |
//! | `stream/history.rs` | 143 | past frames by reference, bounded in time and bytes |
//! | `stream/retained.rs` | 37 | memory that slow viewers may hold, read off reference counts |
//! | `wire/http` | 895 | requests and responses; parsers with three outcomes: a value, not yet, malformed |
//! | `wire/jpeg` | 1390 | where a JPEG ends, and whether it is whole |
//! | `wire/multipart` | 1080 | parts, to be written and to be read |
//! | `site/routes.rs` | 132 | which address means what |
//! | `site/pages.rs` | 428 | what each address answers |
//! | `site/snapshot.rs` | 349 | statistics: one snapshot behind `/state`, `/metrics` and `/events` |
//! | `site/auth` | 1950 | access control: one check before routing, without a clock and without blocking |
//!
//! # The life of a frame
//!
//! From the driver's pipe to a viewer's socket, function by function. The first 18 run once for
//! each frame, the last six once for each viewer.
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
//! 10. `wire::jpeg::walk::Walk::advance`: walks its segments, to see that it is whole.
//! 11. [`hub::Hub::publish`]: replaces the camera's newest frame.
//! 12. [`stream::Live::publish`]: adds it to the statistics and to the event log.
//! 13. [`stream::Channel::publish`]: gives it a number, and a place in the history.
//! 14. [`wire::multipart::EncodedPart::encode`]: encodes header, JPEG and boundary into the one
//!     allocation that all viewers share.
//! 15. [`hub::Hub::wake`]: puts the viewers on the list of connections with work to do.
//! 16. `server::event_loop::EventLoop::turn_hub`: takes the hub's turn.
//! 17. [`hub::Hub::turn`]: receives, expires, answers; then sends.
//! 18. [`hub::Hub::send_pending`]: goes through the list.
//! 19. [`hub::Hub::send`]: asks the body for a chunk, if nothing has begun to leave and the
//!     transport has room.
//! 20. [`hub::sending::Sending::pull`]: queues the chunk.
//! 21. `stream::viewer::Viewer::next`: returns the newest frame, by reference, if it is new to the
//!     viewer and its rate allows it.
//! 22. [`hub::Hub::write`]: writes what is queued. A frame of which the transport took no byte is
//!     taken back: the next time, there may be a newer one.
//! 23. [`stream::queue::WriteQueue::write_to`]: writes until the transport would block, or nothing
//!     is left.
//! 24. `server::socket::Socket::write`: one system call.
//!
//! # The life of a request
//!
//! A listener accepts the connection, and [`hub::Hub::admit`] gives it a slot and a number. It
//! becomes readable, and [`wire::http::Request::parse`] parses what has arrived: "not yet" until
//! the head is whole. [`site::answer`] returns the response: bytes, the frames of a camera, a
//! [`hub::Body`] that is made as it is sent, or "ask again when there is a frame". All that it sees
//! of the server is the [`site::View`]. The state of the connection is what happens next, its
//! deadline is when that is too late.

// The life of a frame runs through private functions of public types.
#![allow(rustdoc::private_intra_doc_links)]

pub mod bench;
pub mod clock;
pub mod drivers;
pub mod generate;
pub mod guide;
pub mod health;
pub mod hub;
pub mod logging;
pub mod options;
pub mod publish;
pub mod server;
pub mod site;
pub mod stream;
pub mod text;
pub mod trust;
pub mod wire;

// The corpus of the fuzzer, and everything that is served, against the same oracles.
#[cfg(test)]
extern crate self as framecast;
#[cfg(test)]
#[path = "../tests/fuzz/replay.rs"]
mod replay;
