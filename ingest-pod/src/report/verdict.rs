//! What all of the board comes to: the camera's state, why, and what a person can do.

use std::fmt::Write as _;
use std::time::Instant;
use streamhub_wire::fencing::FenceState;
use streamhub_wire::status::{CameraState, NatsStatus};

use super::{Board, DENIED_FOR, FRESH_WITHIN, MEMORY_READ_EVERY, SourceState};
use crate::fault::Fault;
use crate::metrics::process_usage;

/// A fallback that is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandIn {
    /// Its place in `spec.source.fallbacks`.
    pub fallback: usize,
    /// Why the camera's own source does not deliver; absent while it does so again and is watched.
    pub own_fault: Option<Fault>,
}

impl StandIn {
    /// Reason, message and remedy for people; `notice` is what is to be known of the fallback.
    fn warning(&self, notice: Option<&Fault>) -> (&'static str, String, String) {
        let in_use = format!("spec.source.fallbacks[{}] is in use", self.fallback);
        let (mut message, remedy) = match &self.own_fault {
            Some(fault) => (
                format!("{in_use}, because of {}: {}", fault.reason, fault.message),
                fault.remedy.clone(),
            ),
            None => (
                format!("{in_use}; the camera's own source delivers again"),
                "nothing to do: it is back in use once it has been fresh for a while".to_owned(),
            ),
        };
        if let Some(notice) = notice {
            let _ = write!(message, "; {}: {}", notice.reason, notice.message);
        }
        ("FallbackInUse", message, remedy)
    }
}

impl Board {
    /// As it was a moment ago: a status is made several times a second, and few are read.
    pub(super) fn memory_bytes(&mut self, now: Instant) -> u64 {
        match self.memory {
            Some((at, bytes)) if now.saturating_duration_since(at) < MEMORY_READ_EVERY => bytes,
            _ => {
                let bytes = process_usage().map_or(0, |(bytes, _)| bytes.unsigned_abs());
                self.memory = Some((now, bytes));
                bytes
            }
        }
    }

    pub(super) fn is_fresh(&mut self, now: Instant) -> bool {
        let interval = self.arrivals.interval(now).unwrap_or_default();
        self.last_access_unit
            .is_some_and(|at| now.saturating_duration_since(at) <= FRESH_WITHIN.max(interval * 3))
    }

    /// State, reason, message and remedy; what stops most comes first.
    pub(super) fn verdict(&self, fresh: bool) -> (CameraState, String, String, String) {
        let plain = |state: CameraState| (state, String::new(), String::new(), String::new());
        let because = |state: CameraState, fault: &Fault| {
            (
                state,
                fault.reason.to_owned(),
                fault.message.clone(),
                fault.remedy.clone(),
            )
        };
        if self.stopped {
            return plain(CameraState::Stopped);
        }
        match &self.fence {
            FenceState::Fenced { by } => {
                return (
                    CameraState::Fenced,
                    "Fenced".to_owned(),
                    format!(
                        "instance {} of this camera is newer (incarnation {})",
                        by.instance, by.incarnation
                    ),
                    "nothing to do: the newer instance publishes; end this process".to_owned(),
                );
            }
            FenceState::SubjectInUse { by } => {
                return (
                    CameraState::SubjectInUse,
                    "SubjectInUse".to_owned(),
                    format!("another camera (uid {}) publishes on these subjects", by.uid),
                    "give one of the two cameras another name, or its hub another nats.subjectPrefix".to_owned(),
                );
            }
            FenceState::Disconnected | FenceState::Asking | FenceState::Held => {}
        }
        let verdict = match &self.source_state {
            SourceState::Idle => plain(CameraState::Starting),
            SourceState::Connecting => match &self.notice {
                Some(notice) => because(CameraState::Connecting, notice),
                None => plain(CameraState::Connecting),
            },
            SourceState::Retrying(fault) => match &self.notice {
                // Of the attempt that runs now, while the fault is of one before it.
                Some(notice) => (
                    CameraState::Reconnecting,
                    notice.reason.to_owned(),
                    format!(
                        "{}; before: {}: {}",
                        notice.message, fault.reason, fault.message
                    ),
                    notice.remedy.clone(),
                ),
                None => because(CameraState::Reconnecting, fault),
            },
            SourceState::Failed(fault) => because(CameraState::Stalled, fault),
            SourceState::Finished => plain(CameraState::Finished),
            SourceState::Disabled => plain(CameraState::Disabled),
            SourceState::Streaming if fresh => plain(CameraState::Streaming),
            SourceState::Streaming => (
                CameraState::Reconnecting,
                "NoFrames".to_owned(),
                "no frame came for a while".to_owned(),
                "check the camera; it is reconnected by itself".to_owned(),
            ),
        };
        if verdict.0 != CameraState::Streaming {
            return verdict;
        }
        match (self.warning(), &self.notice) {
            (Some((reason, message, remedy)), _) => {
                (CameraState::Streaming, reason.to_owned(), message, remedy)
            }
            (None, Some(notice)) => because(CameraState::Streaming, notice),
            (None, None) => verdict,
        }
    }

