//! Which of a camera's sources is in use, and which fallback is to be tried: a state machine fed with time and outcomes.
//!
//! The camera's own source is kept going all the time, by its own rules of repetition. While it is down, the fallbacks
//! are tried one after the other, and the first that delivers is in use. Once the camera's own source has been fresh
//! for a while it is in use again, with the very connection that was watched: a camera that allows a single session
//! never sees a second one.

use std::time::{Duration, Instant};

use streamhub_backoff::{Backoff, Retries};

/// How long to wait before a source that failed is opened again.
pub const AGAIN: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));

/// How long the camera's own source must have been fresh before a fallback makes room for it.
pub const FRESH_FOR: Duration = Duration::from_secs(30);

/// An attempt that has not delivered for so long counts as down while another source may deliver, though it may still come.
const PATIENCE: Duration = Duration::from_secs(5);

/// How an attempt ended, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// May work the next time.
    Lost,
    /// Cannot work as it is written.
    Impossible,
    /// A file is through.
    Finished,
    /// Was told to end.
    Stopped,
}

/// A source: the camera's own one, or a fallback by its place in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// `spec.source` itself.
    Own,
    /// `spec.source.fallbacks[n]`.
    Fallback(usize),
}

/// What the fallbacks' thread is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Nothing before this time, or before something else happens.
    Wait(Option<Instant>),
    /// Try this fallback.
    Try(usize),
}

/// The state of all sources of one camera.
#[derive(Debug)]
pub struct Fallbacks {
    /// Why each is not tried any more; `None` = it is.
    out: Vec<Option<Outcome>>,
    fresh_for: Duration,
    in_use: Option<Entry>,
    own: Own,
    next: usize,
    delivered: bool,
    /// Fallbacks that were tried in vain since one delivered.
    in_vain: usize,
    /// All were tried in vain once: a slow one is better than none.
    unhurried: bool,
    not_before: Option<Instant>,
    retries: Retries,
}

/// The camera's own source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Own {
    /// An attempt runs since then and has not delivered.
    Trying(Instant),
    /// It delivers since then.
    Fresh(Instant),
    /// Waits for its next attempt, or can have none.
    Down { impossible: bool },
}

impl Fallbacks {
    /// So many fallbacks; the camera's own source is about to be tried.
    pub fn new(fallbacks: usize, fresh_for: Duration, now: Instant) -> Self {
        Self {
            out: vec![None; fallbacks],
            fresh_for,
            in_use: Some(Entry::Own),
            own: Own::Trying(now),
            next: 0,
            delivered: false,
            in_vain: 0,
            unhurried: false,
            not_before: None,
            retries: Retries::new(AGAIN),
        }
    }

    /// The source whose frames are published; `None` while none delivers.
    pub fn in_use(&self) -> Option<Entry> {
        self.in_use
    }

    /// The list of fallbacks was changed: none of the old ones runs any more.
    pub fn set_fallbacks(&mut self, fallbacks: usize) {
        self.out = vec![None; fallbacks];
        self.begin_anew();
        if self.in_use != Some(Entry::Own) {
            self.in_use = (fallbacks == 0).then_some(Entry::Own);
        }
    }

    /// An attempt of the camera's own source begins.
    pub fn own_begins(&mut self, now: Instant) {
        self.own = Own::Trying(now);
    }

    /// An access unit came. `true` when this source is in use from now on and was not before.
    pub fn unit(&mut self, from: Entry, now: Instant) -> bool {
        let take = match from {
            Entry::Own => self.own_unit(now),
            Entry::Fallback(_) => {
                self.delivered = true;
                self.in_vain = 0;
                self.unhurried = false;
                self.retries.reset();
                self.in_use.is_none()
            }
        };
        if take {
            self.in_use = Some(from);
        }
        take
    }

