//! One Camera: dereference, decide, build, apply, status.
//!
//! * `dereference`: what there is, gathered into one [`Observed`]; `verdict`: whether it may run, and if not, why;
//!   `device`: the capture device that it means.
//! * `build`: the pod of a camera that may; `decide`: the one next step; `uptake`: whether its pod runs what is wanted;
//!   `picture`: what it all comes to for people.
//!   These are functions of plain data.
//! * `apply`: carries the step out; `controller`: all of it in order; `readings`: asks pods how they are.

mod apply;
pub mod build;
pub mod controller;
#[cfg(test)]
mod convergence;
pub mod decide;
pub mod dereference;
pub mod device;
#[cfg(test)]
pub(crate) mod faults;
pub mod memory;
pub mod picture;
#[cfg(test)]
mod plugging;
pub mod readings;
pub mod refusal;
pub mod rollout;
pub mod status;
pub mod uptake;
pub mod verdict;

pub use apply::difference;
pub use dereference::Observed;
