//! `v4l2`: a capture device of the machine, such as a USB camera, stamped with the kernel's time.

mod choose;
mod controls;
mod device;
mod driver_log;
mod kernel_time;
mod offer;
mod resolve;
mod silence;

use gst::prelude::*;
use gstreamer as gst;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use streamhub_crds::{CaptureMode, ControlName, ControlValue, Dimension, Fourcc, Fps};
use streamhub_wire::metadata::CaptureSource;

use super::arrivals::Arrivals;
use super::decode::{Branch, Pace, attach, make, start};
use super::pull::{Pulled, Reader, Running, codec_name, pull};
use super::{Attempt, End, Needed, key_frame};
use crate::captured::Captured;
use crate::clock::Cause;
use crate::fault::Fault;
use choose::{Mode, Need, Offer, Rate, Wanted};
use driver_log::{DriverLog, Said};
use kernel_time::{KernelTime, Stamp, Verdict};
use silence::{Heard, Silence};

pub use device::{BUSY as DEVICE_BUSY, busy};
pub use resolve::{Devices, Given, Promise};

/// How often what the renditions need is compared with what is captured.
const NEED_CHECK: Duration = Duration::from_secs(1);

const POLL: gst::ClockTime = gst::ClockTime::from_mseconds(100);

/// How far off the kernel's time of a frame may be: it is read in an interrupt, and mapped to hub time by reading two
/// clocks one after the other.
const KERNEL_ERROR: Duration = Duration::from_millis(1);

/// Frames between driver and sink: more than a decoder reorders.
const MOST_UNDER_WAY: usize = 64;

/// What to capture.
#[derive(Debug, Clone, PartialEq)]
pub struct V4l2Spec {
    /// The device's path.
    pub path: String,
    /// What must be there.
    pub promise: Option<Promise>,
    /// What it should send.
    pub mode: CaptureMode,
    /// What to set on it.
    pub controls: BTreeMap<ControlName, ControlValue>,
}

impl V4l2Spec {
    /// The device's address as metadata and status show it.
    pub fn shown(&self) -> String {
        format!("v4l2://{}", self.path)
    }

    fn wanted(&self) -> Wanted<'_> {
        Wanted {
            fourcc: self.mode.fourcc.as_ref().map(Fourcc::as_str),
            width: self.mode.width.map(Dimension::get),
            height: self.mode.height.map(Dimension::get),
            fps: self.mode.fps.map(rate_of),
        }
    }

    fn choose(&self, offers: &[Offer], needed: Needed) -> Result<Mode, Fault> {
        if offers.is_empty() {
            return Err(Fault::transient(
                "NoVideo",
                format!(
                    "{}: the device offers no format that a picture can be made of",
                    self.path
                ),
                "see what it offers with v4l2-ctl --list-formats-ext; an HDMI adapter offers nothing without a signal",
            ));
        }
        let need = Need {
            fps: rate_of(needed.fps),
            size: needed.size,
        };
        choose::choose(offers, self.wanted(), need).ok_or_else(|| {
            Fault::permanent(
                "ModeNotOffered",
                format!(
                    "mode: {} has no {}; it offers {}",
                    self.path,
                    written(&self.mode),
                    choose::listed(offers, self.wanted().fourcc)
                ),
                "correct spec.source.v4l2.mode, or leave out the parts that may be chosen",
            )
        })
    }
}

fn rate_of(fps: Fps) -> Rate {
    Rate {
        num: fps.num(),
        den: fps.den(),
    }
}

/// A mode as a person wrote it: `YUYV 1280x? at 30`.
fn written(mode: &CaptureMode) -> String {
    let mut words = Vec::new();
    words.extend(mode.fourcc.as_ref().map(ToString::to_string));
    if mode.width.is_some() || mode.height.is_some() {
        let side = |side: Option<_>| {
            side.map_or_else(|| "?".to_owned(), |side: Dimension| side.get().to_string())
        };
        words.push(format!("{}x{}", side(mode.width), side(mode.height)));
    }
    words.extend(mode.fps.map(|fps| format!("at {fps}")));
    words.join(" ")
}

