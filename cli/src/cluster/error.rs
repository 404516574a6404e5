//! Why a cluster gave no answer.

use std::error::Error as _;

use crate::exit::Exit;

/// Why a cluster gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// There is no usable kubeconfig.
    #[error(
        "can't use the kubeconfig: {0}; see `kubectl config get-contexts`, or --local for this machine"
    )]
    Config(String),
    /// The API server said no.
    #[error("can't {what}: {}", words(source))]
    Api {
        /// What was asked for.
        what: String,
        /// What came back.
        source: Box<kube::Error>,
    },
    /// The API server said nothing.
    #[error("can't {what}: no answer within {seconds} s")]
    Silent {
        /// What was asked for.
        what: String,
        /// How long it was waited.
        seconds: u64,
    },
    /// What is asked for is not there.
    #[error("{0}")]
    NotFound(String),
    /// More than one hub could be meant.
    #[error("cameras of namespace {namespace} are on several hubs: {hubs}; choose one with --hub")]
    Ambiguous {
        /// The namespace.
        namespace: String,
        /// Their names.
        hubs: String,
    },
    /// No NATS server is known.
    #[error(
        "nothing visible names the NATS server of hub {0}: set spec.nats.url of the StreamHub, or give --url"
    )]
    NatsUnknown(String),
    /// The NATS server is not behind the API server.
    #[error(
        "the NATS server {url} is not in this cluster ({why}), so there is no way to it through the API server; give \
         --url with an address of it that can be reached from here"
    )]
    Elsewhere {
        /// Its URL.
        url: String,
        /// Why it can't be.
        why: String,
    },
    /// A local port can't be opened.
    #[error("can't listen on 127.0.0.1: {0}")]
    Listen(#[from] std::io::Error),
}

impl ClusterError {
    /// The exit code for it.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Config(_) | Self::Ambiguous { .. } => Exit::Usage,
            Self::NotFound(_) | Self::NatsUnknown(_) => Exit::NotFound,
            Self::Elsewhere { .. } | Self::Silent { .. } => Exit::Unreachable,
            Self::Listen(_) => Exit::Failure,
            Self::Api { source, .. } => match code(source) {
                Some(401 | 403) => Exit::Unauthorized,
                Some(404) => Exit::NotFound,
                Some(_) => Exit::Failure,
                None => Exit::Unreachable,
            },
        }
    }

    /// Whether we are not allowed to see it.
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::Api { source, .. } if matches!(code(source), Some(401 | 403)))
    }

    /// Whether it is not there.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::NotFound(_))
            || matches!(self, Self::Api { source, .. } if code(source) == Some(404))
    }
}

fn code(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}

/// What the server said, or else what went wrong on the way there.
pub fn words(error: &kube::Error) -> String {
    if let kube::Error::Api(status) = error {
        return status.message.clone();
    }
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = error.source();
    }
    text
}
