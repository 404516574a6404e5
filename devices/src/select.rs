//! Which device a selector means.

use streamhub_crds::{DeviceIdentity, DeviceSelector, DeviceSerial, UsbId, VideoDeviceStatus};

use crate::identity::telling;

/// What of a device a selector can name.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// What tells it from others.
    pub identity: &'a DeviceIdentity,
    /// Such as `/dev/video0`.
    pub device_path: &'a str,
    /// Links that lead there.
    pub links: &'a [String],
    /// The node that has it, or the host name of the machine.
    pub node: &'a str,
}

impl<'a> From<&'a VideoDeviceStatus> for Seen<'a> {
    fn from(status: &'a VideoDeviceStatus) -> Self {
        Self {
            identity: &status.identity,
            device_path: &status.device_path,
            links: &status.links,
            node: &status.node,
        }
    }
}

/// Why a selector does not lead to a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoneOrMany<T> {
    /// No device is like that.
    None,
    /// Several are.
    Many(Vec<T>),
}

/// Whether all that the selector says is true of the device.
pub fn matches(selector: &DeviceSelector, device: Seen) -> bool {
    let identity = device.identity;
    let serial = selector.serial.as_ref().map(DeviceSerial::as_str);
    let vendor = selector.vendor.as_ref().map(UsbId::as_str);
    let product = selector.product.as_ref().map(UsbId::as_str);
    let is = |wanted: Option<&str>, found: Option<&str>| wanted.is_none() || wanted == found;
    is(serial, identity.serial.as_deref())
        && is(vendor, identity.vendor.as_deref())
        && is(product, identity.product.as_deref())
        && selector.usb_path.as_ref().is_none_or(|wanted| {
            let found = identity.usb_path.as_deref();
            found.is_some_and(|found| is_at(wanted.as_str(), found))
        })
        // A host name may have capitals, the name of a node may not.
        && selector
            .node
            .as_ref()
            .is_none_or(|node| node.as_str().eq_ignore_ascii_case(device.node))
        && selector.device_path.as_ref().is_none_or(|wanted| {
            let wanted = normal(wanted.as_str());
            let links = device.links.iter().map(String::as_str);
            std::iter::once(device.device_path)
                .chain(links)
                .any(|path| normal(path) == wanted)
        })
}

/// Why no device will ever be what the selector says; `None` where one may be.
pub fn hopeless(selector: &DeviceSelector) -> Option<String> {
    let serial = selector.serial.as_ref().map(DeviceSerial::as_str);
    serial.filter(|serial| !telling(serial)).map(|serial| {
        format!(
            "makers give the serial number {serial} to many devices, so it counts as none and finds no device; take serial out of \
             deviceSelector, and name the device by usbPath, or by vendor and product"
        )
    })
}

/// The one device that the selector means.
pub fn select<'a, T>(
    selector: &DeviceSelector,
    devices: impl IntoIterator<Item = T>,
    seen: impl Fn(&T) -> Seen<'a>,
) -> Result<T, NoneOrMany<T>>
where
    T: 'a,
{
    let all = devices.into_iter();
    let mut found: Vec<T> = all.filter(|one| matches(selector, seen(one))).collect();
    match found.len() {
        0 | 1 => found.pop().ok_or(NoneOrMany::None),
        _ => Err(NoneOrMany::Many(found)),
    }
}

/// A port means every interface of the device that is plugged in there; an interface only itself.
fn is_at(wanted: &str, found: &str) -> bool {
    let port = found.split_once(':').map_or(found, |(port, _)| port);
    wanted == found || wanted == port
}

