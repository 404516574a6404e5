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
    /// None yet. Devices that an earlier agent knew keep their ids, and need not be asked again, if they were not
    /// unplugged since.
    pub fn new(place: Place, ground: Ground, known: &BTreeMap<String, Known>) -> Self {
        let there: Vec<&VideoDeviceStatus> = there(&place, known).collect();
        let ids = there.iter().filter_map(|status| {
            let id = DeviceId::of_resource(&status.resource)?;
            Some((status.identity.clone(), id))
        });
        let held = there.iter().filter_map(|status| {
            let holder = status.holder.clone()?;
            Some((status.resource.clone(), holder))
        });
        Self {
            hanging: BTreeSet::new(),
            held: held.collect(),
            ids: Registry::remembering(ids),
            said: Said::remembering(there.iter().copied()),
            place,
            ground,
            all: BTreeMap::new(),
        }
    }

    /// This is there, and nothing else.
    pub fn set(&mut self, scan: Scan) {
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
                camera.gone = Some((Instant::now(), clock::now()));
                camera.offer(Offer::new());
            }
        }
        self.all.retain(|_, camera| {
            let gone = camera.gone.as_ref();
            gone.is_none_or(|(since, _)| since.elapsed() < PLUGIN_FOR)
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

/// The devices that were there in this boot, as the objects say.
fn there<'a>(
    place: &'a Place,
    known: &'a BTreeMap<String, Known>,
) -> impl Iterator<Item = &'a VideoDeviceStatus> {
    let statuses = known.values().map(|known| &known.status);
    statuses.filter(|status| {
        status.node == place.node
            && status.boot_id == place.boot_id
            && status.state != DeviceState::Absent
    })
}
