//! Which camera is meant.

use std::fmt;

use streamhub_crds::{Camera, DEFAULT_NAMESPACE};

/// A camera's namespace and name; shown as `namespace/name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CameraKey {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl CameraKey {
    /// The key of a document; without a namespace it is in `default`.
    pub fn of(camera: &Camera) -> Self {
        Self {
            namespace: camera
                .metadata
                .namespace
                .clone()
                .unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned()),
            name: camera.metadata.name.clone().unwrap_or_default(),
        }
    }
}

impl fmt::Display for CameraKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}
