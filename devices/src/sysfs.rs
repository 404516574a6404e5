//! What sysfs says of the video nodes of a machine.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use streamhub_crds::{DeviceIdentity, DeviceSerial};

use crate::identity::telling;

/// A video node as sysfs describes it: a camera's, or one of the many that are none.
#[derive(Debug, Clone)]
pub struct Node {
    /// Such as `video0`.
    pub name: String,
    /// Its device number.
    pub device: (u32, u32),
    pub identity: DeviceIdentity,
    /// What the driver calls it.
    pub card: String,
    /// The driver, where it drives a device that sysfs knows.
    pub driver: Option<String>,
    /// Another one after each unplugging, even under the same name.
    pub plugged: u64,
}

/// The video nodes, by number.
pub fn nodes(sys: &Path) -> io::Result<Vec<Node>> {
    let class = sys.join("class/video4linux");
    let entries = match fs::read_dir(&class) {
        Ok(entries) => entries,
        // No driver of video is loaded.
        Err(error) if error.kind() == io::ErrorKind::NotFound && sys.join("class").is_dir() => {
            return Ok(Vec::new());
        }
        Err(error) => {
            let what = format!("{}: {error}", class.display());
            return Err(io::Error::new(error.kind(), what));
        }
    };
    let mut nodes: Vec<Node> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"video"))
        // One that cannot be read goes away in this moment.
        .filter_map(|entry| node(&entry.path()).ok())
        .collect();
    nodes.sort_by_key(|node| node.device);
    Ok(nodes)
}

/// The identity of the device behind a device number.
pub fn identity_of(sys: &Path, major: u32, minor: u32) -> io::Result<DeviceIdentity> {
    let link = sys.join(format!("dev/char/{major}:{minor}"));
    Ok(node(&link)?.identity)
}

fn node(path: &Path) -> io::Result<Node> {
    let dir = fs::canonicalize(path)?;
    let missing = |what: &str| {
        let what = format!("{}: {what}", dir.display());
        io::Error::new(io::ErrorKind::InvalidData, what)
    };
    let name = file_name(&dir).ok_or_else(|| missing("no name"))?;
    let device = number(&dir).ok_or_else(|| missing("no device number"))?;
    let index = attribute(&dir, "index")?.parse();
    let index = index.map_err(|_| missing("no index"))?;
    Ok(Node {
        identity: identity(&dir, &name, index, device),
        card: attribute(&dir, "name").unwrap_or_default(),
        driver: link_name(&dir.join("device/driver")),
        plugged: fs::metadata(&dir)?.ino(),
        name,
        device,
    })
}

fn identity(dir: &Path, name: &str, index: u32, device: (u32, u32)) -> DeviceIdentity {
    let none = DeviceIdentity {
        bus: "virtual".to_owned(),
        path: format!("virtual-{name}"),
        index,
        ..DeviceIdentity::default()
    };
    let parents = dir.ancestors().skip(1);
    let parent = parents.into_iter().find_map(|parent| {
        let bus = link_name(&parent.join("subsystem"))?;
        let known = ["usb", "pci", "platform"].contains(&bus.as_str());
        known.then_some((bus, parent))
    });
    let Some((bus, parent)) = parent else {
        return none;
    };
    let place = file_name(parent).unwrap_or_default();
    let found = DeviceIdentity {
        path: format!("{bus}-{place}{}", sibling(dir, index, device)),
        bus,
        ..none
    };
    match found.bus.as_str() {
        "usb" => of_usb(parent, place, found),
        "pci" => DeviceIdentity {
            vendor: id(parent, "vendor"),
            product: id(parent, "device"),
            ..found
        },
        _ => found,
    }
}

fn of_usb(parent: &Path, place: String, found: DeviceIdentity) -> DeviceIdentity {
    // The interface's parent is the device; a driver may also sit on the device itself.
    let interface = parent.join("bInterfaceNumber").exists();
    let device = if interface {
        parent.parent().unwrap_or(parent)
    } else {
        parent
    };
    let serial = attribute(device, "serial").ok();
    DeviceIdentity {
        vendor: id(device, "idVendor"),
        product: id(device, "idProduct"),
        // One that no selector could name is as good as none.
        serial: serial.filter(|serial| telling(serial) && serial.parse::<DeviceSerial>().is_ok()),
        usb_path: Some(place),
        ..found
    }
}

/// Tells apart the nodes that a driver makes several of for one device and numbers each from 0, as `vivid` does: `+1` for
/// the second. The kernel has nothing else that tells them apart: where the first of them alone went, the second would take
/// its place and count as another device. Such drivers take all their nodes away together.
fn sibling(dir: &Path, index: u32, device: (u32, u32)) -> String {
    let Some(entries) = dir.parent().and_then(|all| fs::read_dir(all).ok()) else {
        return String::new();
    };
    let before = entries.filter_map(Result::ok).filter(|entry| {
        let path = entry.path();
        let same = attribute(&path, "index").is_ok_and(|text| text.parse() == Ok(index));
        let video = entry.file_name().as_encoded_bytes().starts_with(b"video");
        video && same && number(&path).is_some_and(|number| number < device)
    });
    match before.count() {
        0 => String::new(),
        number => format!("+{number}"),
    }
}

/// Major and minor part of a node's number.
fn number(dir: &Path) -> Option<(u32, u32)> {
    let text = attribute(dir, "dev").ok()?;
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn attribute(dir: &Path, name: &str) -> io::Result<String> {
    let bytes = fs::read(dir.join(name))?;
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}

/// `0x8086` and `046D` as four lower-case digits.
fn id(dir: &Path, name: &str) -> Option<String> {
    let text = attribute(dir, name).ok()?.to_ascii_lowercase();
    let digits = text.strip_prefix("0x").unwrap_or(&text);
    (!digits.is_empty()).then(|| digits.to_owned())
}

fn link_name(link: &Path) -> Option<String> {
    file_name(&fs::read_link(link).ok()?)
}

fn file_name(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_string_lossy().into_owned())
}