/// Captures until the device is lost or the attempt is stopped.
pub fn run(spec: &V4l2Spec, attempt: &Attempt) -> End {
    match Session::open(spec, attempt) {
        Ok(session) => session.capture(spec, attempt),
        Err(fault) => End::Failed(fault),
    }
}

/// When each frame on its way to the sink was captured.
type Stamps = Arc<Mutex<VecDeque<(Option<gst::ClockTime>, Instant, CaptureSource)>>>;

struct Session {
    _running: Running,
    bus: gst::Bus,
    branch: Branch,
    codec: String,
    offers: Vec<Offer>,
    mode: Mode,
    log: Arc<DriverLog>,
    arrivals: Arc<Arrivals>,
    stamps: Stamps,
}

impl Session {
    fn open(spec: &V4l2Spec, attempt: &Attempt) -> Result<Self, Fault> {
        let mut opened = device::open(&spec.path)?;
        // Another device may have been plugged in since the last look. From now on the number goes to no other: it is open
        // here until the element has it open.
        if let Some(promise) = &spec.promise {
            promise.check(&spec.path)?;
        }
        device::set_controls(&spec.path, &mut opened, &spec.controls)?;
        let source = make("v4l2src")?;
        let log = Arc::new(DriverLog::of(&source));
        source.set_property("device", &spec.path);
        let internal = |error: &dyn std::fmt::Display| {
            Fault::transient("Internal", error.to_string(), "report this")
        };
        let pipeline = gst::Pipeline::new();
        pipeline.add(&source).map_err(|error| internal(&error))?;
        let bus = pipeline.bus().ok_or_else(|| internal(&"no pipeline bus"))?;
        let running = Running(pipeline.clone());
        if pipeline.set_state(gst::State::Ready).is_err() {
            return Err(not_ready(spec, &bus));
        }
        let offered = source.static_pad("src").map(|pad| pad.query_caps(None));
        let offers = offered.map_or_else(Vec::new, |caps| offer::offers(&caps));
        let mode = spec.choose(&offers, attempt.outlet.needed())?;
        drop(opened);
        let caps =
            offer::caps_of(&mode).ok_or_else(|| internal(&format_args!("no caps for {mode}")))?;
        let filter = make("capsfilter")?;
        filter.set_property("caps", &caps);
        pipeline
            .add(&filter)
            .and_then(|()| source.link(&filter))
            .map_err(|error| internal(&error))?;
        let (arrivals, stamps) = (Arc::new(Arrivals::default()), Stamps::default());
        let last = parsed(&pipeline, filter, &caps)?;
        let (Some(entry), Some(exit)) = (source.static_pad("src"), last.static_pad("src")) else {
            return Err(internal(&"v4l2src without a pad"));
        };
        let branch = attach(
            &pipeline,
            &exit,
            &caps,
            Pace::Live,
            &arrivals,
            &attempt.outlet,
        )?;
        stamp_frames((&entry, &source, &log), attempt, &arrivals, &stamps);
        tracing::info!(device = spec.path, %mode, "capture mode chosen");
        // What goes wrong here is told in full by the message on the bus.
        let _ = pipeline.set_state(gst::State::Playing);
        Ok(Self {
            _running: running,
            bus,
            branch,
            codec: codec_name(&caps),
            offers,
            mode,
            log,
            arrivals,
            stamps,
        })
    }

