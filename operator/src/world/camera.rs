//! A Camera as the API server has it.

use std::sync::{Arc, OnceLock};

use kube::core::DynamicObject;
use serde_json::{Map, Value};
use streamhub_crds::{Camera, CameraStatus, Problem, camera_as_stored, validate_camera};
use streamhub_plan::CameraKey;

use super::hub::HubKey;

/// A Camera as the API server has it, valid or not.
#[derive(Debug, Clone)]
pub struct CameraObject {
    /// Where it is.
    pub key: CameraKey,
    /// Its identity.
    pub uid: String,
    /// Its version, for writes that must not meet another one.
    pub version: String,
    /// Counts changes of its specification.
    pub generation: i64,
    /// When it was made, UNIX milliseconds.
    pub created: u64,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// What it says, or what is wrong with it.
    pub parsed: Arc<Result<Camera, Vec<Problem>>>,
    /// What all rules say about it, once they were asked.
    checked: Arc<OnceLock<Result<(), Vec<Problem>>>>,
    /// The hub that it refers to, even when something else in it is wrong.
    hub: String,
    /// What was written about it last.
    pub status: CameraStatus,
}

impl CameraObject {
    /// Reads an object; `old` is what was known of it, and is not validated again where it is the same.
    pub(super) fn new(key: CameraKey, object: DynamicObject, old: Option<&Self>) -> Self {
        let metadata = object.metadata;
        let uid = metadata.uid.unwrap_or_default();
        let generation = metadata.generation.unwrap_or_default();
        let created = metadata
            .creation_timestamp
            .map_or(0, |time| time.0.as_millisecond());
        let hub = object
            .data
            .pointer("/spec/hubRef/name")
            .and_then(Value::as_str);
        let known = old.filter(|old| old.uid == uid && old.generation == generation);
        Self {
            hub: hub.unwrap_or("default").to_owned(),
            parsed: match known {
                Some(known) => Arc::clone(&known.parsed),
                None => Arc::new(guarded(|| {
                    camera_as_stored(document("Camera", &key, &object.data))
                })),
            },
            checked: known.map_or_else(Arc::default, |known| Arc::clone(&known.checked)),
            // A status that somebody else wrote is no reason to give a camera up.
            status: object
                .data
                .get("status")
                .and_then(|status| serde_json::from_value(status.clone()).ok())
                .unwrap_or_default(),
            version: metadata.resource_version.unwrap_or_default(),
            created: u64::try_from(created).unwrap_or_default(),
            deleting: metadata.deletion_timestamp.is_some(),
            key,
            uid,
            generation,
        }
    }

    /// The hub that it refers to.
    pub fn hub_key(&self) -> HubKey {
        HubKey {
            namespace: self.key.namespace.clone(),
            name: self.hub.clone(),
        }
    }

    /// What all rules say about it. They cost milliseconds, so they are asked when something is about to be made of
    /// it, and once for each of its generations.
    pub fn check(&self) -> Result<(), Vec<Problem>> {
        let check = || match self.parsed.as_ref() {
            Ok(camera) => guarded(|| validate_camera(camera)),
            Err(problems) => Err(problems.clone()),
        };
        self.checked.get_or_init(check).clone()
    }

    /// Its state; what it would be, where nothing has been written.
    pub fn state(&self) -> &str {
        let unwritten = if self.parsed.is_err() {
            "Refused"
        } else {
            "Pending"
        };
        self.status.state.as_deref().unwrap_or(unwritten)
    }

    /// Whether a condition of its status is `True`.
    pub fn has(&self, condition: &str) -> bool {
        self.condition(condition) == Some("True")
    }

    /// Whether it can't have the device that it means.
    pub fn is_without_device(&self) -> bool {
        self.condition("DeviceReady") == Some("False")
    }

    fn condition(&self, kind: &str) -> Option<&str> {
        let mut conditions = self.status.conditions.iter();
        let found = conditions.find(|found| found.type_ == kind);
        found.map(|found| found.status.as_str())
    }

    pub(super) fn has_same_spec(&self, other: &Self) -> bool {
        self.uid == other.uid
            && self.generation == other.generation
            && self.deleting == other.deleting
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.uid == other.uid && self.version == other.version
    }
}

/// One object that breaks its reader must not keep all others from being read.
pub(super) fn guarded<T>(
    read: impl FnOnce() -> Result<T, Vec<Problem>>,
) -> Result<T, Vec<Problem>> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(read)).unwrap_or_else(|_| {
        Err(vec![Problem {
            message: "can't be read; this is a defect, please report it with the object".to_owned(),
            ..Problem::default()
        }])
    })
}

/// The camera that an object is.
pub(super) fn key(object: &DynamicObject) -> Option<CameraKey> {
    Some(CameraKey {
        namespace: object.metadata.namespace.clone()?,
        name: object.metadata.name.clone()?,
    })
}

/// What of an object matters here: its name and its specification.
pub(super) fn document(kind: &str, key: &CameraKey, data: &Value) -> Value {
    let mut document = Map::new();
    let version = format!("{}/{}", streamhub_crds::GROUP, streamhub_crds::VERSION);
    document.insert("apiVersion".to_owned(), version.into());
    document.insert("kind".to_owned(), kind.into());
    let metadata = serde_json::json!({"name": key.name, "namespace": key.namespace});
    document.insert("metadata".to_owned(), metadata);
    if let Some(spec) = data.get("spec") {
        document.insert("spec".to_owned(), spec.clone());
    }
    document.into()
}