    fn own_unit(&mut self, now: Instant) -> bool {
        let since = match self.own {
            Own::Fresh(since) => since,
            Own::Trying(_) | Own::Down { .. } => {
                self.own = Own::Fresh(now);
                now
            }
        };
        let back = match self.in_use {
            Some(Entry::Own) => return false,
            Some(Entry::Fallback(_)) => now.saturating_duration_since(since) >= self.fresh_for,
            None => true,
        };
        if back {
            self.begin_anew();
        }
        back
    }

    /// The next time that a fallback is needed, it is the first again, and a film that was through may be shown again.
    fn begin_anew(&mut self) {
        self.next = 0;
        self.in_vain = 0;
        self.unhurried = false;
        self.not_before = None;
        self.retries.reset();
        for out in &mut self.out {
            if *out == Some(Outcome::Finished) {
                *out = None;
            }
        }
    }

    /// An attempt of the camera's own source ended.
    pub fn own_ended(&mut self, outcome: Outcome) {
        self.own = Own::Down {
            impossible: outcome == Outcome::Impossible,
        };
        // Told to end, it begins again at once; and who plays a film to its end wants nothing after it.
        let stays = matches!(outcome, Outcome::Stopped | Outcome::Finished) || self.out.is_empty();
        if self.in_use == Some(Entry::Own) && !stays {
            self.in_use = None;
        }
    }

    /// What the fallbacks' thread is to do now.
    pub fn task(&mut self, now: Instant) -> Task {
        if self.out.iter().all(Option::is_some) {
            return Task::Wait(None);
        }
        match (self.in_use, self.own) {
            (Some(Entry::Own), Own::Trying(since)) => {
                let until = since + PATIENCE;
                if now < until {
                    return Task::Wait(Some(until));
                }
                self.in_use = None;
            }
            (Some(Entry::Own), _) => return Task::Wait(None),
            _ => {}
        }
        if let Some(at) = self.not_before.filter(|at| *at > now) {
            return Task::Wait(Some(at));
        }
        let all = self.out.len();
        let after = (0..all).map(|n| (self.next + n) % all);
        let next = after
            .into_iter()
            .find(|n| self.out.get(*n).is_some_and(Option::is_none))
            .unwrap_or(0);
        self.next = next;
        self.delivered = false;
        Task::Try(next)
    }

    /// The attempt of a fallback ended; `random` is uniform in 0..1.
    pub fn fallback_ended(&mut self, n: usize, outcome: Outcome, now: Instant, random: f64) {
        if self.in_use == Some(Entry::Fallback(n)) {
            self.in_use = None;
        }
        match outcome {
            Outcome::Stopped => return,
            Outcome::Impossible | Outcome::Finished => {
                if let Some(out) = self.out.get_mut(n) {
                    *out = Some(outcome);
                }
            }
            Outcome::Lost => {}
        }
        let left = self.out.iter().filter(|out| out.is_none()).count();
        if self.delivered {
            // What comes first in the list is preferred; the one that was just lost has its turn again too.
            self.next = 0;
            self.in_vain = 0;
        } else {
            self.next = n + 1;
            // One that is out will not be opened again, so nothing needs to be waited for.
            self.in_vain += usize::from(outcome == Outcome::Lost);
        }
        // A source that is lost as soon as it delivers must not be opened in a tight loop either.
        let whole_round = self.delivered || self.in_vain >= left.max(1);
        self.not_before = whole_round.then(|| now + self.retries.next_wait(random));
        if whole_round {
            self.in_vain = 0;
            self.unhurried = !self.delivered;
        }
    }

    /// How long the fallback that is tried now may go without progress; `None` when it may take the time that it takes,
    /// as no other one is left in this round, or as a whole round was in vain.
    pub fn patience(&self) -> Option<Duration> {
        let left = self.out.iter().filter(|out| out.is_none()).count();
        let others = self.in_vain + 1 < left;
        (others && !self.delivered && !self.unhurried).then_some(PATIENCE)
    }

    /// Whether no source can deliver any more until a person changes something.
    pub fn is_hopeless(&self) -> bool {
        self.own == Own::Down { impossible: true } && self.out.iter().all(Option::is_some)
    }
}

#[cfg(test)]
mod tests;
