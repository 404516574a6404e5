//! A `VideoDevice` as the API server has it.

use kube::core::DynamicObject;
use serde::de::DeserializeOwned;
use serde_json::Value;
use streamhub_crds::{DeviceSelector, DeviceState, VideoDeviceSpec, VideoDeviceStatus};
use streamhub_devices::{Seen, matches, telling};

/// What matters of a `VideoDevice`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeviceFacts {
    /// Its identity.
    pub(super) uid: String,
    /// Its version.
    pub(super) version: String,
    /// Its name.
    pub name: String,
    /// Who may use it.
    pub spec: VideoDeviceSpec,
    /// What its node agent says of it, but for what it offers.
    pub status: VideoDeviceStatus,
}

impl DeviceFacts {
    /// Reads an object; what of it can't be read is as if it were not there.
    pub(super) fn new(object: DynamicObject) -> Option<Self> {
        let metadata = object.metadata;
        let mut status: VideoDeviceStatus = part(&object.data, "status").unwrap_or_default();
        status.formats = Vec::new();
        // Nobody is let in by what can't be read.
        let nobody = || VideoDeviceSpec {
            allowed_namespaces: Some(Vec::new()),
        };
        let spec = match object.data.get("spec") {
            None | Some(Value::Null) => VideoDeviceSpec::default(),
            Some(_) => part(&object.data, "spec").unwrap_or_else(nobody),
        };
        Some(Self {
            uid: metadata.uid.unwrap_or_default(),
            version: metadata.resource_version.unwrap_or_default(),
            name: metadata.name?,
            spec,
            status,
        })
    }

    /// Whether a selector fits it, wherever it is and whether it is there or not.
    pub fn fits(&self, selector: &DeviceSelector) -> bool {
        // One that no agent has said anything of yet.
        !self.status.node.is_empty() && matches(selector, Seen::from(&self.status))
    }

    /// Whether it is plugged in, as far as its node knew last.
    pub fn is_there(&self) -> bool {
        self.status.state != DeviceState::Absent
    }

    /// Whether Cameras of a namespace may use it.
    pub fn admits(&self, namespace: &str) -> bool {
        let allowed = self.spec.allowed_namespaces.as_ref();
        allowed.is_none_or(|allowed| allowed.iter().any(|name| name.as_str() == namespace))
    }

    /// Whether it is the same camera as another: it can be plugged in once, whatever two nodes say.
    pub fn is_same_camera(&self, other: &Self) -> bool {
        let (a, b) = (&self.status.identity, &other.status.identity);
        let interface = |path: &Option<String>| {
            let path = path.as_deref().and_then(|path| path.split_once(':'));
            path.map(|(_, interface)| interface.to_owned())
        };
        a.serial.as_deref().is_some_and(telling)
            && (&a.serial, &a.vendor, &a.product, a.index)
                == (&b.serial, &b.vendor, &b.product, b.index)
            && interface(&a.usb_path) == interface(&b.usb_path)
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        (&self.uid, &self.spec, &self.status) == (&other.uid, &other.spec, &other.status)
    }
}

fn part<T: DeserializeOwned>(data: &Value, name: &str) -> Option<T> {
    serde_json::from_value(data.get(name)?.clone()).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(data: Value) -> DeviceFacts {
        let mut object = json!({"metadata": {"name": "pi3-0123456789"}});
        if let Value::Object(parts) = data {
            object.as_object_mut().unwrap().extend(parts);
        }
        DeviceFacts::new(serde_json::from_value(object).unwrap()).unwrap()
    }

    #[test]
    fn who_may_use_it_is_the_administrators_to_say() {
        assert!(read(json!({})).admits("a") && read(json!({"spec": {}})).admits("a"));
        let chosen = read(json!({"spec": {"allowedNamespaces": ["a", "b"]}}));
        assert!(chosen.admits("b") && !chosen.admits("c"));
        assert!(!read(json!({"spec": {"allowedNamespaces": []}})).admits("a"));
        assert!(!read(json!({"spec": {"allowedNamespaces": "a"}})).admits("a"));
    }

    #[test]
    fn one_that_no_agent_has_reported_fits_nothing() {
        let selector = |text: Value| serde_json::from_value::<DeviceSelector>(text).unwrap();
        let node = selector(json!({"node": "pi3"}));
        assert!(!read(json!({})).fits(&node));
        assert!(read(json!({"status": {"node": "pi3"}})).fits(&node));
        assert!(!read(json!({"status": {"node": "pi4"}})).fits(&node));
    }

    #[test]
    fn a_number_tells_that_two_are_one_and_a_place_does_not() {
        let one = |node: &str, identity: Value| {
            read(json!({"status": {"node": node, "identity": identity}}))
        };
        let dummy = json!({"serial": "0001", "usbPath": "1-1:1.0"});
        assert!(!one("pi3", dummy.clone()).is_same_camera(&one("pi4", dummy)));
        let number = |serial: &str, usb: &str| json!({"serial": serial, "vendor": "046d", "product": "0825", "usbPath": usb});
        let here = one("pi3", number("A1", "1-1:1.0"));
        assert!(here.is_same_camera(&one("pi4", number("A1", "2-1.4:1.0"))));
        assert!(!here.is_same_camera(&one("pi4", number("A1", "2-1.4:1.2"))));
        assert!(!here.is_same_camera(&one("pi4", number("B2", "1-1:1.0"))));
        let place = json!({"usbPath": "1-1:1.0", "path": "usb-1-1:1.0"});
        assert!(!one("pi3", place.clone()).is_same_camera(&one("pi4", place)));
    }
}
