//! Within an epoch timestamps run at the pace of the camera's own clock, give or take 500 ppm.

use std::collections::BTreeMap;

use proptest::prelude::*;
use streamhub_ingest::clock::{Cause, Mode};
use streamhub_wire::metadata::CaptureSource;

use crate::bounds::histories;
use crate::camera::{Camera, Reports};
use crate::run::{Shown, Steps, watch};

/// Epochs by cause, and the first and last use of reports.
#[derive(Debug, Default)]
struct Seen {
    begun: BTreeMap<&'static str, u32>,
    changes: u32,
    last: Option<CaptureSource>,
    worst_from_arrival: i64,
}

/// Fails at the first pair of frames of one epoch whose distance is not that of their RTP times.
fn watch_strictly(camera: &Camera, mode: Mode, steps: &Steps, seconds: i64) -> Seen {
    let mut seen = Seen::default();
    let mut last: Option<Shown> = None;
    watch(camera, mode, steps, seconds, |shown| {
        if let Some(cause) = shown.reading.begins {
            *seen.begun.entry(cause.as_str()).or_default() += 1;
        }
        if shown.node_stepped {
            *seen.begun.entry(Cause::NodeClock.as_str()).or_default() += 1;
        }
        if let Some(last) = last.filter(|_| !shown.begins_epoch()) {
            let between = shown.media - last.media;
            let beside = (shown.timestamp() - last.timestamp()) as f64 - between;
            assert!(
                shown.timestamp() >= last.timestamp(),
                "{shown:?} after {last:?}"
            );
            // A burst at the very beginning is held back to its arrival.
            let beginning = shown.arrival < 6_000_000;
            // RTP time has a grain of 11 us, and timestamps of one.
            assert!(
                beginning || beside.abs() <= 500e-6 * between + 25.0,
                "{beside} us in {between}: {shown:?} after {last:?}"
            );
        }
        if seen
            .last
            .replace(shown.reading.source)
            .is_some_and(|was| was != shown.reading.source)
        {
            seen.changes += 1;
        }
        seen.worst_from_arrival = seen
            .worst_from_arrival
            .max(shown.reading.at_us - shown.arrival);
        last = Some(shown);
    });
    seen
}

fn begun(seen: &Seen) -> Vec<(&'static str, u32)> {
    seen.begun
        .iter()
        .map(|(&cause, &count)| (cause, count))
        .collect()
}

const HOUR: i64 = 3600;

fn reporting(off: f64, from: i64) -> Camera {
    let mut camera = Camera::new(21, 25.0);
    camera.drift = 60e-6;
    camera.reports = Reports::Clock {
        off,
        noise: 1_000.0,
        from,
    };
    camera
}

#[test]
fn a_day_across_the_wrap_of_rtp_time_is_one_epoch() {
    let mut camera = Camera::new(20, 15.0);
    camera.drift = -95e-6;
    camera.b_frames = true;
    camera.rtp_begins = u32::MAX - 1_000_000;
    camera.stalls = Some((600.0, 4.0));
    let seen = watch_strictly(&camera, Mode::Auto, &vec![], 24 * HOUR);
    let settled = seen.begun.get("settled").copied().unwrap_or(0);
    assert!(
        settled <= 1 && begun(&seen).iter().all(|(cause, _)| *cause == "settled"),
        "{seen:?}"
    );
}

#[test]
fn an_early_report_is_stepped_to_and_a_late_one_slewed_to() {
    let early = watch_strictly(&reporting(-30_000.0, 0), Mode::Auto, &vec![], HOUR);
    assert_eq!((begun(&early), early.changes), (vec![("settled", 1)], 1));
    assert_eq!(early.last, Some(CaptureSource::Rtcp));
    let late = watch_strictly(&reporting(30_000.0, 20), Mode::Auto, &vec![], HOUR);
    assert_eq!((begun(&late), late.changes), (vec![], 1), "{late:?}");
    assert_eq!(late.last, Some(CaptureSource::Rtcp));
    let never = watch_strictly(&reporting(30_000.0, 0), Mode::Arrival, &vec![], HOUR);
    assert_eq!((begun(&never), never.changes), (vec![], 0));
}

#[test]
fn steps_of_the_nodes_clock_begin_epochs_and_nothing_else_does() {
    let steps = vec![
        (600_000_000, -7_200_000_000),
        (1_200_000_000, 7_200_000_000),
        (1_800_000_000, 150_000),
        (2_400_000_000, -30_000),
    ];
    let seen = watch_strictly(&reporting(20_000.0, 0), Mode::Auto, &steps, HOUR);
    assert_eq!(seen.begun.get("node_clock"), Some(&4));
    assert!(
        seen.begun
            .keys()
            .all(|cause| ["node_clock", "settled"].contains(cause)),
        "{seen:?}"
    );
    assert_eq!(
        seen.last,
        Some(CaptureSource::Rtcp),
        "used again when the node's clock is right again"
    );
}

#[test]
fn a_way_that_becomes_300_ms_longer_is_not_slewed_over_but_a_new_epoch() {
    let mut camera = reporting(0.0, 0);
    camera.longer_way = Some((1_000, 300_000.0));
    let seen = watch_strictly(&camera, Mode::Auto, &vec![], HOUR);
    assert_eq!(seen.begun.get("not_held"), Some(&1), "{seen:?}");
    assert_eq!(
        seen.last,
        Some(CaptureSource::Arrival),
        "reports are 300 ms off from there on"
    );
}

#[test]
fn a_camera_that_counts_anew_begins_an_epoch() {
    for by in [
        1_000_000_000,
        3_000_000_000,
        90 * 3_000,
        0u32.wrapping_sub(90 * 3_000),
    ] {
        let mut camera = Camera::new(23, 25.0);
        camera.restart = Some((1_000, by));
        let mut jumps = 0;
        let mut worst = 0;
        watch(&camera, Mode::Auto, &vec![], HOUR, |shown| {
            jumps += u32::from(shown.reading.begins.is_some());
            let beside = shown.truth + camera.delay - shown.reading.at_us as f64;
            worst = worst.max(beside.abs() as i64);
        });
        assert!((1..=2).contains(&jumps), "{by}: {jumps} epochs");
        assert!(worst < 60_000, "{by}: {worst} us off");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn there_is_no_jump_within_an_epoch(camera in histories(), steps in prop::collection::vec((1i64..1_200, -7_200_000i64..7_200_000), 0..4)) {
        let mut steps: Steps = steps.into_iter().map(|(at, by)| (at * 1_000_000, by * 1_000)).collect();
        steps.sort_unstable();
        let seen = watch_strictly(&camera, Mode::Auto, &steps, 1_200);
        prop_assert!(!seen.begun.contains_key("rtp_useless"), "{seen:?}");
    }
}
