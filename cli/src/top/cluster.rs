//! The Cameras of a cluster.

use std::collections::BTreeMap;

use crate::args::TopArgs;
use crate::cluster::objects::{self, CameraObject, Key};
use crate::cluster::{Asked, Cluster, ClusterError, statuses};

use super::row::{Row, Rows};

/// Lists them, and asks those that have a pod.
pub async fn rows(cluster: &Cluster, args: &TopArgs) -> Result<Rows, ClusterError> {
    let namespace = (!args.all_namespaces).then_some(cluster.namespace.as_str());
    let api = objects::cameras(cluster, namespace);
    let stored = cluster.list(&api, "Cameras", "").await?;
    let mut cameras: Vec<CameraObject> = stored.into_iter().map(CameraObject::read).collect();
    cameras.retain(|camera| args.hub.as_ref().is_none_or(|hub| *hub == camera.hub));
    cameras.sort_by(|one, other| one.key.cmp(&other.key));
    if cameras.is_empty() {
        let place = namespace.map_or_else(
            || "any namespace".to_owned(),
            |name| format!("namespace {name}; -A lists all namespaces"),
        );
        let context = &cluster.context;
        let note = format!("no Cameras in {place} (context {context})");
        return Ok(Rows {
            note: Some(note),
            ..Rows::default()
        });
    }
    let asked = statuses(cluster, with_pods(&cameras), args.timeout).await;
    Ok(Rows {
        namespaces: args.all_namespaces,
        note: note(&cameras, &asked),
        cameras: cameras
            .iter()
            .map(|camera| row(camera, asked.get(&camera.key)))
            .collect(),
    })
}

/// Cameras whose pod is on a node, as far as the operator knows.
pub fn with_pods(cameras: &[CameraObject]) -> Vec<Key> {
    let on_a_node = |camera: &&CameraObject| {
        let status = camera.status.as_ref();
        status.is_some_and(|status| status.pod.is_some() && status.node.is_some())
    };
    let cameras = cameras.iter().filter(on_a_node);
    cameras.map(|camera| camera.key.clone()).collect()
}

fn row(camera: &CameraObject, asked: Option<&Asked>) -> Row {
    let written = camera.status.clone().unwrap_or_default();
    let mut row = Row {
        namespace: camera.key.namespace.clone(),
        camera: camera.key.name.clone(),
        hub: camera.hub.clone(),
        state: written.state.unwrap_or_else(|| "Pending".to_owned()),
        reason: written.reason.unwrap_or_default(),
        node: written.node,
        message: written.message.unwrap_or_default(),
        ..Row::default()
    };
    match asked {
        Some(Ok(said)) => row.hear(said),
        Some(Err(why)) if row.message.is_empty() => row.message.clone_from(why),
        _ => {}
    }
    row
}

fn note(cameras: &[CameraObject], asked: &BTreeMap<Key, Asked>) -> Option<String> {
    let silent = with_pods(cameras)
        .iter()
        .filter(|key| !matches!(asked.get(key), Some(Ok(_))))
        .count();
    let example = asked.values().find_map(|asked| asked.as_ref().err());
    let why = example.map_or_else(
        || "the time was over; see --timeout".to_owned(),
        Clone::clone,
    );
    (silent > 0).then(|| {
        format!(
            "{silent} of {} cameras did not answer: {why}",
            cameras.len()
        )
    })
}
