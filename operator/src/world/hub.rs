//! A `StreamHub` as the API server has it.

use std::fmt;
use std::sync::Arc;

use kube::core::DynamicObject;
use streamhub_crds::{Problem, StreamHub, StreamHubStatus, hub_from_json};
use streamhub_plan::CameraKey;

/// A hub's namespace and name; shown as `namespace/name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HubKey {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for HubKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A `StreamHub` as the API server has it, valid or not.
#[derive(Debug, Clone)]
pub struct HubObject {
    /// Where it is.
    pub key: HubKey,
    /// Its identity.
    pub uid: String,
    /// Its version, for writes that must not meet another one.
    pub version: String,
    /// Counts changes of its specification.
    pub generation: i64,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// What it says, or what is wrong with it.
    pub parsed: Arc<Result<StreamHub, Vec<Problem>>>,
    /// What was written about it last.
    pub status: StreamHubStatus,
}

impl HubObject {
    pub(super) fn new(place: HubKey, object: DynamicObject, old: Option<&Self>) -> Self {
        let metadata = object.metadata;
        let uid = metadata.uid.unwrap_or_default();
        let generation = metadata.generation.unwrap_or_default();
        let known = old.filter(|old| old.uid == uid && old.generation == generation);
        let key = CameraKey {
            namespace: place.namespace.clone(),
            name: place.name.clone(),
        };
        Self {
            key: place,
            parsed: match known {
                Some(known) => Arc::clone(&known.parsed),
                None => Arc::new(super::camera::guarded(|| {
                    let mut hub =
                        hub_from_json(super::camera::document("StreamHub", &key, &object.data))?;
                    hub.metadata.uid = Some(uid.clone());
                    hub.metadata.generation = Some(generation);
                    Ok(hub)
                })),
            },
            status: object
                .data
                .get("status")
                .and_then(|status| serde_json::from_value(status.clone()).ok())
                .unwrap_or_default(),
            version: metadata.resource_version.unwrap_or_default(),
            deleting: metadata.deletion_timestamp.is_some(),
            uid,
            generation,
        }
    }

    pub(super) fn has_same_spec(&self, other: &Self) -> bool {
        self.uid == other.uid && self.generation == other.generation
    }
}

/// The hub that an object is.
pub(super) fn key(object: &DynamicObject) -> Option<HubKey> {
    Some(HubKey {
        namespace: object.metadata.namespace.clone()?,
        name: object.metadata.name.clone()?,
    })
}
