//! A capture device of the machine.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::rule;
use crate::values::{
    ControlName, ControlValue, DevicePath, DeviceSerial, Dimension, Fourcc, Fps, NodeName, UsbId,
    UsbPath,
};

const NOTHING_NAMED: &str =
    "name the device by at least one of serial, vendor, product, usbPath, node and devicePath";
const PRODUCT_ALONE: &str = "product needs vendor: each vendor numbers its own products";

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

/// Says which capture device is meant: the one that all of this is true of. A serial number stays the same wherever the
/// device is plugged in.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    rule(
        "has(self.serial) || has(self.vendor) || has(self.product) || has(self.usbPath) || has(self.node) || has(self.devicePath)",
        NOTHING_NAMED,
    ),
    rule("!has(self.product) || has(self.vendor)", PRODUCT_ALONE),
]))]
pub struct DeviceSelector {
    /// Serial number that the device reports. One that makers give to many devices, such as `0000` or `SN0001`, counts as
    /// none: name such a device by `usbPath`, or by `vendor` and `product`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<DeviceSerial>,
    /// USB vendor, four hexadecimal digits: `"046d"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<UsbId>,
    /// USB product of that vendor, four hexadecimal digits: `"0825"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<UsbId>,
    /// Where it is plugged in, as `/sys/bus/usb/devices` names it: `1-1.4`. With an interface, `1-1.4:1.0`, it tells the
    /// cameras of one device apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usb_path: Option<UsbPath>,
    /// The node that has it, in a cluster. On one machine, its host name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeName>,
    /// Path of the device, as the last resort. Those in `/dev/v4l/by-id` stay the same when devices come and go,
    /// `/dev/video0` does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_path: Option<DevicePath>,
}

/// For people: `serial A1B2, node pi3`.
impl fmt::Display for DeviceSelector {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        fn part<'a>(
            name: &'a str,
            value: Option<&'a impl fmt::Display>,
        ) -> Option<(&'a str, &'a dyn fmt::Display)> {
            value.map(|value| (name, value as &dyn fmt::Display))
        }
        let parts = [
            part("serial", self.serial.as_ref()),
            part("vendor", self.vendor.as_ref()),
            part("product", self.product.as_ref()),
            part("usbPath", self.usb_path.as_ref()),
            part("node", self.node.as_ref()),
            part("devicePath", self.device_path.as_ref()),
        ];
        for (number, (name, value)) in parts.into_iter().flatten().enumerate() {
            let comma = if number == 0 { "" } else { ", " };
            write!(formatter, "{comma}{name} {value}")?;
        }
        Ok(())
    }
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
