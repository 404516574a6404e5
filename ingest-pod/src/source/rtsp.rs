//! `rtsp`: an IP camera over TCP, UDP or TLS.

mod streams;

use gst::prelude::*;
use gstreamer as gst;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use streamhub_wire::metadata::CaptureSource;

use super::arrivals::{Arrival, Arrivals};
use super::challenge::unsupported_at;
use super::decode::{Branch, make};
use super::pull::{Pulled, Reader, Running, pull, ring_for};
use super::redirect::Redirects;
use super::rtp_clock::RtpClock;
use super::rtsp_fault::{authentication_unsupported, certificate_refused, classify, login_wanted};
use super::{Attempt, End, Outlet, key_frame};
use crate::captured::{Captured, Content};
use crate::clock::Settings;
use crate::fault::{Fault, Redactor};
use streams::{Found, watch_pads};

/// From the first packet sent to the camera to the first access unit from it.
const FIRST_FRAME_WITHIN: Duration = Duration::from_secs(15);
/// From a request to its answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// A camera is stale after this, or after three of its frame intervals, whichever is longer (DESIGN §4).
const STALE_AFTER: Duration = Duration::from_secs(5);
/// When `rtspsrc` says that nothing comes over UDP: before we say that no frame came.
const NO_PACKETS_WITHIN: Duration = Duration::from_secs(14);
/// How long a missing packet is waited for; a TCP connection keeps their order by itself. Never together with
/// `drop-on-latency`: that drops packets of any burst longer than this, such as a camera sends after a pause.
const UDP_REORDER: Duration = Duration::from_millis(80);

/// How often the state of the camera's clock is told.
const TELL_CLOCK: Duration = Duration::from_secs(1);

/// How often a connection that is being made is looked at.
const CONNECTING: gst::ClockTime = gst::ClockTime::from_mseconds(5);
/// How often a camera is looked at from which no picture comes: most of them, as nobody watches.
const LOOK: Duration = Duration::from_millis(250);

/// What cameras are told about who asks.
pub const USER_AGENT: &str = concat!("stream-hub/", env!("CARGO_PKG_VERSION"));

/// How the packets travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Interleaved in the RTSP connection.
    Tcp,
    /// RTP and RTCP on ports of their own.
    Udp,
}

/// A camera, with what was read from its Secret for this attempt.
#[derive(Clone)]
pub struct RtspSpec {
    /// The whole URL. May itself be a secret.
    pub url: String,
    /// What may be shown of it: scheme, host, port and, unless it is a secret, path.
    pub shown: String,
    /// How packets travel.
    pub transport: Transport,
    /// User name and password.
    pub login: Option<(String, String)>,
    /// Own certificate authorities, PEM.
    pub ca: Option<PathBuf>,
    /// What its timestamps are made of.
    pub clock: Settings,
    /// Hides the secrets of this camera in texts from outside.
    pub redactor: Redactor,
}

/// Reads the camera until it ends, fails or is stopped.
pub fn run(spec: &RtspSpec, attempt: &Attempt) -> End {
    match Session::open(spec, &attempt.outlet) {
        Ok(session) => session.play(spec, attempt),
        Err(fault) => End::Failed(fault),
    }
}

struct Session {
    _running: Running,
    bus: gst::Bus,
    found: Arc<Mutex<Found>>,
    arrivals: Arc<Arrivals>,
    redirects: Arc<Redirects>,
}

impl Session {
    fn open(spec: &RtspSpec, outlet: &Arc<dyn Outlet>) -> Result<Self, Fault> {
        let pipeline = gst::Pipeline::new();
        let source = make("rtspsrc")?;
        configure(&source, spec)?;
        pipeline
            .add(&source)
            .map_err(|e| Fault::transient("Internal", e.to_string(), "report this"))?;
        let redirects = Redirects::watch(&source, &spec.url, spec.login.is_some());
        let clock = RtpClock::new(spec.clock, &outlet.clock());
        let arrivals = Arc::new(Arrivals::of_rtp(clock));
        watch_reports(&source, &arrivals);
        let found: Arc<Mutex<Found>> = Arc::default();
        watch_pads(&pipeline, &source, &found, &arrivals, outlet);
        let bus = pipeline
            .bus()
            .ok_or_else(|| Fault::transient("Internal", "no pipeline bus", "report this"))?;
        let running = Running(pipeline);
        // What goes wrong here is told in full by the message on the bus.
        let _ = running.0.set_state(gst::State::Playing);
        Ok(Self {
            _running: running,
            bus,
            found,
            arrivals,
            redirects,
        })
    }

