//! The clock of one connection.

use super::envelope::Envelope;
use super::reports::Reports;
use super::rtp::Unwrapped;
use super::{Cause, Health, Mode, Reading, SenderReport, Settings, Stamp, rtcp};
use streamhub_wire::metadata::CaptureSource;

/// A report further from arrival than this is measured and not used; a mapping further off begins a new epoch.
const AGREE_US: f64 = 200_000.0;
/// A camera whose reports were found wrong must come so close again, ...
const AGREE_AGAIN_US: f64 = 100_000.0;
/// ... so many times in a row, and so many wrong ones in a row make it a wrong clock and not a wrong report.
const IN_A_ROW: u32 = 3;
/// How fast the mapping may move against media time.
const SLEW: f64 = 500e-6;
/// One step is allowed within so long of the first access unit; it is taken at the latest ...
const STEP_WITHIN_US: i64 = 5_000_000;
/// ... after so long without a report that could be waited for.
const STEP_AT_US: i64 = 4_000_000;
/// What slewing mends within ten seconds is not worth a new epoch.
const STEP_WORTH_US: f64 = 5_000.0;
/// Reports have taken over when timestamps are so close to them.
const TAKEN_OVER_US: f64 = 20_000.0;
/// So far after its arrival no picture is stamped before the one step: a connection may begin with a burst.
const AHEAD_US: f64 = 50_000.0;
/// Arrivals have settled when the envelope has not come down for so long, and some were seen.
const SETTLED_US: i64 = 300_000;
/// A difference between media time and arrival that no network makes.
const JUMP_US: f64 = 10_000_000.0;
/// At most one break in so long: a burst after a pause is one event.
const BREAK_APART_US: i64 = 500_000;
/// So many breaks ...
const BREAKS: usize = 4;
/// ... within this, and RTP time is of no use.
const BREAKS_WITHIN_US: i64 = 60_000_000;
/// Media time that stands still for so long is no time.
const STANDSTILL_US: i64 = 1_000_000;
/// A report about a time further from the stream than this is about something else.
const NEAR_US: i64 = 60_000_000;
/// The grain of RTP time and of reading clocks.
const GRAIN_US: f64 = 100.0;

/// The clock of one connection: access units and reports go in as they arrive, pictures in the order of presentation.
#[derive(Debug, Clone)]
pub struct StreamClock {
    settings: Settings,
    stream: Option<Stream>,
    out: Option<Out>,
    reports: Reports,
    trust: Trust,
    /// Hub time minus monotonic time.
    wall: i64,
    camera_offset_us: Option<i64>,
    stepped: bool,
    began: i64,
    breaks: [Option<i64>; BREAKS],
    useless: bool,
    error_us: Option<i64>,
}

#[derive(Debug, Clone)]
struct Stream {
    ssrc: u32,
    unwrapped: Unwrapped,
    segment: u32,
    cause: Cause,
    began: i64,
    newest: i64,
    envelope: Envelope,
}

/// Where the timestamps stand that were given out.
#[derive(Debug, Clone, Copy)]
struct Out {
    segment: u32,
    /// Monotonic time minus media time.
    offset: f64,
    media: i64,
    /// Arrival of the first picture with this media time.
    arrival: i64,
    /// The timestamp itself, before the configured offset.
    at: i64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Trust {
    used: bool,
    barred: bool,
    agree: u32,
    differ: u32,
}

impl StreamClock {
    /// A connection without an access unit. `wall_us` is hub time minus monotonic time.
    pub fn new(settings: Settings, wall_us: i64) -> Self {
        Self {
            settings,
            stream: None,
            out: None,
            reports: Reports::default(),
            trust: Trust::default(),
            wall: wall_us,
            camera_offset_us: None,
            stepped: false,
            began: 0,
            breaks: [None; BREAKS],
            useless: false,
            error_us: None,
        }
    }

    /// Ticks of RTP time in a second; to be known before the first access unit.
    pub fn set_rate(&mut self, rate: u32) {
        self.settings.rate = rate;
    }

    /// How it is doing.
    pub fn health(&self) -> Health {
        let near = |out: &Out| self.source(out.offset, out.media);
        Health {
            source: self.out.as_ref().map_or(CaptureSource::Arrival, near),
            camera_offset_us: self.camera_offset_us,
            error_us: self.error_us,
        }
    }

