//! A new release goes out camera by camera: a tenth at a time, and no further than the first that can't be made or start.

use std::collections::BTreeSet;

use streamhub_plan::{CameraKey, can_do_without};

use crate::names;
use crate::world::{PodFacts, World};

/// Whether another pod may be replaced now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gate {
    /// Yes.
    Open {
        /// Whether the pod that goes has answered.
        answered: bool,
    },
    /// Not while so many do not answer yet.
    Full,
    /// The new release can't start.
    Stopped {
        /// Where.
        by: CameraKey,
        /// Whether this is said for the first time.
        news: bool,
    },
}

/// Cameras whose pods are being replaced by those of a new release.
///
/// Only pods that take the place of one that answered count: a camera that never ran says nothing of a release, and
/// must not keep the others from it.
#[derive(Debug, Default)]
pub struct Rollout {
    moving: BTreeSet<CameraKey>,
    /// Who was told to wait.
    waiting: BTreeSet<CameraKey>,
    /// Where the new release could not start, when it was asked about last.
    stopped: Option<CameraKey>,
}

impl Rollout {
    /// Asks for one more, and notes it when it may. `answers` says whether a pod has ever said something, and nothing
    /// while it has hardly been asked; `refused`, whether the API server takes no pod of a camera.
    pub fn ask(
        &mut self,
        key: &CameraKey,
        world: &World,
        release: &str,
        answers: impl Fn(&CameraKey, &str) -> Option<bool>,
        refused: impl Fn(&CameraKey) -> bool,
    ) -> Gate {
        let gate = self.gate(key, world, release, answers, refused);
        if matches!(gate, Gate::Open { .. }) {
            self.waiting.remove(key);
        } else {
            self.waiting.insert(key.clone());
        }
        gate
    }

    fn gate(
        &mut self,
        key: &CameraKey,
        world: &World,
        release: &str,
        answers: impl Fn(&CameraKey, &str) -> Option<bool>,
        refused: impl Fn(&CameraKey) -> bool,
    ) -> Gate {
        let answering = |key: &CameraKey, pod: &PodFacts| {
            if pod.ready.is_some() {
                Some(true)
            } else {
                answers(key, &pod.uid)
            }
        };
        self.moving.retain(|key| {
            let arrived = world
                .pod(key)
                .is_some_and(|pod| is_of(pod, release) && answering(key, pod) == Some(true));
            !arrived && !leaves(world, key)
        });
        let mut moving = self.moving.iter();
        let refused = moving.find(|key| world.pod(key).is_none() && refused(key));
        if let Some(by) = refused.cloned() {
            return self.stop(by);
        }
        let mut away = self.moving.clone();
        let moved = |pod: &PodFacts| pod.annotation(names::MOVED).is_some();
        for (other, pod) in world.pods() {
            let arrived = answering(other, pod) == Some(true);
            if !is_of(pod, release) || !moved(pod) || arrived || leaves(world, other) {
                continue;
            }
            if cant_start(pod) {
                return self.stop(other.clone());
            }
            // That no node takes it is not its release's doing.
            if pod.node.is_some() {
                away.insert(other.clone());
            }
        }
        self.stopped = None;
        let answered = match world.pod(key).map(|pod| (answering(key, pod), pod)) {
            Some((Some(answered), _)) => answered,
            // It is about to be asked.
            Some((None, pod)) if pod.container.running && pod.ip.is_some() => return Gate::Full,
            _ => false,
        };
        if answered {
            if away.len() >= at_once(world) && !away.contains(key) {
                return Gate::Full;
            }
            self.moving.insert(key.clone());
        }
        Gate::Open { answered }
    }

    fn stop(&mut self, by: CameraKey) -> Gate {
        let before = self.stopped.replace(by.clone());
        let news = before.as_ref() != Some(&by);
        Gate::Stopped { by, news }
    }

    /// Some cameras that were told to wait, to be looked at once there may be room again.
    pub fn next(&mut self, world: &World) -> Vec<CameraKey> {
        let next: Vec<CameraKey> = self.waiting.iter().take(at_once(world)).cloned().collect();
        for key in &next {
            self.waiting.remove(key);
        }
        next
    }

    /// Whether a pod of this release could not be made or start, and so others wait.
    pub fn is_stopped(&self) -> bool {
        self.stopped.is_some()
    }
}

/// Whether a pod is of a release.
pub fn is_of(pod: &PodFacts, release: &str) -> bool {
    pod.annotation(names::RELEASE_HASH) == Some(release)
}

/// Whether a camera holds nobody up: it is gone, must not run any more, or has nothing to show while its device cannot be
/// had. One that has other sources runs all the time, and is replaced as any other.
fn leaves(world: &World, key: &CameraKey) -> bool {
    world.camera(key).is_none_or(|camera| {
        let state = camera.status.state.as_deref();
        let has_others = camera.parsed.as_ref().as_ref().is_ok_and(can_do_without);
        matches!(state, Some("Disabled" | "Refused")) || camera.is_without_device() && !has_others
    })
}

/// A tenth of the pods, and at least one.
fn at_once(world: &World) -> usize {
    (world.pods().count() / 10).max(1)
}

/// Whether the image or what is in it keeps a pod from starting.
fn cant_start(pod: &PodFacts) -> bool {
    let reasons = [
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "ImageInspectError",
        "InvalidImageName",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "CrashLoopBackOff",
    ];
    let waiting = pod.container.waiting.as_ref();
    waiting.is_some_and(|(reason, _)| reasons.contains(&reason.as_str()))
}

#[cfg(test)]
mod tests;
