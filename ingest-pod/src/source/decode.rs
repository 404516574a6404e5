//! From an encoded pad to pictures: the right decoder, one thread, no frame with a lost reference.

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;
use std::sync::Arc;
use std::time::Instant;

use super::Outlet;
use super::arrivals::Arrivals;
use super::gate::Gate;
use super::libav;
use super::watch::{Coded, Watch};
use crate::captured::FORMATS;
use crate::fault::Fault;
use crate::router::Want;

/// The end of a pipeline: pictures or whole JPEGs come out of `sink`.
pub struct Branch {
    /// Where samples are pulled; caps are `video/x-raw` in system memory or `image/jpeg`.
    pub sink: gst_app::AppSink,
    /// The decoder's element name; absent when the camera sends JPEG or raw pictures.
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
    let raw = caps.structure(0).is_some_and(|s| s.name() == "video/x-raw");
    let (added, decoder) = if jpeg {
        (vec![sink.clone().upcast::<gst::Element>()], None)
    } else if raw {
        (vec![make("videoconvert")?, sink.clone().upcast()], None)
    } else {
        let (decoder, name) = decoder_for(caps)?;
        if pace == Pace::Live {
            gate = decoder
                .static_pad("sink")
                .map(|entry| Gate::new(outlet, &entry));
        }
        libav::listen();
        let elements = vec![
            decoder,
            deinterlacer()?,
            make("videoconvert")?,
            sink.clone().upcast(),
        ];
        (elements, Some(name))
    };
    let watch = Watch::new(pace, Coded::of(caps), arrivals, gate);
    if let (Some(decoder), Some(_)) = (added.first(), &decoder) {
        watch.decoder(decoder);
    }
    pipeline
        .add_many(&added)
        .and_then(|()| gst::Element::link_many(&added))
        .map_err(|e| missing("decoder", &e.to_string()))?;
    let entry = added
        .first()
        .and_then(|first| first.static_pad("sink"))
        .ok_or_else(|| missing("decoder", "it has no sink pad"))?;
    watch.exit_of_parser(pad);
    if raw && pace == Pace::Live {
        hold_unwanted(&entry, arrivals, outlet);
    }
    if let Some(pad) = sink.static_pad("sink") {
        offer_video_meta(&pad);
    }
    pad.link(&entry)
        .map_err(|e| missing("decoder", &e.to_string()))?;
    start(&added)?;
    Ok(Branch { sink, decoder })
}

/// Lets only those raw pictures through to be converted that somebody wants.
fn hold_unwanted(entry: &gst::Pad, arrivals: &Arc<Arrivals>, outlet: &Arc<dyn Outlet>) {
    let (arrivals, outlet) = (Arc::clone(arrivals), Arc::clone(outlet));
    entry.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if outlet.want(Instant::now()) != Want::Nothing {
            return gst::PadProbeReturn::Ok;
        }
        arrivals.take(info.buffer().and_then(|buffer| buffer.pts()));
        gst::PadProbeReturn::Handled
    });
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

/// Makes one picture of the two fields of an interlaced one, and lets all others pass untouched.
fn deinterlacer() -> Result<gst::Element, Fault> {
    let deinterlace = make("deinterlace")?;
    deinterlace.set_property_from_str("mode", "auto");
    // One picture for two fields: the rate stays the camera's.
    deinterlace.set_property_from_str("fields", "top");
    Ok(deinterlace)
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
            // They are marked, and dropped by what reads them; a stream without any recovery point has no others.
            decoder.set_property("output-corrupt", true);
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
