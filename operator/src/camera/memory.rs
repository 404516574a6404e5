//! What this operator remembers of a camera between two looks. Nothing of it must outlive the process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use streamhub_plan::CameraKey;
use streamhub_wire::status::CameraStatus;

use super::picture::NAME_IS_TAKEN;
use super::refusal::Refusal;
use crate::backoff;
use crate::budget::Budget;
use crate::world::{Ended, PodFacts};

/// So many readings in vain say that a pod does not answer.
pub const ASKED: u32 = 3;
/// A pod that somebody deletes sooner than this is not made again at once.
const VANISHES: Duration = Duration::from_secs(10);

/// A pod that lived this long was well: what ends it is a new beginning.
const WAS_WELL: Duration = Duration::from_mins(5);
/// So often in a row a device may be plugged in anew without a wait.
const FREE_UNPLUGS: u32 = 2;

/// What a pod is made for. Another one is nobody's pod that ended: somebody has changed something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The Camera's.
    pub generation: i64,
    /// Of all that only a new pod can take over, whether the Camera says it, its hub or its device.
    pub pod_hash: String,
}

/// What is remembered of one camera.
#[derive(Debug, Default)]
pub struct Memory {
    /// Pods that ended in a row.
    pub endings: u32,
    /// How the last one ended.
    pub last_ending: Option<String>,
    /// No pod is made before then.
    pub not_before: Option<Instant>,
    /// Pods in a row that were not well for long when their device went or became another.
    pub unplugs: u32,
    /// No pod with a device is made before then.
    pub no_device_before: Option<Instant>,
    /// Since when its pod is ready.
    pub ready_since: Option<Instant>,
    /// Why the API server takes no pod.
    pub refusal: Option<Refusal>,
    /// Attempts in a row that it took none.
    pub refusals: u32,
    /// What the last incarnation was raised for; none where the next one need not wait.
    pub raised_for: Option<Wish>,
    /// An incarnation that was written and that no pod has had.
    pub unused_incarnation: Option<u64>,
    /// When the pod was made that nobody has been asked to end.
    pub made: Option<Instant>,
    /// The next pod takes the place of one of another release that had answered.
    pub moves: bool,
    /// What the API server says to a step that it refuses time after time.
    pub trouble: Option<String>,
    /// When the pod was given new configuration.
    pub patched: Option<Instant>,
    /// What its pod said last.
    pub reading: Option<Reading>,
    /// What may still be written.
    pub budget: Budget,
    /// The version of the Camera of which the API server takes no status, and when it said so.
    pub status_refused: Option<(String, Instant)>,
    /// Requests that failed in a row.
    pub failures: u32,
    /// The Camera that all of this is about, by its uid, and its generation.
    pub about: (String, i64),
    /// A pod that its node rejected for want of the device, and when that had been registered as far as was known then.
    pub rejection: Option<(String, Option<String>)>,
    /// The pod with a device that was ready last, and the boot of its node that it was first seen so in.
    pub ran: Option<(String, String)>,
    /// Its pod, and how often the process in it was started again.
    pub restarts: Option<(String, i32)>,
}

impl Memory {
    /// Who has changed a Camera may have mended what kept its pod from being made or from living: nothing is waited
    /// for any more. Of an earlier Camera of the same name nothing is remembered.
    pub fn of_camera(&mut self, uid: &str, generation: i64) {
        if self.about.0 != uid {
            *self = Self::default();
            uid.clone_into(&mut self.about.0);
        }
        if self.about.1 != generation {
            self.about.1 = generation;
            self.endings = 0;
            self.refusals = 0;
            self.not_before = None;
            self.unplugs = 0;
            self.no_device_before = None;
        }
    }

    /// Its pod ends because the device went or became another. Who plugs it in again has it back at once; a loose plug
    /// makes no pods without end.
    pub fn of_unplugging(&mut self, now: Instant) {
        self.unplugs = if self.was_well(now) {
            1
        } else {
            self.unplugs + 1
        };
        let counted = self.unplugs.saturating_sub(FREE_UNPLUGS);
        self.no_device_before = Some(now + backoff::REMAKE.jittered(counted));
        if counted == 0 {
            self.raised_for = None;
        } else {
            let ending = format!(
                "its device went or changed {} times within minutes: look at its plug, its cable and its power",
                self.unplugs
            );
            self.last_ending = Some(ending);
        }
    }

    /// When an incarnation may be raised for this; `None`: now. Where pods end or are refused time after time, or a device
    /// comes and goes, not each attempt may write; a person who changes a Camera is not kept waiting.
    pub fn raises_at(&self, wish: &Wish, now: Instant) -> Option<Instant> {
        let is_new = self.raised_for.as_ref() != Some(wish);
        if is_new && self.unplugs <= FREE_UNPLUGS {
            return None;
        }
        self.budget.next(now)
    }

