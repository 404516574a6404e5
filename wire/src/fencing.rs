//! Who may publish for a camera when two instances of it run.
//!
//! A pure state machine: it is told about the connection, the time and the statuses heard on the camera's
//! status subject, and says whether frames may go out.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// How long an instance listens after a server round trip before it publishes its first frame.
pub const LISTEN: Duration = Duration::from_millis(250);

/// After this silence of another camera's instance on our subjects we try for them again: three status periods.
pub const RIVAL_SILENCE: Duration = Duration::from_secs(15);

/// One running instance of a camera. Of two with the same `uid` the higher in (incarnation, started, instance) stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The camera object's uid.
    pub uid: String,
    /// Given by who starts the process: UNIX milliseconds, higher at each start.
    pub incarnation: u64,
    /// UNIX milliseconds when the process started.
    pub started: u64,
    /// Random, one per process.
    pub instance: String,
}

impl Identity {
    fn rank(&self) -> (u64, u64, &str) {
        (self.incarnation, self.started, &self.instance)
    }

    fn is_older_than(&self, other: &Self) -> bool {
        (self.started, &self.instance) < (other.started, &other.instance)
    }
}

/// What an instance says in its status about its right to the camera's subjects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Claim {
    /// It does not publish and will not: fenced, in use by another, stopped.
    #[default]
    None,
    /// It asks, and publishes soon if nobody objects.
    Asking,
    /// It publishes.
    Held,
}

/// Where an instance stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FenceState {
    /// No connection to NATS.
    Disconnected,
    /// Announced; listening for objections.
    Asking,
    /// Frames may be published.
    Held,
    /// A higher instance of the same camera runs. For good.
    Fenced {
        /// The higher instance.
        by: Identity,
    },
    /// Another camera publishes on these subjects.
    SubjectInUse {
        /// The instance of the other camera.
        by: Identity,
    },
}

/// What the caller has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FenceAction {
    /// Publish the status at once.
    PublishStatus,
    /// Publish the status at once, then make a server round trip and report it with [`Fence::round_trip`].
    Announce,
}

/// The state machine of one camera's instance.
#[derive(Debug)]
pub struct Fence {
    me: Identity,
    state: FenceState,
    round_trip: Option<Instant>,
    rival_heard: Option<Instant>,
}

impl Fence {
    /// An instance that has no connection yet.
    pub fn new(me: Identity) -> Self {
        Self {
            me,
            state: FenceState::Disconnected,
            round_trip: None,
            rival_heard: None,
        }
    }

    /// Who we are.
    pub fn identity(&self) -> &Identity {
        &self.me
    }

    /// Where we stand.
    pub fn state(&self) -> &FenceState {
        &self.state
    }

    /// What to say in the status.
    pub fn claim(&self) -> Claim {
        match self.state {
            FenceState::Held => Claim::Held,
            FenceState::Asking => Claim::Asking,
            FenceState::Disconnected
            | FenceState::Fenced { .. }
            | FenceState::SubjectInUse { .. } => Claim::None,
        }
    }

    /// NATS is (re)connected and the status subject subscribed.
    pub fn connected(&mut self) -> FenceAction {
        if matches!(self.state, FenceState::Fenced { .. }) {
            return FenceAction::PublishStatus;
        }
        self.ask()
    }

    /// The connection to NATS is gone.
    pub fn disconnected(&mut self) {
        if !matches!(self.state, FenceState::Fenced { .. }) {
            self.state = FenceState::Disconnected;
            self.round_trip = None;
        }
    }

    /// The round trip after an [`FenceAction::Announce`] is complete.
    pub fn round_trip(&mut self, now: Instant) {
        if self.state == FenceState::Asking {
            self.round_trip = Some(now);
        }
    }

    /// Lets time pass: call it at [`Fence::deadline`], or every 50 ms or so.
    pub fn poll(&mut self, now: Instant) -> Option<FenceAction> {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return None;
        }
        if self.state == FenceState::Asking {
            self.state = FenceState::Held;
            Some(FenceAction::PublishStatus)
        } else {
            Some(self.ask())
        }
    }

    /// When [`Fence::poll`] will have something to do.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            FenceState::Asking => self.round_trip.map(|at| at + LISTEN),
            FenceState::SubjectInUse { .. } => self.rival_heard.map(|at| at + RIVAL_SILENCE),
            FenceState::Disconnected | FenceState::Held | FenceState::Fenced { .. } => None,
        }
    }

    /// A status was heard on the camera's status subject; our own is ignored.
    pub fn heard(&mut self, other: &Identity, claim: Claim, now: Instant) -> Option<FenceAction> {
        if *other == self.me || matches!(self.state, FenceState::Fenced { .. }) {
            return None;
        }
        if other.uid == self.me.uid {
            if other.rank() > self.me.rank() {
                self.state = FenceState::Fenced { by: other.clone() };
                return Some(FenceAction::PublishStatus);
            }
            return (claim != Claim::None).then_some(FenceAction::PublishStatus);
        }
        self.heard_other_camera(other, claim, now)
    }

    fn heard_other_camera(
        &mut self,
        other: &Identity,
        claim: Claim,
        now: Instant,
    ) -> Option<FenceAction> {
        if claim == Claim::None {
            return None;
        }
        let yields = match self.state {
            FenceState::Disconnected | FenceState::Fenced { .. } => return None,
            FenceState::SubjectInUse { .. } => {
                self.rival_heard = Some(now);
                return None;
            }
            // Whoever is there already stays; of two that come (or meet again) together the older does.
            FenceState::Asking => claim == Claim::Held || other.is_older_than(&self.me),
            FenceState::Held => claim == Claim::Held && other.is_older_than(&self.me),
        };
        if yields {
            self.state = FenceState::SubjectInUse { by: other.clone() };
            self.rival_heard = Some(now);
        }
        Some(FenceAction::PublishStatus)
    }

    fn ask(&mut self) -> FenceAction {
        self.state = FenceState::Asking;
        self.round_trip = None;
        FenceAction::Announce
    }
}

#[cfg(test)]
mod tests;
