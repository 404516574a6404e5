//! What Prometheus sees of the node agent.

use std::collections::BTreeMap;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use streamhub_crds::DeviceState;

use crate::metrics::{ResultLabel, WriteLabel, table};

/// State of devices.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StateLabel {
    /// As in a `VideoDevice`'s status.
    pub state: &'static str,
}

/// What failed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ErrorLabel {
    /// `acceleration`, `discovery`, `node`, `pod-resources`, `watch` or `write`.
    pub at: &'static str,
}

const STATES: [(DeviceState, &str); 4] = [
    (DeviceState::Free, "Free"),
    (DeviceState::Busy, "Busy"),
    (DeviceState::Unsupported, "Unsupported"),
    (DeviceState::Absent, "Absent"),
];

/// All of them.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    devices: Family<StateLabel, Gauge>,
    registrations: Family<ResultLabel, Counter>,
    allocations: Family<ResultLabel, Counter>,
    writes: Family<WriteLabel, Counter>,
    errors: Family<ErrorLabel, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut all = Self {
            registry: Registry::with_prefix("streamhub_node_agent"),
            devices: Family::default(),
            registrations: Family::default(),
            allocations: Family::default(),
            writes: Family::default(),
            errors: Family::default(),
        };
        let registry = &mut all.registry;
        let devices = "Capture devices of the node by their state";
        registry.register("devices", devices, all.devices.clone());
        let registrations = "Registrations of resources with the kubelet, by what became of them";
        registry.register("registrations", registrations, all.registrations.clone());
        let allocations = "Devices that the kubelet asked for, by whether it got them";
        registry.register("allocations", allocations, all.allocations.clone());
        let writes = "Writes to the API server, by what was written";
        registry.register("writes", writes, all.writes.clone());
        let errors = "What failed and is tried again";
        registry.register("errors", errors, all.errors.clone());
        all
    }
}

impl Metrics {
    /// How many devices are in each state.
    pub fn count(&self, states: impl IntoIterator<Item = DeviceState>) {
        let mut numbers: BTreeMap<&str, i64> = BTreeMap::new();
        for state in states {
            let name = STATES.iter().find(|(known, _)| *known == state);
            *numbers
                .entry(name.map_or("", |(_, name)| name))
                .or_default() += 1;
        }
        for (_, state) in STATES {
            let number = numbers.get(state).copied().unwrap_or_default();
            self.devices
                .get_or_create(&StateLabel { state })
                .set(number);
        }
    }

    /// One more registration.
    pub fn registered(&self, result: &'static str) {
        self.registrations
            .get_or_create(&ResultLabel { result })
            .inc();
    }

    /// One more device was asked for.
    pub fn allocated(&self, result: &'static str) {
        self.allocations
            .get_or_create(&ResultLabel { result })
            .inc();
    }

    /// One more write.
    pub fn wrote(&self, write: &'static str) {
        self.writes.get_or_create(&WriteLabel { write }).inc();
    }

    /// One more failure.
    pub fn failed(&self, at: &'static str) {
        self.errors.get_or_create(&ErrorLabel { at }).inc();
    }

    /// In the text format of `OpenMetrics`.
    pub fn render(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// A table of every metric: `docs/reference/node-agent.md` holds it.
pub fn reference() -> Result<String, std::fmt::Error> {
    let metrics = Metrics::default();
    metrics.count([]);
    metrics.registered("ok");
    metrics.allocated("ok");
    metrics.wrote("status");
    metrics.failed("write");
    table(&metrics.render()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_that_no_device_is_in_has_none() {
        let metrics = Metrics::default();
        metrics.count([DeviceState::Free, DeviceState::Free]);
        metrics.count([DeviceState::Busy]);
        let text = metrics.render().unwrap();
        for series in ["{state=\"Free\"} 0", "{state=\"Busy\"} 1"] {
            assert!(text.contains(series), "{text}");
        }
    }
}