    fn capture(self, spec: &V4l2Spec, attempt: &Attempt) -> End {
        let outlet = &attempt.outlet;
        let decoder = self.branch.decoder.as_deref();
        let mut reader = Reader::of_a_driver();
        let mut checked = Instant::now();
        let mut silence = Silence::since(checked);
        loop {
            if attempt.stop.is_stopped() {
                return End::Stopped;
            }
            match pull(Some(&self.branch.sink), &self.bus, POLL) {
                Pulled::Sample(sample) => {
                    if let Some((content, pts)) =
                        reader.read(&sample, &self.codec, decoder, attempt)
                        && let Some((at, capture)) = self.stamp_of(pts)
                    {
                        let arrival = self.arrivals.take(pts);
                        if let Some(took) = arrival.and_then(|arrival| arrival.decoding()) {
                            outlet.stage("decode", took);
                        }
                        outlet.frame(Captured {
                            content,
                            at,
                            capture,
                            error: (capture == CaptureSource::Kernel).then_some(KERNEL_ERROR),
                            repeated: false,
                        });
                    }
                }
                Pulled::Error(error, debug) => {
                    return End::Failed(failed(spec, &self.mode, &error, &debug));
                }
                Pulled::Eos => return End::Failed(device::missing(&spec.path)),
                Pulled::Nothing => {}
            }
            let (held_back, received) = self.arrivals.drain();
            for (reason, count) in held_back {
                outlet.held_back(reason, count);
            }
            for unit in received {
                outlet.stage("receive", unit.took);
                outlet.alive(Some(unit.at));
            }
            outlet.alive(None);
            if let Some(fault) = self.stale(spec, &mut silence) {
                return End::Failed(fault);
            }
            if checked.elapsed() > NEED_CHECK {
                checked = Instant::now();
                let better = spec.choose(&self.offers, outlet.needed());
                if better.is_ok_and(|mode| mode != self.mode) {
                    tracing::info!(
                        "the renditions need another capture mode: the device is opened anew"
                    );
                    return End::Again;
                }
            }
        }
    }

    /// What is wrong with a device that is open and sends nothing.
    fn stale(&self, spec: &V4l2Spec, silence: &mut Silence) -> Option<Fault> {
        if let Some(fault) = key_frame::missing(&self.arrivals, &spec.path) {
            return Some(fault);
        }
        let heard = Heard {
            newest: self.arrivals.newest(),
            stirred: self.arrivals.last_stirred(),
            interval: self.arrivals.interval().unwrap_or_default(),
            truncated: self.log.take(Said::Truncated),
        };
        let silent = silence.look(Instant::now(), heard)?;
        if silent.truncated {
            return Some(refused(
                spec,
                format_args!(
                    "sends {} in frames that GStreamer drops as too short",
                    self.mode
                ),
            ));
        }
        Some(Fault::transient(
            "NoFrames",
            format!(
                "{}: the device is open and has delivered no frame for {:.1} s",
                spec.path,
                silent.lasted.as_secs_f64()
            ),
            "plug the camera in again, in a port of its own: USB 2 carries one or two cameras of full size; it is opened anew by itself",
        ))
    }

    /// When the frame with this PTS was captured; those before it are forgotten.
    fn stamp_of(&self, pts: Option<gst::ClockTime>) -> Option<(Instant, CaptureSource)> {
        let mut stamps = self.stamps.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((of, at, capture)) = stamps.pop_front() {
            if of == pts {
                return Some((at, capture));
            }
        }
        None
    }
}

/// Why GStreamer could not open a device that we could.
fn not_ready(spec: &V4l2Spec, bus: &gst::Bus) -> Fault {
    let message = bus.pop_filtered(&[gst::MessageType::Error]);
    match message.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Error(error)) => {
            let debug = error
                .debug()
                .map_or_else(String::new, |text| text.to_string());
            classify(spec, &error.error(), &debug)
        }
        _ => device::missing(&spec.path),
    }
}

/// Coded video is cut into access units first.
fn parsed(
    pipeline: &gst::Pipeline,
    filter: gst::Element,
    caps: &gst::Caps,
) -> Result<gst::Element, Fault> {
    let parser = match caps.structure(0).map(|structure| structure.name().as_str()) {
        Some("video/x-h264") => "h264parse",
        Some("video/x-h265") => "h265parse",
        _ => return Ok(filter),
    };
    let parser = make(parser)?;
    pipeline
        .add(&parser)
        .and_then(|()| filter.link(&parser))
        .map_err(|error| Fault::transient("Internal", error.to_string(), "report this"))?;
    start(std::slice::from_ref(&parser))?;
    Ok(parser)
}

