//! What is known of the cluster, as far as it matters here. Pure: told of changes, it says who must be looked at.

mod camera;
mod claims;
mod device;
mod gone;
mod hub;
mod node;
mod placement;
mod pod;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Node, Pod};
use kube::core::DynamicObject;
use streamhub_plan::{CameraKey, selectors, url_claim};

pub use camera::CameraObject;
use claims::{Claimed, Claims};
pub use device::DeviceFacts;
pub use hub::{HubKey, HubObject};
pub use node::NodeFacts;
pub use placement::Wishes;
pub use pod::{Container, Ended, PodFacts};

/// Cameras, hubs, camera pods, nodes and devices.
#[derive(Debug, Default)]
pub struct World {
    cameras: BTreeMap<CameraKey, CameraObject>,
    hubs: BTreeMap<HubKey, HubObject>,
    pods: BTreeMap<CameraKey, PodFacts>,
    nodes: BTreeMap<String, NodeFacts>,
    devices: BTreeMap<String, DeviceFacts>,
    claims: Claims,
    /// Cameras that want a device.
    seekers: BTreeSet<CameraKey>,
    of_hub: BTreeMap<HubKey, BTreeSet<CameraKey>>,
    gone: gone::Gone,
}

/// How something came to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// A list of all there is: it replaces what was known.
    List,
    /// A watch: what it tells is never older than what it told before.
    Watch,
    /// The answer to a write of ours: it may come before the watch tells, or after it has told of the end.
    Answer,
}

/// Who must be looked at after a change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    /// Cameras.
    pub cameras: BTreeSet<CameraKey>,
    /// Hubs.
    pub hubs: BTreeSet<HubKey>,
}

impl World {
    /// A camera.
    pub fn camera(&self, key: &CameraKey) -> Option<&CameraObject> {
        self.cameras.get(key)
    }

    /// All cameras.
    pub fn cameras(&self) -> impl Iterator<Item = (&CameraKey, &CameraObject)> {
        self.cameras.iter()
    }

    /// A hub that is written.
    pub fn hub(&self, key: &HubKey) -> Option<&HubObject> {
        self.hubs.get(key)
    }

    /// All hubs that are written.
    pub fn hubs(&self) -> impl Iterator<Item = &HubKey> {
        self.hubs.keys()
    }

    /// The cameras that refer to a hub.
    pub fn cameras_of(&self, hub: &HubKey) -> impl Iterator<Item = &CameraObject> {
        let keys = self.of_hub.get(hub).into_iter().flatten();
        keys.filter_map(|key| self.cameras.get(key))
    }

    /// What has the name of a camera's pod and our labels.
    pub fn pod(&self, camera: &CameraKey) -> Option<&PodFacts> {
        self.pods.get(camera)
    }

    /// All camera pods.
    pub fn pods(&self) -> impl Iterator<Item = (&CameraKey, &PodFacts)> {
        self.pods.iter()
    }

    /// A node.
    pub fn node(&self, name: &str) -> Option<&NodeFacts> {
        self.nodes.get(name)
    }

    /// The names of all devices.
    pub fn device_names(&self) -> impl Iterator<Item = &String> {
        self.devices.keys()
    }

    /// The devices that a camera's selector fits, there or not.
    pub fn devices_for(&self, camera: &CameraKey) -> impl Iterator<Item = &DeviceFacts> {
        let names = self.claims.devices(camera);
        names.filter_map(|name| self.devices.get(name))
    }

    /// Whether Cameras of a namespace may use a device. What was said of the same camera elsewhere, or under another id,
    /// goes with it: an administrator's word must not be lost by moving a plug.
    pub fn admits(&self, device: &DeviceFacts, namespace: &str) -> bool {
        let mut same = self.same_camera(device);
        device.admits(namespace) && same.all(|other| other.admits(namespace))
    }

