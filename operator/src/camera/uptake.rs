//! Whether a camera's pod runs what the Camera says now, and why it does not.

use std::time::{Duration, Instant};

use serde::Deserialize;

use super::build::Wanted;
use super::decide::carries;
use super::dereference::Observed;
use super::memory::{ASKED, Memory};
use super::picture::Picture;
use super::readings::{PATCHED_FOR, runs_what_it_carries};
use super::rollout::is_of;
use super::verdict::{Refused, Verdict};
use crate::names;
use crate::world::PodFacts;

/// The reason where what changed comes with another release.
pub const ROLLOUT_WAITING: &str = "RolloutWaiting";
/// The reason where a pod goes on with what it had.
pub const CONFIG_PENDING: &str = "ConfigPending";

/// Whether what is wanted runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uptake {
    /// It does, as far as anybody can know, or nothing is there that could run anything else.
    pub done: bool,
    /// Why it does not, as one word and for people. Nothing is said where it takes no longer than it should.
    pub why: Option<(&'static str, String)>,
    /// When it has taken too long.
    pub again: Option<Duration>,
}

impl Uptake {
    const DONE: Self = Self {
        done: true,
        why: None,
        again: None,
    };

    fn because(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            why: Some((reason, message.into())),
            ..Self::default()
        }
    }

    /// Whether it is about to run.
    pub fn is_underway(&self) -> bool {
        !self.done && self.why.is_none()
    }

    /// Puts it into a picture in which nothing worse is said.
    pub fn say(&self, picture: &mut Picture) {
        if let Some((reason, message)) = &self.why
            && picture.reason.is_empty()
        {
            (*reason).clone_into(&mut picture.reason);
            picture.message.clone_from(message);
        }
    }
}

/// Finds out. `stopped` says whether the roll-out of this release has stopped.
pub fn uptake(
    observed: &Observed,
    wanted: Option<&Wanted>,
    memory: &Memory,
    stopped: bool,
    now: Instant,
) -> Uptake {
    let pod = observed.own_pod();
    let Some(pod) = pod.filter(|pod| !pod.is_finished() && pod.deleting_since.is_none()) else {
        return Uptake::DONE;
    };
    let Some(wanted) = wanted else {
        // What can't be read can't be given to a pod that goes on.
        let unread = matches!(observed.verdict, Verdict::Refused(Refused::Invalid(_)));
        return Uptake {
            done: !unread,
            ..Uptake::default()
        };
    };
    let of_release = is_of(pod, &wanted.release_hash);
    let given = if of_release {
        carries(pod, wanted)
    } else {
        // Another release may write the same in another way.
        let documents = [names::CAMERA, names::HUB];
        let given = documents.map(|name| generation(pod.annotation(name)));
        given == documents.map(|name| generation(wanted.annotations.get(name).map(String::as_str)))
    };
    if given {
        return taken(pod, memory, now);
    }
    if let Some(doubt) = observed.doubt() {
        let message = format!(
            "what was changed needs another pod, which could not have its device now ({doubt}); it runs on what it had"
        );
        return Uptake::because(CONFIG_PENDING, message);
    }
    if of_release {
        // The next step gives it, or says why it can't.
        return Uptake::default();
    }
    let release = wanted.annotations.get(names::RELEASE);
    let mut message = format!(
        "what was changed is taken over with release {}, once it is this camera's turn; until then it runs on what it had",
        release.map_or("", String::as_str)
    );
    if stopped {
        message.push_str(
            ". The roll-out has stopped at a camera whose pod can't be made or can't start: see the operator's log",
        );
    }
    Uptake::because(ROLLOUT_WAITING, message)
}

/// Whether a pod runs what it was given.
fn taken(pod: &PodFacts, memory: &Memory, now: Instant) -> Uptake {
    // A process that starts reads what is there.
    if !pod.container.running {
        return Uptake::DONE;
    }
    let reading = memory.reading.as_ref();
    let Some(reading) = reading.filter(|reading| reading.uid == pod.uid) else {
        return Uptake::default();
    };
    let Some(said) = &reading.said else {
        // One that can't be asked at all must not keep its Camera waiting.
        return Uptake {
            done: reading.failed >= ASKED,
            ..Uptake::default()
        };
    };
    if runs_what_it_carries(pod, said) {
        return Uptake::DONE;
    }
    let late = memory.patched.map(|at| at + PATCHED_FOR);
    let again = late.and_then(|late| late.checked_duration_since(now));
    match again.filter(|rest| !rest.is_zero()) {
        Some(again) => Uptake {
            again: Some(again),
            ..Uptake::default()
        },
        None => Uptake::because(
            CONFIG_PENDING,
            "its pod has been given what was changed and does not say that it runs it; look at the pod's log, or delete \
             the pod",
        ),
    }
}

/// The generation of the object that a document was made of.
fn generation(document: Option<&str>) -> Option<i64> {
    #[derive(Deserialize)]
    struct Document {
        metadata: Metadata,
    }
    #[derive(Deserialize)]
    struct Metadata {
        generation: Option<i64>,
    }
    let document: Document = serde_json::from_str(document?).ok()?;
    document.metadata.generation
}

#[cfg(test)]
mod tests;
