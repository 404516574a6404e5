//! When the light hit the sensor (CONTRACT §3): pure state machines fed with RTP time, arrivals, sender reports and the
//! node's clock.
//!
//! [`StreamClock`] is one connection's clock. It begins on arrival time at once, finds the way of the packets that
//! waited least ([`envelope`]), goes over to the camera's [`reports`] where these are plausible, and slews between
//! them. [`rtp`] and [`rtcp`] read packets, [`node`] asks the kernel how far off the node's clock may be.
//!
//! All times are microseconds: of the monotonic clock, since any instant that is the same for all calls; of media
//! time, since the first access unit.

pub mod envelope;
pub mod node;
pub mod reports;
pub mod rtcp;
pub mod rtp;
mod stream;

use streamhub_crds::{ClockMode, RtspClock};
use streamhub_wire::metadata::CaptureSource;

pub use rtcp::SenderReport;
pub use stream::StreamClock;

/// Which times of a camera are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Sender reports while they agree with arrival.
    #[default]
    Auto,
    /// Arrival alone; reports are only measured.
    Arrival,
    /// Sender reports, whether or not they agree with arrival.
    Rtcp,
}

/// What is known of a stream beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settings {
    /// Which times are used.
    pub mode: Mode,
    /// Added to each timestamp, microseconds.
    pub offset_us: i64,
    /// Ticks of RTP time in a second, from the SDP.
    pub rate: u32,
}

impl From<RtspClock> for Settings {
    fn from(clock: RtspClock) -> Self {
        Self {
            mode: match clock.mode {
                ClockMode::Auto => Mode::Auto,
                ClockMode::Arrival => Mode::Arrival,
                ClockMode::Rtcp => Mode::Rtcp,
            },
            offset_us: clock.offset.as_micros(),
            rate: 0,
        }
    }
}

/// Why an epoch begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The source was (re)connected.
    Connected,
    /// Another instance of the camera had numbered higher.
    IdHeard,
    /// The node's clock was set.
    NodeClock,
    /// The one step in the first seconds of a connection.
    Settled,
    /// RTP time jumped, or the stream's source changed.
    RtpJump,
    /// The mapping was further from arrival than slewing can mend.
    NotHeld,
    /// RTP time is of no use: from here on each frame has its own arrival time.
    RtpUseless,
    /// The driver's timestamps are of no use: from here on each frame has its own arrival time.
    DriverUseless,
}

impl Cause {
    /// The name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::IdHeard => "id_heard",
            Self::NodeClock => "node_clock",
            Self::Settled => "settled",
            Self::RtpJump => "rtp_jump",
            Self::NotHeld => "not_held",
            Self::RtpUseless => "rtp_useless",
            Self::DriverUseless => "driver_useless",
        }
    }
}

/// An access unit as it arrived; [`StreamClock::capture`] makes a time of it when its picture is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Which run of RTP time it belongs to.
    segment: u32,
    media: i64,
    arrival: i64,
}

/// What is known of one picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// When the light hit the sensor, on the monotonic clock.
    pub at_us: i64,
    /// How that was found.
    pub source: CaptureSource,
    /// Bound of jitter and mapping, without the node's clock; `None` while none can be given.
    pub error_us: Option<i64>,
    /// A new epoch has to begin with this picture.
    pub begins: Option<Cause>,
}

/// How a stream's clock is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// What timestamps are made of.
    pub source: CaptureSource,
    /// The camera's clock minus hub time at arrival, so less the delay from there to here; `None` without a report.
    pub camera_offset_us: Option<i64>,
    /// Bound of jitter and mapping in the last reading.
    pub error_us: Option<i64>,
}