    fn same_camera<'a>(&'a self, device: &'a DeviceFacts) -> impl Iterator<Item = &'a DeviceFacts> {
        let others = self.devices.values();
        others.filter(|other| other.name != device.name && other.is_same_camera(device))
    }

    /// The cameras that want a device.
    pub fn seekers(&self) -> impl Iterator<Item = &CameraKey> {
        self.seekers.iter()
    }

    /// All cameras that bear on whether this one may run: those that claim what it claims, and so on.
    pub fn rivals(&self, camera: &CameraKey) -> BTreeSet<CameraKey> {
        self.claims.rivals(camera)
    }

    /// A camera was made or changed.
    pub fn set_camera(&mut self, object: DynamicObject, told: Told) -> Touched {
        let Some(key) = camera::key(&object) else {
            return Touched::default();
        };
        let old = self.cameras.get(&key);
        let new = CameraObject::new(key.clone(), object, old);
        if self.is_past(
            told,
            &new.uid,
            &new.version,
            old.map(|old| (old.uid.as_str(), old.version.as_str())),
        ) {
            return Touched::default();
        }
        if old.is_some_and(|old| old.is_same(&new)) {
            return Touched::default();
        }
        let same_spec = old.is_some_and(|old| old.has_same_spec(&new));
        let mut touched = self.remove_camera(&key, None);
        if same_spec {
            // Its status is nothing to others, and there may be many that want the same.
            touched.cameras.clear();
        }
        self.claim(&new);
        let hub = new.hub_key();
        self.of_hub
            .entry(hub.clone())
            .or_default()
            .insert(key.clone());
        touched.hubs.insert(hub);
        self.cameras.insert(key.clone(), new);
        if same_spec {
            touched.cameras.insert(key);
        } else {
            touched.cameras.extend(self.rivals(&key));
        }
        touched
    }

    /// A camera is gone; with a `uid`, only that one.
    pub fn remove_camera(&mut self, key: &CameraKey, uid: Option<&str>) -> Touched {
        self.gone.add(uid);
        let gone = self.cameras.get(key);
        if gone.is_none_or(|gone| uid.is_some_and(|uid| gone.uid != uid)) {
            return Touched::default();
        }
        let cameras = self.rivals(key);
        self.claims.remove(key);
        self.seekers.remove(key);
        let mut touched = Touched {
            cameras,
            ..Touched::default()
        };
        if let Some(gone) = self.cameras.remove(key) {
            let hub = gone.hub_key();
            remove_from(&mut self.of_hub, &hub, key);
            touched.hubs.insert(hub);
        }
        touched
    }

    /// A hub was made or changed.
    pub fn set_hub(&mut self, object: DynamicObject, told: Told) -> Touched {
        let Some(key) = hub::key(&object) else {
            return Touched::default();
        };
        let old = self.hubs.get(&key);
        let new = HubObject::new(key.clone(), object, old);
        if self.is_past(
            told,
            &new.uid,
            &new.version,
            old.map(|old| (old.uid.as_str(), old.version.as_str())),
        ) {
            return Touched::default();
        }
        let same_spec = old.is_some_and(|old| old.has_same_spec(&new));
        self.hubs.insert(key.clone(), new);
        self.touched_by_hub(key, !same_spec)
    }

    /// A hub is gone; with a `uid`, only that one.
    pub fn remove_hub(&mut self, key: &HubKey, uid: Option<&str>) -> Touched {
        self.gone.add(uid);
        let gone = self.hubs.get(key);
        if gone.is_none_or(|gone| uid.is_some_and(|uid| gone.uid != uid)) {
            return Touched::default();
        }
        self.hubs.remove(key);
        self.touched_by_hub(key.clone(), true)
    }

    fn touched_by_hub(&self, key: HubKey, with_cameras: bool) -> Touched {
        let cameras = self.of_hub.get(&key).filter(|_| with_cameras);
        Touched {
            cameras: cameras
                .into_iter()
                .flatten()
                .flat_map(|camera| self.rivals(camera))
                .collect(),
            hubs: [key].into(),
        }
    }

