//! What the site sees of the server while it answers one request.

use std::time::{Duration, Instant};

use super::connection_view::body_kind;
use crate::hub::{BodyKind, Hub, Transport};
use crate::stream::Channel;
use crate::wire::metadata::WallTime;

/// References and a few facts, made for every request: what takes longer to collect is in a
/// [`Snapshot`](super::snapshot::Snapshot).
#[derive(Debug)]
pub struct View<'a, T> {
    /// Connections, channels and the event log.
    pub hub: &'a Hub<T>,
    /// The cameras, in the order they were given.
    pub cameras: Vec<CameraView<'a>>,
    /// The age up to which a frame will do for a snapshot that asks for no other.
    pub snapshot_max_age: Option<Duration>,
    /// The monotonic time of this turn.
    pub now: Instant,
    /// The wall time of this turn.
    pub wall_time: WallTime,
}

/// One camera.
#[derive(Clone, Copy, Debug, Default)]
pub struct CameraView<'a> {
    /// Its name.
    pub name: &'a str,
    /// Why it gives no frames, if its viewers are shown that it is offline.
    pub outage: Option<&'a str>,
    /// Whether it has just been started, so that its pictures may still be dark or out of focus.
    pub is_warming_up: bool,
    /// For how long it has been watched without a break, if it is.
    pub wanted_for: Option<Duration>,
    /// How long it may give no frame before something is wrong, if that can be known.
    pub frame_timeout: Option<Duration>,
}

impl CameraView<'_> {
    /// Returns the sentence for a request that the outage keeps from a frame.
    pub fn outage_sentence(&self) -> Option<String> {
        self.outage
            .map(|reason| format!("Camera {} is offline: {reason}.", self.name))
    }
}

impl<T: Transport> View<'_, T> {
    /// Returns the cameras' names.
    pub fn camera_names(&self) -> Vec<&str> {
        self.cameras.iter().map(|camera| camera.name).collect()
    }

    /// Returns whether there is room for one more viewer.
    pub fn has_room(&self) -> bool {
        self.hub.live().viewers() < self.hub.live().limits.viewers_max
    }

    /// Returns whether there is room for one more clip to be sent.
    pub fn has_room_for_clip(&self) -> bool {
        let clips = self
            .hub
            .connections()
            .iter()
            .filter(|(_, connection)| body_kind(connection) == Some(BodyKind::Clip));
        clips.count() < self.hub.live().limits.clips_max
    }

    /// Returns why the server does not do its work: no camera that is watched gives frames.
    pub fn unhealthy_reason(&self) -> Option<String> {
        let watched = || {
            self.cameras
                .iter()
                .zip(&self.hub.live().channels)
                .filter(|(camera, _)| camera.wanted_for.is_some())
        };
        let is_silent = |(camera, channel): (&CameraView<'_>, &Channel)| {
            let silence = channel
                .live
                .as_ref()
                .map(|frame| frame.age(self.now))
                .or(camera.wanted_for);
            silence
                .zip(camera.frame_timeout)
                .is_some_and(|(silence, frame_timeout)| silence > frame_timeout)
        };
        (watched().count() > 0 && watched().all(is_silent)).then(|| {
            let seconds =
                |camera: &CameraView<'_>| camera.frame_timeout.unwrap_or_default().as_secs();
            let silent: Vec<String> = watched()
                .map(|(camera, _)| format!("{} for {} s", camera.name, seconds(camera)))
                .collect();
            format!("Watched cameras give no frame: {}.", silent.join(", "))
        })
    }
}
