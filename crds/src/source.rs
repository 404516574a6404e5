//! Where pictures come from.

mod file;
mod http;
mod rtsp;
mod test;
mod v4l2;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use file::{FileSource, OnEnd};
pub use http::{HttpLocation, HttpSource};
pub use rtsp::{ClockMode, RtspClock, RtspLocation, RtspSource, Transport};
pub use test::TestSource;
pub use v4l2::{CaptureMode, DeviceSelector, V4l2Source};

use crate::schema::{rule, rule_at};
use crate::values::InvalidValue;

const ONE_SOURCE: &str = "exactly one of rtsp, v4l2, http, file and test must be set";
const ONE_SOURCE_RULE: &str = "(has(self.rtsp) ? 1 : 0) + (has(self.v4l2) ? 1 : 0) + (has(self.http) ? 1 : 0) + \
     (has(self.file) ? 1 : 0) + (has(self.test) ? 1 : 0) == 1";
const ONE_URL: &str = "exactly one of url and urlSecretRef must be set";
const ONE_CLAIM: &str =
    "all files of a camera must be on one claim: give the same claimName everywhere";
const ONE_CLAIM_RULE: &str = "!has(self.fallbacks) || self.fallbacks.all(a, !has(a.file) || !has(a.file.claimName) || \
     ((!has(self.file) || !has(self.file.claimName) || self.file.claimName == a.file.claimName) && \
     self.fallbacks.all(b, !has(b.file) || !has(b.file.claimName) || b.file.claimName == a.file.claimName)))";
const MOST_FALLBACKS: usize = 4;

/// A camera's source, and what stands in for it while it is down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "CameraSourceFields", into = "CameraSourceFields")]
#[schemars(extend("x-kubernetes-validations" = [
    rule(ONE_SOURCE_RULE, ONE_SOURCE),
    rule_at(".fallbacks", ONE_CLAIM_RULE, ONE_CLAIM),
]))]
pub struct CameraSource {
    /// The camera itself.
    pub primary: Source,
    /// Sources that are tried in this order while the primary one is down; at most four.
    pub fallbacks: Vec<Source>,
}

impl CameraSource {
    /// The primary source and then its fallbacks, in the order in which they are tried.
    pub fn all(&self) -> impl Iterator<Item = &Source> {
        std::iter::once(&self.primary).chain(&self.fallbacks)
    }
}

/// One place that pictures come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "SourceFields", into = "SourceFields")]
#[schemars(extend("x-kubernetes-validations" = [rule(ONE_SOURCE_RULE, ONE_SOURCE)]))]
pub enum Source {
    /// An RTSP camera.
    Rtsp(RtspSource),
    /// A capture device of the machine, such as a USB camera.
    V4l2(V4l2Source),
    /// An HTTP stream.
    Http(HttpSource),
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
            Self::V4l2(_) => SourceKind::V4l2,
            Self::Http(_) => SourceKind::Http,
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
    /// A capture device of the machine.
    V4l2,
    /// An HTTP stream.
    Http,
    /// A video file.
    File,
    /// A generated picture.
    Test,
}

impl SourceKind {
    /// The word used in a manifest: `rtsp`, `v4l2`, `http`, `file` or `test`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rtsp => "rtsp",
            Self::V4l2 => "v4l2",
            Self::Http => "http",
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
#[derive(Default, Serialize, Deserialize, JsonSchema)]
struct SourceFields {
    /// An RTSP camera.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rtsp: Option<RtspSource>,
    /// A capture device of the machine, such as a USB camera.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    v4l2: Option<V4l2Source>,
    /// A stream over HTTP: multipart MJPEG, MP4, MPEG-TS or MKV, or HLS; told apart by what the server sends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    http: Option<HttpSource>,
    /// A video file, on the machine or fetched to it, played at the speed of the wall clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<FileSource>,
    /// A moving picture with time and frame number in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    test: Option<TestSource>,
}

impl TryFrom<SourceFields> for Source {
    type Error = InvalidValue;

    fn try_from(fields: SourceFields) -> Result<Self, Self::Error> {
        let mut given = [
            fields.rtsp.map(Self::Rtsp),
            fields.v4l2.map(Self::V4l2),
            fields.http.map(Self::Http),
            fields.file.map(Self::File),
            fields.test.map(Self::Test),
        ]
        .into_iter()
        .flatten();
        match (given.next(), given.next()) {
            (Some(source), None) => Ok(source),
            _ => Err(InvalidValue::new(ONE_SOURCE)),
        }
    }
}

impl From<Source> for SourceFields {
    fn from(source: Source) -> Self {
        let mut fields = Self::default();
        match source {
            Source::Rtsp(rtsp) => fields.rtsp = Some(rtsp),
            Source::V4l2(v4l2) => fields.v4l2 = Some(v4l2),
            Source::Http(http) => fields.http = Some(http),
            Source::File(file) => fields.file = Some(file),
            Source::Test(test) => fields.test = Some(test),
        }
        fields
    }
}

/// The camera's source as it is written: the fallbacks stand beside the one that is set.
#[derive(Serialize, Deserialize, JsonSchema)]
struct CameraSourceFields {
    #[serde(flatten)]
    primary: SourceFields,
    /// Sources that are tried in this order while the first is down; once it has been fresh for 30 s again, it is back
    /// in use. The metadata of the frames name the one in use. Each is written as `source` is, without fallbacks of its
    /// own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = MOST_FALLBACKS))]
    fallbacks: Vec<Source>,
}

impl TryFrom<CameraSourceFields> for CameraSource {
    type Error = InvalidValue;

    fn try_from(fields: CameraSourceFields) -> Result<Self, Self::Error> {
        if fields.fallbacks.len() > MOST_FALLBACKS {
            return Err(InvalidValue::new("must have at most 4 fallbacks"));
        }
        Ok(Self {
            primary: fields.primary.try_into()?,
            fallbacks: fields.fallbacks,
        })
    }
}

impl From<CameraSource> for CameraSourceFields {
    fn from(source: CameraSource) -> Self {
        Self {
            primary: source.primary.into(),
            fallbacks: source.fallbacks,
        }
    }
}
