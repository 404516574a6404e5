//! Where a camera's pod runs and what it may use, in a cluster.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::{rule, rule_at};
use crate::values::{LabelKey, LabelValue, PodClassName, Quantity};

const KEYS: &str = "keys must be names of Kubernetes: at most 128 letters, digits, '-', '_' or '.', with a domain and '/' before it where it has one";
/// A device is given out by its `VideoDevice`, which says who may have it.
const NO_DEVICES: &str = "self.all(key, !key.startsWith('streamhub.dev/cam-'))";
const DEVICES: &str = "a capture device is asked for by spec.source.v4l2.deviceSelector; leave the resource streamhub.dev/cam-... out";

/// Where a camera's pod runs and what it may use, in a cluster; on one machine nothing is made of it. What is absent
/// here is as the installation says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodSettings {
    /// Labels that a node must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 8, "x-kubernetes-validations" = [rule(&keys(), KEYS)]))]
    pub node_selector: BTreeMap<LabelKey, LabelValue>,
    /// Taints of nodes that do not keep the pod away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub tolerations: Vec<Toleration>,
    /// What is set aside for the pod and what it may use.
    #[serde(default, skip_serializing_if = "PodResources::is_empty")]
    pub resources: PodResources,
    /// Priority class of the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority_class_name: Option<PodClassName>,
    /// Runtime class of the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_class_name: Option<PodClassName>,
}

impl PodSettings {
    /// Whether all of it is as the installation says.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What this says, and for all that it does not say what `defaults` do. Resources are taken one by one, so that
    /// no request is above a limit that somebody else set.
    #[must_use]
    pub fn over(&self, defaults: &Self) -> Self {
        let own = self.clone();
        let said = own.resources.clone();
        let is_said =
            |name: &LabelKey| said.requests.contains_key(name) || said.limits.contains_key(name);
        let merged = |own: BTreeMap<LabelKey, Quantity>,
                      defaults: &BTreeMap<LabelKey, Quantity>| {
            let mut all = defaults.clone();
            all.retain(|name, _| !is_said(name));
            all.extend(own);
            all
        };
        let or = |own: Option<PodClassName>, default: &Option<PodClassName>| {
            own.or_else(|| default.clone())
        };
        Self {
            node_selector: if own.node_selector.is_empty() {
                defaults.node_selector.clone()
            } else {
                own.node_selector
            },
            tolerations: if own.tolerations.is_empty() {
                defaults.tolerations.clone()
            } else {
                own.tolerations
            },
            resources: PodResources {
                requests: merged(own.resources.requests, &defaults.resources.requests),
                limits: merged(own.resources.limits, &defaults.resources.limits),
            },
            priority_class_name: or(own.priority_class_name, &defaults.priority_class_name),
            runtime_class_name: or(own.runtime_class_name, &defaults.runtime_class_name),
        }
    }
}

/// One taint that does not keep the pod away.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    rule_at(".key", "has(self.key) || self.operator == 'Exists'", "may only be absent with the operator Exists"),
    rule_at(".value", "!has(self.value) || self.operator == 'Equal'", "only the operator Equal takes a value"),
    rule_at(
        ".tolerationSeconds",
        "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
        "only the effect NoExecute takes a time",
    ),
]))]
pub struct Toleration {
    /// Key of the taint; absent = every key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<LabelKey>,
    /// `Equal` compares the value, `Exists` takes every value.
    #[serde(default)]
    pub operator: TolerationOperator,
    /// Value of the taint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<LabelValue>,
    /// Effect of the taint; absent = every effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<TaintEffect>,
    /// For how many seconds the pod stays once the taint is there; absent = for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 86400))]
    pub toleration_seconds: Option<i64>,
}

/// How the value of a taint is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum TolerationOperator {
    /// It must be the same.
    #[default]
    Equal,
    /// It may be any.
    Exists,
}

impl TolerationOperator {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "Equal",
            Self::Exists => "Exists",
        }
    }
}

/// What a taint does to pods that do not tolerate it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum TaintEffect {
    /// They are not placed there.
    NoSchedule,
    /// They are placed elsewhere if that can be.
    PreferNoSchedule,
    /// They are moved away.
    NoExecute,
}

impl TaintEffect {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoSchedule => "NoSchedule",
            Self::PreferNoSchedule => "PreferNoSchedule",
            Self::NoExecute => "NoExecute",
        }
    }
}

/// Amounts of resources, by the names that Kubernetes has for them: `cpu`, `memory`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodResources {
    /// What is set aside for the pod.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 8, "x-kubernetes-validations" = [rule(&keys(), KEYS), rule(NO_DEVICES, DEVICES)]))]
    pub requests: BTreeMap<LabelKey, Quantity>,
    /// The most that it may use.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 8, "x-kubernetes-validations" = [rule(&keys(), KEYS), rule(NO_DEVICES, DEVICES)]))]
    pub limits: BTreeMap<LabelKey, Quantity>,
}

impl PodResources {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn keys() -> String {
    format!(
        "self.all(key, size(key) <= 128 && key.matches('{}'))",
        LabelKey::PATTERN
    )
}
