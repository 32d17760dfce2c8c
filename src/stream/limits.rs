//! Every limit of the hub, by name and with its unit.

use std::time::Duration;

use super::client_net::TrustedProxies;
use crate::wire::http::{Refusal, Status};

/// The response to a request head that is not whole in time.
pub const TOO_SLOW: Refusal = Refusal {
    status: Status::RequestTimeout,
    reason: "The request did not arrive in time.",
};

/// What a peer may take of our time and memory. The defaults are the values that the documentation
/// names.
#[derive(Clone, Debug)]
pub struct Limits {
    /// For a transport's handshake, from when the connection was admitted.
    pub handshake_timeout: Duration,
    /// For a whole request head, from its first byte or from when the connection was admitted.
    /// Absolute: a byte now and then buys no time.
    pub request_timeout: Duration,
    /// For a kept connection's silence between two requests.
    pub idle_timeout: Duration,
    /// For a peer whose kernel takes no byte of what is queued for it.
    pub stall_timeout: Duration,
    /// For one frame, from its first byte to its last.
    pub frame_timeout: Duration,
    /// For a request that waits for a frame.
    pub wait_timeout: Duration,
    /// A viewer that has been sent nothing for this long is sent the newest frame again: clients
    /// give up after ten seconds of silence, and a browser shows a frame only once something
    /// follows it.
    pub repeat_after: Duration,
    /// Any other body sends bytes without meaning after so long a silence.
    pub keep_alive_after: Duration,
    /// For the peer to stop sending after the last reply.
    pub linger_timeout: Duration,
    /// Bytes that it may send meanwhile.
    pub linger_bytes_max: usize,
    /// For the rest of a first request, when the server shuts down.
    pub last_call_timeout: Duration,
    /// Requests answered on one kept connection.
    pub requests_per_connection_max: u32,
    /// Connections of one client network other than this machine.
    pub connections_per_client_max: usize,
    /// Reverse proxies, whose connections are counted by the clients that they name.
    pub trusted_proxies: TrustedProxies,
    /// Viewers of streams at one time.
    pub viewers_max: usize,
    /// Bytes of frames that are no longer the newest but that slow viewers hold, over all cameras.
    pub retained_bytes_max: usize,
    /// How far back a camera's history reaches; zero for none.
    pub history_span: Duration,
    /// Bytes of the frames in one camera's history.
    pub history_bytes_max: usize,
    /// Clips that are being sent at one time: each holds frames, and a list of them.
    pub clips_max: usize,
    /// Bytes read from one connection in one turn.
    pub read_budget_bytes: usize,
    /// Connections that are sent to in one turn: after that, others are listened to before it goes
    /// on.
    pub sends_per_turn_max: usize,
    /// Bytes of bodies that are made in one turn, in a fraction of a millisecond; a connection that
    /// comes after that is asked in the next turn. However many peers read as fast as they can, a
    /// frame waits no longer than that.
    pub make_budget_bytes: usize,
    /// Bytes after which a connection's writing goes on in the next turn.
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
