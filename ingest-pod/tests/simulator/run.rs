//! A pod that watches a simulated camera: the real clock, with the decoder's reordering and the node's clock steps.

use std::collections::VecDeque;

use streamhub_ingest::clock::{Mode, Reading, Settings, Stamp, StreamClock};

use crate::camera::{BEGIN_UNIX_US, Camera, Event, SSRC, play};

/// A picture as it leaves the decoder.
#[derive(Debug, Clone, Copy)]
pub struct Shown {
    /// True capture time.
    pub truth: f64,
    /// What the clock says of it.
    pub reading: Reading,
    /// Hub time minus monotonic time then.
    pub wall: i64,
    /// It is the first one after a step of the node's clock.
    pub node_stepped: bool,
    /// RTP time since the first frame, microseconds.
    pub media: f64,
    /// When its access unit arrived.
    pub arrival: i64,
}

impl Shown {
    /// The timestamp, UNIX microseconds.
    pub fn timestamp(&self) -> i64 {
        self.reading.at_us + self.wall
    }

    /// Whether timestamps may jump at this one.
    pub fn begins_epoch(&self) -> bool {
        self.node_stepped || self.reading.begins.is_some()
    }
}

/// Steps of the node's clock: when, and by how many microseconds.
pub type Steps = Vec<(i64, i64)>;

/// Watches a camera for so many seconds.
pub fn watch(
    camera: &Camera,
    mode: Mode,
    steps: &Steps,
    seconds: i64,
    mut sink: impl FnMut(Shown),
) {
    let settings = Settings {
        mode,
        offset_us: 0,
        rate: 90_000,
    };
    let mut wall = BEGIN_UNIX_US;
    let mut clock = StreamClock::new(settings, wall);
    let mut steps: VecDeque<_> = steps.iter().copied().collect();
    let mut decoder: Vec<(f64, Stamp, f64, i64)> = Vec::new();
    let mut stepped = false;
    play(camera, seconds, |event| match event {
        Event::Report { report, arrival } => clock.report(report, arrival),
        Event::Unit {
            rtp,
            arrival,
            truth,
        } => {
            while steps.front().is_some_and(|(at, _)| *at <= arrival) {
                wall += steps.pop_front().map_or(0, |(_, by)| by);
                stepped = true;
            }
            let stamp = clock.arrived(rtp, SSRC, arrival);
            let media = (truth - camera.begins as f64) / (1.0 + camera.drift);
            decoder.push((truth, stamp, media, arrival));
            decoder.sort_by(|a, b| a.0.total_cmp(&b.0));
            // Three are under way where pictures are reordered.
            while decoder.len() > if camera.b_frames { 3 } else { 0 } {
                let (truth, stamp, media, arrival) = decoder.remove(0);
                if let Some(reading) = clock.capture(stamp, wall) {
                    sink(Shown {
                        truth,
                        reading,
                        wall,
                        node_stepped: std::mem::take(&mut stepped),
                        media,
                        arrival,
                    });
                }
            }
        }
    });
}
