//! Whether anybody listens to a rendition. Pure: time is passed in.
//!
//! The server answers a frame that nobody takes with "no responders" (status 503) on the frame's reply inbox. An
//! empty message to our own inbox follows the frame; when that is back and no 503 came before it, somebody listens.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A rendition is active while a sign of a listener is younger than this.
pub const LISTENED_WITHIN: Duration = Duration::from_secs(2);

/// For so long after a connection to NATS an active rendition stays active: its readers must connect again too.
pub const AFTER_CONNECTION: Duration = Duration::from_secs(10);

/// How often an idle rendition publishes a frame to see whether anybody listens.
pub const PROBE_EVERY: Duration = Duration::from_secs(1);

/// Active or idle, and why.
///
/// Only a frame that nobody took makes a rendition idle. So a camera that is away, a connection that hangs, and a
/// rate of one frame a minute leave it as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Interest {
    active: bool,
    heard: Option<Instant>,
    held_until: Option<Instant>,
}

impl Interest {
    /// A sign of a listener: a frame or metadata message that somebody took, a request, a hello.
    pub fn somebody(&mut self, now: Instant) {
        self.active = true;
        self.heard = Some(self.heard.map_or(now, |heard| heard.max(now)));
    }

    /// Neither a frame nor its metadata message found anybody.
    pub fn nobody(&mut self, now: Instant) {
        let heard = self
            .heard
            .is_some_and(|heard| now.saturating_duration_since(heard) < LISTENED_WITHIN);
        let held = self.held_until.is_some_and(|until| now < until);
        if !heard && !held {
            self.active = false;
        }
    }

    /// A connection to NATS stands anew.
    pub fn connected(&mut self, now: Instant) {
        self.held_until = Some(now + AFTER_CONNECTION);
    }

    /// Whether somebody listens, as far as is known.
    pub fn is_active(&self) -> bool {
        self.active
    }
}

/// The [`Interest`] in one rendition, shared by those who learn of it and those who ask.
#[derive(Debug, Clone, Default)]
pub struct Listeners(Arc<Mutex<Shared>>);

#[derive(Debug, Default)]
struct Shared {
    interest: Interest,
    always: bool,
}

impl Listeners {
    /// Whether frames are wanted at the rendition's full rate.
    pub fn is_active(&self) -> bool {
        let shared = self.lock();
        shared.always || shared.interest.is_active()
    }

    /// Whether frames are wanted even when nobody listens.
    pub fn set_always(&self, always: bool) {
        self.lock().always = always;
    }

    /// [`Interest::somebody`].
    pub fn somebody(&self, now: Instant) {
        self.lock().interest.somebody(now);
    }

    /// [`Interest::nobody`].
    pub fn nobody(&self, now: Instant) {
        self.lock().interest.nobody(now);
    }

