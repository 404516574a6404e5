//! What devices go through is started anew: kubelet, node agent, node.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, ensure};
use streamhub_e2e::{FailedPods, FakeCamera, Namespace, SYSTEM, until};

use crate::fake::Fake;
use crate::support::{Device, SOON, agents_are_ready, camera, listing, runs_on, show};

#[test]
fn devices_outlive_kubelet_agent_and_node() -> Result<()> {
    let Some(Fake {
        ref cluster,
        ref faults,
        ref n2,
        ..
    }) = Fake::begin()?
    else {
        return Ok(());
    };
    let namespace = Namespace::create(cluster, "restarts")?;
    n2.plug(0, &FakeCamera::new("1-1", "A1B2C3"))?;
    let desk = camera(cluster, namespace.name(), "desk", "serial: A1B2C3")?;
    let device = Device::only_one_of(cluster, "n2", "Busy")?;
    let pod = runs_on(cluster, &desk, "n2", "")?;
    let failed = FailedPods::watch(cluster, namespace.name())?;
    let registered = device.says("/registeredAt").to_owned();

    // A kubelet forgets its plugins: each has to come to it again.
    faults.kill("n2/kubelet")?.mend()?;
    until(SOON, || {
        let now = device.now(cluster)?;
        ensure!(now.says("/registeredAt") > registered.as_str(), "{now:#?}");
        Ok(())
    })?;
    device.is_offered(cluster, "n2", 1)?;
    ensure!(
        runs_on(cluster, &desk, "n2", "")? == pod,
        "the restart of the kubelet took the pod"
    );

    let agents = "app.kubernetes.io/component=node-agent";
    let on_n2 = "--field-selector=spec.nodeName=n2";
    cluster.kubectl(&["delete", "pod", "-n", SYSTEM, "-l", agents, on_n2])?;
    agents_are_ready(cluster)?;
    device.is_offered(cluster, "n2", 1)?;
    // What it would do to the pod, it would have done by then.
    sleep(Duration::from_secs(10));
    ensure!(
        runs_on(cluster, &desk, "n2", "")? == pod,
        "the restart of the node agent took the pod"
    );
    ensure!(device.now(cluster)?.says("/state") == "Busy");
    failed.are_at_most(0)?;

    let dead = faults.kill("n2")?;
    cluster.node_is_within(SOON, "n2", false)?;
    show(cluster, "the node is dead")?;
    dead.mend()?;
    cluster.node_is_within(SOON, "n2", true)?;
    device.is_offered(cluster, "n2", 1)?;
    until(SOON, || {
        let now = device.now(cluster)?;
        ensure!(
            now.says("/state") == "Busy" && now.says("/bootID") != device.says("/bootID"),
            "{now:#?}"
        );
        Ok(())
    })?;
    runs_on(cluster, &desk, "n2", "")?;
    listing(cluster, &desk)?;
    show(cluster, "the node is back")?;
    failed.are_at_most(1)
}