    /// A camera pod was made or changed.
    pub fn set_pod(&mut self, pod: Pod, told: Told) -> Touched {
        let Some((key, mut new)) = PodFacts::new(pod) else {
            return Touched::default();
        };
        // What has been known of it, or a pod beside it by its name: of cameras that are alike.
        if let Some((_, near)) = self.pods.range::<CameraKey, _>(..=&key).next_back()
            && near.wishes == new.wishes
        {
            new.wishes = Arc::clone(&near.wishes);
        }
        let old = self.pods.get(&key);
        if self.is_past(
            told,
            &new.uid,
            &new.version,
            old.map(|old| (old.uid.as_str(), old.version.as_str())),
        ) {
            return Touched::default();
        }
        let same = old.is_some_and(|old| old.is_same(&new));
        self.pods.insert(key.clone(), new);
        if same {
            return Touched::default();
        }
        self.touched_by_pod(&key)
    }

    /// A camera pod is gone; with a `uid`, only that one.
    pub fn remove_pod(&mut self, key: &CameraKey, uid: Option<&str>) -> Touched {
        self.gone.add(uid);
        let gone = self.pods.get(key);
        if gone.is_none_or(|gone| uid.is_some_and(|uid| gone.uid != uid)) {
            return Touched::default();
        }
        self.pods.remove(key);
        self.touched_by_pod(key)
    }

    fn touched_by_pod(&self, key: &CameraKey) -> Touched {
        Touched {
            cameras: self.rivals(key),
            ..Touched::default()
        }
    }

    /// A node was made or changed.
    pub fn set_node(&mut self, node: &Node) -> Touched {
        let Some((name, new)) = NodeFacts::new(node) else {
            return Touched::default();
        };
        if self.nodes.insert(name.clone(), new.clone()) == Some(new) {
            return Touched::default();
        }
        self.touched_by_node(&name)
    }

    /// A node is gone.
    pub fn remove_node(&mut self, name: &str) -> Touched {
        if self.nodes.remove(name).is_none() {
            return Touched::default();
        }
        self.touched_by_node(name)
    }

    fn touched_by_node(&self, name: &str) -> Touched {
        let pods = self.pods.iter();
        let on_it = pods.filter(|(_, pod)| pod.node.as_deref() == Some(name));
        let mut cameras: BTreeSet<CameraKey> = on_it.map(|(key, _)| key.clone()).collect();
        let devices = self.devices.values();
        for device in devices.filter(|device| device.status.node == name) {
            cameras.extend(self.seekers_of(&device.name));
        }
        Touched {
            cameras,
            ..Touched::default()
        }
    }

    /// A device was reported, or what is known of it changed.
    pub fn set_device(&mut self, object: DynamicObject, told: Told) -> Touched {
        let Some(new) = DeviceFacts::new(object) else {
            return Touched::default();
        };
        let old = self.devices.get(&new.name);
        let known = old.map(|old| (old.uid.as_str(), old.version.as_str()));
        if self.is_past(told, &new.uid, &new.version, known) {
            return Touched::default();
        }
        let same = old.is_some_and(|old| old.is_same(&new));
        let name = new.name.clone();
        let mut cameras = self.seekers_of(&name);
        if !old.is_some_and(|old| old.spec == new.spec && old.is_same_camera(&new)) {
            let before = old.into_iter().flat_map(|old| self.same_camera(old));
            for other in before.chain(self.same_camera(&new)) {
                cameras.extend(self.seekers_of(&other.name));
            }
        }
        if !same {
            let claimed = Claimed::Device(name.clone());
            self.claims.forget(&claimed);
            for key in &self.seekers {
                if self
                    .cameras
                    .get(key)
                    .is_some_and(|camera| fits(&new, camera))
                {
                    self.claims.add(key, claimed.clone());
                }
            }
        }
        let first = self.devices.is_empty();
        self.devices.insert(name.clone(), new);
        if same {
            return Touched::default();
        }
        cameras.extend(self.seekers_of(&name));
        if first {
            // Where there is none, that is what all of them are told.
            cameras.extend(self.seekers.iter().cloned());
        }
        Touched {
            cameras,
            ..Touched::default()
        }
    }

