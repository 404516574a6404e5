//! The brain: cameras and hubs in, what should run out. Pure: no clock, no files, no network.
//!
//! * [`plan()`] turns documents and what is known of the cameras into a [`Plan`]: the [`Run`]s that should be, and
//!   for every other camera the [`Reason`] why not.
//! * [`steps()`] compares a plan with what runs and says what to do about the difference.
//!
//! A body carries a plan out: the operator with pods, `streamhub up` with processes.

mod conflict;
mod device;
mod key;
mod plan;
mod reason;
mod secrets;
mod steps;

pub use conflict::{Claim, url_claim};
pub use device::{Device, can_do_without, selectors};
pub use key::CameraKey;
pub use plan::{Facts, Input, Plan, Run, needs_own_nats, plan};
pub use reason::Reason;
pub use secrets::SecretNeed;
pub use steps::{Applied, Step, steps};
