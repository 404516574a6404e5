//! Consumers join two cameras on `tick` with no server in between.

use std::time::{Duration, Instant};

use streamhub_ingest::clock::Mode;
use streamhub_wire::join::{JoinOptions, Joiner, Moment};
use streamhub_wire::tick::{Offer, RateGate, TickGrid};

use crate::camera::{Camera, Reports};
use crate::run::watch;

/// A published frame.
struct Frame {
    moment: Moment,
    arrival: i64,
    truth: f64,
}

/// What it publishes after the first seconds, in which it may still step to its reports.
fn published(camera: &Camera, grid: TickGrid, seconds: i64) -> Vec<Frame> {
    let mut gate = RateGate::new(grid);
    let mut frames = Vec::new();
    let (mut epoch, mut frame_id) = (0, 0);
    watch(camera, Mode::Auto, &vec![], seconds, |shown| {
        if shown.begins_epoch() {
            gate.new_epoch();
            epoch += 1;
        }
        if let Offer::Due { tick_us, .. } = gate.offer(shown.timestamp())
            && shown.arrival > 6_000_000
        {
            frame_id += 1;
            frames.push(Frame {
                moment: Moment {
                    tick_us,
                    timestamp_us: shown.timestamp(),
                    epoch,
                    frame_id,
                    interval_us: grid.interval_us(),
                },
                arrival: shown.arrival,
                truth: shown.truth,
            });
        }
    });
    frames
}

/// True capture times of the pairs that a consumer gets who reads both as they arrive.
fn join(left: &[Frame], right: &[Frame]) -> Vec<(f64, f64)> {
    let begin = Instant::now();
    let mut joiner = Joiner::new(2, JoinOptions::default());
    let mut pairs = Vec::new();
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    let mut take = |joiner: &mut Joiner<f64>, now| {
        while let Some(set) = joiner.next(now) {
            if let [Some(a), Some(b)] = set.frames[..] {
                pairs.push((a, b));
            }
        }
    };
    loop {
        let first = match (left.peek(), right.peek()) {
            (Some(a), Some(b)) if a.arrival <= b.arrival => 0,
            (_, Some(_)) => 1,
            (Some(_), None) => 0,
            (None, None) => break,
        };
        let Some(frame) = (if first == 0 {
            left.next()
        } else {
            right.next()
        }) else {
            break;
        };
        let now = begin + Duration::from_micros(frame.arrival.unsigned_abs());
        while let Some(due) = joiner.deadline().filter(|due| *due <= now) {
            take(&mut joiner, due);
        }
        joiner.offer(first, frame.moment, frame.truth, now);
        take(&mut joiner, now);
    }
    pairs
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
        let pairs = join(&left, &right);
        let share = pairs.len() as f64 / left.len() as f64;
        let apart = |(a, b): &(f64, f64)| (a - b).abs();
        let worst = pairs.iter().map(apart).fold(0.0, f64::max);
        println!("joined {share:.6}, worst {worst:.0} us apart");
        assert!(share >= 0.999, "{share}");
        assert!(worst <= interval, "{worst}");
    }
}
