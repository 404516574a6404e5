//! The lower envelope of (arrival minus media time): what is left of it when jitter is taken out.
//!
//! A packet is late by the network's and the camera's mood, never early. So the line beneath all points of the last
//! minutes is the way of the packets that waited least, and its slope is the difference between the camera's
//! oscillator and ours (Moon, Skelly, Towsley: "Estimation and Removal of Clock Skew from Network Delay
//! Measurements", 1999). All times are microseconds.

use std::collections::VecDeque;

/// Points are thinned out to the lowest in so much time ...
const BUCKET_US: i64 = 4_000_000;
/// ... and so many of them are kept: four minutes.
const BUCKETS: usize = 64;
/// What counts as of late: a change of the way that lasts so many buckets is no burst.
const RECENT: usize = 3;
/// A slope needs points so far apart: with less, jitter would be taken for skew.
const SLOPE_SPAN_US: i64 = 32_000_000;
/// Quartz is within 100 ppm; what is further off is no clock that a line can follow.
const MAX_SLOPE: f64 = 500e-6;
/// How far off the slope may be: a quartz's tolerance before it is known, and after.
const SKEW: f64 = 100e-6;
const SKEW_KNOWN: f64 = 2e-6;
/// A point so far beneath the line (and beneath the usual jitter) shows a shorter way, not a lucky packet.
const SHORTER_WAY_US: f64 = 3_000.0;
/// From so many points on their mean is a judgement of the jitter; before, it is their spread.
const MANY: u32 = 64;
/// Nothing can be said of the jitter with fewer points, or in less time: a camera may begin with a burst.
const ENOUGH: u32 = 16;
const ENOUGH_US: i64 = 1_000_000;

#[derive(Debug, Clone, Copy)]
struct Point {
    media: i64,
    delay: i64,
}

/// The envelope of one stream. Memory is bounded and taken once.
#[derive(Debug, Clone)]
pub struct Envelope {
    closed: VecDeque<Point>,
    open: Point,
    open_since: i64,
    /// The line: `level` at `anchor`.
    anchor: i64,
    level: f64,
    slope: f64,
    /// Media time of the point that holds the line up, and whether the slope is more than a guess.
    support: i64,
    sloped: bool,
    began: (i64, i64),
    seen: u32,
    spread: f64,
    mean: f64,
    dropped_at: i64,
    hull: Vec<Point>,
}

impl Envelope {
    /// Begins with one access unit.
    pub fn new(media: i64, arrival: i64) -> Self {
        let first = Point {
            media,
            delay: arrival - media,
        };
        Self {
            closed: VecDeque::with_capacity(BUCKETS),
            open: first,
            open_since: arrival,
            anchor: media,
            level: first.delay as f64,
            slope: 0.0,
            support: media,
            sloped: false,
            began: (media, arrival),
            seen: 1,
            spread: 0.0,
            mean: 0.0,
            dropped_at: arrival,
            hull: Vec::with_capacity(BUCKETS),
        }
    }

    /// Begins anew with one access unit, and keeps what it knows of the skew.
    pub fn restart(&mut self, media: i64, arrival: i64) {
        let (slope, sloped) = (self.slope, self.sloped);
        let hull = std::mem::take(&mut self.hull);
        let mut closed = std::mem::take(&mut self.closed);
        closed.clear();
        *self = Self {
            closed,
            slope,
            sloped,
            hull,
            ..Self::new(media, arrival)
        };
    }

    /// Forgets all but the last seconds, in which the way has become another one.
    pub fn forget_the_past(&mut self) {
        while self.closed.len() >= RECENT {
            self.closed.pop_front();
        }
        self.seen = self.seen.min(MANY);
        self.fit();
    }

    /// Arrival minus media time of the packets that waited least, at this media time.
    pub fn lower(&self, media: i64) -> f64 {
        self.level + self.slope * (media - self.anchor) as f64
    }

    /// The lowest delay of late, as it would be at this media time; `None` before there is enough of it.
    pub fn recent(&self, media: i64) -> Option<f64> {
        let at = |point: &Point| point.delay as f64 + self.slope * (media - point.media) as f64;
        let full = self.closed.len() >= RECENT;
        let last = self.closed.iter().rev().take(RECENT - 1).map(at);
        full.then(|| last.fold(at(&self.open), f64::min))
    }

