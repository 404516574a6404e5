//! From an encoded pad to pictures: the right decoder, one thread, no frame with a lost reference.

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Outlet;
use super::arrivals::Arrivals;
use super::gate::Gate;
use crate::captured::FORMATS;
use crate::fault::Fault;

/// An access unit that waits longer than this for the decoder is given up, with all that depend on it.
const MAX_LAG: Duration = Duration::from_secs(1);

/// Why such an access unit is held back.
pub const DECODER_LATE: &str = "decoder_late";

/// Without a key frame for so long the camera is taken to refresh in another way (intra refresh),
/// and the decoder's own judgement of what is whole must do.
const KEY_FRAME_PATIENCE: Duration = Duration::from_secs(10);

/// The end of a pipeline: pictures or whole JPEGs come out of `sink`.
pub struct Branch {
    /// Where samples are pulled; caps are `video/x-raw` in system memory or `image/jpeg`.
    pub sink: gst_app::AppSink,
    /// The decoder's element name; absent when the camera sends JPEG.
    pub decoder: Option<String>,
}

/// How the branch treats access units that come too late or depend on lost ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// A camera: drops to the next key frame when the decoder lags or a packet was lost.
    Live,
    /// A stream that is paced by its reader: nothing is lost on the way, but it may begin between two key frames.
    Buffered,
    /// A file: nothing is lost on the way, and the reader waits for the decoder.
    Stored,
}

/// Adds decoder and sink behind `pad`, whose `caps` say what is encoded.
pub fn attach(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    caps: &gst::CapsRef,
    pace: Pace,
    arrivals: &Arc<Arrivals>,
    outlet: &Arc<dyn Outlet>,
) -> Result<Branch, Fault> {
    let jpeg = caps.structure(0).is_some_and(|s| s.name() == "image/jpeg");
    let sink = app_sink(jpeg, pace);
    let mut gate = None;
    let (added, decoder) = if jpeg {
        (vec![sink.clone().upcast::<gst::Element>()], None)
    } else {
        let (decoder, name) = decoder_for(caps)?;
        if pace == Pace::Live {
            gate = decoder
                .static_pad("sink")
                .map(|entry| Gate::new(outlet, &entry));
        }
        note_decoded(&decoder, arrivals, gate.clone());
        let convert = make("videoconvert")?;
        (vec![decoder, convert, sink.clone().upcast()], Some(name))
    };
    pipeline
        .add_many(&added)
        .and_then(|()| gst::Element::link_many(&added))
        .map_err(|e| missing("decoder", &e.to_string()))?;
    let entry = added
        .first()
        .and_then(|first| first.static_pad("sink"))
        .ok_or_else(|| missing("decoder", "it has no sink pad"))?;
    watch(pad, pace, jpeg, arrivals, gate);
    if let Some(pad) = sink.static_pad("sink") {
        offer_video_meta(&pad);
    }
    pad.link(&entry)
        .map_err(|e| missing("decoder", &e.to_string()))?;
    start(&added)?;
    Ok(Branch { sink, decoder })
}

/// Brings new elements to the pipeline's state, the last one first so that none pushes into a stopped one.
///
/// Only the new ones: this runs in a streaming thread, and to touch the source from there while the
/// pipeline is torn down is a deadlock.
pub fn start(added: &[gst::Element]) -> Result<(), Fault> {
    for element in added.iter().rev() {
        element
            .sync_state_with_parent()
            .map_err(|e| missing(&element.name(), &e.to_string()))?;
    }
    Ok(())
}

/// An element by name, or what to install.
pub fn make(factory: &str) -> Result<gst::Element, Fault> {
    gst::ElementFactory::make(factory)
        .build()
        .map_err(|e| missing(factory, &e.to_string()))
}

fn missing(element: &str, why: &str) -> Fault {
    Fault::permanent(
        "MissingElement",
        format!("GStreamer element {element} cannot be used: {why}"),
        "install the packages gstreamer1.0-plugins-base, -good, -bad and gstreamer1.0-libav",
    )
}

