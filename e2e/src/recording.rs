//! What one camera publishes, written down.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use async_nats::{ConnectOptions, Message};
use futures::StreamExt as _;
use serde_json::Value;
use streamhub_testkit::eventually_async;
use streamhub_wire::metadata::METADATA_HEADER;
use streamhub_wire::status::{CameraState, CameraStatus};
use tokio::task::JoinHandle;

use crate::{Camera, Cluster, Faults, Forward, SYSTEM};

/// All frames and statuses of a camera of the hub `default` from now on, in the order in which the server passed them on.
#[derive(Debug)]
pub struct Recording {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
    _forward: Option<Forward>,
}

#[derive(Debug, Default)]
struct Seen {
    frames: Vec<Numbered>,
    /// The last one of each incarnation.
    statuses: BTreeMap<u64, CameraStatus>,
}

#[derive(Debug, Clone, Copy)]
struct Numbered {
    id: u64,
    epoch: u64,
}

impl Recording {
    /// Begins. In our own cluster the server's pod is reached without the API server, which may be away.
    pub async fn begin(cluster: &Cluster, camera: &Camera) -> Result<Self> {
        let (address, forward) = if Faults::are_possible() {
            (format!("{}:4222", nats_address(cluster)?), None)
        } else {
            let forward = cluster.forward(SYSTEM, "service/streamhub-nats", 4222)?;
            (format!("127.0.0.1:{}", forward.port()), Some(forward))
        };
        let client = ConnectOptions::new()
            .ping_interval(Duration::from_secs(2))
            .connect(address)
            .await?;
        let subject = |kind: &str| {
            let (namespace, name) = (camera.namespace(), camera.name());
            format!("streamhub.{namespace}.default.{kind}.{name}")
        };
        let frames = client.subscribe(subject("frames") + ".main").await?;
        let statuses = client.subscribe(subject("status")).await?;
        client.flush().await?;
        let seen = Arc::new(Mutex::new(Seen::default()));
        let task = tokio::spawn({
            let seen = Arc::clone(&seen);
            async move {
                let mut both = futures::stream::select(frames, statuses);
                while let Some(message) = both.next().await {
                    lock(&seen).note(&message);
                }
                // As long as it is read, the client must live.
                drop(client);
            }
        });
        Ok(Self {
            seen,
            task,
            _forward: forward,
        })
    }

    /// Waits for so many frames more than there are now.
    pub async fn frames_within(&self, number: usize, limit: Duration) -> Result<()> {
        let enough = lock(&self.seen).frames.len() + number;
        eventually_async(limit, &format!("{number} more frames"), async || {
            (lock(&self.seen).frames.len() >= enough).then_some(())
        })
        .await
    }

    /// Waits until the instance of this incarnation has said that another one has taken over.
    pub async fn is_fenced_within(&self, incarnation: u64, limit: Duration) -> Result<()> {
        let what = format!("incarnation {incarnation} to say that it is fenced");
        let fenced = eventually_async(limit, &what, async || {
            let seen = lock(&self.seen);
            let status = seen.statuses.get(&incarnation)?;
            (status.state == CameraState::Fenced).then_some(())
        });
        fenced
            .await
            .with_context(|| format!("{:#?}", lock(&self.seen).statuses.get(&incarnation)))
    }

    /// No number came twice or after a higher one, and no numbering after one that began later: never did two publish
    /// at a time.
    pub fn has_one_publisher_at_a_time(&self) -> Result<()> {
        let seen = lock(&self.seen);
        for pair in seen.frames.windows(2) {
            let [before, after] = pair else { continue };
            ensure!(
                after.id > before.id && after.epoch >= before.epoch,
                "{after:?} came after {before:?}"
            );
        }
        Ok(())
    }

    /// How many frames there are.
    pub fn frames(&self) -> usize {
        lock(&self.seen).frames.len()
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Seen {
    fn note(&mut self, message: &Message) {
        let Some(metadata) = message
            .headers
            .as_ref()
            .and_then(|headers| headers.get(METADATA_HEADER))
        else {
            if let Ok(status) = CameraStatus::parse(&message.payload) {
                self.statuses.insert(status.incarnation, status);
            }
            return;
        };
        let metadata: Value = serde_json::from_str(metadata.as_str()).unwrap_or_default();
        let number = |field: &str| metadata.get(field).and_then(Value::as_u64);
        // One without numbers counts as 0, which is out of order.
        self.frames.push(Numbered {
            id: number("frame_id").unwrap_or_default(),
            epoch: number("epoch").unwrap_or_default(),
        });
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

fn nats_address(cluster: &Cluster) -> Result<String> {
    let pods = cluster.get(&[
        "pods",
        "-n",
        SYSTEM,
        "-l",
        "app.kubernetes.io/component=nats",
        "--field-selector=status.phase=Running",
    ])?;
    let address = pods.pointer("/items/0/status/podIP");
    let address = address.and_then(Value::as_str);
    Ok(address
        .context("no pod of the NATS server runs")?
        .to_owned())
}
