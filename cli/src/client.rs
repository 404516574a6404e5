//! Commands that talk to a hub over NATS.

mod connect;
mod feedback;
mod find;
mod snapshot;
mod status;
mod tail;

pub use feedback::send as feedback;
pub use snapshot::run as snapshot;
pub use status::run as status;
pub use tail::run as tail;

use streamhub_wire::connect::SettingsError;
use streamhub_wire::publish::SubscribeError;
use streamhub_wire::subjects::SubjectError;

use crate::cluster::ClusterError;
use crate::exit::Exit;

/// Why a command got no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A name that can't be part of a subject.
    #[error(transparent)]
    Name(#[from] SubjectError),
    /// Settings that can't work.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A payload that is no feedback.
    #[error("{0}")]
    Payload(String),
    /// NATS refused us, or forbids what we want.
    #[error("unauthorized at {url}: {reason}")]
    Unauthorized {
        /// Where.
        url: String,
        /// What the server said.
        reason: String,
    },
    /// No connection in time.
    #[error("can't reach NATS at {url}{}", if reason.is_empty() { String::new() } else { format!(": {reason}") })]
    Unreachable {
        /// Where.
        url: String,
        /// What went wrong last.
        reason: String,
    },
    /// More than one hub could be meant.
    #[error(
        "several hubs run here: {0}; choose one with --hub, or with --state-dir where two have the same name"
    )]
    Ambiguous(String),
    /// Nothing came in time, or nobody is there.
    #[error("{0}")]
    NotFound(String),
    /// Something came that is no frame.
    #[error("{0}")]
    Malformed(String),
    /// The connection was closed.
    #[error("the connection to NATS was closed")]
    Closed,
    /// The cluster that the hub is in.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// A file can't be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
}

impl ClientError {
    /// The exit code for it.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Name(_) | Self::Settings(_) | Self::Payload(_) | Self::Ambiguous(_) => {
                Exit::Usage
            }
            Self::Cluster(error) => error.exit(),
            Self::Unauthorized { .. } => Exit::Unauthorized,
            Self::Unreachable { .. } => Exit::Unreachable,
            Self::NotFound(_) => Exit::NotFound,
            Self::Malformed(_) | Self::Closed | Self::File { .. } => Exit::Failure,
        }
    }
}

impl From<SubscribeError> for ClientError {
    fn from(_: SubscribeError) -> Self {
        Self::Closed
    }
}
