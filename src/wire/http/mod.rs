//! HTTP/1.x heads: requests in, responses out.
