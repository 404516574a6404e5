//! Fitting `max_payload`: quality goes down first, then size; both come back by themselves.

use std::sync::Arc;

use crate::picture::Size;

/// Lowest quality that is tried before the picture gets smaller.
const FLOOR: f64 = 0.35;
/// Frames without trouble after which one step is taken back, to see whether it fits again.
const PATIENCE: u32 = 300;

/// How much a rendition is reduced at present.
#[derive(Debug, Clone, PartialEq)]
pub struct Reduction {
    quality: f64,
    scale: f64,
    calm: u32,
    /// The source and the server's `max_payload` for which it was found.
    found_for: (Arc<str>, usize),
}

impl Default for Reduction {
    fn default() -> Self {
        Self {
            quality: 1.0,
            scale: 1.0,
            calm: 0,
            found_for: Default::default(),
        }
    }
}

impl Reduction {
    /// A new frame of this source, for a server with this `max_payload`. What did not fit of another source, or there,
    /// may fit now; else after a calm time one step back up is tried.
    pub fn begin(&mut self, source: &Arc<str>, max_payload: usize) {
        if (&*self.found_for.0, self.found_for.1) != (&**source, max_payload) {
            *self = Self {
                found_for: (Arc::clone(source), max_payload),
                ..Self::default()
            };
        }
        if !self.is_active() {
            return;
        }
        self.calm += 1;
        if self.calm < PATIENCE {
            return;
        }
        self.calm = 0;
        if self.scale < 1.0 {
            self.scale = (self.scale / 0.75).min(1.0);
        } else {
            self.quality = (self.quality / 0.75).min(1.0);
        }
    }

    /// The frame was too large, either `as_it_came` from the camera, or encoded here. `false` when there is nothing left
    /// to take away.
    pub fn too_large(&mut self, as_it_came: bool, bytes: usize, limit: usize) -> bool {
        // What is known to fit was found for what is encoded here; to take a camera's JPEG says nothing against it.
        (as_it_came && self.is_active()) || self.reduce(bytes, limit)
    }

    /// One step down, or several at once when the frame was much too large.
    fn reduce(&mut self, bytes: usize, limit: usize) -> bool {
        self.calm = 0;
        if self.quality > FLOOR {
            self.quality = (self.quality * 0.75).max(FLOOR);
            return true;
        }
        if self.scale < 0.06 || limit == 0 {
            return false;
        }
        // JPEG bytes go with the area; a little is left as a margin.
        let fits = (limit as f64 / bytes.max(1) as f64).sqrt() * 0.95;
        self.scale *= fits.clamp(0.25, 0.9);
        true
    }

    /// Whether frames are made smaller than they were asked for.
    pub fn is_active(&self) -> bool {
        self.quality < 1.0 || self.scale < 1.0
    }

    /// The quality to use where `asked` is configured.
    pub fn quality(&self, asked: u8) -> u8 {
        ((f64::from(asked) * self.quality) as u8).max(1)
    }

    /// The size to use where `asked` is configured: even sides.
    pub fn size(&self, asked: Size) -> Size {
        if self.scale >= 1.0 {
            return asked;
        }
        let side = |side: u32| (((f64::from(side) * self.scale) as u32) & !1).max(2);
        Size::new(side(asked.width), side(asked.height))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quality_goes_first_then_size_and_both_come_back() {
        let mut reduction = Reduction::default();
        let asked = Size::new(1920, 1080);
        let mut bytes = 4_000_000.0;
        let mut steps = Vec::new();
        while bytes > 100_000.0 {
            assert!(reduction.too_large(false, bytes as usize, 100_000));
            let size = reduction.size(asked);
            steps.push((reduction.quality(80), size.width));
            bytes = 4_000_000.0 * f64::from(reduction.quality(80)) / 80.0 * size.pixels() as f64
                / asked.pixels() as f64;
        }
        let first_smaller = steps.iter().position(|(_, width)| *width < 1920);
        let lowest_quality = steps.iter().position(|(quality, _)| *quality == 28);
        assert!(lowest_quality < first_smaller, "{steps:?}");
        for _ in 0..PATIENCE * 20 {
            reduction.begin(&"".into(), 0);
        }
        assert!(!reduction.is_active());
        assert_eq!(reduction.size(asked), asked);
    }

    #[test]
    fn an_impossible_limit_ends() {
        let mut reduction = Reduction::default();
        let tries = (0..100)
            .take_while(|_| reduction.too_large(false, 1_000_000, 10))
            .count();
        assert!(tries < 12, "{tries}");
    }

    #[test]
    fn a_cameras_jpeg_that_does_not_fit_is_made_as_those_before_it_and_no_smaller() {
        let (camera, limit) = (Arc::from("rtsp://door/"), 100_000);
        let mut reduction = Reduction::default();
        let mut made = Vec::new();
        for _ in 0..5 {
            reduction.begin(&camera, limit);
            // As it came, and then at the first quality that was tried, which fits.
            assert!(reduction.too_large(true, 150_000, limit));
            made.push(reduction.quality(80));
        }
        assert_eq!(made, [60; 5]);
        assert!(reduction.too_large(false, 120_000, limit));
        assert_eq!(reduction.quality(80), 45);
    }

    #[test]
    fn another_source_or_limit_begins_anew() {
        let (door, yard): (Arc<str>, Arc<str>) = ("rtsp://door/".into(), "rtsp://yard/".into());
        for (source, limit, kept) in [
            (&door, 1000, true),
            (&yard, 1000, false),
            (&door, 2000, false),
        ] {
            let mut reduction = Reduction::default();
            reduction.begin(&door, 1000);
            assert!(reduction.too_large(true, 2000, 1000));
            reduction.begin(source, limit);
            assert_eq!(reduction.is_active(), kept, "{source} {limit}");
        }
    }
}
