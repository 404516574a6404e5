//! Names that the operator and the chart give to what they make.

/// Selects camera pods.
pub const CAMERA_PODS: &str =
    "app.kubernetes.io/managed-by=streamhub-operator,app.kubernetes.io/name=streamhub-ingest";
/// Selects Deployments and pods that the chart makes.
pub const SYSTEM: &str = "app.kubernetes.io/name=streamhub";
/// Selects the operator among them.
pub const OPERATOR: &str = "app.kubernetes.io/name=streamhub,app.kubernetes.io/component=operator";
/// Label and annotation of a camera pod: the hub's name, and its document.
pub const HUB: &str = "streamhub.dev/hub";
/// Port of its pages.
pub const HTTP_PORT: u16 = 8080;
/// The hub of a camera that names none.
pub const DEFAULT_HUB: &str = "default";

/// The pod of a camera.
pub fn pod(camera: &str) -> String {
    format!("cam-{camera}")
}
