//! The parts that responses have in common: header fields and error messages.

use std::fmt::Display;

use bytes::Bytes;

use super::origins::Origins;
use crate::hub::{Answer, Response};
use crate::wire::http::{ResponseHead, Status};
use crate::wire::metadata::WallTime;

/// An error response: a status, and a sentence for people.
#[derive(Debug)]
pub struct Problem {
    status: Status,
    sentence: String,
    retry_after_seconds: Option<u32>,
    challenges: Vec<&'static str>,
}

impl Problem {
    /// 404 Not Found.
    pub fn not_found(sentence: impl Into<String>) -> Self {
        Self::new(Status::NotFound, sentence)
    }

    /// 400 Bad Request: a parameter has an invalid value.
    pub fn bad_request(sentence: impl Into<String>) -> Self {
        Self::new(Status::BadRequest, sentence)
    }

    /// 503 Service Unavailable; a client may retry after this many seconds.
    pub fn unavailable(sentence: impl Into<String>, retry_after_seconds: u32) -> Self {
        Self::new(Status::ServiceUnavailable, sentence).retry_after(retry_after_seconds)
    }

    /// 501 Not Implemented.
    pub fn not_implemented(sentence: impl Into<String>) -> Self {
        Self::new(Status::NotImplemented, sentence)
    }

    /// Returns an error response.
    pub fn new(status: Status, sentence: impl Into<String>) -> Self {
        Self {
            status,
            sentence: sentence.into(),
            retry_after_seconds: None,
            challenges: Vec::new(),
        }
    }

    /// Adds a `Retry-After` field, in seconds.
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    /// Adds a `WWW-Authenticate` field (RFC 9110, section 11.6.1).
    pub fn challenge(mut self, challenge: &'static str) -> Self {
        self.challenges.push(challenge);
        self
    }

    /// Returns the response, with the sentence as plain text.
    pub fn answer(self, date: WallTime) -> Answer {
        let mut head = dynamic(self.status, "text/plain; charset=utf-8", date);
        if let Some(seconds) = self.retry_after_seconds {
            head = head.field("Retry-After", seconds);
        }
        for challenge in self.challenges {
            head = head.field("WWW-Authenticate", challenge);
        }
        respond(head, self.sentence + "\n")
    }
}

/// Returns a response with a complete body.
pub fn respond(head: ResponseHead, body: impl Into<Bytes>) -> Answer {
    Answer::Respond(Response::new(head, Some(body.into())))
}

/// Returns the head of a response that no cache may store.
pub fn dynamic(status: Status, content_type: impl Display, date: WallTime) -> ResponseHead {
    uncached(dated(status, date))
        .field("Content-Type", content_type)
        .field("X-Content-Type-Options", "nosniff")
}

/// Adds the security fields of a page: it loads nothing from other hosts, sends no referrer, and
/// only the pages of `origins` may show it in a frame.
pub fn secured(head: ResponseHead, origins: &Origins) -> ResponseHead {
    let ancestors = origins.frame_ancestors();
    head.field("Referrer-Policy", "no-referrer").field(
        "Content-Security-Policy",
        format_args!(
            "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors {ancestors}"
        ),
    )
}

/// Returns a head with its date (RFC 9110, section 6.6.1).
pub fn dated(status: Status, date: WallTime) -> ResponseHead {
    ResponseHead::new(status).field("Date", httpdate::fmt_http_date(date.into()))
}

/// Adds the fields that forbid caching, in HTTP/1.1 and HTTP/1.0 form.
pub fn uncached(head: ResponseHead) -> ResponseHead {
    head.field(
        "Cache-Control",
        "no-store, no-cache, must-revalidate, private, max-age=0",
    )
    .field("Pragma", "no-cache")
    .field("Expires", "Mon, 3 Jan 2000 12:34:56 GMT")
}
