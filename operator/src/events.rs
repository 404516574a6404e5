//! Events on Cameras and hubs: what `kubectl describe` shows of their life. Written beside the work, which waits for none.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::mpsc;

use crate::names;
use crate::world::{CameraObject, HubObject};

/// In bytes; Kubernetes takes 1024.
const LONGEST_NOTE: usize = 1000;
/// As many wait to be written; more are left out.
const WAITING: usize = 1024;

/// The recorder keeps each for minutes, with all that was said, to count those that repeat themselves: a new one is begun
/// after so many.
const REMEMBERED: usize = 1000;

/// Takes events; one that can't be written is not missed for long.
#[derive(Debug, Clone)]
pub struct Events(mpsc::Sender<Occurrence>);

/// What events are about.
pub trait Subject {
    /// The object that `kubectl describe` shows them with.
    fn reference(&self) -> ObjectReference;
}

impl Subject for CameraObject {
    fn reference(&self) -> ObjectReference {
        reference("Camera", &self.key.namespace, &self.key.name, &self.uid)
    }
}

impl Subject for HubObject {
    fn reference(&self) -> ObjectReference {
        reference("StreamHub", &self.key.namespace, &self.key.name, &self.uid)
    }
}

fn reference(kind: &str, namespace: &str, name: &str, uid: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some(format!(
            "{}/{}",
            streamhub_crds::GROUP,
            streamhub_crds::VERSION
        )),
        kind: Some(kind.to_owned()),
        name: Some(name.to_owned()),
        namespace: Some(namespace.to_owned()),
        uid: Some(uid.to_owned()),
        ..ObjectReference::default()
    }
}

/// Something that happened to an object.
#[derive(Debug)]
struct Occurrence {
    reference: ObjectReference,
    kind: EventType,
    reason: String,
    note: String,
}

/// Writes them.
pub struct Writer {
    client: Client,
    reporter: Reporter,
    occurrences: mpsc::Receiver<Occurrence>,
}

impl Events {
    /// As this operator.
    pub fn new(client: Client, identity: &str) -> (Self, Writer) {
        let (sender, occurrences) = mpsc::channel(WAITING);
        let reporter = Reporter {
            controller: names::OPERATOR.to_owned(),
            instance: Some(identity.to_owned()),
        };
        (
            Self(sender),
            Writer {
                client,
                reporter,
                occurrences,
            },
        )
    }

    /// Something happened that is no trouble.
    pub fn normal(&self, about: &impl Subject, reason: &str, note: &str) {
        self.take(about.reference(), EventType::Normal, reason, note);
    }

    /// Something that a person may want to look at.
    pub fn warning(&self, about: &impl Subject, reason: &str, note: &str) {
        self.take(about.reference(), EventType::Warning, reason, note);
    }

    fn take(&self, reference: ObjectReference, kind: EventType, reason: &str, note: &str) {
        // Full while the API server is slow or away, when there is worse than a missing event.
        let _ = self.0.try_send(Occurrence {
            reference,
            kind,
            reason: reason.to_owned(),
            note: shortened(note),
        });
    }
}

impl Writer {
    /// Writes what is taken, for ever.
    pub async fn run(mut self) {
        let mut recorder = self.recorder();
        let mut remembered = 0;
        while let Some(occurrence) = self.occurrences.recv().await {
            let event = Event {
                type_: occurrence.kind,
                reason: occurrence.reason,
                note: Some(occurrence.note),
                action: "Reconcile".to_owned(),
                secondary: None,
            };
            if remembered == REMEMBERED {
                recorder = self.recorder();
                remembered = 0;
            }
            remembered += 1;
            if let Err(error) = recorder.publish(&event, &occurrence.reference).await {
                let ObjectReference { kind, name, .. } = occurrence.reference;
                tracing::debug!(%error, kind, name, reason = event.reason, "event not written");
            }
        }
    }

    fn recorder(&self) -> Recorder {
        Recorder::new(self.client.clone(), self.reporter.clone())
    }
}

fn shortened(note: &str) -> String {
    if note.len() <= LONGEST_NOTE {
        return note.to_owned();
    }
    let end = note.floor_char_boundary(LONGEST_NOTE);
    format!("{}...", note.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::fake_api::FakeApi;

    #[test]
    fn a_note_is_as_long_as_an_api_server_takes_it() {
        assert_eq!(shortened("as it is"), "as it is");
        for letter in ["x", "é", "\u{1f3a5}"] {
            let note = shortened(&letter.repeat(2000));
            assert!(
                (990..=1024).contains(&note.len()),
                "{letter}: {}",
                note.len()
            );
        }
    }

    #[tokio::test]
    async fn what_is_remembered_to_count_repetitions_has_an_end() {
        let api = FakeApi::default();
        let (events, writer) = Events::new(api.client(), "me");
        let hub = |uid: usize| reference("StreamHub", "yard", "gate", &uid.to_string());
        let normal = |uid| events.take(hub(uid), EventType::Normal, "Ready", "");
        let ours = |uid| if uid % REMEMBERED < 2 { 0 } else { uid };
        (0..WAITING).map(ours).for_each(normal);
        drop(events);
        writer.run().await;
        let counted = |event: &Value| event.pointer("/series/count").and_then(Value::as_u64);
        let counts: Vec<_> = api.with(|store| store.events.iter().map(counted).collect());
        assert_eq!(counts.len(), WAITING);
        let repeated: Vec<usize> = (0..WAITING).filter(|at| counts[*at].is_some()).collect();
        assert_eq!(repeated, [1, REMEMBERED + 1]);
        assert_eq!(counts[REMEMBERED + 1], Some(2));
    }
}
