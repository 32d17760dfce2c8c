//! Every bound the heart keeps to, by name and with its unit.

use std::time::Duration;

use crate::stream::client_net::TrustedProxies;

/// What a peer may take of our time and memory. The defaults are the values the documentation names.
#[derive(Clone, Debug)]
pub struct Limits {
    /// A transport that has a handshake must be through with it this long after the connection was made.
    pub handshake_timeout: Duration,
    /// A whole request head must be in this long after its first byte, or after the connection was made. Absolute: a
    /// byte now and then buys no time.
    pub request_timeout: Duration,
    /// A kept connection may say nothing for this long between two requests.
    pub idle_timeout: Duration,
    /// A peer whose kernel takes no byte of what is queued for it for this long is closed.
    pub stall_timeout: Duration,
    /// One frame must be through this long after its first byte has left.
    pub frame_timeout: Duration,
    /// A request that waits for a frame waits this long at most.
    pub wait_timeout: Duration,
    /// A viewer that has been given nothing for this long is given the newest frame again: clients give up after ten
    /// seconds of silence, and a browser shows a frame only once something follows it.
    pub repeat_after: Duration,
    /// A body that is made as it is sent says something after so long a silence.
    pub sign_of_life_after: Duration,
    /// After the last reply, this long is left to the peer to stop sending: closing on unread input would make the
    /// kernel reset the connection and lose the reply.
    pub linger_timeout: Duration,
    /// And it may send this many bytes meanwhile.
    pub linger_bytes_max: usize,
    /// When the server goes down, whoever is connected has this long to say the rest of a first request.
    pub last_call_timeout: Duration,
    /// Requests answered on one kept connection.
    pub requests_per_connection_max: u32,
    /// Connections of one client network other than this machine.
    pub connections_per_client_max: usize,
    /// Reverse proxies, whose connections are counted by the clients that they name.
    pub trusted_proxies: TrustedProxies,
    /// Viewers of streams at one time.
    pub viewers_max: usize,
    /// Bytes of frames that are no longer the newest but are held by slow viewers, in total over all cameras.
    pub frames_pinned_bytes_max: usize,
    /// How far back a camera's history reaches; zero for none.
    pub history_span: Duration,
    /// Bytes of the frames in one camera's history.
    pub history_bytes_max: usize,
    /// Clips that are being sent at one time: each holds frames, and a list of them.
    pub clips_max: usize,
    /// Bytes read from one connection in one turn.
    pub read_budget_bytes: usize,
    /// Bytes of bodies that are made in one turn, in a fraction of a millisecond; who comes after that is asked in the
    /// next. However many read as fast as they can, a frame waits no longer than that for its turn.
    pub produce_budget_bytes: usize,
    /// Bytes after which a connection's writing is put off to the next turn.
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
            sign_of_life_after: Duration::from_secs(15),
            linger_timeout: Duration::from_secs(2),
            linger_bytes_max: 64 * 1024,
            last_call_timeout: Duration::from_millis(500),
            requests_per_connection_max: 100,
            connections_per_client_max: 256,
            trusted_proxies: TrustedProxies::default(),
            viewers_max: 20_000,
            frames_pinned_bytes_max: 64 * 1024 * 1024,
            history_span: Duration::ZERO,
            history_bytes_max: 64 * 1024 * 1024,
            clips_max: 100,
            read_budget_bytes: 16 * 1024,
            produce_budget_bytes: 64 * 1024,
            write_budget_bytes: 256 * 1024,
        }
    }
}
