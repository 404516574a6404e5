//! The one next step for a camera. A function of what there is, what is remembered and the time.

use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use streamhub_plan::{Run, can_do_without};

use super::build::Wanted;
use super::dereference::{NodeState, Observed};
use super::memory::Memory;
use super::verdict::{Refused, Verdict};
use crate::names;
use crate::world::PodFacts;

/// Looked at again while no node is ready.
const NOWHERE_AGAIN: Duration = Duration::from_secs(10);

/// By then a device is registered again, or nobody will say so.
const REGISTERED_BY: Duration = Duration::from_mins(1);

/// The time, by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// For waits.
    pub instant: Instant,
    /// UNIX milliseconds, for what others wrote.
    pub millis: u64,
}

/// The next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// All is as it should be, or others have to act first.
    Keep,
    /// The same, and it has to be looked at again then.
    Wait(Duration),
    /// Make the pod.
    Create,
    /// Give the pod its labels and annotations.
    Patch,
    /// Delete the pod.
    Delete(Why),
    /// Delete the pod without its node's consent.
    ForceDelete {
        /// The node.
        node: String,
    },
    /// The pod is of another release: replace it when its turn has come.
    Replace,
}

/// Why a pod is deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The camera should not run; the reason's word.
    Refused(&'static str),
    /// It ended; how.
    Ended(String),
    /// Its camera changed in what only a new pod can take over.
    Changed,
    /// Its turn has come to be of another release.
    Release {
        /// That release.
        name: String,
        /// Whether it has answered; if not, nothing is known of the camera with any release.
        answered: bool,
    },
}

/// Takes a device that came and went too often from a camera that has other sources, until it may have it again; says for
/// how long. The pod that has it keeps it.
pub fn hold_back(observed: &mut Observed, memory: &Memory, now: Now) -> Option<Duration> {
    let rest = memory
        .no_device_before?
        .checked_duration_since(now.instant)?;
    let has_one = |pod: &PodFacts| pod.device.is_some() && pod.deleting_since.is_none();
    if rest.is_zero() || observed.own_pod().is_some_and(has_one) {
        return None;
    }
    let Verdict::Run(run) = &mut observed.verdict else {
        return None;
    };
    if run.device.is_none() || !can_do_without(&run.camera) {
        return None;
    }
    **run = run.as_ref().clone().without_device();
    Some(rest)
}

/// Decides. `wanted` is what the pod should carry, of a camera that may run.
pub fn decide(
    observed: &Observed,
    wanted: Option<&Wanted>,
    memory: &Memory,
    lost_after: Duration,
    now: Now,
) -> Step {
    // Kubernetes removes what belongs to it.
    if observed.camera.deleting {
        return Step::Keep;
    }
    if observed.foreign_pod().is_some() {
        return Step::Keep;
    }
    let Some(pod) = observed.own_pod() else {
        return match &observed.verdict {
            Verdict::Run(run) => create(run, memory, now),
            Verdict::Refused(_) => Step::Keep,
        };
    };
    if let Some(step) = lost(observed, pod, lost_after, now) {
        return step;
    }
    if pod.deleting_since.is_some() {
        return Step::Keep;
    }
    if pod.is_finished() {
        return match too_early(observed, pod, memory, now) {
            Some(rest) => Step::Wait(rest),
            None => Step::Delete(Why::Ended(ending(pod))),
        };
    }
    let run = match &observed.verdict {
        Verdict::Run(run) => run,
        Verdict::Refused(refused) if refused.keeps(pod) => return Step::Keep,
        Verdict::Refused(refused) => return Step::Delete(Why::Refused(refused.word())),
    };
    let Some(wanted) = wanted else {
        return Step::Keep;
    };
    // Without its hub, or while its device could not be had again, no pod is made anew, so none may be ended.
    let may_end = run.notice.is_none() && observed.doubt().is_none();
    if pod.annotation(names::RELEASE_HASH) != Some(wanted.release_hash.as_str()) {
        return if may_end { Step::Replace } else { Step::Keep };
    }
    if pod.annotation(names::POD_HASH) != Some(wanted.pod_hash.as_str()) {
        return if may_end {
            Step::Delete(Why::Changed)
        } else {
            Step::Keep
        };
    }
    if carries(pod, wanted) {
        Step::Keep
    } else {
        Step::Patch
    }
}