    /// [`Interest::connected`].
    pub fn connected(&self, now: Instant) {
        self.lock().interest.connected(now);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known of the frames of one connection whose barrier has not come back.
#[derive(Debug, Default)]
pub(crate) struct Verdicts {
    under_way: VecDeque<UnderWay>,
}

#[derive(Debug)]
struct UnderWay {
    number: u64,
    /// Messages sent for this frame, itself and its metadata, that have not been answered with 503.
    unanswered: u8,
}

/// More than this many frames are never under way (CONTRACT §5 allows two).
const KEPT: usize = 8;

impl Verdicts {
    /// The frame with this number is given to the client.
    pub(crate) fn sent(&mut self, number: u64) {
        if self.under_way.len() >= KEPT {
            self.under_way.pop_front();
        }
        self.under_way.push_back(UnderWay {
            number,
            unanswered: 1,
        });
    }

    /// The last one was not taken after all.
    pub(crate) fn forget(&mut self, number: u64) {
        self.under_way.retain(|frame| frame.number != number);
    }

    /// So is its metadata message.
    pub(crate) fn sent_meta(&mut self, number: u64) {
        if let Some(frame) = self.find(number) {
            frame.unanswered += 1;
        }
    }

    /// The server says that nobody takes one of the messages.
    pub(crate) fn no_responders(&mut self, number: u64) {
        if let Some(frame) = self.find(number) {
            frame.unanswered = frame.unanswered.saturating_sub(1);
        }
    }

    /// The barrier behind the frame `number` is back. `Some(true)`: somebody took one of the frames up to it.
    pub(crate) fn came_back(&mut self, number: u64) -> Option<bool> {
        let mut verdict = None;
        while let Some(frame) = self.under_way.front() {
            if frame.number > number {
                break;
            }
            verdict = Some(verdict.unwrap_or(false) || frame.unanswered > 0);
            self.under_way.pop_front();
        }
        verdict
    }

    /// On a new connection nothing is under way any more.
    pub(crate) fn clear(&mut self) {
        self.under_way.clear();
    }

    fn find(&mut self, number: u64) -> Option<&mut UnderWay> {
        self.under_way
            .iter_mut()
            .find(|frame| frame.number == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_rendition_idles_with_the_first_frame_that_nobody_took_two_seconds_after_the_last_listener()
    {
        let start = Instant::now();
        let mut interest = Interest::default();
        interest.nobody(start);
        assert!(!interest.is_active(), "nobody was ever there");
        interest.somebody(start);
        interest.nobody(start + SECOND);
        assert!(interest.is_active());
        interest.nobody(start + 2 * SECOND);
        assert!(!interest.is_active());
        interest.somebody(start + 3 * SECOND);
        assert!(interest.is_active(), "one sign is enough");
    }

    #[test]
    fn after_a_connection_the_state_before_it_holds_for_ten_seconds() {
        let start = Instant::now();
        let mut interest = Interest::default();
        interest.somebody(start);
        let back = start + 60 * SECOND;
        interest.connected(back);
        interest.nobody(back + 9 * SECOND);
        assert!(interest.is_active());
        interest.nobody(back + 10 * SECOND);
        assert!(!interest.is_active());
        interest.connected(back + 20 * SECOND);
        interest.nobody(back + 21 * SECOND);
        assert!(!interest.is_active(), "a connection is no listener");
    }

    #[test]
    fn a_camera_away_or_a_rate_of_one_frame_a_minute_is_not_idle_without_a_frame_that_nobody_took()
    {
        let start = Instant::now();
        let mut interest = Interest::default();
        for minute in 0..5 {
            interest.somebody(start + 60 * minute * SECOND);
            assert!(interest.is_active());
        }
    }

    #[test]
    fn a_frame_counts_as_taken_when_it_or_its_metadata_was() {
        let mut verdicts = Verdicts::default();
        for (number, answers, taken) in [(1, 0, true), (2, 1, true), (3, 2, false)] {
            verdicts.sent(number);
            verdicts.sent_meta(number);
            for _ in 0..answers {
                verdicts.no_responders(number);
            }
            assert_eq!(verdicts.came_back(number), Some(taken), "frame {number}");
        }
        assert_eq!(verdicts.came_back(3), None, "each frame is judged once");
    }

    #[test]
    fn one_barrier_judges_all_frames_before_it() {
        let mut verdicts = Verdicts::default();
        verdicts.sent(1);
        verdicts.sent(2);
        verdicts.sent(3);
        verdicts.no_responders(2);
        assert_eq!(verdicts.came_back(2), Some(true));
        verdicts.no_responders(3);
        assert_eq!(verdicts.came_back(9), Some(false));
        verdicts.sent(4);
        verdicts.clear();
        assert_eq!(verdicts.came_back(9), None);
    }

    #[derive(Debug, Clone, Copy)]
    enum Event {
        Somebody,
        Nobody,
        Connected,
    }

    proptest! {
        /// Against the contract's own words, for every history in which a frame is judged at each step.
        #[test]
        fn active_means_what_the_contract_says(
            steps in prop::collection::vec(
                (0_u64..4_000, prop_oneof![Just(Event::Somebody), Just(Event::Nobody), Just(Event::Connected)]),
                1..60,
            )
        ) {
            let mut now = Instant::now();
            let mut interest = Interest::default();
            let (mut heard, mut connected): (Option<Instant>, Option<Instant>) = (None, None);
            for (millis, event) in steps {
                now += Duration::from_millis(millis);
                let before = interest.is_active();
                match event {
                    Event::Somebody => {
                        interest.somebody(now);
                        heard = Some(now);
                    }
                    Event::Nobody => interest.nobody(now),
                    Event::Connected => {
                        interest.connected(now);
                        connected = Some(now);
                    }
                }
                let of_late = |at: Option<Instant>, within| at.is_some_and(|at| now - at < within);
                if of_late(heard, LISTENED_WITHIN) {
                    prop_assert!(interest.is_active());
                } else if of_late(connected, AFTER_CONNECTION) {
                    prop_assert_eq!(interest.is_active(), before);
                } else if matches!(event, Event::Nobody) {
                    prop_assert!(!interest.is_active());
                } else {
                    prop_assert_eq!(interest.is_active(), before);
                }
            }
        }
    }
}
