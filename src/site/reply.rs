//! What responses have in common: their head fields, and the sentence of a problem.

use std::fmt::Display;

use bytes::Bytes;

use super::origins::Origins;
use crate::hub::{Answer, Response};
use crate::wire::http::{ResponseHead, Status};
use crate::wire::metadata::WallTime;

/// Why a request fails: a status, and a sentence for people.
#[derive(Debug)]
pub struct Problem {
    status: Status,
    sentence: String,
    retry_after_seconds: Option<u32>,
    challenges: Vec<&'static str>,
}

impl Problem {
    /// 404: there is no such thing.
    pub fn not_found(sentence: impl Into<String>) -> Self {
        Self::new(Status::NotFound, sentence)
    }

    /// 400: a parameter has a bad value.
    pub fn bad(sentence: impl Into<String>) -> Self {
        Self::new(Status::BadRequest, sentence)
    }

    /// 503: try again after so many seconds.
    pub fn not_now(sentence: impl Into<String>, retry_after_seconds: u32) -> Self {
        Self::new(Status::ServiceUnavailable, sentence).retry_after(retry_after_seconds)
    }

    /// 501: the server does not do that.
    pub fn not_implemented(sentence: impl Into<String>) -> Self {
        Self::new(Status::NotImplemented, sentence)
    }

    /// A response with this status.
    pub fn new(status: Status, sentence: impl Into<String>) -> Self {
        Self {
            status,
            sentence: sentence.into(),
            retry_after_seconds: None,
            challenges: Vec::new(),
        }
    }

    /// The same, worth another try after a while.
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    /// The same, and what would have to be sent (RFC 9110, section 11.6.1).
    pub fn challenge(mut self, challenge: &'static str) -> Self {
        self.challenges.push(challenge);
        self
    }

    /// Responds with the sentence, as plain text.
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

/// Responds with all of a body.
pub fn respond(head: ResponseHead, body: impl Into<Bytes>) -> Answer {
    Answer::Respond(Response::new(head, Some(body.into())))
}

/// Begins the response to one request, which no cache may keep.
pub fn dynamic(status: Status, content_type: impl Display, date: WallTime) -> ResponseHead {
    uncached(dated(status, date))
        .field("Content-Type", content_type)
        .field("X-Content-Type-Options", "nosniff")
}

/// Adds the fields of a page: it loads nothing from elsewhere, sends nothing anywhere else, and may
/// be framed only by the pages of `origins`.
pub fn secured(head: ResponseHead, origins: &Origins) -> ResponseHead {
    let ancestors = origins.frame_ancestors();
    head.field("Referrer-Policy", "no-referrer").field(
        "Content-Security-Policy",
        format_args!(
            "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors {ancestors}"
        ),
    )
}

/// Begins a response with its date (RFC 9110, section 6.6.1).
pub fn dated(status: Status, date: WallTime) -> ResponseHead {
    ResponseHead::new(status).field("Date", httpdate::fmt_http_date(date.into()))
}

/// Adds the fields that forbid caching, in every dialect that a cache or a proxy may understand.
pub fn uncached(head: ResponseHead) -> ResponseHead {
    head.field(
        "Cache-Control",
        "no-store, no-cache, must-revalidate, private, max-age=0",
    )
    .field("Pragma", "no-cache")
    .field("Expires", "Mon, 3 Jan 2000 12:34:56 GMT")
}
