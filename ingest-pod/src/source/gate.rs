//! Between a camera's parser and its decoder: lets through what [`Gop`] decides.

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_video as gst_video;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Outlet;
use super::gop::{Gop, Probed, Step, Unit};

/// The gate of one decoder. Called from the pipeline's threads.
pub struct Gate {
    outlet: Arc<dyn Outlet>,
    /// The decoder's sink pad.
    entry: gst::glib::WeakRef<gst::Pad>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    gop: Gop<gst::Buffer>,
    /// A picture was shown since the last probe.
    pictured: bool,
}

impl Gate {
    /// A gate before the decoder with this sink pad, open for whom `outlet` wants pictures for.
    pub fn new(outlet: &Arc<dyn Outlet>, entry: &gst::Pad) -> Arc<Self> {
        Arc::new(Self {
            outlet: Arc::clone(outlet),
            entry: entry.downgrade(),
            state: Mutex::default(),
        })
    }

    /// Whether the access unit is to go on to the decoder. Called in the thread that pushes it there, and not while
    /// the decoder's pad is locked: what was kept goes there first.
    pub fn admit(&self, buffer: &gst::Buffer, key: bool, lag: Duration) -> bool {
        let now = Instant::now();
        let unit = Unit {
            key,
            bytes: buffer.size(),
            pts: buffer.pts().map(gst::ClockTime::nseconds),
            lag,
        };
        let want = self.outlet.want(now);
        let step = {
            let mut state = self.state();
            state.pictured = false;
            state.gop.offer(unit, || buffer.clone(), want, now)
        };
        match step {
            Step::Decode => {}
            Step::CatchUp(kept) => {
                let count = kept.len();
                for buffer in kept {
                    // What is wrong with the pipeline shows with the live one too.
                    let _ = self.decode(buffer);
                }
                tracing::debug!(
                    count,
                    took_ms = now.elapsed().as_millis() as u64,
                    "caught up"
                );
            }
            Step::Probe => {
                let probed = self.probe(buffer);
                self.state()
                    .gop
                    .probed(probed, unit.bytes, || buffer.clone());
                return false;
            }
            Step::Hold => return false,
            Step::GiveUp => {
                self.outlet.held_back("gop_too_large", 1);
                return false;
            }
        }
        true
    }

    /// Whether a picture that comes out of the decoder is to be shown.
    pub fn shows(&self, pts: Option<gst::ClockTime>) -> bool {
        let mut state = self.state();
        let shown = state.gop.shows(pts.map(gst::ClockTime::nseconds));
        state.pictured |= shown;
        shown
    }

    /// An access unit goes into the decoder.
    pub fn decoding(&self) {
        self.outlet.decoding(1);
    }

    /// Whether access units come late only because those before them were kept.
    pub fn is_catching_up(&self) -> bool {
        self.state().gop.is_catching_up()
    }

    /// Decodes a key frame, and sees to it that its picture comes out now and not with the access units after it,
    /// which the decoder will not get.
    fn probe(&self, buffer: &gst::Buffer) -> Probed {
        if self.decode(buffer.clone()).is_err() {
            return Probed::Nothing;
        }
        if self.state().pictured {
            return Probed::Picture;
        }
        if let Some(entry) = self.entry.upgrade() {
            drain(&entry);
        }
        if self.state().pictured {
            Probed::AfterDrain
        } else {
            tracing::debug!("no picture of a key frame by itself");
            Probed::Nothing
        }
    }

    fn decode(&self, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        let entry = self.entry.upgrade().ok_or(gst::FlowError::Flushing)?;
        entry.chain(buffer)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets a decoder with this sink pad give away the pictures that it still has, after which it knows no reference any
/// more: `GstVideoDecoder` does so at the begin of a still frame.
pub fn drain(entry: &gst::Pad) {
    entry.send_event(gst_video::StillFrameEvent::builder(true).build());
}
