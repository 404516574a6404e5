//! Consumers join two cameras on `tick` with no server in between.

use streamhub_ingest::clock::Mode;
use streamhub_wire::tick::{Offer, RateGate, TickGrid};

use crate::camera::{Camera, Reports};
use crate::run::watch;

/// A published frame.
struct Frame {
    tick: i64,
    timestamp: i64,
    truth: f64,
}

/// What it publishes after the first seconds, in which it may still step to its reports.
fn published(camera: &Camera, grid: TickGrid, seconds: i64) -> Vec<Frame> {
    let mut gate = RateGate::new(grid);
    let mut frames = Vec::new();
    watch(camera, Mode::Auto, &vec![], seconds, |shown| {
        if shown.begins_epoch() {
            gate.new_epoch();
        }
        if let Offer::Due { tick_us, .. } = gate.offer(shown.timestamp())
            && shown.arrival > 6_000_000
        {
            frames.push(Frame {
                tick: tick_us,
                timestamp: shown.timestamp(),
                truth: shown.truth,
            });
        }
    });
    frames
}

/// For each frame of the left one, the right one's frame that is nearest by timestamp of those whose tick lies within
/// one interval. A camera that is a little faster than its rendition has ticks up to 1.5 intervals after its timestamps,
/// a slower one up to half an interval before or after them; so equal ticks alone would join neighbours.
fn join<'a>(left: &'a [Frame], right: &'a [Frame], interval: f64) -> Vec<(&'a Frame, &'a Frame)> {
    let mut begin = 0;
    let pairs = left.iter().filter_map(|frame| {
        while (right.get(begin)?.tick as f64) < frame.tick as f64 - interval - 1.0 {
            begin += 1;
        }
        let within = right[begin..]
            .iter()
            .take_while(|other| other.tick as f64 <= frame.tick as f64 + interval + 1.0);
        let nearest = within.min_by_key(|other| (other.timestamp - frame.timestamp).abs());
        Some((frame, nearest?))
    });
    pairs.collect()
}

#[test]
fn two_cameras_join_on_tick_and_were_taken_at_most_one_interval_apart() {
    let grid = TickGrid::new(30_000, 1001).unwrap();
    let interval = grid.interval_us();
    let fps = grid.fps();
    for (a_drift, b_drift, reports) in [
        (30e-6, -20e-6, Reports::Absent),
        (
            -50e-6,
            45e-6,
            Reports::Clock {
                off: 0.0,
                noise: 500.0,
                from: 0,
            },
        ),
    ] {
        let mut a = Camera::new(11, fps);
        let mut b = Camera::new(12, fps);
        (a.drift, b.drift) = (a_drift, b_drift);
        (a.reports, b.reports) = (reports, reports);
        let (left, right) = (published(&a, grid, 6 * 3600), published(&b, grid, 6 * 3600));
        let pairs = join(&left, &right, interval);
        let share = pairs.len() as f64 / left.len() as f64;
        let apart = |(a, b): &(&Frame, &Frame)| (a.truth - b.truth).abs();
        let worst = pairs.iter().map(apart).fold(0.0, f64::max);
        println!("joined {share:.6}, worst {worst:.0} us apart");
        assert!(share >= 0.999, "{share}");
        assert!(worst <= interval, "{worst}");
    }
}
