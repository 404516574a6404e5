use kube::core::DynamicObject;
use serde_json::{Value, json};

use crate::camera::faults::operator;
use crate::events::Events;
use crate::fake_api::{FakeApi, place};
use crate::samples::NAMESPACE;

use super::*;

struct Cluster {
    api: FakeApi,
    operator: Arc<Context>,
}

impl Cluster {
    /// With an operator whose installation has no NATS server.
    fn new() -> Self {
        let api = FakeApi::default();
        let mut operator = operator(&api);
        let (events, writer) = Events::new(api.client(), "me");
        let context = Arc::get_mut(&mut operator).unwrap();
        context.events = events;
        context.settings.nats = None;
        tokio::spawn(writer.run());
        Self { api, operator }
    }

    /// Somebody applies it, and it is looked at.
    async fn apply(&self, spec: Value) -> Option<Duration> {
        let place = place("streamhubs", NAMESPACE, "lobby");
        let object = self.api.with(|store| {
            let Some(mut known) = store.objects.get(&place).cloned() else {
                let object = json!({"apiVersion": "streamhub.dev/v1alpha1", "kind": "StreamHub",
                    "metadata": {"name": "lobby"}, "spec": spec});
                return store.put(place, object);
            };
            let generation = known["metadata"]["generation"].as_i64().unwrap();
            known["metadata"]["generation"] = (generation + 1).into();
            known["spec"] = spec;
            store.replace(place, known)
        });
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        lock(&self.operator.world).set_hub(object, Told::Watch);
        self.look().await
    }

    async fn look(&self) -> Option<Duration> {
        let key = HubKey {
            namespace: NAMESPACE.to_owned(),
            name: "lobby".to_owned(),
        };
        Hubs(Arc::clone(&self.operator)).work(key).await
    }

    /// Kind, type, reason and note of what `kubectl describe` shows.
    async fn events(&self, number: usize) -> Vec<[String; 4]> {
        let text = |event: &Value, pointer: &str| {
            let found = event.pointer(pointer).and_then(Value::as_str);
            found.unwrap_or_default().to_owned()
        };
        for _ in 0..500 {
            let events = self.api.with(|store| store.events.clone());
            if events.len() >= number {
                let of = |event| {
                    ["/regarding/kind", "/type", "/reason", "/note"].map(|it| text(event, it))
                };
                return events.iter().map(of).collect();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{:?}", self.api.with(|store| store.events.clone()));
    }
}

#[tokio::test]
async fn a_hub_that_no_camera_can_run_with_says_so_and_that_it_was_mended() {
    let cluster = Cluster::new();
    cluster.apply(json!({})).await;
    cluster.look().await;
    cluster
        .apply(json!({"nats": {"url": "nats://nats:4222"}}))
        .await;
    cluster.apply(json!({"nats": 7})).await;
    let events = cluster.events(3).await;
    let shown: Vec<[&str; 3]> = events
        .iter()
        .map(|[kind, level, reason, _]| [kind, level, reason].map(String::as_str))
        .collect();
    assert_eq!(
        shown,
        [
            ["StreamHub", "Warning", "NatsUnknown"],
            ["StreamHub", "Normal", "Accepted"],
            ["StreamHub", "Warning", "Invalid"],
        ]
    );
    assert!(events[2][3].contains("spec.nats"), "{events:?}");
}

#[tokio::test]
async fn a_hub_of_which_no_status_is_taken_says_so_once() {
    let cluster = Cluster::new();
    cluster.api.with(|store| store.no_statuses = Some((422, 0)));
    cluster.apply(json!({"nats": 7})).await;
    for _ in 0..3 {
        assert!(cluster.look().await.is_some(), "it is tried again");
    }
    let events = cluster.events(1).await;
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0][..3], ["StreamHub", "Warning", "StatusRefused"]);
}
