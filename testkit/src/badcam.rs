//! A camera that does wrong what gst-rtsp-server always does right: an RTSP 1.0 server of our own (RFC 2326) that
//! sends RTP (RFC 3550; H.264 as RFC 6184, H.265 as RFC 7798, JPEG as RFC 2435) as its [`Scenario`] says.
//!
//! A scenario is one line of text or a value of [`Scenario`], and can be changed while the camera runs. Everything
//! random is drawn from its seed.

mod clip;
mod digest;
mod jpeg;
mod packets;
mod rtcp;
mod rtsp;
mod scenario;
mod sdp;
mod sender;
mod server;

pub use scenario::{Answer, Auth, Drops, Moved, Reports, Scenario, Script, Track};
pub use server::{Badcam, Seen};
