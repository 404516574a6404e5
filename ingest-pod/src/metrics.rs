//! What Prometheus sees of one camera. Names and labels are listed in `docs/reference/metrics.md`.

mod reference;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::borrow::Cow;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use crate::report::HeldTo;

pub use reference::reference;

/// `receive`, `decode`, `encode` or `publish`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StageLabel {
    /// Name of the stage.
    pub stage: &'static str,
}

/// One rendition of the camera.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RenditionLabel {
    /// Rendition name.
    pub rendition: String,
}

/// Why a frame of a rendition was not published.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct DropLabels {
    /// Rendition name.
    pub rendition: String,
    /// Why.
    pub reason: &'static str,
}

/// Why something happened.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReasonLabel {
    /// Why.
    pub reason: &'static str,
}

type Decimal = Gauge<f64, AtomicU64>;
type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

fn stage_histogram() -> Histogram {
    Histogram::new([
        0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0,
        2.5,
    ])
}

fn age_histogram() -> Histogram {
    Histogram::new([
        0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    ])
}

/// All metrics of the process; each carries the label `camera`.
pub struct Metrics {
    registry: Registry,
    /// Time per frame in each stage.
    pub stage: Histograms<StageLabel>,
    /// Age of a frame when it is handed to NATS.
    pub age: Histograms<RenditionLabel>,
    /// Frames handed to NATS.
    pub published: Family<RenditionLabel, Counter>,
    /// Bytes of those frames.
    pub published_bytes: Family<RenditionLabel, Counter>,
    /// Due frames that were not published.
    pub dropped: Family<DropLabels, Counter>,
    /// Access units or pictures that were given up before a rendition saw them.
    pub held_back: Family<ReasonLabel, Counter>,
    /// Access units received.
    pub access_units: Counter,
    /// Access units given to the decoder.
    pub access_units_decoded: Counter,
    /// 1 while somebody listens to the rendition.
    pub rendition_active: Family<RenditionLabel, Gauge>,
    /// Capture time of the newest published frame, UNIX seconds.
    pub last_frame: Family<RenditionLabel, Decimal>,
    /// Steps that the machine's load has taken away from a rendition.
    pub load_level: Family<RenditionLabel, Gauge>,
    /// JPEG quality that a rendition is held to.
    pub quality: Family<RenditionLabel, Gauge>,
    /// Frames per second that a rendition is held to.
    pub fps: Family<RenditionLabel, Decimal>,
    /// Width in pixels that a rendition is held to.
    pub width: Family<RenditionLabel, Gauge>,
    /// 1 while the source delivers.
    pub fresh: Gauge,
    /// 1 while the connection to NATS stands.
    pub nats_connected: Gauge,
    /// Connections to NATS that were made again.
    pub nats_reconnects: Counter,
    /// Attempts to read the source that ended in a fault.
    pub source_failures: Family<ReasonLabel, Counter>,
    /// Changes of the source in use.
    pub source_switches: Counter,
    /// Steps of the node's clock.
    pub clock_steps: Counter,
    /// Epochs begun.
    pub epochs: Family<ReasonLabel, Counter>,
    /// Bound of the newest frame's timestamp; NaN where none can be given.
    pub timestamp_error: Decimal,
    /// The camera's clock minus hub time at arrival; NaN without sender reports.
    pub camera_clock_offset: Decimal,
    /// Feedback messages that were taken.
    pub feedback_accepted: Counter,
    /// Feedback messages that were not taken.
    pub feedback_rejected: Family<ReasonLabel, Counter>,
    resident: Gauge,
    cpu: Counter<f64, AtomicU64>,
}

