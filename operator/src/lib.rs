//! The controllers: Cameras become pods, and what the pods say becomes their status.
//!
//! * [`world`]: what is known of the cluster, kept by [`watch`]; pure but for its lock.
//! * [`camera`]: dereference, decide, build, apply, status, for one Camera at a time; [`hub`]: the same for a hub.
//! * [`queue`]: who is looked at next; [`backoff`]: when again; [`pulse`]: whether it gets on;
//!   [`election`]: who of several operators works.
//! * [`agent`]: the node agent, a program of its own; [`process`]: what the two have in common.
//! * [`conditions`]: of a status; [`client`]: how the API server is spoken to; [`events`], [`metrics`], [`http`]: what people
//!   and Prometheus see.

pub mod agent;
pub mod args;
pub mod backoff;
pub mod budget;
pub mod camera;
pub mod client;
pub mod conditions;
pub mod context;
pub mod election;
pub mod error;
pub mod events;
pub mod http;
pub mod hub;
pub mod metrics;
pub mod operator;
pub mod process;
pub mod pulse;
pub mod queue;
pub mod reasons;
pub mod settings;
pub mod watch;
pub mod world;

pub use streamhub_crds::names;

#[cfg(test)]
mod fake_api;
#[cfg(test)]
mod samples;
