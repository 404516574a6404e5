//! `streamhub up`: a whole hub on one machine. The plan of `streamhub_plan`, carried out with processes.

mod backoff;
mod cameras;
mod devices;
mod documents;
mod files;
mod follow;
pub mod guard;
pub mod http;
mod logs;
mod nats;
mod paths;
mod printer;
mod run;
pub mod runtime;
mod secrets;
mod signals;
mod state;
pub mod status;
mod supervisor;
mod systemd;
pub mod view;

pub use printer::Printer;
pub use run::{UpError, run};
pub use state::StateError;
