//! The device that a camera means, or why it can't be had.

mod trouble;

use streamhub_crds::{Camera, DeviceSelector, DeviceState, PodSettings};
use streamhub_plan::{Device, selectors};

use super::build;
use super::dereference::{Known, Scope};
use crate::names;
use crate::world::{CameraObject, DeviceFacts, PodFacts, World};

pub use trouble::{LastSeen, NodeTrouble, Trouble};

/// The device that a camera means.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The device, as its process is given it.
    pub device: Device,
    /// What it is, for people.
    pub shown: String,
    /// When its node agent registered it with the kubelet.
    pub registered: Option<String>,
    /// The boot of its node that this is known from.
    pub boot: String,
    /// Somebody else has it.
    pub busy: Option<Trouble>,
    /// The camera has it, and would not get it again: no other pod could take the place of the one that runs.
    pub doubt: Option<Trouble>,
}

impl Found {
    /// Whether a pod was made for it.
    pub fn is_wanted_by(&self, pod: &PodFacts) -> bool {
        pod.wants(&self.device.node, &self.device.resource)
    }
}

/// Finds the device of a camera; `None` for a camera that wants none. `pod` is the camera's own.
pub fn find(
    world: &World,
    camera: &CameraObject,
    parsed: &Camera,
    pod: Option<&PodFacts>,
    scope: &Scope,
) -> Option<Result<Found, Trouble>> {
    let mut wanted = selectors(parsed);
    let selector = wanted.next()?;
    if wanted.next().is_some() {
        return Some(Err(Trouble::TooMany));
    }
    let search = Search {
        world,
        camera,
        selector,
        pod,
        nodes: scope.nodes,
        settings: parsed.spec.pod.over(scope.pods),
    };
    Some(match scope.devices {
        Known::Never => Err(Trouble::NotWatched),
        Known::NotYet => Err(Trouble::NotListed),
        Known::All => search.run(),
    })
}

struct Search<'a> {
    world: &'a World,
    camera: &'a CameraObject,
    selector: &'a DeviceSelector,
    pod: Option<&'a PodFacts>,
    nodes: Known,
    settings: PodSettings,
}

impl<'a> Search<'a> {
    fn run(&self) -> Result<Found, Trouble> {
        let one = self.choose()?;
        let trouble = self.node_trouble(one);
        let node_trouble = |trouble| Trouble::NodeUnavailable {
            device: shown(one),
            node: one.status.node.clone(),
            resource: one.status.resource.clone(),
            trouble,
        };
        let has_it = self.has(one);
        match trouble {
            // Nothing is known of a pod there, and nothing can be told it.
            Some(trouble @ (NodeTrouble::NotReady | NodeTrouble::Gone)) => {
                Err(node_trouble(trouble))
            }
            Some(trouble) if !has_it => Err(node_trouble(trouble)),
            trouble => Ok(Found {
                doubt: trouble.map(node_trouble).or_else(|| self.ambiguity(one)),
                busy: self.busy(one),
                ..found(one)
            }),
        }
    }

