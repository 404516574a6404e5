//! Where pictures come from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::rule;
use crate::secret::{SecretKeyRef, SecretRef};
use crate::values::{Dimension, FileUri, Fps, InvalidValue, RtspUrl};

const ONE_SOURCE: &str = "exactly one of rtsp, file and test must be set";
const ONE_URL: &str = "exactly one of url and urlSecretRef must be set";

/// Where a camera's pictures come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "SourceFields", into = "SourceFields")]
#[schemars(extend("x-kubernetes-validations" = [rule(
    "(has(self.rtsp) ? 1 : 0) + (has(self.file) ? 1 : 0) + (has(self.test) ? 1 : 0) == 1",
    ONE_SOURCE,
)]))]
pub enum Source {
    /// An RTSP camera.
    Rtsp(RtspSource),
    /// A video file.
    File(FileSource),
    /// A generated picture.
    Test(TestSource),
}

impl Source {
    /// Which kind it is.
    pub fn kind(&self) -> SourceKind {
        match self {
            Self::Rtsp(_) => SourceKind::Rtsp,
            Self::File(_) => SourceKind::File,
            Self::Test(_) => SourceKind::Test,
        }
    }
}

/// The kinds of sources, for tables, labels and statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SourceKind {
    /// An RTSP camera.
    Rtsp,
    /// A video file.
    File,
    /// A generated picture.
    Test,
}

impl SourceKind {
    /// The word used in a manifest: `rtsp`, `file` or `test`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rtsp => "rtsp",
            Self::File => "file",
            Self::Test => "test",
        }
    }
}

impl std::fmt::Display for SourceKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The source as it is written: exactly one of the fields.
#[derive(Serialize, Deserialize, JsonSchema)]
struct SourceFields {
    /// An RTSP camera.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rtsp: Option<RtspSource>,
    /// A video file on the machine, played at the speed of the wall clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<FileSource>,
    /// A moving picture with time and frame number in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    test: Option<TestSource>,
}

impl TryFrom<SourceFields> for Source {
    type Error = InvalidValue;

    fn try_from(fields: SourceFields) -> Result<Self, Self::Error> {
        match (fields.rtsp, fields.file, fields.test) {
            (Some(rtsp), None, None) => Ok(Self::Rtsp(rtsp)),
            (None, Some(file), None) => Ok(Self::File(file)),
            (None, None, Some(test)) => Ok(Self::Test(test)),
            _ => Err(InvalidValue::new(ONE_SOURCE)),
        }
    }
}

impl From<Source> for SourceFields {
    fn from(source: Source) -> Self {
        let mut fields = Self {
            rtsp: None,
            file: None,
            test: None,
        };
        match source {
            Source::Rtsp(rtsp) => fields.rtsp = Some(rtsp),
            Source::File(file) => fields.file = Some(file),
            Source::Test(test) => fields.test = Some(test),
        }
        fields
    }
}

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
        }
    }
}

/// A video file on the machine, played at the speed of the wall clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileSource {
    /// The file: an absolute path, `file://` and an absolute path, or a path relative to the folder of this document.
    pub uri: FileUri,
    /// Rate to play at, in frames per second, written like a rendition's rate; absent = the file's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fps: Option<Fps>,
    /// What happens at the end of the file: `Loop` begins again, `HoldLast` repeats the last picture, `Stop` ends.
    #[serde(default)]
    pub on_end: OnEnd,
}

/// What happens at the end of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum OnEnd {
    /// It begins again.
    #[default]
    Loop,
    /// The last picture is repeated.
    HoldLast,
    /// Nothing more is published.
    Stop,
}

/// A moving picture with time and frame number in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TestSource {
    /// Width in pixels.
    #[serde(default = "default_width")]
    pub width: Dimension,
    /// Height in pixels.
    #[serde(default = "default_height")]
    pub height: Dimension,
    /// Rate in frames per second, written like a rendition's rate.
    #[serde(default = "default_fps")]
    pub fps: Fps,
}

impl Default for TestSource {
    fn default() -> Self {
        Self {
            width: default_width(),
            height: default_height(),
            fps: default_fps(),
        }
    }
}

fn default_width() -> Dimension {
    Dimension::HD_WIDTH
}

fn default_height() -> Dimension {
    Dimension::HD_HEIGHT
}

fn default_fps() -> Fps {
    Fps::THIRTY
}
