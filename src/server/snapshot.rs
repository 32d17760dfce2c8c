//! Collects what the site shows of the server: a view for each request, a snapshot for those that
//! ask for one.

use std::collections::BTreeMap;
use std::time::Instant;

use super::camera::Camera;
use super::event_loop::LoopStats;
use super::publisher::Publisher;
use super::settings::Settings;
use super::socket::Socket;
use super::tls::Tls;
use crate::clock::wall_time;
use crate::hub::Hub;
use crate::site::auth::Counts;
use crate::site::snapshot::{self, Driver, Snapshot};
use crate::site::view::{CameraView, View};
use crate::wire::metadata::WallTime;
use crate::wire::part::{Reason, Tally};

/// Where a view or a snapshot comes from: the parts of the server, borrowed for one answer.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    pub hub: &'a Hub<Socket>,
    pub cameras: &'a [Camera],
    pub tls: Option<&'a Tls>,
    pub publishers: &'a [Publisher],
    pub settings: &'a Settings,
    pub stats: &'a LoopStats,
    /// Requests that failed access control.
    pub refused: Counts,
    /// The time of this turn.
    pub now: Instant,
}

impl<'a> Sources<'a> {
    /// Returns what the site needs for every request.
    pub fn view(&self) -> View<'a, Socket> {
        let camera = |camera: &'a Camera| CameraView {
            name: camera.name(),
            outage: camera.outage(),
            is_warming_up: camera.is_warming_up(self.now),
            wanted_for: camera.wanted_for(self.now),
            frame_timeout: camera.frame_timeout(),
        };
        View {
            hub: self.hub,
            cameras: self.cameras.iter().map(camera).collect(),
            snapshot_max_age: self.settings.snapshot_max_age,
            now: self.now,
            wall_time: WallTime::nearest(wall_time()),
        }
    }

    /// Takes a snapshot that lists the viewers with these `labels`, or the first ones.
    pub fn snapshot(&self, labels: Option<&[&str]>) -> Snapshot {
        let server = snapshot::Server {
            drivers: self.cameras.iter().map(driver).collect(),
            publishers: self
                .publishers
                .iter()
                .map(|publisher| self.publisher(publisher))
                .collect(),
            refused: self.refused,
            event_loop: self.stats.snapshot(self.now),
            tls: self.tls.map(Tls::counts),
            connections_max: self.settings.connections_max,
        };
        Snapshot::new(self.hub, server, labels, self.now)
    }

    fn publisher(&self, publisher: &Publisher) -> snapshot::Publisher {
        snapshot::Publisher {
            camera: self.cameras[publisher.camera()].name().to_owned(),
            target: publisher.target(),
            running: publisher.key().is_some(),
            restarts: publisher.restarts(),
            error: publisher.error().map(str::to_owned),
            key: publisher.key(),
            ..snapshot::Publisher::default()
        }
    }
}

fn driver(camera: &Camera) -> Driver {
    let tally = camera.tally();
    Driver {
        name: camera.name().to_owned(),
        source: camera.source(),
        online: camera.is_online(),
        running: camera.is_running(),
        restarts: camera.restarts(),
        accepted_frames: tally.accepted.frames,
        repaired_frames: tally.repaired_frames,
        rejected_frames: rejected(&tally),
        timestamps_ignored: tally.timestamps_ignored,
        sequences_ignored: tally.sequences_ignored,
        accepted_bytes: tally.accepted.bytes,
        rejected_bytes: tally.rejected_bytes(),
        discarded_bytes: tally.discarded_bytes,
        buffered_bytes: camera.buffered_bytes(),
        offline: camera.outage().is_some(),
        placeholder: camera.shows_placeholder(),
        error: camera.outage().or(camera.error()).map(str::to_owned),
    }
}

/// Returns the counts of rejected frames, by every reason that has occurred.
fn rejected(tally: &Tally) -> BTreeMap<&'static str, u64> {
    let counts = Reason::ALL
        .iter()
        .map(|&reason| (reason.as_str(), tally.rejected(reason).frames));
    counts.filter(|&(_, frames)| frames > 0).collect()
}