    /// Whether the pod that ends now was well for long.
    pub fn was_well(&mut self, now: Instant) -> bool {
        let since = self.ready_since.take();
        since.is_some_and(|since| now.duration_since(since) >= WAS_WELL)
    }

    /// The pod is gone. One that went soon after it was made, and not by us, may go so again.
    pub fn of_no_pod(&mut self, now: Instant) {
        let Some(lived) = self.made.take().map(|made| now.duration_since(made)) else {
            return;
        };
        if lived >= VANISHES {
            self.endings = 0;
        } else {
            self.endings += 1;
            self.not_before = Some(now + backoff::REMAKE.jittered(self.endings));
        }
    }

    /// Keeps what was known of a device when its node was first seen to have rejected a pod for want of it.
    pub fn of_rejection(&mut self, pod: &PodFacts, registered: Option<&str>) {
        let known = self
            .rejection
            .as_ref()
            .is_some_and(|(uid, _)| *uid == pod.uid);
        if pod.rejected.is_some() && !known {
            self.rejection = Some((pod.uid.clone(), registered.map(str::to_owned)));
        }
    }

    /// Keeps in which boot of its node a pod with a device was ready.
    pub fn of_running(&mut self, pod: &PodFacts, boot: &str) {
        if pod.ready.is_some() && !self.has_run(pod) {
            self.ran = Some((pod.uid.clone(), boot.to_owned()));
        }
    }

    /// Whether a pod with a device was ever ready.
    pub fn has_run(&self, pod: &PodFacts) -> bool {
        self.ran.as_ref().is_some_and(|(uid, _)| *uid == pod.uid)
    }

    /// Whether a pod was ready in another boot of its node than this.
    pub fn ran_before(&self, pod: &PodFacts, boot: &str) -> bool {
        let other = |before: &str| !before.is_empty() && !boot.is_empty() && before != boot;
        let ran = self.ran.as_ref().filter(|(uid, _)| *uid == pod.uid);
        ran.is_some_and(|(_, before)| other(before))
    }

    /// Keeps how often the process in a pod was started again; how it ended, where that has just happened.
    pub fn of_restarts(&mut self, pod: &PodFacts) -> Option<Ended> {
        let restarts = pod.container.restarts;
        let before = self.restarts.replace((pod.uid.clone(), restarts))?;
        let again = before.0 == pod.uid && before.1 < restarts;
        pod.container.ended.clone().filter(|_| again)
    }
}

/// What a pod said, or that it said nothing.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The pod.
    pub uid: String,
    /// When it was asked last.
    pub asked: Instant,
    /// What it said last.
    pub said: Option<Arc<CameraStatus>>,
    /// Since when it has been asked in vain, and how often.
    pub failed: u32,
    /// Whether its silence took long to be sure of.
    pub slow: bool,
    /// What went wrong.
    pub error: String,
    /// Since when the kubelet found it ready, when it was asked.
    pub ready: Option<u64>,
    /// How often it was asked since that changed.
    pub asked_since_flip: u32,
}

/// Of all cameras.
#[derive(Debug, Default)]
pub struct Memories(Mutex<HashMap<CameraKey, Arc<Mutex<Memory>>>>);

impl Memories {
    /// Of one camera.
    pub fn of(&self, key: &CameraKey) -> Arc<Mutex<Memory>> {
        Arc::clone(self.all().entry(key.clone()).or_default())
    }

    /// Whether the API server takes no pod of it. That another has the name is not the pod's fault.
    pub fn is_refused(&self, key: &CameraKey) -> bool {
        let memory = self.all().get(key).cloned();
        memory.is_some_and(|memory| {
            let memory = lock(&memory);
            let mut refusal = memory.refusal.iter();
            refusal.any(|refusal| refusal.reason != NAME_IS_TAKEN)
        })
    }

    /// Whether its pod has said anything; `None` while it has hardly been asked.
    pub fn has_answered(&self, key: &CameraKey, uid: &str) -> Option<bool> {
        let memory = self.all().get(key).cloned()?;
        let memory = lock(&memory);
        let reading = memory
            .reading
            .as_ref()
            .filter(|reading| reading.uid == uid)?;
        match reading.said {
            Some(_) => Some(true),
            None => (reading.failed >= ASKED).then_some(false),
        }
    }

    /// The camera is gone.
    pub fn forget(&self, key: &CameraKey) {
        self.all().remove(key);
    }

    fn all(&self) -> MutexGuard<'_, HashMap<CameraKey, Arc<Mutex<Memory>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread that broke off leaves nothing half done here.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Container;

