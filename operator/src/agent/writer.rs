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
use super::report::Picture;
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
    /// What the objects should say; `None` until the devices are known.
    picture: watch::Receiver<Option<Picture>>,
    objects: watch::Sender<Objects>,
    metrics: Arc<Metrics>,
}

impl Writer {
    /// Of the objects with this label.
    pub fn new(
        client: Client,
        label: String,
        picture: watch::Receiver<Option<Picture>>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            api: Api::all(client),
            label,
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
            let steps = self.missing();
            if !self.take_all(&steps).await {
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
        let picture = self.picture.borrow_and_update();
        let objects = self.objects.borrow();
        match (picture.as_ref(), objects.as_ref()) {
            (Some(picture), Some(objects)) => steps(picture, objects, Timestamp::now()),
            _ => Vec::new(),
        }
    }

    async fn take(&self, step: &Step) -> Result<(), Error> {
        let api = format!("{GROUP}/{VERSION}");
        let params = PatchParams::apply(MANAGER).force();
        match step {
            Step::Create(name) => {
                let object = json!({
                    "apiVersion": api, "kind": "VideoDevice",
                    "metadata": {"name": name, "labels": {NODE_LABEL: self.label}},
                });
                let made = self.api.patch(name, &params, &Patch::Apply(object)).await;
                self.keep(made.map_err(Error::at("make a VideoDevice"))?);
                self.metrics.wrote("created");
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
mod tests {
    use serde_json::Value;
    use streamhub_crds::DeviceState;

    use super::super::fake_api::FakeApi;
    use super::super::report::tests::{place, present};
    use super::*;

    struct Desk {
        api: FakeApi,
        picture: watch::Sender<Option<Picture>>,
    }

    impl Desk {
        fn begin(api: FakeApi) -> Self {
            let (picture, pictured) = watch::channel(None);
            let metrics = Arc::new(Metrics::default());
            let writer = Writer::new(api.client(), place().label(), pictured, metrics);
            tokio::spawn(writer.run(api.client()));
            Self { api, picture }
        }

        fn show(&self, numbers: &[u32], holder: Option<&str>) {
            let mut picture = Picture::default();
            for number in numbers {
                let mut device = present(*number);
                device.holder = holder.map(str::to_owned);
                let name = place().object(device.id.as_str());
                picture.present.insert(name, place().status(&device));
            }
            self.picture.send_replace(Some(picture));
        }

        /// What was written since, once it is quiet.
        async fn writes(&self) -> Vec<String> {
            let mut seen = usize::MAX;
            loop {
                tokio::time::sleep(Duration::from_millis(300)).await;
                let now = self
                    .api
                    .with(|store| store.writes.len() + 1000 * store.answers.len());
                if now == seen {
                    return self.api.with(|store| std::mem::take(&mut store.writes));
                }
                seen = now;
            }
        }

        fn states(&self) -> Vec<Value> {
            self.api.with(|store| {
                let objects = store.objects.values();
                objects
                    .map(|object| object["status"]["state"].clone())
                    .collect()
            })
        }
    }

    fn words(writes: &[String]) -> Vec<&str> {
        writes
            .iter()
            .filter_map(|write| write.split(' ').next())
            .collect()
    }

    #[tokio::test]
    async fn objects_follow_the_devices_and_nothing_is_written_at_rest() {
        let desk = Desk::begin(FakeApi::default());
        assert!(desk.writes().await.is_empty());
        desk.show(&[0, 1], None);
        let writes = desk.writes().await;
        assert_eq!(words(&writes), ["create", "status", "create", "status"]);
        let label = desk.api.with(|store| {
            let object = store.objects.values().next().unwrap();
            object["metadata"]["labels"][NODE_LABEL].clone()
        });
        assert_eq!(label, "node1");
        desk.show(&[0, 1], None);
        assert!(desk.writes().await.is_empty());
        desk.show(&[0, 1], Some("shop/cam-door"));
        assert_eq!(words(&desk.writes().await), ["status", "status"]);
        desk.show(&[1], None);
        assert_eq!(words(&desk.writes().await), ["status", "status"]);
        let mut states = desk.states();
        states.sort_by_key(ToString::to_string);
        assert_eq!(states, ["Absent", "Free"]);
    }

    #[tokio::test]
    async fn what_others_do_to_the_objects_is_undone_or_kept() {
        let desk = Desk::begin(FakeApi::default());
        desk.show(&[0], None);
        desk.writes().await;
        let name = desk
            .api
            .with(|store| store.objects.keys().next().unwrap().clone());
        desk.api.with(|store| store.remove(&name));
        assert_eq!(words(&desk.writes().await), ["create", "status"]);
        desk.api.with(|store| {
            let mut object = store.objects[&name].clone();
            object["spec"]["allowedNamespaces"] = json!(["shop"]);
            object["status"]["holder"] = "nobody/knows".into();
            store.put(&name, object, false);
        });
        assert_eq!(words(&desk.writes().await), ["status"]);
        let object = desk.api.with(|store| store.objects[&name].clone());
        assert_eq!(object["spec"]["allowedNamespaces"][0], "shop");
        assert!(object["status"]["holder"].is_null(), "{object}");
    }

    #[tokio::test]
    async fn an_api_server_in_trouble_is_asked_again() {
        let api = FakeApi::default();
        api.with(|store| store.answers = vec![500, 409, 404]);
        let desk = Desk::begin(api);
        desk.show(&[0], None);
        let mut writes = Vec::new();
        for _ in 0..10 {
            writes.extend(desk.writes().await);
        }
        assert_eq!(words(&writes), ["create", "status"]);
    }

    #[tokio::test]
    async fn an_object_that_is_refused_keeps_no_other_from_being_written() {
        let api = FakeApi::default();
        let desk = Desk::begin(api);
        desk.show(&[0], None);
        desk.writes().await;
        let first = place().object(present(1).id.as_str());
        desk.api.with(|store| store.refused = Some(first));
        desk.show(&[1, 2], None);
        let mut writes = desk.writes().await;
        writes.sort();
        assert_eq!(words(&writes), ["create", "status", "status"]);
        let mut states = desk.states();
        states.sort_by_key(ToString::to_string);
        assert_eq!(states, ["Absent", "Free"]);
        // What is new is said while the other is being tried again.
        desk.show(&[1, 2], Some("shop/cam-door"));
        assert_eq!(words(&desk.writes().await), ["status"]);
        desk.api.with(|store| store.refused = None);
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert_eq!(words(&desk.writes().await), ["create", "status"]);
    }

    #[tokio::test]
    async fn an_agent_that_begins_marks_what_went_and_forgets_what_is_old() {
        let api = FakeApi::default();
        api.with(|store| {
            for (number, seen) in [(0, None), (1, Some("2020-01-01T00:00:00.000Z"))] {
                let device = present(number);
                let name = place().object(device.id.as_str());
                let mut status = place().status(&device);
                if let Some(seen) = seen {
                    status = super::super::report::absent(&status, seen.to_owned());
                }
                let meta = json!({"name": name, "uid": name, "labels": {NODE_LABEL: "node1"}});
                let object = json!({"apiVersion": "streamhub.dev/v1alpha1", "kind": "VideoDevice",
                    "metadata": meta, "spec": {}, "status": status});
                store.put(&name, object, true);
            }
        });
        let desk = Desk::begin(api);
        let mut objects_before = desk.states();
        objects_before.retain(|state| state == "Free");
        assert_eq!(objects_before.len(), 1);
        desk.show(&[], None);
        let mut writes = desk.writes().await;
        writes.sort();
        assert_eq!(words(&writes), ["delete", "status"]);
        let left = desk.states();
        assert_eq!(left, [json!(DeviceState::Absent)]);
    }
}
