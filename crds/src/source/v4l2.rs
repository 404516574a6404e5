//! A capture device of the machine.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::rule;
use crate::values::{ControlName, ControlValue, DevicePath, Dimension, Fourcc, Fps};

/// A capture device of the machine that speaks V4L2, such as a USB camera.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct V4l2Source {
    /// Which device it is.
    pub device_selector: DeviceSelector,
    /// What the device should send; each part that is absent is chosen from what the device offers: the rate that the
    /// renditions need first, then the size that they need, up to 1920x1080 unless one asks for more, then the format
    /// that costs least.
    #[serde(default, skip_serializing_if = "CaptureMode::is_empty")]
    pub mode: CaptureMode,
    /// Controls of the device, set when it is opened, by the names that `v4l2-ctl --list-ctrls` shows:
    /// `exposure_time_absolute: 250`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend(
        "maxProperties" = 64,
        "x-kubernetes-validations" = [rule(
            &format!("self.all(control, control.matches('{}'))", ControlName::PATTERN),
            "names of controls must be 1 to 63 lower-case letters, digits or '_', as v4l2-ctl --list-ctrls shows them",
        )],
    ))]
    pub controls: BTreeMap<ControlName, ControlValue>,
}

/// Says which device of the machine is meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceSelector {
    /// Path of the device. Those in `/dev/v4l/by-id` stay the same when devices come and go, `/dev/video0` does not.
    pub device_path: DevicePath,
}

/// What a capture device should send.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CaptureMode {
    /// Pixel format as four characters: `MJPG`, `YUYV`, `NV12`, `H264`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fourcc: Option<Fourcc>,
    /// Width in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<Dimension>,
    /// Height in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<Dimension>,
    /// Rate in frames per second, written like a rendition's rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fps: Option<Fps>,
}

impl CaptureMode {
    /// Whether all of it is left to the device.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
