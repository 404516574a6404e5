//! What goes to a camera's decoder while nobody listens, and what is kept so that it can begin again at any moment.
//! Pure: time is passed in, and an access unit is whatever the caller keeps.
//!
//! Asleep, the decoder gets at most the key frame that is due as a probe. The access units since the last key frame
//! that it did not get are kept. Whoever listens then gets a picture at once: the kept ones are decoded, not shown,
//! and the live one after them is the first picture.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::router::Want;

/// A camera whose key frames are further apart is always decoded: it might have none at all but the first.
const KEY_FRAME_WITHIN: Duration = Duration::from_secs(10);

/// Ten seconds at 120 frames a second.
const MOST_UNITS: usize = 1_200;
/// Ten seconds at 13 Mbit/s.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// Decoding has caught up when an access unit reaches the decoder this soon after its first byte came.
const CAUGHT_UP: Duration = Duration::from_millis(300);
/// A decoder that has not caught up by then never will: from then on the rules for a slow machine hold.
const CATCH_UP_WITHIN: Duration = Duration::from_secs(5);

/// The deepest reordering of H.264 and H.265: so many pictures may still lie in the decoder.
const REORDERED: usize = 16;

/// What must be known of an access unit.
#[derive(Debug, Clone, Copy)]
pub struct Unit {
    /// A key frame.
    pub key: bool,
    /// Its size.
    pub bytes: usize,
    /// Its presentation time in nanoseconds, where it has one.
    pub pts: Option<u64>,
    /// How long ago its first byte came.
    pub lag: Duration,
}

/// What to do with an access unit.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<T> {
    /// Decode it.
    Decode,
    /// Decode these, then it.
    CatchUp(VecDeque<T>),
    /// Decode it, a key frame, and tell [`Gop::probed`] what came of it.
    Probe,
    /// Not now.
    Hold,
    /// Never: what it refers to was too much to keep.
    GiveUp,
}

/// What a probe gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probed {
    /// A picture at once: the decoder stands right behind this key frame.
    Picture,
    /// A picture once the decoder was told to let all go: it has forgotten what the next access units refer to.
    AfterDrain,
    /// No picture: this decoder cannot begin with this key frame.
    Nothing,
}

/// So many probes in a row without a picture, and the camera is decoded all the time: one may have hit a damaged key
/// frame.
const TRIES: u32 = 3;

/// The state of one decoder's input. `T` is an access unit.
#[derive(Debug)]
pub struct Gop<T> {
    asleep: bool,
    kept: VecDeque<T>,
    kept_bytes: usize,
    /// There was too much to keep since the last key frame.
    overflown: bool,
    last_key: Option<Instant>,
    key_interval: Option<Duration>,
    /// Probes in a row that gave no picture.
    failed: u32,
    catching_up: Option<Instant>,
    hidden: Option<Hidden>,
}

/// Pictures before this time are not shown, and not more than so many.
#[derive(Debug, Clone, Copy)]
struct Hidden {
    before: u64,
    at_most: usize,
}

impl<T> Default for Gop<T> {
    fn default() -> Self {
        Self {
            asleep: false,
            kept: VecDeque::new(),
            kept_bytes: 0,
            overflown: false,
            last_key: None,
            key_interval: None,
            failed: 0,
            catching_up: None,
            hidden: None,
        }
    }
}

impl<T> Gop<T> {
    /// Decides on the next access unit in the order of decoding; all that it refers to were offered before it.
    pub fn offer(
        &mut self,
        unit: Unit,
        item: impl FnOnce() -> T,
        want: Want,
        now: Instant,
    ) -> Step<T> {
        if unit.key {
            self.key_interval = self.last_key.map(|last| now.duration_since(last));
            self.last_key = Some(now);
        }
        if want == Want::All || !self.may_sleep(now) {
            return self.awake(unit, now);
        }
        if !self.asleep {
            // The decoder has everything up to here; what follows is kept.
            self.asleep = true;
            self.catching_up = None;
            self.forget();
        }
        if unit.key {
            self.forget();
            if want == Want::Probe {
                self.hide(unit.pts, REORDERED);
                return Step::Probe;
            }
        }
        self.keep(unit.bytes, item);
        Step::Hold
    }

    /// What came of the key frame that [`Step::Probe`] was said of.
    pub fn probed(&mut self, probed: Probed, bytes: usize, item: impl FnOnce() -> T) {
        match probed {
            Probed::Picture => self.failed = 0,
            Probed::AfterDrain => {
                self.failed = 0;
                self.keep(bytes, item);
            }
            Probed::Nothing => {
                self.failed += 1;
                self.keep(bytes, item);
            }
        }
    }

    /// Whether a picture with this presentation time, as it comes out of the decoder, is to be shown.
    pub fn shows(&mut self, pts: Option<u64>) -> bool {
        let Some(hidden) = &mut self.hidden else {
            return true;
        };
        let old = pts.is_some_and(|pts| pts < hidden.before);
        if !old || hidden.at_most == 0 {
            self.hidden = None;
            return true;
        }
        hidden.at_most -= 1;
        false
    }

    /// Whether access units come late only because those before them were kept.
    pub fn is_catching_up(&self) -> bool {
        self.catching_up.is_some()
    }

    fn awake(&mut self, unit: Unit, now: Instant) -> Step<T> {
        if self.asleep {
            if unit.key {
                self.forget();
            } else if self.overflown {
                return Step::GiveUp;
            }
            self.asleep = false;
            self.kept_bytes = 0;
            let kept = std::mem::take(&mut self.kept);
            self.hide(unit.pts, kept.len() + REORDERED);
            if kept.is_empty() {
                return Step::Decode;
            }
            self.catching_up = Some(now);
            return Step::CatchUp(kept);
        }
        if let Some(since) = self.catching_up {
            if unit.lag <= CAUGHT_UP || now.duration_since(since) > CATCH_UP_WITHIN {
                self.catching_up = None;
            } else {
                let before = self.hidden.map_or(REORDERED, |hidden| hidden.at_most);
                self.hide(unit.pts, before + 1);
            }
        }
        Step::Decode
    }

    /// Only what has shown key frames often enough can begin again soon.
    fn may_sleep(&self, now: Instant) -> bool {
        let of_late = self
            .last_key
            .is_some_and(|last| now.duration_since(last) <= KEY_FRAME_WITHIN);
        let often = self
            .key_interval
            .is_some_and(|interval| interval <= KEY_FRAME_WITHIN);
        of_late && often && self.failed < TRIES
    }

    fn keep(&mut self, bytes: usize, item: impl FnOnce() -> T) {
        if self.overflown {
            return;
        }
        if self.kept.len() >= MOST_UNITS || self.kept_bytes + bytes > MOST_BYTES {
            self.forget();
            self.overflown = true;
            return;
        }
        self.kept.push_back(item());
        self.kept_bytes += bytes;
    }

    fn forget(&mut self) {
        // The memory too: a camera may sleep for weeks.
        self.kept = VecDeque::new();
        self.kept_bytes = 0;
        self.overflown = false;
    }

    fn hide(&mut self, before: Option<u64>, at_most: usize) {
        self.hidden = before.map(|before| Hidden { before, at_most });
    }
}

#[cfg(test)]
mod tests;
