use super::*;

/// Hub time minus monotonic time.
const WALL: i64 = 1_795_000_000_000_000;
/// 25 frames a second.
const FRAME_US: i64 = 40_000;
const FRAME_TICKS: u32 = 3_600;

fn clock(mode: Mode) -> StreamClock {
    let settings = Settings {
        mode,
        offset_us: 0,
        rate: 90_000,
    };
    StreamClock::new(settings, WALL)
}

/// The n-th frame, which takes 30 ms and a jitter of up to 8 ms.
fn frame(clock: &mut StreamClock, n: i64) -> Reading {
    let jitter = (n * 7_919) % 8_000;
    arrive(clock, n, n * FRAME_US + 30_000 + jitter)
}

fn arrive(clock: &mut StreamClock, n: i64, arrival: i64) -> Reading {
    let stamp = clock.arrived((n as u32).wrapping_mul(FRAME_TICKS), 7, arrival);
    clock.capture(stamp, WALL).unwrap()
}

/// The report sent with the n-th frame, of a clock that is so far off.
fn report(clock: &mut StreamClock, n: i64, off: i64) {
    let unix = WALL + n * FRAME_US + off;
    let seconds = unix.div_euclid(1_000_000) + 2_208_988_800;
    let fraction = ((unix.rem_euclid(1_000_000) as u64) << 32) / 1_000_000;
    let report = SenderReport {
        ssrc: 7,
        ntp: ((seconds as u64) << 32) | fraction,
        rtp: (n as u32).wrapping_mul(FRAME_TICKS),
    };
    clock.report(report, n * FRAME_US + 31_000);
}

#[test]
fn a_connection_that_begins_with_a_burst_is_stepped_once_and_stamps_nothing_in_the_future() {
    let mut clock = clock(Mode::Auto);
    let mut begun = Vec::new();
    for n in 0..500 {
        // Two seconds of pictures come at once.
        let arrival = (n * FRAME_US + 30_000).max(2_000_000 + n * 100);
        let reading = arrive(&mut clock, n, arrival);
        assert!(
            reading.at_us <= arrival + AHEAD_US as i64,
            "{n}: {reading:?} at {arrival}"
        );
        begun.extend(reading.begins);
        if n > 100 {
            assert_eq!(reading.at_us, n * FRAME_US + 30_000);
        }
    }
    assert_eq!(begun, [Cause::Settled]);
}

#[test]
fn a_clock_that_is_an_hour_off_is_measured_and_only_used_when_it_is_to_be_believed() {
    const HOUR_US: i64 = 3_600_000_000;
    for (mode, source) in [
        (Mode::Auto, CaptureSource::Arrival),
        (Mode::Arrival, CaptureSource::Arrival),
        (Mode::Rtcp, CaptureSource::Rtcp),
    ] {
        let mut clock = clock(mode);
        let mut last = None;
        for n in 0..1_000 {
            last = Some(frame(&mut clock, n));
            if n % 125 == 60 {
                report(&mut clock, n, HOUR_US);
            }
        }
        let last = last.unwrap();
        assert_eq!(last.source, source);
        let late = if source == CaptureSource::Rtcp {
            HOUR_US
        } else {
            30_000
        };
        assert!(
            (last.at_us - 999 * FRAME_US - late).abs() < 1_000,
            "{last:?}"
        );
        let offset = clock.health().camera_offset_us.unwrap();
        assert!((offset - HOUR_US + 30_000).abs() < 1_000, "{offset}");
    }
}

#[test]
fn who_wants_reports_believed_has_them_believed_when_they_come_late_or_after_a_jump() {
    const BEHIND_US: i64 = -10_000_000;
    for (first, jumps) in [(200, false), (60, true)] {
        let mut clock = clock(Mode::Rtcp);
        let mut begun = Vec::new();
        for n in 0..1_000 {
            let reading = if jumps && n == 500 {
                // RTP time begins anew with another source, and goes on as before.
                clock.arrived(9, 9, n * FRAME_US + 30_000);
                frame(&mut clock, n)
            } else {
                frame(&mut clock, n)
            };
            begun.extend(reading.begins);
            if n >= first && n % 125 == first % 125 {
                report(&mut clock, n, BEHIND_US);
            }
            if n == 999 {
                assert_eq!(reading.source, CaptureSource::Rtcp, "{begun:?}");
                let beside = reading.at_us - n * FRAME_US - BEHIND_US;
                assert!(beside.abs() < 1_000, "{reading:?}");
            }
        }
        let expected: &[Cause] = if jumps {
            &[Cause::Settled, Cause::RtpJump, Cause::NotHeld]
        } else {
            &[Cause::NotHeld]
        };
        assert_eq!(begun, expected);
    }
}

#[test]
fn reports_that_drift_away_from_arrival_are_given_up_and_taken_again_when_they_agree() {
    let mut clock = clock(Mode::Auto);
    let (mut sources, mut begun) = (Vec::new(), Vec::new());
    for n in 0..60_000 {
        let reading = frame(&mut clock, n);
        begun.extend(reading.begins);
        sources.push(reading.source);
        if n % 125 == 10 {
            // A camera whose clock gains 400 ppm for 20 minutes, and then is set.
            let off = if n < 30_000 { n * FRAME_US / 2_500 } else { 0 };
            report(&mut clock, n, off);
        }
        let beside = reading.at_us - n * FRAME_US - 30_000;
        assert!(beside.abs() < 260_000, "{n}: {reading:?}");
    }
    assert!(
        begun
            .iter()
            .filter(|&&cause| cause == Cause::NotHeld)
            .count()
            <= 1
    );
    assert!(begun.len() <= 2, "{begun:?}");
    sources.dedup();
    let (arrival, rtcp) = (CaptureSource::Arrival, CaptureSource::Rtcp);
    assert_eq!(sources, [arrival, rtcp, arrival, rtcp]);
}

#[test]
fn rtp_time_that_stands_still_or_runs_wild_is_not_used() {
    for wild in [false, true] {
        let mut clock = clock(Mode::Auto);
        let mut last = 0;
        for n in 0..500i64 {
            let time = if wild {
                (n as u32).wrapping_mul(0x9e37_79b9)
            } else {
                5
            };
            let arrival = 30_000 + n * FRAME_US;
            let stamp = clock.arrived(time, 7, arrival);
            let reading = clock.capture(stamp, WALL).unwrap();
            if n > 50 {
                assert_eq!((reading.at_us, reading.error_us), (arrival, None));
                assert!(reading.at_us > last);
            }
            last = reading.at_us;
        }
    }
}

#[test]
fn another_source_in_the_same_connection_begins_an_epoch() {
    let mut clock = clock(Mode::Auto);
    for n in 0..500 {
        frame(&mut clock, n);
    }
    let stamp = clock.arrived(123, 8, 500 * FRAME_US + 30_000);
    let reading = clock.capture(stamp, WALL).unwrap();
    assert_eq!(
        (reading.begins, reading.at_us),
        (Some(Cause::RtpJump), 500 * FRAME_US + 30_000)
    );
}
