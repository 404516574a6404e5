//! The stream of one session: packets at their time, and what goes wrong with them.

use std::io::Write;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::clip::{Clip, Role, Unit, role};
use super::packets::{Payload, packet, payloads};
use super::scenario::{Reports, Scenario, Track};
use super::server::Shared;
use super::{rtcp, sdp};
use crate::testcam::Codec;

const REPORT_EVERY: Duration = Duration::from_secs(1);
/// How often a waiting sender looks whether it is to end.
const LOOK: Duration = Duration::from_millis(20);

/// The writing half of a connection, shared by answers and interleaved packets.
pub(super) type Line = Arc<Mutex<TcpStream>>;

/// Where packets go.
pub(super) enum Output {
    /// Interleaved, on this channel and the next one.
    Tcp { line: Line, channel: u8 },
    /// Datagrams.
    Udp {
        socket: UdpSocket,
        media: SocketAddr,
        control: SocketAddr,
    },
}

impl Output {
    fn send(&self, packet: &[u8], control: bool) -> Result<()> {
        match self {
            Self::Tcp { line, channel } => {
                let mut framed = vec![b'$', channel + u8::from(control)];
                framed.extend((packet.len() as u16).to_be_bytes());
                framed.extend_from_slice(packet);
                write(line, &framed)
            }
            Self::Udp {
                socket,
                media,
                control: other,
            } => {
                // A client that is gone answers with ICMP; its TCP connection tells when it ends.
                let _ = socket.send_to(packet, if control { other } else { media });
                Ok(())
            }
        }
    }
}

/// Writes all of it, without another thread's bytes in between.
pub(super) fn write(line: &Line, bytes: &[u8]) -> Result<()> {
    let mut line = line.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(line.write_all(bytes)?)
}

/// What connection and sender know of each other.
#[derive(Default)]
pub(super) struct Session {
    /// Access units sent since PLAY.
    pub sent: AtomicU64,
    /// The sender is to end.
    pub over: AtomicBool,
    /// When the client last made itself heard.
    pub heard: Mutex<Option<Instant>>,
}

/// Sends a clip until its session is over.
pub(super) struct Sender {
    pub shared: Arc<Shared>,
    pub session: Arc<Session>,
    pub line: Line,
    pub output: Output,
    /// The track that was set up.
    pub track: Track,
}

struct Stream {
    clip: Arc<Clip>,
    /// The clip's own time that is RTP time `rtp-start`.
    origin: Duration,
    /// Begin of the present lap on the clip's own time.
    lap: Duration,
    at: usize,
    /// The clip's own time passes so much faster than the wall clock.
    speed: f64,
    begun: Instant,
    sequence: u16,
    ssrc: u32,
    packets: u32,
    bytes: u32,
    chance: u64,
}

impl Sender {
    /// Runs in a thread of its own.
    pub fn run(self) {
        let shared = Arc::clone(&self.shared);
        shared.playing.fetch_add(1, Ordering::SeqCst);
        if let Err(error) = self.stream() {
            shared.note(&format!("sending ended: {error:#}"));
        }
        shared.playing.fetch_sub(1, Ordering::SeqCst);
    }

    fn stream(&self) -> Result<()> {
        let scenario = self.shared.scenario();
        let name = match self.track {
            Track::Audio => return Ok(()),
            Track::Video => &scenario.clip,
            Track::Second => scenario.second.as_ref().unwrap_or(&scenario.clip),
        };
        let clip = self.shared.clip(name)?;
        let at = scenario.skip.min(clip.units.len().saturating_sub(1));
        let origin = clip
            .units
            .get(at)
            .map_or(Duration::ZERO, |unit| unit.decode);
        let mut stream = Stream {
            speed: scenario.fps.map_or(1.0, |fps| fps / clip.fps()),
            clip,
            origin,
            lap: Duration::ZERO,
            at,
            begun: Instant::now(),
            sequence: 65_500,
            ssrc: 0x5eed_0000 | u32::from(self.shared.port & 0xfff),
            packets: 0,
            bytes: 0,
            chance: scenario.drops.seed,
        };
        let mut reports = 0_u32;
        let mut switched = false;
        let mut moved = false;
        let mut left = false;
        for sent in 0.. {
            let due = stream.due();
            let Some(scenario) = self.wait(due) else {
                return Ok(());
            };
            if let Some(moving) = scenario
                .moved
                .as_ref()
                .filter(|m| sent >= m.after && !moved)
            {
                moved = true;
                let request = format!(
                    "REDIRECT rtsp://127.0.0.1/ RTSP/1.0\r\nCSeq: 1\r\nLocation: {}\r\n\r\n",
                    moving.location
                );
                write(&self.line, request.as_bytes())?;
            }
            if scenario.hang_up.is_some_and(|after| sent >= after) {
                self.shared.hang_up();
                return Ok(());
            }
            if let Some((name, _)) = scenario.next.as_ref().filter(|n| sent >= n.1 && !switched) {
                switched = true;
                stream.switch(self.shared.clip(name)?);
            }
            if scenario.bye.is_some_and(|after| sent >= after) && !left {
                left = true;
                self.output.send(&rtcp::bye(stream.ssrc), true)?;
            }
            let quiet = [scenario.stall, scenario.mute, scenario.bye];
            if !quiet.into_iter().flatten().any(|after| sent >= after) {
                if stream.begun.elapsed() >= REPORT_EVERY * reports {
                    self.report(&scenario, &stream, reports)?;
                    reports += 1;
                }
                self.send_unit(&scenario, &mut stream, sent)?;
                self.session.sent.store(sent + 1, Ordering::SeqCst);
            }
            stream.step();
        }
        Ok(())
    }

