//! Whether a node could take a pod, as far as a pod says where it wants to be.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{NodeSpec, PodSpec, Taint, Toleration};

/// What a pod says of the nodes that may take it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Wishes {
    selector: BTreeMap<String, String>,
    tolerations: Vec<Toleration>,
}

impl Wishes {
    /// Reads them from a pod.
    pub fn new(spec: &PodSpec) -> Self {
        Self {
            selector: spec.node_selector.clone().unwrap_or_default(),
            tolerations: spec.tolerations.clone().unwrap_or_default(),
        }
    }
}

/// What a node says of the pods that it takes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Offer {
    labels: BTreeMap<String, String>,
    taints: Vec<Taint>,
    cordoned: bool,
}

impl Offer {
    /// Reads it from a node.
    pub(super) fn new(labels: Option<&BTreeMap<String, String>>, spec: Option<&NodeSpec>) -> Self {
        Self {
            labels: labels.cloned().unwrap_or_default(),
            taints: spec
                .and_then(|spec| spec.taints.clone())
                .unwrap_or_default(),
            cordoned: spec.is_some_and(|spec| spec.unschedulable == Some(true)),
        }
    }

    /// Whether it takes no new pods.
    pub fn is_cordoned(&self) -> bool {
        self.cordoned
    }

    /// Whether it takes a pod with these wishes; whether there is room is the scheduler's to say.
    pub fn takes(&self, wishes: &Wishes) -> bool {
        !self.cordoned && self.refuses(wishes).is_none()
    }

    /// What it minds of a pod with these wishes, for people, but for being cordoned.
    pub fn refuses(&self, wishes: &Wishes) -> Option<String> {
        let mut selector = wishes.selector.iter();
        let missing = selector.find(|(key, value)| self.labels.get(*key) != Some(*value));
        if let Some((key, value)) = missing {
            return Some(format!("it has no label {key}={value}"));
        }
        let mut taints = self.taints.iter();
        let minds = |taint: &&Taint| {
            taint.effect != "PreferNoSchedule"
                && !wishes.tolerations.iter().any(|one| tolerates(one, taint))
        };
        taints.find(minds).map(|taint| {
            let value = taint.value.as_ref().filter(|value| !value.is_empty());
            let value = value.map(|value| format!("={value}"));
            let (key, effect) = (&taint.key, &taint.effect);
            format!(
                "the pod does not tolerate its taint {key}{}:{effect}",
                value.unwrap_or_default()
            )
        })
    }
}

fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let all = |text: &Option<String>| text.as_deref().is_none_or(str::is_empty);
    let effect = all(&toleration.effect) || toleration.effect.as_ref() == Some(&taint.effect);
    let key = toleration.key.as_ref() == Some(&taint.key);
    let value = |text: &Option<String>| text.clone().unwrap_or_default();
    let fits = if toleration.operator.as_deref() == Some("Exists") {
        key || all(&toleration.key)
    } else {
        key && value(&toleration.value) == value(&taint.value)
    };
    effect && fits
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_node_takes_what_wants_it_and_bears_its_taints() {
        let control_plane = json!({"taints": [{"key": "control-plane", "effect": "NoSchedule"}]});
        let dear = json!({"taints": [{"key": "gpu", "value": "a", "effect": "NoExecute"}]});
        let shy = json!({"taints": [{"key": "old", "effect": "PreferNoSchedule"}]});
        let bears = |toleration: serde_json::Value| json!({"tolerations": [toleration]});
        for (node, pod, takes) in [
            (json!({}), json!({}), true),
            (json!({"unschedulable": true}), json!({}), false),
            (shy, json!({}), true),
            (json!({}), json!({"nodeSelector": {"room": "a"}}), true),
            (json!({}), json!({"nodeSelector": {"room": "b"}}), false),
            (control_plane.clone(), json!({}), false),
            (
                control_plane.clone(),
                bears(json!({"operator": "Exists"})),
                true,
            ),
            (
                control_plane,
                bears(json!({"key": "control-plane", "operator": "Exists"})),
                true,
            ),
            (
                dear.clone(),
                bears(json!({"key": "gpu", "value": "b"})),
                false,
            ),
            (
                dear.clone(),
                bears(json!({"key": "gpu", "value": "a", "effect": "NoSchedule"})),
                false,
            ),
            (dear, bears(json!({"key": "gpu", "value": "a"})), true),
        ] {
            let labels = BTreeMap::from([("room".to_owned(), "a".to_owned())]);
            let spec: NodeSpec = serde_json::from_value(node.clone()).unwrap();
            let mut wishes = pod.clone();
            wishes["containers"] = json!([]);
            let wishes = Wishes::new(&serde_json::from_value(wishes).unwrap());
            let offer = Offer::new(Some(&labels), Some(&spec));
            assert_eq!(offer.takes(&wishes), takes, "{node} {pod}");
        }
    }
}
