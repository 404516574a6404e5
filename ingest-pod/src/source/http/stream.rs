//! Bytes of a container through demultiplexer and decoder to frames.

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use streamhub_wire::metadata::CaptureSource;
use tokio::sync::Notify;

use super::client::Client;
use super::pacer::Pacer;
use super::pump::{Feed, Piece};
use super::{BEAT, FIRST_FRAME_WITHIN, STALE_AFTER, ended};
use crate::captured::Captured;
use crate::fault::Fault;
use crate::source::arrivals::Arrivals;
use crate::source::decode::{Branch, Pace, attach, make};
use crate::source::pull::{Pulled, Reader, Running, codec_name, pull};
use crate::source::{Attempt, End, key_frame};

/// Bytes that wait in front of the demultiplexer; it decides how fast the server is read.
const AHEAD: u64 = 1024 * 1024;

/// Shows what comes out of the feed. `film`: the server is known to send faster than frames are due.
pub async fn read(
    client: &Client,
    mut feed: Feed,
    film: bool,
    attempt: &Attempt,
) -> Result<End, Fault> {
    let mut pacer = Pacer::new(film);
    let mut shown = false;
    loop {
        let section = Section::open(client, attempt)?;
        let (over, frames) = section.play(client, &mut feed, &mut pacer, attempt).await?;
        shown |= frames > 0;
        if over && !shown {
            return Err(client.invalid("the stream is over, and there was no frame in it"));
        }
        if over {
            return Err(ended(client));
        }
    }
}

/// What the pads turned out to be, written by `GStreamer`'s threads.
#[derive(Default)]
struct Found {
    taken: bool,
    branch: Option<Result<(Branch, String), Fault>>,
    others: Vec<String>,
    complete: bool,
}

/// A pipeline from one seam to the next.
struct Section {
    _running: Running,
    bus: gst::Bus,
    entry: gst_app::AppSrc,
    found: Arc<Mutex<Found>>,
    arrivals: Arc<Arrivals>,
    bell: Arc<Notify>,
}

impl Section {
    fn open(client: &Client, attempt: &Attempt) -> Result<Self, Fault> {
        let internal = |why: String| Fault::transient("Internal", why, "report this");
        let pipeline = gst::Pipeline::new();
        let entry = gst_app::AppSrc::builder()
            .format(gst::Format::Bytes)
            .stream_type(gst_app::AppStreamType::Stream)
            .max_bytes(4 * AHEAD)
            .build();
        let parse = make("parsebin")?;
        pipeline
            .add_many([entry.upcast_ref(), &parse])
            .and_then(|()| entry.link(&parse))
            .map_err(|error| internal(error.to_string()))?;
        let arrivals = Arc::new(Arrivals::default());
        let (found, bell): (Arc<Mutex<Found>>, Arc<Notify>) = (Arc::default(), Arc::default());
        watch_pads(&pipeline, &parse, &found, (&arrivals, &bell), attempt);
        let bus = pipeline
            .bus()
            .ok_or_else(|| internal("no pipeline bus".to_owned()))?;
        let running = Running(pipeline);
        if running.0.set_state(gst::State::Playing).is_err() {
            return Err(client.invalid("it cannot be demultiplexed"));
        }
        Ok(Self {
            _running: running,
            bus,
            entry,
            found,
            arrivals,
            bell,
        })
    }

    fn push(&self, bytes: bytes::Bytes) {
        // Refused only while the pipeline fails, which the bus tells.
        let _ = self.entry.push_buffer(gst::Buffer::from_slice(bytes));
    }

    /// Plays to the next seam or to the end: whether it is over, and how many frames there were.
    async fn play(
        self,
        client: &Client,
        feed: &mut Feed,
        pacer: &mut Pacer,
        attempt: &Attempt,
    ) -> Result<(bool, u64), Fault> {
        let outlet = &attempt.outlet;
        let mut reader = Reader::default();
        let mut branch: Option<(Branch, String)> = None;
        let mut pending: Option<Captured> = None;
        let (mut frames, mut over, mut newest_bytes) = (0, None, Instant::now());
        let opened = Instant::now();
        loop {
            if branch.is_none() {
                branch = self.found(client)?;
            }
            while pending.is_none() {
                let sink = branch.as_ref().map(|(branch, _)| &branch.sink);
                match (pull(sink, &self.bus, gst::ClockTime::ZERO), &branch) {
                    (Pulled::Sample(sample), Some((branch, codec))) => {
                        let decoder = branch.decoder.as_deref();
                        let Some((content, pts)) = reader.read(&sample, codec, decoder, attempt)
                        else {
                            continue;
                        };
                        if decoder.is_some() {
                            outlet.decoding(1);
                        }
                        let now = Instant::now();
                        let arrival = self.arrivals.take(pts);
                        if let Some(took) = arrival.and_then(|arrival| arrival.decoding()) {
                            outlet.stage("decode", took);
                        }
                        let arrived = arrival.map_or(now, |arrival| arrival.first);
                        pending = Some(Captured {
                            content,
                            at: pacer.next(pts.map(Duration::from), arrived, now),
                            capture: CaptureSource::Arrival,
                            error: None,
                            repeated: false,
                        });
                    }
                    (Pulled::Eos, _) if over.is_some() => {
                        return Ok((over.unwrap_or(true), frames));
                    }
                    (Pulled::Error(error, debug), _) => {
                        return Err(self.broken(client, &error, &debug));
                    }
                    _ => break,
                }
            }
            if let Some(frame) = pending.take_if(|frame| frame.at <= Instant::now()) {
                frames += 1;
                outlet.alive(Some(Instant::now()));
                outlet.frame(frame);
                continue;
            }
            self.drain(attempt);
            if let Some(fault) = key_frame::missing(&self.arrivals, client.shown()) {
                return Err(fault);
            }
            let silence = self.arrivals.newest().unwrap_or(opened).elapsed();
            let limit = match self.arrivals.interval() {
                Some(mean) => STALE_AFTER.max(mean * 3),
                None => FIRST_FRAME_WITHIN,
            };
            // While the server's bytes come in time, it is the demultiplexer that waits for more of them; but not for
            // ever: the sound may go on without the pictures.
            let starved =
                newest_bytes.elapsed() > limit || silence > limit + 2 * FIRST_FRAME_WITHIN;
            if pending.is_none() && silence > limit && starved {
                return Err(super::silent(client, silence));
            }
            if frames == 0 && pending.is_none() && opened.elapsed() > 2 * FIRST_FRAME_WITHIN {
                return Err(client
                    .invalid("there is no video that can be decoded in what the server sends"));
            }
            let beat = Instant::now() + BEAT;
            let wake = pending.as_ref().map_or(beat, |frame| frame.at.min(beat));
            let hungry = over.is_none() && self.entry.current_level_bytes() < AHEAD;
            tokio::select! {
                piece = feed.recv(), if hungry => match piece {
                    Some(Ok(Piece::Bytes(bytes))) => {
                        newest_bytes = Instant::now();
                        self.push(bytes);
                    }
                    Some(Ok(Piece::Seam)) => over = Some(self.last(false)),
                    Some(Ok(Piece::End)) | None => over = Some(self.last(true)),
                    Some(Err(fault)) => return Err(fault),
                },
                () = self.bell.notified() => {}
                () = tokio::time::sleep_until(wake.into()) => {}
            }
        }
    }

