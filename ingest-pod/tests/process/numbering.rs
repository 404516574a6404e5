//! What must hold for the numbers of one rendition's frames, in the order in which they came.

use streamhub_wire::metadata::Metadata;

/// Ids rise strictly and epochs never fall; inside an epoch time and ticks rise strictly, and time has no jump.
pub fn assert_numbering(frames: &[Metadata]) {
    for pair in frames.windows(2) {
        let [before, after] = pair else { continue };
        assert!(before.frame_id < after.frame_id, "{before:?}\n{after:?}");
        assert!(before.epoch <= after.epoch, "{before:?}\n{after:?}");
        if before.epoch == after.epoch {
            assert!(before.tick < after.tick, "{before:?}\n{after:?}");
            assert!(before.timestamp < after.timestamp, "{before:?}\n{after:?}");
        }
    }
    for epoch in frames.chunk_by(|before, after| before.epoch == after.epoch) {
        for at in 1..epoch.len() {
            // No jump: time goes on as the time of publishing does. A busy machine drops frames, and is no jump.
            let before = &epoch[at.saturating_sub(NEAR)..at];
            let after = &epoch[at..epoch.len().min(at + NEAR)];
            let apart = quickest(before).abs_diff(quickest(after));
            assert!(apart < 2_000_000, "{before:?}\n{after:?}");
        }
    }
}

/// So many frames to either side tell whether time has jumped: one may have been held up while the machine stood still.
const NEAR: usize = 3;

/// Microseconds from light to hand-over of the frame that took the least.
fn quickest(frames: &[Metadata]) -> i64 {
    let took = frames.iter().map(|frame| frame.published - frame.timestamp);
    took.min().unwrap_or_default()
}

/// The epochs in which frames came, in order.
pub fn epochs(frames: &[Metadata]) -> Vec<u64> {
    let mut epochs: Vec<u64> = frames.iter().map(|frame| frame.epoch).collect();
    epochs.dedup();
    epochs
}
