//! Names that pods and other objects carry.

/// Begins the name of a camera's pod.
pub const POD_PREFIX: &str = "cam-";
/// Label: which program runs in a pod.
pub const NAME_LABEL: &str = "app.kubernetes.io/name";
/// Label: which part of Stream Hub it is.
pub const COMPONENT_LABEL: &str = "app.kubernetes.io/component";
/// Label: who made a pod.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// Label: the release that made it, as far as a label can say.
pub const VERSION_LABEL: &str = "app.kubernetes.io/version";
/// Value of [`NAME_LABEL`] for camera pods.
pub const INGEST: &str = "streamhub-ingest";
/// Value of [`MANAGED_BY_LABEL`], and the name under which the operator writes.
pub const OPERATOR: &str = "streamhub-operator";
/// Label and annotation: the camera's name, and its document.
pub const CAMERA: &str = "streamhub.dev/camera";
/// Label and annotation: the hub's name, and its document.
pub const HUB: &str = "streamhub.dev/hub";
/// Annotation: the configuration that is applied in place.
pub const CONFIG_HASH: &str = "streamhub.dev/config-hash";
/// Annotation: what needs another pod.
pub const POD_HASH: &str = "streamhub.dev/pod-hash";
/// Annotation: what all pods of an installation have in common.
pub const RELEASE_HASH: &str = "streamhub.dev/release-hash";
/// Annotation: the release that made a pod.
pub const RELEASE: &str = "streamhub.dev/release";
/// Annotation: which start of its camera a pod is.
pub const INCARNATION: &str = "streamhub.dev/incarnation";
/// Annotation: it took the place of a pod of another release that had answered.
pub const MOVED: &str = "streamhub.dev/moved";
/// Begins the names of the resources that stand for capture devices.
pub const DEVICE_RESOURCE: &str = "streamhub.dev/cam-";
/// The container that reads the camera.
pub const CONTAINER: &str = "ingest";
/// Port of its pages.
pub const HTTP_PORT: u16 = 8080;

/// The selector of camera pods.
pub fn pods_selector() -> String {
    format!("{MANAGED_BY_LABEL}={OPERATOR},{NAME_LABEL}={INGEST}")
}

/// The name of a camera's pod.
pub fn pod(camera: &str) -> String {
    format!("{POD_PREFIX}{camera}")
}

/// The camera whose pod would have this name.
pub fn camera_of(pod: &str) -> Option<&str> {
    pod.strip_prefix(POD_PREFIX)
}