/// One path may be written in many ways.
fn normal(path: &str) -> Vec<&str> {
    let parts = path.split('/');
    parts.filter(|part| !matches!(*part, "" | ".")).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn selector(json: &str) -> DeviceSelector {
        use streamhub_crds::{DevicePath, NodeName, UsbPath};
        let mut selector = DeviceSelector::default();
        for part in json.split_whitespace() {
            let (name, value) = part.split_once('=').unwrap();
            match name {
                "serial" => selector.serial = Some(value.parse().unwrap()),
                "vendor" => selector.vendor = Some(value.parse::<UsbId>().unwrap()),
                "product" => selector.product = Some(value.parse().unwrap()),
                "usbPath" => selector.usb_path = Some(value.parse::<UsbPath>().unwrap()),
                "node" => selector.node = Some(value.parse::<NodeName>().unwrap()),
                "devicePath" => selector.device_path = Some(value.parse::<DevicePath>().unwrap()),
                other => panic!("{other}"),
            }
        }
        selector
    }

    fn device(port: &str, interface: &str, serial: Option<&str>) -> VideoDeviceStatus {
        VideoDeviceStatus {
            node: "Pi3".to_owned(),
            identity: DeviceIdentity {
                bus: "usb".to_owned(),
                vendor: Some("046d".to_owned()),
                product: Some("0825".to_owned()),
                serial: serial.map(str::to_owned),
                usb_path: Some(format!("{port}:{interface}")),
                path: format!("usb-{port}:{interface}"),
                index: 0,
            },
            device_path: "/dev/video2".to_owned(),
            links: vec!["/dev/v4l/by-id/usb-cam-video-index0".to_owned()],
            ..VideoDeviceStatus::default()
        }
    }

    #[test]
    fn everything_that_a_selector_says_must_be_true() {
        let device = device("1-1.4", "1.0", Some("A1B2"));
        let is = |text: &str| matches(&selector(text), Seen::from(&device));
        for yes in [
            "serial=A1B2",
            "vendor=046d",
            "vendor=046d product=0825 serial=A1B2 usbPath=1-1.4 node=pi3 devicePath=/dev/video2",
            "usbPath=1-1.4",
            "usbPath=1-1.4:1.0",
            "node=pi3",
            "devicePath=/dev//./video2",
            "devicePath=/dev/v4l/by-id/usb-cam-video-index0",
        ] {
            assert!(is(yes), "{yes}");
        }
        for no in [
            "serial=A1B",
            "vendor=046e",
            "vendor=046d product=0826",
            "usbPath=1-1",
            "usbPath=1-1.4:1.2",
            "node=pi4",
            "serial=A1B2 node=pi4",
            "devicePath=/dev/video0",
        ] {
            assert!(!is(no), "{no}");
        }
        let nameless = VideoDeviceStatus::default();
        for no in ["serial=A1B2", "usbPath=1-1", "devicePath=/dev/video0"] {
            assert!(!matches(&selector(no), Seen::from(&nameless)), "{no}");
        }
    }

    #[test]
    fn one_of_two_cameras_of_one_device_is_named_by_its_interface() {
        let both = [device("1-1.4", "1.0", None), device("1-1.4", "1.2", None)];
        let choose = |text: &str| select(&selector(text), &both, |one| Seen::from(*one));
        assert_eq!(choose("usbPath=1-1.4:1.2"), Ok(&both[1]));
        assert_eq!(choose("usbPath=1-1"), Err(NoneOrMany::None));
        assert_eq!(
            choose("usbPath=1-1.4"),
            Err(NoneOrMany::Many(vec![&both[0], &both[1]]))
        );
    }

    #[test]
    fn a_serial_number_that_counts_as_none_is_told() {
        for none in ["0000", "SN0001"] {
            let why = hopeless(&selector(&format!("serial={none} vendor=046d"))).unwrap();
            assert!(why.contains(none) && why.contains("usbPath"), "{why}");
        }
        for may_be in ["serial=A1B2", "usbPath=1-1", "vendor=046d"] {
            assert_eq!(hopeless(&selector(may_be)), None, "{may_be}");
        }
    }

    /// Any device, of few ports, models, numbers and nodes, so that many are alike in something.
    fn any_device() -> impl Strategy<Value = VideoDeviceStatus> {
        let identity = (0..3_u8, 0..2_u8, any::<bool>(), 0..2_u8, any::<bool>());
        (identity, any::<bool>(), 0..3_u8).prop_map(|(identity, other_node, number)| {
            let (port, interface, numbered, vendor, other_product) = identity;
            let serial = numbered.then_some("A1B2");
            let mut device = device(&format!("1-{port}"), &format!("1.{interface}"), serial);
            device.identity.vendor = Some(format!("046{vendor}"));
            if other_product {
                device.identity.product = Some("0826".to_owned());
            }
            if other_node {
                device.node = "pi4".to_owned();
            }
            device.device_path = format!("/dev/video{number}");
            device.links = vec![format!("/dev/v4l/by-path/port{port}")];
            device
        })
    }

    /// Any words of a selector that some of these devices may have.
    fn any_words() -> impl Strategy<Value = Vec<String>> {
        let word = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(ToString::to_string).collect();
            prop::option::of(prop::sample::select(words))
        };
        let words = (
            word(&["serial=A1B2", "serial=C3D4"]),
            word(&["vendor=0460", "vendor=0461"]),
            word(&["product=0825", "product=0826"]),
            word(&["usbPath=1-0", "usbPath=1-1", "usbPath=1-1:1.0"]),
            word(&["node=pi3", "node=pi4"]),
            word(&[
                "devicePath=/dev/video0",
                "devicePath=/dev/v4l/by-path/port1",
            ]),
        );
        words.prop_map(|(serial, vendor, product, usb_path, node, path)| {
            let all = [serial, vendor, product, usb_path, node, path];
            all.into_iter().flatten().collect()
        })
    }

    /// Whether a device has what one word says, told by its text.
    fn has(device: &VideoDeviceStatus, word: &str) -> bool {
        let (name, value) = word.split_once('=').unwrap();
        let identity = &device.identity;
        match name {
            "serial" => identity.serial.as_deref() == Some(value),
            "vendor" => identity.vendor.as_deref() == Some(value),
            "product" => identity.product.as_deref() == Some(value),
            "usbPath" => {
                let found = identity.usb_path.as_deref().unwrap();
                found == value || found.starts_with(&format!("{value}:"))
            }
            "node" => device.node.to_lowercase() == value,
            _ => device.device_path == value || device.links.iter().any(|link| link == value),
        }
    }

    proptest! {
        #[test]
        fn one_device_is_selected_if_only_that_has_every_word(
            devices in prop::collection::vec(any_device(), 0..6),
            words in any_words()
        ) {
            let having: Vec<_> = devices
                .iter()
                .filter(|device| words.iter().all(|word| has(device, word)))
                .collect();
            let expected = match having.as_slice() {
                [] => Err(NoneOrMany::None),
                [one] => Ok(*one),
                many => Err(NoneOrMany::Many(many.to_vec())),
            };
            let selector = selector(&words.join(" "));
            prop_assert_eq!(select(&selector, &devices, |one| Seen::from(*one)), expected);
        }

        #[test]
        fn each_further_word_only_narrows(device in any_device(), words in any_words()) {
            let is = |words: &[String]| matches(&selector(&words.join(" ")), Seen::from(&device));
            for number in 0..words.len() {
                prop_assert!(is(&words[..number]) || !is(&words[..=number]), "{words:?}");
            }
        }
    }
}