fn create(run: &Run, memory: &Memory, now: Now) -> Step {
    let of_device = memory.no_device_before.filter(|_| run.device.is_some());
    match memory.not_before.max(of_device) {
        Some(at) if at > now.instant => Step::Wait(at - now.instant),
        _ => Step::Create,
    }
}

/// What is to be done about a pod whose node is not there any more, or soon.
fn lost(observed: &Observed, pod: &PodFacts, lost_after: Duration, now: Now) -> Option<Step> {
    let node = pod.node.clone()?;
    let waited = match observed.node {
        NodeState::Ready | NodeState::Unknown => return None,
        // A pod that is given up while no node can take the next one only loses what it was.
        NodeState::NotReadySince(_) if !observed.elsewhere => {
            return Some(Step::Wait(NOWHERE_AGAIN));
        }
        NodeState::NotReadySince(since) => Duration::from_millis(now.millis.saturating_sub(since)),
        // Kubernetes removes such a pod itself, in a while.
        NodeState::Gone => lost_after,
    };
    Some(match lost_after.checked_sub(waited) {
        Some(rest) if !rest.is_zero() => Step::Wait(rest),
        _ => Step::ForceDelete { node },
    })
}

/// How long a pod that its node rejected for want of a device stays, as the mark that another one would be rejected too:
/// until the device is registered again. A kubelet that starts looks at its pods before plugins can register.
fn too_early(observed: &Observed, pod: &PodFacts, memory: &Memory, now: Now) -> Option<Duration> {
    let since = pod.rejected?;
    let found = match &observed.verdict {
        Verdict::Run(_) => {
            let found = observed.found()?;
            // One that wanted another device says nothing of this one.
            Some(found).filter(|found| found.is_wanted_by(pod))?
        }
        Verdict::Refused(Refused::Device(trouble)) if trouble.passes_for(pod) => {
            return Some(REGISTERED_BY);
        }
        Verdict::Refused(_) => return None,
    };
    let registered = found.registered.as_deref();
    // What a kubelet says of a pod may reach the API server long after it said so: a device that the node offers in a later
    // boot than the pod ran in was registered after the pod was refused.
    if registered.is_some() && memory.ran_before(pod, &found.boot) {
        return None;
    }
    let time = registered.and_then(|time| time.parse::<Timestamp>().ok());
    let time = time.and_then(|time| u64::try_from(time.as_millisecond()).ok());
    let later = time.is_some_and(|time| time > since);
    // The clock of a node that has just started may be anywhere.
    let before = memory.rejection.as_ref();
    let again = before.is_some_and(|(uid, before)| {
        *uid == pod.uid && registered.is_some() && before.as_deref() != registered
    });
    if later || again {
        return None;
    }
    let waited = Duration::from_millis(now.millis.saturating_sub(since));
    REGISTERED_BY
        .checked_sub(waited)
        .filter(|rest| !rest.is_zero())
}

/// Whether a pod carries all labels and annotations that it should.
pub fn carries(pod: &PodFacts, wanted: &Wanted) -> bool {
    let mut labels = wanted.labels.iter();
    let mut annotations = wanted.annotations.iter();
    labels.all(|(key, value)| pod.label(key) == Some(value))
        && annotations.all(|(key, value)| pod.annotation(key) == Some(value))
}

/// How a pod ended, for people.
pub fn ending(pod: &PodFacts) -> String {
    let mut text = pod.phase.clone();
    if let Some(reason) = &pod.reason {
        text = format!("{text}: {reason}");
    }
    if let Some(message) = &pod.message {
        text = format!("{text}: {message}");
    }
    match &pod.container.ended {
        Some(ended) => format!(
            "{text}; container: {} (exit code {})",
            ended.reason, ended.code
        ),
        None => text,
    }
}

#[cfg(test)]
mod devices;
#[cfg(test)]
mod tests;
