//! Fitting `max_payload`: quality goes down first, then size; both come back by themselves.

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
}

impl Default for Reduction {
    fn default() -> Self {
        Self {
            quality: 1.0,
            scale: 1.0,
            calm: 0,
        }
    }
}

impl Reduction {
    /// A new frame: after a calm time one step back up is tried.
    pub fn begin(&mut self) {
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

    /// The frame was too large: one step down, or several at once when it was much too large.
    /// `false` when there is nothing left to take away.
    pub fn reduce(&mut self, bytes: usize, limit: usize) -> bool {
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
            assert!(reduction.reduce(bytes as usize, 100_000));
            let size = reduction.size(asked);
            steps.push((reduction.quality(80), size.width));
            bytes = 4_000_000.0 * f64::from(reduction.quality(80)) / 80.0 * size.pixels() as f64
                / asked.pixels() as f64;
        }
        let first_smaller = steps.iter().position(|(_, width)| *width < 1920);
        let lowest_quality = steps.iter().position(|(quality, _)| *quality == 28);
        assert!(lowest_quality < first_smaller, "{steps:?}");
        for _ in 0..PATIENCE * 20 {
            reduction.begin();
        }
        assert!(!reduction.is_active());
        assert_eq!(reduction.size(asked), asked);
    }

    #[test]
    fn an_impossible_limit_ends() {
        let mut reduction = Reduction::default();
        let tries = (0..100)
            .take_while(|_| reduction.reduce(1_000_000, 10))
            .count();
        assert!(tries < 12, "{tries}");
    }
}
