//! The clock of an RTP stream beside its pipeline: packets in from `GStreamer`'s threads, capture times out.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use streamhub_wire::metadata::CaptureSource;

use crate::clock::rtcp::sender_reports;
use crate::clock::rtp::RtpHeader;
use crate::clock::{Cause, Health, Settings, Stamp, StreamClock};
use crate::hub_clock::HubClock;

/// When a picture was taken.
#[derive(Debug, Clone, Copy)]
pub struct Taken {
    /// When the light hit the sensor.
    pub at: Instant,
    /// How that was found.
    pub capture: CaptureSource,
    /// Bound of jitter and mapping, without the node's clock.
    pub error: Option<Duration>,
    /// A new epoch has to begin with this picture.
    pub begins: Option<Cause>,
}

/// One connection's [`StreamClock`] on `std`'s instants.
#[derive(Debug)]
pub struct RtpClock {
    begin: Instant,
    clock: Mutex<StreamClock>,
}

impl RtpClock {
    /// A connection without a packet.
    pub fn new(settings: Settings, hub: &HubClock) -> Self {
        let begin = Instant::now();
        Self {
            begin,
            clock: Mutex::new(StreamClock::new(settings, hub.unix_us(begin))),
        }
    }

    fn clock(&self) -> MutexGuard<'_, StreamClock> {
        self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn micros(&self, at: Instant) -> i64 {
        at.saturating_duration_since(self.begin).as_micros() as i64
    }

    /// Ticks of RTP time in a second, known once the stream is described.
    pub fn set_rate(&self, rate: u32) {
        self.clock().set_rate(rate);
    }

    /// The first packet of an access unit has arrived; `None` for what is no RTP packet.
    pub fn packet(&self, packet: &[u8], at: Instant) -> Option<Stamp> {
        let header = RtpHeader::parse(packet)?;
        let at = self.micros(at);
        Some(self.clock().arrived(header.time, header.ssrc, at))
    }

    /// An RTCP packet has arrived.
    pub fn rtcp(&self, packet: &[u8], at: Instant) {
        let at = self.micros(at);
        for report in sender_reports(packet) {
            self.clock().report(report, at);
        }
    }

    /// When the next picture was taken; `None` for one from before the last epoch.
    pub fn taken(&self, stamp: Stamp, hub: &HubClock) -> Option<Taken> {
        let reading = self.clock().capture(stamp, hub.unix_us(self.begin))?;
        let by = Duration::from_micros(reading.at_us.unsigned_abs());
        let at = if reading.at_us < 0 {
            self.begin.checked_sub(by)
        } else {
            self.begin.checked_add(by)
        };
        Some(Taken {
            at: at.unwrap_or(self.begin),
            capture: reading.source,
            error: reading
                .error_us
                .map(|us| Duration::from_micros(us.unsigned_abs())),
            begins: reading.begins,
        })
    }

    /// How it is doing.
    pub fn health(&self) -> Health {
        self.clock().health()
    }
}
