//! One rendition: due frames in, JPEG with metadata out. One thread each.

mod leave;
mod load;
mod reduction;

use bytes::Bytes;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde_json::json;
use streamhub_crds::{Publish, Rendition};
use streamhub_wire::feedback::FeedbackStore;
use streamhub_wire::hub_time_us;
use streamhub_wire::interest::Listeners;
use streamhub_wire::metadata::{Capture, Events, METADATA_VERSION, Metadata};
use streamhub_wire::publish::{DropReason, Publisher, RenditionOptions, RenditionPublisher};
use streamhub_wire::subjects::Token;

use crate::captured::{CameraJpeg, Content, JpegDecoder};
use crate::clock::Cause;
use crate::picture::{self, Encoder, Raw, Size, fit};
use crate::report::{HeldTo, PublishedFrame, Report};
use crate::router::{Due, Every, Lanes};
use crate::slot::Slot;
pub use leave::{LEASE, Leave};
use load::{Basis, Change, InForce, Load, Work};
use reduction::Reduction;

/// More attempts than there are steps of reduction are never needed.
const MAX_ATTEMPTS: usize = 12;

/// What all renditions of a camera share.
pub struct Shared {
    /// The camera's name.
    pub camera: Token,
    /// Connection to NATS.
    pub publisher: Publisher,
    /// What modules say.
    pub feedback: Mutex<FeedbackStore>,
    /// Decoder for cameras that send JPEG.
    pub jpeg: JpegDecoder,
    /// The board.
    pub report: Arc<Report>,
    /// Fencing.
    pub leave: Leave,
}

/// Starts and ends the threads of renditions.
pub struct Renditions(pub Arc<Shared>);

impl Lanes for Renditions {
    fn start(&self, rendition: &Arc<Rendition>, slot: Slot<Due>, every: Every) -> Listeners {
        let name = rendition.name.as_str();
        let Ok(token) = Token::new(name) else {
            return Listeners::default();
        };
        let worker = match Worker::new(Arc::clone(&self.0), &token, rendition, every) {
            Ok(worker) => worker,
            Err(error) => give_up(name, &error),
        };
        let listeners = worker.publisher.listeners().clone();
        let report = &self.0.report;
        report.rendition_started(name, rendition.fps.as_f64(), &listeners);
        let thread = std::thread::Builder::new()
            .name(format!("rendition-{name}"))
            .spawn(move || worker.run(&slot));
        if let Err(error) = thread {
            give_up(name, &error);
        }
        listeners
    }

    fn overtaken(&self, rendition: &Rendition) {
        self.0.report.dropped(rendition.name.as_str(), "overtaken");
    }

    fn ended(&self, rendition: &Rendition) {
        self.0.report.rendition_ended(rendition.name.as_str());
    }

    fn epoch_begun(&self, cause: Cause) {
        self.0.report.epoch_begun(cause);
    }

    fn clock_stepped(&self, step_us: i64) {
        tracing::warn!(step_us, "the node's clock was stepped: new epoch");
        self.0.report.metrics.clock_steps.inc();
    }

    fn clock_behind(&self, by_ms: Option<u64>) {
        self.0.report.clock_behind(by_ms);
    }
}

struct Worker {
    shared: Arc<Shared>,
    publisher: RenditionPublisher,
    encoder: Encoder,
    /// What the machine's load leaves of the rendition; known from the first picture on.
    load: Option<Load>,
    /// What `load` was last told of; nothing where the rendition was changed since.
    basis: Option<Basis>,
    every: Every,
    /// Every how many ticks the frame at hand was due.
    due_every: u32,
    reduction: Reduction,
    metadata: Metadata,
    current: Arc<Rendition>,
}

/// A JPEG ready to go.
struct Encoded {
    jpeg: Bytes,
    size: Size,
    quality: Option<u8>,
}

impl Worker {
    fn new(
        shared: Arc<Shared>,
        name: &Token,
        rendition: &Arc<Rendition>,
        every: Every,
    ) -> Result<Self, picture::Error> {
        let publisher = shared
            .publisher
            .rendition(&shared.camera, name, options(rendition, 1));
        publisher.listeners().set_always(is_always(rendition));
        let metadata = Metadata {
            stream_id: shared.camera.as_str().to_owned(),
            frame_id: 0,
            timestamp: 0,
            source: String::new(),
            events: Events::default(),
            frame_size: 0,
            v: METADATA_VERSION,
            rendition: name.as_str().to_owned(),
            epoch: 0,
            tick: 0,
            width: 0,
            height: 0,
            fps: rendition.fps.as_f64(),
            quality: None,
            capture: Capture {
                source: streamhub_wire::metadata::CaptureSource::Arrival,
                error_ms: None,
            },
            published: 0,
            repeated: false,
            reduced: false,
            events_omitted: Vec::new(),
        };
        Ok(Self {
            shared,
            publisher,
            encoder: Encoder::new()?,
            load: None,
            basis: None,
            every,
            due_every: 1,
            reduction: Reduction::default(),
            metadata,
            current: Arc::clone(rendition),
        })
    }

