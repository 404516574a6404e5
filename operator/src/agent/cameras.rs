//! The capture devices of the node: which are there, and a plugin for each.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::fs::makedev;
use streamhub_crds::{DeviceIdentity, DeviceState, VideoDeviceStatus};
use streamhub_devices::{DeviceId, Found, Registry, Scan, Unreadable};

use super::clock;
use super::holders::Holders;
use super::ledger::Known;
use super::plugin::{Node, Offer, Resource};
use super::registration::{Ground, Kept, endpoint};
use super::report::{Picture, Place, Present};
use super::said::Said;

/// Where a camera's container finds its device.
const CONTAINER_PATH: &str = "/dev/streamhub/capture";
/// What is unplugged for so long loses its plugin; the kubelet drops its resource five minutes later.
const PLUGIN_FOR: Duration = Duration::from_mins(10);

/// Devices that are there, and those that were until lately.
pub struct Cameras {
    place: Place,
    ground: Ground,
    ids: Registry,
    said: Said,
    /// Nodes whose drivers do not answer.
    hanging: BTreeSet<PathBuf>,
    /// Who had what when an earlier agent ended.
    held: Holders,
    all: BTreeMap<DeviceId, Camera>,
}

struct Camera {
    found: Found,
    /// Absent where it can't be used.
    plugin: Option<Kept>,
    /// When it went.
    gone: Option<(Instant, String)>,
}

impl Cameras {
    /// None yet.
    pub fn new(place: Place, ground: Ground) -> Self {
        Self {
            hanging: BTreeSet::new(),
            held: Holders::new(),
            ids: Registry::default(),
            said: Said::default(),
            place,
            ground,
            all: BTreeMap::new(),
        }
    }

    /// What an earlier agent wrote: devices that it knew keep their ids, and need not be asked again, if they were not
    /// unplugged since; for those that are not seen at once they are kept. Ids that were given without it are forgotten, as
    /// nobody was told of them; the next look finds all that is there by its own.
    pub fn remember(&mut self, known: &BTreeMap<String, Known>) {
        self.ids = Registry::remembering(ids(&self.place, known));
        let in_this_boot = || {
            let boot_id = &self.place.boot_id;
            there(&self.place, known).filter(move |status| status.boot_id == *boot_id)
        };
        let held = in_this_boot().filter_map(|status| {
            let holder = status.holder.clone()?;
            Some((status.resource.clone(), holder))
        });
        self.held = held.collect();
        self.said.remember(in_this_boot());
    }

    /// This is there, and nothing else.
    pub fn set(&mut self, scan: Scan) {
        self.set_at(scan, Instant::now());
    }

    fn set_at(&mut self, scan: Scan, now: Instant) {
        let hangs = |one: &&Unreadable| one.error.kind() == ErrorKind::TimedOut;
        let hanging = scan.unreadable.iter().filter(hangs);
        self.hanging = hanging.map(|one| one.found.open_path.clone()).collect();
        let found = self.said.complete(scan);
        let identities: Vec<DeviceIdentity> =
            found.iter().map(|found| found.identity.clone()).collect();
        let ids = self.ids.update(&identities);
        let present: BTreeSet<DeviceId> = ids.iter().cloned().collect();
        for (id, found) in ids.into_iter().zip(found) {
            self.put(id, found);
        }
        for (id, camera) in &mut self.all {
            if !present.contains(id) && camera.gone.is_none() {
                tracing::info!(%id, path = camera.found.dev_path, "a capture device is gone");
                camera.gone = Some((now, clock::now()));
                camera.offer(Offer::new());
            }
        }
        self.all.retain(|_, camera| {
            let gone = camera.gone.as_ref();
            gone.is_none_or(|(since, _)| now.duration_since(*since) < PLUGIN_FOR)
        });
    }

    /// The nodes of those that are there, as this process sees them, and those whose drivers hang: what they are need not be
    /// asked.
    pub fn nodes(&self) -> Vec<PathBuf> {
        let there = self.all.values().filter(|camera| camera.gone.is_none());
        let there = there.map(|camera| &camera.found.open_path);
        there.chain(&self.hanging).cloned().collect()
    }