    fn pod(uid: &str, restarts: i32) -> PodFacts {
        let ended = Ended {
            reason: "OOMKilled".to_owned(),
            code: 137,
            message: String::new(),
        };
        PodFacts {
            uid: uid.to_owned(),
            container: Container {
                restarts,
                ended: Some(ended),
                ..Container::default()
            },
            ..PodFacts::default()
        }
    }

    /// Seconds of a wait before chance took up to half of it.
    fn longest(wait: Duration) -> u64 {
        match wait.as_secs_f64().ceil() as u64 {
            0 => 0,
            seconds => seconds.next_power_of_two(),
        }
    }

    #[test]
    fn a_changed_camera_waits_no_more_and_another_one_begins_anew() {
        let mut memory = Memory::default();
        memory.of_camera("a", 1);
        let later = Instant::now() + Duration::from_mins(1);
        let trouble = |memory: &mut Memory| {
            memory.not_before = Some(later);
            memory.last_ending = Some("Failed".to_owned());
        };
        trouble(&mut memory);
        memory.of_camera("a", 1);
        assert_eq!(memory.not_before, Some(later));
        memory.of_camera("a", 2);
        assert_eq!(memory.not_before, None);
        assert!(memory.last_ending.is_some());
        trouble(&mut memory);
        memory.of_camera("b", 2);
        assert!(memory.not_before.is_none() && memory.last_ending.is_none());
    }

    #[test]
    fn a_device_that_comes_and_goes_is_waited_for_longer_each_time_but_for_the_first_two() {
        let mut memory = Memory::default();
        let begin = Instant::now();
        let mut waits = Vec::new();
        for lived in [10, 10, 10, 10, 10, 600, 10] {
            memory.ready_since = Some(begin);
            let gone = begin + Duration::from_secs(lived);
            memory.of_unplugging(gone);
            waits.push(longest(memory.no_device_before.unwrap() - gone));
        }
        assert_eq!(waits, [0, 0, 1, 2, 4, 0, 0]);
        assert!(
            memory
                .last_ending
                .unwrap()
                .contains("went or changed 5 times")
        );
        memory.about = ("a".to_owned(), 1);
        memory.last_ending = None;
        memory.of_camera("a", 2);
        assert_eq!((memory.unplugs, memory.no_device_before), (0, None));
    }

    #[test]
    fn who_changes_a_camera_or_plugs_it_in_again_waits_for_no_budget() {
        let now = Instant::now() + Duration::from_secs(1000);
        let wish = |generation, pod_hash: &str| Wish {
            generation,
            pod_hash: pod_hash.to_owned(),
        };
        let mut memory = Memory::default();
        let raise = |memory: &mut Memory, wish: Wish| {
            let waits = memory.raises_at(&wish, now).is_some();
            memory.budget.spend(now);
            memory.raised_for = Some(wish);
            waits
        };
        for generation in 1..=5 {
            assert!(!raise(&mut memory, wish(generation, "a")), "{generation}");
        }
        assert!(raise(&mut memory, wish(5, "a")), "the pod ended");
        assert!(!raise(&mut memory, wish(5, "b")), "the hub was changed");
        for waits in [false, false, true, true] {
            memory.of_unplugging(now);
            assert_eq!(
                raise(&mut memory, wish(5, "b")),
                waits,
                "{}",
                memory.unplugs
            );
        }
        assert!(raise(&mut memory, wish(5, "c")), "it has another number");
        memory.of_camera("", 6);
        assert!(!raise(&mut memory, wish(6, "c")));
    }

    #[test]
    fn a_pod_that_vanishes_soon_is_made_again_later_and_later() {
        let mut memory = Memory::default();
        let begin = Instant::now();
        let mut waits = Vec::new();
        for lived in [60, 1, 1, 1, 60] {
            memory.made = Some(begin);
            memory.not_before = None;
            let gone = begin + Duration::from_secs(lived);
            memory.of_no_pod(gone);
            waits.push(memory.not_before.map(|at| longest(at - gone)));
        }
        assert_eq!(waits, [None, Some(1), Some(2), Some(4), None]);
        memory.of_no_pod(begin);
        assert_eq!(memory.not_before, None, "it was ended by us");
    }

    #[test]
    fn each_end_of_a_process_is_told_once_and_none_from_before_we_looked() {
        let mut memory = Memory::default();
        assert_eq!(memory.of_restarts(&pod("a", 4)), None);
        let ended = memory.of_restarts(&pod("a", 5)).unwrap();
        assert!(ended.to_string().contains("limits.memory"), "{ended}");
        assert_eq!(memory.of_restarts(&pod("a", 5)), None);
        assert_eq!(memory.of_restarts(&pod("b", 6)), None, "another pod");
    }
}
