//! Capture devices and what is set on them.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::InvalidValue;
use super::text::{shown_as_written, text_type};
use crate::schema::rule;

const PATH_MESSAGE: &str =
    "must be the path of a device below /dev/, such as /dev/video0, without spaces and without ..";
const USB_ID_MESSAGE: &str =
    "must be four hexadecimal digits in lower case, as lsusb shows them: \"046d\"";
const SERIAL_MESSAGE: &str = "must be printable ASCII characters, without spaces at either end, as streamhub devices shows it";
const USB_PATH_MESSAGE: &str =
    "must be a bus and its ports, such as 1-1.4, perhaps with an interface, such as 1-1.4:1.0";
const FOURCC_MESSAGE: &str = "must be four printable characters, such as MJPG or YUYV";
const CONTROL_MESSAGE: &str = "must be 1 to 63 lower-case letters, digits or '_'";
const VALUE_MESSAGE: &str = "must be at least -9007199254740991 and at most 9007199254740991";

text_type! {
    /// Path of a device: absolute, below `/dev/`, without `..`.
    DevicePath, min 6, max 255,
    rules vec![rule("self.matches('^/dev/[!-~]+$') && !self.matches('/[.][.](/|$)')", PATH_MESSAGE)],
    check |text| {
        let printable = text.bytes().all(|byte| byte.is_ascii_graphic());
        let good = text.starts_with("/dev/") && printable && !text.split('/').any(|part| part == "..");
        (!good).then_some(PATH_MESSAGE)
    }
}
shown_as_written!(DevicePath);

text_type! {
    /// Vendor or product of a USB device as `lsusb` shows it: `046d`.
    UsbId, min 4, max 4,
    rules vec![rule("self.matches('^[0-9a-f]{4}$')", USB_ID_MESSAGE)],
    check |text| {
        let good = text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        (!good).then_some(USB_ID_MESSAGE)
    }
}
shown_as_written!(UsbId);

text_type! {
    /// Serial number of a device, as its maker wrote it into the device.
    DeviceSerial, min 1, max 126,
    rules vec![rule("self.matches('^[!-~]([ -~]*[!-~])?$')", SERIAL_MESSAGE)],
    check |text| {
        let good = text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') && text.trim() == text;
        (!good).then_some(SERIAL_MESSAGE)
    }
}
shown_as_written!(DeviceSerial);

text_type! {
    /// Where a USB device is plugged in, as `/sys/bus/usb/devices` names it: bus, ports, and perhaps an interface.
    UsbPath, min 3, max 63,
    rules vec![rule(&format!("self.matches('{}')", UsbPath::PATTERN), USB_PATH_MESSAGE)],
    check |text| (!is_usb_path(text)).then_some(USB_PATH_MESSAGE)
}
shown_as_written!(UsbPath);

impl UsbPath {
    const PATTERN: &str = "^[0-9]+-[0-9]+([.][0-9]+)*(:[0-9]+[.][0-9]+)?$";
}

fn is_usb_path(text: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (ports, interface) = text
        .split_once(':')
        .map_or((text, None), |(ports, interface)| (ports, Some(interface)));
    let interface = interface.is_none_or(|interface| {
        interface
            .split_once('.')
            .is_some_and(|(one, other)| number(one) && number(other))
    });
    let ports = ports
        .split_once('-')
        .is_some_and(|(bus, ports)| number(bus) && ports.split('.').all(number));
    ports && interface
}

text_type! {
    /// A pixel format as four characters (V4L2's "four character code"): `MJPG`, `YUYV`, `Y16 `.
    Fourcc, min 4, max 4,
    rules vec![rule("self.matches('^[ -~]{4}$')", FOURCC_MESSAGE)],
    check |text| {
        let printable = text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        (!printable).then_some(FOURCC_MESSAGE)
    }
}
shown_as_written!(Fourcc);

text_type! {
    /// Name of a control of a device, as `v4l2-ctl --list-ctrls` shows it: `exposure_time_absolute`.
    ControlName, min 1, max 63,
    rules vec![rule(&format!("self.matches('{}')", ControlName::PATTERN), CONTROL_MESSAGE)],
    check |text| {
        let good = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        (!good).then_some(CONTROL_MESSAGE)
    }
}
shown_as_written!(ControlName);

impl ControlName {
    pub(crate) const PATTERN: &str = "^[a-z0-9_]{1,63}$";
}

/// Value of a control of a device: as large as JSON carries exactly, 53 bits and a sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct ControlValue(i64);

impl ControlValue {
    const MOST: i64 = (1 << 53) - 1;

    /// The value.
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl TryFrom<i64> for ControlValue {
    type Error = InvalidValue;

    fn try_from(value: i64) -> Result<Self, Self::Error> {
        if (-Self::MOST..=Self::MOST).contains(&value) {
            Ok(Self(value))
        } else {
            Err(InvalidValue::new(VALUE_MESSAGE))
        }
    }
}

impl From<ControlValue> for i64 {
    fn from(value: ControlValue) -> Self {
        value.0
    }
}

impl JsonSchema for ControlValue {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ControlValue".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer", "minimum": -Self::MOST, "maximum": Self::MOST})
    }
}
