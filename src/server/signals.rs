//! Signals as events: the signal handler writes a byte to a socket pair, of which the loop polls the
//! other end (the self-pipe trick).

use std::fmt;
use std::io;

use mio::{Interest, Registry, Token};
use rustix::process::Signal;
use signal_hook_mio::v1_0::Signals as SignalPipe;

/// The signals that the server handles.
pub struct Signals(SignalPipe);

/// The request that a signal makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// SIGTERM or SIGINT: shut down; a second one: quit immediately.
    ShutDown,
    /// SIGCHLD: a child process has exited.
    Reap,
    /// SIGUSR2: start a new process.
    Restart,
    /// SIGUSR1, from the new process: it is ready.
    NewProcessReady,
    /// SIGHUP: reload the certificate, users and token from their files.
    Reload,
}

impl Signals {
    /// Installs the handlers of all signals but SIGHUP.
    pub fn install() -> io::Result<Self> {
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

    /// Installs the handler of SIGHUP. A server with nothing to reload keeps the default action, so
    /// that it ends when its terminal closes.
    pub fn install_reload(&self) -> io::Result<()> {
        self.0.add_signal(Signal::HUP.as_raw())
    }

    /// Returns the requests since the last call. signal-hook reads the socket until it would block,
    /// so an edge is owed.
    pub fn pending(&mut self) -> impl Iterator<Item = Request> {
        self.0
            .pending()
            .map(|signal| match Signal::from_named_raw(signal) {
                Some(Signal::CHILD) => Request::Reap,
                Some(Signal::USR1) => Request::NewProcessReady,
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