impl Metrics {
    /// Registers everything under the prefix `streamhub`, for one camera.
    pub fn new(camera: &str) -> Self {
        let label = (Cow::Borrowed("camera"), Cow::Owned(camera.to_owned()));
        let mut metrics = Self {
            registry: Registry::with_prefix_and_labels("streamhub", std::iter::once(label)),
            stage: Family::new_with_constructor(stage_histogram),
            age: Family::new_with_constructor(age_histogram),
            published: Family::default(),
            published_bytes: Family::default(),
            dropped: Family::default(),
            held_back: Family::default(),
            access_units: Counter::default(),
            access_units_decoded: Counter::default(),
            rendition_active: Family::default(),
            last_frame: Family::default(),
            load_level: Family::default(),
            quality: Family::default(),
            fps: Family::default(),
            width: Family::default(),
            fresh: Gauge::default(),
            nats_connected: Gauge::default(),
            nats_reconnects: Counter::default(),
            source_failures: Family::default(),
            source_switches: Counter::default(),
            clock_steps: Counter::default(),
            epochs: Family::default(),
            timestamp_error: Decimal::default(),
            camera_clock_offset: Decimal::default(),
            feedback_accepted: Counter::default(),
            feedback_rejected: Family::default(),
            resident: Gauge::default(),
            cpu: Counter::default(),
        };
        metrics.timestamp_error.set(f64::NAN);
        metrics.camera_clock_offset.set(f64::NAN);
        metrics.register_frames();
        metrics.register_load();
        metrics.register_clock();
        metrics.register_health();
        metrics
    }

    fn register_frames(&mut self) {
        let r = &mut self.registry;
        r.register_with_unit(
            "stage",
            "Time per frame in each stage: receive, decode, encode, publish",
            Unit::Seconds,
            self.stage.clone(),
        );
        r.register_with_unit(
            "frame_age",
            "Age of a frame when it is handed to NATS",
            Unit::Seconds,
            self.age.clone(),
        );
        r.register(
            "frames_published",
            "Frames handed to NATS",
            self.published.clone(),
        );
        r.register_with_unit(
            "frames_published",
            "Bytes of the frames handed to NATS",
            Unit::Bytes,
            self.published_bytes.clone(),
        );
        r.register(
            "frames_dropped",
            "Due frames that were not published, by reason",
            self.dropped.clone(),
        );
        r.register(
            "access_units_held_back",
            "Access units or pictures given up before any rendition saw them, by reason",
            self.held_back.clone(),
        );
        r.register(
            "access_units",
            "Access units received from the source",
            self.access_units.clone(),
        );
        r.register(
            "access_units_decoded",
            "Access units given to the decoder; far fewer than received while nobody listens",
            self.access_units_decoded.clone(),
        );
        r.register(
            "rendition_active",
            "1 while somebody listens to the rendition; a JetStream stream on its subject counts",
            self.rendition_active.clone(),
        );
        r.register_with_unit(
            "last_frame_timestamp",
            "Capture time of the newest published frame, UNIX time",
            Unit::Seconds,
            self.last_frame.clone(),
        );
    }

    fn register_load(&mut self) {
        let r = &mut self.registry;
        r.register(
            "rendition_load_level",
            "Steps that the machine's load has taken away from the rendition; 0 when it keeps up",
            self.load_level.clone(),
        );
        r.register(
            "rendition_quality",
            "JPEG quality that the rendition is held to, before max_payload; none where the camera's JPEG is passed through",
            self.quality.clone(),
        );
        r.register(
            "rendition_fps",
            "Frames per second that the rendition is held to",
            self.fps.clone(),
        );
        r.register(
            "rendition_width",
            "Pixels per line that the rendition is held to, before max_payload",
            self.width.clone(),
        );
    }

    fn register_clock(&mut self) {
        let r = &mut self.registry;
        r.register(
            "clock_steps",
            "Steps of the node's clock; each begins a new epoch",
            self.clock_steps.clone(),
        );
        r.register(
            "epochs",
            "Epochs begun, by cause: timestamps may have jumped",
            self.epochs.clone(),
        );
        r.register_with_unit(
            "timestamp_error",
            "Bound of the newest frame's timestamp, as capture.error_ms; NaN where none can be given",
            Unit::Seconds,
            self.timestamp_error.clone(),
        );
        r.register_with_unit(
            "camera_clock_offset",
            "The camera's clock minus hub time at arrival, from its sender reports; NaN without one",
            Unit::Seconds,
            self.camera_clock_offset.clone(),
        );
    }

