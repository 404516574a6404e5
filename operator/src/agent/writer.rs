//! Writes the objects of a node's devices, and reads them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, ResourceExt as _};
use serde_json::json;
use streamhub_crds::{GROUP, VERSION, VideoDevice};
use tokio::sync::watch;

use super::ledger::{Known, Step, steps};
use super::metrics::Metrics;
use super::owner::Owner;
use super::report::{Picture, Place};
use crate::backoff::Backoff;
use crate::client::WATCH;
use crate::error::{Error, chain, code};

/// Label: the node whose agent wrote an object.
pub const NODE_LABEL: &str = "streamhub.dev/node";
/// The name under which it writes.
const MANAGER: &str = "streamhub-node-agent";
/// What changes together is written together.
const TOGETHER: Duration = Duration::from_millis(50);
/// Between looks for what may be forgotten.
const OLD: Duration = Duration::from_hours(1);
const AGAIN: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));

/// Objects by their names; `None` until they were listed.
pub type Objects = Option<BTreeMap<String, Known>>;

/// Writes and reads.
pub struct Writer {
    api: Api<VideoDevice>,
    /// Value of [`NODE_LABEL`].
    label: String,
    owner: Owner,
    /// The uid of the Node, once it is known.
    node: Option<String>,
    /// What the objects should say; `None` until the devices are known.
    picture: watch::Receiver<Option<Picture>>,
    objects: watch::Sender<Objects>,
    metrics: Arc<Metrics>,
}

