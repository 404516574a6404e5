//! Where pictures come from: one attempt to read a camera, until it ends or is stopped.

pub mod access_unit;
pub mod arrivals;
pub mod challenge;
pub mod continuity;
pub mod decode;
pub mod file;
pub mod gate;
pub mod gop;
pub mod http;
pub mod key_frame;
pub mod libav;
pub mod marks;
pub mod pull;
pub mod redirect;
pub mod reference;
pub mod remote;
pub mod rtp_clock;
pub mod rtsp;
pub mod rtsp_fault;
pub mod schedule;
pub mod test;
pub mod v4l2;
pub mod watch;

use std::sync::Arc;
use std::time::{Duration, Instant};
use streamhub_crds::Fps;

use crate::captured::Captured;
use crate::clock::{Cause, Health};
use crate::fault::Fault;
use crate::hub_clock::HubClock;
use crate::picture::Size;
use crate::router::Want;
use crate::stop::Stop;

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Told to stop.
    Stopped,
    /// A file with `onEnd: Stop` is through.
    Finished,
    /// Something is wrong.
    Failed(Fault),
    /// What is needed of the source has changed: it is to be opened anew at once.
    Again,
}

impl From<Fault> for End {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault)
    }
}

/// What the source turned out to be.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Described {
    /// Codec as GStreamer's caps name it without `video/x-`, e.g. `h264`; `raw` for drawn pictures.
    pub codec: String,
    /// Decoder element; absent where nothing is decoded.
    pub decoder: Option<String>,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// What the renditions need of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needed {
    /// Rate of the fastest.
    pub fps: Fps,
    /// Width and height of the largest, 0 for a side that none names; absent when one of them takes the
    /// picture as large as it comes.
    pub size: Option<Size>,
}

/// Where a source puts what it reads. Called from the source's own thread, but for [`Outlet::want`],
/// [`Outlet::decoding`] and [`Outlet::held_back`], which a pipeline's threads call too.
pub trait Outlet: Send + Sync {
    /// Which pictures are of use now; the others need not be made.
    fn want(&self, now: Instant) -> Want;
    /// Timestamps may jump with the next picture.
    fn new_epoch(&self, cause: Cause);
    /// How the camera's clock is doing, every second or so.
    fn clock_health(&self, health: Health);
    /// A picture is there.
    fn frame(&self, frame: Captured);
    /// The source is known, or has changed.
    fn described(&self, described: Described);
    /// A stage took so long: `receive` or `decode`.
    fn stage(&self, stage: &'static str, took: Duration);
    /// So many access units went to the decoder.
    fn decoding(&self, count: u64);
    /// So many access units were not decoded.
    fn held_back(&self, reason: &'static str, count: u64);
    /// A sign of life of the source's thread, and of the source too with the time at which an access unit was whole.
    fn alive(&self, access_unit: Option<Instant>);
    /// What a person should know of this attempt although it goes on; `None` when that is over.
    fn notice(&self, notice: Option<Fault>);
    /// The clock that ticks are counted on.
    fn clock(&self) -> HubClock;
    /// Interval of the fastest rendition: how often a held frame must be offered.
    fn fastest_interval(&self) -> Duration;
    /// What the renditions need of a source that can deliver in several ways.
    fn needed(&self) -> Needed;
}

/// What every attempt is given.
#[derive(Clone)]
pub struct Attempt {
    /// Where pictures go.
    pub outlet: Arc<dyn Outlet>,
    /// When to end.
    pub stop: Stop,
}

impl Attempt {
    /// Waits, with a sign of life every second; `true` when stopped meanwhile.
    pub fn wait_until(&self, due: Instant) -> bool {
        loop {
            let left = due.saturating_duration_since(Instant::now());
            if self.stop.wait(left.min(Duration::from_secs(1))) {
                return true;
            }
            if left <= Duration::from_secs(1) {
                return false;
            }
            self.outlet.alive(None);
        }
    }
}
