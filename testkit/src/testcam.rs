//! The RTSP camera of the tests: gst-rtsp-server that sends films and test pictures in real time.
//!
//! Films are sent as they are, without transcoding, and loop with timestamps that go on, as a camera's would.

mod codec;
mod feed;
pub(crate) mod film;
mod mount;
mod server;

pub use codec::Codec;
pub use mount::{Mount, TestPicture, What};
pub use server::{Login, Scheme, Settings, Transport, serve};
