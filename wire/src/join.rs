//! Joins the frames of several cameras on `tick`: which of them show the same instant.
//!
//! [`Joiner`] decides and is fed with time; [`JoinedFrames`] reads from NATS. Both run at the consumer: the grid that
//! all cameras share makes a server in between unnecessary.

mod lane;
mod stream;

use std::time::{Duration, Instant};

use lane::{Lane, Pick, Waiting};
pub use stream::JoinedFrames;

use crate::metadata::Metadata;

/// A camera that is this many times slower than the one that paces the sets takes its place. Not less, or two cameras
/// of about the same pace would take turns.
const SLOWER: f64 = 1.4;

/// How to join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JoinOptions {
    /// How long a frame waits for those of the other cameras.
    pub max_wait: Duration,
    /// What becomes of a set in which a camera has no frame.
    pub incomplete: Incomplete,
}

impl Default for JoinOptions {
    fn default() -> Self {
        Self {
            max_wait: Duration::from_millis(500),
            incomplete: Incomplete::Drop,
        }
    }
}

/// What becomes of a set in which a camera has no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incomplete {
    /// It is counted and not handed out.
    Drop,
    /// It is handed out, with `None` in the place of that camera.
    Emit,
}

/// What the joiner needs to know of a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// Its sampling instant, microseconds since 1970.
    pub tick_us: i64,
    /// When the light hit the sensor, microseconds since 1970.
    pub timestamp_us: i64,
    /// Its numbering; timestamps jump where it changes.
    pub epoch: u64,
    /// Its number, which rises whatever the clocks of a camera's machines do.
    pub frame_id: u64,
    /// Between the ticks of its rendition, microseconds.
    pub interval_us: f64,
}

impl From<&Metadata> for Moment {
    fn from(metadata: &Metadata) -> Self {
        Self {
            tick_us: metadata.tick,
            timestamp_us: metadata.timestamp,
            epoch: metadata.epoch,
            frame_id: metadata.frame_id,
            interval_us: 1e6 / metadata.fps,
        }
    }
}

/// Frames of one instant, one per camera in the order of the cameras.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set<T> {
    /// The sampling instant of the camera that paces the sets, microseconds since 1970.
    pub tick_us: i64,
    /// `None` where a camera has no frame of this instant; only with [`Incomplete::Emit`].
    pub frames: Vec<Option<T>>,
}

/// What came of the frames that were offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JoinCounts {
    /// Sets handed out.
    pub sets: u64,
    /// Sets that were not handed out because a camera had no frame.
    pub incomplete: u64,
    /// Frames that were in no set: other cameras are slower, or had none of that instant.
    pub unused: u64,
}

/// Finds the frames of one instant.
///
/// The slowest camera that delivers paces the sets: each of its frames gets the nearest frame of every other camera
/// whose tick lies within one interval of the slowest. "Nearest" sets each camera's ticks right by how far they lie
/// from its timestamps on average: two frames of one instant whose ticks fell on either side of it still find each
/// other, and jitter of single timestamps does not count. A frame is in one set at most.
#[derive(Debug)]
pub struct Joiner<T> {
    options: JoinOptions,
    lanes: Vec<Lane<T>>,
    pace: usize,
    began: Option<Instant>,
    counts: JoinCounts,
}

impl<T> Joiner<T> {
    /// A joiner of so many cameras.
    pub fn new(cameras: usize, options: JoinOptions) -> Self {
        Self {
            options,
            lanes: (0..cameras).map(|_| Lane::new(options.max_wait)).collect(),
            pace: 0,
            began: None,
            counts: JoinCounts::default(),
        }
    }

    /// Takes a frame of one camera, counted from 0. One that is no newer than the camera's last is passed over, and
    /// so is one whose metadata make no sense.
    pub fn offer(&mut self, camera: usize, moment: Moment, frame: T, now: Instant) {
        self.began.get_or_insert(now);
        if let Some(lane) = self.lanes.get_mut(camera) {
            self.counts.unused += lane.offer(moment, frame, now);
        }
    }

