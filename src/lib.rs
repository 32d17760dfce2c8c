//! framecast shows live cameras to any number of browsers from one thread.
//!
//! One `mio::Poll`, one loop, no thread per viewer: this is what the whole program is about, and it is written to be
//! read.
//!
//! # The life of an edge
//!
//! A kernel reports readiness in one of two ways. *Level*: it repeats, at every wait, that a socket can be read or
//! written. *Edge*: it reports once that this has changed, and not again until an attempt has ended in "would block".
//! framecast uses edges, so that ten thousand idle viewers cost nothing, and each socket is registered once, for both
//! directions.
//!
//! 1. An edge comes with a batch of events. [`hub::Hub::ready`] sets a bit on the connection, `readable` or
//!    `writable`, and puts the connection on the list of those with work to do. It reads and writes nothing.
//! 2. The turn tries: [`hub::Hub::turn`] reads, answers and writes where a bit is set.
//! 3. "Would block" clears the bit: the kernel owes the next edge.
//! 4. Anything else that ends an attempt early is a budget of our own. The bit stays set, the connection stays on the
//!    list, and the next wait takes no time. A bit that was cleared, or a connection that was forgotten, without "would
//!    block" would be a lost edge, and with it a lost viewer.
//!
//! The list is for work that waits for no event, the timers are for what becomes due while nothing happens. Time is
//! read in three places, each for its own reason: `asked_at`, when the wait began, is what deadlines are judged by,
//! since a process that was stopped in its wait has heard its peers up to then; `now`, when the wait ended, is the time
//! of all that the turn does; and a histogram reads the clock once more for each delivered frame, since sending to many
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
//! | [`wire`] | bytes to values and back: HTTP heads, multipart, JPEG | sockets, the clock, addresses |
//!
//! Beside them, [`drivers`] (the drivers, which are programs of their own), [`mod@bench`] (a crowd of viewers),
//! [`health`] (a question to a running server) and [`logging`] stand on [`wire`], those that connect to others also on
//! [`trust`] (the certificates that are accepted); [`publish`] (another program of its own, which passes frames on) on
//! [`drivers`] too, for the way to Redis; [`generate`] (what goes with the program when it is installed) on nothing.
//!
//! # The reading order
//!
//! With the lines of each file, unit tests left out. The first eight are enough to understand the loop; the values
//! that pass through them are in [`stream`], one file each.
//!
//! | File | Lines | What it shows |
//! |---|---|---|
//! | `server/event_loop.rs` | 245 | the turn of the loop |
//! | `hub/inputs.rs` | 185 | the hub, and what comes into it between two turns |
//! | `hub/turn.rs` | 145 | the loop's largest step: receive, expire, answer, send, reap, and why in this order |
//! | `hub/connections.rs` | 180 | which connections have work to do, and deadlines that move at no cost |
//! | `hub/connection.rs` | 383 | the seven states of one peer |
//! | `hub/sending.rs` | 170 | a body that is pulled, and why what is sent next is always the newest |
//! | `hub/queue.rs` | 200 | the bytes on their way to it, and why no picture is ever torn |
//! | `hub/steps.rs` | 345 | what happens to one connection in a turn |
//! | `server/listener.rs` | 300 | accepting when descriptors run out: the edge that never comes again |
//! | `server/token.rs` | 112 | events that are late: a token names a slot and the connection it was for |
//! | `server/supervised.rs` | 415 | a child process as an event source: pipes, SIGCHLD, backoff, restart |
//! | `server/camera` | 790 | a driver on demand, and what viewers are shown while it gives no frames |
//! | `wire/http` | 870 | requests and responses; parsers with three outcomes: a value, not yet, malformed |
//! | `wire/jpeg` | 1150 | where a JPEG ends, and whether it is whole |
//! | `wire/multipart` | 870 | parts, to be written and to be read |
//! | `site/routes.rs` | 113 | which address means what |
//! | `site/pages.rs` | 320 | what each address answers |
//! | `site/snapshot.rs` | 290 | statistics: one snapshot behind `/state`, `/metrics` and `/events` |
//! | `site/auth` | 1600 | access control: one check before routing, without a clock and without blocking |
//!
//! # The life of a frame
//!
//! A driver writes it to its pipe. The loop wakes, `server::camera` reads until the pipe would block,
//! [`wire::source`] cuts out whole, checked JPEGs. [`hub::Hub::publish`] encodes it once, as a part with the
//! boundary that follows it, and puts every viewer of the camera on the list of connections with work to do. In
//! [`hub::Hub::turn`], a viewer that has no frame on its way and room for one asks for the newest: it is queued by
//! reference ([`hub::queue::WriteQueue`]) and written with one system call. A frame of which the kernel takes no
//! byte is taken back, so that the viewer asks for the newest again when there is room.
//!
//! # The life of a request
//!
//! A listener accepts it, [`hub::Hub::admit`] gives it a slot and a number. It becomes readable; what came is parsed
//! by [`wire::http::Request::parse`], which says "not yet" until the head is whole. [`site::answer`] looks at the
//! [`site::View`] and says what is to follow: bytes until done, frames without end, a body that a
//! [`hub::Body`] makes as it is sent, or "ask me again when there is a frame". The connection's state tells what
//! is next, and its deadline when that is too late.

pub mod bench;
pub mod clock;
pub mod drivers;
pub mod generate;
pub mod health;
pub mod hub;
pub mod logging;
pub mod options;
pub mod publish;
pub mod server;
pub mod site;
pub mod stream;
pub mod trust;
pub mod wire;
