//! Timestamps go on within an epoch (CONTRACT §4), whatever a source says of its frames.

use std::time::Duration;

/// The newest timestamp of the current epoch.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timeline {
    epoch: u64,
    newest_us: i64,
}

impl Timeline {
    /// The timestamp of the next frame, hub time in microseconds, and by how much it had to be moved: one that does
    /// not lie after the last frame's becomes the next microsecond.
    pub fn next(&mut self, epoch: u64, at_us: i64) -> (i64, Duration) {
        let newest = if self.epoch == epoch {
            at_us.max(self.newest_us.saturating_add(1))
        } else {
            at_us
        };
        *self = Self {
            epoch,
            newest_us: newest,
        };
        (
            newest,
            Duration::from_micros((newest - at_us).unsigned_abs()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn timestamps_never_go_back_within_an_epoch_and_only_those_that_would_are_moved(
            frames in prop::collection::vec((0u64..3, -1_000_000i64..1_000_000), 0..200)
        ) {
            let mut timeline = Timeline::default();
            let (mut epoch, mut newest) = (0, i64::MIN);
            for (step, at) in frames {
                if step == 0 {
                    epoch += 1;
                    newest = i64::MIN;
                }
                let (given, moved) = timeline.next(epoch + 1, at);
                prop_assert_eq!(given, at.max(newest.saturating_add(1)));
                prop_assert_eq!(moved.as_micros() as i64, given - at);
                newest = given;
            }
        }
    }
}
