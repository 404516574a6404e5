//! Field types that are valid by construction: made once at the edge, never checked again inside.
//!
//! Each carries its own `OpenAPI` schema, so that what Rust refuses an API server refuses too, with the same message.

mod device;
mod file_uri;
mod fps;
mod kubernetes;
mod names;
mod numbers;
mod offset;
mod text;
mod ttl;
mod urls;

pub use device::{ControlName, ControlValue, DevicePath, DeviceSerial, Fourcc, UsbId, UsbPath};
pub use file_uri::{FileUri, RemoteFile};
pub use fps::Fps;
pub use kubernetes::{
    ClaimName, LabelKey, LabelValue, NamespaceName, NodeName, PodClassName, Quantity,
};
pub(crate) use names::TOKEN_PATTERN;
pub use names::{ObjectName, SecretKey, SecretName, SubjectPrefix, SubjectToken};
pub use numbers::{Dimension, Quality};
pub use offset::ClockOffset;
pub use ttl::Ttl;
pub use urls::{HttpUrl, NatsUrl, RtspUrl};

/// A value outside what its field allows. The text is the rule's message and never holds the value itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InvalidValue {
    message: &'static str,
}

impl InvalidValue {
    pub(crate) const fn new(message: &'static str) -> Self {
        Self { message }
    }
}
