//! Why a camera does not run.

use crate::key::CameraKey;

/// Why a camera does not run, or runs on what it had. Its text says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// `spec.enabled` is false.
    #[error("switched off by spec.enabled")]
    Disabled,
    /// The hub that it refers to is not there.
    #[error("there is no StreamHub {hub:?} in its namespace; create it or change spec.hubRef.name")]
    HubNotFound {
        /// The name that was looked for.
        hub: String,
    },
    /// An older camera of the namespace has the same URL, or one of any namespace the same device.
    #[error(
        "camera {older} is older and reads the same {what}; use that one, give it more renditions, or disable it"
    )]
    Conflict {
        /// The one that keeps it.
        older: CameraKey,
        /// The URL, the Secret that holds it, or the device; without anything secret.
        what: String,
    },
    /// Its body looks for devices, and found none that it means; it knows more about it.
    #[error("the device that it means is not there")]
    NoDevice,
    /// Neither its hub nor the installation names a NATS server.
    #[error(
        "StreamHub {hub:?} names no NATS server and there is none beside it; set spec.nats.url"
    )]
    NatsUnknown {
        /// The hub.
        hub: String,
    },
}

impl Reason {
    /// The reason as one word, for conditions, columns and metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Disabled => "Disabled",
            Self::HubNotFound { .. } => "HubNotFound",
            Self::Conflict { .. } => "Conflict",
            Self::NoDevice => "DeviceMissing",
            Self::NatsUnknown { .. } => "NatsUnknown",
        }
    }
}
