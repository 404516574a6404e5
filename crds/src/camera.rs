//! The Camera.

use std::borrow::Cow;

use kube::CustomResource;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::hub::StreamHub;
use crate::pod::PodSettings;
use crate::rendition::Rendition;
use crate::schema;
use crate::source::{CameraSource, SourceKind};
use crate::status::CameraStatus;
use crate::values::ObjectName;

const DESCRIPTION: &str =
    "A camera: where its pictures come from, and the JPEG frames made of them.";

/// What a Camera should be.
#[derive(Debug, Clone, PartialEq, Eq, CustomResource, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "streamhub.dev",
    version = "v1alpha1",
    kind = "Camera",
    namespaced,
    shortname = "cam",
    category = "streamhub",
    status = "CameraStatus",
    printcolumn = r#"{"name": "Hub", "type": "string", "jsonPath": ".spec.hubRef.name"}"#,
    printcolumn = r#"{"name": "Source", "type": "string", "jsonPath": ".status.source.kind"}"#,
    printcolumn = r#"{"name": "State", "type": "string", "jsonPath": ".status.state"}"#,
    printcolumn = r#"{"name": "Reason", "type": "string", "jsonPath": ".status.reason"}"#,
    printcolumn = r#"{"name": "Node", "type": "string", "jsonPath": ".status.node"}"#,
    printcolumn = r#"{"name": "Since", "type": "date", "jsonPath": ".status.since"}"#,
    printcolumn = r#"{"name": "Message", "type": "string", "jsonPath": ".status.message", "priority": 1}"#,
    doc = "A camera: where its pictures come from, and the JPEG frames made of them.",
    derive = "PartialEq",
    schema = "manual"
)]
#[serde(rename_all = "camelCase")]
pub struct CameraSpec {
    /// The hub that the camera belongs to, in the same namespace.
    #[serde(default)]
    pub hub_ref: HubRef,
    /// Whether the camera is opened at all.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Where the pictures come from.
    pub source: CameraSource,
    /// What is made of the pictures; absent = the hub's defaults, present = exactly these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16), extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["name"],
    ))]
    pub frames: Option<Vec<Rendition>>,
    /// Where the camera's pod runs and what it may use, in a cluster; what is absent is as the installation says. On
    /// one machine nothing is made of it.
    #[serde(default, skip_serializing_if = "PodSettings::is_empty")]
    pub pod: PodSettings,
}

impl JsonSchema for Camera {
    fn schema_name() -> Cow<'static, str> {
        "Camera".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        schema::root::<CameraSpec, CameraStatus>(generator, "Camera", DESCRIPTION, false)
    }
}

impl Camera {
    /// What is published: the camera's own renditions, or else its hub's defaults.
    pub fn renditions(&self, hub: &StreamHub) -> Vec<Rendition> {
        self.spec
            .frames
            .clone()
            .unwrap_or_else(|| hub.spec.defaults.frames.clone())
    }

    /// The kind of its source; its fallbacks may be of others.
    pub fn source_kind(&self) -> SourceKind {
        self.spec.source.primary.kind()
    }
}

/// Names the hub that a camera belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HubRef {
    /// Name of the `StreamHub`; one named `default` exists even where none is written.
    #[serde(default = "default_hub")]
    pub name: ObjectName,
}

impl Default for HubRef {
    fn default() -> Self {
        Self {
            name: default_hub(),
        }
    }
}

fn default_hub() -> ObjectName {
    ObjectName::default_hub()
}

fn yes() -> bool {
    true
}