    /// The first packet of an access unit has arrived.
    pub fn arrived(&mut self, time: u32, ssrc: u32, arrival_us: i64) -> Stamp {
        let Some(stream) = &mut self.stream else {
            self.began = arrival_us;
            let stream = self.stream.insert(Stream {
                ssrc,
                unwrapped: Unwrapped::new(time, self.settings.rate),
                segment: 0,
                cause: Cause::Connected,
                began: arrival_us,
                newest: 0,
                envelope: Envelope::new(0, arrival_us),
            });
            return stream.stamp(0, arrival_us);
        };
        if self.useless {
            return stream.stamp(0, arrival_us);
        }
        let mut media = stream.unwrapped.peek(time);
        let off = (arrival_us - media) as f64 - stream.envelope.lower(media);
        if stream.ssrc != ssrc || off.abs() > JUMP_US {
            media = 0;
            stream.ssrc = ssrc;
            stream.unwrapped = Unwrapped::new(time, self.settings.rate);
            stream.newest = 0;
            stream.envelope.restart(0, arrival_us);
            self.forget_reports();
            self.break_off(Cause::RtpJump, arrival_us);
        } else {
            stream.unwrapped.advance(time);
            stream.newest = stream.newest.max(media);
            stream.envelope.observe(media, arrival_us);
            if !self.held(media, arrival_us) {
                self.trust = Trust {
                    barred: true,
                    ..Trust::default()
                };
                self.break_off(Cause::NotHeld, arrival_us);
            }
        }
        let segment = self.stream.as_ref().map_or(0, |stream| stream.segment);
        Stamp {
            segment,
            media,
            arrival: arrival_us,
        }
    }

    /// A sender report has arrived.
    pub fn report(&mut self, report: SenderReport, arrival_us: i64) {
        let Some(stream) = &self.stream else {
            return;
        };
        let media = stream.unwrapped.peek(report.rtp);
        let near = (media - stream.newest).abs() <= NEAR_US;
        let Some(wall) = rtcp::unix_us(report.ntp, arrival_us + self.wall) else {
            return;
        };
        if report.ssrc != stream.ssrc || !near || self.useless {
            return;
        }
        let off = (wall - media - self.wall) as f64 - stream.envelope.lower(media);
        self.camera_offset_us = Some(off.round() as i64);
        let limit = if self.trust.barred {
            AGREE_AGAIN_US
        } else {
            AGREE_US
        };
        let in_order = self.reports.is_in_order(media, wall);
        let agrees = in_order && (off.abs() <= limit || self.settings.mode == Mode::Rtcp);
        self.trust.agree = if agrees { self.trust.agree + 1 } else { 0 };
        self.trust.differ = if agrees { 0 } else { self.trust.differ + 1 };
        if self.trust.differ >= IN_A_ROW && (self.trust.used || !in_order) {
            let barred = self.trust.used || self.trust.barred;
            self.forget_reports();
            self.trust.barred = barred;
        }
        if self.trust.agree >= IN_A_ROW {
            self.trust.barred = false;
        }
        // What is not used yet is kept all the same: at first it is arrival that may be the one that is wrong.
        if self.reports.is_in_order(media, wall) && (agrees || !self.trust.used) {
            self.reports.add(media, wall);
        }
    }