    /// No more bytes for this section; whether there is none after it.
    fn last(&self, over: bool) -> bool {
        let _ = self.entry.end_of_stream();
        over
    }

    fn found(&self, client: &Client) -> Result<Option<(Branch, String)>, Fault> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        match found.branch.take() {
            Some(branch) => branch.map(Some),
            None if found.complete && !found.taken => Err(no_video(client, &found.others)),
            None => Ok(None),
        }
    }

    fn broken(&self, client: &Client, error: &gst::glib::Error, debug: &str) -> Fault {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if !found.taken && !found.others.is_empty() {
            return no_video(client, &found.others);
        }
        let detail = debug
            .lines()
            .skip(1)
            .map(str::trim)
            .find(|line| !line.is_empty());
        let detail = detail.map_or_else(String::new, |detail| format!(" ({detail})"));
        client.invalid(&format!(
            "what the server sends cannot be read: {}{detail}",
            error.message().trim_end_matches('.')
        ))
    }

    fn drain(&self, attempt: &Attempt) {
        let (held_back, received) = self.arrivals.drain();
        for (reason, count) in held_back {
            attempt.outlet.held_back(reason, count);
        }
        for unit in received {
            attempt.outlet.stage("receive", unit.took);
        }
    }
}

fn no_video(client: &Client, others: &[String]) -> Fault {
    Fault::transient(
        "NoVideo",
        format!(
            "{}: there is no video in it that can be used, only {}",
            client.shown(),
            if others.is_empty() {
                "nothing".to_owned()
            } else {
                others.join(", ")
            }
        ),
        "set the server or the URL to a stream with H.264, H.265 or MJPEG",
    )
}

fn watch_pads(
    pipeline: &gst::Pipeline,
    parse: &gst::Element,
    found: &Arc<Mutex<Found>>,
    (arrivals, bell): (&Arc<Arrivals>, &Arc<Notify>),
    attempt: &Attempt,
) {
    let (slot, weak, arrivals, ring, outlet) = (
        Arc::clone(found),
        pipeline.downgrade(),
        Arc::clone(arrivals),
        Arc::clone(bell),
        Arc::clone(&attempt.outlet),
    );
    parse.connect_pad_added(move |_, pad| {
        let Some(pipeline) = weak.upgrade() else {
            return;
        };
        // Of MPEG-TS the pad is there before its caps are.
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        let media = caps.structure(0).map_or("unknown", |s| s.name().as_str());
        let mut found = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if !(media.starts_with("video/") || media == "image/jpeg") {
            found.others.push(media.to_owned());
        } else if !found.taken {
            found.taken = true;
            // What cannot be decoded may be another stream at the next attempt.
            let branch = attach(&pipeline, pad, &caps, Pace::Buffered, &arrivals, &outlet).map_err(
                |fault| Fault {
                    permanent: fault.permanent && fault.reason != "UnsupportedCodec",
                    ..fault
                },
            );
            if let Ok(branch) = &branch {
                ring_with_samples(&branch.sink, &ring);
            }
            found.branch = Some(branch.map(|branch| (branch, codec_name(&caps))));
        }
        ring.notify_one();
    });
    let (slot, ring) = (Arc::clone(found), Arc::clone(bell));
    parse.connect_no_more_pads(move |_| {
        slot.lock().unwrap_or_else(PoisonError::into_inner).complete = true;
        ring.notify_one();
    });
}

/// Wakes the reader; it takes the samples itself.
fn ring_with_samples(sink: &gst_app::AppSink, bell: &Arc<Notify>) {
    let (sample, eos) = (Arc::clone(bell), Arc::clone(bell));
    sink.set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_sample(move |_| {
                sample.notify_one();
                Ok(gst::FlowSuccess::Ok)
            })
            .eos(move |_| eos.notify_one())
            .build(),
    );
}
