//! What a camera says about itself: payload of `P.status.<camera>` and body of the pod's `/status`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::fencing::{Claim, Identity};
use crate::metadata::CaptureSource;

/// How often a status goes out even when nothing changed.
pub const STATUS_PERIOD: std::time::Duration = std::time::Duration::from_secs(5);

/// What a camera's process is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
pub enum CameraState {
    /// The process reads its configuration and builds its pipeline.
    #[default]
    Starting,
    /// The first connection to the source is being made.
    Connecting,
    /// Frames flow.
    Streaming,
    /// The source was lost and is tried again.
    Reconnecting,
    /// Something that cannot heal by itself; see the reason.
    Stalled,
    /// A higher instance of this camera runs.
    Fenced,
    /// Another camera publishes on these subjects.
    SubjectInUse,
    /// The camera is configured as not enabled.
    Disabled,
    /// The source has come to its configured end.
    Finished,
    /// The last word of a process that was asked to end.
    Stopped,
}

impl CameraState {
    /// The name as it is written on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "Starting",
            Self::Connecting => "Connecting",
            Self::Streaming => "Streaming",
            Self::Reconnecting => "Reconnecting",
            Self::Stalled => "Stalled",
            Self::Fenced => "Fenced",
            Self::SubjectInUse => "SubjectInUse",
            Self::Disabled => "Disabled",
            Self::Finished => "Finished",
            Self::Stopped => "Stopped",
        }
    }
}

impl std::fmt::Display for CameraState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// The whole status. Secrets have no place here: `source` is redacted, messages are written without them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CameraStatus {
    /// The camera's name.
    pub camera: String,
    /// The camera object's uid.
    pub uid: String,
    /// Which start of the camera this is, UNIX milliseconds.
    pub incarnation: u64,
    /// Random name of the process.
    pub instance: String,
    /// UNIX milliseconds when the process started.
    pub started: u64,
    /// UNIX milliseconds when this status was made.
    pub at: u64,
    /// Whether it publishes, wants to, or does neither.
    pub claim: Claim,
    /// What it does.
    pub state: CameraState,
    /// One `CamelCase` word why, for machines; empty while all is well.
    pub reason: String,
    /// The same for people; empty while all is well.
    pub message: String,
    /// What a person can try; empty while all is well.
    pub remedy: String,
    /// Fresh frames and connected to NATS.
    pub ready: bool,
    /// UNIX milliseconds since when `state` and `reason` are what they are.
    pub since: u64,
    /// What the source is and turned out to be.
    pub source: SourceStatus,
    /// The connection to NATS.
    pub nats: NatsStatus,
    /// The configuration in use.
    pub config: ConfigStatus,
    /// Per rendition name.
    pub renditions: BTreeMap<String, RenditionStatus>,
    /// Feedback payloads refused so far, by reason.
    pub feedback_rejected: BTreeMap<String, u64>,
    /// Resident memory of the process in bytes.
    pub memory_bytes: u64,
}

impl CameraStatus {
    /// The identity in it.
    pub fn identity(&self) -> Identity {
        Identity {
            uid: self.uid.clone(),
            incarnation: self.incarnation,
            started: self.started,
            instance: self.instance.clone(),
        }
    }

    /// Reads a payload; unknown fields are ignored and missing ones take their defaults.
    pub fn parse(payload: &[u8]) -> Result<Self, StatusError> {
        Ok(crate::parse_object(payload)?)
    }

    /// The payload.
    pub fn to_json(&self) -> Vec<u8> {
        // A struct of plain fields with string keys always serialises.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// A payload that is no status.
#[derive(Debug, thiserror::Error)]
#[error("not a camera's status: {0}")]
pub struct StatusError(#[from] serde_json::Error);

/// What the source is and turned out to be.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceStatus {
    /// Kind of source: `rtsp`, `v4l2`, `http`, `file`, `test`.
    pub kind: String,
    /// Which of `spec.source.fallbacks` is in use, from 0; absent while none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback: Option<u64>,
    /// Scheme, host, port and path; no userinfo, query or fragment.
    pub url: String,
    /// Codec as found, for example `H264`; empty until known.
    pub codec: String,
    /// Pixels per line as found; 0 until known.
    pub width: u32,
    /// Lines as found; 0 until known.
    pub height: u32,
    /// Frames per second as measured; 0 until known.
    pub fps: f64,
    /// Milliseconds since the last access unit; absent before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_frame_age_ms: Option<u64>,
    /// How often the source was connected anew since the process started.
    pub reconnects: u64,
    /// The element that decodes, for example `avdec_h264`; empty until known.
    pub decoder: String,
    /// What timestamps are made of, and how good they are; absent before the first frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock: Option<ClockStatus>,
}

/// A source's timestamps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClockStatus {
    /// The metadata's `capture.source` of the newest frame.
    pub mode: CaptureSource,
    /// The camera's clock minus hub time at arrival, in milliseconds, so less the delay from there to here; absent
    /// without sender reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub camera_offset_ms: Option<f64>,
    /// The metadata's `capture.error_ms` of the newest frame.
    #[serde(default)]
    pub error_ms: Option<f64>,
}

/// The connection to NATS.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NatsStatus {
    /// `connecting`, `connected`, `disconnected` or `unauthorized`.
    pub state: String,
    /// Why it is not connected; empty while it is.
    pub reason: String,
    /// Scheme, host and port of the server.
    pub url: String,
    /// How often it was connected again since the process started.
    pub reconnects: u64,
    /// The server's `max_payload` in bytes; 0 until known.
    pub max_payload: u64,
}

/// The configuration in use.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ConfigStatus {
    /// Generation of the camera document in use.
    pub generation: i64,
    /// Hash of what is applied in place.
    pub hash: String,
    /// Why the newest documents were refused and the last good ones kept; empty when they were not.
    pub refused: String,
}

/// One rendition.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RenditionStatus {
    /// Whether somebody listens; an idle rendition publishes about a frame a second to find out.
    pub active: bool,
    /// The last id used, published or not; absent before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_frame_id: Option<u64>,
    /// Frames per second as published of late.
    pub fps: f64,
    /// The rate it is held to.
    pub target_fps: f64,
    /// How many steps the machine's load has taken away; 0 when it keeps up.
    pub load_level: u32,
    /// Pixels per line; 0 until known.
    pub width: u32,
    /// Lines; 0 until known.
    pub height: u32,
    /// Bits per second as published of late.
    pub bitrate: u64,
    /// Bytes of the last frame.
    pub frame_bytes: u64,
    /// Bytes published since the process started.
    pub bytes: u64,
    /// Frames published since the process started.
    pub published: u64,
    /// Due frames that were not published, by reason.
    pub drops: BTreeMap<String, u64>,
    /// Milliseconds since the last frame was published; absent before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_frame_age_ms: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_reads_back_and_tolerates_other_versions() {
        let mut status = CameraStatus {
            camera: "door".into(),
            uid: "u".into(),
            state: CameraState::SubjectInUse,
            claim: Claim::Held,
            ..CameraStatus::default()
        };
        status
            .renditions
            .insert("main".into(), RenditionStatus::default());
        assert_eq!(CameraStatus::parse(&status.to_json()).unwrap(), status);
        let other = CameraStatus::parse(br#"{"camera":"x","later":1}"#).unwrap();
        assert_eq!(other.camera, "x");
        assert!(CameraStatus::parse(b"[]").is_err());
    }
}
