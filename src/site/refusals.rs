//! Responses to requests that fail access control.

use super::auth::{Policy, Reason};
use super::reply::Problem;
use crate::wire::http::Status;

/// RFC 7617, section 2, with the charset of its section 2.1; and RFC 6750, section 3.
const BASIC: &str = "Basic realm=\"framecast\", charset=\"UTF-8\"";
const BEARER: &str = "Bearer realm=\"framecast\"";

/// Returns the status of the response.
pub fn status(reason: Reason) -> Status {
    match reason {
        Reason::PublicAddress => Status::Forbidden,
        Reason::UnknownHost => Status::MisdirectedRequest,
        Reason::Credentials { .. } => Status::Unauthorized,
        Reason::TooManyFailures { .. } => Status::TooManyRequests,
        Reason::Busy => Status::ServiceUnavailable,
    }
}

/// Returns the response. It is the same at every path, so it does not reveal which paths exist.
pub fn problem(reason: Reason, policy: &Policy) -> Problem {
    let sentence = match reason {
        Reason::PublicAddress => {
            "Public addresses are not served without credentials; set --auth-file or --token-file, or allow all with \
             --public."
        }
        Reason::UnknownHost => "Unknown host name; allow it with --allow-host NAME.",
        Reason::Credentials { .. } => "Missing or wrong credentials.",
        Reason::TooManyFailures { .. } => {
            "Too many failed logins from your address; try again later."
        }
        Reason::Busy => "Too many pending logins; try again in a moment.",
    };
    let problem = Problem::new(status(reason), sentence);
    match reason {
        Reason::PublicAddress | Reason::UnknownHost => problem,
        Reason::Credentials { .. } => match (policy.has_accounts(), policy.secret.is_some()) {
            (true, true) => problem.challenge(BASIC).challenge(BEARER),
            (true, false) => problem.challenge(BASIC),
            (false, _) => problem.challenge(BEARER),
        },
        Reason::TooManyFailures {
            retry_after_seconds,
        } => problem.retry_after(retry_after_seconds),
        Reason::Busy => problem.retry_after(1),
    }
}
