//! The metrics of `/metrics`, in the formats of Prometheus: the counts, sizes and times of a
//! [`Snapshot`], under names that state their unit.
//!
//! Metrics have no label per viewer: a time series for every viewer would be too many.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, MetricEncoder, NoLabelSet,
    prometheus_text, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::snapshot::{Camera, Snapshot};
use crate::stream::Histogram;
use crate::wire::http::Request;
use crate::wire::part::Reason;

/// A format of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics, version 1.0.0.
    OpenMetrics,
    /// Prometheus' text format, version 0.0.4, which a browser can display.
    Text,
}

impl Format {
    /// Returns the format for a request: OpenMetrics if its `Accept` field names it.
    pub fn of(request: &Request) -> Self {
        let is_accepted = request.field("Accept").is_some_and(|accept| {
            accept.split(',').any(|range| {
                range
                    .trim_start()
                    .starts_with("application/openmetrics-text")
            })
        });
        if is_accepted {
            Format::OpenMetrics
        } else {
            Format::Text
        }
    }

    /// Returns the media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Format::Text => prometheus_text::CONTENT_TYPE,
        }
    }
}

/// Renders the metrics of `snapshot`.
///
/// # Errors
/// Writing to a `String` does not fail; the encoder's interface has errors.
pub fn write(snapshot: Snapshot, format: Format) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Metrics(snapshot)));
    let mut page = String::new();
    match format {
        Format::OpenMetrics => text::encode(&mut page, &registry)?,
        Format::Text => prometheus_text::encode(&mut page, &registry)?,
    }
    Ok(page)
}

/// The metrics at one moment.
#[derive(Debug)]
struct Metrics(Snapshot);

impl Collector for Metrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        self.cameras(&mut page)?;
        self.viewers(&mut page)?;
        self.connections(&mut page)?;
        self.event_loop(&mut page)
    }
}

impl Metrics {
    fn cameras(&self, page: &mut Page<'_>) -> fmt::Result {
        let cameras = &self.0.cameras;
        page.gauge(
            "framecast_driver_running",
            "1 while the camera's driver process runs, else 0.",
            None,
            each(cameras, |camera| u64::from(camera.driver.running)),
        )?;
        page.gauge(
            "framecast_camera_online",
            "1 while the camera delivers frames, else 0.",
            None,
            each(cameras, |camera| u64::from(camera.driver.online)),
        )?;
        page.counter(
            "framecast_driver_restarts",
            "Restarts of the camera's driver process.",
            None,
            each(cameras, |camera| u64::from(camera.driver.restarts)),
        )?;
        page.counter(
            "framecast_driver_received",
            "Bytes read from the camera's driver.",
            Some(Unit::Bytes),
            {
                each(cameras, |camera| {
                    [
                        camera.driver.rejected_bytes,
                        camera.driver.discarded_bytes,
                        camera.driver.buffered_bytes,
                    ]
                    .into_iter()
                    .fold(camera.driver.accepted_bytes, u64::saturating_add)
                })
            },
        )?;
        page.counter(
            "framecast_driver_discarded",
            "Bytes read from the camera's driver that belong to no frame.",
            Some(Unit::Bytes),
            each(cameras, |camera| camera.driver.discarded_bytes),
        )?;
        page.counter(
            "framecast_frames_accepted",
            "Valid frames read from the camera's driver.",
            None,
            each(cameras, |camera| camera.driver.accepted_frames),
        )?;
        page.counter(
            "framecast_frames_repaired",
            "Accepted frames that had to be repaired.",
            None,
            each(cameras, |camera| camera.driver.repaired_frames),
        )?;
        page.counter(
            "framecast_frames_rejected",
            "Invalid frames from the camera's driver, by reason. They are not published.",
            None,
            {
                cameras.iter().flat_map(|camera| {
                    let of = |reason: &str| {
                        camera
                            .driver
                            .rejected_frames
                            .get(reason)
                            .copied()
                            .unwrap_or(0)
                    };
                    let reasons = Reason::ALL.iter().map(|reason| reason.as_str());
                    reasons.map(move |reason| {
                        (
                            labels([("camera", &camera.driver.name), ("reason", reason)]),
                            of(reason),
                        )
                    })
                })
            },
        )?;
        let timestamps = each(cameras, |camera| camera.driver.timestamps_ignored);
        page.counter(
            "framecast_timestamps_ignored",
            "Capture times out of range; the time of arrival is used instead.",
            None,
            timestamps,
        )?;
        let sequences = each(cameras, |camera| camera.driver.sequences_ignored);
        page.counter(
            "framecast_sequences_ignored",
            "Sequence numbers out of range; the next number is used instead.",
            None,
            sequences,
        )?;
        page.counter(
            "framecast_frames_published",
            "Frames published, including placeholders.",
            None,
            each(cameras, |camera| camera.published_frames),
        )?;
        page.gauge(
            "framecast_frame_age",
            "Time since the camera's newest frame was published; absent without a frame.",
            Some(Unit::Seconds),
            {
                let aged = cameras
                    .iter()
                    .filter_map(|camera| Some((camera, camera.frame_age_ms?)));
                aged.map(|(camera, millis)| {
                    (
                        labels([("camera", &camera.driver.name)]),
                        millis as f64 / 1e3,
                    )
                })
            },
        )?;
        page.histogram(
            "framecast_capture_to_publish",
            "Time from the capture of a frame to its publication.",
            each(cameras, |camera| camera.capture_to_publish),
        )
    }

