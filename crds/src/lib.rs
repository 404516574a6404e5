//! Stream Hub's API: Camera and `StreamHub`, their schema, and the loader that validates as an API server would.
//!
//! * [`Camera`], [`StreamHub`]: the objects a user writes; [`values`]: the types of their fields, valid by construction.
//! * [`load`], [`parse_camera`], [`parse_hub`]: documents read, completed and validated; [`Problem`]: what is wrong.
//! * [`CameraStatus`], [`StreamHubStatus`]: what a cluster says about them.
//! * [`generate`]: the definitions for an API server and the reference for people, made from the types.
//! * [`spec_hash`]: tells one configuration of a camera from the next.
//! * [`names`]: labels, annotations and names of what a cluster is told to run.
//! * [`Secret`]: what `kind: Secret` documents bring on one machine.

mod camera;
mod check;
pub mod generate;
mod hash;
mod hub;
mod leaves;
mod load;
pub mod names;
mod path;
mod pod;
mod problem;
mod rendition;
mod schema;
mod secret;
mod source;
mod status;
pub mod values;
mod video_device;

pub use camera::{Camera, CameraSpec, HubRef};
pub use hash::{fingerprint, spec_hash};
pub use hub::{FeedbackModule, HubDefaults, NatsServer, StreamHub, StreamHubSpec};
pub use leaves::leaves;
pub use load::{
    Documents, Folders, Loaded, Loading, Origin, camera_as_stored, camera_from_json, hub_from_json,
    load, parse, parse_camera, parse_hub, to_yaml, validate_camera, validate_hub_update,
};
pub use pod::{PodResources, PodSettings, TaintEffect, Toleration, TolerationOperator};
pub use problem::Problem;
pub use rendition::{Floor, Publish, Rendition};
pub use secret::{Secret, SecretKeyRef, SecretRef, SecretValue};
pub use source::{
    CameraSource, CaptureMode, ClockMode, DeviceSelector, FileSource, HttpLocation, HttpSource,
    OnEnd, RtspClock, RtspLocation, RtspSource, Source, SourceKind, TestSource, Transport,
    V4l2Source,
};
pub use status::{CameraCounts, CameraStatus, SourceFacts, StreamHubStatus};
pub use values::{
    ClaimName, ClockOffset, ControlName, ControlValue, DevicePath, DeviceSerial, Dimension,
    FileUri, Fourcc, Fps, HttpUrl, InvalidValue, LabelKey, LabelValue, NamespaceName, NatsUrl,
    NodeName, ObjectName, PodClassName, Quality, Quantity, RemoteFile, RtspUrl, SecretKey,
    SecretName, SubjectPrefix, SubjectToken, Ttl, UsbId, UsbPath,
};
pub use video_device::{
    DeviceFormat, DeviceIdentity, DeviceSize, DeviceState, VideoDevice, VideoDeviceSpec,
    VideoDeviceStatus,
};

/// The API group of every kind here.
pub const GROUP: &str = "streamhub.dev";
/// The API version of every kind here.
pub const VERSION: &str = "v1alpha1";
/// The namespace of a document that names none, on one machine.
pub const DEFAULT_NAMESPACE: &str = "default";
