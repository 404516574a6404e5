//! Capture devices as resources of a cluster: what a node agent finds reaches the Camera that means it, and no other.
//!
//! Devices are a node in `/dev` and files in the place of sysfs: kubelets, pods and the way from one to the other are
//! real, and no picture comes of them. `tests/driver` has a real driver, too.

mod choice;
mod fake;
mod many;
mod plugging;
mod restarts;
