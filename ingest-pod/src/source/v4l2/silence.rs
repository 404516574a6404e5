//! When a device that is open counts as one that sends nothing.

use std::time::{Duration, Instant};

/// From opening the device to the first frame: exposure, white balance and USB need a few seconds at worst.
const FIRST_FRAME_WITHIN: Duration = Duration::from_secs(15);
/// A device is stale after this, or after three of its frame intervals, whichever is longer (DESIGN §4).
const STALE_AFTER: Duration = Duration::from_secs(5);

/// What one look counts for at most: looks are a third of this apart. While a process gets nothing of a processor, clocks
/// run and nothing reads its device; to open that anew would only begin anew, over and over on a machine that is too busy.
const LONGEST_LOOK: Duration = Duration::from_millis(300);
/// By the clock, a device is silent after so many times its limit, however busy the machine is.
const MOST_TIMES: u32 = 4;
/// Frames that are thrown away are the reason for a silence if there were some in so much of its end.
const LATELY: Duration = Duration::from_secs(2);

/// What came of a device so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Heard {
    /// The newest frame that was taken.
    pub newest: Option<Instant>,
    /// The newest one that was left out for its time. It shows that the device sends: to open it anew would only begin
    /// to count such frames anew, and of a slow device none would ever be taken.
    pub stirred: Option<Instant>,
    /// Mean time between the frames that were taken; nothing before the second.
    pub interval: Duration,
    /// Whether GStreamer threw one away since the last look, as it was too short.
    pub truncated: bool,
}

/// Nothing came, for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silent {
    /// For how long, by the clock.
    pub lasted: Duration,
    /// Whether frames came and were thrown away.
    pub truncated: bool,
}

/// For how long nothing has come of a device, as far as this process was there to hear it.
#[derive(Debug, Clone, Copy)]
pub struct Silence {
    begun: Instant,
    looked: Instant,
    last: Option<Instant>,
    lasts: Duration,
    /// For how long it had lasted when a frame was thrown away.
    truncated: Option<Duration>,
}

impl Silence {
    /// From the opening of the device on.
    pub const fn since(opened: Instant) -> Self {
        Self {
            begun: opened,
            looked: opened,
            last: None,
            lasts: Duration::ZERO,
            truncated: None,
        }
    }

    /// Looks again; what there is to say if nothing came for too long.
    pub fn look(&mut self, now: Instant, heard: Heard) -> Option<Silent> {
        let passed = now.saturating_duration_since(self.looked);
        self.looked = now;
        let last = heard.newest.max(heard.stirred);
        if last == self.last {
            self.lasts += passed.min(LONGEST_LOOK);
            if heard.truncated {
                self.truncated = Some(self.lasts);
            }
        } else {
            *self = Self {
                last,
                ..Self::since(now)
            };
        }
        let limit = match heard.newest {
            None => FIRST_FRAME_WITHIN,
            Some(_) => STALE_AFTER.max(heard.interval * 3),
        };
        let lasted = now.saturating_duration_since(self.begun);
        (self.lasts > limit || lasted > limit * MOST_TIMES).then_some(Silent {
            lasted,
            truncated: self
                .truncated
                .is_some_and(|then| self.lasts.saturating_sub(then) < LATELY),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLL: Duration = Duration::from_millis(100);

    /// A device and the clock of whoever looks at it.
    struct Device {
        silence: Silence,
        heard: Heard,
        now: Instant,
    }

    impl Device {
        fn opened() -> Self {
            let now = Instant::now();
            Self {
                silence: Silence::since(now),
                heard: Heard::default(),
                now,
            }
        }

        /// Looks so many times, so far apart; what the last look said.
        fn look(&mut self, times: u32, apart: Duration) -> Option<Duration> {
            let mut said = None;
            for _ in 0..times {
                self.now += apart;
                said = self.silence.look(self.now, self.heard);
            }
            said.map(|silent| silent.lasted)
        }

        fn frame(&mut self) {
            self.heard.newest = Some(self.now);
            assert_eq!(self.silence.look(self.now, self.heard), None);
        }
    }

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_first_frame_has_more_time_than_the_others() {
        let mut device = Device::opened();
        assert_eq!(device.look(150, POLL), None);
        assert_eq!(device.look(10, POLL), Some(secs(16)));
        device.frame();
        assert_eq!(device.look(50, POLL), None);
        assert_eq!(device.look(10, POLL), Some(secs(6)));
        device.heard.interval = secs(4);
        assert_eq!(device.look(60, POLL), None);
        assert_eq!(device.look(10, POLL), Some(secs(13)));
    }

    #[test]
    fn a_device_whose_frames_are_left_out_for_their_times_is_not_silent() {
        // One in two seconds: the ninth, from which on arrival counts, comes after more than the first frame's time.
        let mut device = Device::opened();
        for nth in 1..9 {
            assert_eq!(device.look(20, POLL), None, "frame {nth}");
            device.heard.stirred = Some(device.now);
        }
        // The look that hears of the last one counts for nothing.
        assert_eq!(device.look(151, POLL), None);
        assert_eq!(device.look(10, POLL), Some(secs(16)));
        device.frame();
        assert_eq!(device.look(50, POLL), None);
        assert_eq!(device.look(10, POLL), Some(secs(6)));
    }

    #[test]
    fn the_time_in_which_the_process_does_not_run_counts_for_little() {
        let mut device = Device::opened();
        // A look a second: each counts for less than a third of it.
        assert_eq!(device.look(50, secs(1)), None);
        assert_eq!(device.look(1, secs(1)), Some(secs(51)));
        device.frame();
        assert_eq!(device.look(16, secs(1)), None);
        assert_eq!(device.look(1, secs(1)), Some(secs(17)));
    }

    #[test]
    fn a_machine_that_is_too_busy_for_ever_is_not_waited_for() {
        let mut device = Device::opened();
        assert_eq!(device.look(20, secs(3)), None);
        assert_eq!(device.look(1, secs(3)), Some(secs(63)));
        device.frame();
        assert_eq!(device.look(6, secs(3)), None);
        assert_eq!(device.look(1, secs(3)), Some(secs(21)));
    }

    #[test]
    fn frames_that_are_thrown_away_are_the_reason_if_they_were_to_the_end() {
        // So many looks, with a frame thrown away before each of the first ones.
        let reason = |thrown: u32, looks: u32| {
            let mut device = Device::opened();
            let mut said = None;
            for nth in 0..looks {
                device.heard.truncated = nth < thrown;
                device.now += POLL;
                said = device.silence.look(device.now, device.heard);
            }
            said.map(|silent| silent.truncated)
        };
        assert_eq!(reason(151, 151), Some(true));
        assert_eq!(reason(140, 151), Some(true));
        assert_eq!(reason(1, 151), Some(false));
        assert_eq!(reason(100, 151), Some(false));
        assert_eq!(reason(0, 151), Some(false));
        assert_eq!(reason(150, 150), None);
    }
}
