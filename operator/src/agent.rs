//! The node agent: capture devices of a node become resources of its kubelet, and `VideoDevices`.
//!
//! * [`cameras`]: devices that are there, as `streamhub_devices` finds them; [`said`]: what their drivers said;
//!   [`acceleration`]: hardware that pods share; [`patience`]: with drivers that do not answer.
//! * [`plugin`]: what the kubelet asks about one of them; [`registration`]: keeps it known to the kubelet;
//!   [`kubelet`], [`protocol`]: how the two speak; [`holders`]: which pod has which.
//! * [`report`]: what is known, as objects; [`ledger`]: what has to be written; [`writer`]: writes it; [`owner`]: the Node that
//!   the objects go with.
//! * [`run`]: all of it together; [`liveness`]: whether it gets on; [`privileges`]: what the process may do; [`clock`]: times in objects.

pub mod acceleration;
pub mod args;
pub mod cameras;
pub mod clock;
pub mod holders;
pub mod kubelet;
pub mod ledger;
pub mod liveness;
pub mod metrics;
pub mod owner;
pub mod patience;
pub mod plugin;
pub mod privileges;
pub mod protocol;
pub mod registration;
pub mod report;
pub mod run;
pub mod said;
pub mod writer;

#[cfg(test)]
mod fake_api;
#[cfg(test)]
mod fake_kubelet;
#[cfg(test)]
mod tests;
