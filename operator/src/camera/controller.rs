//! Looks at one Camera: what there is, what should be, one step, what to say about it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use streamhub_plan::CameraKey;

use super::apply::{Done, apply, write_status};
use super::build;
use super::decide::{Now, Step, Why, decide, hold_back};
use super::dereference::Observed;
use super::memory::{Memory, lock};
use super::picture::{Picture, picture};
use super::rollout::Gate;
use super::status::{same_but_for_generations, status};
use super::uptake::{ROLLOUT_WAITING, Uptake, uptake};
use super::verdict::{Refused, Verdict};
use crate::backoff;
use crate::context::Context;
use crate::error::Error;
use crate::queue::Work;
use crate::world::Ended;

const CONTROLLER: &str = "camera";
/// A new release is asked about again, should nobody have said that there is room.
const ROLLOUT_AGAIN: Duration = Duration::from_mins(1);
/// A status that the API server refuses is tried again, should its mind have changed while the Camera has not.
const REFUSED_AGAIN: Duration = Duration::from_mins(15);
/// After another was quicker: by then the watch has told.
const STALE_AGAIN: Duration = Duration::from_secs(2);

/// The API server does not take a status where a rule of the definition can't even be asked about what is stored, such
/// as one about a text where a number is: events are all that is left to say so.
const STATUS_REFUSED: &str = "the API server takes no status of this Camera: an older definition let in what today's \
                              refuses; apply a valid spec";

/// The controller of Cameras.
#[derive(Clone)]
pub struct Cameras(pub Arc<Context>);

impl Work<CameraKey> for Cameras {
    async fn work(self, key: CameraKey) -> Option<Duration> {
        let begin = Instant::now();
        let memory = self.0.memories.of(&key);
        let result = look(&self.0, &key, &memory).await;
        self.0.metrics.looked(CONTROLLER, begin, &result);
        match result {
            Ok(next) => {
                let mut memory = lock(&memory);
                if memory.trouble.is_none() {
                    memory.failures = 0;
                }
                next
            }
            Err(error) => {
                let category = error.category();
                if error.is_stale() {
                    tracing::debug!(camera = %key, %error, "looked at again");
                    return Some(STALE_AGAIN);
                }
                let mut memory = lock(&memory);
                memory.failures += 1;
                let again = backoff::REQUEST.jittered(memory.failures);
                tracing::warn!(camera = %key, %error, category, again_s = again.as_secs_f64(), "reconcile failed");
                Some(again)
            }
        }
    }
}

/// Looks at one Camera and does what is next; says when to look again at the latest.
async fn look(
    context: &Arc<Context>,
    key: &CameraKey,
    memory: &Mutex<Memory>,
) -> Result<Option<Duration>, Error> {
    let Some(mut observed) = context.observe(key) else {
        context.memories.forget(key);
        return Ok(None);
    };
    let step = next_step(context, &mut observed, memory);
    let done = Box::pin(apply(context, &observed, &step, memory)).await;
    trouble(&mut lock(memory), &step, &done);
    let done = match done {
        Err(error) if lock(memory).trouble.is_none() || !error.is_answer() => return Err(error),
        done => done,
    };
    // Looked at again: the step has changed what there is.
    let refused = match observed.verdict {
        Verdict::Refused(refused @ Refused::Invalid(_)) => Some(Verdict::Refused(refused)),
        _ => None,
    };
    let written = match context.observe(key) {
        Some(mut observed) if !observed.camera.deleting => {
            observed.verdict = refused.unwrap_or(observed.verdict);
            tell(context, &observed, &step, memory).await?
        }
        _ => None,
    };
    context.readings.ask(key.clone());
    done?;
    let again = match step {
        Step::Wait(wait) => Some(wait),
        Step::Replace => Some(ROLLOUT_AGAIN),
        Step::Create => lock(memory)
            .not_before
            .map(|at| at.saturating_duration_since(Instant::now())),
        Step::Keep | Step::Patch | Step::Delete(_) | Step::ForceDelete { .. } => None,
    };
    Ok([again, written].into_iter().flatten().min())
}

/// Keeps what the API server says to a step, from the second time in a row on; once is not worth a word. What can't be
/// reached can't be told either.
fn trouble(memory: &mut Memory, step: &Step, done: &Result<Done, Error>) {
    match done {
        Ok(Done::All) if !matches!(step, Step::Wait(_)) => memory.trouble = None,
        Err(error) if error.is_answer() && memory.failures > 0 => {
            memory.trouble = Some(error.to_string());
        }
        Ok(_) | Err(_) => {}
    }
}

