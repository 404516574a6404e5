//! Carries one step out. Every write says which object it is for, so that of two operators one at most succeeds.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use either::Either;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::Status;
use serde_json::{Value, json};
use streamhub_crds::CameraStatus;
use streamhub_plan::Run;

use super::build;
use super::decide::{Now, Step, Why};
use super::dereference::Observed;
use super::memory::{Memory, Wish, lock};
use super::picture::{NAME_IS_TAKEN, NAME_TAKEN, Picture};
use super::refusal::{Answer, Refusal};
use super::status;
use super::verdict::{Refused, Verdict};
use crate::backoff;
use crate::context::Context;
use crate::error::Error;
use crate::names;
use crate::world::{CameraObject, NodeFacts, PodFacts, Told};

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    /// It is done, or there was nothing to do.
    All,
    /// It was not begun: it would have to write too soon.
    Held,
}

/// Carries one step out.
pub(super) async fn apply(
    context: &Context,
    observed: &Observed,
    step: &Step,
    memory: &Mutex<Memory>,
) -> Result<Done, Error> {
    let doing = Doing {
        context,
        observed,
        memory,
    };
    match (step, observed.own_pod(), &observed.verdict) {
        (Step::Create, _, Verdict::Run(run)) => return doing.create(run).await,
        (Step::Patch, Some(pod), Verdict::Run(run)) => doing.patch(pod, run).await?,
        (Step::Delete(why), Some(pod), _) => doing.delete(pod, why).await?,
        (Step::ForceDelete { node }, Some(pod), _) => doing.force_delete(pod, node).await?,
        _ => {}
    }
    Ok(Done::All)
}

/// Writes the status of a Camera, over the version of it that was seen.
pub(super) async fn write_status(
    context: &Context,
    camera: &CameraObject,
    status: &CameraStatus,
) -> Result<(), Error> {
    let json = |status: &CameraStatus| serde_json::to_value(status).unwrap_or_default();
    let body = json!({
        "metadata": {"uid": camera.uid, "resourceVersion": camera.version},
        "status": difference(&json(&camera.status), &json(status)),
    });
    let api = context.camera_api(&camera.key.namespace);
    let written = api
        .patch_status(&camera.key.name, &parameters(), &Patch::Merge(&body))
        .await
        .map_err(Error::at("write the status of the Camera"))?;
    context.metrics.wrote("camera-status");
    context.tell(|world| world.set_camera(written, Told::Answer));
    Ok(())
}

/// Who has the name of a camera's pod.
enum Holder {
    /// It is free.
    Nobody,
    /// The camera's own pod.
    Ours,
    /// Something else.
    Other(Refusal),
}

struct Doing<'a> {
    context: &'a Context,
    observed: &'a Observed,
    memory: &'a Mutex<Memory>,
}

