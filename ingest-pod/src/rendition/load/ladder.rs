//! The steps by which a rendition is reduced.

use streamhub_crds::Rendition;

use crate::picture::{Size, fit};

/// One step of quality or size leaves this much; picked so that a step is seen in the work.
const STEP: f64 = 0.75;
/// More steps than any rendition has.
const MOST: usize = 64;

/// What a rendition is held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InForce {
    /// JPEG quality; what is passed through has its own.
    pub quality: u8,
    /// Every how many ticks of the rendition's rate a frame is due.
    pub every: u32,
    /// Size in pixels.
    pub size: Size,
}

impl Default for InForce {
    fn default() -> Self {
        Self {
            quality: 1,
            every: 1,
            size: Size::new(1, 1),
        }
    }
}

impl InForce {
    /// About how much work it is per second, against other steps of the same rendition.
    pub(super) fn cost(self) -> f64 {
        // Quality changes only the coding of what is left after quantisation.
        let per_pixel = 0.6 + f64::from(self.quality) / 250.0;
        self.size.pixels() as f64 * per_pixel / f64::from(self.every)
    }
}

/// From what was asked for down to the floors: quality first, then rate, then size.
pub(super) fn ladder(rendition: &Rendition, full: Size, passed_through: bool) -> Vec<InForce> {
    let mut steps = vec![InForce {
        quality: rendition.quality.get(),
        every: 1,
        size: full,
    }];
    let mut now = InForce {
        quality: rendition.quality.get(),
        every: 1,
        size: full,
    };
    let lowest = rendition.lowest_quality().get();
    while !passed_through && now.quality > lowest && steps.len() < MOST {
        now.quality = ((f64::from(now.quality) * STEP) as u8).max(lowest);
        steps.push(now);
    }
    let slowest = slowest(rendition);
    while now.every < slowest && steps.len() < MOST {
        // Thirds and halves in turn: 2, 3, 4, 6, 8, 12 ...
        now.every = match now.every {
            1 => 2,
            n if n.is_power_of_two() => n / 2 * 3,
            n => n / 3 * 4,
        }
        .min(slowest);
        steps.push(now);
    }
    let narrowest = rendition.lowest_width(full.width);
    while !passed_through && now.size.width > narrowest && steps.len() < MOST {
        let width = ((f64::from(now.size.width) * STEP) as u32).max(narrowest);
        let smaller = fit(full, Some(width), None);
        if smaller.width >= now.size.width || smaller.width < narrowest {
            break;
        }
        now.size = smaller;
        steps.push(now);
    }
    steps
}

/// The most ticks from one frame to the next that the floor of the rate allows.
fn slowest(rendition: &Rendition) -> u32 {
    let (rate, floor) = (rendition.fps, rendition.lowest_fps());
    let ticks = u64::from(rate.num()) * u64::from(floor.den());
    let per = u64::from(rate.den()) * u64::from(floor.num());
    u32::try_from(ticks / per.max(1)).unwrap_or(u32::MAX).max(1)
}