impl Writer {
    /// Of the objects of this node.
    pub fn new(
        client: Client,
        place: &Place,
        picture: watch::Receiver<Option<Picture>>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            owner: Owner::new(client.clone(), place.node.clone()),
            api: Api::all(client),
            label: place.label(),
            node: None,
            picture,
            objects: watch::Sender::new(None),
            metrics,
        }
    }

    /// The objects as they are known.
    pub fn objects(&self) -> watch::Receiver<Objects> {
        self.objects.subscribe()
    }

    /// Writes for ever; `watches` is a client for requests that last.
    pub async fn run(mut self, watches: Client) {
        let config = watcher::Config::default()
            .labels(&format!("{NODE_LABEL}={}", self.label))
            .timeout(WATCH.as_secs() as u32);
        let events = watcher(Api::all(watches), config).default_backoff();
        let follow = follow(events, self.objects.clone(), Arc::clone(&self.metrics));
        tokio::select! {
            () = follow => {}
            () = self.write() => {}
        }
    }

    async fn write(&mut self) {
        let mut objects = self.objects.subscribe();
        let mut failures = 0;
        loop {
            if !self.bring_up_to_date().await {
                failures += 1;
                // What is refused now keeps nothing new from being said.
                let _ =
                    tokio::time::timeout(AGAIN.jittered(failures), self.picture.changed()).await;
                tokio::time::sleep(TOGETHER).await;
                continue;
            }
            failures = 0;
            tokio::select! {
                changed = objects.changed() => if changed.is_err() { return },
                changed = self.picture.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(OLD) => {}
            }
            tokio::time::sleep(TOGETHER).await;
            objects.mark_unchanged();
        }
    }

    /// Whether all was written that has to be.
    async fn bring_up_to_date(&mut self) -> bool {
        let mut steps = self.missing();
        let made: BTreeSet<String> = steps.iter().filter_map(Step::makes).collect();
        // Where an object is missing, its Node may be gone, or be another one of the name.
        if made.is_empty() && (self.node.is_some() || !self.has_objects()) {
            return self.take_all(&steps).await;
        }
        match self.owner.uid().await {
            Ok(node) => {
                if node.is_none() {
                    tracing::debug!(
                        "without a right to get nodes, VideoDevices outlive their Node"
                    );
                }
                self.node = node;
                let steps = self.missing();
                self.take_all(&steps).await
            }
            Err(error) => {
                self.metrics.failed("node");
                let error = chain(&error);
                tracing::warn!(error, "no VideoDevice can be made; tried again");
                // What is said of the others is still kept up to date.
                steps.retain(|step| !made.contains(step.object()));
                self.take_all(&steps).await;
                false
            }
        }
    }

    fn has_objects(&self) -> bool {
        let objects = self.objects.borrow();
        objects.as_ref().is_some_and(|objects| !objects.is_empty())
    }

    /// Whether all was written. One object that is refused does not keep the others from being written.
    async fn take_all(&self, steps: &[Step]) -> bool {
        let mut failed = BTreeSet::new();
        for step in steps {
            // A status has nowhere to go while its object is refused.
            if failed.contains(step.object()) {
                continue;
            }
            let Err(error) = self.take(step).await else {
                continue;
            };
            self.metrics.failed("write");
            let device = step.object();
            let unanswered = code(&error.source).is_none();
            let error = chain(&error);
            tracing::warn!(device, error, "a VideoDevice is not written; tried again");
            failed.insert(device);
            if unanswered {
                break;
            }
        }
        failed.is_empty()
    }

    /// What has to be written now.
    fn missing(&mut self) -> Vec<Step> {
        let node = self.node.as_deref();
        let picture = self.picture.borrow_and_update();
        let objects = self.objects.borrow();
        match (picture.as_ref(), objects.as_ref()) {
            (Some(picture), Some(objects)) => steps(picture, objects, node, Timestamp::now()),
            _ => Vec::new(),
        }
    }

    async fn take(&self, step: &Step) -> Result<(), Error> {
        let api = format!("{GROUP}/{VERSION}");
        let params = PatchParams::apply(MANAGER).force();
        match step {
            Step::Create(name) | Step::Own(name) => {
                let mut metadata = json!({"name": name, "labels": {NODE_LABEL: self.label}});
                if let (Some(uid), Some(metadata)) = (&self.node, metadata.as_object_mut()) {
                    metadata.insert("ownerReferences".to_owned(), self.owner.reference(uid));
                }
                let object =
                    json!({"apiVersion": api, "kind": "VideoDevice", "metadata": metadata});
                let made = self.api.patch(name, &params, &Patch::Apply(object)).await;
                self.keep(made.map_err(Error::at("make a VideoDevice"))?);
                let is_new = matches!(step, Step::Create(_));
                self.metrics.wrote(if is_new { "created" } else { "owner" });
            }
            Step::Status(name, status) => {
                let object = json!({
                    "apiVersion": api, "kind": "VideoDevice",
                    "metadata": {"name": name}, "status": status,
                });
                let patch = Patch::Apply(object);
                let written = self.api.patch_status(name, &params, &patch).await;
                match written.map_err(Error::at("write the status of a VideoDevice")) {
                    Ok(object) => self.keep(object),
                    Err(error) => {
                        // Somebody deleted it a moment ago: it is made anew.
                        if error.is_stale() {
                            self.lose(name);
                        }
                        return Err(error);
                    }
                }
                let state = status.state;
                tracing::info!(device = name, ?state, path = status.device_path, "written");
                self.metrics.wrote("status");
            }
            Step::Delete { name, uid, version } => {
                let params = DeleteParams::default().preconditions(Preconditions {
                    uid: Some(uid.clone()),
                    resource_version: Some(version.clone()),
                });
                match self.api.delete(name, &params).await {
                    Ok(_) => {
                        tracing::info!(device = name, "forgotten");
                        self.metrics.wrote("deleted");
                    }
                    // An administrator has just written its spec, or deleted it.
                    Err(error) if matches!(code(&error), Some(404 | 409)) => {}
                    Err(error) => return Err(Error::at("delete a VideoDevice")(error)),
                }
                self.lose(name);
            }
        }
        Ok(())
    }

    /// What a write brought is known before the watch tells of it.
    fn keep(&self, object: VideoDevice) {
        let name = object.name_any();
        self.objects.send_if_modified(|objects| {
            if let Some(objects) = objects {
                objects.insert(name, object.into());
            }
            false
        });
    }

    fn lose(&self, name: &str) {
        self.objects.send_if_modified(|objects| {
            if let Some(objects) = objects {
                objects.remove(name);
            }
            false
        });
    }
}

/// Takes what a watch brings.
async fn follow(
    events: impl Stream<Item = watcher::Result<Event<VideoDevice>>>,
    objects: watch::Sender<Objects>,
    metrics: Arc<Metrics>,
) {
    let mut events = std::pin::pin!(events);
    let mut listed = BTreeMap::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(object)) => {
                listed.insert(object.name_any(), Known::from(object));
            }
            Ok(Event::InitDone) => {
                let all = std::mem::take(&mut listed);
                objects.send_if_modified(|known| change(known, Some(all)));
            }
            Ok(Event::Apply(object)) => {
                let name = object.name_any();
                objects.send_if_modified(|known| {
                    let Some(known) = known else { return false };
                    let new = Known::from(object);
                    known.insert(name, new.clone()) != Some(new)
                });
            }
            Ok(Event::Delete(object)) => {
                let name = object.name_any();
                objects.send_if_modified(|known| {
                    known
                        .as_mut()
                        .is_some_and(|known| known.remove(&name).is_some())
                });
            }
            Err(error) => {
                metrics.failed("watch");
                let error = chain(&error);
                tracing::warn!(error, "watch of VideoDevices failed; it begins again");
            }
        }
    }
}

fn change<T: PartialEq>(known: &mut T, new: T) -> bool {
    let other = *known != new;
    *known = new;
    other
}

#[cfg(test)]
mod tests;
