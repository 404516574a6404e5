//! What tests of capture devices begin with, ask and show.

use std::time::Duration;

use crate::watched::Watched;
use crate::{Camera, Cluster, Installation, SYSTEM, WITH_DEVICES, until};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// Much longer than anything here takes on two idle cores.
pub const SOON: Duration = Duration::from_mins(2);
/// The `DaemonSet` of the node agent.
pub const AGENT: &str = "daemonset/streamhub-node-agent";

/// The chart, for a test that nothing else should run beside. Operator and NATS are on n1, so that other nodes may die.
pub fn install(cluster: &Cluster) -> Result<Installation> {
    let values = [
        WITH_DEVICES,
        "operator.nodeLostAfter=10s",
        r"operator.nodeSelector.kubernetes\.io/hostname=n1",
        r"nats.nodeSelector.kubernetes\.io/hostname=n1",
    ];
    Installation::install(cluster, &values)
}

/// Waits until the node agent runs on every node as it is meant to.
pub fn agents_are_ready(cluster: &Cluster) -> Result<()> {
    cluster
        .kubectl(&["rollout", "status", "-n", SYSTEM, AGENT, "--timeout=180s"])
        .map(drop)
}

/// Deletes what the test before this one has left.
pub fn forget_devices(cluster: &Cluster) -> Result<()> {
    let all = ["delete", "videodevices", "--all", "--timeout=60s"];
    cluster.kubectl(&all).map(drop)
}

/// A `VideoDevice`.
#[derive(Debug, Clone)]
pub struct Device {
    /// The object's name.
    pub name: String,
    object: Value,
}

impl Device {
    /// All of a node, by path in `/dev`.
    pub fn all_of(cluster: &Cluster, node: &str) -> Result<Vec<Self>> {
        let list = cluster.get(&["videodevices"])?;
        let items = list.pointer("/items").and_then(Value::as_array);
        let mut all: Vec<Self> = items
            .context("no list")?
            .iter()
            .map(|object| Self {
                name: text(object, "/metadata/name").to_owned(),
                object: object.clone(),
            })
            .filter(|device| device.says("/node") == node)
            .collect();
        all.sort_by_key(|device| device.path().to_owned());
        Ok(all)
    }

    /// Waits until the one that a node has is in this state.
    pub fn only_one_of(cluster: &Cluster, node: &str, state: &str) -> Result<Self> {
        until(SOON, || {
            let all = Self::all_of(cluster, node)?;
            let [device] = all.as_slice() else {
                anyhow::bail!("{node} has {} devices: {all:#?}", all.len());
            };
            ensure!(device.says("/state") == state, "not {state}: {device:#?}");
            Ok(device.clone())
        })
        .with_context(|| {
            format!(
                "of the agent of {node}: {}",
                what_its_agent_says(cluster, node)
            )
        })
    }

    /// The same as it is now.
    pub fn now(&self, cluster: &Cluster) -> Result<Self> {
        Ok(Self {
            name: self.name.clone(),
            object: cluster.get(&["videodevice", &self.name])?,
        })
    }

    /// A part of its status.
    pub fn says(&self, pointer: &str) -> &str {
        let status = self.object.pointer("/status").unwrap_or(&Value::Null);
        text(status, pointer)
    }

    /// Its extended resource.
    pub fn resource(&self) -> &str {
        self.says("/resource")
    }

    /// Where it is in `/dev` of its node.
    pub fn path(&self) -> &str {
        self.says("/devicePath")
    }

    /// Waits until the kubelet has taken it once more, and offers it; the device as it is then.
    pub fn is_registered_again(&self, cluster: &Cluster) -> Result<Self> {
        let now = until(SOON, || {
            let now = self.now(cluster)?;
            ensure!(
                now.says("/registeredAt") > self.says("/registeredAt"),
                "{now:#?}"
            );
            Ok(now)
        })?;
        now.is_offered(cluster, now.says("/node"), 1)?;
        Ok(now)
    }

    /// Waits until the kubelet of a node offers so many of it.
    pub fn is_offered(&self, cluster: &Cluster, node: &str, number: u32) -> Result<()> {
        let resource = self.resource();
        until(SOON, || {
            let found = allocatable(cluster, node, resource)?;
            ensure!(
                found.as_deref() == Some(number.to_string().as_str()),
                "{node} offers {found:?} of {resource}, not {number}"
            );
            Ok(())
        })
    }
}

/// The states that a `VideoDevice` goes through from now on.
#[derive(Debug)]
pub struct States {
    device: Watched,
}

