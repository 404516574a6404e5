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
    /// Whether GStreamer threw one away since the last look, as it was too short.
    pub truncated: bool,
}

/// Nothing came, for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silent {
    /// For how long.
    pub lasted: Duration,
    /// Whether frames came and were thrown away.
    pub truncated: bool,
}

/// For how long nothing has come of a device, as far as this process was there to hear it.
#[derive(Debug, Clone, Copy)]
pub struct Silence {
    looked: Instant,
    last: Option<Instant>,
    lasts: Duration,
    truncated: bool,
}

impl Silence {
    /// From the opening of the device on.
    pub const fn since(opened: Instant) -> Self {
        Self {
            looked: opened,
            last: None,
            lasts: Duration::ZERO,
            truncated: false,
        }
    }

    /// Looks again; what there is to say if nothing came for too long.
    pub fn look(&mut self, now: Instant, heard: Heard) -> Option<Silent> {
        let passed = now.saturating_duration_since(self.looked);
        self.looked = now;
        let last = heard.newest.max(heard.stirred);
        if last == self.last {
            self.lasts += passed.min(LONGEST_LOOK);
            self.truncated |= heard.truncated;
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
        (self.lasts > limit).then_some(Silent {
            lasted: self.lasts,
            truncated: self.truncated,
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
        // A look every two seconds, then none for an hour.
        assert_eq!(device.look(40, secs(2)), None);
        assert_eq!(device.look(1, secs(3600)), None);
        assert_eq!(device.look(9, secs(2)), None);
        assert_eq!(device.look(1, secs(2)), Some(Duration::from_millis(15_300)));
        device.frame();
        assert_eq!(device.look(16, secs(2)), None);
        assert_eq!(device.look(1, secs(2)), Some(Duration::from_millis(5100)));
    }

    #[test]
    fn frames_that_were_thrown_away_since_the_last_good_one_are_remembered() {
        let mut device = Device::opened();
        device.heard.truncated = true;
        assert_eq!(device.look(1, POLL), None);
        device.heard.truncated = false;
        device.look(149, POLL);
        device.now += POLL;
        let silent = device.silence.look(device.now, device.heard);
        assert!(silent.unwrap().truncated);
        device.frame();
        device.look(50, POLL);
        device.now += POLL;
        let silent = device.silence.look(device.now, device.heard);
        assert!(!silent.unwrap().truncated);
    }
}
