//! What goes into a decoder and what comes out of it: times, losses, and no picture that had to be made up.

use gst::prelude::*;
use gstreamer as gst;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::access_unit::{Coding, Entry, Nature, inspect};
use super::arrivals::Arrivals;
use super::continuity::{Carried, Continuity, Packet};
use super::decode::Pace;
use super::gate::{Gate, drain};
use super::libav;
use super::reference::{NO_REFERENCE, ReferenceGuard, Trouble, Unit, Verdict};

/// An access unit that waits longer than this for the decoder is given up, with all that depend on it.
const MAX_LAG: Duration = Duration::from_secs(1);

/// How access units are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coded {
    /// Each stands for itself.
    Jpeg,
    /// H.264 or H.265.
    Nal(Coding),
    /// Something else, of which the parser knows the key frames.
    Other,
}

impl Coded {
    /// By the caps of the parser.
    pub fn of(caps: &gst::CapsRef) -> Self {
        match caps.structure(0).map(|s| s.name().as_str()) {
            Some("image/jpeg") => Self::Jpeg,
            Some("video/x-h264") => Self::Nal(Coding::H264),
            Some("video/x-h265") => Self::Nal(Coding::H265),
            _ => Self::Other,
        }
    }

    /// What an access unit offers; `None` where it needs nothing but itself.
    fn nature(self, buffer: &gst::BufferRef) -> Option<Nature> {
        let delta = buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        match self {
            Self::Jpeg => None,
            Self::Nal(coding) => Some(inspect(coding, &buffer.map_readable().ok()?)),
            Self::Other => Some(Nature {
                entry: if delta { Entry::No } else { Entry::Closed },
                announced: false,
                reference: true,
            }),
        }
    }
}

/// Probes before and after a decoder.
#[derive(Clone)]
pub struct Watch {
    pace: Pace,
    coded: Coded,
    arrivals: Arc<Arrivals>,
    gate: Option<Arc<Gate>>,
    decoding: Arc<Mutex<Decoding>>,
}

/// The guard, and what the decoder has been given.
struct Decoding {
    guard: ReferenceGuard,
    /// Access units that came from the camera so far.
    received: u64,
    /// The number of the last one that the decoder got, and its time.
    last: Option<(u64, Option<gst::ClockTime>)>,
    /// Pictures shown before this refer to what an empty decoder does not have.
    from: Option<gst::ClockTime>,
    /// It is about to begin with what is in `last`.
    begins: bool,
}

impl Watch {
    /// Nothing seen yet. `gate` says what is wanted of what can be decoded.
    pub fn new(
        pace: Pace,
        coded: Coded,
        arrivals: &Arc<Arrivals>,
        gate: Option<Arc<Gate>>,
    ) -> Self {
        Self {
            pace,
            coded,
            arrivals: Arc::clone(arrivals),
            gate,
            decoding: Arc::new(Mutex::new(Decoding {
                guard: ReferenceGuard::new(Instant::now()),
                received: 0,
                last: None,
                from: None,
                begins: false,
            })),
        }
    }

