//! Stream Hub's API: Camera and `StreamHub`, their schema, and the loader that validates as an API server would.
//!
//! * [`Camera`], [`StreamHub`]: the objects a user writes; [`values`]: the types of their fields, valid by construction.
//! * [`Secret`]: what `kind: Secret` documents bring on one machine.

mod camera;
mod hub;
mod rendition;
mod schema;
mod secret;
mod source;
pub mod values;

pub use camera::{Camera, CameraSpec, HubRef};
pub use hub::{FeedbackModule, HubDefaults, NatsServer, StreamHub, StreamHubSpec};
pub use rendition::Rendition;
pub use secret::{Secret, SecretKeyRef, SecretRef, SecretValue};
pub use source::{
    FileSource, OnEnd, RtspLocation, RtspSource, Source, SourceKind, TestSource, Transport,
};
pub use values::{
    Dimension, FileUri, Fps, InvalidValue, NatsUrl, ObjectName, Quality, RtspUrl, SecretKey,
    SecretName, SubjectPrefix, SubjectToken, Ttl,
};

/// The API group of every kind here.
pub const GROUP: &str = "streamhub.dev";
/// The API version of every kind here.
pub const VERSION: &str = "v1alpha1";
/// The namespace of a document that names none, on one machine.
pub const DEFAULT_NAMESPACE: &str = "default";
