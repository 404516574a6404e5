//! Which access units go to the decoder, and which of its pictures are clean.

use gstreamer::ClockTime;
use std::time::{Duration, Instant};

use super::access_unit::{Entry, Nature};

/// Without a key frame for so long the camera is taken to refresh in another way, without announcing it.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// How long one is decoded that has not shown a key frame by then: a GOP may be longer than anybody would wait, and until
/// its end most pictures are made up.
const SETTLED: Duration = Duration::from_secs(30);

/// Why an access unit is held back that waited too long for the decoder.
pub const DECODER_LATE: &str = "decoder_late";

/// Why an access unit is held back that refers to what was not decoded.
pub const NO_REFERENCE: &str = "no_reference";

/// What the guard needs to know of an access unit.
#[derive(Debug, Clone, Copy)]
pub struct Unit {
    /// What it offers.
    pub nature: Nature,
    /// When it is shown.
    pub pts: Option<ClockTime>,
    /// Something before it is missing.
    pub after_loss: bool,
    /// Something of itself is missing.
    pub incomplete: bool,
    /// It waited too long for the decoder.
    pub late: bool,
}

/// What becomes of an access unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is decoded and shown.
    Clean,
    /// It is decoded for those that follow; its picture is not yet whole.
    DecodeOnly,
    /// It is not decoded.
    Hold(&'static str),
}

/// What the decoder complained of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// A picture that it needed was missing.
    Missing,
    /// The bytes themselves could not be decoded.
    Broken,
    /// There was no memory for the picture, and nothing was decoded.
    NoRoom,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting(Instant),
    /// So many more reference pictures until the refresh is through.
    Refreshing(u32),
    /// A refresh that is not announced, since then.
    Guessing(Instant),
    Clean {
        /// Pictures shown before this may refer to what was not decoded.
        from: Option<ClockTime>,
        /// A decoder that came in here misses pictures that nothing refers to.
        forgiving: bool,
    },
}

/// Lets access units pass only while everything that they refer to went to the decoder.
#[derive(Debug)]
pub struct ReferenceGuard {
    state: State,
    /// The camera announces where decoding can begin.
    announces: bool,
    /// When it last sent what is a key frame beyond doubt.
    keyed: Option<Instant>,
}

impl ReferenceGuard {
    /// Waits for the first key frame.
    pub fn new(now: Instant) -> Self {
        Self {
            state: State::Waiting(now),
            announces: false,
            keyed: None,
        }
    }

    /// What an access unit is to this camera: one that is intra coded begins something only where nothing better comes.
    pub fn judge(&mut self, nature: Nature, now: Instant) -> Nature {
        let entry = match nature.entry {
            Entry::Intra => {
                let better = |at: Instant| now.duration_since(at) <= PATIENCE;
                if self.keyed.is_some_and(better) {
                    Entry::No
                } else {
                    Entry::Open
                }
            }
            entry => entry,
        };
        if matches!(nature.entry, Entry::Closed | Entry::Open) {
            self.keyed = Some(now);
        }
        Nature { entry, ..nature }
    }

    /// Since when nothing is decoded for want of a key frame.
    pub fn waiting_since(&self) -> Option<Instant> {
        match self.state {
            State::Waiting(since) => Some(since),
            _ => None,
        }
    }

    /// The stream is refreshed without being announced, and the decoder's own doubts do not count.
    pub fn believes(&self) -> bool {
        !self.announces && matches!(self.state, State::Clean { .. })
    }

    /// What becomes of the next access unit, in decoding order.
    pub fn admit(&mut self, unit: Unit, now: Instant) -> Verdict {
        self.announces |= unit.nature.entry != Entry::No;
        if unit.late || unit.incomplete {
            self.lose(now);
            return Verdict::Hold(if unit.late {
                DECODER_LATE
            } else {
                "incomplete"
            });
        }
        if unit.after_loss {
            self.lose(now);
        }
        // A lost picture leaves its SEI behind, in front of the next one.
        if !(unit.after_loss && unit.nature.announced) {
            self.enter(unit);
        }
        match self.state {
            State::Waiting(since) if !self.announces && now.duration_since(since) > PATIENCE => {
                self.state = State::Guessing(now);
                Verdict::DecodeOnly
            }
            State::Waiting(_) => Verdict::Hold(NO_REFERENCE),
            State::Guessing(since) if now.duration_since(since) > SETTLED => {
                self.state = State::Clean {
                    from: None,
                    forgiving: true,
                };
                Verdict::Clean
            }
            State::Guessing(_) => Verdict::DecodeOnly,
            State::Refreshing(left) => {
                if unit.nature.reference {
                    self.state = State::Refreshing(left.saturating_sub(1));
                }
                if left == 0 {
                    self.state = State::Clean {
                        from: unit.pts,
                        forgiving: true,
                    };
                    return Verdict::Clean;
                }
                Verdict::DecodeOnly
            }
            State::Clean { from, .. } if unit.pts < from => Verdict::Hold(NO_REFERENCE),
            State::Clean { .. } => Verdict::Clean,
        }
    }