    fn put(&mut self, id: DeviceId, found: Found) {
        let usable = found.unsupported.is_none();
        let offer = vec![Node {
            here: found.open_path.clone(),
            number: makedev(found.major, found.minor),
            host: found.dev_path.clone(),
            container: CONTAINER_PATH.to_owned(),
        }];
        let known = self.all.get(&id).filter(|camera| camera.gone.is_none());
        if known.is_none_or(|camera| camera.found.dev_path != found.dev_path) {
            let Found { card, driver, .. } = &found;
            let serial = &found.identity.serial;
            let path = &found.dev_path;
            tracing::info!(%id, path, card, driver, serial, unsupported = found.unsupported, "a capture device");
        }
        let before = self.all.remove(&id).and_then(|camera| camera.plugin);
        let ground = &self.ground;
        let plugin = usable.then(|| {
            before.unwrap_or_else(|| Kept::begin(ground, resource(&id, &found), offer.clone()))
        });
        let camera = Camera {
            found,
            plugin,
            gone: None,
        };
        camera.offer(offer);
        self.all.insert(id, camera);
    }

    /// Whether the kubelet has taken all that can be used.
    pub fn are_registered(&self) -> bool {
        let mut plugins = self
            .all
            .values()
            .filter_map(|camera| camera.plugin.as_ref());
        plugins.all(|plugin| plugin.registered_at().is_some())
    }

    /// What the objects should say. Until the kubelet has said who holds what, devices stay with those who had them when an
    /// earlier agent ended.
    pub fn picture(&self, holders: Option<&Holders>) -> Picture {
        let holders = holders.unwrap_or(&self.held);
        let mut picture = Picture::default();
        for (id, camera) in &self.all {
            let name = self.place.object(id.as_str());
            if let Some((_, time)) = &camera.gone {
                picture.gone.insert(name, time.clone());
                continue;
            }
            let status = self.place.status(&Present {
                found: camera.found.clone(),
                id: id.clone(),
                registered_at: camera.registered_at(),
                holder: holders.get(&id.resource()).cloned(),
            });
            picture.present.insert(name, status);
        }
        picture
    }
}

impl Camera {
    fn offer(&self, offer: Offer) {
        if let Some(plugin) = &self.plugin {
            plugin.offer(offer);
        }
    }

    fn registered_at(&self) -> Option<String> {
        self.plugin.as_ref()?.registered_at()
    }
}

fn resource(id: &DeviceId, found: &Found) -> Resource {
    let Found { card, identity, .. } = found;
    let serial = identity.serial.as_ref();
    let which = serial.map_or_else(
        || identity.path.clone(),
        |serial| format!("serial {serial}"),
    );
    Resource {
        name: id.resource(),
        endpoint: endpoint(id.as_str()),
        about: format!("the capture device {card:?} ({which})"),
        units: vec![id.to_string()],
    }
}

/// The devices that were there when an earlier agent wrote last, as the objects say.
fn there<'a>(
    place: &'a Place,
    known: &'a BTreeMap<String, Known>,
) -> impl Iterator<Item = &'a VideoDeviceStatus> {
    let statuses = known.values().map(|known| &known.status);
    statuses.filter(|status| status.node == place.node && status.state != DeviceState::Absent)
}