    /// A device is gone from the API; with a `uid`, only that one.
    pub fn remove_device(&mut self, name: &str, uid: Option<&str>) -> Touched {
        self.gone.add(uid);
        let gone = self.devices.get(name);
        if gone.is_none_or(|gone| uid.is_some_and(|uid| gone.uid != uid)) {
            return Touched::default();
        }
        let mut cameras = self.seekers_of(name);
        for other in gone.into_iter().flat_map(|gone| self.same_camera(gone)) {
            cameras.extend(self.seekers_of(&other.name));
        }
        self.devices.remove(name);
        self.claims.forget(&Claimed::Device(name.to_owned()));
        if self.devices.is_empty() {
            cameras.extend(self.seekers.iter().cloned());
        }
        Touched {
            cameras,
            ..Touched::default()
        }
    }

    /// The cameras whose selectors fit a device, and all that bear on them.
    fn seekers_of(&self, device: &str) -> BTreeSet<CameraKey> {
        let claimed = Claimed::Device(device.to_owned());
        let seekers = self.claims.by(&claimed).cloned().collect();
        self.claims.with_rivals(seekers)
    }

    /// Whether any node is ready and would take a pod like this one.
    pub fn has_room_for(&self, pod: &PodFacts) -> bool {
        let mut nodes = self.nodes.values();
        nodes.any(|node| node.not_ready_since.is_none() && node.offer.takes(&pod.wishes))
    }

    /// The names of all nodes.
    pub fn node_names(&self) -> Vec<String> {
        self.nodes.keys().cloned().collect()
    }

    /// Whether an object tells of the past: it is gone since, or a later version of it is known.
    fn is_past(&self, told: Told, uid: &str, version: &str, known: Option<(&str, &str)>) -> bool {
        let older = known.is_some_and(|known| uid == known.0 && is_older(version, known.1));
        match told {
            Told::List => false,
            Told::Watch => older,
            Told::Answer => older || self.gone.has(uid),
        }
    }

    /// A camera claims what it says, or what fits what it says.
    fn claim(&mut self, camera: &CameraObject) {
        let Ok(parsed) = camera.parsed.as_ref() else {
            return;
        };
        if let Some(claim) = url_claim(parsed) {
            let namespace = camera.key.namespace.clone();
            let claimed = Claimed::Url(namespace, claim.identity);
            self.claims.add(&camera.key, claimed);
        }
        if selectors(parsed).next().is_none() {
            return;
        }
        self.seekers.insert(camera.key.clone());
        for device in self.devices.values() {
            if fits(device, camera) {
                let claimed = Claimed::Device(device.name.clone());
                self.claims.add(&camera.key, claimed);
            }
        }
    }
}

fn fits(device: &DeviceFacts, camera: &CameraObject) -> bool {
    let parsed = camera.parsed.as_ref().as_ref();
    parsed.is_ok_and(|camera| selectors(camera).any(|selector| device.fits(selector)))
}

fn remove_from<K: Ord>(sets: &mut BTreeMap<K, BTreeSet<CameraKey>>, place: &K, key: &CameraKey) {
    if let Some(set) = sets.get_mut(place) {
        set.remove(key);
        if set.is_empty() {
            sets.remove(place);
        }
    }
}

/// Whether a version is older than one that is known: answers to our own writes come before what the watches tell.
/// Versions of one resource are numbers that rise (Kubernetes says so since 1.35, etcd always did).
fn is_older(version: &str, known: &str) -> bool {
    let number = |text: &str| text.parse::<u64>().ok();
    match (number(version), number(known)) {
        (Some(version), Some(known)) => version < known,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
