//! A decoder behind guard and gate, fed by hand: each picture that it shows must be, bit by bit, what it makes of the
//! whole clip.

use gstreamer_app as gst_app;
use std::collections::BTreeMap;
use streamhub_crds::Fps;
use streamhub_testkit::clip;

use super::*;
use crate::captured::Captured;
use crate::clock::{Cause, Health};
use crate::fault::Fault;
use crate::hub_clock::HubClock;
use crate::router::Want;
use crate::source::decode::{Branch, attach};
use crate::source::pull::Running;
use crate::source::{Described, Needed, Outlet};

type Pictures = BTreeMap<Option<gst::ClockTime>, Vec<u8>>;

/// Wants what it is told to want.
struct Viewer(Mutex<Want>);

impl Outlet for Viewer {
    fn want(&self, _: Instant) -> Want {
        *self.0.lock().unwrap()
    }
    fn new_epoch(&self, _: Cause) {}
    fn clock_health(&self, _: Health) {}
    fn frame(&self, _: Captured) {}
    fn described(&self, _: Described) {}
    fn stage(&self, _: &'static str, _: Duration) {}
    fn decoding(&self, _: u64) {}
    fn held_back(&self, _: &'static str, _: u64) {}
    fn alive(&self, _: bool) {}
    fn notice(&self, _: Option<Fault>) {}
    fn clock(&self) -> HubClock {
        HubClock::now_anchored()
    }
    fn fastest_interval(&self) -> Duration {
        Fps::THIRTY.interval()
    }
    fn needed(&self) -> Needed {
        Needed {
            fps: Fps::THIRTY,
            size: None,
        }
    }
}

/// The access units of a clip, each NAL unit after its length.
struct Film {
    caps: gst::Caps,
    units: Vec<gst::Buffer>,
}

impl Film {
    fn load(name: &str) -> Self {
        gst::init().unwrap();
        let description = format!(
            "filesrc location={} ! qtdemux ! h264parse ! video/x-h264,stream-format=avc,alignment=au ! \
             appsink name=units sync=false",
            clip(name).unwrap().display(),
        );
        let pipeline = gst::parse::launch(&description).unwrap();
        let pipeline = Running(pipeline.downcast::<gst::Pipeline>().unwrap());
        let sink = pipeline.0.by_name("units").unwrap();
        let sink = sink.downcast::<gst_app::AppSink>().unwrap();
        pipeline.0.set_state(gst::State::Playing).unwrap();
        let samples: Vec<_> = std::iter::from_fn(|| sink.pull_sample().ok()).collect();
        Self {
            caps: samples[0].caps_owned().unwrap(),
            units: samples.iter().map(|s| s.buffer_owned().unwrap()).collect(),
        }
    }

    /// An access unit with half of its last slice.
    fn cut(&self, n: usize) -> gst::Buffer {
        let bytes = self.units[n].map_readable().unwrap();
        let length = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let mut last = 0;
        while last + 4 + length(last) < bytes.len() {
            last += 4 + length(last);
        }
        let half = length(last) / 2;
        let kept = [
            &bytes[..last],
            &(half as u32).to_be_bytes(),
            &bytes[last + 4..last + 4 + half],
        ];
        let mut cut = gst::Buffer::from_slice(kept.concat());
        let flags = gst::BufferCopyFlags::TIMESTAMPS | gst::BufferCopyFlags::FLAGS;
        self.units[n]
            .copy_into(cut.get_mut().unwrap(), flags, ..)
            .unwrap();
        cut
    }

    /// What a camera shows that sends `unit` of each number, while so much is wanted of it.
    fn shown(
        &self,
        count: usize,
        want: impl Fn(usize) -> Want,
        unit: impl Fn(usize) -> gst::Buffer,
    ) -> Pictures {
        let mut bench = Bench::new(self);
        for n in 0..count {
            *bench.viewer.0.lock().unwrap() = want(n);
            bench.push(unit(n));
        }
        bench.shown
    }
}

/// The end of a camera's pipeline, which has no thread but the test's.
struct Bench {
    pad: gst::Pad,
    branch: Branch,
    viewer: Arc<Viewer>,
    shown: Pictures,
    _running: Running,
}

impl Bench {
    fn new(film: &Film) -> Self {
        let running = Running(gst::Pipeline::new());
        let viewer = Arc::new(Viewer(Mutex::new(Want::All)));
        let outlet: Arc<dyn Outlet> = viewer.clone();
        let pad = gst::Pad::builder(gst::PadDirection::Src).build();
        running.0.set_state(gst::State::Playing).unwrap();
        let (pace, arrivals) = (Pace::Live, Arc::default());
        let branch = attach(&running.0, &pad, &film.caps, pace, &arrivals, &outlet).unwrap();
        pad.set_active(true).unwrap();
        pad.push_event(gst::event::StreamStart::new("bench"));
        pad.push_event(gst::event::Caps::new(&film.caps));
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        pad.push_event(gst::event::Segment::new(&segment));
        Self {
            pad,
            branch,
            viewer,
            shown: BTreeMap::new(),
            _running: running,
        }
    }

    fn push(&mut self, unit: gst::Buffer) {
        self.pad.push(unit).unwrap();
        while let Some(sample) = self.branch.sink.try_pull_sample(gst::ClockTime::ZERO) {
            let buffer = sample.buffer().unwrap();
            if !buffer.flags().contains(gst::BufferFlags::CORRUPTED) {
                let bytes = buffer.map_readable().unwrap().to_vec();
                self.shown.insert(buffer.pts(), bytes);
            }
        }
    }
}

/// Key frames of the clips come every 25.
const UNITS: usize = 110;

#[test]
fn nobody_who_wakes_a_camera_is_shown_what_refers_to_a_damaged_access_unit() {
    for name in ["pattern-h264.mp4", "pattern-h264-bframes.mp4"] {
        let film = Film::load(name);
        let whole = |n: usize| film.units[n].clone();
        let truth = film.shown(UNITS + 10, |_| Want::All, whole);
        assert!(truth.len() > UNITS, "{name}: {}", truth.len());
        for damaged in [52, 60] {
            for woken in damaged..77 {
                let want = |n| match n {
                    30.. if n < woken => Want::Nothing,
                    _ => Want::All,
                };
                let unit = |n| {
                    if n == damaged { film.cut(n) } else { whole(n) }
                };
                let shown = film.shown(UNITS, want, unit);
                assert!(shown.len() > 30, "{name}: {}", shown.len());
                for (pts, picture) in shown {
                    assert!(
                        truth[&pts] == picture,
                        "{name}, {damaged} damaged, woken at {woken}: made up at {pts:?}"
                    );
                }
            }
        }
    }
}
