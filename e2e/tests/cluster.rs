//! What the other tests count on: the cluster that `e2e/cluster/run` makes is a real one, and its faults are faults.

use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, ensure};
use streamhub_e2e::{Cluster, Faults, Namespace};
use streamhub_testkit::eventually;

/// A server on one node, and on the other one a second that finds it by its Service's name.
const SERVERS: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: servers}
data:
  hub.conf: 'leafnodes {listen: "0.0.0.0:7422"}'
  leaf.conf: 'leafnodes {remotes: [{url: "nats://hub.NAMESPACE.svc.cluster.local:7422"}]}'
---
apiVersion: v1
kind: Service
metadata: {name: hub}
spec: {selector: {app: hub}, ports: [{port: 7422}]}
---
apiVersion: v1
kind: Pod
metadata: {name: hub, labels: {app: hub}}
spec:
  nodeName: n1
  SPEC
  containers: [{name: nats, CONTAINER, args: [-c, /etc/nats/hub.conf]}]
---
apiVersion: v1
kind: Pod
metadata: {name: leaf}
spec:
  nodeName: n2
  SPEC
  containers: [{name: nats, CONTAINER, args: [-c, /etc/nats/leaf.conf]}]
"#;
const SPEC: &str =
    "securityContext: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}
  volumes: [{name: config, configMap: {name: servers}}]";
const CONTAINER: &str = "image: docker.io/library/nats:2.15.1-alpine, command: [nats-server], \
    volumeMounts: [{name: config, mountPath: /etc/nats}], \
    securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}";

/// What one kills, another needs.
static TURN: Mutex<()> = Mutex::new(());
const SOON: Duration = Duration::from_mins(1);

fn run_servers(cluster: &Cluster, namespace: &Namespace) -> Result<()> {
    let documents = SERVERS
        .replace("NAMESPACE", namespace.name())
        .replace("SPEC", SPEC)
        .replace("CONTAINER", CONTAINER);
    cluster.apply(namespace.name(), &documents)?;
    let wait = [
        "wait",
        "-n",
        namespace.name(),
        "--for=condition=Ready",
        "pod/hub",
        "pod/leaf",
        "--timeout=60s",
    ];
    cluster.kubectl(&wait).map(drop)
}

#[test]
fn names_services_exec_and_logs_work_across_nodes_in_a_restricted_namespace() -> Result<()> {
    let _alone = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    if Faults::here().is_none() {
        return Ok(());
    }
    let cluster = Cluster::here()?;
    let namespace = Namespace::create(&cluster, "basics")?;
    run_servers(&cluster, &namespace)?;
    eventually(SOON, "the leaf to find its hub by name", || {
        let log = cluster
            .kubectl(&["logs", "-n", namespace.name(), "leaf"])
            .ok()?;
        log.contains("Leafnode connection created").then_some(())
    })?;
    let version = cluster.kubectl(&[
        "exec",
        "-n",
        namespace.name(),
        "hub",
        "--",
        "nats-server",
        "--version",
    ])?;
    ensure!(version.starts_with("nats-server: v"), "{version}");
    Ok(())
}

#[test]
fn nodes_die_are_cut_off_and_come_back() -> Result<()> {
    let _alone = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(faults) = Faults::here() else {
        return Ok(());
    };
    let cluster = Cluster::here()?;

    for harm in ["kill", "cut", "kubelet"] {
        let harm = match harm {
            "kill" => faults.kill("n2")?,
            "cut" => faults.cut("n2")?,
            _ => faults.kill("n2/kubelet")?,
        };
        cluster.node_is_within(SOON, "n2", false)?;
        harm.mend()?;
        cluster.node_is_within(SOON, "n2", true)?;
    }
    Ok(())
}

#[test]
fn the_control_plane_dies_and_remembers() -> Result<()> {
    let _alone = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(faults) = Faults::here() else {
        return Ok(());
    };
    let cluster = Cluster::here()?;
    let namespace = Namespace::create(&cluster, "memory")?;
    let answers = || {
        cluster
            .kubectl(&["get", "namespace", namespace.name(), "--request-timeout=2s"])
            .ok()
    };
    for part in ["etcd", "apiserver"] {
        let harm = faults.kill(part)?;
        sleep(Duration::from_secs(1));
        ensure!(answers().is_none(), "the API answers without {part}");
        harm.mend()?;
        eventually(SOON, "the API server to answer", answers)?;
    }
    let harm = faults.freeze("apiserver")?;
    ensure!(answers().is_none(), "a frozen API server answers");
    harm.mend()?;
    eventually(SOON, "the API server to go on", answers).map(drop)
}
