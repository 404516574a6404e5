//! Writes against an API server, and what others do to the objects.

use serde_json::Value;
use streamhub_crds::DeviceState;

use super::super::fake_api::{FakeApi, NODE_UID};
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
        let writer = Writer::new(api.client(), &place(), pictured, metrics);
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
        self.all(|object| object["status"]["state"].clone())
    }

    fn owners(&self) -> Vec<Value> {
        self.all(owner)
    }

    fn all(&self, of: impl Fn(&Value) -> Value) -> Vec<Value> {
        self.api
            .with(|store| store.objects.values().map(of).collect())
    }
}

fn owner(object: &Value) -> Value {
    let owners = &object["metadata"]["ownerReferences"];
    assert!(owners[1].is_null() && owners[0]["blockOwnerDeletion"].is_null());
    owners[0]["uid"].clone()
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
    assert_eq!(desk.owners(), [NODE_UID; 2]);
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
async fn objects_go_with_their_node_and_are_not_made_without() {
    let api = FakeApi::default();
    let name = place().object(present(0).id.as_str());
    api.with(|store| {
        let status = place().status(&present(0));
        let object = json!({"apiVersion": "streamhub.dev/v1alpha1", "kind": "VideoDevice", "spec": {},
            "metadata": {"name": name, "uid": "old", "labels": {NODE_LABEL: "node1"}}, "status": status});
        store.put(&name, object, true);
        store.node = Err(403);
    });
    let desk = Desk::begin(api);
    desk.show(&[0], None);
    assert!(desk.writes().await.is_empty(), "it may not look");
    // An object of an earlier agent.
    desk.api.with(|store| store.node = Ok(NODE_UID.to_owned()));
    desk.show(&[0], Some("shop/cam-door"));
    assert_eq!(words(&desk.writes().await), ["create", "status"]);
    assert_eq!(desk.owners(), [NODE_UID]);
    // The Node is deleted, and Kubernetes deletes what goes with it.
    desk.api.with(|store| {
        store.node = Err(404);
        store.remove(&name);
    });
    assert!(desk.writes().await.is_empty());
    // It joins anew.
    desk.api.with(|store| store.node = Ok("another".to_owned()));
    desk.show(&[0], None);
    assert_eq!(words(&desk.writes().await), ["create", "status"]);
    assert_eq!(desk.owners(), ["another"]);
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
    let written = async {
        while desk.api.with(|store| store.writes.len()) < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), written)
        .await
        .unwrap();
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
            let node = json!([{"apiVersion": "v1", "kind": "Node", "name": "node1", "uid": NODE_UID}]);
            let meta = json!({"name": name, "uid": name, "labels": {NODE_LABEL: "node1"}, "ownerReferences": node});
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