fn app_sink(jpeg: bool, pace: Pace) -> gst_app::AppSink {
    let caps = if jpeg {
        gst::Caps::builder("image/jpeg").build()
    } else {
        gst_video::VideoCapsBuilder::new()
            .format_list(FORMATS.map(|(format, ..)| format))
            .build()
    };
    gst_app::AppSink::builder()
        .caps(&caps)
        .sync(false)
        .async_(false)
        .max_buffers(2)
        .drop(pace == Pace::Live)
        .wait_on_eos(false)
        .build()
}

/// Tells the decoder that padded planes are welcome: else it copies each picture into packed ones.
fn offer_video_meta(pad: &gst::Pad) {
    pad.add_probe(gst::PadProbeType::QUERY_DOWNSTREAM, |_, info| {
        let Some(query) = info.query_mut() else {
            return gst::PadProbeReturn::Ok;
        };
        let gst::QueryViewMut::Allocation(allocation) = query.view_mut() else {
            return gst::PadProbeReturn::Ok;
        };
        allocation.add_allocation_meta::<gst_video::VideoMeta>(None);
        gst::PadProbeReturn::Handled
    });
}

/// The best decoder for these caps that this machine can really open: by rank, so hardware first
/// where it is present.
fn decoder_for(caps: &gst::CapsRef) -> Result<(gst::Element, String), Fault> {
    let mut factories: Vec<_> = gst::ElementFactory::factories_with_type(
        gst::ElementFactoryType::DECODER | gst::ElementFactoryType::MEDIA_VIDEO,
        gst::Rank::MARGINAL,
    )
    .into_iter()
    .filter(|factory| factory.can_sink_any_caps(caps))
    .collect();
    factories.sort_by_key(|factory| std::cmp::Reverse(factory.rank()));
    for factory in factories {
        let Ok(decoder) = factory.create().build() else {
            continue;
        };
        if decoder.set_state(gst::State::Ready).is_err() {
            tracing::debug!(decoder = %factory.name(), "decoder is installed but cannot be opened here");
            continue;
        }
        // One thread: several cost CPU and a frame of latency each (DESIGN §7).
        if decoder.has_property_with_type("max-threads", i32::static_type()) {
            decoder.set_property("max-threads", 1_i32);
        }
        if decoder.has_property_with_type("output-corrupt", bool::static_type()) {
            decoder.set_property("output-corrupt", false);
        }
        let hardware = factory.klass().contains("Hardware");
        tracing::info!(decoder = %factory.name(), hardware, "decoder chosen");
        return Ok((decoder, factory.name().to_string()));
    }
    let codec = caps
        .structure(0)
        .map_or_else(|| "unknown".to_owned(), |s| s.name().to_string());
    Err(Fault::permanent(
        "UnsupportedCodec",
        format!("no decoder on this machine takes {codec}"),
        "set the camera to H.264, H.265 or MJPEG, or install a GStreamer decoder for it",
    ))
}

/// Notes when each picture comes out of the decoder, and drops those that are only there for others to refer to.
fn note_decoded(decoder: &gst::Element, arrivals: &Arc<Arrivals>, gate: Option<Arc<Gate>>) {
    let Some(exit) = decoder.static_pad("src") else {
        return;
    };
    let arrivals = Arc::clone(arrivals);
    exit.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(buffer) = info.buffer() {
            arrivals.decoded(buffer.pts());
            if gate.as_ref().is_some_and(|gate| !gate.shows(buffer.pts())) {
                return gst::PadProbeReturn::Handled;
            }
        }
        gst::PadProbeReturn::Ok
    });
}

