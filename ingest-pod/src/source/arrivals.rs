//! When each access unit arrived: kept beside the pipeline by PTS, since decoders do not carry it.

use gstreamer as gst;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::marks::Marks;
use super::rtp_clock::RtpClock;
use crate::clock::Stamp;

/// Enough for the deepest reordering of H.264 and H.265 (16 frames) and an appsink's queue.
const KEPT: usize = 64;

/// Access units of which the first packet is remembered. One is whole only when the next one's first packet is there,
/// where a camera sets no marker bits; a parser may keep one more.
const BEGUN: usize = 4;

/// What is known of one access unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// The first byte of it was here.
    pub first: Instant,
    /// What the camera's clock made of it.
    pub stamp: Option<Stamp>,
    /// The last byte of it was here, and it went to the decoder.
    pub complete: Instant,
    /// The decoder was done with it.
    pub decoded: Option<Instant>,
}

impl Arrival {
    /// How long the decoder had it.
    pub fn decoding(&self) -> Option<Duration> {
        self.decoded
            .map(|done| done.saturating_duration_since(self.complete))
    }
}

/// An access unit that is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// When its last packet came.
    pub at: Instant,
    /// From its first packet to its last.
    pub took: Duration,
}

/// Arrival times of the access units that are under way, and what was held back.
#[derive(Debug, Default)]
pub struct Arrivals {
    /// What is wrong with which of them.
    pub marks: Marks,
    state: Mutex<State>,
    clock: Option<RtpClock>,
}

#[derive(Debug, Default)]
struct State {
    begun: VecDeque<(Option<gst::ClockTime>, Instant, Option<Stamp>)>,
    under_way: VecDeque<(Option<gst::ClockTime>, Arrival)>,
    newest: Option<Instant>,
    stirred: Option<Instant>,
    interval: Option<Duration>,
    waiting_since: Option<Instant>,
    held_back: Vec<(&'static str, u64)>,
    received: Vec<Received>,
}

impl Arrivals {
    /// Those of an RTP stream, with its clock.
    pub fn of_rtp(clock: RtpClock) -> Self {
        Self {
            clock: Some(clock),
            ..Self::default()
        }
    }

    /// The stream's clock; none but for RTP.
    pub fn clock(&self) -> Option<&RtpClock> {
        self.clock.as_ref()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A packet with this PTS arrived at `at`; only the first of an access unit counts, and is stamped.
    pub fn packet(
        &self,
        pts: Option<gst::ClockTime>,
        at: Instant,
        stamp: impl FnOnce() -> Option<Stamp>,
    ) {
        let mut state = self.state();
        if state.begun.back().is_some_and(|(known, ..)| *known == pts) {
            return;
        }
        if state.begun.len() >= BEGUN {
            state.begun.pop_front();
        }
        state.begun.push_back((pts, at, stamp()));
    }

    /// The access unit is whole and goes to the decoder. Returns how long ago its first byte arrived.
    pub fn complete(&self, pts: Option<gst::ClockTime>) -> Duration {
        let now = Instant::now();
        let mut state = self.state();
        let begun = state.begun.iter().rev().find(|(known, ..)| *known == pts);
        let (first, stamp) = begun.map_or((now, None), |(_, at, stamp)| (*at, *stamp));
        if state.under_way.len() >= KEPT {
            state.under_way.pop_front();
        }
        state.under_way.push_back((
            pts,
            Arrival {
                first,
                stamp,
                complete: now,
                decoded: None,
            },
        ));
        if let Some(before) = state.newest.replace(now) {
            let gap = now.duration_since(before);
            state.interval = Some(match state.interval {
                Some(mean) => (mean * 7 + gap) / 8,
                None => gap,
            });
        }
        let took = now.saturating_duration_since(first);
        if state.received.len() < KEPT {
            state.received.push(Received { at: now, took });
        }
        took
    }

    /// The picture with this PTS came out of the decoder.
    pub fn decoded(&self, pts: Option<gst::ClockTime>) {
        let mut state = self.state();
        if let Some((_, arrival)) = state.under_way.iter_mut().find(|(known, _)| *known == pts) {
            arrival.decoded = Some(Instant::now());
        }
    }

    /// Since when access units are held back for want of a key frame.
    pub fn waiting_for_key_frame(&self, since: Option<Instant>) {
        self.state().waiting_since = since;
    }

    /// How long access units have been held back for want of a key frame.
    pub fn waited_for_key_frame(&self) -> Duration {
        self.state()
            .waiting_since
            .map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// When the picture with this PTS arrived; forgets it.
    pub fn take(&self, pts: Option<gst::ClockTime>) -> Option<Arrival> {
        let mut state = self.state();
        let at = state
            .under_way
            .iter()
            .position(|(known, _)| *known == pts)?;
        state.under_way.remove(at).map(|(_, arrival)| arrival)
    }

    /// When the newest access unit was complete.
    pub fn newest(&self) -> Option<Instant> {
        self.state().newest
    }

    /// Something came that shows that the source sends, though no access unit was made of it.
    pub fn stirred(&self, at: Instant) {
        self.state().stirred = Some(at);
    }

    /// When that was the last time.
    pub fn last_stirred(&self) -> Option<Instant> {
        self.state().stirred
    }

    /// Mean time between access units, once two have come.
    pub fn interval(&self) -> Option<Duration> {
        self.state().interval
    }

    /// One access unit was not decoded.
    pub fn held_back(&self, reason: &'static str) {
        let mut state = self.state();
        match state
            .held_back
            .iter_mut()
            .find(|(known, _)| *known == reason)
        {
            Some((_, count)) => *count += 1,
            None => state.held_back.push((reason, 1)),
        }
    }

    /// What was held back and what was received, since the last call.
    pub fn drain(&self) -> (Vec<(&'static str, u64)>, Vec<Received>) {
        let mut state = self.state();
        (
            std::mem::take(&mut state.held_back),
            std::mem::take(&mut state.received),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_unit_that_is_whole_after_the_next_one_began_keeps_its_arrival() {
        let arrivals = Arrivals::default();
        let pts = |n: u64| Some(gst::ClockTime::from_mseconds(n));
        let begin = Instant::now();
        let at = |n: u64| begin + Duration::from_millis(n);
        arrivals.packet(pts(0), at(0), || None);
        for n in 1..100 {
            arrivals.packet(pts(n), at(n), || None);
            arrivals.packet(pts(n), at(n + 50), || None);
            arrivals.complete(pts(n - 1));
            let arrival = arrivals.take(pts(n - 1)).unwrap();
            assert_eq!(arrival.first, at(n - 1));
        }
        assert!(arrivals.state().begun.len() <= BEGUN);
    }

    #[test]
    fn finds_reordered_pictures_and_keeps_a_bounded_number() {
        let arrivals = Arrivals::default();
        let pts = |n: u64| Some(gst::ClockTime::from_mseconds(n));
        let at = Instant::now();
        for n in [0, 3, 1, 2] {
            arrivals.packet(pts(n), at, || None);
            arrivals.complete(pts(n));
        }
        for n in [0, 1, 2, 3] {
            assert_eq!(arrivals.take(pts(n)).map(|a| a.first), Some(at));
        }
        assert_eq!(arrivals.take(pts(0)), None);
        for n in 0..10_000 {
            arrivals.complete(pts(n));
            arrivals.held_back("no_reference");
        }
        assert!(arrivals.state().under_way.len() <= KEPT);
        let (held, received) = arrivals.drain();
        assert_eq!(held, [("no_reference", 10_000)]);
        assert!(received.len() <= KEPT);
    }
}