    pub(super) fn denied_of_late(&self) -> Option<&str> {
        self.denied
            .as_ref()
            .filter(|(_, at)| at.elapsed() < DENIED_FOR)
            .map(|(what, _)| what.as_str())
    }

    /// What a person should know although the source delivers.
    fn warning(&self) -> Option<(&'static str, String, String)> {
        let in_its_place = || {
            let stand_in = self.stand_in.as_ref()?;
            Some(stand_in.warning(self.notice.as_ref()))
        };
        self.plain_warning()
            .map(|(reason, message, remedy)| (reason, message, remedy.to_owned()))
            .or_else(in_its_place)
    }

    fn plain_warning(&self) -> Option<(&'static str, String, &'static str)> {
        match self.nats.state.as_str() {
            "connected" => {}
            "unauthorized" => {
                return Some((
                    "NatsUnauthorized",
                    format!("{} refuses the credentials: unauthorized", self.nats.url),
                    "check the Secret in the hub's spec.nats.credentialsSecretRef",
                ));
            }
            state => {
                let NatsStatus { url, reason, .. } = &self.nats;
                let message = if reason.contains(url.as_str()) {
                    format!("{state}: {reason}")
                } else if reason.is_empty() {
                    format!("{state}: {url}")
                } else {
                    format!("{state}: {url}: {reason}")
                };
                return Some((
                    "NatsUnavailable",
                    message,
                    "check that the NATS server runs and that spec.nats.url of the hub is right",
                ));
            }
        }
        if let Some(what) = self.denied_of_late() {
            return Some((
                "NatsDenied",
                format!("{} does not permit: {what}", self.nats.url),
                "give the account the permissions of docs/reference/permissions",
            ));
        }
        if !self.config.refused.is_empty() {
            return Some((
                "ConfigRefused",
                self.config.refused.clone(),
                "correct the manifest; the last good one is in use",
            ));
        }
        if let Some(ms) = self.clock_behind_ms {
            return Some((
                "ClockBehind",
                format!("this node's clock is {ms} ms behind the ids that were already used"),
                "let NTP or PTP set the clocks of all nodes",
            ));
        }
        self.overloaded()
    }

    fn overloaded(&self) -> Option<(&'static str, String, &'static str)> {
        let mut reduced = self
            .renditions
            .iter()
            .filter(|(_, entry)| entry.status.load_level > 0)
            .map(|(name, _)| name.as_str());
        let first = reduced.next()?;
        let names = reduced.fold(first.to_owned(), |names, name| names + ", " + name);
        Some((
            "Overloaded",
            format!("the machine cannot keep up: reduced: {names}"),
            "run fewer cameras on this machine, or ask for less; frames[].floor says how far it may go",
        ))
    }
}
