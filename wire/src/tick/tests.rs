use super::*;
use proptest::prelude::*;

const NOW_US: i64 = 1_795_244_278_123_457;

fn grid(num: u32, den: u32) -> TickGrid {
    TickGrid::new(num, den).unwrap()
}

/// Timestamps of a source with the given interval; `jitter` in -1..1 scales to that fraction of the interval.
fn source(interval_us: f64, jitter: &[f64], amount: f64) -> Vec<i64> {
    jitter
        .iter()
        .enumerate()
        .map(|(i, j)| NOW_US + ((i as f64 + j * amount) * interval_us) as i64)
        .collect()
}

fn due(gate: &mut RateGate, timestamps: &[i64]) -> Vec<i64> {
    timestamps
        .iter()
        .filter_map(|ts| match gate.offer(*ts) {
            Offer::Due { k, .. } => Some(k),
            Offer::Surplus => None,
        })
        .collect()
}

#[test]
fn one_instant_is_the_same_number_at_15_and_30_fps() {
    for k in [0, 1, 7, 26_928_664_171] {
        assert_eq!(grid(15, 1).tick_us(k), grid(30, 1).tick_us(2 * k));
    }
    assert_eq!(
        grid(30_000, 1001).tick_us(1),
        33_367,
        "33366.67 rounds to the nearest"
    );
    assert_eq!(grid(64, 1).tick_us(1), 15_625);
    assert_eq!(grid(128, 1).tick_us(1), 7_813, "7812.5 rounds up");
}

#[test]
fn impossible_rates_have_no_grid() {
    for (num, den) in [(0, 1), (1, 0), (241, 1), (482, 2)] {
        assert!(TickGrid::new(num, den).is_err());
    }
    assert!(TickGrid::new(240, 1).is_ok());
    assert!(TickGrid::new(1, 3600).is_ok());
}

#[test]
fn ten_seconds_give_the_right_count_below_at_and_above_the_cameras_rate() {
    for (camera_fps, rate) in [
        (30.0, 15),
        (25.0, 15),
        (30.0, 7),
        (60.0, 1),
        (16.0, 15),
        (15.0, 15),
        (29.97, 30),
        (10.0, 15),
    ] {
        let frames = vec![0.0; (camera_fps * 10.0) as usize];
        let mut gate = RateGate::new(grid(rate, 1));
        let count = due(&mut gate, &source(1e6 / camera_fps, &frames, 0.0)).len();
        let expected = frames.len().min(10 * rate as usize);
        // Up to two more while the source's rate is being measured.
        assert!(
            (expected..=expected + 2).contains(&count),
            "{camera_fps} fps at {rate}: {count}"
        );
    }
}

#[test]
fn a_fast_source_gives_each_tick_the_frame_nearest_to_it() {
    let grid = grid(10, 1);
    let mut gate = RateGate::new(grid);
    let timestamps = source(10_000.0, &[0.0; 500], 0.0);
    for (i, ts) in timestamps.iter().enumerate() {
        if let Offer::Due { tick_us, .. } = gate.offer(*ts)
            && i > 30
        {
            assert!((tick_us - ts).abs() <= 5_001, "{}", tick_us - ts);
        }
    }
}

#[test]
fn a_clock_that_steps_back_does_not_silence_the_camera() {
    let mut gate = RateGate::new(grid(15, 1));
    due(&mut gate, &source(66_667.0, &[0.0; 20], 0.0));
    gate.new_epoch();
    let hour_ago = NOW_US - 3_600_000_000;
    assert!(matches!(gate.offer(hour_ago), Offer::Due { .. }));
}

#[test]
fn a_new_epoch_at_the_same_time_reuses_no_tick() {
    let mut gate = RateGate::new(grid(15, 1));
    let Offer::Due { k: first, .. } = gate.offer(NOW_US) else {
        panic!("the first frame is due")
    };
    gate.new_epoch();
    let Offer::Due { k: second, .. } = gate.offer(NOW_US + 1_000) else {
        panic!("within 1.5 intervals")
    };
    assert_eq!(second, first + 1);
}

#[test]
fn a_clock_that_steps_back_does_not_stop_a_held_frame() {
    let mut gate = RateGate::new(grid(10, 1));
    let first = gate.hold(NOW_US);
    gate.new_epoch();
    assert_eq!(gate.hold(NOW_US), None, "no tick twice");
    gate.new_epoch();
    let hour_ago = gate.hold(NOW_US - 3_600_000_000);
    assert!(hour_ago.is_some() && hour_ago != first);
}

#[test]
fn a_new_epoch_after_a_burst_frees_no_tick() {
    let mut gate = RateGate::new(grid(10, 1));
    let whole_second = NOW_US - NOW_US % 1_000_000;
    let mut ks = due(&mut gate, &[0, 40_000, 50_000].map(|us| whole_second + us));
    gate.new_epoch();
    ks.extend(due(
        &mut gate,
        &[60_000, 200_000, 300_000].map(|us| whole_second + us),
    ));
    assert!(ks.windows(2).all(|pair| pair[1] > pair[0]), "{ks:?}");
}

