//! The source `http://` or `https://`: a camera or server on the network, which gives motion JPEG
//! or single pictures.
//!
//! The whole text is its address. Our own parameters follow the `#`, which is never sent:
//! `http://camera/video?size=2#timeout=30s`.
//!
//! # A client of its own
//!
//! ureq, hyper and reqwest parse heads by httparse, and refuse what curl, ffmpeg and browsers show:
//! a status line in lower case, with two blanks or of HTTP/2.0, no head at all (HTTP/0.9), a
//! `Content-Length` that is empty, negative or contradicts itself, a chunk of the wrong size. Their
//! leniency, where they have any, ends at field lines, and none of them tells a body that has ended
//! from one that says nothing any more. libcurl's binding would read all of that, but brings a C
//! library. So this is a small blocking client over `std::net` and rustls; nothing here runs in the
//! server.
//!
//! | File | What |
//! |---|---|
//! | `connection` | TCP to the first address that answers, TLS over it |
//! | `head`, `body` | responses, read leniently |
//! | `auth`, `cookies` | logins and sessions |
//! | `client` | requests, redirects, connections that stay open |
//! | `kind` | what a body is, and what it may be instead |
//! | `settings` | what the user wrote |
//! | `relay` | frames, patience, what is tried again |

mod auth;
mod body;
mod client;
mod connection;
mod cookies;
mod error;
mod head;
mod kind;
mod relay;
mod settings;

use std::time::Duration;

pub use error::{Fault, HttpError};
pub use settings::Http;

use super::driver::{Driver, Parts, frame_timeout};
use super::error::{CaptureError, SourceError};

impl Driver for Http {
    fn frame_timeout(&self) -> Option<Duration> {
        Some(frame_timeout(Some(self.timeout()), self.fps))
    }

    /// The camera is not asked: it may be switched on later.
    fn check(&self) -> Result<(), SourceError> {
        Ok(())
    }

    fn run(&self, parts: &mut Parts) -> Result<(), CaptureError> {
        relay::run(self, parts)
    }
}
