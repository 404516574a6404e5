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
    fn alive(&self, _: Option<Instant>) {}
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

    /// Where the last NAL unit of an access unit begins, with the four bytes of its length.
    fn last_nal_unit(bytes: &[u8]) -> usize {
        let length = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let mut last = 0;
        while last + 4 + length(last) < bytes.len() {
            last += 4 + length(last);
        }
        last
    }

    /// Other bytes with the time of an access unit.
    fn timed(&self, n: usize, bytes: Vec<u8>) -> gst::Buffer {
        let mut unit = gst::Buffer::from_slice(bytes);
        let flags = gst::BufferCopyFlags::TIMESTAMPS | gst::BufferCopyFlags::FLAGS;
        self.units[n]
            .copy_into(unit.get_mut().unwrap(), flags, ..)
            .unwrap();
        unit
    }

    /// An access unit with half of its last slice.
    fn cut(&self, n: usize) -> gst::Buffer {
        let bytes = self.units[n].map_readable().unwrap();
        let last = Self::last_nal_unit(&bytes);
        let half = (bytes.len() - last - 4) / 2;
        let length = (half as u32).to_be_bytes();
        let kept = [&bytes[..last], &length, &bytes[last + 4..last + 4 + half]];
        self.timed(n, kept.concat())
    }

    /// The first access unit behind a lost one.
    fn after_loss(&self, n: usize) -> gst::Buffer {
        let mut unit = self.units[n].clone();
        unit.make_mut().set_flags(gst::BufferFlags::DISCONT);
        unit
    }

    /// The same, with what is left of the lost one when only its slice is lost.
    fn after_lost_slice(&self, n: usize) -> gst::Buffer {
        let lost = self.units[n - 1].map_readable().unwrap();
        let bytes = self.units[n].map_readable().unwrap();
        let left = &lost[..Self::last_nal_unit(&lost)];
        let mut unit = self.timed(n, [left, &bytes].concat());
        unit.make_mut().set_flags(gst::BufferFlags::DISCONT);
        unit
    }

    /// What a camera shows that sends `unit` of each number, if there is one, while so much is wanted of it.
    fn shown(
        &self,
        count: usize,
        want: impl Fn(usize) -> Want,
        unit: impl Fn(usize) -> Option<gst::Buffer>,
    ) -> Pictures {
        let mut bench = Bench::new(self);
        for n in 0..count {
            *bench.viewer.0.lock().unwrap() = want(n);
            if let Some(unit) = unit(n) {
                bench.push(unit);
            }
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

/// A clip, and its pictures when nothing is lost.
fn whole(name: &str) -> (Film, Pictures) {
    let film = Film::load(name);
    let truth = film.shown(UNITS + 10, |_| Want::All, |n| Some(film.units[n].clone()));
    assert!(truth.len() > UNITS, "{name}: {}", truth.len());
    (film, truth)
}

fn assert_of_it(truth: &Pictures, shown: Pictures, at_least: usize, what: &str) {
    assert!(shown.len() >= at_least, "{what}: {} pictures", shown.len());
    for (pts, picture) in shown {
        assert!(truth[&pts] == picture, "{what}: made up at {pts:?}");
    }
}

#[test]
fn nobody_who_wakes_a_camera_is_shown_what_refers_to_a_damaged_access_unit() {
    for name in ["pattern-h264.mp4", "pattern-h264-bframes.mp4"] {
        let (film, truth) = whole(name);
        for damaged in [52, 60] {
            for woken in damaged..77 {
                let want = |n| match n {
                    30.. if n < woken => Want::Nothing,
                    _ => Want::All,
                };
                let unit = |n: usize| match n {
                    _ if n == damaged => Some(film.cut(n)),
                    _ => Some(film.units[n].clone()),
                };
                let shown = film.shown(UNITS, want, unit);
                let what = format!("{name}, {damaged} damaged, woken at {woken}");
                assert_of_it(&truth, shown, 55, &what);
            }
        }
    }
}

#[test]
fn after_a_loss_the_next_key_frame_is_a_new_begin_and_nothing_refers_to_what_was_before() {
    let (film, truth) = whole("pattern-h264-bframes.mp4");
    for lost in 26..75 {
        let unit = |n: usize| match n {
            _ if n == lost => None,
            _ if n == lost + 1 => Some(film.after_loss(n)),
            _ => Some(film.units[n].clone()),
        };
        let shown = film.shown(UNITS, |_| Want::All, unit);
        assert_of_it(&truth, shown, 80, &format!("{lost} lost"));
    }
}

#[test]
fn who_joins_between_two_key_frames_sees_all_from_the_next_one_on() {
    for (name, seen) in [("pattern-h264.mp4", 35), ("pattern-h264-bframes.mp4", 33)] {
        let (film, truth) = whole(name);
        for begin in 51..75 {
            let unit = |n: usize| (n >= begin).then(|| film.units[n].clone());
            let shown = film.shown(UNITS, |_| Want::All, unit);
            assert_of_it(&truth, shown, seen, &format!("{name} from {begin} on"));
        }
    }
}

#[test]
fn the_recovery_point_of_a_lost_picture_is_none_of_the_next_one() {
    for name in ["pattern-h264-bframes.mp4", "pattern-h264-refresh.mp4"] {
        let (film, truth) = whole(name);
        let unit = |n: usize| match n {
            50 => None,
            51 => Some(film.after_lost_slice(n)),
            _ => Some(film.units[n].clone()),
        };
        let shown = film.shown(UNITS, |_| Want::All, unit);
        assert!(!shown.contains_key(&film.units[51].pts()), "{name}");
        assert_of_it(&truth, shown, 60, name);
    }
}
