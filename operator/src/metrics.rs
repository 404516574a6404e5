//! What Prometheus sees of the operator.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicI64;
use std::time::Instant;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::error::Error;

pub use streamhub_generate::metrics::table;

/// Which controller.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ControllerLabel {
    /// `camera`, `hub`, `status` or `status-retry`.
    pub controller: &'static str,
}

/// Which controller failed at what.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ErrorLabels {
    /// `camera` or `hub`.
    pub controller: &'static str,
    /// What kind of failure it was.
    pub category: &'static str,
}

/// What became of something.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ResultLabel {
    /// `ok` or `error`.
    pub result: &'static str,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct WriteLabel {
    /// `pod-created`, `pod-patched`, `pod-deleted`, `pod-force-deleted`, `camera-status`, `hub-status`.
    pub write: &'static str,
}

/// State of cameras.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StateLabel {
    /// As in the Camera's status.
    pub state: String,
}

type Durations = Family<ControllerLabel, Histogram, fn() -> Histogram>;

fn durations() -> Histogram {
    Histogram::new([
        0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0,
    ])
}

/// What is seen of one queue.
#[derive(Debug, Clone)]
pub struct QueueMetrics {
    /// Keys that were asked for and have not begun.
    pub depth: Gauge<i64, AtomicI64>,
    /// How long they waited.
    pub wait: Histogram,
    /// Reconciles that broke off.
    pub broken: Counter,
}

impl Default for QueueMetrics {
    fn default() -> Self {
        Self {
            depth: Gauge::default(),
            wait: durations(),
            broken: Counter::default(),
        }
    }
}

