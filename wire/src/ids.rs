//! Numbering of frames: ids of one rendition that never go back, whatever restarts.

/// How far the clock may stand behind what is known before it is reported: nodes kept together by NTP
/// disagree by milliseconds, and that is no news to anybody.
const CLOCK_BEHIND_TOLERANCE_MS: u64 = 1_000;

/// Ids from here on are taken for no ids when another instance names them. All ids stay below 2^53, where JSON numbers
/// are exact everywhere; from below this limit it takes a rendition at 240 frames a second a century to get there.
pub const HEARD_LIMIT: u64 = (1 << 53) - (1 << 40);

/// The numbers of one camera's one rendition.
///
/// `frame_id` = base + n, where n counts the due frames of the epoch, published or not. The base is
/// max(hub time in ms, last id used or heard + 1, incarnation). Ids advance by at most 240 a second and the
/// clock by 1,000 ms, so whoever starts later numbers higher.
#[derive(Debug, Clone)]
pub struct FrameIds {
    incarnation: u64,
    /// The lowest id that is certainly free.
    free: u64,
    clock_behind_ms: Option<u64>,
}

impl FrameIds {
    /// Begins the numbering of a rendition in its first epoch. `now_ms` is hub time, UNIX milliseconds.
    pub fn new(incarnation: u64, now_ms: u64) -> Self {
        let mut ids = Self {
            incarnation,
            free: 0,
            clock_behind_ms: None,
        };
        ids.new_epoch(now_ms);
        ids
    }

    /// Fixes a new base: call it at process start, source (re)connection and clock steps.
    pub fn new_epoch(&mut self, now_ms: u64) {
        let known = self.free.max(self.incarnation);
        let behind = known.saturating_sub(now_ms);
        self.clock_behind_ms = (behind > CLOCK_BEHIND_TOLERANCE_MS).then_some(behind);
        self.free = known.max(now_ms);
    }

    /// Takes note of an id that another instance of this camera has published for this rendition.
    ///
    /// Returns true when the own numbering had fallen behind it: it has been lifted, and because ids now jump
    /// for another reason than dropped frames, the caller must begin a new epoch. Ids from [`HEARD_LIMIT`] on are
    /// ignored: one message must not use up all the numbers there are.
    #[must_use = "a lifted numbering needs a new epoch"]
    pub fn heard(&mut self, frame_id: u64) -> bool {
        let lifted = (self.free..HEARD_LIMIT).contains(&frame_id);
        if lifted {
            self.free = frame_id + 1;
        }
        lifted
    }

    /// The id of the next due frame; used up even if that frame is dropped afterwards.
    pub fn take(&mut self) -> u64 {
        let id = self.free;
        self.free += 1;
        id
    }

    /// By how many milliseconds this node's clock stood behind all that is known when the epoch began
    /// (reason `ClockBehind`); `None` when it did not.
    pub fn clock_behind_ms(&self) -> Option<u64> {
        self.clock_behind_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_base_is_the_highest_of_clock_incarnation_and_last_id() {
        assert_eq!(FrameIds::new(5, 1_000).take(), 1_000);
        assert_eq!(FrameIds::new(7_000, 1_000).take(), 7_000);
        let mut ids = FrameIds::new(0, 1_000);
        assert!(ids.heard(9_000));
        ids.new_epoch(2_000);
        assert_eq!(ids.take(), 9_001);
        assert!(!ids.heard(9_001), "an id already passed changes nothing");
    }

    #[test]
    fn a_clock_behind_everything_known_is_reported_and_still_numbers_higher() {
        let mut ids = FrameIds::new(100_000, 40_000);
        assert_eq!(ids.clock_behind_ms(), Some(60_000));
        assert_eq!(ids.take(), 100_000);
        ids.new_epoch(200_000);
        assert_eq!(ids.clock_behind_ms(), None);
    }

    #[test]
    fn an_id_at_the_end_of_all_numbers_is_ignored() {
        let mut ids = FrameIds::new(0, 1_000);
        for absurd in [u64::MAX, HEARD_LIMIT] {
            assert!(!ids.heard(absurd), "{absurd}");
        }
        assert_eq!(ids.take(), 1_000);
        assert!(ids.heard(HEARD_LIMIT - 1));
        assert_eq!(ids.take(), HEARD_LIMIT);
    }

    #[test]
    fn milliseconds_between_two_nodes_are_not_reported() {
        assert_eq!(FrameIds::new(50_020, 50_000).clock_behind_ms(), None);
    }

    proptest! {
        #[test]
        fn ids_rise_strictly_across_epochs_with_any_clock(steps in prop::collection::vec((0u64..10_000_000, 1usize..50), 1..20)) {
            let mut ids = FrameIds::new(0, 5_000_000);
            let mut last = None;
            for (now_ms, frames) in steps {
                ids.new_epoch(now_ms);
                for _ in 0..frames {
                    let id = ids.take();
                    prop_assert!(last.is_none_or(|last| id > last));
                    last = Some(id);
                }
            }
        }

        #[test]
        fn a_successor_that_knows_only_its_clock_numbers_higher(start in 1u64..1_000_000, seconds in 1u64..100_000, fps in 1u64..=240, pause_ms in 1u64..1_000) {
            let mut first = FrameIds::new(0, start);
            for _ in 0..(seconds.min(50) * fps) {
                first.take();
            }
            let last = first.take();
            let mut second = FrameIds::new(0, start + seconds.min(50) * 1_000 + pause_ms);
            prop_assert!(second.take() > last);
        }
    }
}
