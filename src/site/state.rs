//! The JSON of `/state`: a snapshot, and one camera of it in ustreamer's shape.

use std::collections::BTreeMap;

use serde::Serialize;

use super::connection_view::{ConnectionView, whole};
use super::snapshot::{Resolution, Snapshot};

/// All of `/state`.
#[derive(Debug, Serialize)]
#[allow(
    missing_docs,
    reason = "the names are the documentation, in the reader's JSON as here"
)]
pub struct State<'a> {
    pub ok: bool,
    pub result: Selected<'a>,
    #[serde(flatten)]
    pub snapshot: &'a Snapshot,
}

/// The camera that was asked for, as ustreamer describes its own. Rates are whole numbers there;
/// [`Camera`](super::snapshot::Camera) has them to the decimal.
#[derive(Debug, Default, Serialize)]
#[allow(missing_docs, reason = "see State")]
pub struct Selected<'a> {
    pub instance_id: &'static str,
    pub source: Source,
    pub stream: Stream<'a>,
}

#[derive(Debug, Default, Serialize)]
#[allow(missing_docs, reason = "see State")]
pub struct Source {
    pub online: bool,
    pub resolution: Resolution,
    pub desired_fps: u32,
    pub captured_fps: u32,
}

#[derive(Debug, Default, Serialize)]
#[allow(missing_docs, reason = "see State")]
pub struct Stream<'a> {
    pub queued_fps: u32,
    pub clients: usize,
    /// The listed viewers, by the numbers of their connections.
    pub clients_stat: BTreeMap<String, &'a ConnectionView>,
}

impl<'a> State<'a> {
    /// Returns `snapshot`, with the camera at place `selected` of it in ustreamer's shape.
    pub fn new(snapshot: &'a Snapshot, selected: usize) -> Self {
        let camera = &snapshot.cameras[selected];
        let fps = whole(camera.captured_fps);
        let listed = snapshot
            .listed
            .iter()
            .map(|viewer| (viewer.number.to_string(), viewer));
        Self {
            ok: true,
            result: Selected {
                instance_id: "",
                source: Source {
                    online: camera.driver.online,
                    resolution: camera.resolution,
                    desired_fps: fps,
                    captured_fps: fps,
                },
                stream: Stream {
                    queued_fps: fps,
                    clients: camera.viewers,
                    clients_stat: listed.collect(),
                },
            },
            snapshot,
        }
    }
}