    fn run(mut self, slot: &Slot<Due>) {
        while let Some(due) = slot.take() {
            self.follow(&due);
            if !self.shared.leave.has_begun() {
                continue;
            }
            self.weigh(&due);
            let (started, cpu) = (Instant::now(), thread_cpu());
            let sent = self.handle(&due);
            let work = Work {
                took: started.elapsed(),
                cpu: thread_cpu().saturating_sub(cpu),
                age: sent.is_ok().then(|| self.age(&due)),
                decoder_late: self.shared.report.decoder_late(),
            };
            if let Err(reason) = sent {
                let name = self.current.name.as_str();
                self.shared.report.dropped(name, reason);
            }
            let interval = due.rendition.fps.interval() * due.every;
            let change = self
                .load
                .as_mut()
                .and_then(|load| load.worked(work, interval, Instant::now()));
            if let Some(change) = change {
                self.apply_load(Some(change), &due.source);
            }
        }
    }

    /// Brings the load to what the picture makes of the rendition.
    fn weigh(&mut self, due: &Due) {
        let basis = Basis {
            source: Arc::clone(&due.source),
            full: self.target(due.frame.content.size()),
            passed_through: self.as_it_came(due).is_some(),
        };
        if self.basis.as_ref() != Some(&basis) {
            let change = if let Some(load) = &mut self.load {
                load.follow(&self.current, basis.clone())
            } else {
                self.load = Some(Load::new(&self.current, basis.clone()));
                None
            };
            self.basis = Some(basis);
            self.apply_load(change, &due.source);
        }
        if let Some(load) = &mut self.load {
            load.taken(due.epoch, due.frame_id, Instant::now());
        }
    }

    /// Holds the rendition to what the load leaves of it, and tells so.
    fn apply_load(&mut self, change: Option<Change>, source: &str) {
        let Some(load) = &self.load else {
            return;
        };
        let (level, force) = (load.level(), load.in_force());
        self.every.set(force.every);
        let name = self.current.name.as_str();
        let passed_through = self
            .basis
            .as_ref()
            .is_some_and(|basis| basis.passed_through);
        let held_to = HeldTo {
            level: level as u32,
            quality: (!passed_through).then_some(force.quality),
            fps: self.current.fps.as_f64() / f64::from(force.every),
            width: force.size.width,
        };
        self.shared.report.held_to(name, held_to);
        let (kind, reason, message) = match change {
            None | Some(Change::Raised) => return,
            Some(Change::Reduced) => ("load-reduced", "Overloaded", "the machine cannot keep up"),
            Some(Change::Restored) => ("load-restored", "", "the machine keeps up again"),
        };
        let HeldTo {
            quality,
            fps,
            width,
            ..
        } = held_to;
        tracing::warn!(rendition = name, level, quality, fps, width, "{message}");
        let body = json!({
            "camera": self.shared.camera.as_str(),
            "at": hub_time_us() / 1000,
            "source": source,
            "reason": reason,
            "message": message,
            "rendition": name,
            "level": level,
            "quality": quality,
            "fps": fps,
            "width": width,
        });
        if let Ok(kind) = Token::new(kind) {
            // An event is news; status and metrics tell the level anyway.
            let _ = self
                .shared
                .publisher
                .publish_event(&self.shared.camera, &kind, &body);
        }
    }

    fn in_force(&self) -> Option<InForce> {
        self.load.as_ref().map(Load::in_force)
    }

    fn age(&self, due: &Due) -> Duration {
        let age_us = self.metadata.published.saturating_sub(due.timestamp_us);
        Duration::from_micros(u64::try_from(age_us).unwrap_or(0))
    }

    /// Takes a changed rendition or rate over, from this frame on.
    fn follow(&mut self, due: &Due) {
        let changed = !Arc::ptr_eq(&due.rendition, &self.current);
        if !changed && due.every == self.due_every {
            return;
        }
        let rendition = &due.rendition;
        self.publisher.set_options(options(rendition, due.every));
        self.publisher.listeners().set_always(is_always(rendition));
        let fps = rendition.fps.as_f64() / f64::from(due.every);
        self.metadata.fps = fps;
        self.due_every = due.every;
        self.shared.report.target_fps(rendition.name.as_str(), fps);
        if changed {
            self.reduction = Reduction::default();
            self.basis = None;
            self.current = Arc::clone(rendition);
        }
    }