/// Notes when each frame was captured as it leaves the driver, and holds back those whose time cannot be right.
fn stamp_frames(
    (pad, source, log): (&gst::Pad, &gst::Element, &Arc<DriverLog>),
    attempt: &Attempt,
    arrivals: &Arc<Arrivals>,
    stamps: &Stamps,
) {
    let (arrivals, stamps, outlet) = (
        Arc::clone(arrivals),
        Arc::clone(stamps),
        Arc::clone(&attempt.outlet),
    );
    let (log, weak) = (Arc::clone(log), source.downgrade());
    let time = Mutex::new(KernelTime::default());
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let (Some(buffer), Some(source)) = (info.buffer(), weak.upgrade()) else {
            return gst::PadProbeReturn::Ok;
        };
        let arrived = Instant::now();
        let (pts, running) = (buffer.pts(), source.current_running_time());
        // Captured before the pipeline ran, so at a time that it cannot express.
        let early = pts == Some(gst::ClockTime::ZERO);
        let age = match (pts, running) {
            (Some(pts), Some(running)) => running
                .checked_sub(pts)
                .map(Duration::from)
                .ok_or_else(|| Duration::from(pts.saturating_sub(running))),
            _ => Err(Duration::ZERO),
        };
        let stamp = Stamp {
            arrived,
            age,
            given_up: log.take(Said::GivenUp),
        };
        let (verdict, told) = time
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .judge(stamp);
        if told {
            tracing::warn!(
                "the driver's timestamps cannot be right: frames carry their time of arrival"
            );
            outlet.new_epoch(Cause::DriverUseless);
        }
        match verdict {
            Verdict::Take(at, capture) if !early => {
                arrivals.packet(pts, at, || None);
                let mut stamps = stamps.lock().unwrap_or_else(PoisonError::into_inner);
                if stamps.len() >= MOST_UNDER_WAY {
                    stamps.pop_front();
                }
                stamps.push_back((pts, at, capture));
                gst::PadProbeReturn::Ok
            }
            _ => {
                arrivals.held_back(if early {
                    "before_start"
                } else {
                    "implausible_time"
                });
                arrivals.stirred(arrived);
                gst::PadProbeReturn::Handled
            }
        }
    });
}

/// Why a running capture ended: whether the device still is there says more than the element's words.
fn failed(spec: &V4l2Spec, mode: &Mode, error: &gst::glib::Error, debug: &str) -> Fault {
    if let Err(fault) = device::open(&spec.path) {
        return fault;
    }
    if debug.contains("not-negotiated") {
        return refused(spec, format_args!("offers {mode}, and refuses it"));
    }
    classify(spec, error, debug)
}

/// A mode of which nothing comes, though it is offered.
fn refused(spec: &V4l2Spec, what: fmt::Arguments<'_>) -> Fault {
    Fault::transient(
        "ModeRefused",
        format!("{}: the device {what}", spec.path),
        "write another mode into spec.source.v4l2.mode, of another fourcc at best: streamhub devices, or kubectl get videodevices -o yaml, shows what it has",
    )
}

fn classify(spec: &V4l2Spec, error: &gst::glib::Error, debug: &str) -> Fault {
    let text = format!("{} {debug}", error.message()).to_lowercase();
    if error.matches(gst::ResourceError::Busy) || text.contains("busy") {
        return device::busy(&spec.path);
    }
    if text.contains("no such device") {
        return device::missing(&spec.path);
    }
    let detail = debug
        .lines()
        .skip(1)
        .map(str::trim)
        .find(|line| !line.is_empty());
    Fault::transient(
        "CameraError",
        format!(
            "{}: {} ({})",
            spec.path,
            error.message().trim_end_matches('.'),
            detail.unwrap_or("no detail")
        ),
        "look at the kernel's log (dmesg); it is opened anew by itself",
    )
}
