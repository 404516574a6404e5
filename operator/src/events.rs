//! Events on Cameras: what `kubectl describe` shows of their life.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};

use crate::names;
use crate::world::CameraObject;

/// What Kubernetes takes at most.
const LONGEST_NOTE: usize = 1000;

/// Writes events; one that can't be written is not missed for long.
pub struct Events {
    recorder: Recorder,
}

impl Events {
    /// As this operator.
    pub fn new(client: Client, identity: &str) -> Self {
        let reporter = Reporter {
            controller: names::OPERATOR.to_owned(),
            instance: Some(identity.to_owned()),
        };
        Self {
            recorder: Recorder::new(client, reporter),
        }
    }

    /// Something happened that is no trouble.
    pub async fn normal(&self, camera: &CameraObject, reason: &str, note: &str) {
        self.write(camera, EventType::Normal, reason, note).await;
    }

    /// Something that a person may want to look at.
    pub async fn warning(&self, camera: &CameraObject, reason: &str, note: &str) {
        self.write(camera, EventType::Warning, reason, note).await;
    }

    async fn write(&self, camera: &CameraObject, kind: EventType, reason: &str, note: &str) {
        let reference = ObjectReference {
            api_version: Some(format!(
                "{}/{}",
                streamhub_crds::GROUP,
                streamhub_crds::VERSION
            )),
            kind: Some("Camera".to_owned()),
            name: Some(camera.key.name.clone()),
            namespace: Some(camera.key.namespace.clone()),
            uid: Some(camera.uid.clone()),
            ..ObjectReference::default()
        };
        let event = Event {
            type_: kind,
            reason: reason.to_owned(),
            note: Some(shortened(note)),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        if let Err(error) = self.recorder.publish(&event, &reference).await {
            tracing::debug!(%error, camera = %camera.key, reason, "event not written");
        }
    }
}

fn shortened(note: &str) -> String {
    match note.char_indices().nth(LONGEST_NOTE) {
        Some((end, _)) => format!("{}...", note.get(..end).unwrap_or_default()),
        None => note.to_owned(),
    }
}