    /// The scenario as it is at `due`; none when the session is over.
    fn wait(&self, due: Instant) -> Option<Arc<Scenario>> {
        loop {
            let scenario = self.shared.scenario();
            let heard = *self
                .session
                .heard
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let silence = heard.map_or(Duration::ZERO, |heard| heard.elapsed());
            if scenario.timeout.is_some_and(|limit| silence > limit) {
                self.shared.note("session timed out");
                self.shared.count(|seen| seen.timed_out += 1);
                let line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
                let _ = line.shutdown(std::net::Shutdown::Both);
                return None;
            }
            if self.session.over.load(Ordering::SeqCst) || self.shared.is_over() {
                return None;
            }
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Some(scenario);
            }
            thread::sleep(left.min(LOOK));
        }
    }

    fn report(&self, scenario: &Scenario, stream: &Stream, count: u32) -> Result<()> {
        let (ssrc, off) = match scenario.reports {
            Reports::None => return Ok(()),
            Reports::Off(seconds) => (stream.ssrc, seconds),
            Reports::Jump if count % 2 == 1 => (stream.ssrc, 600.0),
            Reports::SsrcZero if count == 0 => (0, -3e9),
            Reports::True | Reports::Jump | Reports::SsrcZero => (stream.ssrc, 0.0),
        };
        let own = stream.begun.elapsed().mul_f64(stream.speed);
        let rtp = rtp_time(scenario, own);
        let report =
            rtcp::sender_report(ssrc, rtcp::ntp_now(off), rtp, stream.packets, stream.bytes);
        self.output.send(&report, true)
    }

    fn send_unit(&self, scenario: &Scenario, stream: &mut Stream, sent: u64) -> Result<()> {
        let clip = Arc::clone(&stream.clip);
        let Some(unit) = clip.units.get(stream.at) else {
            return Ok(());
        };
        let nth = |every: Option<u64>| every.is_some_and(|every| sent % every.max(1) == every - 1);
        let mut payloads = if scenario.no_sei || nth(scenario.cut) {
            payloads(
                clip.codec,
                &spoilt(unit, clip.codec, scenario.no_sei, nth(scenario.cut)),
            )
        } else {
            payloads(clip.codec, unit)
        };
        if clip.codec == Codec::Mjpeg && nth(scenario.truncate) {
            payloads.truncate(payloads.len().div_ceil(2));
            if let Some(last) = payloads.last_mut() {
                last.marker = true;
            }
        }
        let own = (stream.lap + unit.present).saturating_sub(stream.origin);
        let time = rtp_time(scenario, own);
        let middle = payloads.len() / 2;
        let mut held: Option<Vec<u8>> = None;
        for (at, payload) in payloads.iter().enumerate() {
            let bytes = stream.packet(sdp::payload_type(clip.codec), time, payload);
            let lost = stream.draw() < scenario.drops.lost
                || (scenario.drops.at == Some(sent) && at == middle);
            if lost {
                self.shared.count(|seen| seen.lost += 1);
            } else if held.is_none() && stream.draw() < scenario.drops.swapped {
                held = Some(bytes);
                continue;
            } else {
                self.output.send(&bytes, false)?;
            }
            if let Some(late) = held.take() {
                self.output.send(&late, false)?;
            }
        }
        if let Some(late) = held {
            self.output.send(&late, false)?;
        }
        Ok(())
    }
}

impl Stream {
    fn due(&self) -> Instant {
        let decode = self
            .clip
            .units
            .get(self.at)
            .map_or(Duration::ZERO, |u| u.decode);
        let own = (self.lap + decode).saturating_sub(self.origin);
        self.begun + own.div_f64(self.speed)
    }

    fn step(&mut self) {
        self.at += 1;
        if self.at >= self.clip.units.len() {
            self.at = 0;
            self.lap += self.clip.length;
        }
    }

    /// Goes over to another clip where the next access unit belongs.
    fn switch(&mut self, clip: Arc<Clip>) {
        let decode = self
            .clip
            .units
            .get(self.at)
            .map_or(Duration::ZERO, |u| u.decode);
        self.lap += decode;
        self.at = 0;
        self.clip = clip;
    }

    fn packet(&mut self, number: u8, time: u32, payload: &Payload) -> Vec<u8> {
        let bytes = packet(number, self.sequence, time, self.ssrc, payload);
        self.sequence = self.sequence.wrapping_add(1);
        self.packets = self.packets.wrapping_add(1);
        self.bytes = self.bytes.wrapping_add(payload.bytes.len() as u32);
        bytes
    }

    /// A number in 0..1 (splitmix64).
    fn draw(&mut self) -> f64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.chance;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// RTP time of an instant on the clip's own time, in a camera that runs at the scenario's rate.
fn rtp_time(scenario: &Scenario, own: Duration) -> u32 {
    let ticks = (own.as_nanos() * 90_000 / 1_000_000_000) as u64;
    scenario.rtp_start.wrapping_add(ticks as u32)
}

/// An access unit without its SEI, or with half of its last slice.
fn spoilt(unit: &Unit, codec: Codec, no_sei: bool, cut: bool) -> Unit {
    let mut parts: Vec<Vec<u8>> = unit
        .parts
        .iter()
        .filter(|part| !no_sei || role(codec, part) != Role::Sei)
        .cloned()
        .collect();
    let slice = parts
        .iter_mut()
        .rev()
        .find(|part| role(codec, part) == Role::Slice);
    if let Some(slice) = slice.filter(|_| cut) {
        slice.truncate(slice.len() / 2);
    }
    Unit {
        parts,
        decode: unit.decode,
        present: unit.present,
    }
}
