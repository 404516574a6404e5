//! `file`: a stored video replayed as if it were a camera, on the wall clock.

use gst::prelude::*;
use gstreamer as gst;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use streamhub_crds::{Fps, OnEnd};
use streamhub_wire::metadata::CaptureSource;

use super::arrivals::Arrivals;
use super::decode::{Branch, Pace, attach, make};
use super::pull::{Pulled, Reader, Running, codec_name, pull};
use super::schedule::Schedule;
use super::{Attempt, End};
use crate::captured::{Captured, Content};
use crate::fault::Fault;

/// How long the demuxer may take to show a video stream.
const OPEN_WITHIN: Duration = Duration::from_secs(15);

const POLL: gst::ClockTime = gst::ClockTime::from_mseconds(100);

/// What to replay.
#[derive(Debug, Clone, PartialEq)]
pub struct FileSpec {
    /// Absolute path.
    pub path: PathBuf,
    /// The address that it is called by.
    pub shown: String,
    /// Rate to replay at; absent: the file's own.
    pub fps: Option<Fps>,
    /// What comes after the last frame.
    pub on_end: OnEnd,
}

/// Replays until stopped, or to the end.
pub fn run(spec: &FileSpec, attempt: &Attempt) -> End {
    match open(spec, attempt).and_then(|opened| Player::new(spec, attempt, opened).play()) {
        Ok(end) => end,
        Err(_) if attempt.stop.is_stopped() => End::Stopped,
        Err(fault) => End::Failed(fault),
    }
}

/// The streams of the file, written by `GStreamer`'s threads.
#[derive(Default)]
struct Streams {
    /// The first video stream and its codec.
    video: Option<Result<(Branch, String), Fault>>,
    /// One is taken: a second video stream would wait for ever for somebody to read it.
    taken: bool,
    /// Media types of what is no video.
    others: Vec<String>,
    complete: bool,
}

impl Streams {
    /// What is wrong with a file in which nothing but other streams was found.
    fn no_video(&self, spec: &FileSpec) -> Option<Fault> {
        let others = self.others.join(", ");
        let why = format!("it holds no video stream, only {others}");
        (!others.is_empty()).then(|| corrupt(spec, &why))
    }
}

struct Opened {
    running: Running,
    bus: gst::Bus,
    branch: Branch,
    codec: String,
    arrivals: Arc<Arrivals>,
}

fn open(spec: &FileSpec, attempt: &Attempt) -> Result<Opened, Fault> {
    let path = spec.path.display();
    match std::fs::File::open(&spec.path).and_then(|file| file.metadata()) {
        Ok(found) if found.is_file() && found.len() > 0 => {}
        Ok(found) => {
            let what = if found.is_file() {
                "is empty"
            } else {
                "is not a regular file"
            };
            return Err(corrupt(spec, what));
        }
        Err(error) => {
            return Err(Fault::permanent(
                "FileNotFound",
                format!("spec.source.file.uri: {}: {error}", spec.shown),
                "check the path, and that the process may read it",
            ));
        }
    }
    let pipeline = gst::Pipeline::new();
    let source = make("filesrc")?;
    source.set_property("location", path.to_string());
    let parse = make("parsebin")?;
    pipeline
        .add_many([&source, &parse])
        .and_then(|()| source.link(&parse))
        .map_err(|error| corrupt(spec, &error.to_string()))?;
    let arrivals = Arc::new(Arrivals::default());
    let found: Arc<Mutex<Streams>> = Arc::default();
    let (slot, weak, noted, outlet) = (
        Arc::clone(&found),
        pipeline.downgrade(),
        Arc::clone(&arrivals),
        Arc::clone(&attempt.outlet),
    );
    parse.connect_pad_added(move |_, pad| {
        let (Some(pipeline), Some(caps)) = (weak.upgrade(), pad.current_caps()) else {
            return;
        };
        let media = caps.structure(0).map_or("unknown", |s| s.name().as_str());
        let is_video = media.starts_with("video/") || media == "image/jpeg" || media == "image/png";
        let mut found = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_video {
            found.others.push(media.to_owned());
        } else if !found.taken {
            found.taken = true;
            let branch = attach(&pipeline, pad, &caps, Pace::Stored, &noted, &outlet);
            found.video = Some(branch.map(|branch| (branch, codec_name(&caps))));
        }
    });
    let slot = Arc::clone(&found);
    parse.connect_no_more_pads(move |_| {
        slot.lock().unwrap_or_else(PoisonError::into_inner).complete = true;
    });
    let bus = pipeline
        .bus()
        .ok_or_else(|| corrupt(spec, "no pipeline bus"))?;
    let running = Running(pipeline);
    // The state change's own error says less than the message on the bus.
    let _ = running.0.set_state(gst::State::Playing);
    let until = Instant::now() + OPEN_WITHIN;
    loop {
        attempt.outlet.alive(None);
        let mut streams = found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = streams.video.take() {
            let (branch, codec) = opened?;
            return Ok(Opened {
                running,
                bus,
                branch,
                codec,
                arrivals,
            });
        }
        let no_video = streams.no_video(spec);
        let complete = streams.complete;
        drop(streams);
        match (pull(None, &bus, gst::ClockTime::from_mseconds(5)), no_video) {
            (_, Some(fault)) if complete => return Err(fault),
            // A demultiplexer whose streams nobody takes fails in its own way.
            (Pulled::Error(..), Some(fault)) => return Err(fault),
            (Pulled::Error(error, _), None) => return Err(corrupt(spec, error.message())),
            (Pulled::Eos, _) => return Err(corrupt(spec, "it holds no video stream")),
            (Pulled::Sample(_) | Pulled::Nothing, _)
                if Instant::now() < until && !attempt.stop.is_stopped() => {}
            (Pulled::Sample(_) | Pulled::Nothing, _) => {
                return Err(corrupt(spec, "no video stream was found in it"));
            }
        }
    }
}