impl States {
    /// Begins to watch.
    pub fn watch(cluster: &Cluster, device: &Device) -> Result<Self> {
        let object = ["videodevice", &device.name];
        let device = Watched::begin(cluster, &object, &[".status.state"])?;
        Ok(Self { device })
    }

    /// An error if it ever was in another state than this.
    pub fn were_all(&mut self, state: &str) -> Result<()> {
        let all = self.device.so_far()?;
        println!("{} times the VideoDevice was written: {all:?}", all.len());
        ensure!(all.iter().all(|one| one == state), "not always {state}");
        Ok(())
    }
}

/// How the node agent of a node is, and what it has logged; or why that is not known.
fn what_its_agent_says(cluster: &Cluster, node: &str) -> String {
    let there = format!("--field-selector=spec.nodeName={node}");
    let agent = "--selector=app.kubernetes.io/component=node-agent";
    let all = ["get", "pods", "-n", SYSTEM, agent, &there, "-o=name"];
    let pods = match cluster.kubectl(&all) {
        Ok(pods) => pods,
        Err(error) => return format!("{error:#}"),
    };
    let ask = |arguments: &[&str]| match cluster.kubectl(arguments) {
        Ok(said) => said,
        Err(error) => format!("{error:#}\n"),
    };
    pods.lines()
        .map(|pod| {
            ask(&["describe", "-n", SYSTEM, pod]) + &ask(&["logs", "-n", SYSTEM, pod, "--tail=50"])
        })
        .collect()
}

/// How much of a resource a node offers, if it knows it.
pub fn allocatable(cluster: &Cluster, node: &str, resource: &str) -> Result<Option<String>> {
    let node = cluster.get(&["node", node])?;
    let all = node.pointer("/status/allocatable");
    let found = all.and_then(|all| all.get(resource));
    Ok(found.and_then(Value::as_str).map(str::to_owned))
}

/// Waits until the camera's container runs on a node with another pod than this one ("" for any), and its status says so;
/// the pod's uid.
pub fn runs_on(cluster: &Cluster, camera: &Camera, node: &str, old: &str) -> Result<String> {
    until(SOON, || {
        let pod = cluster.get(&["pod", &camera.pod_name(), "-n", camera.namespace()])?;
        let running = pod.pointer("/status/containerStatuses/0/state/running");
        let uid = text(&pod, "/metadata/uid");
        ensure!(
            running.is_some() && text(&pod, "/spec/nodeName") == node && uid != old,
            "{camera} has no new container on {node}: {:#}",
            pod.pointer("/status").unwrap_or(&Value::Null)
        );
        let shown = cluster.get(&["camera", camera.name(), "-n", camera.namespace()])?;
        ensure!(
            text(&shown, "/status/node") == node,
            "{camera} does not say that it is on {node}: {:#}",
            shown.pointer("/status").unwrap_or(&Value::Null)
        );
        Ok(uid.to_owned())
    })
}

/// Waits until the camera has no pod.
pub fn has_no_pod(cluster: &Cluster, camera: &Camera, limit: Duration) -> Result<()> {
    until(limit, || {
        let pods = cluster.kubectl(&["get", "pods", "-n", camera.namespace(), "-o=name"])?;
        ensure!(pods.trim().is_empty(), "{camera} still has {pods}");
        Ok(())
    })
}

/// What the camera's container has in /dev/streamhub; printed too.
pub fn listing(cluster: &Cluster, camera: &Camera) -> Result<String> {
    let (pod, namespace) = (camera.pod_name(), camera.namespace());
    let arguments = [
        "exec",
        "-n",
        namespace,
        &pod,
        "--",
        "ls",
        "-ln",
        "/dev/streamhub",
    ];
    let listing = cluster.kubectl(&arguments)?;
    println!("$ kubectl exec {pod} -- ls -ln /dev/streamhub\n{listing}");
    Ok(listing)
}

/// Prints what a person would see.
pub fn show(cluster: &Cluster, when: &str) -> Result<()> {
    let table = cluster.kubectl(&["get", "videodevices,cameras", "--all-namespaces"])?;
    println!("==== {when}\n$ kubectl get vdev,cam -A\n{table}");
    Ok(())
}

/// A Camera whose source is the device that a selector means.
pub fn camera(cluster: &Cluster, namespace: &str, name: &str, selector: &str) -> Result<Camera> {
    let spec =
        format!("source: {{v4l2: {{deviceSelector: {{{selector}}}}}}}, frames: [{{name: main}}]");
    Camera::apply(cluster, namespace, name, &spec)
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    let found = object.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_default()
}
