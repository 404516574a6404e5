//! The one next step for a camera. A function of what there is, what is remembered and the time.

use std::time::{Duration, Instant};

use super::build::Wanted;
use super::dereference::{NodeState, Observed};
use super::memory::Memory;
use super::verdict::Verdict;
use crate::names;
use crate::world::PodFacts;

/// Looked at again while no node is ready.
const NOWHERE_AGAIN: Duration = Duration::from_secs(10);

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
            Verdict::Run(_) => create(memory, now),
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
        return Step::Delete(Why::Ended(ending(pod)));
    }
    let run = match &observed.verdict {
        Verdict::Run(run) => run,
        Verdict::Refused(refused) if refused.keeps_what_runs() => return Step::Keep,
        Verdict::Refused(refused) => return Step::Delete(Why::Refused(refused.word())),
    };
    let Some(wanted) = wanted else {
        return Step::Keep;
    };
    // Without its hub no pod is made anew, so none may be ended.
    let may_end = run.notice.is_none();
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

fn create(memory: &Memory, now: Now) -> Step {
    match memory.not_before {
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

/// Whether a pod carries all labels and annotations that it should.
pub fn carries(pod: &PodFacts, wanted: &Wanted) -> bool {
    let labels = wanted
        .labels
        .iter()
        .all(|(key, value)| pod.marks.labels.get(key) == Some(value));
    labels
        && wanted
            .annotations
            .iter()
            .all(|(key, value)| pod.marks.annotations.get(key) == Some(value))
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
mod tests;
