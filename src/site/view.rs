//! The view of the server that answering a request needs.

use std::time::{Duration, Instant};

use super::connection_view::body_kind;
use crate::hub::{BodyKind, Hub, Transport};
use crate::stream::Channel;
use crate::wire::metadata::WallTime;

/// References and a few values, made for every request. What takes longer to collect is in a
/// [`Snapshot`](super::snapshot::Snapshot).
#[derive(Debug)]
pub struct View<'a, T> {
    /// Connections, channels and the event log.
    pub hub: &'a Hub<T>,
    /// The cameras, in the order of their indices.
    pub cameras: Vec<CameraView<'a>>,
    /// The maximum age of a frame for a snapshot request without `max_age`.
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
    /// Why it delivers no frames, if it counts as offline.
    pub outage: Option<&'a str>,
    /// Whether its driver has just started, so that pictures may still be dark or out of focus.
    pub is_warming_up: bool,
    /// For how long it has had viewers without a break; `None` without viewers.
    pub wanted_for: Option<Duration>,
    /// The maximum time between two frames, if known.
    pub frame_timeout: Option<Duration>,
}

impl CameraView<'_> {
    /// Returns the error message for a request during an outage.
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

    /// Returns why the server is unhealthy: it has cameras with viewers, and none of them delivers
    /// frames.
    pub fn unhealthy_reason(&self) -> Option<String> {
        let wanted = || {
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
        (wanted().count() > 0 && wanted().all(is_silent)).then(|| {
            let seconds =
                |camera: &CameraView<'_>| camera.frame_timeout.unwrap_or_default().as_secs();
            let silent: Vec<String> = wanted()
                .map(|(camera, _)| format!("{} for {} s", camera.name, seconds(camera)))
                .collect();
            format!("No camera delivers frames: {}.", silent.join(", "))
        })
    }
}