    fn handle(&mut self, due: &Due) -> Result<(), &'static str> {
        self.shared.leave.check(Instant::now())?;
        self.describe(due);
        let max_payload = self.shared.publisher.max_payload();
        self.reduction.begin(&due.source, max_payload);
        // Whatever was made of larger ones before it: to pass it through costs next to nothing.
        let mut as_it_came = self.as_it_came(due);
        for _ in 0..MAX_ATTEMPTS {
            let started = Instant::now();
            let encoded = match as_it_came {
                Some(jpeg) => Encoded {
                    jpeg: jpeg.bytes.clone(),
                    size: jpeg.size,
                    quality: None,
                },
                None => self.encode(due)?,
            };
            let metrics = &self.shared.report.metrics;
            metrics.observe_stage("encode", started.elapsed());
            self.metadata.width = encoded.size.width;
            self.metadata.height = encoded.size.height;
            self.metadata.quality = encoded.quality;
            self.metadata.reduced = as_it_came.is_none() && self.reduction.is_active();
            let bytes = encoded.jpeg.len();
            // Encoding takes time, in which the right to publish may have been lost.
            self.shared.leave.check(Instant::now())?;
            let started = Instant::now();
            match self.publisher.publish(&mut self.metadata, encoded.jpeg) {
                Ok(()) => {
                    metrics.observe_stage("publish", started.elapsed());
                    self.published(due, encoded.size, bytes);
                    return Ok(());
                }
                Err(DropReason::TooLarge { limit }) => {
                    let as_it_came = as_it_came.take().is_some();
                    if !self.reduction.too_large(as_it_came, bytes, limit) {
                        return Err("too_large");
                    }
                }
                Err(reason) => return Err(reason.as_str()),
            }
        }
        Err("too_large")
    }

    fn published(&self, due: &Due, size: Size, bytes: usize) {
        self.shared.report.published(
            self.current.name.as_str(),
            PublishedFrame {
                timestamp_us: due.timestamp_us,
                capture: self.metadata.capture,
                age: self.age(due),
                bytes,
                width: size.width,
                height: size.height,
            },
        );
    }

    fn describe(&mut self, due: &Due) {
        let metadata = &mut self.metadata;
        metadata.frame_id = due.frame_id;
        metadata.timestamp = due.timestamp_us;
        if metadata.source != *due.source {
            due.source.as_ref().clone_into(&mut metadata.source);
        }
        metadata.epoch = due.epoch;
        metadata.tick = due.tick_us;
        metadata.capture.source = due.frame.capture;
        metadata.capture.error_ms = due.error_ms;
        metadata.repeated = due.frame.repeated;
        let mut feedback = self
            .shared
            .feedback
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (events, omitted) = feedback.events(Instant::now());
        metadata.events = events;
        if metadata.events_omitted != omitted {
            metadata.events_omitted = omitted.to_vec();
        }
    }

    /// The camera's own JPEG, where nothing smaller is asked for.
    fn as_it_came<'a>(&self, due: &'a Due) -> Option<&'a CameraJpeg> {
        match &*due.frame.content {
            Content::Jpeg(jpeg) if self.target(jpeg.size) == jpeg.size => Some(jpeg),
            Content::Jpeg(_) | Content::Video(_) | Content::Still(_) => None,
        }
    }

    fn encode(&mut self, due: &Due) -> Result<Encoded, &'static str> {
        match &*due.frame.content {
            Content::Jpeg(jpeg) => {
                let still = jpeg.planes(&self.shared.jpeg).ok_or("broken_jpeg")?;
                self.compress(still.raw())
            }
            Content::Video(video) => self.compress(video.raw().ok_or("unsupported_format")?),
            Content::Still(still) => self.compress(still.raw()),
        }
    }

    fn compress(&mut self, raw: Result<Raw<'_>, picture::Error>) -> Result<Encoded, &'static str> {
        let encoded = raw.and_then(|raw| {
            let (size, quality) = match self.in_force() {
                Some(force) => (force.size, force.quality),
                None => (self.target(raw.size()), self.current.quality.get()),
            };
            let size = self.reduction.size(size);
            let quality = self.reduction.quality(quality);
            let jpeg = self.encoder.encode(&raw, size, quality)?;
            Ok(Encoded {
                jpeg,
                size,
                quality: Some(quality),
            })
        });
        encoded.map_err(|error| {
            tracing::debug!(rendition = %self.current.name, %error, "frame not encoded");
            "encoder"
        })
    }

    fn target(&self, source: Size) -> Size {
        let side =
            |side: Option<streamhub_crds::Dimension>| side.map(streamhub_crds::Dimension::get);
        fit(source, side(self.current.width), side(self.current.height))
    }
}

fn options(rendition: &Rendition, every: u32) -> RenditionOptions {
    RenditionOptions {
        interval: rendition.fps.interval() * every,
        meta: rendition.meta,
    }
}

fn is_always(rendition: &Rendition) -> bool {
    rendition.publish == Publish::Always
}

/// CPU time of this thread.
fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// A rendition that nobody works at would look like one that drops every frame: better to end and be
/// started again.
fn give_up(rendition: &str, error: &dyn std::error::Error) -> ! {
    tracing::error!(rendition, %error, "cannot start the rendition");
    std::process::exit(1)
}