    /// The next set that is decided at `now`; ask until there is none.
    pub fn next(&mut self, now: Instant) -> Option<Set<T>> {
        loop {
            self.follow_the_slowest(now);
            let picks = self.picks(now)?;
            let pacing = self.lanes.get_mut(self.pace)?;
            let tick_us = pacing.front()?.tick_us;
            let frames: Vec<Option<T>> = self
                .lanes
                .iter_mut()
                .zip(picks)
                .map(|(lane, pick)| {
                    let at = pick?;
                    self.counts.unused += at as u64;
                    lane.take(at)
                })
                .collect();
            let missing = frames.iter().any(Option::is_none);
            if missing && self.options.incomplete == Incomplete::Drop {
                self.counts.incomplete += 1;
                self.counts.unused += frames.iter().flatten().count() as u64;
                continue;
            }
            self.counts.sets += 1;
            return Some(Set { tick_us, frames });
        }
    }

    /// When to ask again although no frame came.
    pub fn deadline(&self) -> Option<Instant> {
        let pacing = self.lanes.get(self.pace)?;
        match pacing.front() {
            Some(first) => Some(first.received + self.options.max_wait),
            // The others wait until the slowest is known to be down.
            None if self.lanes.iter().any(|lane| lane.front().is_some()) => {
                self.down_at(pacing).or(self.began)
            }
            None => None,
        }
    }

    /// What came of the frames so far.
    pub fn counts(&self) -> JoinCounts {
        self.counts
    }

    /// When a camera that stays silent is no longer waited for.
    fn down_at(&self, lane: &Lane<T>) -> Option<Instant> {
        let heard = lane.heard().or(self.began)?;
        Some(heard + self.options.max_wait.max(lane.patience()))
    }

    fn is_down(&self, lane: &Lane<T>, now: Instant) -> bool {
        self.down_at(lane).is_some_and(|at| now >= at)
    }

    /// Whether sets can be paced by this camera: it delivers, or has frames that wait.
    fn can_pace(&self, lane: &Lane<T>, now: Instant) -> bool {
        lane.front().is_some() || (lane.heard().is_some() && !self.is_down(lane, now))
    }

    fn follow_the_slowest(&mut self, now: Instant) {
        let paces = self
            .lanes
            .iter()
            .enumerate()
            .filter(|(_, lane)| self.can_pace(lane, now))
            .map(|(at, lane)| (at, lane.pace_us()));
        let Some((slowest, pace_us)) = paces.reduce(|a, b| if b.1 > a.1 { b } else { a }) else {
            return;
        };
        let pacing = self
            .lanes
            .get(self.pace)
            .filter(|lane| self.can_pace(lane, now));
        if pacing.is_none_or(|lane| pace_us > SLOWER * lane.pace_us()) {
            self.pace = slowest;
        }
    }

    /// For each camera which of its waiting frames belongs to the first one of the pacing camera; `None` while
    /// that is not decided.
    fn picks(&mut self, now: Instant) -> Option<Vec<Option<usize>>> {
        let pacing = self.lanes.get(self.pace)?;
        let first = pacing.front()?.at();
        let second = pacing.second().map(Waiting::at);
        let within_us = pacing.interval_us();
        let late = now >= pacing.front()?.received + self.options.max_wait;
        let mut picks = Vec::with_capacity(self.lanes.len());
        for (at, lane) in self.lanes.iter().enumerate() {
            if at == self.pace {
                picks.push(Some(0));
                continue;
            }
            let within_us = within_us.max(lane.interval_us());
            let pick = match lane.nearest(first, second, within_us) {
                Pick::Found(at) => Some(at),
                Pick::Missing => None,
                Pick::Undecided(best) if late || self.is_down(lane, now) => best,
                Pick::Undecided(_) => return None,
            };
            picks.push(pick);
        }
        Some(picks)
    }
}

#[cfg(test)]
mod tests;
