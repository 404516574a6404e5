//! The ingest process and its pod end.

use anyhow::{Result, ensure};
use streamhub_e2e::{Camera, Cluster, Faults, Namespace, until};

use crate::support::{SOON, Streaming, TEST_PICTURE, share};

/// The kubelet starts it again in its pod; its numbers go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_is_started_again_in_its_pod() -> Result<()> {
    let Some(faults) = Faults::here() else {
        return Ok(());
    };
    let cluster = Cluster::here()?;
    let _installation = share(&cluster)?;
    let namespace = Namespace::create(&cluster, "killed")?;
    let door = Streaming::begin(&cluster, namespace.name()).await?;

    let mark = format!("--incarnation={}", door.pod.incarnation);
    faults.kill_process(&door.pod.node, &mark)?;
    let restarted = until(SOON, || {
        let pod = door.camera.pod()?;
        ensure!(pod.restarts > 0, "not started again");
        Ok(pod)
    })?;
    ensure!(
        restarted.uid == door.pod.uid,
        "the pod was replaced: {restarted:?}"
    );
    let note = door.camera.has_event_within(SOON, "ProcessEnded")?;
    ensure!(note.contains("exit code 137"), "{note}");
    door.camera.is_ready_within(SOON)?;
    door.goes_on().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_pod_is_made_anew() -> Result<()> {
    let cluster = Cluster::here()?;
    let _installation = share(&cluster)?;
    let namespace = Namespace::create(&cluster, "deleted")?;
    let door = Streaming::begin(&cluster, namespace.name()).await?;

    let name = door.camera.pod_name();
    cluster.kubectl(&[
        "delete",
        "pod",
        &name,
        "-n",
        namespace.name(),
        "--wait=false",
    ])?;
    door.goes_on_in_another_pod().await.map(drop)
}

/// The status says so, and a larger limit helps.
#[test]
fn a_process_that_takes_more_memory_than_it_may_is_said_to() -> Result<()> {
    let cluster = Cluster::here()?;
    let _installation = share(&cluster)?;
    let namespace = Namespace::create(&cluster, "memory")?;
    let within = |limit: &str| {
        let resources = format!("{{requests: {{memory: 4Mi}}, limits: {{memory: {limit}}}}}");
        format!("{TEST_PICTURE}, pod: {{resources: {resources}}}")
    };
    let camera = Camera::apply(&cluster, namespace.name(), "door", &within("8Mi"))?;
    let message = camera.says("Starting", "OOMKilled", SOON)?;
    ensure!(
        message.contains("raise spec.pod.resources.limits.memory"),
        "{message}"
    );
    camera.change(&within("256Mi"))?;
    camera.is_ready_within(SOON).map(drop)
}
