//! framecast shows live cameras to any number of browsers from one thread.
//!
//! One `mio::Poll`, one loop, no thread per viewer: this is what the whole program is about, and it is written to be
//! read.
//!
//! # The layers
//!
//! Imports only go down. What a layer must not know is as much of its design as what it does.
//!
//! | Layer | What lives there | What it does not know |
//! |---|---|---|
//! | [`options`] | the command line, checked once into plain values | sockets |
//! | [`server`] | the edge: the event loop, listeners, sockets, cameras' processes | byte formats |
//! | [`site`] | what is answered: which address means what, and what stands there | connections, the kernel |
//! | [`stream`] | the heart: frames, write queues, channels, connections, the hub | sockets, the clock |
//! | [`wire`] | bytes to values and back: HTTP heads, multipart, JPEG | sockets, the clock, addresses |
//!
//! Beside them, [`capture`] (the drivers, which are programs of their own) and [`mod@bench`] (a crowd of viewers) stand
//! on [`wire`] alone, [`publish`] (another program of its own, which passes frames on) on [`capture`] too, for the way
//! to Redis; [`logging`] and [`health`] (a question to a running server) stand on [`wire`] too (and
//! [`health`] on [`capture`], for the platform's certificates), [`generate`] (what goes
//! with the program when it is installed) on nothing.
//!
//! # The reading order
//!
//! 1. [`server::event_loop`]: the turn, which fits a screen.
//! 2. [`stream::queue`]: what waits for one viewer, and why no picture is ever torn.
//! 3. [`stream::connection`] and [`stream::hub`]: one peer's states, and all peers.
//! 4. [`stream::channel`], [`stream::journal`] and [`stream::producer`]: everything that goes on for ever.
//! 5. [`server::listener`], [`server::camera`]: where edges are owed, and where blocking is locked away.
//! 6. [`wire::multipart`], [`wire::jpeg`], [`wire::http`]: the bytes themselves.
//! 7. [`site`]: what stands at each address.
//!
//! # The life of a frame
//!
//! A driver writes it to its pipe. The loop wakes, [`server::camera`] reads until the pipe would block,
//! [`wire::source`] cuts out whole, checked JPEGs. [`stream::Hub::publish`] encodes it once, as a part with the
//! boundary that follows it, and offers a reference to every subscriber's [`stream::queue::WriteQueue`], where it takes
//! the place of an older one that has not begun to leave. [`stream::Hub::turn`] then writes: one system call a viewer.
//!
//! # The life of a request
//!
//! A listener accepts it, [`stream::Hub::admit`] gives it a slot and a number. It becomes readable; what came is parsed
//! by [`wire::http::Request::parse`], which says "not yet" until the head is whole. [`site::answer`] looks at the
//! [`site::Scene`] and says what is to follow: bytes until done, frames without end, a body that a
//! [`stream::Producer`] makes as it is sent, or "ask me again when there is a frame". The connection's state tells what
//! is next, and its deadline when that is too late.

pub mod bench;
pub mod capture;
pub mod generate;
pub mod health;
pub mod logging;
pub mod options;
pub mod publish;
pub mod server;
pub mod site;
pub mod stream;
pub mod wire;