    fn viewers(&self, page: &mut Page<'_>) -> fmt::Result {
        let cameras = &self.0.cameras;
        page.gauge(
            "framecast_viewers",
            "Connected viewers of the camera's stream.",
            None,
            each(cameras, |camera| camera.viewers as u64),
        )?;
        page.counter(
            "framecast_frames_offered",
            "Frames published while a viewer was connected, counted once per viewer.",
            None,
            each(cameras, |camera| camera.frames.offered),
        )?;
        page.counter(
            "framecast_frames_delivered",
            "Frames written completely to a viewer, counted once per viewer.",
            None,
            each(cameras, |camera| camera.frames.delivered),
        )?;
        page.counter(
            "framecast_frames_repeated",
            "Repeats of the newest frame to viewers that had none for some time.",
            None,
            each(cameras, |camera| camera.frames.repeated),
        )?;
        page.counter(
            "framecast_frames_skipped",
            "Frames not sent to a viewer: its connection was too slow, or it asked for a lower rate.",
            None,
            {
                cameras.iter().flat_map(|camera| {
                    let counts = [
                        ("slow", camera.frames.skipped_slow),
                        ("rate", camera.frames.skipped_rate),
                    ];
                    counts.map(|(reason, count)| {
                        (
                            labels([("camera", &camera.driver.name), ("reason", reason)]),
                            count,
                        )
                    })
                })
            },
        )?;
        page.counter(
            "framecast_frames_cut",
            "Frames partly written when the connection closed.",
            None,
            each(cameras, |camera| camera.frames.cut),
        )?;
        page.histogram(
            "framecast_capture_to_last_byte",
            "Time from the capture of a frame to the write of its last byte to a viewer.",
            each(cameras, |camera| camera.capture_to_last_byte),
        )
    }

    fn connections(&self, page: &mut Page<'_>) -> fmt::Result {
        let Snapshot {
            connections,
            limits,
            ..
        } = &self.0;
        let totals = &connections.totals;
        page.gauge(
            "framecast_connections",
            "Open connections of any kind.",
            None,
            one(connections.open as u64),
        )?;
        page.counter(
            "framecast_connections_accepted",
            "Connections accepted.",
            None,
            one(totals.accepted),
        )?;
        page.counter(
            "framecast_connections_closed",
            "Connections closed, by reason.",
            None,
            {
                totals
                    .closed
                    .by_reason()
                    .map(|(reason, count)| (labels([("reason", reason)]), count))
            },
        )?;
        page.counter(
            "framecast_requests",
            "Well-formed requests.",
            None,
            one(totals.requests),
        )?;
        page.counter(
            "framecast_requests_invalid",
            "Requests that were malformed or incomplete at the deadline.",
            None,
            one(totals.invalid_requests),
        )?;
        page.counter(
            "framecast_requests_refused",
            "Requests that failed access control, by reason.",
            None,
            {
                let refused = self.0.refused.by_reason();
                refused.map(|(reason, count)| (labels([("reason", reason)]), count))
            },
        )?;
        page.counter(
            "framecast_sent",
            "Bytes written to connections.",
            Some(Unit::Bytes),
            one(totals.writes.sent_bytes),
        )?;
        page.counter(
            "framecast_partial_writes",
            "Writes that the kernel accepted in part.",
            None,
            one(totals.writes.partial_writes),
        )?;
        page.counter(
            "framecast_would_blocks",
            "Reads and writes that returned EAGAIN.",
            None,
            one(totals.writes.would_blocks),
        )?;
        page.counter(
            "framecast_budget_exhausted",
            "Times a connection used up its I/O budget of a turn with work left.",
            None,
            one(totals.budget_exhausted),
        )?;
        page.counter(
            "framecast_stale_events",
            "Events for closed connections.",
            None,
            one(totals.stale_events),
        )?;
        page.counter(
            "framecast_events_missed",
            "Frame records that slow clients of /events and /table missed.",
            None,
            one(totals.events_missed),
        )?;
        let retained = self.0.retained_bytes as u64;
        page.gauge(
            "framecast_retained",
            "Memory of past frames retained for slow viewers.",
            Some(Unit::Bytes),
            one(retained),
        )?;
        let retained_max = limits.retained_bytes_max as u64;
        page.gauge(
            "framecast_retained_max",
            "Limit of framecast_retained_bytes.",
            Some(Unit::Bytes),
            one(retained_max),
        )?;
        page.gauge(
            "framecast_viewers_max",
            "Limit of framecast_viewers, summed over all cameras.",
            None,
            one(limits.viewers_max as u64),
        )?;
        let connections_max = limits.connections_max as u64;
        page.gauge(
            "framecast_connections_max",
            "Limit of framecast_connections.",
            None,
            one(connections_max),
        )
    }

