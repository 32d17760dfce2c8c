//! What is said to who is not let in.

use super::auth::{Policy, Reason};
use super::pages::Problem;
use crate::wire::http::Status;

/// RFC 7617, section 2, with the charset of its section 2.1; and RFC 6750, section 3.
const BASIC: &str = "Basic realm=\"framecast\", charset=\"UTF-8\"";
const BEARER: &str = "Bearer realm=\"framecast\"";

/// Whatever the address, the same words for the same reason.
pub fn problem(reason: Reason, policy: &Policy) -> Problem {
    match reason {
        Reason::Stranger => Problem::new(
            Status::Forbidden,
            "No credentials are set here, so only private addresses are served: set some with --auth-file or \
             --token-file, or allow everybody with --public."
                .into(),
        ),
        Reason::OtherHost => Problem::new(
            Status::MisdirectedRequest,
            "This server is not known by that name; if it is meant, allow it with --allow-host NAME.".into(),
        ),
        Reason::Credentials => {
            let problem =
                Problem::new(Status::Unauthorized, "The right credentials are needed to see anything here.".into());
            match (policy.has_accounts(), policy.secret.is_some()) {
                (true, true) => problem.challenge(BASIC).challenge(BEARER),
                (true, false) => problem.challenge(BASIC),
                (false, _) => problem.challenge(BEARER),
            }
        }
        Reason::TooManyFailures { retry_after_seconds } => {
            let sentence = "Too many wrong credentials have come from your address; try again later.";
            Problem::new(Status::TooManyRequests, sentence.into()).retry_after(retry_after_seconds)
        }
        Reason::Busy => {
            Problem::not_now("Too many credentials are being checked just now; try again in a moment.".into(), 1)
        }
    }
}
