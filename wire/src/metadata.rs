//! The metadata of a frame: header `Streamhub-Metadata`.

use std::fmt::Write as _;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Name of the header that carries the metadata of a frame.
pub const METADATA_HEADER: &str = "Streamhub-Metadata";

/// Name of the header by which JetStream de-duplicates: the message's subject, `/`, `frame_id`.
pub const MESSAGE_ID_HEADER: &str = "Nats-Msg-Id";

/// The version of the metadata that this code writes.
pub const METADATA_VERSION: u32 = 1;

/// What is known about one frame. Times are microseconds since 1970 here and UNIX seconds with six decimals on the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(
    title = "Stream Hub frame metadata",
    description = "Header `Streamhub-Metadata` of a frame, and payload of the meta subjects. Readers ignore fields they do not know."
)]
pub struct Metadata {
    /// The camera's name.
    pub stream_id: String,
    /// Strictly increasing for one camera and rendition; a gap inside an epoch is that many frames dropped by the ingest.
    #[schemars(range(max = 9_007_199_254_740_991_u64))]
    pub frame_id: u64,
    /// UNIX seconds when the light hit the sensor, as well as it can be known; microseconds kept.
    #[serde(with = "seconds")]
    #[schemars(with = "f64")]
    pub timestamp: i64,
    /// Scheme, host, port and path of the source in use; no userinfo, query or fragment.
    pub source: String,
    /// `{module: {event: payload}}`: every configured module is there, `{}` when it has nothing to say.
    pub events: Events,
    /// Bytes of the JPEG, also in a `meta` message, which comes without it.
    pub frame_size: u64,
    /// Version of these fields: 1.
    pub v: u32,
    /// The rendition's name.
    pub rendition: String,
    /// UNIX milliseconds when this numbering began: process start, source (re)connection or clock step. Within one epoch `timestamp` has no jumps.
    pub epoch: u64,
    /// The sampling instant on the grid that all cameras share, in microseconds since 1970: `round_half_up(k * 1e6 / fps)` for a whole k.
    pub tick: i64,
    /// Pixels per line of the JPEG.
    #[schemars(range(min = 1))]
    pub width: u32,
    /// Lines of the JPEG.
    #[schemars(range(min = 1))]
    pub height: u32,
    /// The rate that the rendition is held to, frames per second: its own, or a whole fraction of it under load.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub fps: f64,
    /// JPEG quality 1 to 100; absent when the camera's own JPEG was passed through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u8", range(min = 1, max = 100))]
    pub quality: Option<u8>,
    /// How the timestamp was found.
    pub capture: Capture,
    /// UNIX seconds when the frame was handed to NATS; microseconds kept.
    #[serde(with = "seconds")]
    #[schemars(with = "f64")]
    pub published: i64,
    /// True when this is the held last frame of a finished file; otherwise absent.
    #[serde(default, skip_serializing_if = "is_false")]
    pub repeated: bool,
    /// True when the frame was made smaller to fit the server's `max_payload`; otherwise absent.
    #[serde(default, skip_serializing_if = "is_false")]
    pub reduced: bool,
    /// Events left out of `events` for want of room, as `module.event`; absent when there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events_omitted: Vec<String>,
}

/// How a frame's timestamp was found and how far off it may be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Capture {
    /// Where the time comes from.
    pub source: CaptureSource,
    /// Bound of jitter, mapping and the node's clock in milliseconds, without the camera's own constant delay; null where no bound can be given, as when the clock is not synchronised.
    #[schemars(required, schema_with = "number_or_null")]
    pub error_ms: Option<f64>,
}

/// Where a frame's timestamp comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CaptureSource {
    /// Buffer time of the V4L2 driver.
    Kernel,
    /// An RTCP sender report.
    Rtcp,
    /// The replay schedule of a file.
    File,
    /// The test source's own schedule.
    Test,
    /// The arrival of the first packet.
    Arrival,
}

impl CaptureSource {
    fn as_str(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Rtcp => "rtcp",
            Self::File => "file",
            Self::Test => "test",
            Self::Arrival => "arrival",
        }
    }
}

fn number_or_null(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": ["number", "null"]})
}

