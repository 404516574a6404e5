//! Capture devices as resources of a cluster: what a node agent finds reaches the Camera that means it, and no other.
//!
//! On the nodes of `e2e/cluster/run` devices are a node in `/dev` and files in the place of sysfs: kubelets, pods and the
//! way from one to the other are real, and no picture comes of them. In its virtual machine the driver is real, too.

mod burnt_time;
mod choice;
mod driver;
mod fake;
mod loopback;
mod many;
mod plugging;
mod real;
mod reboots;
mod restarts;
mod support;