    /// Begins decoding here if that is possible, and not going on already.
    fn enter(&mut self, unit: Unit) {
        let clean = matches!(self.state, State::Clean { .. });
        match unit.nature.entry {
            Entry::Closed => {
                self.state = State::Clean {
                    from: None,
                    forgiving: false,
                }
            }
            // What was before may have been left out on purpose, so that its absence is no trouble from here on.
            Entry::Open => {
                self.state = State::Clean {
                    from: if clean { None } else { unit.pts },
                    forgiving: true,
                }
            }
            Entry::Gradual(count) if !clean && !matches!(self.state, State::Refreshing(_)) => {
                // x264 announces the last column a frame early; a quarter more is cheap beside a torn picture.
                self.state = State::Refreshing(count.saturating_add(count / 4).saturating_add(2));
            }
            _ => {}
        }
    }

    /// The decoder complained of the last access unit; `true` when its picture cannot be used.
    pub fn trouble(&mut self, trouble: Trouble, now: Instant) -> bool {
        let grave = match self.state {
            State::Waiting(_) => false,
            State::Clean {
                forgiving: false, ..
            } => true,
            State::Clean { .. } | State::Refreshing(_) | State::Guessing(_) => {
                trouble >= Trouble::Broken
            }
        };
        if grave {
            self.lose(now);
        }
        grave
    }

