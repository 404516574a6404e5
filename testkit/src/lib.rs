//! Real servers, real footage and process guards for the tests of the other crates.
//!
//! Everything here runs on 127.0.0.1 with ephemeral ports, and every process started here ends with
//! its guard. What it needs on the machine, `scripts/setup test` installs; where something is missing
//! the error says so.

pub mod badcam;
pub mod canary;
pub mod certificates;
pub mod credentials;
pub mod folder;
pub mod nats;
pub mod paths;
pub mod process;
pub mod rtsp;
pub mod sysfs;
pub mod table;
pub mod testcam;
pub mod vm;
pub mod wait;

pub use badcam::Badcam;
pub use certificates::Certificates;
pub use credentials::JwtAccount;
pub use folder::Folder;
pub use nats::{NatsOptions, NatsServer};
pub use paths::{cache_dir, clip, footage, free_port, repository, target_bin};
pub use process::Proc;
pub use rtsp::{Testcam, TestcamOptions, Vlc};
pub use rustix::process::Signal;
pub use table::Table;
pub use vm::Vm;
pub use wait::{eventually, eventually_async};
