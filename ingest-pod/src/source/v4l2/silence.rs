//! When a device that is open counts as one that sends nothing.

use std::time::{Duration, Instant};

/// From opening the device to the first frame: exposure, white balance and USB need a few seconds at worst.
const FIRST_FRAME_WITHIN: Duration = Duration::from_secs(15);
/// A device is stale after this, or after three of its frame intervals, whichever is longer (DESIGN §4).
const STALE_AFTER: Duration = Duration::from_secs(5);

/// What came of a device so far.
#[derive(Debug, Clone, Copy)]
pub struct Heard {
    /// When it was opened.
    pub started: Instant,
    /// The newest frame that was taken.
    pub newest: Option<Instant>,
    /// The newest one that was left out for its time. It shows that the device sends: to open it anew would only begin
    /// to count such frames anew, and of a slow device none would ever be taken.
    pub stirred: Option<Instant>,
    /// Mean time between the frames that were taken; nothing before the second.
    pub interval: Duration,
}

impl Heard {
    /// For how long nothing came, if that is too long.
    pub fn silent_for(self, now: Instant) -> Option<Duration> {
        let limit = match self.newest {
            None => FIRST_FRAME_WITHIN,
            Some(_) => STALE_AFTER.max(self.interval * 3),
        };
        let last = self.newest.max(self.stirred).unwrap_or(self.started);
        let silence = now.saturating_duration_since(last);
        (silence > limit).then_some(silence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn opened() -> Heard {
        Heard {
            started: Instant::now(),
            newest: None,
            stirred: None,
            interval: Duration::ZERO,
        }
    }

    #[test]
    fn the_first_frame_has_more_time_than_the_others() {
        let heard = opened();
        let at = |seconds| heard.started + secs(seconds);
        assert_eq!(heard.silent_for(at(15)), None);
        assert_eq!(heard.silent_for(at(16)), Some(secs(16)));
        let heard = Heard {
            newest: Some(at(14)),
            ..heard
        };
        assert_eq!(heard.silent_for(at(19)), None);
        assert_eq!(heard.silent_for(at(20)), Some(secs(6)));
        let slow = Heard {
            interval: secs(4),
            ..heard
        };
        assert_eq!(slow.silent_for(at(26)), None);
        assert_eq!(slow.silent_for(at(27)), Some(secs(13)));
    }

    #[test]
    fn a_device_whose_frames_are_left_out_for_their_times_is_not_silent() {
        // One in two seconds: the ninth, from which on arrival counts, comes after more than the first frame's time.
        let mut heard = opened();
        let at = |seconds| heard.started + secs(seconds);
        for nth in 1..9 {
            assert_eq!(heard.silent_for(at(nth * 2)), None, "frame {nth}");
            heard.stirred = Some(at(nth * 2));
        }
        assert_eq!(heard.silent_for(at(31)), None);
        assert_eq!(heard.silent_for(at(32)), Some(secs(16)));
        heard.newest = Some(at(10));
        assert_eq!(heard.silent_for(at(21)), None);
        assert_eq!(heard.silent_for(at(22)), Some(secs(6)));
    }
}
