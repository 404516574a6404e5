//! The `VideoDevice`: a capture device of a node, as its node agent reports it.

use std::borrow::Cow;

use kube::CustomResource;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::schema;
use crate::values::NamespaceName;

const DESCRIPTION: &str =
    "A capture device of a node, written by the node agent; spec is the administrator's.";

/// Who may use a device.
#[derive(
    Debug, Clone, PartialEq, Eq, Default, CustomResource, Serialize, Deserialize, JsonSchema,
)]
#[kube(
    group = "streamhub.dev",
    version = "v1alpha1",
    kind = "VideoDevice",
    shortname = "vdev",
    category = "streamhub",
    status = "VideoDeviceStatus",
    printcolumn = r#"{"name": "Node", "type": "string", "jsonPath": ".status.node"}"#,
    printcolumn = r#"{"name": "Device", "type": "string", "jsonPath": ".status.devicePath"}"#,
    printcolumn = r#"{"name": "Model", "type": "string", "jsonPath": ".status.card"}"#,
    printcolumn = r#"{"name": "Serial", "type": "string", "jsonPath": ".status.identity.serial"}"#,
    printcolumn = r#"{"name": "State", "type": "string", "jsonPath": ".status.state"}"#,
    printcolumn = r#"{"name": "Holder", "type": "string", "jsonPath": ".status.holder"}"#,
    printcolumn = r#"{"name": "USB", "type": "string", "jsonPath": ".status.identity.usbPath", "priority": 1}"#,
    printcolumn = r#"{"name": "Resource", "type": "string", "jsonPath": ".status.resource", "priority": 1}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#,
    doc = "A capture device of a node, written by the node agent; spec is the administrator's.",
    derive = "PartialEq",
    derive = "Default",
    schema = "manual"
)]
#[serde(rename_all = "camelCase")]
pub struct VideoDeviceSpec {
    /// Namespaces whose Cameras may use the device; absent = all, empty = none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256), extend("x-kubernetes-list-type" = "set"))]
    pub allowed_namespaces: Option<Vec<NamespaceName>>,
}

impl JsonSchema for VideoDevice {
    fn schema_name() -> Cow<'static, str> {
        "VideoDevice".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        schema::root_with_any_name::<VideoDeviceSpec, VideoDeviceStatus>(
            generator,
            "VideoDevice",
            DESCRIPTION,
        )
    }
}

/// What a node agent found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct VideoDeviceStatus {
    /// Its node.
    pub node: String,
    /// The node's boot that this was written in, as in the node's `status.nodeInfo.bootID`.
    #[serde(rename = "bootID")]
    pub boot_id: String,
    /// How it is with the device.
    pub state: DeviceState,
    /// Who has it: namespace and name of the pod that the kubelet gave it to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    /// What tells it from others.
    pub identity: DeviceIdentity,
    /// The extended resource that stands for it, such as `streamhub.dev/cam-0123456789`.
    pub resource: String,
    /// Where it is in `/dev` now, such as `/dev/video0`.
    pub device_path: String,
    /// Its device number there, major and minor part: `81:0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_number: Option<String>,
    /// Links that lead there, such as those in `/dev/v4l/by-id`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<String>,
    /// What the driver calls it.
    pub card: String,
    /// Its driver, such as uvcvideo.
    pub driver: String,
    /// The group that may open it.
    pub gid: u32,
    /// What it offers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub formats: Vec<DeviceFormat>,
    /// Why it can't be used, and what to do instead; absent where it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsupported: Option<String>,
    /// When it was registered with the kubelet, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registered_at: Option<String>,
    /// When it was there last, RFC 3339; written when it goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<String>,
}

/// How it is with a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DeviceState {
    /// It is there, and no pod has it.
    Free,
    /// A pod has it.
    Busy,
    /// It is there, and can't be used.
    Unsupported,
    /// It is unplugged.
    #[default]
    Absent,
}

/// What tells a device from others.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase", default)]
pub struct DeviceIdentity {
    /// What it is attached to: usb, pci or platform; virtual, where it is none of these, as `v4l2loopback` is.
    pub bus: String,
    /// USB or PCI vendor, four hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// USB or PCI product, four hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// Serial number as the device reports it; absent where it reports none, or one that tells nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Bus, ports and interface of a USB device: `1-1.4:1.0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usb_path: Option<String>,
    /// Where it is attached, such as `usb-1-1.4:1.0` or `platform-vivid.0`; with `index` unique on its machine.
    pub path: String,
    /// Which of the nodes of one interface it is, from 0.
    pub index: u32,
}

/// A pixel format that a device offers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DeviceFormat {
    /// As four characters.
    pub fourcc: String,
    /// Sizes, each with its rates.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sizes: Vec<DeviceSize>,
}

/// A size that a device offers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DeviceSize {
    /// Pixels per line; of a range, the most.
    pub width: u32,
    /// Lines; of a range, the most.
    pub height: u32,
    /// Frames per second, as a Camera would ask for them: `30`, `0.5`, `30000/1001`; of a range, the most.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fps: Vec<String>,
    /// The least width and height, where it offers a range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}