/// A header that is no metadata.
#[derive(Debug, thiserror::Error)]
#[error("not the metadata of a frame: {0}")]
pub struct MetadataError(#[from] serde_json::Error);

impl Metadata {
    /// Reads a header's value; unknown fields are ignored.
    pub fn parse(header: &str) -> Result<Self, MetadataError> {
        Ok(serde_json::from_str(header)?)
    }

    /// Writes one line of ASCII JSON over what is in `out`, so that a publisher can reuse the allocation.
    pub fn to_header(&self, out: &mut String) {
        out.clear();
        out.push_str("{\"stream_id\":");
        push_string(out, &self.stream_id);
        push(out, format_args!(",\"frame_id\":{}", self.frame_id));
        push_seconds(out, "timestamp", self.timestamp);
        out.push_str(",\"source\":");
        push_string(out, &self.source);
        out.push_str(",\"events\":");
        out.push_str(self.events.as_str());
        push(
            out,
            format_args!(",\"frame_size\":{},\"v\":{}", self.frame_size, self.v),
        );
        out.push_str(",\"rendition\":");
        push_string(out, &self.rendition);
        push(
            out,
            format_args!(
                ",\"epoch\":{},\"tick\":{},\"width\":{},\"height\":{},\"fps\":",
                self.epoch, self.tick, self.width, self.height
            ),
        );
        push_number(out, self.fps);
        if let Some(quality) = self.quality {
            push(out, format_args!(",\"quality\":{quality}"));
        }
        push(
            out,
            format_args!(
                ",\"capture\":{{\"source\":\"{}\",\"error_ms\":",
                self.capture.source.as_str()
            ),
        );
        push_number(out, self.capture.error_ms.unwrap_or(f64::NAN));
        out.push('}');
        push_seconds(out, "published", self.published);
        if self.repeated {
            out.push_str(",\"repeated\":true");
        }
        if self.reduced {
            out.push_str(",\"reduced\":true");
        }
        if !self.events_omitted.is_empty() {
            out.push_str(",\"events_omitted\":[");
            for (i, event) in self.events_omitted.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                push_string(out, event);
            }
            out.push(']');
        }
        out.push('}');
    }

    /// The JSON Schema of the metadata, as in `docs/reference/metadata.schema.json`.
    pub fn json_schema() -> serde_json::Value {
        let mut schema = schemars::schema_for!(Metadata).to_value();
        if let Some(object) = schema.as_object_mut() {
            object.insert(
                "$id".to_owned(),
                "https://streamhub.dev/schemas/metadata-v1.json".into(),
            );
        }
        schema
    }
}

/// What modules have to say, as the text of a JSON object in ASCII; shared, since it changes far less often than frames come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Events(Arc<str>);

impl Events {
    /// Takes `{module: {event: payload}}` over.
    pub fn from_map(events: &serde_json::Map<String, serde_json::Value>) -> Self {
        let mut text = String::new();
        push_map(&mut text, events);
        Self(text.into())
    }

    /// Takes over a text that is already the ASCII JSON of such an object.
    pub(crate) fn from_text(text: String) -> Self {
        Self(text.into())
    }

    /// The events as a map; empty when the text is none, which only a bug in this crate could cause.
    pub fn to_map(&self) -> serde_json::Map<String, serde_json::Value> {
        serde_json::from_str(&self.0).unwrap_or_default()
    }

    /// The JSON text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Events {
    fn default() -> Self {
        Self("{}".into())
    }
}

impl Serialize for Events {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_map().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Events {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde_json::Map::deserialize(deserializer).map(|map| Self::from_map(&map))
    }
}

impl JsonSchema for Events {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Events".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "object",
            "propertyNames": {"pattern": "^[A-Za-z0-9_-]{1,63}$"},
            "additionalProperties": {
                "type": "object",
                "propertyNames": {"pattern": "^[A-Za-z0-9_-]{1,63}$"},
                "additionalProperties": {"type": "object"}
            }
        })
    }

    fn inline_schema() -> bool {
        true
    }
}

/// Appends a JSON value in ASCII.
pub(crate) fn push_value(out: &mut String, value: &serde_json::Value) {
    match value {
        serde_json::Value::String(text) => push_string(out, text),
        serde_json::Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                push_value(out, item);
            }
            out.push(']');
        }
        serde_json::Value::Object(map) => push_map(out, map),
        scalar => push(out, format_args!("{scalar}")),
    }
}

fn push_map(out: &mut String, map: &serde_json::Map<String, serde_json::Value>) {
    out.push('{');
    for (i, (name, value)) in map.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        push_string(out, name);
        out.push(':');
        push_value(out, value);
    }
    out.push('}');
}

/// Appends a JSON string with everything outside printable ASCII escaped: a header is one line of ASCII.
pub(crate) fn push_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            ' '..='~' => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    push(out, format_args!("\\u{unit:04x}"));
                }
            }
        }
    }
    out.push('"');
}

fn push_number(out: &mut String, number: f64) {
    if number.is_finite() {
        push(out, format_args!("{number}"));
    } else {
        out.push_str("null");
    }
}

fn push_seconds(out: &mut String, name: &str, micros: i64) {
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    push(
        out,
        format_args!(
            ",\"{name}\":{sign}{}.{:06}",
            micros / 1_000_000,
            micros % 1_000_000
        ),
    );
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = out.write_fmt(text);
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_false(flag: &bool) -> bool {
    !flag
}

mod seconds {
    use serde::{Deserialize, Deserializer, Serializer};

    #[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
    pub fn serialize<S: Serializer>(micros: &i64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(*micros as f64 / 1e6)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        // A double keeps 0.24 microseconds at today's dates, so that rounding gives the sender's number.
        f64::deserialize(deserializer).map(|seconds| (seconds * 1e6).round() as i64)
    }
}

#[cfg(test)]
mod tests;
