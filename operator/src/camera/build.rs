//! The pod of a camera. A function of what should run and what all pods have in common; it can't fail.

mod spec;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde::Serialize;
use streamhub_crds::{PodSettings, fingerprint};
use streamhub_plan::Run;

use crate::names;
use crate::settings::PodRecipe;
use crate::world::Wishes;

/// What a camera's pod should carry, and what tells one from the next.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations, the two documents among them; without the incarnation.
    pub annotations: BTreeMap<String, String>,
    /// Changes with what is applied in place.
    pub config_hash: String,
    /// Changes with what needs another pod.
    pub pod_hash: String,
    /// Changes with what all pods have in common.
    pub release_hash: String,
}

/// What the pod of `run` should carry.
pub fn wanted(run: &Run, recipe: &PodRecipe) -> Wanted {
    let spec = spec::pod_spec(run, recipe, 0);
    let pod_hash = fingerprint(&(&run.process_hash, &spec));
    let release_hash = recipe.hash();
    let name = |name: &Option<String>| name.clone().unwrap_or_default();
    let labels = [
        (names::NAME_LABEL, names::INGEST.to_owned()),
        (names::COMPONENT_LABEL, names::CONTAINER.to_owned()),
        (names::MANAGED_BY_LABEL, names::OPERATOR.to_owned()),
        (names::VERSION_LABEL, label_value(&recipe.release)),
        (names::CAMERA, name(&run.camera.metadata.name)),
        (names::HUB, name(&run.hub.metadata.name)),
    ];
    let annotations = [
        (names::CAMERA, document(&run.camera)),
        (names::HUB, document(&run.hub)),
        (names::CONFIG_HASH, run.config_hash.clone()),
        (names::POD_HASH, pod_hash.clone()),
        (names::RELEASE, recipe.release.clone()),
        (names::RELEASE_HASH, release_hash.clone()),
    ];
    let owned = |pairs: &[(&str, String)]| {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone()))
            .collect()
    };
    Wanted {
        labels: owned(&labels),
        annotations: owned(&annotations),
        config_hash: run.config_hash.clone(),
        pod_hash,
        release_hash,
    }
}

/// What the pod of a camera says of nodes, but for the one that has its device.
pub fn wishes(settings: &PodSettings) -> Wishes {
    spec::wishes(settings)
}

/// The pod itself.
pub fn pod(run: &Run, recipe: &PodRecipe, incarnation: u64) -> Pod {
    let wanted = wanted(run, recipe);
    let camera = &run.camera.metadata;
    let name = camera.name.clone().unwrap_or_default();
    let mut annotations = wanted.annotations;
    annotations.insert(names::INCARNATION.to_owned(), incarnation.to_string());
    for (key, value) in [
        ("prometheus.io/scrape", "true".to_owned()),
        ("prometheus.io/port", names::HTTP_PORT.to_string()),
        ("prometheus.io/path", "/metrics".to_owned()),
    ] {
        annotations.insert(key.to_owned(), value);
    }
    Pod {
        metadata: ObjectMeta {
            name: Some(names::pod(&name)),
            namespace: camera.namespace.clone(),
            labels: Some(wanted.labels),
            annotations: Some(annotations),
            owner_references: Some(vec![OwnerReference {
                api_version: format!("{}/{}", streamhub_crds::GROUP, streamhub_crds::VERSION),
                kind: "Camera".to_owned(),
                name,
                uid: camera.uid.clone().unwrap_or_default(),
                controller: Some(true),
                block_owner_deletion: None,
            }]),
            ..ObjectMeta::default()
        },
        spec: Some(spec::pod_spec(run, recipe, incarnation)),
        status: None,
    }
}

/// A document as it is given to the process: JSON, which is YAML.
fn document(object: &impl Serialize) -> String {
    // Plain data with string keys always have a form.
    serde_json::to_string(object).unwrap_or_default()
}

/// As much of a text as a label can hold.
fn label_value(text: &str) -> String {
    let word = |letter: char| letter.is_ascii_alphanumeric();
    let clean: String = text
        .chars()
        .map(|letter| {
            if word(letter) || "-_.".contains(letter) {
                letter
            } else {
                '_'
            }
        })
        .take(63)
        .collect();
    clean.trim_matches(|letter| !word(letter)).to_owned()
}

#[cfg(test)]
mod largest;
#[cfg(test)]
mod tests;
