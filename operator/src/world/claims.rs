//! Who claims what.

use std::collections::{BTreeMap, BTreeSet};

use streamhub_plan::CameraKey;

/// A thing that one camera may open.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Claimed {
    /// What a namespace knows by a URL.
    Url(String, String),
    /// A device that a selector fits, by the name of its `VideoDevice`.
    Device(String),
}

/// Cameras and what they claim, from both sides; each list is sorted. Nearly every camera claims one thing that no other
/// does, for which a node of a tree would be ten times as large.
#[derive(Debug, Default)]
pub(super) struct Claims {
    of: BTreeMap<CameraKey, Vec<Claimed>>,
    by: BTreeMap<Claimed, Vec<CameraKey>>,
}

impl Claims {
    /// A camera claims a thing.
    pub(super) fn add(&mut self, key: &CameraKey, claimed: Claimed) {
        insert(self.of.entry(key.clone()).or_default(), claimed.clone());
        insert(self.by.entry(claimed).or_default(), key.clone());
    }

    /// A camera claims nothing any more.
    pub(super) fn remove(&mut self, key: &CameraKey) {
        for claimed in self.of.remove(key).unwrap_or_default() {
            if let Some(by) = self.by.get_mut(&claimed) {
                remove(by, key);
                if by.is_empty() {
                    self.by.remove(&claimed);
                }
            }
        }
    }

    /// Nobody claims a thing any more.
    pub(super) fn forget(&mut self, claimed: &Claimed) {
        for key in self.by.remove(claimed).unwrap_or_default() {
            if let Some(of) = self.of.get_mut(&key) {
                remove(of, claimed);
            }
        }
    }

    /// Who claims a thing.
    pub(super) fn by(&self, claimed: &Claimed) -> impl Iterator<Item = &CameraKey> {
        self.by.get(claimed).into_iter().flatten()
    }

    /// The devices that a camera's selector fits.
    pub(super) fn devices(&self, key: &CameraKey) -> impl Iterator<Item = &str> {
        let claimed = self.of.get(key).into_iter().flatten();
        claimed.filter_map(|claimed| match claimed {
            Claimed::Device(name) => Some(name.as_str()),
            Claimed::Url(..) => None,
        })
    }

    /// A camera and all that bear on it: those that claim what it claims, and so on.
    pub(super) fn rivals(&self, camera: &CameraKey) -> BTreeSet<CameraKey> {
        self.with_rivals(BTreeSet::from([camera.clone()]))
    }

    /// The same of several cameras.
    pub(super) fn with_rivals(&self, mut found: BTreeSet<CameraKey>) -> BTreeSet<CameraKey> {
        let mut next: Vec<CameraKey> = found.iter().cloned().collect();
        while let Some(key) = next.pop() {
            for claimed in self.of.get(&key).into_iter().flatten() {
                for other in self.by(claimed) {
                    if found.insert(other.clone()) {
                        next.push(other.clone());
                    }
                }
            }
        }
        found
    }
}

fn insert<T: Ord>(sorted: &mut Vec<T>, new: T) {
    if let Err(place) = sorted.binary_search(&new) {
        if sorted.is_empty() {
            sorted.reserve_exact(1);
        }
        sorted.insert(place, new);
    }
}

fn remove<T: Ord>(sorted: &mut Vec<T>, old: &T) {
    if let Ok(place) = sorted.binary_search(old) {
        sorted.remove(place);
    }
}
