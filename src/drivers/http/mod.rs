//! The source `http://` or `https://`: a network camera or another server, which gives MJPEG or
//! single pictures.
//!
//! The whole text is the URL. The parameters of the source follow the `#`, which is never sent:
//! `http://camera/video?size=2#timeout=30s`.
//!
//! # Why this is not an HTTP library
//!
//! ureq, hyper and reqwest parse heads with httparse, and reject responses that curl, ffmpeg and
//! browsers accept: a status line in lower case, with two blanks or of HTTP/2.0, no head
//! (HTTP/0.9), an empty, negative or contradictory `Content-Length`, a chunk of the wrong size.
//! They also do not distinguish a body that has ended from a silent one. libcurl accepts all of
//! these, but is a C library. So this is a small blocking client over `std::net` and rustls. It
//! runs in the driver only, never in the server.
//!
//! | File | Contents |
//! |---|---|
//! | `connection` | TCP to the first address that answers, TLS |
//! | `head`, `body` | lenient parsing of responses |
//! | `auth`, `cookies` | logins and sessions |
//! | `client` | requests, redirects, reuse of connections |
//! | `kind` | the kind of a body, and errors of other bodies |
//! | `settings` | the URL and its parameters |
//! | `relay` | frames, timeouts, retries |

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

use super::driver::{Driver, FrameWriter, frame_timeout};
use super::error::{CaptureError, SourceError};

impl Driver for Http {
    fn frame_timeout(&self) -> Option<Duration> {
        Some(frame_timeout(Some(self.timeout()), self.fps))
    }

    /// Always succeeds: the camera may be switched on later.
    fn check(&self) -> Result<(), SourceError> {
        Ok(())
    }

    fn run(&self, writer: &mut FrameWriter) -> Result<(), CaptureError> {
        relay::run(self, writer)
    }
}
