//! A cluster, seen from outside through its API server: objects, pods and NATS servers.

mod access;
mod error;
mod forward;
mod hub;
pub mod objects;
mod service;
mod statuses;

pub use access::Cluster;
pub use error::{ClusterError, words};
pub use forward::{Forward, PodStream};
pub use hub::{find as find_hub, nats_of, setting};
pub use service::{Backend, Target};
pub use statuses::{Asked, statuses};
pub use streamhub_crds::names;
