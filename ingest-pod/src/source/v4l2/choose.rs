//! Which of a device's formats, sizes and rates to capture: a pure function of what it offers and what is needed.

use std::cmp::{Ordering, Reverse};
use std::fmt;

use crate::picture::Size;

/// No larger picture is captured unless a rendition or the manifest asks for one.
const LARGEST_UNASKED: Size = Size {
    width: 1920,
    height: 1080,
};

/// Entries of a device's list that an error message shows.
const SHOWN: usize = 40;

/// Frames per second as a fraction; 0/1 where a device does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Numerator.
    pub num: u32,
    /// Denominator, never 0.
    pub den: u32,
}

impl Rate {
    /// As a number.
    pub fn as_f64(self) -> f64 {
        f64::from(self.num) / f64::from(self.den)
    }

    /// Whether it serves somebody who needs `other`: NTSC's 29.97 is enough for 30.
    fn is_enough_for(self, other: Self) -> bool {
        self.as_f64() >= other.as_f64() * 0.99
    }

    /// Whether a person would write both alike: 30000/1001 and 29.97.
    fn is_as_written(self, other: Self) -> bool {
        (self.as_f64() / other.as_f64() - 1.0).abs() < 0.000_5
    }

    fn compare(self, other: Self) -> Ordering {
        (u64::from(self.num) * u64::from(other.den))
            .cmp(&(u64::from(other.num) * u64::from(self.den)))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.2}", self.as_f64());
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// The values of one side of a picture: from `min` to `max` in steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Smallest.
    pub min: u32,
    /// Largest.
    pub max: u32,
    /// Distance of two neighbours, at least 1.
    pub step: u32,
}

impl Span {
    /// Just this value.
    pub fn one(value: u32) -> Self {
        Self {
            min: value,
            max: value,
            step: 1,
        }
    }

    fn contains(self, value: u32) -> bool {
        (self.min..=self.max).contains(&value)
            && (value - self.min).is_multiple_of(self.step.max(1))
    }

    /// The largest value that is not above `limit`; the smallest of all where there is none.
    fn at_most(self, limit: u32) -> u32 {
        let over = limit.min(self.max).saturating_sub(self.min);
        self.min + over - over % self.step.max(1)
    }

    /// The smallest value that is not below `wanted`; the largest of all where there is none.
    fn at_least(self, wanted: u32) -> u32 {
        let step = self.step.max(1);
        let steps = wanted.saturating_sub(self.min).div_ceil(step);
        let last = self.at_most(self.max);
        self.min
            .saturating_add(steps.saturating_mul(step))
            .min(last)
    }
}

/// The rates of one format at one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rates {
    /// These.
    Discrete(Vec<Rate>),
    /// All from the first to the second; what a device that names none is taken to have.
    Between(Rate, Rate),
}

impl Rates {
    /// The lowest rate that is enough, else the highest of all.
    fn nearest(&self, need: Rate) -> Option<Rate> {
        match self {
            Self::Discrete(rates) => rates
                .iter()
                .copied()
                .filter(|rate| rate.is_enough_for(need))
                .min_by(|a, b| a.compare(*b))
                .or_else(|| rates.iter().copied().max_by(|a, b| a.compare(*b))),
            Self::Between(lowest, highest) => Some(if need.compare(*lowest).is_lt() {
                *lowest
            } else if need.compare(*highest).is_gt() {
                *highest
            } else {
                need
            }),
        }
    }

    /// The rate that the manifest asks for, as the device writes it.
    fn exactly(&self, wanted: Rate) -> Option<Rate> {
        let found = match self {
            Self::Discrete(rates) => {
                let beside = |rate: &Rate| (rate.as_f64() - wanted.as_f64()).abs();
                let closest = |a: &Rate, b: &Rate| beside(a).total_cmp(&beside(b));
                rates.iter().copied().min_by(closest)
            }
            Self::Between(..) => self.nearest(wanted),
        };
        found.filter(|found| found.is_as_written(wanted))
    }
}

