//! A Camera on the cluster, with a hub of its own where the hub is what changes.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use streamhub_e2e::{Answer, Api};

use crate::samples::{Kind, calm};

/// A node that starts many pods at once takes its time for each.
const LIMIT: Duration = Duration::from_mins(2);

/// Longer than it takes a status to follow what a pod says: it is asked again after ten seconds, and the budget of writes
/// may hold what it says back for ten more.
const STAYS: Duration = Duration::from_secs(22);

/// One Camera, whose name is also that of its hub.
pub struct Subject<'a> {
    pub api: &'a Api,
    pub namespace: &'a str,
    pub name: String,
    pub kind: Kind,
}

/// A pod that carries what its Camera and hub ask for.
#[derive(Debug, Clone)]
pub struct Pod {
    pub uid: String,
    pub config_hash: String,
    /// What needs another pod where it changes.
    pub shape_hash: String,
    /// What the process said of itself; none where it was not waited for.
    pub report: Option<Value>,
}

impl Subject<'_> {
    /// Makes the object that changes, and the Camera where that is the hub.
    pub async fn create(&self, spec: &Value) -> Result<()> {
        let list = format!("{}/{}", self.folder(), self.kind.plural());
        self.api
            .create(&list, &self.object(self.kind, spec))
            .await?;
        if self.kind == Kind::StreamHub {
            let spec = json!({"source": calm(), "hubRef": {"name": self.name}});
            let list = format!("{}/cameras", self.folder());
            let camera = self.object(Kind::Camera, &spec);
            self.api.create(&list, &camera).await?;
        }
        Ok(())
    }

    /// Puts another specification in the place of the old one.
    pub async fn set(&self, spec: &Value) -> Result<Answer> {
        self.api.set_spec(&self.path(self.kind), spec).await
    }

    /// The specification as the API server has completed it.
    pub async fn stored(&self) -> Result<Value> {
        let object = self.api.get(&self.path(self.kind)).await?;
        let mut object = object.context("it is gone")?;
        Ok(object["spec"].take())
    }

    /// Deletes all, and waits until the pod is gone too.
    pub async fn remove(&self) -> Result<()> {
        self.api.delete(&self.path(Kind::Camera)).await?;
        if self.kind == Kind::StreamHub {
            self.api.delete(&self.path(Kind::StreamHub)).await?;
        }
        self.without_pod().await
    }

    /// Waits until the pod carries what is asked for, and its process has said that it runs this.
    pub async fn settled(&self) -> Result<Pod> {
        let pod = self.carried().await?;
        let what = format!("{} to report configuration {}", self.pod(), pod.config_hash);
        let report = self
            .wait(&what, async || {
                let report = self.report().await?;
                (report["config"]["hash"] == pod.config_hash.as_str()).then_some(report)
            })
            .await?;
        ensure!(
            report["config"]["refused"] == "",
            "{} refuses: {report}",
            self.pod()
        );
        Ok(Pod {
            report: Some(report),
            ..pod
        })
    }

    /// Waits until the pod carries what is asked for.
    pub async fn carried(&self) -> Result<Pod> {
        let what = format!("{} to carry what is asked for", self.pod());
        self.wait(&what, async || self.carries().await.ok().flatten())
            .await
    }

    async fn carries(&self) -> Result<Option<Pod>> {
        let camera = self.api.get(&self.path(Kind::Camera)).await?;
        let hub = match self.kind {
            Kind::Camera => None,
            Kind::StreamHub => self.api.get(&self.path(Kind::StreamHub)).await?,
        };
        let Some(pod) = self.api.get(&self.pod_path()).await? else {
            return Ok(None);
        };
        let meta = &pod["metadata"];
        let annotation = |name: &str| {
            let text = meta["annotations"][format!("streamhub.dev/{name}")].as_str();
            text.unwrap_or_default().to_owned()
        };
        // Of which generation of an object its document is.
        let is_of = |object: &Value, name: &str| {
            let document: Value = serde_json::from_str(&annotation(name)).unwrap_or_default();
            document["metadata"]["generation"] == object["metadata"]["generation"]
        };
        let asked_for = camera.is_some_and(|camera| is_of(&camera, "camera"))
            && hub.is_none_or(|hub| is_of(&hub, "hub"))
            && meta["deletionTimestamp"].is_null();
        Ok(asked_for.then(|| Pod {
            uid: meta["uid"].as_str().unwrap_or_default().to_owned(),
            config_hash: annotation("config-hash"),
            shape_hash: annotation("pod-hash"),
            report: None,
        }))
    }

    /// Waits until there is no pod.
    pub async fn without_pod(&self) -> Result<()> {
        let what = format!("{} to go", self.pod());
        let gone = async || {
            let found = self.api.get(&self.pod_path()).await.ok()?;
            found.is_none().then_some(())
        };
        self.wait(&what, gone).await
    }

    /// Waits until the operator has looked at the Camera as it is now, and gives this reason.
    pub async fn with_reason(&self, reason: &str) -> Result<()> {
        let what = format!("Camera {} to be {reason}", self.name);
        let is = async || {
            let camera = self.api.get(&self.path(Kind::Camera)).await.ok()??;
            let status = &camera["status"];
            let seen = status["observedGeneration"] == camera["metadata"]["generation"];
            (seen && status["reason"] == reason).then_some(())
        };
        self.wait(&what, is).await
    }

    /// The pod as it is stored, without what tells one from the next.
    pub async fn shape(&self) -> Result<Value> {
        let mut pod = self.api.get(&self.pod_path()).await?.context("no pod")?;
        let taken = [
            "/status",
            "/metadata/uid",
            "/metadata/resourceVersion",
            "/metadata/generation",
            "/metadata/creationTimestamp",
            "/metadata/managedFields",
            "/metadata/ownerReferences/0/uid",
            "/metadata/annotations/streamhub.dev~1incarnation",
            // Of the Camera's identity too, and else of what is compared here.
            "/metadata/annotations/streamhub.dev~1pod-hash",
            "/spec/nodeName",
        ];
        for pointer in taken {
            pod.pointer_mut(pointer).map(Value::take);
        }
        for name in ["camera", "hub"] {
            let pointer = format!("/metadata/annotations/streamhub.dev~1{name}");
            let place = pod.pointer_mut(&pointer).context("no document")?;
            let mut document: Value = serde_json::from_str(place.as_str().unwrap_or_default())?;
            for part in ["uid", "generation"] {
                document["metadata"][part].take();
            }
            *place = document;
        }
        if let Some(arguments) = pod["spec"]["containers"][0]["args"].as_array_mut() {
            arguments.retain(|argument| {
                !argument
                    .as_str()
                    .is_some_and(|text| text.starts_with("--incarnation="))
            });
        }
        Ok(pod)
    }

    /// What the statuses say once they say it of what is asked for now, and say the same for a while.
    pub async fn said(&self) -> Result<Value> {
        let mut before = Value::Null;
        self.wait("a status that stays", async || {
            let camera = self.status(Kind::Camera).await?;
            let hub = match self.kind {
                Kind::Camera => Value::Null,
                Kind::StreamHub => self.status(Kind::StreamHub).await?,
            };
            let now = json!([camera, hub]);
            if now == before {
                return Some(now);
            }
            before = now;
            tokio::time::sleep(STAYS).await;
            None
        })
        .await
    }

    /// Without times, counters and what is measured.
    async fn status(&self, kind: Kind) -> Option<Value> {
        let object = self.api.get(&self.path(kind)).await.ok()??;
        let (status, generation) = (&object["status"], &object["metadata"]["generation"]);
        let conditions = status["conditions"].as_array()?.iter();
        let current = conditions
            .clone()
            .all(|condition| condition["observedGeneration"] == *generation);
        let short = |condition: &Value| {
            let part = |field: &str| condition[field].clone();
            json!([part("type"), part("status"), part("reason")])
        };
        let conditions: Vec<Value> = conditions.map(short).collect();
        let part = |field: &str| status[field].clone();
        let said = json!([part("state"), part("reason"), part("message"), conditions]);
        (current && status["observedGeneration"] == *generation).then_some(said)
    }

    async fn report(&self) -> Option<Value> {
        let path = format!(
            "/api/v1/namespaces/{}/pods/{}:8080/proxy/status",
            self.namespace,
            self.pod()
        );
        self.api.get(&path).await.ok().flatten()
    }

    async fn wait<T>(&self, what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> Result<T> {
        let begin = tokio::time::Instant::now();
        loop {
            if let Some(answer) = probe().await {
                return Ok(answer);
            }
            if begin.elapsed() > LIMIT {
                let camera = self.api.get(&self.path(Kind::Camera)).await?;
                let status = camera.map(|mut camera| camera["status"].take());
                anyhow::bail!("timed out after {LIMIT:?} waiting for {what}; status: {status:?}");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn object(&self, kind: Kind, spec: &Value) -> Value {
        json!({
            "apiVersion": "streamhub.dev/v1alpha1",
            "kind": kind.name(),
            "metadata": {"name": self.name},
            "spec": spec,
        })
    }

    fn folder(&self) -> String {
        format!("/apis/streamhub.dev/v1alpha1/namespaces/{}", self.namespace)
    }

    fn path(&self, kind: Kind) -> String {
        format!("{}/{}/{}", self.folder(), kind.plural(), self.name)
    }

    fn pod(&self) -> String {
        format!("cam-{}", self.name)
    }

    fn pod_path(&self) -> String {
        format!("/api/v1/namespaces/{}/pods/{}", self.namespace, self.pod())
    }
}
