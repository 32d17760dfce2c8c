//! The picture that viewers get while a camera is offline, with the reason.
//!
//! Drawing it would block the loop, so a child process does it: the placeholder renderer.

use std::process::Stdio;
use std::time::{Duration, Instant};

use mio::Registry;
use rustix::process::Signal;

use super::frames::{FrameReader, captured};
use crate::clock::wall_time;
use crate::hub::{Hub, Tick};
use crate::server::settings::{DriverSpec, Offline};
use crate::server::socket::Socket;
use crate::server::supervised::{ChildProcess, Supervised};
use crate::server::token::ChildKind;

/// Shorter outages are not reported to viewers.
const REPORT_AFTER: Duration = Duration::from_millis(500);

/// A renderer that runs for longer is killed.
const RENDER_TIMEOUT: Duration = Duration::from_secs(10);

/// The size of a placeholder before the camera's first frame.
const SIZE_DEFAULT: (u16, u16) = (640, 480);

/// The placeholder of one camera, and the outage it is shown for.
#[derive(Debug)]
pub(super) struct Placeholder {
    camera: usize,
    offline: Offline,
    frame_bytes_max: usize,
    outage: Option<Outage>,
    pub(super) renderer: Supervised<FrameReader>,
    /// Width and height in pixels: those of the camera's newest frame.
    pub(super) size: (u16, u16),
}

/// One outage, until the next live frame.
#[derive(Debug)]
struct Outage {
    /// When it was detected: the wall time since the Unix epoch, and the monotonic time.
    since: Duration,
    detected_at: Instant,
    reason: String,
    /// The reason that was reported to viewers.
    reported: Option<String>,
}

impl Outage {
    /// When to report the reason to viewers; `None` if it was reported.
    fn report_at(&self) -> Option<Instant> {
        let is_unreported = self.reported.as_deref() != Some(self.reason.as_str());
        is_unreported.then_some(self.detected_at + REPORT_AFTER)
    }
}

impl Placeholder {
    /// The placeholder of the camera with this index and name, drawn by the program `renderer`.
    pub(super) fn new(
        camera: usize,
        name: &str,
        mut renderer: DriverSpec,
        offline: Offline,
        frame_bytes_max: usize,
    ) -> Self {
        renderer.args.extend(["--name".into(), name.into()]);
        let prefix = format_args!("camera {name}: placeholder");
        Self {
            camera,
            offline,
            frame_bytes_max,
            outage: None,
            renderer: Supervised::new(ChildKind::Renderer, camera, prefix, renderer),
            size: SIZE_DEFAULT,
        }
    }

    /// Whether there is an outage, reported or not.
    pub(super) fn is_outage(&self) -> bool {
        self.outage.is_some()
    }

    /// Why the camera is offline, once that was reported.
    pub(super) fn reason(&self) -> Option<&str> {
        self.outage
            .as_ref()
            .filter(|outage| outage.reported.is_some())
            .map(|outage| outage.reason.as_str())
    }

    /// Whether viewers get a picture other than the camera's last frame.
    pub(super) fn is_shown(&self) -> bool {
        self.reason().is_some() && !matches!(self.offline, Offline::Last)
    }

    /// Begins an outage, or replaces its reason.
    pub(super) fn set_outage(&mut self, reason: String, now: Instant) {
        let begun = || Outage {
            since: wall_time(),
            detected_at: now,
            reason: String::new(),
            reported: None,
        };
        self.outage.get_or_insert_with(begun).reason = reason;
    }

    /// Reports an outage to viewers when that is due. A restarted driver does not end it before its
    /// first frame.
    pub(super) fn attend(
        &mut self,
        hub: &mut Hub<Socket>,
        registry: &Registry,
        Tick { asked_at, now }: Tick,
    ) {
        if self.next_deadline().is_none_or(|at| asked_at < at) {
            return;
        }
        let Some(outage) = &mut self.outage else {
            return;
        };
        if outage.reported.is_none() {
            hub.fail_waiters(self.camera, now);
        }
        outage.reported = Some(outage.reason.clone());
        match &self.offline {
            Offline::Last => {}
            Offline::Picture(part) => hub.publish_placeholder(self.camera, captured(part), now),
            Offline::Draw => self.draw(registry, now),
        }
    }

    fn draw(&mut self, registry: &Registry, now: Instant) {
        let Some(outage) = &self.outage else { return };
        let (width, height) = self.size;
        let mut command = self.renderer.command();
        command
            .args(["--reason", &outage.reason])
            .args(["--since", &outage.since.as_secs().to_string()])
            .args(["--size", &format!("{width}x{height}")])
            .stdout(Stdio::piped());
        let frame_bytes_max = self.frame_bytes_max;
        self.renderer
            .start(command, registry, now, |process, token| {
                FrameReader::open(process, token, registry, frame_bytes_max, now)
            });
        self.renderer
            .signal_after(RENDER_TIMEOUT, Signal::KILL, now);
    }

    /// Reads the picture that the renderer has written, and publishes it.
    pub(super) fn read(&mut self, hub: &mut Hub<Socket>, scratch: &mut [u8], now: Instant) {
        let camera = self.camera;
        self.renderer.read(scratch, now, |frames, scratch, log| {
            frames.read(scratch, now, log, |part| {
                hub.publish_placeholder(camera, captured(part), now)
            })
        });
        if let Some(exit) = self
            .renderer
            .take_exit(now)
            .filter(|exit| !exit.status.success())
        {
            self.renderer
                .set_error(format!("renderer exited ({})", exit.status));
        }
    }

    /// Ends the outage.
    pub(super) fn end(&mut self) {
        self.outage = None;
        self.renderer.kill();
    }

    /// When [`Placeholder::attend`] is due. While the renderer runs, its exit comes first.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.outage
            .as_ref()
            .filter(|_| self.renderer.child().is_none())
            .and_then(Outage::report_at)
    }
}
