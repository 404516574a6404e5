//! What is known of access units beside their bytes, by PTS: buffers do not carry it through depayloader and decoder.

use gstreamer::ClockTime;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Enough for the deepest reordering of H.264 and H.265 (16 frames).
const KEPT: usize = 64;

type Pts = Option<ClockTime>;

/// A bounded set of PTS.
#[derive(Debug, Default)]
struct Set(VecDeque<Pts>);

impl Set {
    fn put(&mut self, pts: Pts) {
        if !self.0.contains(&pts) {
            if self.0.len() >= KEPT {
                self.0.pop_front();
            }
            self.0.push_back(pts);
        }
    }

    fn take(&mut self, pts: Pts) -> bool {
        let at = self.0.iter().position(|known| *known == pts);
        at.and_then(|at| self.0.remove(at)).is_some()
    }
}

/// What is wrong with which access unit.
#[derive(Debug, Default)]
pub struct Marks(Mutex<Sets>);

#[derive(Debug, Default)]
struct Sets {
    incomplete: Set,
    after_loss: Set,
    unclean: VecDeque<(Pts, &'static str)>,
}

impl Marks {
    fn sets(&self) -> std::sync::MutexGuard<'_, Sets> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Some of it was lost.
    pub fn incomplete(&self, pts: Pts) {
        self.sets().incomplete.put(pts);
    }

    /// Something before it was lost.
    pub fn after_loss(&self, pts: Pts) {
        self.sets().after_loss.put(pts);
    }

    /// The decoder's picture is not to be shown, and why.
    pub fn unclean(&self, pts: Pts, why: &'static str) {
        let unclean = &mut self.sets().unclean;
        if unclean.len() >= KEPT {
            unclean.pop_front();
        }
        unclean.push_back((pts, why));
    }

    /// Whether it is incomplete, and whether something before it was lost; forgets both.
    pub fn take_losses(&self, pts: Pts) -> (bool, bool) {
        let mut sets = self.sets();
        (sets.incomplete.take(pts), sets.after_loss.take(pts))
    }

    /// Why the picture is not to be shown, if it is not; forgets it.
    pub fn take_unclean(&self, pts: Pts) -> Option<&'static str> {
        let unclean = &mut self.sets().unclean;
        let at = unclean.iter().position(|(known, _)| *known == pts)?;
        unclean.remove(at).map(|(_, why)| why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_taken_once_and_their_number_is_bounded() {
        let marks = Marks::default();
        let pts = |n| Some(ClockTime::from_mseconds(n));
        for n in 0..1_000 {
            marks.incomplete(pts(n));
            marks.unclean(pts(n), "concealed");
        }
        assert_eq!(marks.take_losses(pts(999)), (true, false));
        assert_eq!(marks.take_losses(pts(999)), (false, false));
        assert_eq!(marks.take_losses(pts(0)), (false, false));
        assert_eq!(marks.take_unclean(pts(999)), Some("concealed"));
        assert_eq!(marks.take_unclean(pts(0)), None);
    }
}