impl fmt::Display for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Discrete(rates) => {
                let mut rates: Vec<&Rate> = rates.iter().collect();
                rates.sort_by(|a, b| b.compare(**a));
                let texts: Vec<String> = rates.into_iter().map(Rate::to_string).collect();
                f.write_str(&texts.join(", "))
            }
            Self::Between(_, highest) if highest.as_f64() > 1000.0 => f.write_str("any rate"),
            Self::Between(lowest, highest) => write!(f, "{lowest} to {highest}"),
        }
    }
}

/// How much work it is to make a JPEG of it, the cheapest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Coding {
    /// Passed through where the size is right.
    Jpeg,
    /// Planes of luma and chroma, encoded as they are.
    Planar,
    /// Luma and chroma interleaved: unpacked first.
    Packed,
    /// Red, green and blue: converted first.
    Rgb,
    /// No colours.
    Grey,
    /// H.264, H.265 and the like: a decoder with state, and nothing until the next key frame.
    Video,
}

/// One format of a device at one size, or range of sizes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// V4L2's four characters.
    pub fourcc: &'static str,
    /// Cost.
    pub coding: Coding,
    /// Widths.
    pub width: Span,
    /// Heights.
    pub height: Span,
    /// Rates.
    pub rates: Rates,
}

/// What the manifest wants; what is absent is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted<'a> {
    /// V4L2's four characters.
    pub fourcc: Option<&'a str>,
    /// Width in pixels.
    pub width: Option<u32>,
    /// Height in pixels.
    pub height: Option<u32>,
    /// Frames per second.
    pub fps: Option<Rate>,
}

/// What the renditions need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// Rate of the fastest.
    pub fps: Rate,
    /// Width and height of the largest, 0 for a side that none names; absent when one of them takes the
    /// picture as large as it comes.
    pub size: Option<Size>,
}

/// What is to be captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode {
    /// V4L2's four characters.
    pub fourcc: &'static str,
    /// Size in pixels.
    pub size: Size,
    /// Frames per second.
    pub rate: Rate,
    coding: Coding,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}x{} at {}",
            self.fourcc, self.size.width, self.size.height, self.rate
        )
    }
}

/// The mode that serves best, or `None` when the device has nothing of the kind.
///
/// First the rate that the renditions need; then the largest picture up to 1920x1080, or up to what a rendition asks
/// for, or the smallest that covers all renditions where each names a size; then the format that costs least.
/// Video with a state (H.264) only where nothing else has the rate or the size, or where it is asked for.
pub fn choose(offers: &[Offer], wanted: Wanted<'_>, need: Need) -> Option<Mode> {
    let fits: Vec<Mode> = offers
        .iter()
        .filter(|offer| {
            wanted
                .fourcc
                .is_none_or(|fourcc| same(fourcc, offer.fourcc))
        })
        .flat_map(|offer| modes(offer, wanted, need))
        .collect();
    let need_fps = wanted.fps.unwrap_or(need.fps);
    let simple: Vec<Mode> = fits
        .iter()
        .filter(|mode| mode.coding != Coding::Video)
        .copied()
        .collect();
    let best = |modes: &[Mode]| best_of(modes, need_fps, need.size);
    match best(&simple) {
        Some(mode) if mode.rate.is_enough_for(need_fps) && covers(mode.size, need.size) => {
            Some(mode)
        }
        _ => best(&fits),
    }
}

/// Two names of one format.
fn same(a: &str, b: &str) -> bool {
    usual(a) == usual(b)
}

/// Drivers call Motion JPEG by three names, and a format by another one where each plane is in a buffer of its own.
fn usual(fourcc: &str) -> &str {
    match fourcc {
        "JPEG" | "PJPG" => "MJPG",
        "NM12" => "NV12",
        "YM12" => "YU12",
        "NM21" => "NV21",
        "NM16" => "NV16",
        "NM61" => "NV61",
        other => other,
    }
}