fn corrupt(spec: &FileSpec, why: &str) -> Fault {
    Fault::permanent(
        "FileUnreadable",
        format!("spec.source.file.uri: {}: {why}", spec.shown),
        "give a complete MP4, AVI or MKV file with a video stream",
    )
}

struct Player<'a> {
    spec: &'a FileSpec,
    attempt: &'a Attempt,
    opened: Opened,
    reader: Reader,
    schedule: Schedule,
    last: Option<Arc<Content>>,
    in_this_pass: u64,
}

impl<'a> Player<'a> {
    fn new(spec: &'a FileSpec, attempt: &'a Attempt, opened: Opened) -> Self {
        Self {
            spec,
            attempt,
            opened,
            reader: Reader::default(),
            schedule: Schedule::new(spec.fps.map(Fps::interval)),
            last: None,
            in_this_pass: 0,
        }
    }

    fn play(mut self) -> Result<End, Fault> {
        loop {
            if self.attempt.stop.is_stopped() {
                return Ok(End::Stopped);
            }
            self.attempt.outlet.alive(None);
            match pull(Some(&self.opened.branch.sink), &self.opened.bus, POLL) {
                Pulled::Sample(sample) => {
                    if self.show(&sample) {
                        return Ok(End::Stopped);
                    }
                }
                Pulled::Nothing => {}
                Pulled::Error(error, _) if self.in_this_pass == 0 => {
                    return Err(corrupt(self.spec, error.message()));
                }
                Pulled::Error(error, _) => {
                    tracing::warn!(
                        path = %self.spec.path.display(),
                        after_frames = self.in_this_pass,
                        error = error.message(),
                        "file is damaged; what follows the damage is left out"
                    );
                    if let Some(end) = self.at_end()? {
                        return Ok(end);
                    }
                }
                Pulled::Eos => {
                    if let Some(end) = self.at_end()? {
                        return Ok(end);
                    }
                }
            }
        }
    }

    /// Waits for the frame's turn and hands it over; `true` when stopped meanwhile.
    fn show(&mut self, sample: &gst::Sample) -> bool {
        let Opened {
            branch,
            codec,
            arrivals,
            ..
        } = &self.opened;
        let read = self
            .reader
            .read(sample, codec, branch.decoder.as_deref(), self.attempt);
        let Some((content, pts)) = read else {
            return false;
        };
        let outlet = &self.attempt.outlet;
        if let Some(arrival) = arrivals.take(pts) {
            if let Some(took) = arrival.decoding() {
                outlet.stage("decode", took);
            }
            outlet.stage(
                "receive",
                arrival.complete.saturating_duration_since(arrival.first),
            );
        }
        if branch.decoder.is_some() {
            outlet.decoding(1);
        }
        self.in_this_pass += 1;
        let duration = sample.buffer().and_then(gst::BufferRef::duration);
        let turn = self.schedule.next(
            pts.map(Duration::from),
            duration.map(Duration::from),
            Instant::now(),
        );
        if self.attempt.wait_until(turn.at) {
            return true;
        }
        outlet.alive(Some(Instant::now()));
        self.last = Some(Arc::clone(&content));
        if turn.late {
            outlet.held_back("file_late", 1);
        } else {
            outlet.frame(Captured {
                content,
                at: turn.at,
                capture: CaptureSource::File,
                error: Some(Duration::ZERO),
                repeated: false,
            });
        }
        false
    }

    /// `None` to go on with the next pass.
    fn at_end(&mut self) -> Result<Option<End>, Fault> {
        if self.in_this_pass == 0 {
            return Err(corrupt(self.spec, "no frame of it could be decoded"));
        }
        self.in_this_pass = 0;
        match self.spec.on_end {
            OnEnd::Stop => Ok(Some(End::Finished)),
            OnEnd::HoldLast => Ok(Some(self.hold())),
            OnEnd::Loop => {
                self.schedule.next_pass();
                self.rewind()?;
                Ok(None)
            }
        }
    }

    fn rewind(&mut self) -> Result<(), Fault> {
        let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::KEY_UNIT;
        if self
            .opened
            .running
            .0
            .seek_simple(flags, gst::ClockTime::ZERO)
            .is_ok()
        {
            // A damaged file leaves several errors behind; those of the last pass say nothing of this one.
            self.opened.bus.set_flushing(true);
            self.opened.bus.set_flushing(false);
            return Ok(());
        }
        // Not every file has an index to seek by; opening it again always works.
        self.opened = open(self.spec, self.attempt)?;
        Ok(())
    }

    /// Offers the last frame at the fastest rendition's pace; the renditions give it their tick's instant.
    fn hold(&mut self) -> End {
        let Some(content) = self.last.take() else {
            return End::Finished;
        };
        let mut at = Instant::now();
        loop {
            at += self.attempt.outlet.fastest_interval();
            at = at.max(Instant::now());
            if self.attempt.wait_until(at) {
                return End::Stopped;
            }
            self.attempt.outlet.alive(Some(Instant::now()));
            self.attempt.outlet.frame(Captured {
                content: Arc::clone(&content),
                at,
                capture: CaptureSource::File,
                error: Some(Duration::ZERO),
                repeated: true,
            });
        }
    }
}
