//! The streams that a camera offers: which one is taken, and how its pictures come out of RTP.

use gst::prelude::*;
use gstreamer as gst;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::fault::Fault;
use crate::source::Outlet;
use crate::source::arrivals::Arrivals;
use crate::source::continuity::Carried;
use crate::source::decode::{Branch, Pace, attach, make, start};
use crate::source::watch::watch_packets;

/// What the pads turned out to be, written by `GStreamer`'s thread.
#[derive(Default)]
pub struct Found {
    /// One that can be used was asked for.
    pub taken: bool,
    /// What became of it, once its pad was there.
    pub branch: Option<Result<(Branch, &'static str), Fault>>,
    /// Media that the camera offers and that are not used, for the error that says so.
    pub offered: Vec<String>,
    /// There are no more.
    pub complete: bool,
    /// What is wrong with the certificate that the camera showed.
    pub certificate: Option<gio::TlsCertificateFlags>,
}

/// Takes the first video stream that can be used; all others are never set up at the camera.
pub fn watch_pads(
    pipeline: &gst::Pipeline,
    source: &gst::Element,
    found: &Arc<Mutex<Found>>,
    arrivals: &Arc<Arrivals>,
    outlet: &Arc<dyn Outlet>,
) {
    let slot = Arc::clone(found);
    source.connect("select-stream", false, move |values| {
        let caps = values.get(2).and_then(|v| v.get::<gst::Caps>().ok());
        let mut found = slot.lock().unwrap_or_else(PoisonError::into_inner);
        let (usable, name) = caps
            .as_ref()
            .and_then(|caps| caps.structure(0))
            .map_or((false, "unknown".to_owned()), offer);
        let take = usable && !found.taken;
        found.taken |= take;
        if !take {
            found.offered.push(name);
        }
        Some(take.to_value())
    });
    let slot = Arc::clone(found);
    // Only asked about certificates that did not verify; whatever is wrong with one, it is refused.
    source.connect("accept-certificate", false, move |values| {
        let wrong = values.get(3).and_then(|v| v.get().ok());
        let mut found = slot.lock().unwrap_or_else(PoisonError::into_inner);
        found.certificate = wrong.or(Some(gio::TlsCertificateFlags::GENERIC_ERROR));
        Some(false.to_value())
    });
    let slot = Arc::clone(found);
    source.connect("no-more-pads", false, move |_| {
        slot.lock().unwrap_or_else(PoisonError::into_inner).complete = true;
        None
    });
    let (slot, weak, arrivals, outlet) = (
        Arc::clone(found),
        pipeline.downgrade(),
        Arc::clone(arrivals),
        Arc::clone(outlet),
    );
    source.connect_pad_added(move |_, pad| {
        let (Some(pipeline), Some(caps)) = (weak.upgrade(), pad.current_caps()) else {
            return;
        };
        let built = depayload(&pipeline, pad, &caps, &arrivals, &outlet);
        let mut found = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if found.branch.is_none() {
            found.branch = Some(built);
        }
    });
}

/// Whether a stream of the SDP can be used, and what it is called in messages.
fn offer(caps: &gst::StructureRef) -> (bool, String) {
    let media = caps.get::<&str>("media").unwrap_or("unknown");
    let encoding = caps.get::<&str>("encoding-name").unwrap_or("unknown");
    let usable = media == "video" && codec(encoding).is_some();
    (usable, format!("{media}/{encoding}"))
}

/// How a codec is taken out of RTP.
struct Codec {
    name: &'static str,
    carried: Carried,
    depay: &'static str,
    parse: &'static str,
    media: &'static str,
}

/// The codec of an RTP encoding name (IANA RTP payload format media types).
fn codec(encoding: &str) -> Option<Codec> {
    let (name, carried, depay, parse, media) = match encoding {
        "H264" => (
            "h264",
            Carried::H264,
            "rtph264depay",
            "h264parse",
            "video/x-h264",
        ),
        "H265" => (
            "h265",
            Carried::H265,
            "rtph265depay",
            "h265parse",
            "video/x-h265",
        ),
        "JPEG" => (
            "jpeg",
            Carried::Jpeg,
            "rtpjpegdepay",
            "jpegparse",
            "image/jpeg",
        ),
        _ => return None,
    };
    Some(Codec {
        name,
        carried,
        depay,
        parse,
        media,
    })
}

fn depayload(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    caps: &gst::CapsRef,
    arrivals: &Arc<Arrivals>,
    outlet: &Arc<dyn Outlet>,
) -> Result<(Branch, &'static str), Fault> {
    let unusable =
        |why: String| Fault::transient("NoVideo", why, "set the camera to H.264, H.265 or MJPEG");
    let structure = caps
        .structure(0)
        .ok_or_else(|| unusable("a stream without caps".to_owned()))?;
    let (_, name) = offer(structure);
    let Codec {
        name: codec,
        carried,
        depay,
        parse,
        media,
    } = structure
        .get::<&str>("encoding-name")
        .ok()
        .and_then(codec)
        .ok_or_else(|| unusable(format!("{name} cannot be used")))?;
    if let (Some(clock), Ok(rate)) = (arrivals.clock(), structure.get::<i32>("clock-rate")) {
        clock.set_rate(rate.unsigned_abs());
    }
    let depay = make(depay)?;
    let parse = make(parse)?;
    pipeline
        .add_many([&depay, &parse])
        .and_then(|()| depay.link(&parse))
        .map_err(|e| unusable(e.to_string()))?;
    let (Some(entry), Some(exit)) = (depay.static_pad("sink"), parse.static_pad("src")) else {
        return Err(unusable("depayloader without pads".to_owned()));
    };
    let (noted, weak) = (Arc::clone(arrivals), pipeline.downgrade());
    entry.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let (Some(buffer), Some(pipeline)) = (info.buffer(), weak.upgrade()) {
            let at = arrived(buffer, &pipeline);
            noted.packet(buffer.pts(), at, || {
                noted.clock()?.packet(&buffer.map_readable().ok()?, at)
            });
        }
        gst::PadProbeReturn::Ok
    });
    watch_packets(&entry, carried, arrivals);
    let caps = gst::Caps::new_empty_simple(media);
    // A camera can be set to another codec while we try.
    let branch =
        attach(pipeline, &exit, &caps, Pace::Live, arrivals, outlet).map_err(|fault| Fault {
            permanent: fault.permanent && fault.reason != "UnsupportedCodec",
            ..fault
        })?;
    start(&[depay, parse])?;
    pad.link(&entry).map_err(|e| unusable(e.to_string()))?;
    Ok((branch, codec))
}

/// When the packet came from the network: the jitter buffer keeps that running time as DTS.
fn arrived(buffer: &gst::BufferRef, pipeline: &gst::Pipeline) -> Instant {
    let now = Instant::now();
    let waited = pipeline
        .current_running_time()
        .zip(buffer.dts())
        .map(|(running, dts)| running.saturating_sub(dts))
        .filter(|waited| *waited < gst::ClockTime::from_seconds(5));
    waited
        .and_then(|waited| now.checked_sub(waited.into()))
        .unwrap_or(now)
}