    fn register_health(&mut self) {
        let r = &mut self.registry;
        r.register("fresh", "1 while the source delivers", self.fresh.clone());
        r.register(
            "nats_connected",
            "1 while the connection to NATS stands",
            self.nats_connected.clone(),
        );
        r.register(
            "nats_reconnects",
            "Connections to NATS that were made again",
            self.nats_reconnects.clone(),
        );
        r.register(
            "source_failures",
            "Attempts to read the source that failed, by reason",
            self.source_failures.clone(),
        );
        r.register(
            "source_switches",
            "Changes from one source to another: to a fallback, between two, and back",
            self.source_switches.clone(),
        );
        r.register(
            "feedback_accepted",
            "Feedback messages taken",
            self.feedback_accepted.clone(),
        );
        r.register(
            "feedback_rejected",
            "Feedback messages not taken, by reason",
            self.feedback_rejected.clone(),
        );
        r.register_with_unit(
            "process_resident_memory",
            "Resident memory of the process",
            Unit::Bytes,
            self.resident.clone(),
        );
        r.register_with_unit(
            "process_cpu",
            "CPU time of the process, user and system",
            Unit::Seconds,
            self.cpu.clone(),
        );
    }

    /// One frame spent so long in a stage.
    pub fn observe_stage(&self, stage: &'static str, took: Duration) {
        self.stage
            .get_or_create(&StageLabel { stage })
            .observe(took.as_secs_f64());
    }

    /// The machine's load leaves this of a rendition.
    pub fn held_to(&self, rendition: &str, held_to: HeldTo) {
        let label = RenditionLabel {
            rendition: rendition.to_owned(),
        };
        self.load_level
            .get_or_create(&label)
            .set(held_to.level.into());
        self.fps.get_or_create(&label).set(held_to.fps);
        self.width.get_or_create(&label).set(held_to.width.into());
        match held_to.quality {
            Some(quality) => {
                self.quality.get_or_create(&label).set(quality.into());
            }
            None => {
                self.quality.remove(&label);
            }
        }
    }

    /// A rendition is gone: its series end, also those of its drops for these reasons.
    pub fn forget_rendition(
        &self,
        rendition: &str,
        drop_reasons: impl IntoIterator<Item = &'static str>,
    ) {
        let label = RenditionLabel {
            rendition: rendition.to_owned(),
        };
        self.age.remove(&label);
        self.published.remove(&label);
        self.published_bytes.remove(&label);
        self.last_frame.remove(&label);
        self.rendition_active.remove(&label);
        self.load_level.remove(&label);
        self.quality.remove(&label);
        self.fps.remove(&label);
        self.width.remove(&label);
        for reason in drop_reasons {
            self.dropped.remove(&DropLabels {
                rendition: rendition.to_owned(),
                reason,
            });
        }
    }

    /// The text that `/metrics` answers (`OpenMetrics` 1.0).
    pub fn render(&self) -> Result<String, std::fmt::Error> {
        if let Some((resident_bytes, cpu_seconds)) = process_usage() {
            self.resident.set(resident_bytes);
            self.cpu.inc_by((cpu_seconds - self.cpu.get()).max(0.0));
        }
        let mut text = String::with_capacity(16 * 1024);
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// Resident bytes and CPU seconds of this process, from `/proc/self/stat` (proc(5)).
pub fn process_usage() -> Option<(i64, f64)> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    let field = |n: usize| after_name.split_whitespace().nth(n)?.parse::<i64>().ok();
    let ticks = field(11)? + field(12)?;
    let pages = field(21)?;
    let per_second = rustix::param::clock_ticks_per_second() as f64;
    let page = rustix::param::page_size() as i64;
    Some((pages * page, ticks as f64 / per_second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_prefix_camera_and_help() {
        let metrics = Metrics::new("door");
        metrics.observe_stage("decode", Duration::from_millis(3));
        metrics.access_units.inc();
        let text = metrics.render().expect("metrics render");
        assert!(
            text.contains(r#"streamhub_access_units_total{camera="door"} 1"#),
            "{text}"
        );
        assert!(
            text.contains(r#"streamhub_stage_seconds_count{camera="door",stage="decode"} 1"#),
            "{text}"
        );
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            assert!(line.starts_with("streamhub_"), "{line}");
        }
        let (resident, _) = process_usage().expect("proc is there");
        assert!(resident > 1_000_000);
    }
}
