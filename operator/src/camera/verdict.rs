//! Whether a camera may run, and if not, why.

use streamhub_crds::Problem;
use streamhub_plan::{Reason, Run};

use super::device::Trouble;
use crate::world::{HubKey, PodFacts};

/// Whether a camera may run.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It should run so; perhaps with a notice.
    Run(Box<Run>),
    /// It should not.
    Refused(Refused),
}

/// Why a camera should not run.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refused {
    /// What is stored of it is not valid.
    #[error("{}", listed(.0))]
    Invalid(Vec<Problem>),
    /// What is stored of its hub is not valid.
    #[error("StreamHub {hub} is not valid: {}", listed(.problems))]
    HubInvalid {
        /// The hub.
        hub: HubKey,
        /// What is wrong with it.
        problems: Vec<Problem>,
    },
    /// It can't have the device that it means.
    #[error(transparent)]
    Device(Box<Trouble>),
    /// The plan says no.
    #[error(transparent)]
    Plan(#[from] Reason),
}

impl Refused {
    /// The reason as one word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "Invalid",
            Self::HubInvalid { .. } => "HubInvalid",
            Self::Device(trouble) => trouble.word(),
            Self::Plan(reason) => reason.word(),
        }
    }

    /// Whether the camera's pod is left alone: what is wrong is not known to be its doing.
    pub fn keeps(&self, pod: &PodFacts) -> bool {
        match self {
            Self::Invalid(_) | Self::HubInvalid { .. } => true,
            Self::Device(trouble) => trouble.keeps(pod),
            Self::Plan(reason) => match reason {
                Reason::HubNotFound { .. } | Reason::NatsUnknown { .. } => true,
                Reason::Disabled | Reason::Conflict { .. } | Reason::NoDevice => false,
            },
        }
    }

    /// Whether somebody has to change something before it can run; a hub may yet be made, a device plugged in.
    pub fn is_stalled(&self) -> bool {
        match self {
            Self::Invalid(_) | Self::HubInvalid { .. } => true,
            Self::Device(trouble) => trouble.is_stalled(),
            Self::Plan(reason) => {
                matches!(reason, Reason::Conflict { .. } | Reason::NatsUnknown { .. })
            }
        }
    }
}

fn listed(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems
        .iter()
        .map(|problem| {
            // The object is named by the condition's own object.
            let bare = Problem {
                kind: None,
                name: None,
                ..problem.clone()
            };
            bare.to_string()
        })
        .collect();
    lines.join("; ")
}
