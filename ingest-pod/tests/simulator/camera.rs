//! The model: a camera whose true capture times are known, and the network between.

use streamhub_ingest::clock::SenderReport;

/// True time at which every history begins, UNIX microseconds; the monotonic clock shows 0 then.
pub const BEGIN_UNIX_US: i64 = 1_795_000_000_000_000;

/// SSRC of each camera.
pub const SSRC: u32 = 0x5eed_cafe;

/// Same numbers for the same seed (splitmix64).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in [low, high).
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }
}

/// What a camera says of its clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reports {
    /// Nothing.
    Absent,
    /// Its clock, which is so many microseconds off, with so much noise, from this second on.
    Clock { off: f64, noise: f64, from: i64 },
    /// The same, but each so manieth report is nonsense.
    Lying { off: f64, every: u32 },
}

/// A camera and the way to it. Times are microseconds.
#[derive(Debug, Clone)]
pub struct Camera {
    pub seed: u64,
    pub interval: f64,
    /// How slow its oscillator is: positive means longer true intervals than it claims.
    pub drift: f64,
    /// Constant delay from light to arrival.
    pub delay: f64,
    /// Uniform jitter on top, as a share of the interval.
    pub jitter: f64,
    /// Share of access units that are lost.
    pub loss: f64,
    /// Mean seconds between stalls of the network, and the longest one in seconds.
    pub stalls: Option<(f64, f64)>,
    /// Two B-frames between reference frames.
    pub b_frames: bool,
    pub reports: Reports,
    /// From this second on the way takes so many microseconds longer.
    pub longer_way: Option<(i64, f64)>,
    /// From this second on RTP time is another one by so much.
    pub restart: Option<(i64, u32)>,
    /// RTP time of the first frame.
    pub rtp_begins: u32,
    /// True instant of the first frame.
    pub begins: i64,
}

impl Camera {
    pub fn new(seed: u64, fps: f64) -> Self {
        let mut dice = Dice::new(seed ^ 0xabcd);
        Self {
            seed,
            interval: 1e6 / fps,
            drift: 0.0,
            delay: 40_000.0,
            jitter: 0.4,
            loss: 0.0,
            stalls: None,
            b_frames: false,
            reports: Reports::Absent,
            longer_way: None,
            restart: None,
            rtp_begins: dice.next() as u32,
            begins: (dice.unit() * 1e6 / fps) as i64,
        }
    }
}

/// What reaches the pod.
#[derive(Debug, Clone, Copy)]
pub enum Event {
    /// The first packet of an access unit.
    Unit { rtp: u32, arrival: i64, truth: f64 },
    /// A sender report.
    Report { report: SenderReport, arrival: i64 },
}

/// Plays so many seconds; events come in the order of arrival.
pub fn play(camera: &Camera, seconds: i64, mut sink: impl FnMut(Event)) {
    let mut dice = Dice::new(camera.seed);
    let mut air = Network {
        last: i64::MIN,
        stall_until: 0,
        next_stall: 0.0,
    };
    let step = camera.interval * (1.0 + camera.drift);
    let frames = (seconds as f64 * 1e6 / step) as i64;
    let mut next_report = 500_000.0;
    let mut reported = 0;
    for sent in 0..frames {
        let shown = if camera.b_frames {
            in_decode_order(sent)
        } else {
            sent
        };
        let truth = camera.begins as f64 + shown as f64 * step;
        // A B-frame waits for the reference frame that comes after it.
        let ready = camera.begins as f64 + sent.max(shown) as f64 * step;
        if ready > next_report {
            let arrival = air.carry(camera, next_report, &mut dice);
            for report in camera.report(next_report, reported, &mut dice) {
                sink(Event::Report { report, arrival });
            }
            reported += 1;
            next_report += dice.between(4e6, 6e6);
        }
        if camera.loss > 0.0 && dice.unit() < camera.loss {
            continue;
        }
        let arrival = air.carry(camera, ready, &mut dice);
        sink(Event::Unit {
            rtp: camera.rtp(shown as f64 * camera.interval),
            arrival,
            truth,
        });
    }
}

/// I P B B P B B ...: which frame is sent as the n-th.
fn in_decode_order(sent: i64) -> i64 {
    match sent {
        0 => 0,
        n if n % 3 == 1 => n + 2,
        n => n - 1,
    }
}

impl Camera {
    fn rtp(&self, media: f64) -> u32 {
        let ticks = (media * 0.09).round() as i64;
        let restart = self.restart.filter(|(at, _)| media >= *at as f64 * 1e6);
        let base = self
            .rtp_begins
            .wrapping_add(restart.map_or(0, |(_, by)| by));
        base.wrapping_add(ticks as u32)
    }

    fn report(&self, at: f64, count: u32, dice: &mut Dice) -> Vec<SenderReport> {
        let media = (at - self.begins as f64) / (1.0 + self.drift);
        let make = |ssrc, off: f64| SenderReport {
            ssrc,
            ntp: ntp(BEGIN_UNIX_US + (at + off) as i64),
            rtp: self.rtp(media),
        };
        match self.reports {
            Reports::Absent => vec![],
            Reports::Clock { from, .. } if at < from as f64 * 1e6 => vec![],
            Reports::Clock { off, noise, .. } => {
                let noise = dice.between(-noise, noise.max(1e-9));
                // The first one of some runs of VLC.
                let bogus = (count == 0).then(|| make(0, -9e12));
                let honest = make(SSRC, off + noise);
                bogus.into_iter().chain([honest]).collect()
            }
            Reports::Lying { off, every } if count.is_multiple_of(every) => {
                let lie = dice.between(-1.0, 1.0).powi(3) * 1e10;
                vec![make(SSRC, off + lie)]
            }
            Reports::Lying { off, .. } => vec![make(SSRC, off)],
        }
    }
}

struct Network {
    last: i64,
    stall_until: i64,
    next_stall: f64,
}

impl Network {
    /// When what was sent then arrives: late by jitter, after all that was sent before it, and after a stall.
    fn carry(&mut self, camera: &Camera, sent: f64, dice: &mut Dice) -> i64 {
        if let Some((every, longest)) = camera.stalls {
            if self.next_stall == 0.0 {
                self.next_stall = sent + dice.between(0.5, 1.5) * every * 1e6;
            }
            if sent > self.next_stall {
                self.stall_until = (sent + dice.unit() * longest * 1e6) as i64;
                self.next_stall = sent + dice.between(0.5, 1.5) * every * 1e6;
            }
        }
        let jitter = dice.unit() * camera.jitter * camera.interval;
        let longer = camera.longer_way.filter(|(at, _)| sent >= *at as f64 * 1e6);
        let delay = camera.delay + longer.map_or(0.0, |(_, by)| by);
        let arrival = (sent + delay + jitter) as i64;
        self.last = arrival.max(self.stall_until).max(self.last + 10);
        self.last
    }
}

fn ntp(unix_us: i64) -> u64 {
    let seconds = unix_us.div_euclid(1_000_000) + 2_208_988_800;
    let fraction = ((unix_us.rem_euclid(1_000_000) as u64) << 32) / 1_000_000;
    ((seconds as u64) << 32) | fraction
}
