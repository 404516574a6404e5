//! A Camera in the cluster, and its pod.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{Cluster, until};

/// A Camera by its name.
#[derive(Debug, Clone)]
pub struct Camera {
    cluster: Cluster,
    namespace: String,
    name: String,
}

/// What tells one pod of a camera from the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CameraPod {
    /// Its identity.
    pub uid: String,
    /// The node that it is on; empty while it is on none.
    pub node: String,
    /// The number of this start of the camera.
    pub incarnation: u64,
    /// How often its container was started again.
    pub restarts: u64,
}

impl Camera {
    /// Applies a Camera with this `spec`, the inside of braces in YAML.
    pub fn apply(cluster: &Cluster, namespace: &str, name: &str, spec: &str) -> Result<Self> {
        let camera = Self::of(cluster, namespace, name);
        camera.change(spec)?;
        Ok(camera)
    }

    /// One that is there already.
    pub fn of(cluster: &Cluster, namespace: &str, name: &str) -> Self {
        Self {
            cluster: cluster.clone(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// Applies another `spec`.
    pub fn change(&self, spec: &str) -> Result<()> {
        let document = format!(
            "{{apiVersion: streamhub.dev/v1alpha1, kind: Camera, metadata: {{name: {}}}, spec: {{{spec}}}}}",
            self.name
        );
        self.cluster.apply(&self.namespace, &document).map(drop)
    }

    /// Waits until its frames are published, by a pod that has all that the Camera says now.
    pub fn is_ready_within(&self, limit: Duration) -> Result<CameraPod> {
        until(limit, || {
            let object = self.object()?;
            let ready = condition(&object, "Ready");
            ensure!(
                text(&ready, "/status") == "True"
                    && ready.get("observedGeneration") == object.pointer("/metadata/generation"),
                "{self} is not ready: {:#}",
                status(&object)
            );
            self.pod()
        })
    }

    /// Waits until its status has this state and this reason ("" for none); returns the message.
    pub fn says(&self, state: &str, reason: &str, limit: Duration) -> Result<String> {
        until(limit, || {
            let object = self.object()?;
            let status = status(&object);
            ensure!(
                text(&status, "/state") == state && text(&status, "/reason") == reason,
                "{self} does not say {state} {reason}: {status:#}"
            );
            // What a column shows, `kubectl wait` and tools that read conditions must find too.
            let word = if reason.is_empty() { state } else { reason };
            let ready = condition(&object, "Ready");
            ensure!(
                text(&ready, "/reason") == word
                    && text(&ready, "/message") == text(&status, "/message"),
                "its condition Ready says something else: {status:#}"
            );
            Ok(text(&status, "/message").to_owned())
        })
    }

    /// Whether its status says that only a person can help.
    pub fn is_stalled(&self) -> Result<bool> {
        let stalled = condition(&self.object()?, "Stalled");
        Ok(text(&stalled, "/status") == "True")
    }

    /// Its pod as it is now; an error where there is none.
    pub fn pod(&self) -> Result<CameraPod> {
        let pod = self
            .cluster
            .get(&["pod", &self.pod_name(), "-n", &self.namespace])?;
        let incarnation = text(&pod, "/metadata/annotations/streamhub.dev~1incarnation");
        Ok(CameraPod {
            uid: text(&pod, "/metadata/uid").to_owned(),
            node: text(&pod, "/spec/nodeName").to_owned(),
            incarnation: incarnation
                .parse()
                .with_context(|| format!("{} has no incarnation", self.pod_name()))?,
            restarts: pod
                .pointer("/status/containerStatuses/0/restartCount")
                .and_then(Value::as_u64)
                .unwrap_or(0),
        })
    }

    /// Waits until another pod than this one publishes its frames.
    pub fn is_ready_in_another_pod_within(
        &self,
        limit: Duration,
        old: &CameraPod,
    ) -> Result<CameraPod> {
        until(limit, || {
            let pod = self.pod()?;
            ensure!(pod.uid != old.uid, "{self} still has the same pod");
            Ok(())
        })?;
        let pod = self.is_ready_within(limit)?;
        ensure!(
            pod.incarnation > old.incarnation,
            "incarnation {} follows {}",
            pod.incarnation,
            old.incarnation
        );
        Ok(pod)
    }

    /// Waits until there is an event of this reason about it; returns its note.
    pub fn has_event_within(&self, limit: Duration, reason: &str) -> Result<String> {
        let selector = format!(
            "--field-selector=reason={reason},involvedObject.kind=Camera,involvedObject.name={}",
            self.name
        );
        let path = "-o=jsonpath={.items[*].message}";
        until(limit, || {
            let arguments = ["get", "events", "-n", &self.namespace, &selector, path];
            let note = self.cluster.kubectl(&arguments)?;
            ensure!(!note.is_empty(), "{self} has no event {reason}");
            Ok(note)
        })
    }

    /// The name that its pod has.
    pub fn pod_name(&self) -> String {
        format!("cam-{}", self.name)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    fn object(&self) -> Result<Value> {
        self.cluster
            .get(&["camera", &self.name, "-n", &self.namespace])
    }
}

impl std::fmt::Display for Camera {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A condition of a Camera; null where it has none of that kind.
fn condition(camera: &Value, kind: &str) -> Value {
    let all = camera.pointer("/status/conditions");
    let mut all = all.and_then(Value::as_array).into_iter().flatten();
    all.find(|condition| text(condition, "/type") == kind)
        .cloned()
        .unwrap_or_default()
}

fn status(camera: &Value) -> Value {
    camera.get("status").cloned().unwrap_or_default()
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    let found = object.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_default()
}