/// Their ids. A boot unplugs nothing, so one that is in its place again after it is the one that was there.
fn ids<'a>(
    place: &'a Place,
    known: &'a BTreeMap<String, Known>,
) -> impl Iterator<Item = (DeviceIdentity, DeviceId)> {
    there(place, known).filter_map(|status| {
        let id = DeviceId::of_resource(&status.resource)?;
        Some((status.identity.clone(), id))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fake_kubelet::Seen;
    use super::super::report::tests::{found, place};
    use super::super::tests::{Machine, known, seen};
    use super::*;

    /// A webcam at a port, one of a model that all have the same serial number.
    fn twin(port: u32) -> Found {
        let mut found = found(port);
        found.identity = DeviceIdentity {
            vendor: Some("046d".to_owned()),
            product: Some("0825".to_owned()),
            serial: Some("A1B2".to_owned()),
            usb_path: Some(format!("1-{port}:1.0")),
            ..found.identity
        };
        found
    }

    fn picture(cameras: &Cameras) -> Picture {
        cameras.picture(Some(&Holders::new()))
    }

    fn stored(picture: &Picture) -> BTreeMap<String, Known> {
        let present = picture.present.iter();
        present
            .map(|(name, status)| (name.clone(), known(status.clone())))
            .collect()
    }

    /// Two of them, of which the one at port 1 was there first.
    fn written(machine: &Machine) -> BTreeMap<String, Known> {
        let mut cameras = Cameras::new(place(), machine.ground.clone());
        cameras.set(seen([twin(1)]));
        let alone = picture(&cameras).present.into_keys().next().unwrap();
        cameras.set(seen([twin(1), twin(2)]));
        let both = stored(&picture(&cameras));
        assert_eq!(both[&alone].status.device_path, "/dev/video1");
        both
    }

    #[tokio::test]
    async fn twins_keep_their_ids_over_a_boot_whichever_answers_late() {
        let machine = Machine::new();
        let before = written(&machine);
        let booted = Place {
            boot_id: "another".to_owned(),
            ..place()
        };
        for first in [vec![twin(1), twin(2)], vec![twin(1)], vec![twin(2)], vec![]] {
            let mut cameras = Cameras::new(booted.clone(), machine.ground.clone());
            cameras.remember(&before);
            cameras.set(seen(first));
            cameras.set(seen([twin(1), twin(2)]));
            let now = picture(&cameras);
            assert_eq!(now.present.len(), 2);
            for (name, status) in &now.present {
                assert_eq!(status.device_path, before[name].status.device_path);
                assert_eq!(status.boot_id, "another");
            }
        }
    }

    #[tokio::test]
    async fn what_is_unplugged_for_long_loses_its_plugin() {
        let machine = Machine::new();
        let mut cameras = Cameras::new(place(), machine.ground.clone());
        let begin = Instant::now();
        cameras.set_at(seen([twin(1), twin(2)]), begin);
        for (minutes, left) in [(0, 2), (9, 2), (10, 1)] {
            let now = begin + Duration::from_mins(minutes);
            cameras.set_at(seen([twin(2)]), now);
            assert_eq!(cameras.all.len(), left, "after {minutes} minutes");
        }
    }

    #[tokio::test]
    async fn twins_keep_their_ids_where_the_objects_are_known_late() {
        let machine = Machine::new();
        let kubelet = machine.kubelet();
        let before = written(&machine);
        let mut cameras = Cameras::new(place(), machine.ground.clone());
        cameras.set(seen([twin(1), twin(2)]));
        let without = picture(&cameras);
        assert!(
            without
                .present
                .keys()
                .any(|name| !before.contains_key(name))
        );
        cameras.remember(&before);
        cameras.set(seen([twin(1), twin(2)]));
        let now = picture(&cameras);
        for (name, status) in &now.present {
            let path = &before[name].status.device_path;
            assert_eq!(status.device_path, *path, "{now:#?}");
        }
        let healthy = |seen: &Seen| seen.devices.iter().any(|one| one.health == "Healthy");
        for known in before.values() {
            kubelet.until(&known.status.resource, healthy).await;
        }
        for status in without.present.values() {
            if before
                .values()
                .all(|known| known.status.resource != status.resource)
            {
                let stale = |seen: &Seen| !healthy(seen);
                kubelet.until(&status.resource, stale).await;
            }
        }
    }

    #[derive(Debug, Clone, Copy)]
    enum Restart {
        None,
        Agent,
        Node,
    }

    fn restart() -> impl Strategy<Value = Restart> {
        prop_oneof![
            Just(Restart::None),
            Just(Restart::Agent),
            Just(Restart::Node)
        ]
    }

    proptest! {
        #[test]
        fn a_device_that_stays_in_its_place_keeps_its_id_whatever_restarts(
            history in prop::collection::vec((prop::collection::btree_set(0..5_u32, 0..5), restart()), 1..12)
        ) {
            let mut place = place();
            let mut registry = Registry::default();
            let mut objects: BTreeMap<String, Known> = BTreeMap::new();
            let mut before: BTreeMap<u32, DeviceId> = BTreeMap::new();
            for (boot, (ports, restart)) in history.into_iter().enumerate() {
                if matches!(restart, Restart::Node) {
                    place.boot_id = format!("boot{boot}");
                }
                if !matches!(restart, Restart::None) {
                    registry = Registry::remembering(ids(&place, &objects));
                }
                let devices: Vec<Found> = ports.iter().map(|&port| twin(port)).collect();
                let identities: Vec<DeviceIdentity> =
                    devices.iter().map(|found| found.identity.clone()).collect();
                let given = registry.update(&identities);
                let now: BTreeMap<u32, DeviceId> = ports.into_iter().zip(given).collect();
                for (port, id) in &now {
                    prop_assert_eq!(before.get(port).unwrap_or(id), id);
                }
                objects = now.iter().zip(devices).map(|((_, id), found)| {
                    let present = Present { found, id: id.clone(), registered_at: None, holder: None };
                    (place.object(id.as_str()), known(place.status(&present)))
                }).collect();
                before = now;
            }
        }
    }
}
