//! The options of `framecast serve` for viewers, connections and their deadlines.

use std::time::Duration;

use clap::Args;

use super::given::One;
use super::values::{boundary, count, frame_mebibytes, mebibytes, time};
use crate::hub::Limits;

const MEBIBYTE: usize = 1024 * 1024;

/// The options of `framecast serve` for viewers, connections and their deadlines.
#[derive(Debug, Args)]
#[command(next_help_heading = "Viewers and limits")]
pub(super) struct LimitOptions {
    /// Number of viewers at one time; further ones get 503
    #[arg(
        long,
        value_name = "N",
        env = "FRAMECAST_VIEWERS_MAX",
        default_value_t = 20_000
    )]
    #[arg(value_parser = One(count), allow_negative_numbers = true)]
    viewers_max: u32,

    /// Number of connections at one time; further ones wait in the listen backlog
    #[arg(
        long,
        value_name = "N",
        env = "FRAMECAST_CONNECTIONS_MAX",
        default_value_t = 32_000
    )]
    #[arg(value_parser = One(count), allow_negative_numbers = true)]
    pub(super) connections_max: u32,

    /// Number of connections at one time from one IPv4 address or IPv6 /64; further ones get 429
    ///
    /// Connections from this machine do not count. Behind a --trusted-proxy, the client's address
    /// counts, not the proxy's.
    #[arg(
        long,
        value_name = "N",
        env = "FRAMECAST_CONNECTIONS_PER_ADDRESS",
        default_value_t = 256
    )]
    #[arg(value_parser = One(count), allow_negative_numbers = true)]
    connections_per_address: u32,

    /// Time in which a whole request head must arrive, or the connection is closed
    #[arg(long, value_name = "TIME", env = "FRAMECAST_REQUEST_TIMEOUT")]
    #[arg(value_parser = One(time), default_value = "10s")]
    request_timeout: Duration,

    /// Time that a keep-alive connection may be idle between two requests
    #[arg(long, value_name = "TIME", env = "FRAMECAST_IDLE_TIMEOUT", value_parser = One(time), default_value = "15s")]
    idle_timeout: Duration,

    /// Time that a client may accept no data before it is disconnected
    #[arg(long, value_name = "TIME", env = "FRAMECAST_STALL_TIMEOUT")]
    #[arg(value_parser = One(time), default_value = "30s")]
    stall_timeout: Duration,

    /// Time in which a viewer must receive one frame, or it is disconnected
    #[arg(long, value_name = "TIME", env = "FRAMECAST_FRAME_TIMEOUT", value_parser = One(time), default_value = "60s")]
    frame_timeout: Duration,

    /// Time without a new frame after which the newest one is sent again
    ///
    /// Many clients close a stream that is silent for 10 seconds.
    #[arg(long, value_name = "TIME", env = "FRAMECAST_REPEAT_AFTER", value_parser = One(time), default_value = "2s")]
    repeat_after: Duration,

    /// Memory for older frames that slow viewers are still receiving, in MiB, for all together
    ///
    /// Beyond it, the viewers that hold the oldest frames are disconnected.
    #[arg(
        long,
        value_name = "MIB",
        env = "FRAMECAST_RETAINED_MAX_MIB",
        default_value_t = 64
    )]
    #[arg(value_parser = One(mebibytes), allow_negative_numbers = true)]
    retained_max_mib: u32,

    /// Largest frame accepted from a camera, in MiB, from 1 to 64; larger ones are rejected
    #[arg(
        long,
        value_name = "MIB",
        env = "FRAMECAST_FRAME_MAX_MIB",
        default_value_t = 8
    )]
    #[arg(value_parser = One(frame_mebibytes), allow_negative_numbers = true)]
    frame_max_mib: u32,

    /// Boundary between the parts of a stream, 1 to 70 letters, digits or - _ . +
    ///
    /// Clients read it from the Content-Type header; some old ones expect boundarydonotcross.
    #[arg(long, value_name = "TEXT", env = "FRAMECAST_BOUNDARY", value_parser = One(boundary), default_value = "frame")]
    pub(super) boundary: String,

    /// Time that streams and responses have to finish after SIGTERM or SIGINT
    #[arg(long, value_name = "TIME", env = "FRAMECAST_SHUTDOWN_TIMEOUT")]
    #[arg(value_parser = One(time), default_value = "3s")]
    pub(super) shutdown_timeout: Duration,
}

impl LimitOptions {
    /// Returns the largest accepted frame, in bytes.
    pub(super) fn frame_bytes_max(&self) -> usize {
        self.frame_max_mib as usize * MEBIBYTE
    }

    /// Returns the hub's limits. Those without an option have their defaults.
    pub(super) fn limits(&self) -> Limits {
        Limits {
            request_timeout: self.request_timeout,
            idle_timeout: self.idle_timeout,
            stall_timeout: self.stall_timeout,
            frame_timeout: self.frame_timeout,
            repeat_after: self.repeat_after,
            connections_per_client_max: self.connections_per_address as usize,
            viewers_max: self.viewers_max as usize,
            retained_bytes_max: self.retained_max_mib as usize * MEBIBYTE,
            ..Limits::default()
        }
    }
}
