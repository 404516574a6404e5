//! Whether a camera may run, and if not, why.

use streamhub_crds::{Problem, Source};
use streamhub_plan::{Reason, Run};

use crate::world::HubKey;

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
    /// No part of the installation brings devices to pods.
    #[error(
        "no node agent of this installation reports capture devices, so {path} can't be brought to a pod; use \
         streamhub up on the machine that has the device, or another source"
    )]
    DeviceMissing {
        /// The device that is asked for.
        path: String,
    },
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
            Self::DeviceMissing { .. } => "DeviceMissing",
            Self::Plan(reason) => reason.word(),
        }
    }

    /// Whether a pod that runs is left alone: what is wrong is not known to be its doing.
    pub fn keeps_what_runs(&self) -> bool {
        match self {
            Self::Invalid(_) | Self::HubInvalid { .. } => true,
            Self::DeviceMissing { .. } => false,
            Self::Plan(reason) => match reason {
                Reason::HubNotFound { .. } | Reason::NatsUnknown { .. } => true,
                Reason::Disabled | Reason::Conflict { .. } => false,
            },
        }
    }

    /// Whether somebody has to change something before it can run; a hub may yet be made, a device plugged in.
    pub fn is_stalled(&self) -> bool {
        match self {
            Self::Invalid(_) | Self::HubInvalid { .. } => true,
            Self::DeviceMissing { .. } => false,
            Self::Plan(reason) => {
                matches!(reason, Reason::Conflict { .. } | Reason::NatsUnknown { .. })
            }
        }
    }
}

/// The device of a camera that needs one.
pub fn device(run: &Run) -> Option<&str> {
    run.camera
        .spec
        .source
        .all()
        .find_map(|source| match source {
            Source::V4l2(v4l2) => Some(v4l2.device_selector.device_path.as_str()),
            _ => None,
        })
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