    /// Notes when each access unit that `exit` pushes is complete, and holds back those that cannot be decoded cleanly
    /// and those that nobody wants decoded.
    pub fn exit_of_parser(&self, exit: &gst::Pad) {
        let watch = self.clone();
        exit.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            if info.buffer_mut().is_none_or(|buffer| watch.admits(buffer)) {
                gst::PadProbeReturn::Ok
            } else {
                // Not `Drop`: GStreamer 1.22 then complains of each buffer that the binding has freed already.
                gst::PadProbeReturn::Handled
            }
        });
    }

    /// Notes when each picture comes out of the decoder, and drops those that are not clean or only there for others
    /// to refer to.
    pub fn decoder(&self, decoder: &gst::Element) {
        let (Some(entry), Some(exit)) = (decoder.static_pad("sink"), decoder.static_pad("src"))
        else {
            return;
        };
        let watch = self.clone();
        entry.add_probe(gst::PadProbeType::BUFFER, move |entry, info| {
            match info.buffer() {
                Some(buffer) if !watch.enters(entry, buffer) => gst::PadProbeReturn::Handled,
                _ => gst::PadProbeReturn::Ok,
            }
        });
        let watch = self.clone();
        exit.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let shown = info.buffer_mut().is_none_or(|buffer| watch.shows(buffer));
            if shown {
                gst::PadProbeReturn::Ok
            } else {
                gst::PadProbeReturn::Handled
            }
        });
    }

    fn admits(&self, buffer: &mut gst::Buffer) -> bool {
        let pts = buffer.pts();
        let lag = self.arrivals.complete(pts);
        if self.pace == Pace::Stored {
            return true;
        }
        let (incomplete, after_loss) = self.arrivals.marks.take_losses(pts);
        let Some(natural) = self.coded.nature(buffer) else {
            if incomplete {
                self.arrivals.held_back("incomplete");
            }
            return !incomplete;
        };
        self.number(buffer);
        let catching_up = self.gate.as_ref().is_some_and(|gate| gate.is_catching_up());
        let now = Instant::now();
        let mut decoding = self.decoding();
        self.hear(&mut decoding);
        let nature = decoding.guard.judge(natural, now);
        let unit = Unit {
            nature,
            pts,
            after_loss: after_loss || buffer.flags().contains(gst::BufferFlags::DISCONT),
            incomplete,
            late: lag > MAX_LAG && self.pace == Pace::Live && !catching_up,
        };
        let verdict = decoding.guard.admit(unit, now);
        self.arrivals
            .waiting_for_key_frame(decoding.guard.waiting_since());
        // The gate decodes what it kept, which comes back here.
        drop(decoding);
        match verdict {
            Verdict::Hold(reason) => {
                self.arrivals.held_back(reason);
                return false;
            }
            Verdict::DecodeOnly => self.arrivals.marks.unclean(pts, "refreshing"),
            Verdict::Clean => {}
        }
        let key = matches!(nature.entry, Entry::Closed | Entry::Open);
        self.gate
            .as_ref()
            .is_none_or(|gate| gate.admit(buffer, key, lag))
    }

    /// Numbers an access unit, so that it can be seen at the decoder whether one before it is missing.
    fn number(&self, buffer: &mut gst::Buffer) {
        let mut decoding = self.decoding();
        decoding.received += 1;
        buffer.make_mut().set_offset(decoding.received);
    }

    /// Whether an access unit that was admitted still has all that it refers to: those that the gate kept were admitted
    /// before the decoder had seen the ones before them.
    fn enters(&self, entry: &gst::Pad, buffer: &gst::Buffer) -> bool {
        let (number, pts) = (buffer.offset(), buffer.pts());
        let mut decoding = self.decoding();
        self.hear(&mut decoding);
        let begins = if self.pace == Pace::Stored || decoding.begins {
            None
        } else if decoding.guard.waiting_since().is_some() || pts < decoding.from {
            self.arrivals.held_back(NO_REFERENCE);
            return false;
        } else {
            let follows = decoding.last.is_some_and(|(last, _)| last + 1 == number);
            let nature = self.coded.nature(buffer).filter(|_| !follows);
            nature.map(|nature| decoding.guard.judge(nature, Instant::now()).entry)
        };
        decoding.last = Some((number, pts));
        match begins {
            Some(Entry::Open) => {
                decoding.from = pts;
                decoding.begins = true;
                // What comes out of the decoder goes through `shows`, which locks.
                drop(decoding);
                return !self.begins_anew(entry, buffer);
            }
            Some(Entry::Closed) => decoding.from = None,
            Some(Entry::Intra | Entry::Gradual(_) | Entry::No) | None => {}
        }
        drop(decoding);
        if let Some(gate) = &self.gate {
            gate.decoding();
        }
        true
    }

    /// Gives an access unit to a decoder that forgets all that was before: else it puts pictures in the place of those
    /// that are missing, orders them wrongly, and refers to them without a word. Returns whether it was decoded.
    ///
    /// `GStreamer` 1.22 fails at it when libav makes up more pictures for the gap before than it keeps, and has no gap
    /// to fill when it gets the same again.
    fn begins_anew(&self, entry: &gst::Pad, buffer: &gst::Buffer) -> bool {
        drain(entry);
        let _ = entry.chain(buffer.clone());
        let mut decoding = self.decoding();
        decoding.begins = false;
        let trouble = libav::take();
        if trouble == Some(Trouble::NoRoom) {
            return false;
        }
        self.heard(&mut decoding, trouble);
        true
    }

    fn shows(&self, buffer: &mut gst::Buffer) -> bool {
        let pts = buffer.pts();
        let mut decoding = self.decoding();
        self.hear(&mut decoding);
        if decoding.guard.believes() && buffer.flags().contains(gst::BufferFlags::CORRUPTED) {
            buffer.make_mut().unset_flags(gst::BufferFlags::CORRUPTED);
        }
        drop(decoding);
        self.arrivals.decoded(pts);
        let wanted = self.gate.as_ref().is_none_or(|gate| gate.shows(pts));
        if let Some(why) = self.arrivals.marks.take_unclean(pts) {
            self.arrivals.take(pts);
            self.arrivals.held_back(why);
            return false;
        }
        wanted
    }

    /// Hears what the decoder complained of while it had the last access unit.
    fn hear(&self, decoding: &mut Decoding) {
        self.heard(decoding, libav::take());
    }

    fn heard(&self, decoding: &mut Decoding, trouble: Option<Trouble>) {
        if let Some(trouble) = trouble
            && decoding.guard.trouble(trouble, Instant::now())
        {
            let last = decoding.last.and_then(|(_, pts)| pts);
            self.arrivals.marks.unclean(last, "concealed");
        }
    }

    fn decoding(&self) -> MutexGuard<'_, Decoding> {
        self.decoding.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Marks the access units that a lost packet has hit, before the depayloader puts them together.
pub fn watch_packets(entry: &gst::Pad, carried: Carried, arrivals: &Arc<Arrivals>) {
    let arrivals = Arc::clone(arrivals);
    let stream = Mutex::new((Continuity::default(), None));
    entry.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let Some(buffer) = info.buffer() else {
            return gst::PadProbeReturn::Ok;
        };
        let packet = buffer
            .map_readable()
            .ok()
            .and_then(|bytes| Packet::parse(&bytes, carried));
        if let Some(packet) = packet {
            let mut stream = stream.lock().unwrap_or_else(PoisonError::into_inner);
            let gap = stream.0.packet(packet);
            let before = stream.1.replace(buffer.pts());
            if gap.previous_incomplete
                && let Some(before) = before
            {
                arrivals.marks.incomplete(before);
            }
            if gap.incomplete {
                arrivals.marks.incomplete(buffer.pts());
            }
            if stream.0.ends_early(packet, carried) {
                arrivals.marks.incomplete(buffer.pts());
            }
            if gap.lost_before {
                arrivals.marks.after_loss(buffer.pts());
            }
        }
        gst::PadProbeReturn::Ok
    });
}

#[cfg(test)]
mod tests;
