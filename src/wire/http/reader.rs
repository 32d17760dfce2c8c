//! The requests of one connection.

use super::head::HeadSearch;
use super::{Refusal, Request};

/// A buffer of received bytes from which requests are parsed one at a time.
#[derive(Debug, Default)]
pub struct RequestReader {
    received: Vec<u8>,
    search: HeadSearch,
    count: u32,
}

impl RequestReader {
    /// Appends received bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
    }

    /// Removes the next request from the buffer and returns it; `Ok(None)` until it is complete.
    ///
    /// # Errors
    /// The bytes are no valid request. The connection cannot be used for another one.
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
            // Most connections send one request and then only receive: free the allocation.
            self.received = Vec::new();
        }
        self.count += 1;
        Ok(Some(request))
    }

    /// Returns the number of requests returned so far.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether part of a request has arrived. Empty lines before a request do not count.
    pub fn has_begun(&self) -> bool {
        self.received
            .iter()
            .any(|byte| !matches!(byte, b'\r' | b'\n'))
    }

    /// Drops the received bytes.
    pub fn clear(&mut self) {
        self.received = Vec::new();
    }
}