    /// The device that is meant, whether its node can give it or not.
    fn choose(&self) -> Result<&'a DeviceFacts, Trouble> {
        let there: Vec<&DeviceFacts> = self.fitting().filter(|one| one.is_there()).collect();
        let Some(first) = there.first() else {
            return Err(self.missing());
        };
        // What others keep for themselves and what nobody can use is never meant while there is anything else.
        let namespace = &self.camera.key.namespace;
        let mut allowed = there
            .iter()
            .filter(|one| self.world.admits(one, namespace))
            .peekable();
        let Some(one) = allowed.peek().copied() else {
            return Err(Trouble::NotAllowed {
                device: first.name.clone(),
                namespace: namespace.clone(),
            });
        };
        let why = one.status.unsupported.clone().unwrap_or_default();
        let device = shown(one);
        let usable = allowed.filter(|one| one.status.state != DeviceState::Unsupported);
        let usable = self.where_it_can_be(usable.copied().collect());
        match usable.as_slice() {
            [] => Err(Trouble::Unsupported { device, why }),
            [only] => Ok(only),
            // Whoever has one of them keeps it.
            several => match several.iter().find(|one| self.has(one)) {
                Some(ours) => Ok(ours),
                None => Err(self.ambiguous(several)),
            },
        }
    }

    fn fitting(&self) -> impl Iterator<Item = &'a DeviceFacts> {
        self.world.devices_for(&self.camera.key)
    }

    /// Without those that are known to be elsewhere: a node that does not answer can't say that one was taken away, nor
    /// one whose agent has ended; and of a node that is no more, nobody ever will.
    fn where_it_can_be(&self, all: Vec<&'a DeviceFacts>) -> Vec<&'a DeviceFacts> {
        let all: Vec<_> = all
            .into_iter()
            .map(|one| (self.node_trouble(one), one))
            .collect();
        let is_gone = |trouble: &Option<NodeTrouble>| *trouble == Some(NodeTrouble::Gone);
        let all_gone = all.iter().all(|(trouble, _)| is_gone(trouble));
        let doubt = |trouble: &Option<NodeTrouble>| match trouble {
            None => 0,
            Some(NodeTrouble::NotOffered) => 1,
            Some(_) => 2,
        };
        // Of two on one node each is there, whatever they call themselves.
        let elsewhere = |trouble: &Option<NodeTrouble>, one: &DeviceFacts| {
            all.iter().any(|(other, near)| {
                let moved = near.status.node != one.status.node && near.is_same_camera(one);
                moved && doubt(other) < doubt(trouble)
            })
        };
        all.iter()
            .filter(|(trouble, one)| all_gone || !is_gone(trouble) && !elsewhere(trouble, one))
            .map(|(_, one)| *one)
            .collect()
    }

    fn missing(&self) -> Trouble {
        if self.world.device_names().next().is_none() {
            return Trouble::NoAgent;
        }
        let namespace = &self.camera.key.namespace;
        let known = self
            .fitting()
            .filter(|one| self.world.admits(one, namespace));
        let last = known.max_by(|a, b| a.status.last_seen.cmp(&b.status.last_seen));
        Trouble::Missing {
            selector: Box::new(self.selector.clone()),
            last: last.map(|last| LastSeen {
                what: plain(&last.status.card),
                node: last.status.node.clone(),
                path: last.status.device_path.clone(),
                at: last.status.last_seen.clone(),
            }),
        }
    }

    fn ambiguous(&self, several: &[&DeviceFacts]) -> Trouble {
        Trouble::Ambiguous {
            selector: Box::new(self.selector.clone()),
            candidates: several.iter().map(|one| shown(one)).collect(),
        }
    }

    /// Why it would not be found again, of a device that the camera has.
    fn ambiguity(&self, ours: &DeviceFacts) -> Option<Trouble> {
        let namespace = &self.camera.key.namespace;
        let usable = self.fitting().filter(|one| {
            one.is_there()
                && self.world.admits(one, namespace)
                && one.status.state != DeviceState::Unsupported
        });
        let usable = self.where_it_can_be(usable.collect());
        let others = usable.iter().any(|one| one.name != ours.name);
        others.then(|| self.ambiguous(&usable))
    }

    fn has(&self, one: &DeviceFacts) -> bool {
        let status = &one.status;
        self.pod
            .is_some_and(|pod| pod.holds(&status.node, &status.resource))
    }

    fn busy(&self, one: &DeviceFacts) -> Option<Trouble> {
        if one.status.state != DeviceState::Busy || self.has(one) {
            return None;
        }
        let key = &self.camera.key;
        let ours = format!("{}/{}", key.namespace, names::pod(&key.name));
        let holder = one.status.holder.clone().filter(|holder| *holder != ours)?;
        Some(Trouble::Busy {
            device: shown(one),
            holder,
        })
    }

    /// Why the node of a device can't give it to a new pod.
    fn node_trouble(&self, one: &DeviceFacts) -> Option<NodeTrouble> {
        match self.nodes {
            Known::Never => return None,
            Known::NotYet => return Some(NodeTrouble::NotListed),
            Known::All => {}
        }
        let status = &one.status;
        let Some(node) = self.world.node(&status.node) else {
            return Some(NodeTrouble::Gone);
        };
        let restarted = ![&node.boot_id, &status.boot_id]
            .iter()
            .any(|id| id.is_empty())
            && node.boot_id != status.boot_id;
        if node.not_ready_since.is_some() {
            Some(NodeTrouble::NotReady)
        } else if node.offer.is_cordoned() {
            Some(NodeTrouble::Cordoned)
        } else if restarted {
            Some(NodeTrouble::Restarted)
        } else if !node.devices.contains(&status.resource) {
            Some(NodeTrouble::NotOffered)
        } else {
            let wishes = build::wishes(&self.settings);
            node.offer.refuses(&wishes).map(NodeTrouble::Refuses)
        }
    }
}

fn found(one: &DeviceFacts) -> Found {
    let status = &one.status;
    Found {
        device: Device {
            id: one.name.clone(),
            node: status.node.clone(),
            path: status.device_path.clone(),
            resource: status.resource.clone(),
            number: status.device_number.clone(),
            gid: status.gid,
            identity: status.identity.clone(),
        },
        shown: shown(one),
        registered: status.registered_at.clone(),
        boot: status.boot_id.clone(),
        busy: None,
        doubt: None,
    }
}

/// A device for people: its name, what it is, and where.
fn shown(one: &DeviceFacts) -> String {
    let (status, identity) = (&one.status, &one.status.identity);
    let mut parts = vec![plain(&status.card)];
    if let Some(serial) = &identity.serial {
        parts.push(format!("serial {}", plain(serial)));
    }
    let place = identity.usb_path.as_ref();
    parts.push(match place {
        Some(usb) => format!("usbPath {usb}"),
        None => identity.path.clone(),
    });
    parts.push(format!("{} of node {}", status.device_path, status.node));
    parts.retain(|part| !part.is_empty());
    format!("{} ({})", one.name, parts.join(", "))
}

/// What a device says of itself may hold anything.
fn plain(text: &str) -> String {
    let letters = text.trim().chars().filter(|letter| !letter.is_control());
    letters.take(80).collect()
}

#[cfg(test)]
mod tests;
