//! What devices go through is started anew: kubelet, node agent, node.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use streamhub_e2e::{FailedPods, FakeCamera, Faults, SYSTEM, until};

use crate::fake::Fake;
use streamhub_e2e::devices::{
    Device, SOON, States, agents_are_ready, camera, listing, runs_on, show,
};

/// The process of the node agent, on a node.
const AGENT_PROCESS: &str = "$(pidof streamhub-node-agent)";

#[test]
fn devices_outlive_kubelet_agent_and_node() -> Result<()> {
    let Some(Fake {
        cluster,
        faults,
        n2,
        namespace,
        ..
    }) = &Fake::begin("restarts")?
    else {
        return Ok(());
    };
    n2.plug(0, &FakeCamera::new("1-1", "A1B2C3"))?;
    let desk = camera(cluster, namespace.name(), "desk", "serial: A1B2C3")?;
    let device = Device::only_one_of(cluster, "n2", "Busy")?;
    let pod = runs_on(cluster, &desk, "n2", "")?;
    let mut failed = FailedPods::watch(cluster, namespace.name())?;
    the_agent_may_do_nothing_but_own_files(faults)?;

    // A kubelet forgets its plugins: each has to come to it again. Its pods it gets to know one after another; what they have
    // is theirs all the time.
    let mut states = States::watch(cluster, &device)?;
    let device = device.now(cluster)?;
    faults.kill("n2/kubelet")?.mend()?;
    let device = device.is_registered_again(cluster)?;
    ensure!(
        runs_on(cluster, &desk, "n2", "")? == pod,
        "the restart of the kubelet took the pod"
    );

    faults.exec("n2", &format!("kill -KILL {AGENT_PROCESS}"))?;
    let device = device.is_registered_again(cluster)?;
    agents_are_ready(cluster)?;

    let agents = "app.kubernetes.io/component=node-agent";
    let on_n2 = "--field-selector=spec.nodeName=n2";
    cluster.kubectl(&["delete", "pod", "-n", SYSTEM, "-l", agents, on_n2])?;
    agents_are_ready(cluster)?;
    device.is_offered(cluster, "n2", 1)?;
    // What its two ends would do to the pod, they would have done by then.
    sleep(Duration::from_secs(10));
    ensure!(
        runs_on(cluster, &desk, "n2", "")? == pod,
        "the end of the node agent took the pod"
    );
    ensure!(device.now(cluster)?.says("/state") == "Busy");
    states.were_all("Busy")?;
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

/// A privileged container has every capability; what its program has kept of them is nothing.
fn the_agent_may_do_nothing_but_own_files(faults: &Faults) -> Result<()> {
    let script = format!("grep -hE '^(Uid|Cap|NoNewPrivs)' /proc/{AGENT_PROCESS}/task/*/status");
    let threads = faults.exec("n2", &script)?;
    ensure!(threads.contains("CapEff"), "no threads: {threads}");
    for line in threads.lines() {
        let (what, value) = line.split_once(':').context("no line of a status")?;
        let value = value.trim();
        let expected = match what {
            "Uid" => "0\t0\t0\t0",
            "NoNewPrivs" => "1",
            _ => "0000000000000000",
        };
        ensure!(value == expected, "{what} is {value}: {threads}");
    }
    println!("{}", threads.lines().take(7).collect::<Vec<_>>().join("\n"));
    Ok(())
}
