//! Signals as events: a handler writes a byte to a pipe, and the loop reads it like anything else.

use std::fmt;
use std::io;

use mio::event::Source;
use mio::{Interest, Registry, Token};
use rustix::process::Signal;
use signal_hook_mio::v1_0::Signals as SignalPipe;

/// The signals framecast acts on.
pub struct Signals(SignalPipe);

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// SIGTERM or SIGINT: come to an end; a second one: at once.
    ShutDown,
    /// SIGCHLD: a child process has ended.
    Reap,
    /// SIGUSR2: start a successor.
    Succeed,
    /// SIGUSR1, from that successor: it is up.
    HandOver,
    /// SIGHUP: the files of the certificate, of users or of the token have changed.
    Reload,
}

impl Signals {
    /// Takes these signals of this process over.
    ///
    /// # Errors
    /// The pipe cannot be made.
    pub fn take_over() -> io::Result<Self> {
        let signals = [Signal::TERM, Signal::INT, Signal::CHILD, Signal::USR1, Signal::USR2];
        SignalPipe::new(signals.map(Signal::as_raw)).map(Self)
    }

    /// Takes over SIGHUP as well. A server with nothing to reload is better off with what it does by itself: a terminal
    /// that is closed ends what it runs.
    ///
    /// # Errors
    /// The handler cannot be set.
    pub fn take_over_reload(&self) -> io::Result<()> {
        self.0.add_signal(Signal::HUP.as_raw())
    }

    /// The signals that have come since the last call.
    pub fn pending(&mut self) -> impl Iterator<Item = Request> {
        self.0.pending().map(|signal| match Signal::from_named_raw(signal) {
            Some(Signal::CHILD) => Request::Reap,
            Some(Signal::USR1) => Request::HandOver,
            Some(Signal::USR2) => Request::Succeed,
            Some(Signal::HUP) => Request::Reload,
            _ => Request::ShutDown,
        })
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signals")
    }
}

impl Source for Signals {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.0.register(registry, token, interests)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.0.reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.0.deregister(registry)
    }
}