/// Notes when each access unit that `exit` pushes is complete, and holds back those that cannot be decoded cleanly
/// and those that nobody wants decoded.
fn watch(
    exit: &gst::Pad,
    pace: Pace,
    jpeg: bool,
    arrivals: &Arc<Arrivals>,
    gate: Option<Arc<Gate>>,
) {
    let arrivals = Arc::clone(arrivals);
    let guard = Mutex::new(ReferenceGuard::new(Instant::now()));
    exit.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let Some(buffer) = info.buffer() else {
            return gst::PadProbeReturn::Ok;
        };
        let lag = arrivals.complete(buffer.pts());
        if pace == Pace::Stored || jpeg {
            return gst::PadProbeReturn::Ok;
        }
        let unit = AccessUnit {
            key: !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT),
            after_loss: buffer.flags().contains(gst::BufferFlags::DISCONT),
            late: lag > MAX_LAG
                && pace == Pace::Live
                && !gate.as_ref().is_some_and(|gate| gate.is_catching_up()),
        };
        let mut guard = guard.lock().unwrap_or_else(PoisonError::into_inner);
        let verdict = guard.admit(unit, Instant::now());
        arrivals.waiting_for_key_frame(guard.waiting_since);
        drop(guard);
        match verdict {
            Ok(()) if gate.as_ref().is_none_or(|gate| gate.admit(buffer, lag)) => {
                gst::PadProbeReturn::Ok
            }
            Ok(()) => gst::PadProbeReturn::Handled,
            Err(reason) => {
                arrivals.held_back(reason);
                // Not `Drop`: GStreamer 1.22 then complains of each buffer that the binding has freed already.
                gst::PadProbeReturn::Handled
            }
        }
    });
}

/// What the guard needs to know of an access unit.
#[derive(Debug, Clone, Copy)]
struct AccessUnit {
    key: bool,
    after_loss: bool,
    late: bool,
}

/// Lets access units pass only while everything that they refer to went to the decoder.
#[derive(Debug)]
struct ReferenceGuard {
    waiting_since: Option<Instant>,
    key_seen: bool,
}

impl ReferenceGuard {
    fn new(now: Instant) -> Self {
        Self {
            waiting_since: Some(now),
            key_seen: false,
        }
    }

    fn admit(&mut self, unit: AccessUnit, now: Instant) -> Result<(), &'static str> {
        if unit.late || (unit.after_loss && !unit.key && self.waiting_since.is_none()) {
            self.waiting_since.get_or_insert(now);
        } else if unit.key {
            self.waiting_since = None;
            self.key_seen = true;
        }
        match self.waiting_since {
            None => Ok(()),
            Some(_) if unit.late => Err(DECODER_LATE),
            Some(since) if !self.key_seen && now.duration_since(since) > KEY_FRAME_PATIENCE => {
                self.waiting_since = None;
                Ok(())
            }
            Some(_) => Err("no_reference"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELTA: AccessUnit = AccessUnit {
        key: false,
        after_loss: false,
        late: false,
    };
    const KEY: AccessUnit = AccessUnit { key: true, ..DELTA };
    const LOST: AccessUnit = AccessUnit {
        after_loss: true,
        ..DELTA
    };
    const LATE: AccessUnit = AccessUnit {
        late: true,
        ..DELTA
    };

    #[test]
    fn nothing_passes_between_a_loss_and_the_next_key_frame() {
        let now = Instant::now();
        let mut guard = ReferenceGuard::new(now);
        let passed: Vec<bool> = [DELTA, KEY, DELTA, LOST, DELTA, KEY, DELTA, LATE, DELTA, KEY]
            .into_iter()
            .map(|unit| guard.admit(unit, now).is_ok())
            .collect();
        assert_eq!(
            passed,
            [
                false, true, true, false, false, true, true, false, false, true
            ]
        );
    }

    #[test]
    fn a_camera_without_key_frames_is_believed_after_a_while_but_a_long_gop_is_waited_for() {
        let start = Instant::now();
        let later = start + KEY_FRAME_PATIENCE + Duration::from_millis(1);
        let mut refresh = ReferenceGuard::new(start);
        assert!(refresh.admit(DELTA, start).is_err());
        assert!(refresh.admit(DELTA, later).is_ok());
        let mut long_gop = ReferenceGuard::new(start);
        assert!(long_gop.admit(KEY, start).is_ok());
        assert!(long_gop.admit(LOST, start).is_err());
        assert!(long_gop.admit(DELTA, later).is_err());
    }
}
