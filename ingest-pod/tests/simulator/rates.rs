//! No frame of a camera that is as slow as its rendition is lost, whatever the jitter.

use streamhub_ingest::clock::Mode;
use streamhub_wire::tick::{Offer, RateGate, TickGrid};

use crate::camera::{Camera, Reports};
use crate::run::watch;

const DAY: i64 = 24 * 3600;

/// Frames of a day, and those that were surplus.
fn surplus(camera: &Camera, grid: TickGrid) -> (u64, u64) {
    let mut gate = RateGate::new(grid);
    let (mut offered, mut surplus) = (0, 0);
    watch(camera, Mode::Auto, &vec![], DAY, |shown| {
        if shown.begins_epoch() {
            gate.new_epoch();
        }
        offered += 1;
        if gate.offer(shown.timestamp()) == Offer::Surplus {
            surplus += 1;
        }
    });
    (offered, surplus)
}

/// In the second history reports take over at 30 s, and the timestamps slew by the 10 ms in which they disagree with
/// arrival; to slew by more than an interval would be to follow a camera that is faster than the rendition.
#[test]
fn a_camera_of_equal_rate_with_40_percent_jitter_loses_no_frame_in_a_day() {
    let grid = TickGrid::new(30, 1).unwrap();
    for (seed, reports) in [
        (1, Reports::Absent),
        (
            2,
            Reports::Clock {
                off: 30_000.0,
                noise: 2_000.0,
                from: 30,
            },
        ),
    ] {
        let mut camera = Camera::new(seed, 30.0);
        camera.reports = reports;
        let (offered, surplus) = surplus(&camera, grid);
        assert!(offered > 2_590_000, "{offered}");
        assert_eq!(surplus, 0, "of {offered}, {reports:?}");
    }
}