/// All of them.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Reconciles that came to their end.
    pub reconciles: Family<ControllerLabel, Counter>,
    /// Reconciles that failed.
    pub errors: Family<ErrorLabels, Counter>,
    /// How long reconciles took.
    pub durations: Durations,
    /// Cameras by state.
    pub cameras: Family<StateLabel, Gauge>,
    /// Readings of pods' `/status`.
    pub readings: Family<ResultLabel, Counter>,
    /// Writes to the API server.
    pub writes: Family<WriteLabel, Counter>,
    /// Watches that had to begin again.
    pub watch_errors: Counter,
    /// Pods of another release, which wait for their turn.
    pub rollout_waiting: Gauge,
    /// 1 while a pod of this release can't start, so that the others keep theirs.
    pub rollout_stopped: Gauge,
    /// 1 while this one works.
    pub leader: Gauge,
    depths: Family<ControllerLabel, Gauge<i64, AtomicI64>>,
    waits: Durations,
    broken: Family<ControllerLabel, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut all = Self {
            registry: Registry::with_prefix("streamhub_operator"),
            reconciles: Family::default(),
            errors: Family::default(),
            durations: Family::new_with_constructor(durations),
            cameras: Family::default(),
            readings: Family::default(),
            writes: Family::default(),
            watch_errors: Counter::default(),
            rollout_waiting: Gauge::default(),
            rollout_stopped: Gauge::default(),
            leader: Gauge::default(),
            depths: Family::default(),
            waits: Family::new_with_constructor(durations),
            broken: Family::default(),
        };
        all.register();
        all
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "reconciles",
            "Reconciles that came to their end",
            self.reconciles.clone(),
        );
        registry.register(
            "reconcile_errors",
            "Reconciles that failed, by what kind of failure it was",
            self.errors.clone(),
        );
        registry.register_with_unit(
            "reconcile_duration",
            "How long reconciles took",
            Unit::Seconds,
            self.durations.clone(),
        );
        registry.register("cameras", "Cameras by their state", self.cameras.clone());
        registry.register(
            "status_readings",
            "Readings of /status of camera pods",
            self.readings.clone(),
        );
        registry.register(
            "writes",
            "Writes to the API server, by what was written",
            self.writes.clone(),
        );
        registry.register(
            "watch_errors",
            "Watches that failed and began again",
            self.watch_errors.clone(),
        );
        registry.register(
            "rollout_waiting",
            "Pods of another release, which wait for their turn to be replaced",
            self.rollout_waiting.clone(),
        );
        registry.register(
            "rollout_stopped",
            "1 while a pod of this release can't start, so that the others keep theirs",
            self.rollout_stopped.clone(),
        );
        registry.register(
            "leader",
            "1 while this operator works, 0 while it waits for the Lease",
            self.leader.clone(),
        );
        registry.register(
            "queue_depth",
            "Objects that wait for their turn",
            self.depths.clone(),
        );
        registry.register_with_unit(
            "queue_wait",
            "How long objects waited for their turn",
            Unit::Seconds,
            self.waits.clone(),
        );
        registry.register(
            "broken_reconciles",
            "Reconciles that broke off by a defect",
            self.broken.clone(),
        );
    }

    /// What is seen of the queue of one controller.
    pub fn queue(&self, controller: &'static str) -> QueueMetrics {
        let label = ControllerLabel { controller };
        QueueMetrics {
            depth: self.depths.get_or_create_owned(&label),
            wait: self.waits.get_or_create_owned(&label),
            broken: self.broken.get_or_create_owned(&label),
        }
    }

    /// How many cameras are in each state. A state that no camera is in any more has none, for who adds up or alerts.
    pub fn count(&self, states: &BTreeMap<String, u32>, shown: &mut BTreeSet<String>) {
        shown.extend(states.keys().cloned());
        for state in shown.iter() {
            let number = states.get(state).copied().unwrap_or_default();
            let label = StateLabel {
                state: state.clone(),
            };
            self.cameras.get_or_create(&label).set(i64::from(number));
        }
    }

    /// Another operator works, or none: what only the one that works knows is not said here any more.
    pub fn stand_by(&self) {
        self.leader.set(0);
        self.rollout_waiting.set(0);
        self.rollout_stopped.set(0);
        self.cameras.clear();
        self.depths.clear();
    }

    /// So that every series shows its labels.
    fn touch_every_series(&self) {
        let controller = "camera";
        let _ = self.queue(controller);
        let _ = self
            .reconciles
            .get_or_create(&ControllerLabel { controller });
        let _ = self
            .durations
            .get_or_create(&ControllerLabel { controller });
        let category = "conflict";
        let labels = ErrorLabels {
            controller,
            category,
        };
        let _ = self.errors.get_or_create(&labels);
        let state = "Streaming".to_owned();
        let _ = self.cameras.get_or_create(&StateLabel { state });
        let _ = self.readings.get_or_create(&ResultLabel { result: "ok" });
        self.wrote("pod-created");
    }

    /// A look at one object is over.
    pub fn looked<T>(&self, controller: &'static str, begin: Instant, result: &Result<T, Error>) {
        let label = ControllerLabel { controller };
        self.reconciles.get_or_create(&label).inc();
        let took = begin.elapsed().as_secs_f64();
        self.durations.get_or_create(&label).observe(took);
        if let Err(error) = result {
            let category = error.category();
            let labels = ErrorLabels {
                controller,
                category,
            };
            self.errors.get_or_create(&labels).inc();
        }
    }

    /// One more write.
    pub fn wrote(&self, write: &'static str) {
        self.writes.get_or_create(&WriteLabel { write }).inc();
    }

    /// In the text format of `OpenMetrics`.
    pub fn render(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// A table of every metric: `docs/reference/operator.md` holds it.
pub fn reference() -> Result<String, std::fmt::Error> {
    let metrics = Metrics::default();
    metrics.touch_every_series();
    table(&metrics.render()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_metric_is_described_once_however_many_controllers_have_it() {
        let metrics = Metrics::default();
        let queues = ["camera", "hub", "status", "status-retry"].map(|name| metrics.queue(name));
        for (depth, queue) in queues.iter().enumerate() {
            queue.depth.set(depth as i64);
        }
        metrics.touch_every_series();
        let text = metrics.render().unwrap();
        let described = text.lines().filter(|line| line.starts_with("# TYPE"));
        let mut names: Vec<&str> = described.collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all, "{text}");
        let series = "streamhub_operator_queue_depth{controller=\"status-retry\"} 3";
        assert!(text.contains(series), "{text}");
    }

    #[test]
    fn a_state_that_no_camera_is_in_any_more_has_none_and_one_that_stands_by_says_nothing() {
        let metrics = Metrics::default();
        let mut shown = BTreeSet::new();
        metrics.count(&BTreeMap::from([("Pending".to_owned(), 2)]), &mut shown);
        metrics.count(&BTreeMap::from([("Streaming".to_owned(), 2)]), &mut shown);
        let text = metrics.render().unwrap();
        for series in ["{state=\"Pending\"} 0", "{state=\"Streaming\"} 2"] {
            assert!(text.contains(series), "{text}");
        }
        metrics.stand_by();
        let text = metrics.render().unwrap();
        assert!(!text.contains("state="), "{text}");
    }
}