    fn lose(&mut self, now: Instant) {
        self.state = match self.state {
            State::Waiting(since) => State::Waiting(since),
            // Such a camera will not announce its next refresh either.
            _ if !self.announces => State::Guessing(now),
            _ => State::Waiting(now),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(entry: Entry, pts: u64) -> Unit {
        Unit {
            nature: Nature {
                entry,
                announced: false,
                reference: true,
            },
            pts: Some(ClockTime::from_mseconds(pts)),
            after_loss: false,
            incomplete: false,
            late: false,
        }
    }

    fn delta(pts: u64) -> Unit {
        unit(Entry::No, pts)
    }

    fn lost(unit: Unit) -> Unit {
        Unit {
            after_loss: true,
            ..unit
        }
    }

    fn clean(guard: &mut ReferenceGuard, units: &[Unit], now: Instant) -> Vec<bool> {
        units
            .iter()
            .map(|unit| guard.admit(*unit, now) == Verdict::Clean)
            .collect()
    }

    #[test]
    fn nothing_passes_between_a_loss_and_the_next_key_frame() {
        let now = Instant::now();
        let mut guard = ReferenceGuard::new(now);
        let key = |pts| unit(Entry::Closed, pts);
        let torn = Unit {
            incomplete: true,
            ..key(6)
        };
        let late = Unit {
            late: true,
            ..delta(9)
        };
        let units = [
            delta(0),
            key(1),
            delta(2),
            lost(delta(3)),
            delta(4),
            lost(key(5)),
            torn,
            delta(7),
            key(8),
            late,
            delta(10),
            key(11),
        ];
        assert_eq!(
            clean(&mut guard, &units, now),
            [
                false, true, true, false, false, true, false, false, true, false, false, true
            ]
        );
    }

    #[test]
    fn pictures_shown_before_an_open_entry_are_held_only_after_a_loss() {
        let now = Instant::now();
        let mut guard = ReferenceGuard::new(now);
        let open = |pts| unit(Entry::Open, pts);
        let units = [open(3), delta(1), delta(2), delta(6), open(12), delta(10)];
        assert_eq!(
            clean(&mut guard, &units, now),
            [true, false, false, true, true, true]
        );
        // A decoder that comes in there misses what nothing refers to; one that began with an IDR misses nothing.
        assert!(!guard.trouble(Trouble::Missing, now));
        assert!(guard.trouble(Trouble::Broken, now));
        assert_eq!(guard.waiting_since(), Some(now));
        guard.admit(unit(Entry::Closed, 20), now);
        assert!(guard.trouble(Trouble::Missing, now));
    }

    #[test]
    fn an_announced_refresh_is_decoded_to_its_end_before_a_picture_is_shown() {
        let now = Instant::now();
        let mut guard = ReferenceGuard::new(now);
        let refresh = |pts| unit(Entry::Gradual(2), pts);
        // Two as announced, and two more.
        let units = [
            delta(0),
            refresh(1),
            delta(2),
            delta(3),
            delta(4),
            delta(5),
            lost(delta(6)),
        ];
        let verdicts = units.map(|unit| guard.admit(unit, now));
        let hold = Verdict::Hold(NO_REFERENCE);
        assert_eq!(
            verdicts,
            [
                hold,
                Verdict::DecodeOnly,
                Verdict::DecodeOnly,
                Verdict::DecodeOnly,
                Verdict::DecodeOnly,
                Verdict::Clean,
                hold
            ]
        );
    }

    #[test]
    fn an_intra_coded_picture_is_a_key_frame_only_where_no_other_comes() {
        let start = Instant::now();
        let nature = |entry| Nature {
            entry,
            announced: false,
            reference: true,
        };
        let mut guard = ReferenceGuard::new(start);
        let mut judged = |entry, after| {
            let now = start + Duration::from_secs(after);
            guard.judge(nature(entry), now).entry
        };
        assert_eq!(judged(Entry::Intra, 0), Entry::Open);
        assert_eq!(judged(Entry::Closed, 1), Entry::Closed);
        assert_eq!(judged(Entry::Intra, 2), Entry::No);
        assert_eq!(judged(Entry::Intra, 10), Entry::No);
        assert_eq!(judged(Entry::Intra, 12), Entry::Open);
        assert_eq!(judged(Entry::Gradual(3), 13), Entry::Gradual(3));
    }

    #[test]
    fn what_a_lost_picture_announced_is_not_taken_for_a_word_of_the_next_one() {
        let now = Instant::now();
        for entry in [Entry::Open, Entry::Gradual(1)] {
            let mut announced = unit(entry, 2);
            announced.nature.announced = true;
            let mut guard = ReferenceGuard::new(now);
            let hold = Verdict::Hold(NO_REFERENCE);
            assert_eq!(guard.admit(lost(announced), now), hold);
            assert_eq!(guard.admit(delta(3), now), hold);
            assert_ne!(guard.admit(announced, now), hold);
        }
        // A picture shows by itself that it refers to no other.
        let mut guard = ReferenceGuard::new(now);
        let intra = lost(unit(Entry::Open, 2));
        assert_eq!(guard.admit(intra, now), Verdict::Clean);
    }

    #[test]
    fn a_camera_that_announces_nothing_is_believed_after_a_while_but_a_long_gop_is_waited_for() {
        let start = Instant::now();
        let later = start + PATIENCE + Duration::from_millis(1);
        let latest = later + SETTLED + Duration::from_millis(1);
        let mut refresh = ReferenceGuard::new(start);
        assert_eq!(refresh.admit(delta(0), start), Verdict::Hold(NO_REFERENCE));
        assert_eq!(refresh.admit(delta(1), later), Verdict::DecodeOnly);
        assert_eq!(refresh.admit(delta(2), latest), Verdict::Clean);
        assert!(refresh.believes());
        assert_eq!(refresh.admit(lost(delta(3)), latest), Verdict::DecodeOnly);
        let mut joined_midway = ReferenceGuard::new(start);
        joined_midway.admit(delta(0), start);
        for (n, after) in [11, 25, 39].into_iter().enumerate() {
            let now = start + Duration::from_secs(after);
            assert_eq!(
                joined_midway.admit(delta(n as u64 + 1), now),
                Verdict::DecodeOnly
            );
        }
        let now = start + Duration::from_secs(40);
        assert_eq!(
            joined_midway.admit(unit(Entry::Closed, 4), now),
            Verdict::Clean
        );
        assert!(!joined_midway.believes());
        let mut long_gop = ReferenceGuard::new(start);
        assert_eq!(
            long_gop.admit(unit(Entry::Closed, 0), start),
            Verdict::Clean
        );
        long_gop.admit(lost(delta(1)), start);
        assert_eq!(
            long_gop.admit(delta(2), latest),
            Verdict::Hold(NO_REFERENCE)
        );
    }
}