    /// When the envelope last came down notably, on the arrival clock.
    pub fn dropped_at(&self) -> i64 {
        self.dropped_at
    }

    /// How far the line may lie above the shortest way there is; `None` while too little was seen.
    ///
    /// Half of all packets or more would have to be luckier than the luckiest of the last minutes for it to be more.
    pub fn bound(&self, media: i64, arrival: i64) -> Option<f64> {
        if self.seen < ENOUGH || arrival - self.began.1 < ENOUGH_US {
            return None;
        }
        let jitter = if self.seen < MANY {
            2.0 * self.spread
        } else {
            self.mean
        };
        let skew = if self.sloped { SKEW_KNOWN } else { SKEW };
        Some(jitter + skew * (media - self.support).max(0) as f64)
    }

    /// Takes the next access unit, in the order of arrival.
    pub fn observe(&mut self, media: i64, arrival: i64) {
        let delay = arrival - media;
        if arrival - self.open_since >= BUCKET_US {
            self.close(Point { media, delay });
            self.open_since = arrival;
        } else if delay < self.open.delay {
            self.open = Point { media, delay };
        }
        let above = delay as f64 - self.lower(media);
        if above < 0.0 {
            if -above > SHORTER_WAY_US.max(self.mean) {
                self.closed.clear();
            }
            if -above > 2_000.0 {
                self.dropped_at = arrival;
            }
            self.spread -= above;
            self.mean += (-above).min(self.mean + 2_000.0);
            (self.anchor, self.support) = (media, media);
            self.level = delay as f64;
        }
        self.judge(above.max(0.0));
    }

    /// The mean height above the line. A burst counts as a few packets would: it is no sign of how far off the line is.
    fn judge(&mut self, above: f64) {
        self.seen = self.seen.saturating_add(1);
        self.spread = self.spread.max(above);
        let bounded = if self.seen < MANY {
            above
        } else {
            above.min(4.0 * self.mean + 2_000.0)
        };
        self.mean += (bounded - self.mean) / f64::from(self.seen.min(MANY));
    }

    fn close(&mut self, next: Point) {
        if self.closed.len() >= BUCKETS {
            self.closed.pop_front();
        }
        self.closed.push_back(self.open);
        self.open = next;
        self.fit();
    }

    /// The line beneath all points that lies closest to them.
    fn fit(&mut self) {
        let (Some(first), Some(last)) = (self.closed.front(), self.closed.back()) else {
            return;
        };
        let span = last.media - first.media;
        let middle = i64::midpoint(first.media, last.media);
        if span >= SLOPE_SPAN_US {
            lower_hull(&self.closed, &mut self.hull);
            let edge = self.hull.windows(2).find_map(|edge| match edge {
                [a, b] if b.media >= middle => Some((*a, *b)),
                _ => None,
            });
            if let Some((a, b)) = edge {
                let slope = (b.delay - a.delay) as f64 / (b.media - a.media) as f64;
                self.slope = slope.clamp(-MAX_SLOPE, MAX_SLOPE);
                self.sloped = true;
            }
        }
        self.anchor = last.media;
        let (slope, anchor) = (self.slope, self.anchor);
        let at = |point: &Point| point.delay as f64 + slope * (anchor - point.media) as f64;
        let lowest = self.closed.iter().min_by(|a, b| at(a).total_cmp(&at(b)));
        (self.level, self.support) = lowest.map_or((self.level, anchor), |p| (at(p), p.media));
    }
}

/// Andrew's monotone chain, the lower half. Points come in order of media time, bar the reordering of B-frames.
fn lower_hull(points: &VecDeque<Point>, hull: &mut Vec<Point>) {
    hull.clear();
    for &point in points {
        while let [.., a, b] = hull.as_slice() {
            let turn = i128::from(b.media - a.media) * i128::from(point.delay - a.delay)
                - i128::from(b.delay - a.delay) * i128::from(point.media - a.media);
            if turn > 0 {
                break;
            }
            hull.pop();
        }
        if hull.last().is_none_or(|last| last.media < point.media) {
            hull.push(point);
        }
    }
}
