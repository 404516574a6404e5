//! Push or pull: which way frames are read. Pure: time is passed in.
//!
//! Pushed frames are the cheapest and the freshest as long as the link takes them all. On one that does not they wait
//! in the server, and each is older than the one before. Asked for one by one, each is as fresh as the link allows.

use std::time::{Duration, Instant};

/// A frame is late when it is older than the freshest one by more than so many intervals ...
const LATE_INTERVALS: u32 = 5;
/// ... and more than this.
const LATE: Duration = Duration::from_millis(500);
/// Frames are pulled when they were late for so long. One late frame is a hiccup.
const LATE_FOR: Duration = Duration::from_millis(500);

/// Frames are pushed again when none was missed for so long; twice as long after each time that it was too early.
const STEADY_FOR: Duration = Duration::from_secs(10);
const STEADY_FOR_AT_MOST: Duration = Duration::from_mins(10);
/// Push that held for so long was not too early.
const HELD: Duration = Duration::from_mins(1);

/// How frames come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Subscribed: the server sends each.
    Push,
    /// Asked for, one at a time.
    Pull,
}

/// What may be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Push while the link takes it, else pull.
    #[default]
    Auto,
    /// Always push.
    Push,
    /// Always pull.
    Pull,
}

/// What is known of a frame when it arrives.
#[derive(Debug, Clone, Copy)]
pub struct Arrived {
    /// Its id.
    pub frame_id: u64,
    /// Microseconds since it was published, by two clocks that may differ.
    pub age_us: i64,
    /// Time between two frames of the rendition.
    pub interval: Duration,
}

/// Chooses, frame by frame.
#[derive(Debug, Clone)]
pub struct Choice {
    mode: Mode,
    way: Way,
    since: Option<Instant>,
    /// Age of the freshest frame: what the link takes at best, and how far the clocks differ.
    best_us: Option<i64>,
    late_since: Option<Instant>,
    last_id: Option<u64>,
    steady_since: Option<Instant>,
    steady_for: Duration,
    /// Push was gone back to.
    tried_again: bool,
}

