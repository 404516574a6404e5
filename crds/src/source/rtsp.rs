//! An RTSP camera.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ONE_URL;
use crate::schema::rule;
use crate::secret::{SecretKeyRef, SecretRef};
use crate::values::{ClockOffset, InvalidValue, RtspUrl};

/// An RTSP camera.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "RtspFields", into = "RtspFields")]
#[schemars(extend("x-kubernetes-validations" = [rule("has(self.url) != has(self.urlSecretRef)", ONE_URL)]))]
pub struct RtspSource {
    /// Where the camera is.
    pub location: RtspLocation,
    /// How media travel.
    pub transport: Transport,
    /// Secret with `username` and `password`, and `ca.crt` for a camera whose certificate a private authority signed.
    pub credentials_secret_ref: Option<SecretRef>,
    /// How the time of its frames is found.
    pub clock: RtspClock,
}

/// Where an RTSP camera is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RtspLocation {
    /// Written in the manifest.
    Url(RtspUrl),
    /// The whole URL is kept in a Secret, for cameras that want their password in the path or the query.
    Secret(SecretKeyRef),
}

/// How an RTSP camera's media travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Transport {
    /// Inside the RTSP connection: nothing is lost, one port.
    #[default]
    Tcp,
    /// RTP over UDP: what some cameras insist on.
    Udp,
}

/// How the time of an RTSP camera's frames is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RtspClock {
    /// `Auto` begins with the time of arrival and takes jitter out with the camera's sender reports where they are
    /// plausible, `Arrival` ignores the reports, `Rtcp` believes them.
    #[serde(default)]
    pub mode: ClockMode,
    /// Added to every timestamp: the camera's own constant delay, from -10s to 10s, such as -40ms or -0.25s.
    #[serde(default)]
    pub offset: ClockOffset,
}

/// What an RTSP camera's time is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum ClockMode {
    /// Arrival, and sender reports where they agree with it.
    #[default]
    Auto,
    /// Arrival alone.
    Arrival,
    /// Sender reports, believed.
    Rtcp,
}

/// The RTSP source as it is written.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct RtspFields {
    /// URL of the stream, `rtsp://` or `rtsps://`, without user and password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<RtspUrl>,
    /// Secret key that holds the whole URL, for cameras that want their password in the path or the query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url_secret_ref: Option<SecretKeyRef>,
    /// How media travel: `tcp` inside the RTSP connection, `udp` beside it.
    #[serde(default)]
    transport: Transport,
    /// Secret with the keys `username` and `password`, and `ca.crt` where a private authority signed the camera's
    /// certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    credentials_secret_ref: Option<SecretRef>,
    /// How the time of its frames is found.
    #[serde(default)]
    clock: RtspClock,
}

impl TryFrom<RtspFields> for RtspSource {
    type Error = InvalidValue;

    fn try_from(fields: RtspFields) -> Result<Self, Self::Error> {
        let location = match (fields.url, fields.url_secret_ref) {
            (Some(url), None) => RtspLocation::Url(url),
            (None, Some(reference)) => RtspLocation::Secret(reference),
            _ => return Err(InvalidValue::new(ONE_URL)),
        };
        Ok(Self {
            location,
            transport: fields.transport,
            credentials_secret_ref: fields.credentials_secret_ref,
            clock: fields.clock,
        })
    }
}

impl From<RtspSource> for RtspFields {
    fn from(source: RtspSource) -> Self {
        let (url, url_secret_ref) = match source.location {
            RtspLocation::Url(url) => (Some(url), None),
            RtspLocation::Secret(reference) => (None, Some(reference)),
        };
        Self {
            url,
            url_secret_ref,
            transport: source.transport,
            credentials_secret_ref: source.credentials_secret_ref,
            clock: source.clock,
        }
    }
}