fn next_step(context: &Context, observed: &mut Observed, memory: &Mutex<Memory>) -> Step {
    let now = Now::read();
    let settings = &context.settings;
    let decided = |observed: &Observed| {
        let wanted = match &observed.verdict {
            Verdict::Run(run) => Some(build::wanted(run, &settings.pods)),
            Verdict::Refused(_) => None,
        };
        let lost_after = settings.node_lost_after;
        decide(observed, wanted.as_ref(), &lock(memory), lost_after, now)
    };
    if let Some(ended) = note(&mut lock(memory), observed, now) {
        let reason = ended.kind();
        context
            .events
            .warning(&observed.camera, reason, &ended.to_string());
    }
    let held = hold_back(observed, &lock(memory), now);
    let mut step = decided(observed);
    if let (Step::Keep, Some(rest)) = (&step, held) {
        step = Step::Wait(rest);
    }
    let makes = matches!(
        step,
        Step::Create | Step::Patch | Step::Replace | Step::Delete(Why::Changed)
    );
    if makes && let Err(problems) = observed.camera.check() {
        observed.verdict = Verdict::Refused(Refused::Invalid(problems));
        step = decided(observed);
    }
    let key = &observed.camera.key;
    let release = settings.pods.hash();
    if step == Step::Replace {
        let answers = |key: &CameraKey, uid: &str| context.memories.has_answered(key, uid);
        let refused = |key: &CameraKey| context.memories.is_refused(key);
        let gate =
            lock(&context.rollout).ask(key, &lock(&context.world), &release, answers, refused);
        return match gate {
            Gate::Open { answered } => Step::Delete(Why::Release {
                name: settings.pods.release.clone(),
                answered,
            }),
            Gate::Full => Step::Replace,
            Gate::Stopped { by, news } => {
                if news {
                    tracing::warn!(camera = %by, release = settings.pods.release, "the new release can't start there; the others keep theirs");
                }
                Step::Replace
            }
        };
    }
    step
}

/// Keeps in mind what the next decisions need; how the process ended, where it was started again since the last look.
fn note(memory: &mut Memory, observed: &Observed, now: Now) -> Option<Ended> {
    let camera = &observed.camera;
    memory.of_camera(&camera.uid, camera.generation);
    let Some(pod) = observed.own_pod() else {
        memory.of_no_pod(now.instant);
        return None;
    };
    if !pod.is_finished() && pod.deleting_since.is_none() {
        memory.refusal = None;
        memory.refusals = 0;
    }
    let found = observed.found().filter(|found| found.is_wanted_by(pod));
    memory.of_rejection(pod, found.and_then(|found| found.registered.as_deref()));
    if let Some(found) = found {
        memory.of_running(pod, &found.boot);
    }
    match (pod.ready, memory.ready_since) {
        (Some(_), None) => memory.ready_since = Some(now.instant),
        (None, Some(_)) if !pod.is_finished() => memory.ready_since = None,
        _ => {}
    }
    memory.of_restarts(pod)
}