/// The modes of an offer that could be the best: where it has ranges, their corners that matter.
fn modes(offer: &Offer, wanted: Wanted<'_>, need: Need) -> Vec<Mode> {
    let rate = match wanted.fps {
        Some(fps) => offer.rates.exactly(fps),
        None => offer.rates.nearest(need.fps),
    };
    let Some(rate) = rate else {
        return Vec::new();
    };
    let limit = limit(need.size);
    let asked = need.size.unwrap_or(limit);
    let sides = |span: Span, wanted: Option<u32>, limit: u32, asked: u32| match wanted {
        Some(side) if span.contains(side) => vec![side],
        Some(_) => vec![],
        None => vec![span.at_most(limit), span.at_least(asked)],
    };
    let widths = sides(offer.width, wanted.width, limit.width, asked.width);
    let heights = sides(offer.height, wanted.height, limit.height, asked.height);
    let mode = |width, height| Mode {
        fourcc: offer.fourcc,
        size: Size::new(width, height),
        rate,
        coding: offer.coding,
    };
    widths
        .into_iter()
        .flat_map(|width| heights.iter().map(move |height| mode(width, *height)))
        .collect()
}

/// The largest picture that is taken without being asked for by name.
fn limit(asked: Option<Size>) -> Size {
    let asked = asked.unwrap_or(LARGEST_UNASKED);
    Size::new(
        asked.width.max(LARGEST_UNASKED.width),
        asked.height.max(LARGEST_UNASKED.height),
    )
}

fn covers(size: Size, asked: Option<Size>) -> bool {
    asked.is_none_or(|asked| size.width >= asked.width && size.height >= asked.height)
}

fn best_of(modes: &[Mode], need: Rate, asked: Option<Size>) -> Option<Mode> {
    let limit = limit(asked);
    let within = |size: Size| size.width <= limit.width && size.height <= limit.height;
    let area = |size: Size| u64::from(size.width) * u64::from(size.height);
    let pace = |mode: &Mode| {
        if mode.rate.is_enough_for(need) {
            1000
        } else {
            (mode.rate.as_f64() / need.as_f64() * 1000.0) as u64
        }
    };
    let fastest = modes.iter().map(pace).max()?;
    let quick: Vec<Mode> = modes
        .iter()
        .filter(|mode| pace(mode) == fastest)
        .copied()
        .collect();
    let largest = quick.iter().map(|mode| mode.size).max_by_key(|size| {
        (
            within(*size),
            if within(*size) {
                area(*size) as i64
            } else {
                -(area(*size) as i64)
            },
        )
    })?;
    // A smaller picture of another shape would show another part of the scene.
    let shape = |size: Size| {
        let [a, b] = [
            u64::from(size.width) * u64::from(largest.height),
            u64::from(largest.width) * u64::from(size.height),
        ];
        a.abs_diff(b) * 50 <= a
    };
    let size = match asked {
        None => largest,
        Some(_) => quick
            .iter()
            .map(|mode| mode.size)
            .filter(|size| covers(*size, asked) && shape(*size))
            .min_by_key(|size| area(*size))
            .unwrap_or(largest),
    };
    quick
        .into_iter()
        .filter(|mode| mode.size == size)
        .min_by(|a, b| a.coding.cmp(&b.coding).then(a.rate.compare(b.rate)))
}

/// What a device offers, for a person: `MJPG 1920x1080 at 30, 15; YUYV 640x480 at 30`. Only of this format, if it has it.
pub fn listed(offers: &[Offer], fourcc: Option<&str>) -> String {
    let side = |span: Span| {
        if span.min == span.max {
            span.min.to_string()
        } else {
            format!("{}..{}", span.min, span.max)
        }
    };
    let of_format = |offer: &&Offer| fourcc.is_some_and(|fourcc| same(fourcc, offer.fourcc));
    let mut sorted: Vec<&Offer> = offers.iter().filter(of_format).collect();
    if sorted.is_empty() {
        sorted = offers.iter().collect();
    }
    sorted.sort_by_key(|offer| {
        (
            offer.coding,
            offer.fourcc,
            Reverse(offer.width.max),
            Reverse(offer.height.max),
        )
    });
    let texts: Vec<String> = sorted
        .iter()
        .take(SHOWN)
        .map(|offer| {
            let (width, height) = (side(offer.width), side(offer.height));
            format!("{} {width}x{height} at {}", offer.fourcc, offer.rates)
        })
        .collect();
    let text = texts.join("; ");
    match sorted.len().saturating_sub(SHOWN) {
        0 => text,
        more => format!("{text}; and {more} more"),
    }
}

#[cfg(test)]
mod tests;