    fn event_loop(&self, page: &mut Page<'_>) -> fmt::Result {
        let event_loop = &self.0.event_loop;
        page.counter(
            "framecast_loop_turns",
            "Turns of the event loop.",
            None,
            one(event_loop.turns),
        )?;
        page.counter(
            "framecast_loop_wakeups",
            "Turns that waited for an event or a deadline.",
            None,
            one(event_loop.wakeups),
        )?;
        page.counter(
            "framecast_loop_events",
            "Events handled by the event loop.",
            None,
            one(event_loop.events),
        )?;
        page.histogram(
            "framecast_loop_turn",
            "Time from waking up to waiting again.",
            one(event_loop.turn),
        )?;
        let failures = event_loop.accept_failures;
        page.counter(
            "framecast_accept_failures",
            "Calls of accept that failed for lack of file descriptors or memory.",
            None,
            one(failures),
        )?;
        let dropped = event_loop.log_lines_dropped;
        page.counter(
            "framecast_log_lines_dropped",
            "Log lines dropped because stderr was not read.",
            None,
            one(dropped),
        )?;
        let uptime = event_loop.uptime_ms as f64 / 1e3;
        page.gauge(
            "framecast_uptime",
            "Time since the server started.",
            Some(Unit::Seconds),
            one(uptime),
        )?;
        let cpu = event_loop.cpu_ms as f64 / 1e3;
        page.counter(
            "process_cpu",
            "CPU time of the server process, without its child processes.",
            Some(Unit::Seconds),
            one(cpu),
        )?;
        page.info(
            "framecast_build",
            "Version of the server.",
            labels([("version", env!("CARGO_PKG_VERSION"))]),
        )
    }
}

type Labels<'a> = Vec<(&'static str, &'a str)>;

fn labels<'a, const N: usize>(labels: [(&'static str, &'a str); N]) -> Labels<'a> {
    labels.into()
}

/// Returns the one sample of a metric without labels.
fn one<V>(value: V) -> [(Labels<'static>, V); 1] {
    [(Labels::new(), value)]
}

/// Returns a sample for each camera.
fn each<V>(
    cameras: &[Camera],
    value: impl Fn(&Camera) -> V,
) -> impl Iterator<Item = (Labels<'_>, V)> {
    cameras
        .iter()
        .map(move |camera| (labels([("camera", &camera.driver.name)]), value(camera)))
}

/// The page to write. The encoder appends the suffixes of type and unit to the names.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn counter<'a, V: EncodeCounterValue>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<Unit>,
        samples: impl IntoIterator<Item = (Labels<'a>, V)>,
    ) -> fmt::Result {
        self.metric(
            name,
            help,
            unit,
            MetricType::Counter,
            samples,
            |mut encoder, value| encoder.encode_counter::<NoLabelSet, _, f64>(&value, None),
        )
    }

    fn gauge<'a, V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<Unit>,
        samples: impl IntoIterator<Item = (Labels<'a>, V)>,
    ) -> fmt::Result {
        self.metric(
            name,
            help,
            unit,
            MetricType::Gauge,
            samples,
            |mut encoder, value| encoder.encode_gauge(&value),
        )
    }

    fn histogram<'a>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'a>, Histogram)>,
    ) -> fmt::Result {
        let unit = Some(Unit::Seconds);
        self.metric(
            name,
            help,
            unit,
            MetricType::Histogram,
            samples,
            |mut encoder, histogram| {
                let buckets: Vec<(f64, u64)> = histogram.buckets().collect();
                encoder.encode_histogram::<NoLabelSet>(
                    histogram.sum_seconds(),
                    histogram.count(),
                    &buckets,
                    None,
                )
            },
        )
    }

    fn info(&mut self, name: &str, help: &str, labels: Labels<'_>) -> fmt::Result {
        self.0
            .encode_descriptor(name, help, None, MetricType::Info)?
            .encode_info(&labels)
    }

    fn metric<'a, V>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<Unit>,
        kind: MetricType,
        samples: impl IntoIterator<Item = (Labels<'a>, V)>,
        encode: impl Fn(MetricEncoder<'_>, V) -> fmt::Result,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, unit.as_ref(), kind)?;
        samples
            .into_iter()
            .try_for_each(|(labels, value)| encode(family.encode_family(&labels)?, value))
    }
}