impl Choice {
    /// Begins by push where it may.
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            way: if mode == Mode::Pull {
                Way::Pull
            } else {
                Way::Push
            },
            since: None,
            best_us: None,
            late_since: None,
            last_id: None,
            steady_since: None,
            steady_for: STEADY_FOR,
            tried_again: false,
        }
    }

    /// How frames are to be read now.
    pub fn way(&self) -> Way {
        self.way
    }

    /// A frame arrived.
    pub fn arrived(&mut self, frame: Arrived, now: Instant) {
        self.since.get_or_insert(now);
        let best = self
            .best_us
            .map_or(frame.age_us, |best| best.min(frame.age_us));
        self.best_us = Some(best);
        let excess = Duration::from_micros(frame.age_us.abs_diff(best));
        let late = excess > LATE.max(frame.interval.saturating_mul(LATE_INTERVALS));
        let missed = self
            .last_id
            .replace(frame.frame_id)
            .is_some_and(|last| frame.frame_id > last.saturating_add(1));
        match self.way {
            Way::Push if late => {
                let since = *self.late_since.get_or_insert(now);
                if now.saturating_duration_since(since) >= LATE_FOR {
                    self.pull(now);
                }
            }
            Way::Push => self.late_since = None,
            Way::Pull if late || missed => self.steady_since = None,
            Way::Pull => {
                let since = *self.steady_since.get_or_insert(now);
                if now.saturating_duration_since(since) >= self.steady_for {
                    self.tried_again = true;
                    self.change(Way::Push, now);
                }
            }
        }
    }

    /// The connection was lost. A server cuts a reader that is too far behind.
    pub fn disconnected(&mut self, now: Instant) {
        if self.way == Way::Push && self.late_since.is_some() {
            self.pull(now);
        }
        self.steady_since = None;
    }

    fn pull(&mut self, now: Instant) {
        let held = self
            .since
            .is_some_and(|since| now.saturating_duration_since(since) >= HELD);
        if held {
            self.steady_for = STEADY_FOR;
        } else if self.tried_again {
            self.steady_for = (self.steady_for * 2).min(STEADY_FOR_AT_MOST);
        }
        self.change(Way::Pull, now);
        self.steady_since = None;
        // Each pulled frame is as fresh as can be: should not the link but a clock have changed, they tell.
        self.best_us = None;
    }

    fn change(&mut self, way: Way, now: Instant) {
        let allowed = match self.mode {
            Mode::Auto => true,
            Mode::Push => way == Way::Push,
            Mode::Pull => way == Way::Pull,
        };
        if allowed {
            self.way = way;
            self.since = Some(now);
        }
        self.late_since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const INTERVAL: Duration = Duration::from_millis(66);

    /// A reader of 15 frames a second behind a link that takes `capacity` of them.
    struct Reader {
        choice: Choice,
        now: Instant,
        /// Frames published and, with a fraction, transported.
        published: u64,
        transported: f64,
        /// The reader's clock is ahead of the camera's.
        ahead_us: i64,
        oldest: Duration,
        changes: Vec<Way>,
    }

    impl Reader {
        fn new(mode: Mode, ahead_us: i64) -> Self {
            Self {
                choice: Choice::new(mode),
                now: Instant::now(),
                published: 0,
                transported: 0.0,
                ahead_us,
                oldest: Duration::ZERO,
                changes: Vec::new(),
            }
        }

        fn run(&mut self, frames: u32, capacity: f64) {
            for _ in 0..frames {
                self.now += INTERVAL;
                self.published += 1;
                let before = self.transported as u64;
                let way = self.choice.way();
                self.transported = (self.transported + capacity).min(self.published as f64);
                let id = self.transported as u64;
                if id == before {
                    continue;
                }
                let (id, behind) = match way {
                    Way::Push => (id, self.published - id),
                    Way::Pull => (self.published, 1),
                };
                let age = INTERVAL * u32::try_from(behind).unwrap();
                self.oldest = self.oldest.max(age);
                let arrived = Arrived {
                    frame_id: id,
                    age_us: age.as_micros() as i64 + self.ahead_us,
                    interval: INTERVAL,
                };
                self.choice.arrived(arrived, self.now);
                if self.choice.way() != way {
                    // What waited in the server is thrown away.
                    self.transported = self.published as f64;
                    self.changes.push(self.choice.way());
                }
            }
        }
    }

    #[test]
    fn a_fast_link_is_pushed_for_ever_whatever_the_clocks_say() {
        for ahead in [-3_600_000_000, 0, 3_600_000_000] {
            let mut reader = Reader::new(Mode::Auto, ahead);
            reader.run(10_000, 1.0);
            assert_eq!(reader.changes, []);
        }
    }

    #[test]
    fn a_slow_link_is_pulled_within_seconds_and_pushed_again_once_it_is_fast() {
        let mut reader = Reader::new(Mode::Auto, 0);
        reader.run(100, 1.0);
        reader.run(300, 0.3);
        assert_eq!(reader.changes, [Way::Pull]);
        assert!(
            reader.oldest < Duration::from_secs(3),
            "{:?}",
            reader.oldest
        );
        reader.run(200, 1.0);
        assert_eq!(reader.changes, [Way::Pull, Way::Push]);
    }

    #[test]
    fn a_clock_that_is_set_anew_does_not_forbid_push_for_ever() {
        let mut reader = Reader::new(Mode::Auto, 0);
        reader.run(100, 1.0);
        reader.ahead_us = 3_600_000_000;
        reader.run(400, 1.0);
        assert_eq!(reader.changes, [Way::Pull, Way::Push]);
        reader.run(10_000, 1.0);
        assert_eq!(reader.changes, [Way::Pull, Way::Push]);
    }

    #[test]
    fn what_cannot_be_true_does_no_harm() {
        let mut choice = Choice::new(Mode::Auto);
        for (age_us, frame_id) in [(i64::MIN, u64::MAX), (i64::MAX, 0), (0, 1)] {
            let interval = Duration::MAX;
            let frame = Arrived {
                frame_id,
                age_us,
                interval,
            };
            choice.arrived(frame, Instant::now());
        }
    }

    #[test]
    fn one_hiccup_is_no_slow_link() {
        let mut choice = Choice::new(Mode::Auto);
        let start = Instant::now();
        for n in 0..100_u32 {
            let age_us = if n == 50 { 2_000_000 } else { 10_000 };
            let frame = Arrived {
                frame_id: n.into(),
                age_us,
                interval: INTERVAL,
            };
            choice.arrived(frame, start + INTERVAL * n);
        }
        assert_eq!(choice.way(), Way::Push);
        choice.disconnected(start + INTERVAL * 101);
        assert_eq!(choice.way(), Way::Push, "and a restarted server is none");
    }

    #[test]
    fn a_reader_that_is_cut_while_its_frames_are_late_pulls() {
        let mut choice = Choice::new(Mode::Auto);
        let start = Instant::now();
        for (n, age_us) in [(1, 10_000), (2, 1_000_000)] {
            let frame = Arrived {
                frame_id: n,
                age_us,
                interval: INTERVAL,
            };
            choice.arrived(frame, start);
        }
        choice.disconnected(start);
        assert_eq!(choice.way(), Way::Pull);
    }

    #[test]
    fn push_that_does_not_hold_is_tried_ever_more_rarely() {
        let mut reader = Reader::new(Mode::Auto, 0);
        // The link takes what is pulled, and not what is pushed.
        for _ in 0..20 {
            reader.run(600, 1.0);
            if reader.choice.way() == Way::Push {
                reader.run(100, 0.3);
            }
        }
        let pushes = reader.changes.iter().filter(|way| **way == Way::Push);
        assert!((2..10).contains(&pushes.count()), "{:?}", reader.changes);
    }

    proptest! {
        #[test]
        fn what_was_chosen_by_hand_stays(
            mode in prop_oneof![Just(Mode::Push), Just(Mode::Pull)],
            links in prop::collection::vec((1_u32..200, 0.1..1.0_f64), 1..20),
        ) {
            let mut reader = Reader::new(mode, 0);
            for (frames, capacity) in links {
                reader.run(frames, capacity);
            }
            prop_assert_eq!(reader.changes, []);
        }
    }
}
