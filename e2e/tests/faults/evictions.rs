//! A pod is asked to leave its node.

use anyhow::{Result, ensure};
use serde_json::json;
use streamhub_e2e::{Cluster, Cordoned, Faults, Namespace};

use crate::support::{Streaming, install, share};

/// No `--force`, no `--delete-emptydir-data`, no wait for a disruption budget.
#[tokio::test(flavor = "multi_thread")]
async fn a_drain_takes_the_pod_and_it_is_made_elsewhere() -> Result<()> {
    // Somebody's own nodes are not drained.
    if Faults::here().is_none() {
        return Ok(());
    }
    let cluster = Cluster::here()?;
    let _installation = install(&cluster)?;
    let namespace = Namespace::create(&cluster, "drained")?;
    let door = Streaming::begin_on_n2(&cluster, namespace.name()).await?;
    ensure!(door.pod.node == "n2", "{:?}", door.pod);

    let _drained = Cordoned::node(&cluster, "n2")?;
    cluster.kubectl(&["drain", "n2", "--timeout=60s"])?;
    let pod = door.goes_on_in_another_pod().await?;
    ensure!(pod.node == "n1", "{pod:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_evicted_pod_is_made_anew() -> Result<()> {
    let cluster = Cluster::here()?;
    let _installation = share(&cluster)?;
    let namespace = Namespace::create(&cluster, "evicted")?;
    let door = Streaming::begin(&cluster, namespace.name()).await?;

    let name = door.camera.pod_name();
    let eviction = json!({
        "apiVersion": "policy/v1", "kind": "Eviction",
        "metadata": {"name": name, "namespace": namespace.name()},
    });
    let path = format!(
        "/api/v1/namespaces/{}/pods/{name}/eviction",
        namespace.name()
    );
    cluster.post(&path, &eviction.to_string())?;
    door.goes_on_in_another_pod().await.map(drop)
}