    /// The time of the next picture, which must come in the order of presentation. `wall_us` is hub time minus monotonic
    /// time; where it is another one than before, the caller has begun an epoch. `None` for a picture from before the
    /// one that came last.
    pub fn capture(&mut self, stamp: Stamp, wall_us: i64) -> Option<Reading> {
        let set_by = wall_us - std::mem::replace(&mut self.wall, wall_us);
        let stream = self.stream.as_ref()?;
        let (segment, cause) = (stream.segment, stream.cause);
        let lower = stream.envelope.lower(stamp.media);
        let out = self.out.filter(|out| out.segment == stamp.segment);
        if stamp.segment < segment {
            return out.map(|out| self.give(stamp, out.offset, None));
        }
        if set_by != 0 {
            self.trust.used = false;
            self.camera_offset_us = self.camera_offset_us.map(|off| off - set_by);
        }
        let begins = if self.out.is_some() {
            Some(cause)
        } else {
            None
        };
        if self.useless {
            return Some(self.give_arrival(stamp, begins.filter(|_| out.is_none())));
        }
        self.consider_reports(stamp, lower);
        let Some(out) = out else {
            return Some(self.give(stamp, lower, begins));
        };
        let stands = stamp.media == out.media && stamp.arrival - out.arrival > STANDSTILL_US;
        if stands || stamp.media < out.media {
            return Some(self.gone_back(stamp, stands));
        }
        let target = self.target(stamp.media, lower);
        let off = target - out.offset;
        if set_by != 0 {
            return Some(self.give(stamp, target, None));
        }
        let step = self.is_worth_a_step(off.abs(), stamp.arrival);
        if step || self.is_told_to_step(off.abs()) {
            let early = self.may_step(stamp.arrival);
            let cause = if early {
                Cause::Settled
            } else {
                Cause::NotHeld
            };
            self.stepped = true;
            return Some(self.give(stamp, target, Some(cause)));
        }
        let limit = SLEW * (stamp.media - out.media) as f64;
        Some(self.give(stamp, out.offset + off.clamp(-limit, limit), None))
    }

    /// Where timestamps should stand: monotonic time minus media time.
    fn target(&self, media: i64, lower: f64) -> f64 {
        let line = self.reports.at(media).filter(|_| self.trust.used);
        line.map_or(lower, |line| line - self.wall as f64)
    }

    fn consider_reports(&mut self, stamp: Stamp, lower: f64) {
        let line = self.reports.at(stamp.media);
        let Some(line) = line.filter(|_| self.settings.mode != Mode::Arrival && !self.trust.barred)
        else {
            self.trust.used = false;
            return;
        };
        let beside = (line - self.wall as f64 - lower).abs();
        let agrees = beside <= AGREE_US && self.has_settled(stamp.arrival);
        self.trust.used |= agrees || self.settings.mode == Mode::Rtcp;
    }

    /// Whether the mapping is within reach of what arrives.
    fn held(&self, media: i64, arrival: i64) -> bool {
        let (Some(stream), Some(out)) = (&self.stream, &self.out) else {
            return true;
        };
        let new = out.segment != stream.segment || arrival - stream.began < BREAK_APART_US;
        if new || (self.settings.mode == Mode::Rtcp && self.trust.used) {
            return true;
        }
        let limit = SLEW * (media - out.media).max(0) as f64;
        let off = self.target(media, stream.envelope.lower(media)) - out.offset;
        let reach = out.offset + off.clamp(-limit, limit);
        let early = reach - (arrival - media) as f64 > AGREE_US && !self.may_step(arrival);
        let recent = stream.envelope.recent(media);
        let late = recent.is_some_and(|recent| recent - reach > AGREE_US);
        !early && !late
    }

    fn may_step(&self, arrival: i64) -> bool {
        let first = self.stream.as_ref().is_some_and(|s| s.segment == 0);
        first && !self.stepped && arrival - self.began < STEP_WITHIN_US
    }

    fn has_settled(&self, arrival: i64) -> bool {
        let dropped = self.stream.as_ref().map(|s| s.envelope.dropped_at());
        dropped.is_some_and(|at| arrival - at >= SETTLED_US)
    }

    fn is_worth_a_step(&self, off: f64, arrival: i64) -> bool {
        let enough = self.trust.used || arrival - self.began >= STEP_AT_US;
        let far = off > AGREE_US && self.has_settled(arrival);
        self.may_step(arrival) && (far || (off > STEP_WORTH_US && enough))
    }

    /// Who wants the camera's reports believed wants them at once, also where the first one comes late.
    fn is_told_to_step(&self, off: f64) -> bool {
        self.settings.mode == Mode::Rtcp && self.trust.used && off > AGREE_US
    }

    fn forget_reports(&mut self) {
        self.reports.clear();
        self.trust = Trust::default();
    }

