//! Signals as events: a handler writes a byte to a pipe, which the loop reads like any other.

use std::fmt;
use std::io;

use mio::{Interest, Registry, Token};
use rustix::process::Signal;
use signal_hook_mio::v1_0::Signals as SignalPipe;

/// The signals framecast acts on.
pub struct Signals(SignalPipe);

/// The meaning of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// SIGTERM or SIGINT: shut down; a second one: quit immediately.
    ShutDown,
    /// SIGCHLD: a child process has exited.
    Reap,
    /// SIGUSR2: start a new process.
    Restart,
    /// SIGUSR1, from the new process: it is ready.
    HandOver,
    /// SIGHUP: the files of the certificate, of users or of the token have changed.
    Reload,
}

impl Signals {
    /// Takes these signals of this process over.
    pub fn take_over() -> io::Result<Self> {
        let signals = [
            Signal::TERM,
            Signal::INT,
            Signal::CHILD,
            Signal::USR1,
            Signal::USR2,
        ];
        SignalPipe::new(signals.map(Signal::as_raw)).map(Self)
    }

    /// Registers the signals under `token`.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.0, token, Interest::READABLE)
    }

    /// Takes over SIGHUP as well. A server with nothing to reload keeps the default action: a
    /// terminal that is closed ends what it runs.
    pub fn take_over_reload(&self) -> io::Result<()> {
        self.0.add_signal(Signal::HUP.as_raw())
    }

    /// The signals that have come since the last call.
    pub fn pending(&mut self) -> impl Iterator<Item = Request> {
        self.0
            .pending()
            .map(|signal| match Signal::from_named_raw(signal) {
                Some(Signal::CHILD) => Request::Reap,
                Some(Signal::USR1) => Request::HandOver,
                Some(Signal::USR2) => Request::Restart,
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
