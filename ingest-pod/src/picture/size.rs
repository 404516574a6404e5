//! Sizes of pictures and how a rendition's size follows from its camera's.

use std::fmt;

/// Width and height of a picture in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Size {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Size {
    /// A size of so many columns and rows.
    pub const fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }

    /// The smaller of both in each direction: what is left when nothing may be enlarged.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        Self::new(self.width.min(other.width), self.height.min(other.height))
    }

    /// Pixels of the picture.
    pub fn pixels(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// The size of a rendition that asks for at most `width` columns and `height` rows of a camera's `source`.
///
/// The aspect is kept up to rounding, the result is even and at least 2x2, and nothing is enlarged. A
/// camera that already fits keeps its own size, odd or not: a picture is never scaled to lose one column.
pub fn fit(source: Size, width: Option<u32>, height: Option<u32>) -> Size {
    let max_width = width.unwrap_or(u32::MAX);
    let max_height = height.unwrap_or(u32::MAX);
    if source.width <= max_width && source.height <= max_height {
        return source;
    }
    // The tighter bound is the one with the smaller quotient bound/source; cross-multiplied to stay exact.
    let by_width = u64::from(max_width) * u64::from(source.height)
        <= u64::from(max_height) * u64::from(source.width);
    let fitted = if by_width {
        Size::new(
            even(u64::from(max_width), 1),
            even(
                u64::from(source.height) * u64::from(max_width),
                source.width,
            ),
        )
    } else {
        Size::new(
            even(
                u64::from(source.width) * u64::from(max_height),
                source.height,
            ),
            even(u64::from(max_height), 1),
        )
    };
    fitted.min(source)
}

/// `numerator / denominator` rounded to the nearest even number, at least 2.
fn even(numerator: u64, denominator: u32) -> u32 {
    let denominator = 2 * u64::from(denominator.max(1));
    let half = (numerator + denominator / 2) / denominator;
    u32::try_from(half.max(1) * 2).unwrap_or(u32::MAX - 1)
}

#[cfg(test)]
mod tests {
    use super::{Size, fit};

    #[test]
    fn the_aspect_is_kept_and_the_size_even() {
        let full_hd = Size::new(1920, 1080);
        assert_eq!(fit(full_hd, Some(640), None), Size::new(640, 360));
        assert_eq!(fit(full_hd, None, Some(480)), Size::new(854, 480));
        assert_eq!(fit(full_hd, Some(854), None), Size::new(854, 480));
        assert_eq!(fit(full_hd, Some(640), Some(640)), Size::new(640, 360));
        assert_eq!(fit(full_hd, Some(640), Some(180)), Size::new(320, 180));
        assert_eq!(
            fit(Size::new(768, 576), Some(320), None),
            Size::new(320, 240)
        );
    }

    #[test]
    fn nothing_is_enlarged() {
        let small = Size::new(320, 240);
        assert_eq!(fit(small, Some(640), None), small);
        assert_eq!(fit(small, None, None), small);
        assert_eq!(
            fit(Size::new(641, 481), Some(800), None),
            Size::new(641, 481)
        );
    }

    #[test]
    fn extreme_aspects_keep_two_rows() {
        assert_eq!(fit(Size::new(8000, 10), Some(100), None), Size::new(100, 2));
        assert_eq!(fit(Size::new(10, 8000), None, Some(100)), Size::new(2, 100));
        assert_eq!(fit(Size::new(4000, 1), Some(100), None), Size::new(100, 1));
    }
}
