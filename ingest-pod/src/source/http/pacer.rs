//! When a frame of a stream over HTTP is due: as it arrives, or by its own timestamps where the server is ahead.

use std::time::{Duration, Instant};

/// A server that is so far ahead of the wall clock does not send what happens now.
const AHEAD: Duration = Duration::from_secs(5);
/// A gap this long between two frames' own timestamps is a seam.
const SEAM: Duration = Duration::from_secs(3);
/// A frame that comes this much after its turn moves the turns of all that follow.
const LATE: Duration = Duration::from_millis(200);

/// Finds each frame's instant; they never go back.
#[derive(Debug)]
pub struct Pacer {
    paced: bool,
    begin: Option<(Instant, Duration)>,
    last: Option<(Instant, Option<Duration>)>,
    interval: Option<Duration>,
}

impl Pacer {
    /// `paced` where it is known from the start that the server sends faster than the frames are due.
    pub fn new(paced: bool) -> Self {
        Self {
            paced,
            begin: None,
            last: None,
            interval: None,
        }
    }

    /// The next frame's instant, with the PTS that the stream gives it and when it arrived: to come when it is to be
    /// waited for, passed or present else.
    pub fn next(&mut self, pts: Option<Duration>, arrived: Instant, now: Instant) -> Instant {
        if let Some(pts) = pts {
            let &mut (at, first) = self.begin.get_or_insert((now, pts));
            let sent = pts.saturating_sub(first);
            self.paced |= sent > now.saturating_duration_since(at) + AHEAD;
        }
        let turn = if self.paced {
            self.turn(pts, now)
        } else {
            arrived
        };
        let turn = self.last.map_or(turn, |(last, _)| turn.max(last));
        self.last = Some((turn, pts));
        turn
    }

    /// The last frame's turn and the time between the two, unless there is a seam or the machine is behind.
    fn turn(&mut self, pts: Option<Duration>, now: Instant) -> Instant {
        let Some((last, last_pts)) = self.last else {
            return now;
        };
        let delta = match (pts, last_pts) {
            (Some(pts), Some(before)) => pts.checked_sub(before),
            // Some streams carry no time on a frame: it follows the one before it.
            _ => self.interval,
        };
        let seam = self
            .interval
            .map_or(SEAM, |interval| SEAM.max(interval.saturating_mul(4)));
        let Some(delta) = delta.filter(|delta| *delta <= seam) else {
            return now;
        };
        self.interval = Some(delta);
        let turn = last + delta;
        if now.saturating_duration_since(turn) > LATE {
            now
        } else {
            turn
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FRAME: Duration = Duration::from_millis(40);

    #[test]
    fn what_happens_now_has_the_time_of_its_arrival() {
        let mut pacer = Pacer::new(false);
        let start = Instant::now();
        // Ten seconds of silence, then all at once: none waits.
        for n in 0..400_u32 {
            let arrived = start + FRAME * if (100..350).contains(&n) { 350 } else { n };
            assert_eq!(
                pacer.next(Some(FRAME * n), arrived, arrived),
                arrived,
                "{n}"
            );
        }
    }

    #[test]
    fn what_the_server_sends_at_once_is_shown_at_its_own_rate() {
        for known in [true, false] {
            let mut pacer = Pacer::new(known);
            let start = Instant::now();
            let mut now = start;
            let mut turns = Vec::new();
            for n in 0..1000_u32 {
                now = now.max(pacer.next(Some(FRAME * n), now, now));
                turns.push(now);
            }
            let spread = turns[999] - turns[500];
            assert_eq!(spread, FRAME * 499, "known {known}");
        }
    }

    #[test]
    fn a_seam_is_no_wait_and_a_pause_of_the_network_moves_what_follows() {
        let mut pacer = Pacer::new(true);
        let start = Instant::now();
        assert_eq!(pacer.next(Some(FRAME * 1000), start, start), start);
        let second = pacer.next(Some(FRAME * 1001), start, start);
        assert_eq!(second, start + FRAME);
        // Another film begins.
        assert_eq!(pacer.next(Some(Duration::ZERO), second, second), second);
        let hour = Duration::from_hours(1);
        assert_eq!(pacer.next(Some(hour), second, second), second);
        let later = second + Duration::from_secs(2);
        assert_eq!(pacer.next(Some(hour + FRAME), later, later), later);
        assert_eq!(
            pacer.next(Some(hour + FRAME * 2), later, later),
            later + FRAME
        );
    }

    proptest! {
        #[test]
        fn time_never_goes_back(
            steps in proptest::collection::vec((prop::option::of(0_u64..20_000), 0_u64..500), 1..200), paced in any::<bool>(),
        ) {
            let mut pacer = Pacer::new(paced);
            let mut now = Instant::now();
            let mut last = now;
            for (pts, passed) in steps {
                now += Duration::from_millis(passed);
                let turn = pacer.next(pts.map(Duration::from_millis), now, now);
                prop_assert!(turn >= last);
                prop_assert!(turn <= now + Duration::from_secs(80));
                last = turn;
                now = now.max(turn);
            }
        }
    }
}
