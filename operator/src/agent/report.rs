//! What is known of a node's devices, as the objects that say it. Functions of plain data.

use std::collections::BTreeMap;

use streamhub_crds::{DeviceState, VideoDeviceStatus, fingerprint};
use streamhub_devices::{DeviceId, Found};

/// The longest name of an object.
const LONGEST_NAME: usize = 253;
/// The longest value of a label.
const LONGEST_LABEL: usize = 63;
/// Of an id, and of what takes the place of the end of a name that is too long.
const DIGITS: usize = 10;

/// Where this is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The node's name.
    pub node: String,
    /// Its boot.
    pub boot_id: String,
}

/// A device that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// What it is.
    pub found: Found,
    /// The id that it keeps.
    pub id: DeviceId,
    /// When the kubelet took its resource.
    pub registered_at: Option<String>,
    /// The pod that has it.
    pub holder: Option<String>,
}

/// What the objects of a node should say, by their names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Picture {
    /// Devices that are there.
    pub present: BTreeMap<String, VideoDeviceStatus>,
    /// When others went, as far as that was seen.
    pub gone: BTreeMap<String, String>,
}

impl Place {
    /// The name of a device's object.
    pub fn object(&self, id: &str) -> String {
        format!("{}-{id}", shortened(&self.node, LONGEST_NAME - DIGITS - 1))
    }

    /// The value of the label that all objects of the node have.
    pub fn label(&self) -> String {
        shortened(&self.node, LONGEST_LABEL)
    }

    /// What the object of a device says.
    pub fn status(&self, device: &Present) -> VideoDeviceStatus {
        let Present {
            found,
            id,
            registered_at,
            holder,
        } = device;
        let usable = found.unsupported.is_none();
        let holder = holder.clone().filter(|_| usable);
        let state = match (usable, &holder) {
            (false, _) => DeviceState::Unsupported,
            (true, None) => DeviceState::Free,
            (true, Some(_)) => DeviceState::Busy,
        };
        VideoDeviceStatus {
            node: self.node.clone(),
            boot_id: self.boot_id.clone(),
            state,
            holder,
            identity: found.identity.clone(),
            resource: id.resource(),
            device_path: found.dev_path.clone(),
            device_number: Some(format!("{}:{}", found.major, found.minor)),
            links: found.links.clone(),
            card: found.card.clone(),
            driver: found.driver.clone(),
            gid: found.gid,
            formats: found.formats.clone(),
            unsupported: found.unsupported.clone(),
            registered_at: registered_at.clone(),
            last_seen: None,
        }
    }
}

/// The same of a device that went.
pub fn absent(last: &VideoDeviceStatus, last_seen: String) -> VideoDeviceStatus {
    VideoDeviceStatus {
        state: DeviceState::Absent,
        holder: None,
        last_seen: Some(last_seen),
        ..last.clone()
    }
}

/// A name of Kubernetes that is cut where it is too long, and then tells by its end what it was.
fn shortened(name: &str, longest: usize) -> String {
    if name.len() <= longest {
        return name.to_owned();
    }
    // Names of nodes are ASCII; another one would be refused with the object.
    let kept = name.get(..longest - DIGITS - 1).unwrap_or_default();
    let kept = kept.trim_end_matches(['.', '-']);
    let digits = fingerprint(&name);
    format!("{kept}-{}", digits.get(..DIGITS).unwrap_or(&digits))
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::PathBuf;

    use streamhub_crds::DeviceIdentity;
    use streamhub_devices::Registry;

    use super::*;

    pub fn place() -> Place {
        Place {
            node: "node1".to_owned(),
            boot_id: "b00t".to_owned(),
        }
    }

    pub fn found(number: u32) -> Found {
        Found {
            identity: DeviceIdentity {
                bus: "usb".to_owned(),
                path: format!("usb-1-{number}:1.0"),
                ..DeviceIdentity::default()
            },
            dev_path: format!("/dev/video{number}"),
            open_path: PathBuf::from(format!("/dev/video{number}")),
            links: Vec::new(),
            major: 81,
            minor: number,
            card: "Cam".to_owned(),
            driver: "uvcvideo".to_owned(),
            gid: 44,
            formats: Vec::new(),
            unsupported: None,
        }
    }

    pub fn present(number: u32) -> Present {
        let found = found(number);
        let mut ids = Registry::default().update(std::slice::from_ref(&found.identity));
        Present {
            id: ids.remove(0),
            found,
            registered_at: None,
            holder: None,
        }
    }

    #[test]
    fn a_device_is_busy_while_a_pod_has_it_and_absent_once_it_is_gone() {
        let mut device = present(0);
        assert_eq!(place().status(&device).state, DeviceState::Free);
        device.holder = Some("shop/cam-door".to_owned());
        let busy = place().status(&device);
        assert_eq!(busy.state, DeviceState::Busy);
        assert_eq!(busy.resource, device.id.resource());
        let gone = absent(&busy, "2026-11-21T10:00:00.000Z".to_owned());
        assert_eq!((gone.state, &gone.holder), (DeviceState::Absent, &None));
        assert_eq!(gone.identity, busy.identity);
        device.found.unsupported = Some("raw".to_owned());
        assert_eq!(place().status(&device).state, DeviceState::Unsupported);
    }

    #[test]
    fn names_are_as_long_as_kubernetes_takes_them_and_still_differ() {
        let named = |node: &str| Place {
            node: node.to_owned(),
            boot_id: String::new(),
        };
        assert_eq!(named("node1").object("0123456789"), "node1-0123456789");
        assert_eq!(named("node1").label(), "node1");
        let (a, b) = ("a".repeat(250) + ".x", "a".repeat(250) + ".y");
        let objects = [&a, &b].map(|node| named(node).object("0123456789"));
        assert!(
            objects.iter().all(|name| name.len() == LONGEST_NAME),
            "{objects:?}"
        );
        assert_ne!(objects[0], objects[1]);
        assert_eq!(named(&a).label().len(), LONGEST_LABEL);
    }
}
