//! What is known of the cluster, as far as it matters here. Pure: told of changes, it says who must be looked at.

mod camera;
mod gone;
mod hub;
mod node;
mod placement;
mod pod;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Node, Pod};
use kube::core::DynamicObject;
use streamhub_plan::{CameraKey, claims};

pub use camera::CameraObject;
pub use hub::{HubKey, HubObject};
pub use node::NodeFacts;
pub use pod::{Container, Ended, PodFacts};

/// Cameras, hubs, camera pods and nodes.
#[derive(Debug, Default)]
pub struct World {
    cameras: BTreeMap<CameraKey, CameraObject>,
    hubs: BTreeMap<HubKey, HubObject>,
    pods: BTreeMap<CameraKey, PodFacts>,
    nodes: BTreeMap<String, NodeFacts>,
    claims: BTreeMap<Claimed, BTreeSet<CameraKey>>,
    of_hub: BTreeMap<HubKey, BTreeSet<CameraKey>>,
    gone: gone::Gone,
}

/// A thing that one camera may open: the namespace where it is looked for (empty: everywhere), and what it is.
type Claimed = (String, String);

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

    /// All cameras that bear on whether this one may run: those that claim what it claims, and so on.
    pub fn rivals(&self, camera: &CameraKey) -> BTreeSet<CameraKey> {
        let (mut found, mut next) = (BTreeSet::from([camera.clone()]), vec![camera.clone()]);
        while let Some(key) = next.pop() {
            for claimed in self.claims_of(&key) {
                for other in self.claims.get(&claimed).into_iter().flatten() {
                    if found.insert(other.clone()) {
                        next.push(other.clone());
                    }
                }
            }
        }
        found
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
        for claimed in claimed(&new) {
            self.claims.entry(claimed).or_default().insert(key.clone());
        }
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
        for claimed in self.claims_of(key) {
            remove_from(&mut self.claims, &claimed, key);
        }
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
        let new = HubObject::new(object, old);
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
        let Some((key, new)) = PodFacts::new(pod) else {
            return Touched::default();
        };
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
        let on_it = self
            .pods
            .iter()
            .filter(|(_, pod)| pod.node.as_deref() == Some(name));
        Touched {
            cameras: on_it.map(|(key, _)| key.clone()).collect(),
            ..Touched::default()
        }
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

    fn claims_of(&self, key: &CameraKey) -> Vec<Claimed> {
        self.cameras.get(key).map(claimed).unwrap_or_default()
    }
}

fn claimed(camera: &CameraObject) -> Vec<Claimed> {
    let Ok(parsed) = camera.parsed.as_ref() else {
        return Vec::new();
    };
    let place = |everywhere| {
        if everywhere {
            String::new()
        } else {
            camera.key.namespace.clone()
        }
    };
    claims(parsed)
        .into_iter()
        .map(|claim| (place(claim.everywhere), claim.identity))
        .collect()
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
