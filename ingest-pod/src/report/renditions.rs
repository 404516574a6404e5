//! What the renditions do, written to the board.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use streamhub_wire::interest::Listeners;
use streamhub_wire::metadata::Capture;
use streamhub_wire::status::{ClockStatus, RenditionStatus};

use super::Report;
use super::rate::Rate;
use crate::metrics::{DropLabels, RenditionLabel};

/// A published frame, as the board needs to know it.
#[derive(Debug, Clone, Copy)]
pub struct PublishedFrame {
    /// Capture time, UNIX microseconds.
    pub timestamp_us: i64,
    /// How that was found, and how far off it may be.
    pub capture: Capture,
    /// Age when it was handed to NATS.
    pub age: Duration,
    /// Payload bytes.
    pub bytes: usize,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// What a rendition is held to by the machine's load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeldTo {
    /// Steps that were taken away; 0 when nothing is.
    pub level: u32,
    /// JPEG quality; absent when the camera's JPEG is passed through.
    pub quality: Option<u8>,
    /// Frames per second.
    pub fps: f64,
    /// Pixels per line.
    pub width: u32,
}

/// What the board knows of one rendition.
pub(super) struct RenditionBoard {
    pub(super) status: RenditionStatus,
    pub(super) rate: Rate,
    pub(super) last: Option<Instant>,
    pub(super) listeners: Listeners,
    pub(super) drop_reasons: BTreeSet<&'static str>,
}

impl Report {
    /// The machine's load leaves this of a rendition.
    pub fn held_to(&self, name: &str, held_to: HeldTo) {
        let mut board = self.board();
        // A worker may finish its last frame after the rendition has ended.
        if let Some(entry) = board.renditions.get_mut(name) {
            self.metrics.held_to(name, held_to);
            entry.status.load_level = held_to.level;
            entry.status.target_fps = held_to.fps;
        }
    }

    /// A rendition has another rate from now on.
    pub fn target_fps(&self, name: &str, target_fps: f64) {
        if let Some(entry) = self.board().renditions.get_mut(name) {
            entry.status.target_fps = target_fps;
        }
    }

    /// A rendition is there.
    pub fn rendition_started(&self, name: &str, target_fps: f64, listeners: &Listeners) {
        let mut board = self.board();
        let entry = board
            .renditions
            .entry(name.to_owned())
            .or_insert_with(|| RenditionBoard {
                status: RenditionStatus::default(),
                rate: Rate::default(),
                last: None,
                listeners: listeners.clone(),
                drop_reasons: BTreeSet::new(),
            });
        entry.status.target_fps = target_fps;
    }

    /// A rendition is gone.
    pub fn rendition_ended(&self, name: &str) {
        let ended = self.board().renditions.remove(name);
        let reasons = ended.map(|entry| entry.drop_reasons).unwrap_or_default();
        self.metrics.forget_rendition(name, reasons);
    }

    /// A due frame went out. One that its rendition had under way when it ended is not counted any more.
    pub fn published(&self, rendition: &str, frame: PublishedFrame) {
        let mut board = self.board();
        let Some(entry) = board.renditions.get_mut(rendition) else {
            return;
        };
        let label = RenditionLabel {
            rendition: rendition.to_owned(),
        };
        self.metrics.published.get_or_create(&label).inc();
        self.metrics
            .published_bytes
            .get_or_create(&label)
            .inc_by(frame.bytes as u64);
        self.metrics
            .age
            .get_or_create(&label)
            .observe(frame.age.as_secs_f64());
        self.metrics
            .last_frame
            .get_or_create(&label)
            .set(frame.timestamp_us as f64 / 1e6);
        let now = Instant::now();
        entry.last = Some(now);
        entry.rate.add(now, frame.bytes as u64);
        entry.status.width = frame.width;
        entry.status.height = frame.height;
        entry.status.frame_bytes = frame.bytes as u64;
        entry.status.bytes += frame.bytes as u64;
        entry.status.published += 1;
        let error = frame.capture.error_ms.map_or(f64::NAN, |ms| ms / 1e3);
        self.metrics.timestamp_error.set(error);
        board.source.clock = Some(ClockStatus {
            mode: frame.capture.source,
            camera_offset_ms: board.camera_offset_ms,
            error_ms: frame.capture.error_ms,
        });
    }

    /// A due frame did not go out.
    pub fn dropped(&self, rendition: &str, reason: &'static str) {
        let mut board = self.board();
        let Some(entry) = board.renditions.get_mut(rendition) else {
            return;
        };
        self.metrics
            .dropped
            .get_or_create(&DropLabels {
                rendition: rendition.to_owned(),
                reason,
            })
            .inc();
        entry.drop_reasons.insert(reason);
        *entry.status.drops.entry(reason.to_owned()).or_default() += 1;
    }
}
