//! Ids of devices: the same for as long as a device is plugged in, and wherever it is, if its serial number allows that.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use streamhub_crds::{DeviceIdentity, GROUP, fingerprint};

/// Enough that two of the devices of one machine never get the same by chance.
const DIGITS: usize = 10;

/// What makers write who give every device the same number.
const DUMMIES: [&str; 18] = [
    "0001",
    "0x0001",
    "01.00.00",
    "sn0001",
    "123456",
    "12345678",
    "123456789",
    "0123456789",
    "1234567890",
    "0123456789abcdef",
    "200901010001",
    "default",
    "default string",
    "none",
    "null",
    "n/a",
    "unknown",
    "to be filled by o.e.m.",
];

/// The id of a device: ten hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(String);

impl DeviceId {
    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The extended resource that stands for the device.
    pub fn resource(&self) -> String {
        format!("{GROUP}/cam-{self}")
    }

    /// The id that an extended resource was named after.
    pub fn of_resource(resource: &str) -> Option<Self> {
        let id = resource.strip_prefix(GROUP)?.strip_prefix("/cam-")?;
        let digits = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (id.len() == DIGITS && id.bytes().all(digits)).then(|| Self(id.to_owned()))
    }

    fn of(hash: &str) -> Self {
        Self(hash.chars().take(DIGITS).collect())
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Whether a serial number tells one device from the next: not empty, not one digit repeated, not a maker's placeholder.
pub fn telling(serial: &str) -> bool {
    let mut marks = serial.chars().filter(char::is_ascii_alphanumeric);
    let Some(first) = marks.next() else {
        return false;
    };
    marks.any(|mark| mark != first) && !DUMMIES.contains(&serial.to_ascii_lowercase().as_str())
}

/// What stays the same wherever a device is plugged in: one interface and node of one numbered device.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Numbered {
    vendor: String,
    product: String,
    serial: String,
    interface: String,
    index: u32,
}

impl Numbered {
    /// `None` where the device has no serial number that tells something.
    pub(crate) fn of(identity: &DeviceIdentity) -> Option<Self> {
        let serial = identity.serial.clone().filter(|serial| telling(serial))?;
        let interface = identity.usb_path.as_deref();
        let interface = interface.and_then(|path| path.split_once(':'));
        Some(Self {
            vendor: identity.vendor.clone().unwrap_or_default(),
            product: identity.product.clone().unwrap_or_default(),
            serial,
            interface: interface.map_or_else(String::new, |(_, interface)| interface.to_owned()),
            index: identity.index,
        })
    }

    fn hash(&self, attempt: u32) -> String {
        fingerprint(&(
            "serial",
            (&self.vendor, &self.product, &self.serial),
            (&self.interface, self.index),
            attempt,
        ))
    }
}

/// Where a device is: no two of a machine are in one place.
type Place = (String, u32);

fn place(identity: &DeviceIdentity) -> Place {
    (identity.path.clone(), identity.index)
}

/// Gives ids to the devices of one machine.
///
/// A device with a serial number that tells something has an id made of that, unless another device that is there has
/// the same number; any other has one made of its place. Whichever it got, it keeps until it is unplugged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registry {
    held: BTreeMap<Place, (DeviceIdentity, DeviceId)>,
    /// What is remembered of places in which nothing was seen yet.
    awaited: BTreeMap<Place, (DeviceIdentity, DeviceId)>,
}

impl Registry {
    /// A registry that remembers: ids of devices that are still in their places stay, however late they are seen there, as
    /// long as no other device has got the id by then.
    pub fn remembering(known: impl IntoIterator<Item = (DeviceIdentity, DeviceId)>) -> Self {
        let known = known.into_iter();
        Self {
            held: BTreeMap::new(),
            awaited: known
                .map(|(identity, id)| (place(&identity), (identity, id)))
                .collect(),
        }
    }

    /// These devices are there now, no others. Their ids, in the same order.
    pub fn update(&mut self, present: &[DeviceIdentity]) -> Vec<DeviceId> {
        self.update_by(present, |made_of, attempt| match made_of {
            MadeOf::Number(numbered) => numbered.hash(attempt),
            MadeOf::Place((path, index)) => fingerprint(&("path", path, index, attempt)),
        })
    }

    fn update_by(
        &mut self,
        present: &[DeviceIdentity],
        hash: impl Fn(&MadeOf, u32) -> String,
    ) -> Vec<DeviceId> {
        let places: BTreeMap<Place, &DeviceIdentity> =
            present.iter().map(|one| (place(one), one)).collect();
        // In the same place, but another device: the old one was unplugged in between.
        self.held
            .retain(|place, (held, _)| places.get(place).is_some_and(|now| *now == held));
        let mut owners: BTreeMap<Numbered, u32> = BTreeMap::new();
        for numbered in places.values().filter_map(|one| Numbered::of(one)) {
            *owners.entry(numbered).or_default() += 1;
        }
        let mut taken: BTreeSet<DeviceId> = self.held.values().map(|(_, id)| id.clone()).collect();
        for (place, now) in &places {
            // After a boot drivers answer when they are loaded: what is not there yet may still be plugged in.
            let Some((before, id)) = self.awaited.remove(place) else {
                continue;
            };
            if before == **now && taken.insert(id.clone()) {
                self.held.insert(place.clone(), (before, id));
            }
        }
        for (place, identity) in places {
            if self.held.contains_key(&place) {
                continue;
            }
            let alone = Numbered::of(identity).filter(|one| owners.get(one) == Some(&1));
            let made_of = alone.map_or_else(|| MadeOf::Place(place.clone()), MadeOf::Number);
            let ids = (0..).map(|attempt| DeviceId::of(&hash(&made_of, attempt)));
            for id in ids {
                if taken.insert(id.clone()) {
                    self.held.insert(place, (identity.clone(), id));
                    break;
                }
            }
        }
        let id = |one| self.held.get(&place(one)).map(|(_, id)| id.clone());
        present.iter().filter_map(id).collect()
    }
}

/// What an id is made of.
enum MadeOf {
    Number(Numbered),
    Place(Place),
}

#[cfg(test)]
mod tests;
