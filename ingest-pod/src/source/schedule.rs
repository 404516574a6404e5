//! When a file's frames are due: the wall clock of a replay, across loops.

use std::time::{Duration, Instant};

/// A frame this much behind its turn is not shown any more.
const LATE: Duration = Duration::from_millis(40);

/// When nothing was on time for so long, the machine cannot keep up at all: the schedule moves
/// instead, so that frames go on to flow, at the rate that the machine can do.
const GIVE_UP_AFTER: Duration = Duration::from_secs(1);

/// The turn of one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// When to show it.
    pub at: Instant,
    /// It is too late to show it.
    pub late: bool,
}

/// Maps the PTS of a replayed file to instants. Passes follow each other without a gap.
#[derive(Debug)]
pub struct Schedule {
    forced: Option<Duration>,
    start: Option<Instant>,
    pass_begins: Duration,
    first_pts: Option<Duration>,
    end: Duration,
    index: u32,
    step: Duration,
    last_pts: Option<Duration>,
    on_time: Option<Instant>,
}

impl Schedule {
    /// `interval` overrides the file's own timing.
    pub fn new(interval: Option<Duration>) -> Self {
        Self {
            forced: interval,
            start: None,
            pass_begins: Duration::ZERO,
            first_pts: None,
            end: Duration::ZERO,
            index: 0,
            step: Duration::from_millis(40),
            last_pts: None,
            on_time: None,
        }
    }

    /// The next frame's turn, with the PTS and duration that the file gives it.
    pub fn next(
        &mut self,
        pts: Option<Duration>,
        duration: Option<Duration>,
        now: Instant,
    ) -> Turn {
        let start = *self.start.get_or_insert(now);
        if let Some(duration) = duration.filter(|d| !d.is_zero()) {
            self.step = duration;
        }
        if let (Some(pts), Some(last)) = (pts, self.last_pts) {
            self.step = pts
                .checked_sub(last)
                .filter(|s| !s.is_zero())
                .unwrap_or(self.step);
        }
        let within = match (self.forced, pts) {
            (Some(interval), _) => interval.saturating_mul(self.index),
            (None, Some(pts)) => pts.saturating_sub(*self.first_pts.get_or_insert(pts)),
            // Some AVI files carry no time on a frame: it follows the one before it.
            (None, None) => self.end.saturating_sub(self.pass_begins),
        };
        self.last_pts = pts;
        self.index = self.index.saturating_add(1);
        let offset = self.pass_begins + within;
        self.end = offset + self.forced.unwrap_or(self.step);
        let at = start + offset;
        let behind = now.saturating_duration_since(at);
        let late = behind > LATE.max(self.forced.unwrap_or(self.step));
        if !late {
            self.on_time = Some(now);
        } else if self
            .on_time
            .is_none_or(|last| now.duration_since(last) > GIVE_UP_AFTER)
        {
            self.start = Some(start + behind);
            self.on_time = Some(now);
            return Turn {
                at: now,
                late: false,
            };
        }
        Turn { at, late }
    }

    /// The file begins anew, right after the last frame's time is over.
    pub fn next_pass(&mut self) {
        self.pass_begins = self.end;
        self.first_pts = None;
        self.last_pts = None;
        self.index = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_millis(100);

    #[test]
    fn ten_passes_of_ten_frames_are_a_hundred_even_steps() {
        for forced in [None, Some(FRAME)] {
            let mut schedule = Schedule::new(forced);
            let start = Instant::now();
            for n in 0..100_u32 {
                if n > 0 && n % 10 == 0 {
                    schedule.next_pass();
                }
                let pts = Duration::from_secs(7) + FRAME * (n % 10);
                let turn = schedule.next(Some(pts), None, start);
                assert_eq!(turn.at - start, FRAME * n, "frame {n}");
            }
        }
    }

    #[test]
    fn frames_without_time_follow_each_other() {
        let mut schedule = Schedule::new(None);
        let start = Instant::now();
        for n in 0..5 {
            assert_eq!(
                schedule.next(None, Some(FRAME), start).at,
                start + FRAME * n
            );
        }
    }

    #[test]
    fn a_short_stall_drops_what_it_missed_and_a_machine_too_slow_gets_a_slower_replay() {
        let mut schedule = Schedule::new(Some(FRAME));
        let start = Instant::now();
        let stalled = start + Duration::from_millis(450);
        assert!(!schedule.next(None, None, start).late);
        let late: Vec<bool> = (1..6)
            .map(|_| schedule.next(None, None, stalled).late)
            .collect();
        assert_eq!(late, [true, true, true, false, false]);

        let mut now = start;
        let mut slow = Schedule::new(Some(FRAME));
        let shown = (0..100)
            .filter(|_| {
                now += FRAME * 3;
                !slow.next(None, None, now).late
            })
            .count();
        assert!(shown > 10, "{shown} of 100 shown");
    }
}
