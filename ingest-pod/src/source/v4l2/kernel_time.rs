//! Whether a driver's timestamps can be believed, and what is done when not.

use std::time::{Duration, Instant};
use streamhub_wire::metadata::CaptureSource;

/// A frame whose light hit the sensor longer ago did so by a wrong clock, or waited for a stalled machine.
const OLDEST: Duration = Duration::from_secs(1);

/// A machine that stood still leaves no more implausible frames than a device has buffers; a wrong clock goes on.
const TOLERATED: u32 = 8;

/// What is known of one frame's time when it leaves the driver's queue.
#[derive(Debug, Clone, Copy)]
pub struct Stamp {
    /// Now.
    pub arrived: Instant,
    /// How long ago the driver says that it was captured; negative as `Err`.
    pub age: Result<Duration, Duration>,
    /// GStreamer has given up this driver's timestamps: the age is its own guess.
    pub given_up: bool,
}

/// What to do with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was captured at this time.
    Take(Instant, CaptureSource),
    /// It is too old, or its time is not to be believed.
    Skip,
}

/// Believes a driver until its timestamps have been implausible for several frames in a row.
#[derive(Debug, Default)]
pub struct KernelTime {
    implausible: u32,
    distrusted: bool,
}

impl KernelTime {
    /// Judges one frame; `true` beside the verdict when from this frame on arrival counts, once.
    pub fn judge(&mut self, stamp: Stamp) -> (Verdict, bool) {
        if self.distrusted {
            return (Verdict::Take(stamp.arrived, CaptureSource::Arrival), false);
        }
        let captured = stamp
            .age
            .ok()
            .filter(|age| *age <= OLDEST && !stamp.given_up)
            .and_then(|age| stamp.arrived.checked_sub(age));
        if let Some(at) = captured {
            self.implausible = 0;
            return (Verdict::Take(at, CaptureSource::Kernel), false);
        }
        self.implausible += 1;
        if stamp.given_up || self.implausible > TOLERATED {
            self.distrusted = true;
            return (Verdict::Take(stamp.arrived, CaptureSource::Arrival), true);
        }
        (Verdict::Skip, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(age_ms: i64) -> Stamp {
        let age = Duration::from_millis(age_ms.unsigned_abs());
        Stamp {
            arrived: Instant::now(),
            age: if age_ms < 0 { Err(age) } else { Ok(age) },
            given_up: false,
        }
    }

    #[test]
    fn a_plausible_driver_is_believed_to_the_frame() {
        let mut time = KernelTime::default();
        for age in [0, 12, 40, 999] {
            let stamp = stamp(age);
            let at = stamp.arrived.checked_sub(stamp.age.unwrap()).unwrap();
            assert_eq!(
                time.judge(stamp),
                (Verdict::Take(at, CaptureSource::Kernel), false)
            );
        }
    }

    #[test]
    fn a_machine_that_stood_still_loses_old_frames_and_no_trust() {
        let mut time = KernelTime::default();
        for _ in 0..5 {
            for _ in 0..4 {
                assert_eq!(time.judge(stamp(1500)), (Verdict::Skip, false));
            }
            assert!(matches!(
                time.judge(stamp(20)).0,
                Verdict::Take(_, CaptureSource::Kernel)
            ));
        }
    }

    #[test]
    fn a_clock_that_stays_wrong_is_given_up_once_and_for_good() {
        for age in [-5, 3_600_000] {
            let mut time = KernelTime::default();
            let told = (0..100).filter(|_| time.judge(stamp(age)).1).count();
            assert_eq!(told, 1);
            let stamp = stamp(20);
            let expected = Verdict::Take(stamp.arrived, CaptureSource::Arrival);
            assert_eq!(time.judge(stamp), (expected, false));
        }
    }

    #[test]
    fn what_gstreamer_gives_up_is_given_up_at_once() {
        let mut time = KernelTime::default();
        let guess = Stamp {
            given_up: true,
            ..stamp(33)
        };
        assert_eq!(
            time.judge(guess),
            (Verdict::Take(guess.arrived, CaptureSource::Arrival), true)
        );
    }
}
