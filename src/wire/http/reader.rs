//! What has arrived of the requests of one connection.

use super::head::HeadSearch;
use super::{Refusal, Request};

/// Takes requests off the bytes that arrive, one at a time.
#[derive(Debug, Default)]
pub struct RequestReader {
    received: Vec<u8>,
    search: HeadSearch,
    count: u32,
}

impl RequestReader {
    /// Adds bytes that have arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
    }

    /// Takes the next request off, if it has arrived as a whole.
    ///
    /// # Errors
    /// What has arrived can never become a request that is served.
    pub fn next_request(&mut self) -> Result<Option<Request>, Refusal> {
        if self.received.is_empty() {
            return Ok(None);
        }
        let Some((request, length)) = Request::parse_incremental(&self.received, &mut self.search)?
        else {
            return Ok(None);
        };
        self.received.drain(..length);
        if self.received.is_empty() {
            // Most connections send one request and then only listen: they need not keep the
            // allocation.
            self.received = Vec::new();
        }
        self.count += 1;
        Ok(Some(request))
    }

    /// Returns the number of requests returned so far.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether part of a request has arrived. The empty lines that are ignored before one are no
    /// part of it.
    pub fn has_begun(&self) -> bool {
        self.received
            .iter()
            .any(|byte| !matches!(byte, b'\r' | b'\n'))
    }

    /// Drops what has arrived: no further request is served.
    pub fn clear(&mut self) {
        self.received = Vec::new();
    }
}
