//! What a cluster says about a Camera and a `StreamHub`.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// How it is with a camera. Written by the operator alone; holds nothing secret.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CameraStatus {
    /// The generation of the Camera that runs, or that can't. While a pod goes on with what it had before a change, this
    /// and that of the condition `Ready` stay behind, so that `kubectl wait` and kstatus wait for what was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Accepted`: the Camera can run here. `Ready`: fresh frames, and NATS takes them. `DeviceReady`: its capture
    /// device is there. `Stalled`: only while something can't heal by itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,
    /// What the camera does: Refused, Pending, Starting, Connecting, Streaming, Reconnecting, Stalled, Fenced,
    /// `SubjectInUse`, Disabled, Finished or Unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Why, as one word; absent while all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why, for people, and what to do; absent while all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Since when state and reason are what they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// The node that its pod is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Its pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// The start that was handed out last, UNIX milliseconds; it only rises.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incarnation: Option<u64>,
    /// What the source is and turned out to be.
    #[serde(skip_serializing_if = "SourceFacts::is_empty")]
    pub source: SourceFacts,
}

/// What a camera's source is and turned out to be.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SourceFacts {
    /// rtsp, v4l2, http, file or test.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Scheme, host, port and path of the one in use, without user, password and query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Its codec, such as H264.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codec: Option<String>,
    /// Pixels per line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Frames per second as measured, to the nearest whole one from 10 on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fps: Option<String>,
}

impl SourceFacts {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How it is with a hub.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct StreamHubStatus {
    /// The generation of the hub that the rest is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`: the hub has a NATS server, and every camera of it that is enabled is ready. `Stalled`: only while
    /// something can't heal by itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,
    /// The NATS server in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nats: Option<String>,
    /// What every subject begins with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_prefix: Option<String>,
    /// Its cameras.
    pub cameras: CameraCounts,
}

/// How many cameras a hub has.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CameraCounts {
    /// All that refer to it.
    pub total: u32,
    /// Those that are ready.
    pub ready: u32,
    /// By their state.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub by_state: BTreeMap<String, u32>,
}

/// A list in which there is one of each type.
fn conditions(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": generator.subschema_for::<Condition>(),
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
    })
}
