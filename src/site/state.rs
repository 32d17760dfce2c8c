//! The JSON of `/state`: a snapshot, and one of its cameras in the format of ustreamer.

use std::collections::BTreeMap;

use serde::Serialize;

use super::connection_view::{ConnectionView, whole};
use super::snapshot::{Resolution, Snapshot};

/// The document at `/state`.
#[derive(Debug, Serialize)]
#[allow(
    missing_docs,
    reason = "the guide's page metrics.md describes each field"
)]
pub struct State<'a> {
    pub ok: bool,
    pub result: Selected<'a>,
    #[serde(flatten)]
    pub snapshot: &'a Snapshot,
}

/// The selected camera, in the format of ustreamer, which has rates as whole numbers.
/// [`Camera`](super::snapshot::Camera) has them exactly.
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
    /// The listed viewers by the numbers of their connections.
    pub clients_stat: BTreeMap<String, &'a ConnectionView>,
}

impl<'a> State<'a> {
    /// Returns the document. `selected` is the index of a camera of `snapshot`.
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