    /// Timestamps go on from another offset with the next access unit.
    fn break_off(&mut self, cause: Cause, arrival: i64) {
        self.count_break(arrival);
        if let Some(stream) = &mut self.stream {
            stream.segment += 1;
            stream.began = arrival;
            stream.cause = if self.useless {
                Cause::RtpUseless
            } else {
                cause
            };
            if cause == Cause::NotHeld {
                stream.envelope.forget_the_past();
            }
        }
    }

    fn count_break(&mut self, arrival: i64) {
        self.breaks.rotate_left(1);
        let [oldest, .., newest] = &mut self.breaks;
        *newest = Some(arrival);
        self.useless |= oldest.is_some_and(|at| arrival - at < BREAKS_WITHIN_US);
    }

    /// RTP time has gone back by less than a network's delay, or stands still.
    fn gone_back(&mut self, stamp: Stamp, stands: bool) -> Reading {
        self.forget_reports();
        self.count_break(stamp.arrival);
        self.useless |= stands;
        if self.useless {
            return self.give_arrival(stamp, Some(Cause::RtpUseless));
        }
        if let Some(stream) = &mut self.stream {
            stream.envelope.restart(stamp.media, stamp.arrival);
        }
        let offset = (stamp.arrival - stamp.media) as f64;
        self.give(stamp, offset, Some(Cause::RtpJump))
    }

    fn give(&mut self, stamp: Stamp, offset: f64, begins: Option<Cause>) -> Reading {
        let before = self.out.filter(|out| out.segment == stamp.segment);
        let stood = before.filter(|out| out.media == stamp.media);
        let mapped = stamp.media + offset.round() as i64;
        let ahead = (mapped - stamp.arrival) as f64 > AHEAD_US && self.may_step(stamp.arrival);
        let at = if ahead {
            let last = before.filter(|_| begins.is_none());
            last.map_or(stamp.arrival, |out| stamp.arrival.max(out.at + 1))
        } else {
            mapped
        };
        self.out = Some(Out {
            segment: stamp.segment,
            offset,
            media: stamp.media,
            arrival: stood.map_or(stamp.arrival, |out| out.arrival),
            at,
        });
        self.error_us = self.error(stamp, offset).map(|us| us.ceil() as i64);
        Reading {
            at_us: at + self.settings.offset_us,
            source: self.source(offset, stamp.media),
            error_us: self.error_us,
            begins,
        }
    }

    /// RTP time is of no use: each picture has its own arrival time, in order.
    fn give_arrival(&mut self, stamp: Stamp, begins: Option<Cause>) -> Reading {
        let last = self.out.filter(|_| begins.is_none()).map(|out| out.at);
        let at = last.map_or(stamp.arrival, |last| stamp.arrival.max(last + 1));
        self.out = Some(Out {
            segment: stamp.segment,
            offset: 0.0,
            media: stamp.media,
            arrival: stamp.arrival,
            at,
        });
        self.trust.used = false;
        self.error_us = None;
        Reading {
            at_us: at + self.settings.offset_us,
            source: CaptureSource::Arrival,
            error_us: None,
            begins,
        }
    }

    fn source(&self, offset: f64, media: i64) -> CaptureSource {
        let beside = (self.target(media, offset) - offset).abs();
        if self.trust.used && beside <= TAKEN_OVER_US {
            CaptureSource::Rtcp
        } else {
            CaptureSource::Arrival
        }
    }

    fn error(&self, stamp: Stamp, offset: f64) -> Option<f64> {
        let stream = self.stream.as_ref()?;
        let lower = stream.envelope.lower(stamp.media);
        let of_arrival = stream.envelope.bound(stamp.media, stamp.arrival);
        if self.source(offset, stamp.media) != CaptureSource::Rtcp {
            return Some(of_arrival? + (lower - offset).abs() + GRAIN_US);
        }
        let target = self.target(stamp.media, lower);
        let bound = self.reports.bound(stamp.media)?;
        // Nothing is captured after it has arrived.
        let impossible = (offset - lower).max(0.0);
        Some(bound + impossible + (target - offset).abs() + GRAIN_US)
    }
}

impl Stream {
    fn stamp(&self, media: i64, arrival: i64) -> Stamp {
        Stamp {
            segment: self.segment,
            media,
            arrival,
        }
    }
}

#[cfg(test)]
mod tests;
