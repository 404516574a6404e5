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
            // No jump: time goes on as the time of publishing does. A busy machine drops frames, and is no jump.
            let step = after.timestamp - before.timestamp;
            let passed = after.published - before.published;
            let apart = step.abs_diff(passed);
            assert!(step > 0 && apart < 2_000_000, "{before:?}\n{after:?}");
        }
    }
}

/// The epochs in which frames came, in order.
pub fn epochs(frames: &[Metadata]) -> Vec<u64> {
    let mut epochs: Vec<u64> = frames.iter().map(|frame| frame.epoch).collect();
    epochs.dedup();
    epochs
}