    fn play(self, spec: &RtspSpec, attempt: &Attempt) -> End {
        let outlet = &attempt.outlet;
        let started = Instant::now();
        let mut branch: Option<(Branch, &'static str)> = None;
        let mut reader = Reader::default();
        let mut told = started;
        loop {
            if attempt.stop.is_stopped() {
                return End::Stopped;
            }
            if branch.is_none() {
                let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
                match found.branch.take() {
                    Some(Ok(ready)) => {
                        ring_for(&ready.0.sink, &self.bus, &attempt.stop);
                        branch = Some(ready);
                    }
                    Some(Err(fault)) => return End::Failed(fault),
                    None if found.complete && !found.taken => {
                        return End::Failed(no_video(spec, &found.offered));
                    }
                    None if !found.taken => {
                        if let Some(fault) = self.redirects.endless(&spec.shown) {
                            return End::Failed(fault);
                        }
                    }
                    None => {}
                }
            }
            let sink = branch.as_ref().map(|(branch, _)| &branch.sink);
            let wait = sink.map_or(CONNECTING, |_| gst::ClockTime::ZERO);
            match (pull(sink, &self.bus, wait), &branch) {
                (Pulled::Sample(sample), Some((branch, codec))) => {
                    let decoder = branch.decoder.as_deref();
                    if let Some((content, pts)) = reader.read(&sample, codec, decoder, attempt) {
                        let arrival = self.arrivals.take(pts);
                        if let Some(took) = arrival.and_then(|arrival| arrival.decoding()) {
                            outlet.stage("decode", took);
                        }
                        self.hand_over(content, arrival, outlet);
                    }
                }
                (Pulled::Error(error, debug), _) => {
                    return End::Failed(self.failed(spec, &error, &debug));
                }
                (Pulled::Eos, _) => {
                    return End::Failed(Fault::transient(
                        "StreamEnded",
                        format!(
                            "{}: the camera ended the stream (RTCP BYE or end of file)",
                            spec.shown
                        ),
                        "nothing to do if the camera is restarting; else look at its session limit",
                    ));
                }
                (Pulled::Nothing, Some(_)) => attempt.stop.rest(LOOK),
                (Pulled::Sample(_) | Pulled::Nothing, _) => {}
            }
            let (held_back, received) = self.arrivals.drain();
            for (reason, count) in held_back {
                outlet.held_back(reason, count);
            }
            for unit in received {
                outlet.stage("receive", unit.took);
                outlet.alive(Some(unit.at));
            }
            if told.elapsed() >= TELL_CLOCK
                && let Some(clock) = self.arrivals.clock()
            {
                told = Instant::now();
                outlet.clock_health(clock.health());
            }
            outlet.alive(None);
            if let Some(fault) = stale(spec, &self.arrivals, started) {
                return End::Failed(fault);
            }
        }
    }

    /// Passes a picture on with its time.
    fn hand_over(&self, content: Arc<Content>, arrival: Option<Arrival>, outlet: &Arc<dyn Outlet>) {
        let stamped = arrival.and_then(|arrival| arrival.stamp);
        let Some((clock, stamp)) = self.arrivals.clock().zip(stamped) else {
            outlet.frame(Captured {
                content,
                at: arrival.map_or_else(Instant::now, |arrival| arrival.first),
                capture: CaptureSource::Arrival,
                error: None,
                repeated: false,
            });
            return;
        };
        let Some(taken) = clock.taken(stamp, &outlet.clock()) else {
            outlet.held_back("old_epoch", 1);
            return;
        };
        if let Some(cause) = taken.begins {
            outlet.new_epoch(cause);
        }
        outlet.frame(Captured {
            content,
            at: taken.at,
            capture: taken.capture,
            error: taken.error,
            repeated: false,
        });
    }

    /// What an error means: what was seen before it may say more than its own text.
    fn failed(&self, spec: &RtspSpec, error: &gst::glib::Error, debug: &str) -> Fault {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(wrong) = found.certificate {
            return certificate_refused(&spec.shown, wrong);
        }
        if !found.taken && !found.offered.is_empty() {
            return no_video(spec, &found.offered);
        }
        let fault = classify(error, debug, &spec.shown, &spec.redactor);
        if fault.reason != "Unauthorized" {
            return fault;
        }
        let unsupported = || {
            let asked = unsupported_at(&spec.url)?;
            Some(authentication_unsupported(&spec.shown, &asked))
        };
        self.redirects
            .refused(&spec.shown)
            .or_else(unsupported)
            .or_else(|| spec.login.is_none().then(|| login_wanted(&spec.shown)))
            .unwrap_or(fault)
    }
}

fn stale(spec: &RtspSpec, arrivals: &Arrivals, started: Instant) -> Option<Fault> {
    if let Some(fault) = key_frame::missing(arrivals, &spec.shown) {
        return Some(fault);
    }
    match arrivals.newest() {
        None if started.elapsed() > FIRST_FRAME_WITHIN => Some(Fault::transient(
            "NoFrames",
            format!(
                "{}: connected or connecting for {} s without a single frame",
                spec.shown,
                FIRST_FRAME_WITHIN.as_secs()
            ),
            "check that the camera answers; with transport udp, that no firewall drops its packets",
        )),
        Some(newest) => {
            let limit = arrivals
                .interval()
                .map_or(STALE_AFTER, |mean| STALE_AFTER.max(mean * 3));
            let silence = newest.elapsed();
            (silence > limit).then(|| {
                Fault::transient(
                    "NoFrames",
                    format!(
                        "{}: last frame {:.0} s ago, though the connection is open",
                        spec.shown,
                        silence.as_secs_f64()
                    ),
                    "check the camera and the network to it; it is reconnected by itself",
                )
            })
        }
        None => None,
    }
}

fn no_video(spec: &RtspSpec, offered: &[String]) -> Fault {
    let offered = if offered.is_empty() {
        "nothing".to_owned()
    } else {
        offered.join(", ")
    };
    Fault::transient(
        "NoVideo",
        format!(
            "{}: the camera offers {offered}, and no video that can be used",
            spec.shown
        ),
        "set the camera or the URL to a stream with H.264, H.265 or MJPEG",
    )
}

fn configure(source: &gst::Element, spec: &RtspSpec) -> Result<(), Fault> {
    source.set_property("location", &spec.url);
    let (protocols, latency) = match spec.transport {
        Transport::Tcp => ("tcp", Duration::ZERO),
        Transport::Udp => ("udp", UDP_REORDER),
    };
    source.set_property_from_str(
        "protocols",
        if spec.url.starts_with("rtsps://") {
            match spec.transport {
                Transport::Tcp => "tls+tcp",
                Transport::Udp => "tls+udp",
            }
        } else {
            protocols
        },
    );
    source.set_property("latency", latency.as_millis() as u32);
    source.set_property("tcp-timeout", ANSWER_WITHIN.as_micros() as u64);
    // UDP: a camera of few frames a second may be silent for long, and says itself when it is not.
    source.set_property("timeout", NO_PACKETS_WITHIN.as_micros() as u64);
    source.set_property("udp-reconnect", false);
    source.set_property("user-agent", USER_AGENT);
    if let Some((user, password)) = &spec.login {
        source.set_property("user-id", user);
        source.set_property("user-pw", password);
    }
    if let Some(ca) = &spec.ca {
        let anchors = gio::TlsFileDatabase::new(ca).map_err(|error| {
            Fault::transient(
                "InvalidCertificate",
                format!("ca.crt cannot be used: {}", error.message()),
                "put one or more PEM certificates into the key ca.crt of the Secret",
            )
        })?;
        source.set_property("tls-database", &anchors);
    }
    Ok(())
}

/// Reads sender reports where the session manager gets them: it tells of them only by way of its own clock.
fn watch_reports(source: &gst::Element, arrivals: &Arc<Arrivals>) {
    let arrivals = Arc::clone(arrivals);
    source.connect("new-manager", false, move |values| {
        let manager: gst::Element = values.get(1)?.get().ok()?;
        let arrivals = Arc::clone(&arrivals);
        manager.connect_pad_added(move |_, pad| {
            if !pad.name().starts_with("recv_rtcp_sink") {
                return;
            }
            let arrivals = Arc::clone(&arrivals);
            pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
                let map = info.buffer().and_then(|buffer| buffer.map_readable().ok());
                if let (Some(packet), Some(clock)) = (map, arrivals.clock()) {
                    clock.rtcp(&packet, Instant::now());
                }
                gst::PadProbeReturn::Ok
            });
        });
        None
    });
}
