//! The capture devices of a machine: what is there, which is which, and which one a selector means.
//!
//! * [`Discovery`]: the devices that are there now, by sysfs and V4L2 queries; [`Query`] is the part that asks drivers.
//! * [`Role`]: what a node is for, a camera's picture, a codec or something else.
//! * [`Registry`]: ids that stay the same while a device is plugged in.
//! * [`matches`], [`select`], [`hopeless`]: a selector against devices, of this machine or of a cluster.
//! * [`promise::check`]: whether a device node is the device that was promised.
//! * [`Watch`]: tells that devices may have come or gone.

mod ask;
mod discovery;
mod identity;
pub mod promise;
mod query;
mod select;
mod sysfs;
mod unsupported;
mod watch;

pub use discovery::{Discovery, Found, Scan, Unreadable, host_name};
pub use identity::{DeviceId, Registry, telling};
pub use query::{Queried, Query, Role, TrustSysfs, V4l2};
pub use select::{NoneOrMany, Seen, hopeless, matches, select};
pub use sysfs::identity_of;
pub use watch::Watch;
