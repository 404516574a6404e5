//! What the tests on a real cluster have in common.
//!
//! They run where `e2e/cluster/run` put them, or against the cluster that `E2E_KUBECONFIG` names: then those that need
//! [`Faults`] say that they did not run. `kubectl` and `helm` are used as a person would, so that what a test does can be
//! done by hand.

mod api;
mod audit;
mod camera;
mod cluster;
mod cordoned;
pub mod devices;
mod doorway;
mod failed_pods;
mod fake_devices;
mod fake_nodes;
mod faults;
mod faulty_api;
mod films;
mod frames;
mod http;
mod installation;
mod laptop;
mod made_pods;
mod namespace;
mod operator;
mod recording;
mod skipped;
mod stand_in;
mod vm;
mod wait;
mod watched;

pub use api::Api;
pub use audit::{Audit, Write};
pub use camera::{Camera, CameraPod};
pub use cluster::{Cluster, Forward};
pub use cordoned::Cordoned;
pub use doorway::Doorway;
pub use failed_pods::FailedPods;
pub use fake_devices::{FakeCamera, FakeDevices};
pub use fake_nodes::FakeNodes;
pub use faults::{Faults, Harm};
pub use faulty_api::{Events, Fault, FaultyApi, Order};
pub use films::Films;
pub use frames::{Frame, Frames};
pub use http::{Answer, Http};
pub use installation::{Installation, PlainInstallation, SYSTEM, WITH_DEVICES};
pub use laptop::{Laptop, Said};
pub use made_pods::MadePods;
pub use namespace::Namespace;
pub use operator::{Memory, Operator};
pub use recording::Recording;
pub use skipped::not_run;
pub use stand_in::StandIn;
pub use vm::Vm;
pub use wait::until;
