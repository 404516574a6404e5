//! A new release goes out camera by camera: a tenth at a time, and no further than the first that can't start.

use std::collections::BTreeSet;

use streamhub_plan::CameraKey;

use crate::names;
use crate::world::{PodFacts, World};

/// Whether another pod may be replaced now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gate {
    /// Yes.
    Open,
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
#[derive(Debug, Default)]
pub struct Rollout {
    moving: BTreeSet<CameraKey>,
    /// Whether any was told to wait since [`Rollout::next`].
    waiting: bool,
    /// Where the new release could not start, when it was asked about last.
    stopped: Option<CameraKey>,
}

impl Rollout {
    /// Asks for one more, and notes it when it may. `answers` says whether a pod has ever said something.
    pub fn ask(
        &mut self,
        key: &CameraKey,
        world: &World,
        release: &str,
        answers: impl Fn(&CameraKey, &str) -> bool,
    ) -> Gate {
        let current = |pod: &PodFacts| pod.annotation(names::RELEASE_HASH) == Some(release);
        let answering =
            |key: &CameraKey, pod: &PodFacts| pod.ready.is_some() || answers(key, &pod.uid);
        self.moving.retain(|key| {
            let arrived = world
                .pod(key)
                .is_some_and(|pod| current(pod) && answering(key, pod));
            // One that is gone or must not run any more holds nobody up.
            let state = world
                .camera(key)
                .map(|camera| camera.status.state.as_deref());
            let leaves = matches!(state, None | Some(Some("Disabled" | "Refused")));
            !arrived && !leaves
        });
        let mut away = self.moving.clone();
        for (other, pod) in world.pods().filter(|(_, pod)| current(pod)) {
            if answering(other, pod) {
                continue;
            }
            if cant_start(pod) {
                self.waiting = true;
                let news = self.stopped.replace(other.clone()).as_ref() != Some(other);
                return Gate::Stopped {
                    by: other.clone(),
                    news,
                };
            }
            // That no node takes it is not its release's doing.
            if pod.node.is_some() {
                away.insert(other.clone());
            }
        }
        self.stopped = None;
        let most = (world.cameras().count() / 10).max(1);
        if away.len() >= most && !away.contains(key) {
            self.waiting = true;
            return Gate::Full;
        }
        self.moving.insert(key.clone());
        Gate::Open
    }

    /// Some cameras that were told to wait, to be looked at once there may be room again.
    pub fn next(&mut self, world: &World, release: &str) -> Vec<CameraKey> {
        if !std::mem::take(&mut self.waiting) {
            return Vec::new();
        }
        let most = (world.cameras().count() / 10).max(1);
        let old = |pod: &PodFacts| {
            pod.annotation(names::RELEASE_HASH) != Some(release) && pod.deleting_since.is_none()
        };
        let keys = world
            .pods()
            .filter(|(_, pod)| old(pod))
            .map(|(key, _)| key.clone());
        keys.take(most).collect()
    }
}

/// Whether the image or what is in it keeps a pod from starting.
fn cant_start(pod: &PodFacts) -> bool {
    let reasons = [
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "InvalidImageName",
        "CreateContainerError",
        "RunContainerError",
        "CrashLoopBackOff",
    ];
    let waiting = pod.container.waiting.as_ref();
    waiting.is_some_and(|(reason, _)| reasons.contains(&reason.as_str()))
}

#[cfg(test)]
mod tests;
