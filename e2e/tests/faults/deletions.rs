//! Things are deleted: nothing gets stuck, nothing is left.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use streamhub_e2e::{Camera, Cluster, Faults, Installation, Namespace, until};

use crate::support::{SOON, Streaming, TEST_PICTURE, install, share};

const DEFINITIONS: [&str; 3] = [
    "cameras.streamhub.dev",
    "streamhubs.streamhub.dev",
    "videodevices.streamhub.dev",
];
const HUB: &str =
    "{apiVersion: streamhub.dev/v1alpha1, kind: StreamHub, metadata: {name: lobby}, spec: {}}";

/// Its numbers go on, though it is another object.
#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_is_deleted_and_made_again_at_once_gets_a_pod_of_its_own() -> Result<()> {
    let cluster = Cluster::here()?;
    let _installation = share(&cluster)?;
    let namespace = Namespace::create(&cluster, "again")?;
    let door = Streaming::begin(&cluster, namespace.name()).await?;

    for _ in 0..2 {
        let camera = [
            "delete",
            "camera",
            "door",
            "-n",
            namespace.name(),
            "--wait=false",
        ];
        cluster.kubectl(&camera)?;
        door.camera.change(TEST_PICTURE)?;
    }
    let pod = door.goes_on_in_another_pod().await?;
    door.goes_on().await?;
    ensure!(door.camera.pod()? == pod, "the pod was replaced again");
    Ok(())
}

/// What can be deleted, of an installation that works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Camera,
    Hub,
    Namespace,
    Chart,
    Definitions,
}

use Part::{Camera as Cam, Chart, Definitions, Hub, Namespace as Room};

fn deleted_in_this_order(order: &[Part]) -> Result<()> {
    // With the definitions all Cameras go, also somebody's own.
    if Faults::here().is_none() {
        return Ok(());
    }
    let cluster = Cluster::here()?;
    Installation::install(&cluster, &[])?.remove()?;
    let delete = |kind: &str, name: &str, more: &[&str]| {
        let arguments = ["delete", kind, name, "--ignore-not-found", "--timeout=60s"];
        cluster.kubectl(&[&arguments, more].concat()).map(drop)
    };
    for definition in DEFINITIONS {
        delete("crd", definition, &[])?;
    }
    let before = inventory(&cluster)?;

    let mut installation = Some(install(&cluster)?);
    let mut namespace = Some(Namespace::create(&cluster, "leaving")?);
    cluster.apply("leaving", HUB)?;
    let on_hub = format!("hubRef: {{name: lobby}}, {TEST_PICTURE}");
    Camera::apply(&cluster, "leaving", "door", &on_hub)?.is_ready_within(SOON)?;
    // One that waits for something that never comes.
    Camera::apply(
        &cluster,
        "leaving",
        "lost",
        "hubRef: {name: none}, source: {test: {}}",
    )?
    .says("Refused", "HubNotFound", SOON)?;

    for part in order {
        let within = ["-n", "leaving"];
        match part {
            // Kinds without their definitions are no kinds any more.
            Cam if is_defined(&cluster)? => delete("camera", "door", &within)?,
            // `streamhub` is also the word for Cameras and hubs together.
            Hub if is_defined(&cluster)? => delete("hub", "lobby", &within)?,
            Cam | Hub => {}
            Room => {
                if let Some(namespace) = namespace.take() {
                    namespace.delete()?;
                }
            }
            Chart => {
                if let Some(installation) = installation.take() {
                    installation.remove()?;
                }
            }
            Definitions => {
                for definition in DEFINITIONS {
                    delete("crd", definition, &[])?;
                }
            }
        }
    }
    until(SOON, || {
        let left: Vec<String> = inventory(&cluster)?.difference(&before).cloned().collect();
        ensure!(left.is_empty(), "left behind: {left:#?}");
        Ok(())
    })
    .with_context(|| format!("deleted in the order {order:?}"))
}

fn is_defined(cluster: &Cluster) -> Result<bool> {
    let kinds = cluster.kubectl(&["get", "crd", "-o=name"])?;
    Ok(kinds.contains("cameras.streamhub.dev"))
}

/// Every object of the cluster, but for what says only that something happened or is alive.
fn inventory(cluster: &Cluster) -> Result<BTreeSet<String>> {
    let kinds = cluster.kubectl(&["api-resources", "--verbs=list", "--output=name"])?;
    let kinds: Vec<&str> = kinds
        .lines()
        .filter(|kind| !kind.starts_with("events") && !kind.starts_with("componentstatuses"))
        .collect();
    let all = cluster.get(&[&kinds.join(","), "--all-namespaces"])?;
    let items = all
        .get("items")
        .and_then(Value::as_array)
        .context("no list")?;
    let text = |item: &Value, pointer: &str| {
        let found = item.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_default().to_owned()
    };
    Ok(items
        .iter()
        .map(|item| {
            let namespace = text(item, "/metadata/namespace");
            format!(
                "{} {namespace}/{}",
                text(item, "/kind"),
                text(item, "/metadata/name")
            )
        })
        .filter(|object| !object.contains(" kube-node-lease/"))
        .collect())
}

#[test]
fn hub_definitions_under_a_running_operator_namespace_and_chart_go() -> Result<()> {
    deleted_in_this_order(&[Hub, Definitions, Room, Chart])
}

#[test]
#[ignore = "fifteen minutes"]
fn everything_goes_in_every_order() -> Result<()> {
    for order in orders(&[Cam, Hub, Room, Chart]) {
        println!("{order:?}");
        deleted_in_this_order(&[order.as_slice(), &[Definitions]].concat())?;
    }
    deleted_in_this_order(&[Chart, Definitions, Room])
}

/// All orders of these.
fn orders(parts: &[Part]) -> Vec<Vec<Part>> {
    if parts.is_empty() {
        return vec![Vec::new()];
    }
    let begin = |first: &Part| {
        let rest: Vec<Part> = parts.iter().copied().filter(|part| part != first).collect();
        let first = *first;
        orders(&rest)
            .into_iter()
            .map(move |rest| [&[first], rest.as_slice()].concat())
    };
    parts.iter().flat_map(begin).collect()
}