#[test]
fn a_source_that_becomes_much_slower_is_measured_anew() {
    let mut gate = RateGate::new(grid(10, 1));
    due(&mut gate, &source(10_000.0, &[0.0; 40], 0.0));
    let jitter: Vec<f64> = (0..40).map(|i| f64::from(i % 3 - 1)).collect();
    let slow: Vec<i64> = source(100_000.0, &jitter, 0.4)
        .iter()
        .map(|ts| ts + 1_000_000)
        .collect();
    due(&mut gate, &slow[..10]);
    assert_eq!(due(&mut gate, &slow[10..]).len(), 30);
}

#[test]
fn a_pause_of_a_fast_source_does_not_make_it_a_slow_one() {
    let mut gate = RateGate::new(grid(15, 1));
    due(&mut gate, &source(33_333.0, &[0.0; 40], 0.0));
    let later: Vec<i64> = source(33_333.0, &[0.0; 60], 0.0)
        .iter()
        .map(|ts| ts + 5_000_000)
        .collect();
    let count = due(&mut gate, &later).len();
    assert!((30..=31).contains(&count), "{count}");
}

#[test]
fn probes_are_held_to_the_rate_and_say_nothing_of_the_source() {
    let mut gate = RateGate::new(grid(15, 1));
    let film = source(1e6 / 30.0, &[0.0; 60], 0.0);
    let before = due(&mut gate, &film);
    let idle_for = 100_000_000;
    for second in 2..100 {
        assert!(matches!(
            gate.probe(NOW_US + second * 1_000_000),
            Offer::Due { .. }
        ));
    }
    let again: Vec<i64> = film.iter().map(|ts| ts + idle_for).collect();
    let after = due(&mut gate, &again);
    assert_eq!(
        after.len(),
        before.len(),
        "at the full rate from the first frame on"
    );

    let mut slow = RateGate::new(grid(1, 10));
    let probes =
        (0..100).filter(|second| slow.probe(NOW_US + second * 1_000_000) != Offer::Surplus);
    assert!(
        probes.count() <= 12,
        "never more than the rate allows, but for a start"
    );
}

#[test]
fn a_held_frame_comes_once_per_tick() {
    let mut gate = RateGate::new(grid(10, 1));
    let count = (0..100)
        .filter(|i| gate.hold(NOW_US + i * 20_000).is_some())
        .count();
    assert!((20..=21).contains(&count), "{count}");
}

#[test]
fn a_raised_rate_begins_at_once() {
    let timestamps = source(40_000.0, &[0.0; 75], 0.0);
    let mut gate = RateGate::new(grid(5, 1));
    assert_eq!(due(&mut gate, &timestamps[..50]).len(), 10);
    gate.set_grid(grid(25, 1));
    assert_eq!(due(&mut gate, &timestamps[50..]).len(), 25);
}

proptest! {
    #[test]
    fn no_tick_is_used_twice_and_ticks_rise(
        interval_us in 1_000.0..500_000.0f64,
        num in 1u32..=240,
        jitter in prop::collection::vec(-1.0..1.0f64, 10..300),
        amount in 0.0..3.0f64,
    ) {
        let mut gate = RateGate::new(grid(num, 1));
        let ks = due(&mut gate, &source(interval_us, &jitter, amount));
        prop_assert!(ks.windows(2).all(|pair| pair[1] > pair[0]));
    }

    #[test]
    fn a_changed_rate_uses_no_instant_twice(
        rates in prop::collection::vec(1u32..=60, 1..6),
        interval_us in 4_000.0..200_000.0f64,
        jitter in prop::collection::vec(-1.0..1.0f64, 300..301),
    ) {
        let mut gate = RateGate::new(grid(1, 1));
        let mut last = None;
        for (i, ts) in source(interval_us, &jitter, 0.3).into_iter().enumerate() {
            if i % 50 == 0 {
                gate.set_grid(grid(rates[i / 50 % rates.len()], 1));
            }
            if let Offer::Due { tick_us, .. } = gate.offer(ts) {
                prop_assert!(last.is_none_or(|last| tick_us > last), "{} after {:?}", tick_us, last);
                last = Some(tick_us);
            }
        }
    }

    #[test]
    fn a_camera_as_slow_as_the_rate_or_slower_loses_no_frame(
        num in 1u32..=60,
        slower in 1.0..4.0f64,
        phase_us in 0i64..1_000_000,
        jitter in prop::collection::vec(-1.0..1.0f64, 10..300),
    ) {
        let grid = grid(num, 1);
        let mut gate = RateGate::new(grid);
        let timestamps: Vec<i64> = source(grid.interval_us() * slower, &jitter, 0.4).iter().map(|ts| ts + phase_us).collect();
        prop_assert_eq!(due(&mut gate, &timestamps).len(), timestamps.len());
    }

    #[test]
    fn a_faster_camera_gives_every_tick_one_frame(
        num in 1u32..=30,
        faster in 1.3..8.0f64,
        phase_us in 0i64..1_000_000,
        jitter in prop::collection::vec(-1.0..1.0f64, 400..401),
    ) {
        let grid = grid(num, 1);
        let mut gate = RateGate::new(grid);
        let interval = grid.interval_us() / faster;
        let timestamps: Vec<i64> = source(interval, &jitter, 0.1).iter().map(|ts| ts + phase_us).collect();
        let count = due(&mut gate, &timestamps).len() as f64;
        let ticks = 400.0 / faster;
        prop_assert!((count - ticks).abs() <= 3.0, "{} of {}", count, ticks);
    }
}
