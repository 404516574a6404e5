//! Nodes that are objects and nothing else, by kwok: pods on them are said to run, and answer nobody.

use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use streamhub_testkit::{Proc, cache_dir, repository};

use crate::Cluster;
use crate::cluster::finish;

/// As many as one node takes in these tests.
const PODS: usize = 500;
/// Addresses of the pods. What is sent there is lost without a word, as on the way to a machine that is off.
const ADDRESSES: &str = "10.200.0.0/16";
const LABEL: &str = "streamhub.dev/e2e=fake";

/// Nodes for so many pods as a test has; gone when dropped.
#[derive(Debug)]
pub struct FakeNodes {
    cluster: Cluster,
    _kwok: Proc,
}

impl FakeNodes {
    /// `spec.pod` of a Camera that is to be on them.
    pub const PLACE: &str = "{nodeSelector: {streamhub.dev/e2e: fake}, \
                             tolerations: [{key: streamhub.dev/e2e, operator: Exists}]}";

    /// Makes as many as so many pods take. Only in a cluster of `e2e/cluster/run`.
    pub fn start(cluster: &Cluster, pods: usize) -> Result<Self> {
        let kwok = cache_dir()?.join("cluster/bin/kwok");
        ensure!(
            kwok.is_file(),
            "{} is missing: run e2e/cluster/setup kwok",
            kwok.display()
        );
        let route = ["route", "replace", "blackhole", ADDRESSES];
        finish(Command::new("ip").args(route), "")?;
        let mut command = Command::new(kwok);
        command
            .arg(format!("--kubeconfig={}", cluster.kubeconfig().display()))
            .arg(format!(
                "--config={}",
                repository().join("e2e/cluster/kwok.yaml").display()
            ))
            .arg(format!("--manage-nodes-with-label-selector={LABEL}"))
            .arg("--manage-all-nodes=false")
            .arg(format!("--cidr={ADDRESSES}"))
            // Its Leases conflict with themselves after a while, and all nodes are lost: heartbeats instead.
            .arg("--node-lease-duration-seconds=0");
        let nodes = Self {
            cluster: cluster.clone(),
            _kwok: Proc::spawn("kwok", &mut command)?,
        };
        let (key, value) = LABEL.split_once('=').unwrap_or((LABEL, ""));
        let mut documents = String::new();
        for number in 1..=pods.div_ceil(PODS) {
            // The chart's node agent is on every node.
            let room = format!("{{cpu: 1000, memory: 4Ti, pods: {}}}", PODS + 1);
            writeln!(
                documents,
                "---\n{{apiVersion: v1, kind: Node, metadata: {{name: fake-{number}, \
                 labels: {{{key}: {value}, kubernetes.io/os: linux}}}}, \
                 spec: {{taints: [{{key: {key}, value: {value}, effect: NoSchedule}}]}}, \
                 status: {{allocatable: {room}, capacity: {room}}}}}"
            )?;
        }
        cluster.apply("default", &documents)?;
        let limit = format!("--timeout={}s", Duration::from_mins(1).as_secs());
        cluster.kubectl(&["wait", "--for=condition=Ready", "node", "-l", LABEL, &limit])?;
        Ok(nodes)
    }
}

impl Drop for FakeNodes {
    fn drop(&mut self) {
        // Errors are of no interest: the cluster ends after the tests.
        let _ = self
            .cluster
            .kubectl(&["delete", "node", "-l", LABEL, "--timeout=60s"]);
        let _ = finish(
            Command::new("ip").args(["route", "delete", "blackhole", ADDRESSES]),
            "",
        );
    }
}
