//! Names that pods and other objects carry in a cluster: the operator writes them, others look for them.

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
/// Value of [`NAME_LABEL`] for what the chart makes.
pub const SYSTEM: &str = "streamhub";
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
/// The hub of a camera that names none.
pub const DEFAULT_HUB: &str = "default";

/// The labels by which camera pods are watched.
pub const POD_LABELS: [(&str, &str); 2] = [(MANAGED_BY_LABEL, OPERATOR), (NAME_LABEL, INGEST)];

/// The selector of camera pods.
pub fn pods_selector() -> String {
    POD_LABELS
        .map(|(label, value)| format!("{label}={value}"))
        .join(",")
}

/// The selector of Deployments and pods that the chart makes.
pub fn system_selector() -> String {
    format!("{NAME_LABEL}={SYSTEM}")
}

/// The selector of the operator among them.
pub fn operator_selector() -> String {
    format!("{},{COMPONENT_LABEL}=operator", system_selector())
}

/// The selector of the NATS server among them.
pub fn nats_selector() -> String {
    format!("{},{COMPONENT_LABEL}=nats", system_selector())
}

/// The name of a camera's pod.
pub fn pod(camera: &str) -> String {
    format!("{POD_PREFIX}{camera}")
}

/// The camera whose pod would have this name.
pub fn camera_of(pod: &str) -> Option<&str> {
    pod.strip_prefix(POD_PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_tells_its_camera() {
        assert_eq!(pod("door"), "cam-door");
        assert_eq!(camera_of("cam-door"), Some("door"));
        assert_eq!(camera_of("streamhub-operator-1"), None);
    }

    #[test]
    fn selectors_are_those_that_the_guides_tell_people_to_type() {
        assert_eq!(
            pods_selector(),
            "app.kubernetes.io/managed-by=streamhub-operator,app.kubernetes.io/name=streamhub-ingest"
        );
        assert_eq!(
            operator_selector(),
            "app.kubernetes.io/name=streamhub,app.kubernetes.io/component=operator"
        );
    }
}
