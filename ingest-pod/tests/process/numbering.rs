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
            let step = after.timestamp - before.timestamp;
            // Frames that a busy machine dropped are no jump; those leave a gap in the ids.
            let ids = (after.frame_id - before.frame_id) as i64;
            let most = (3e6 / before.fps) as i64 * ids + 200_000;
            assert!((1..=most).contains(&step), "{before:?}\n{after:?}");
        }
    }
}

/// The epochs in which frames came, in order.
pub fn epochs(frames: &[Metadata]) -> Vec<u64> {
    let mut epochs: Vec<u64> = frames.iter().map(|frame| frame.epoch).collect();
    epochs.dedup();
    epochs
}