/// Writes the status if it says something new and may be written; else says when it may.
async fn tell(
    context: &Context,
    observed: &Observed,
    step: &Step,
    memory: &Mutex<Memory>,
) -> Result<Option<Duration>, Error> {
    let now = Now::read();
    let camera = &observed.camera;
    let again;
    let (picture, wanted) = {
        let uptake = uptaken(context, observed, memory, now);
        let memory = lock(memory);
        let mut picture = picture(observed, &memory, step);
        uptake.say(&mut picture);
        let wanted = status(observed, &memory, &picture, uptake.done, now.millis);
        again = uptake.again;
        // The pod says in a moment whether it runs what was changed; one write tells both then.
        let soon = uptake.is_underway() && same_but_for_generations(&camera.status, &wanted);
        if soon || wanted == camera.status {
            return Ok(again);
        }
        let refused = memory.status_refused.as_ref();
        let refused = refused.filter(|(version, _)| *version == camera.version);
        let at = refused.map(|(_, at)| *at + REFUSED_AGAIN);
        let at = at.filter(|at| *at > now.instant);
        // On its way to `Ready`, or to a reason why not. That it is no longer what it says is news.
        let nothing_said = !camera.has("Ready") && camera.status.reason.is_none();
        let passes = !picture.ready && picture.reason.is_empty() && nothing_said;
        let budget = || {
            if passes {
                memory.budget.next_passing(now.instant)
            } else {
                memory.budget.next(now.instant)
            }
        };
        if let Some(at) = at.or_else(budget) {
            return Ok(Some(at - now.instant));
        }
        (picture, wanted)
    };
    match write_status(context, camera, &wanted).await {
        Err(error) if error.is_refusal() => {
            lock(memory).status_refused = Some((camera.version.clone(), now.instant));
            tracing::warn!(camera = %camera.key, error = %error.doing, "refused: what is stored of it is not valid");
            announce(context, observed, &picture);
            context
                .events
                .warning(camera, "StatusRefused", STATUS_REFUSED);
            return Ok(Some(REFUSED_AGAIN));
        }
        written => written?,
    }
    lock(memory).budget.spend(now.instant);
    let moved = camera.status.state != wanted.state || camera.status.reason != wanted.reason;
    let became_ready = picture.ready && !camera.has("Ready");
    if moved || became_ready {
        // There may be room for the next one of a new release.
        let next = lock(&context.rollout).next(&lock(&context.world));
        for key in next {
            context.cameras.ask(key);
        }
        announce(context, observed, &picture);
    }
    Ok(again)
}

fn uptaken(context: &Context, observed: &Observed, memory: &Mutex<Memory>, now: Now) -> Uptake {
    let stopped = lock(&context.rollout).is_stopped();
    let wanted = match &observed.verdict {
        Verdict::Run(run) => Some(build::wanted(run, &context.settings.pods)),
        Verdict::Refused(_) => None,
    };
    uptake(
        observed,
        wanted.as_ref(),
        &lock(memory),
        stopped,
        now.instant,
    )
}

fn announce(context: &Context, observed: &Observed, picture: &Picture) {
    let camera = &observed.camera;
    tracing::info!(camera = %camera.key, state = picture.state, reason = picture.reason, message = picture.message, "camera");
    if picture.reason.is_empty() {
        if picture.ready {
            context
                .events
                .normal(camera, "Ready", "frames are published");
        }
        return;
    }
    // What was done about these has had its own event.
    if matches!(
        picture.reason.as_str(),
        "PodEnding" | "PodEnded" | "PreviousPod"
    ) {
        return;
    }
    let note = if picture.message.is_empty() {
        picture.state
    } else {
        &picture.message
    };
    if matches!(picture.reason.as_str(), "Disabled" | ROLLOUT_WAITING) {
        context.events.normal(camera, &picture.reason, note);
    } else {
        context.events.warning(camera, &picture.reason, note);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::camera::faults::operator;
    use crate::fake_api::{FakeApi, place};
    use crate::samples::{NAMESPACE, key, pod_of, running};
    use crate::world::Told;

    #[tokio::test]
    async fn what_comes_on_the_way_to_ready_does_not_keep_it_waiting() {
        let api = FakeApi::default();
        let context = operator(&api);
        let (door, here) = (key("door"), place("cameras", NAMESPACE, "door"));
        let object = json!({"apiVersion": "streamhub.dev/v1alpha1", "kind": "Camera",
            "metadata": {"name": "door"}, "spec": {"source": {"test": {}}}});
        let object = api.with(|store| store.put(here.clone(), object));
        let memory = context.memories.of(&door);
        let uid = object["metadata"]["uid"].as_str().unwrap().to_owned();
        lock(&memory).about = (uid, 1);
        // The incarnation, and another.
        for _ in 0..2 {
            lock(&memory).budget.spend(Instant::now());
        }
        let pod = {
            let mut world = lock(&context.world);
            world.set_camera(serde_json::from_value(object).unwrap(), Told::Watch);
            pod_of(&world, "door", "1")
        };
        let mut states = Vec::new();
        for ready in [false, true] {
            let pod = running(pod.clone(), ready);
            lock(&context.world).set_pod(pod, Told::Watch);
            Cameras(Arc::clone(&context)).work(door.clone()).await;
            let state = |object: &Value| object["status"]["state"].clone();
            states.push(api.with(|store| state(&store.objects[&here])));
        }
        assert_eq!(states, [Value::Null, "Streaming".into()]);
    }
}