impl Doing<'_> {
    /// First the incarnation is raised, then the pod is made: who breaks off in between has only used a number up.
    async fn create(&self, run: &Run) -> Result<Done, Error> {
        let camera = &self.observed.camera;
        let recipe = &self.context.settings.pods;
        // Where the name was taken, looking costs less than being refused.
        let was_taken = lock(self.memory)
            .refusal
            .as_ref()
            .is_some_and(|refusal| refusal.reason == NAME_IS_TAKEN);
        if was_taken && let Holder::Other(refusal) = self.who_has_the_name().await? {
            self.refused(refusal);
            return Ok(Done::All);
        }
        // Taken out until the answer says that no pod has it: one that got no answer may be there all the same.
        let unused = lock(self.memory)
            .unused_incarnation
            .take()
            .filter(|unused| Some(*unused) == camera.status.incarnation);
        let incarnation = if let Some(unused) = unused {
            unused
        } else {
            let wish = Wish {
                generation: camera.generation,
                pod_hash: build::wanted(run, recipe).pod_hash,
            };
            if self.holds(&wish) {
                return Ok(Done::Held);
            }
            self.raise(wish).await?
        };
        let mut pod = build::pod(run, recipe, incarnation);
        if lock(self.memory).moves {
            let annotations = pod.metadata.annotations.get_or_insert_default();
            annotations.insert(names::MOVED.to_owned(), "true".to_owned());
        }
        match self.pods().create(&PostParams::default(), &pod).await {
            Ok(pod) => {
                self.made();
                self.context.metrics.wrote("pod-created");
                tracing::info!(camera = %camera.key, incarnation, "pod made");
                self.context.tell(|world| world.set_pod(pod, Told::Answer));
                let note = format!("made pod {}", names::pod(&camera.key.name));
                self.context.events.normal(camera, "PodCreated", &note);
                Ok(Done::All)
            }
            Err(kube::Error::Api(status)) => {
                self.not_made(status, incarnation).await?;
                Ok(Done::All)
            }
            Err(error) => Err(Error::at("make the pod")(error)),
        }
    }

    fn holds(&self, wish: &Wish) -> bool {
        let mut memory = lock(self.memory);
        let next = memory.raises_at(wish, Now::read().instant);
        if next.is_some() {
            memory.not_before = next;
        }
        next.is_some()
    }

    async fn raise(&self, wish: Wish) -> Result<u64, Error> {
        let camera = &self.observed.camera;
        let now = Now::read();
        let incarnation = camera
            .status
            .incarnation
            .map_or(0, |old| old + 1)
            .max(now.millis);
        let starting = Picture {
            state: "Starting",
            ..Picture::default()
        };
        let mut status = {
            let said = &camera.status;
            if said.state.as_deref() == Some("Pending") && said.reason.is_some() {
                // It may well be refused again: what is said about it stays until the pod is there.
                said.clone()
            } else {
                let mut status = status::status(
                    self.observed,
                    &lock(self.memory),
                    &starting,
                    true,
                    now.millis,
                );
                status.pod = Some(names::pod(&camera.key.name));
                status
            }
        };
        status.incarnation = Some(incarnation);
        write_status(self.context, camera, &status).await?;
        let mut memory = lock(self.memory);
        memory.budget.spend(now.instant);
        memory.raised_for = Some(wish);
        Ok(incarnation)
    }

    fn made(&self) {
        let mut memory = lock(self.memory);
        memory.made = Some(Now::read().instant);
        memory.moves = false;
        memory.refusal = None;
        memory.refusals = 0;
        memory.not_before = None;
    }

    async fn not_made(&self, status: Box<Status>, incarnation: u64) -> Result<(), Error> {
        let refusal = match Answer::of(&status) {
            Answer::Leaving => None,
            Answer::Unclear => return Err(Error::at("make the pod")(kube::Error::Api(status))),
            Answer::Refused(refusal) => Some(refusal),
            Answer::Taken => match self.who_has_the_name().await? {
                Holder::Other(refusal) => Some(refusal),
                // No watch tells that a name has become free that was not ours; nor of a pod that we took for gone.
                Holder::Ours | Holder::Nobody => {
                    return Err(Error::at("make the pod")(kube::Error::Api(status)));
                }
            },
        };
        lock(self.memory).unused_incarnation = Some(incarnation);
        if let Some(refusal) = refusal {
            self.refused(refusal);
        }
        Ok(())
    }

    fn refused(&self, refusal: Refusal) {
        let mut memory = lock(self.memory);
        memory.refusals += 1;
        let waits = if refusal.reason == NAME_IS_TAKEN {
            backoff::TAKEN
        } else {
            backoff::REMAKE
        };
        memory.not_before = Some(Now::read().instant + waits.jittered(memory.refusals));
        if memory.refusal.as_ref() != Some(&refusal) {
            tracing::warn!(camera = %self.observed.camera.key, reason = refusal.reason, message = refusal.message, "no pod");
        }
        memory.refusal = Some(refusal);
    }

    /// Ours, which the watch has not told yet, or which has lost its labels; or another's.
    async fn who_has_the_name(&self) -> Result<Holder, Error> {
        let camera = &self.observed.camera;
        let name = names::pod(&camera.key.name);
        let Some(found) = self
            .pods()
            .get_opt(&name)
            .await
            .map_err(Error::at("look at the pod"))?
        else {
            return Ok(Holder::Nobody);
        };
        let facts = PodFacts::new(found.clone())
            .map(|(_, facts)| facts)
            .unwrap_or_default();
        if facts.owner.as_deref() == Some(camera.uid.as_str()) {
            self.label(found, &facts).await?;
            return Ok(Holder::Ours);
        }
        Ok(Holder::Other(Refusal {
            reason: NAME_IS_TAKEN,
            message: NAME_TAKEN.to_owned(),
            stalled: true,
        }))
    }

    /// Gives a pod back the labels by which it is watched. What else it carries says of which release and of which
    /// configuration it was made, and that is for the next look to judge.
    async fn label(&self, found: Pod, facts: &PodFacts) -> Result<(), Error> {
        let missing: BTreeMap<&str, &str> = names::POD_LABELS
            .into_iter()
            .filter(|(label, value)| facts.label(label) != Some(value))
            .collect();
        let pod = if missing.is_empty() {
            found
        } else {
            let body = json!({"metadata": {
                "uid": facts.uid,
                "resourceVersion": facts.version,
                "labels": missing,
            }});
            let labelled = self.patch_pod(&body).await?;
            self.context.metrics.wrote("pod-patched");
            labelled
        };
        self.context.tell(|world| world.set_pod(pod, Told::Answer));
        Ok(())
    }

    async fn patch_pod(&self, body: &Value) -> Result<Pod, Error> {
        self.pods()
            .patch(
                &names::pod(&self.observed.camera.key.name),
                &parameters(),
                &Patch::Merge(body),
            )
            .await
            .map_err(Error::at("give the pod its configuration"))
    }

    async fn patch(&self, pod: &PodFacts, run: &Run) -> Result<(), Error> {
        let camera = &self.observed.camera;
        let wanted = build::wanted(run, &self.context.settings.pods);
        let body = json!({"metadata": {
            "uid": pod.uid,
            "resourceVersion": pod.version,
            "labels": wanted.labels,
            "annotations": wanted.annotations,
        }});
        let patched = self.patch_pod(&body).await?;
        lock(self.memory).patched = Some(Now::read().instant);
        self.context.metrics.wrote("pod-patched");
        tracing::info!(camera = %camera.key, hash = wanted.config_hash, "new configuration given to the pod");
        self.context
            .tell(|world| world.set_pod(patched, Told::Answer));
        Ok(())
    }

    async fn delete(&self, pod: &PodFacts, why: &Why) -> Result<(), Error> {
        let camera = &self.observed.camera;
        self.remove(pod, None).await?;
        let of_device = match why {
            Why::Refused(_) => {
                matches!(self.observed.verdict, Verdict::Refused(Refused::Device(_)))
            }
            Why::Changed => pod.device.is_some(),
            Why::Ended(_) | Why::Release { .. } => false,
        };
        if of_device {
            lock(self.memory).of_unplugging(Now::read().instant);
        }
        let (reason, note, trouble) = match why {
            Why::Refused(word) => (
                "PodDeleted",
                format!("the camera must not run: {word}"),
                false,
            ),
            Why::Ended(how) => {
                // A node that starts anew, however often, says nothing of the camera.
                let restarted = pod.rejected.is_some() && lock(self.memory).has_run(pod);
                if !restarted {
                    self.ended(how);
                }
                ("PodEnded", format!("{how}; it is made anew"), true)
            }
            Why::Changed => (
                "PodReplaced",
                "what changed needs a new pod".to_owned(),
                false,
            ),
            Why::Release { name, answered } => {
                lock(self.memory).moves = *answered;
                let note = format!("its turn has come for release {name}");
                ("PodReplaced", note, false)
            }
        };
        tracing::info!(camera = %camera.key, reason, note, "pod deleted");
        if trouble {
            self.context.events.warning(camera, reason, &note);
        } else {
            self.context.events.normal(camera, reason, &note);
        }
        Ok(())
    }

    fn ended(&self, how: &str) {
        let now = Now::read().instant;
        let mut memory = lock(self.memory);
        memory.endings = if memory.was_well(now) {
            1
        } else {
            memory.endings + 1
        };
        memory.not_before = Some(now + backoff::REMAKE.jittered(memory.endings));
        memory.last_ending = Some(how.to_owned());
    }

    async fn force_delete(&self, pod: &PodFacts, node: &str) -> Result<(), Error> {
        let camera = &self.observed.camera;
        // What we know may be old; a pod of a node that is back would be torn from its camera.
        let nodes: Api<Node> = Api::all(self.context.clients.requests.clone());
        let found = nodes
            .get_opt(node)
            .await
            .map_err(Error::at("look at the node"))?;
        if let Some(found) = found {
            let since = NodeFacts::new(&found).and_then(|(_, facts)| facts.not_ready_since);
            self.context.tell(|world| world.set_node(&found));
            let lost_after = self.context.settings.node_lost_after;
            let waited = since.map(|since| Now::read().millis.saturating_sub(since));
            // It may have been back in between.
            if waited.is_none_or(|waited| Duration::from_millis(waited) < lost_after) {
                return Ok(());
            }
        }
        self.remove(pod, Some(0)).await?;
        tracing::warn!(camera = %camera.key, node, "node is lost; pod deleted by force");
        let text = format!("node {node} is lost: the pod is made anew elsewhere");
        self.context.events.warning(camera, "NodeLost", &text);
        Ok(())
    }

    async fn remove(&self, pod: &PodFacts, grace: Option<u32>) -> Result<(), Error> {
        let key = &self.observed.camera.key;
        lock(self.memory).made = None;
        let parameters = DeleteParams {
            grace_period_seconds: grace,
            preconditions: Some(Preconditions {
                uid: Some(pod.uid.clone()),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        let deleted = self
            .pods()
            .delete(&names::pod(&key.name), &parameters)
            .await;
        let deleted = deleted.map_err(Error::at("delete the pod"))?;
        self.context.metrics.wrote(if grace.is_some() {
            "pod-force-deleted"
        } else {
            "pod-deleted"
        });
        match deleted {
            Either::Left(pod) if grace.is_none() || pod.metadata.finalizers.is_some() => {
                self.context.tell(|world| world.set_pod(pod, Told::Answer));
            }
            _ => self
                .context
                .tell(|world| world.remove_pod(key, Some(&pod.uid))),
        }
        Ok(())
    }

    fn pods(&self) -> Api<Pod> {
        let client = self.context.clients.requests.clone();
        Api::namespaced(client, &self.observed.camera.key.namespace)
    }
}

fn parameters() -> PatchParams {
    PatchParams {
        field_manager: Some(names::OPERATOR.to_owned()),
        ..PatchParams::default()
    }
}

/// What a merge patch must say to turn one into the other.
pub fn difference(old: &Value, new: &Value) -> Value {
    let (Value::Object(before), Value::Object(after)) = (old, new) else {
        return new.clone();
    };
    let gone = before
        .keys()
        .filter(|key| !after.contains_key(*key))
        .map(|key| (key.clone(), Value::Null));
    let changed = after
        .iter()
        .filter(|(key, value)| before.get(*key) != Some(*value));
    let changed = changed.map(|(key, value)| {
        (
            key.clone(),
            difference(before.get(key).unwrap_or(&Value::Null), value),
        )
    });
    Value::Object(gone.chain(changed).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_says_what_changes_and_no_more() {
        let old = json!({"state": "Starting", "reason": "X", "source": {"kind": "test", "codec": "a"}, "list": [1]});
        let new = json!({"state": "Streaming", "source": {"kind": "test"}, "list": [1, 2]});
        let patch = difference(&old, &new);
        assert_eq!(
            patch,
            json!({"reason": null, "state": "Streaming", "source": {"codec": null}, "list": [1, 2]})
        );
        assert_eq!(difference(&new, &new), json!({}));
    }
}
