//! When a device that is open counts as one that sends nothing.

use std::time::{Duration, Instant};

/// From opening the device to the first frame: exposure, white balance and USB need a few seconds at worst.
const FIRST_FRAME_WITHIN: Duration = Duration::from_secs(15);
/// A device is stale after this, or after three of its frame intervals, whichever is longer (DESIGN §4).
const STALE_AFTER: Duration = Duration::from_secs(5);

/// What one look counts for at most: looks are a third of this apart. While a process gets nothing of a processor, clocks
/// run and nothing reads its device; to open that anew would only begin anew, over and over on a machine that is too busy.
const LONGEST_LOOK: Duration = Duration::from_millis(300);

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
}

/// For how long nothing has come of a device, as far as this process was there to hear it.
#[derive(Debug, Clone, Copy)]
pub struct Silence {
    looked: Instant,
    last: Option<Instant>,
    lasts: Duration,
}

impl Silence {
    /// From the opening of the device on.
    pub const fn since(opened: Instant) -> Self {
        Self {
            looked: opened,
            last: None,
            lasts: Duration::ZERO,
        }
    }

    /// Looks again. For how long nothing came, if that is too long.
    pub fn look(&mut self, now: Instant, heard: Heard) -> Option<Duration> {
        let passed = now.saturating_duration_since(self.looked);
        self.looked = now;
        let last = heard.newest.max(heard.stirred);
        self.lasts = if last == self.last {
            self.lasts + passed.min(LONGEST_LOOK)
        } else {
            Duration::ZERO
        };
        self.last = last;
        let limit = match heard.newest {
            None => FIRST_FRAME_WITHIN,
            Some(_) => STALE_AFTER.max(heard.interval * 3),
        };
        (self.lasts > limit).then_some(self.lasts)
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
            said
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
        // A look every two seconds, then none for an hour.
        assert_eq!(device.look(40, secs(2)), None);
        assert_eq!(device.look(1, secs(3600)), None);
        assert_eq!(device.look(9, secs(2)), None);
        assert_eq!(device.look(1, secs(2)), Some(Duration::from_millis(15_300)));
        device.frame();
        assert_eq!(device.look(16, secs(2)), None);
        assert_eq!(device.look(1, secs(2)), Some(Duration::from_millis(5100)));
    }
}
