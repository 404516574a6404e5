//! Whether a device node is the device that was promised: a container keeps its device's number when another device has
//! that number already.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use rustix::fs::{major, minor};
use streamhub_crds::DeviceIdentity;

use crate::identity::Numbered;
use crate::sysfs::{identity_of, nodes};

/// Why a node is not what was promised.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// There is no node, or no device behind it.
    #[error("{0}")]
    Gone(io::Error),
    /// It is another device.
    #[error("it is {}, not {}", Named(.found), Named(.promised))]
    Other {
        /// What is there.
        found: Box<DeviceIdentity>,
        /// What should be.
        promised: Box<DeviceIdentity>,
    },
}

/// Whether the node at `path` is the device that was promised, by what `sys` says of its number.
pub fn check(sys: &Path, path: &Path, promised: &DeviceIdentity) -> Result<(), Broken> {
    let node = fs::metadata(path).map_err(Broken::Gone)?;
    if !node.file_type().is_char_device() {
        let error = format!("{} is no device", path.display());
        return Err(Broken::Gone(io::Error::other(error)));
    }
    check_number(sys, major(node.rdev()), minor(node.rdev()), promised)
}

fn check_number(
    sys: &Path,
    major: u32,
    minor: u32,
    promised: &DeviceIdentity,
) -> Result<(), Broken> {
    let found = identity_of(sys, major, minor).map_err(Broken::Gone)?;
    let twins = |numbered: &Numbered| {
        let all = nodes(sys).unwrap_or_default();
        let same = all.iter().filter_map(|node| Numbered::of(&node.identity));
        same.filter(|other| other == numbered).count() > 1
    };
    if same(promised, &found, twins) {
        return Ok(());
    }
    Err(Broken::Other {
        found: Box::new(found),
        promised: Box::new(promised.clone()),
    })
}

/// A serial number that only one device has is enough; any other device must be where it was.
fn same(
    promised: &DeviceIdentity,
    found: &DeviceIdentity,
    twins: impl Fn(&Numbered) -> bool,
) -> bool {
    let model = |one: &DeviceIdentity| (one.bus.clone(), one.vendor.clone(), one.product.clone());
    if model(promised) != model(found) {
        return false;
    }
    match (Numbered::of(promised), Numbered::of(found)) {
        (Some(promised), Some(found)) if !twins(&found) => promised == found,
        _ => promised == found,
    }
}

/// A device for people: `usb 046d:0825 serial A1B2 at 1-1.4:1.0`.
struct Named<'a>(&'a DeviceIdentity);

impl fmt::Display for Named<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let Self(identity) = self;
        write!(formatter, "{}", identity.bus)?;
        if let (Some(vendor), Some(product)) = (&identity.vendor, &identity.product) {
            write!(formatter, " {vendor}:{product}")?;
        }
        if let Some(serial) = &identity.serial {
            write!(formatter, " serial {serial}")?;
        }
        let place = identity.usb_path.as_ref().unwrap_or(&identity.path);
        write!(formatter, " at {place}")?;
        if identity.index > 0 {
            write!(formatter, ", its node {}", identity.index)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use streamhub_testkit::sysfs::{Bus, Machine, usb};

    use super::*;

    fn promised(machine: &Machine, number: u32) -> DeviceIdentity {
        identity_of(&machine.sys(), 81, number).unwrap()
    }

    fn kept(machine: &Machine, number: u32, promised: &DeviceIdentity) -> bool {
        match check_number(&machine.sys(), 81, number, promised) {
            Ok(()) => true,
            Err(Broken::Other { .. }) => false,
            Err(Broken::Gone(error)) => panic!("{error}"),
        }
    }

    #[test]
    fn a_numbered_camera_may_move_and_others_may_not() {
        let machine = Machine::new().unwrap();
        machine.plug(0, usb("1-1", Some("A1B2")), 0, "One").unwrap();
        machine.plug(2, usb("1-2", None), 0, "Nameless").unwrap();
        let (one, nameless) = (promised(&machine, 0), promised(&machine, 2));
        assert!(kept(&machine, 0, &one) && kept(&machine, 2, &nameless));
        assert!(!kept(&machine, 2, &one) && !kept(&machine, 0, &nameless));

        machine.unplug(0).unwrap();
        machine.unplug(2).unwrap();
        machine.plug(2, usb("1-3", Some("A1B2")), 0, "One").unwrap();
        machine.plug(0, usb("1-4", None), 0, "Nameless").unwrap();
        assert!(kept(&machine, 2, &one), "another port and number");
        assert!(!kept(&machine, 0, &nameless), "another port");
    }

    #[test]
    fn of_twins_each_must_be_where_it_was() {
        let machine = Machine::new().unwrap();
        machine.plug(0, usb("1-1", Some("A1B2")), 0, "One").unwrap();
        machine
            .plug(2, usb("1-2", Some("A1B2")), 0, "Twin")
            .unwrap();
        let one = promised(&machine, 0);
        assert!(kept(&machine, 0, &one));
        assert!(!kept(&machine, 2, &one));
    }

    #[test]
    fn what_is_there_instead_is_said() {
        let machine = Machine::new().unwrap();
        machine.plug(0, usb("1-1", Some("A1B2")), 0, "One").unwrap();
        machine
            .plug(3, Bus::Platform("vivid.0"), 1, "vivid")
            .unwrap();
        let error = check_number(&machine.sys(), 81, 3, &promised(&machine, 0)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "it is platform at platform-vivid.0, its node 1, not usb 046d:0825 serial A1B2 at 1-1:1.0"
        );
        let gone = check(
            &machine.sys(),
            Path::new("/nonexistent"),
            &promised(&machine, 0),
        );
        assert!(matches!(gone, Err(Broken::Gone(_))));
        let file = check(
            &machine.sys(),
            &machine.dev().join("video0"),
            &promised(&machine, 0),
        );
        assert!(file.unwrap_err().to_string().contains("is no device"));
    }
}
