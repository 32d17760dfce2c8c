//! Every limit of the hub, by name and with its unit.

use std::time::Duration;

use super::client_net::TrustedProxies;
use crate::wire::http::{Refusal, Status};

/// The response to a request head that is incomplete at its deadline.
pub const TOO_SLOW: Refusal = Refusal {
    status: Status::RequestTimeout,
    reason: "The request did not arrive in time.",
};

/// Limits on the time and memory that peers use. The defaults are the documented values.
#[derive(Clone, Debug)]
pub struct Limits {
    /// For the transport's handshake, from the admission of the connection.
    pub handshake_timeout: Duration,
    /// For a whole request head, from the admission or the end of the handshake; after keep-alive,
    /// from its first byte or the reply before it. Only the few blank lines before it extend this.
    pub request_timeout: Duration,
    /// For silence between two requests (keep-alive).
    pub idle_timeout: Duration,
    /// For a peer that takes no byte of what is queued for it.
    pub stall_timeout: Duration,
    /// For one frame, from its first byte to its last.
    pub frame_timeout: Duration,
    /// For a request that waits for a frame or a check.
    pub wait_timeout: Duration,
    /// A viewer that was sent nothing for this long gets the newest frame again: clients time out
    /// after ten seconds, and a browser shows a frame only when bytes follow it.
    pub repeat_after: Duration,
    /// Any other body sends its keep-alive bytes after this silence.
    pub keep_alive_after: Duration,
    /// For the peer to close after the last reply.
    pub linger_timeout: Duration,
    /// Bytes that it may send in that time.
    pub linger_bytes_max: usize,
    /// For a request that is incomplete when the server shuts down.
    pub last_call_timeout: Duration,
    /// Requests on one connection (keep-alive).
    pub requests_per_connection_max: u32,
    /// Connections of one client network other than this machine.
    pub connections_per_client_max: usize,
    /// Reverse proxies. Their connections are counted for the clients that they forward.
    pub trusted_proxies: TrustedProxies,
    /// Viewers at one time.
    pub viewers_max: usize,
    /// Bytes of old frames that slow viewers hold, over all cameras.
    pub retained_bytes_max: usize,
    /// How far back a camera's history reaches; zero for none.
    pub history_span: Duration,
    /// Bytes of the frames in one camera's history.
    pub history_bytes_max: usize,
    /// Clips at one time: each holds references to frames.
    pub clips_max: usize,
    /// Bytes after which one attempt to read from a connection ends.
    pub read_budget_bytes: usize,
    /// Connections that are sent to in one turn. The others follow after the next wait for events.
    pub sends_per_turn_max: usize,
    /// Bytes of bodies that are made in one turn, which takes a fraction of a millisecond. Further
    /// connections are asked in the next turn, so fast readers of tables cannot delay a frame.
    pub make_budget_bytes: usize,
    /// Bytes after which one attempt to write to a connection ends. The next turn goes on.
    pub write_budget_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(15),
            stall_timeout: Duration::from_secs(30),
            frame_timeout: Duration::from_secs(60),
            wait_timeout: Duration::from_secs(10),
            repeat_after: Duration::from_secs(2),
            keep_alive_after: Duration::from_secs(15),
            linger_timeout: Duration::from_secs(2),
            linger_bytes_max: 64 * 1024,
            last_call_timeout: Duration::from_millis(500),
            requests_per_connection_max: 100,
            connections_per_client_max: 256,
            trusted_proxies: TrustedProxies::default(),
            viewers_max: 20_000,
            retained_bytes_max: 64 * 1024 * 1024,
            history_span: Duration::ZERO,
            history_bytes_max: 64 * 1024 * 1024,
            clips_max: 100,
            read_budget_bytes: 16 * 1024,
            sends_per_turn_max: 256,
            make_budget_bytes: 64 * 1024,
            write_budget_bytes: 256 * 1024,
        }
    }
}
