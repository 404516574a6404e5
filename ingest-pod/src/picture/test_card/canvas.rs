//! Where the card is drawn: three planes, rectangles clipped to them.

use crate::picture::{Colour, Depth, Layout, Plane, Raw, Size};

/// A colour in full range BT.601.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ink {
    pub(super) luma: u8,
    blue: u8,
    red: u8,
}

impl Ink {
    /// White, yellow, cyan, green, magenta, red, blue, black: three quarters of full strength, so that a
    /// wrong range shows.
    pub(super) const BARS: [Self; 8] = [
        Self {
            luma: 191,
            blue: 128,
            red: 128,
        },
        Self {
            luma: 169,
            blue: 33,
            red: 144,
        },
        Self {
            luma: 134,
            blue: 160,
            red: 33,
        },
        Self {
            luma: 112,
            blue: 65,
            red: 48,
        },
        Self {
            luma: 79,
            blue: 191,
            red: 208,
        },
        Self {
            luma: 57,
            blue: 96,
            red: 223,
        },
        Self {
            luma: 22,
            blue: 223,
            red: 112,
        },
        Self {
            luma: 0,
            blue: 128,
            red: 128,
        },
    ];
    /// Neither a bar nor grey: the moving block.
    pub(super) const ORANGE: Self = Self {
        luma: 158,
        blue: 39,
        red: 197,
    };

    /// A colour without colour.
    pub(super) const fn grey(luma: u8) -> Self {
        Self {
            luma,
            blue: 128,
            red: 128,
        }
    }
}

/// A part of the picture in pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rect {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) width: u32,
    pub(super) height: u32,
}

#[derive(Debug)]
pub(super) struct Canvas {
    size: Size,
    chroma: Size,
    luma: Vec<u8>,
    blue: Vec<u8>,
    red: Vec<u8>,
}

impl Canvas {
    pub(super) fn new(size: Size) -> Self {
        let chroma = Layout::I420.chroma_size(size);
        Self {
            size,
            chroma,
            luma: vec![0; size.pixels() as usize],
            blue: vec![128; chroma.pixels() as usize],
            red: vec![128; chroma.pixels() as usize],
        }
    }

    pub(super) fn size(&self) -> Size {
        self.size
    }

    /// Paints all planes; at odd edges the chroma sample goes to the last painter.
    pub(super) fn fill(&mut self, rect: Rect, ink: Ink) {
        self.fill_luma(rect, ink.luma);
        let right = (rect.x + rect.width).div_ceil(2);
        let bottom = (rect.y + rect.height).div_ceil(2);
        let (x, y) = (rect.x / 2, rect.y / 2);
        let halved = Rect {
            x,
            y,
            width: right - x,
            height: bottom - y,
        };
        fill(&mut self.blue, self.chroma.width, halved, ink.blue);
        fill(&mut self.red, self.chroma.width, halved, ink.red);
    }

    /// Paints brightness only.
    pub(super) fn fill_luma(&mut self, rect: Rect, luma: u8) {
        fill(&mut self.luma, self.size.width, rect, luma);
    }

    pub(super) fn picture(&self) -> Raw<'_> {
        let chroma = self.chroma.width as usize;
        Raw {
            layout: Layout::I420,
            depth: Depth::Eight,
            size: self.size,
            colour: Colour::JFIF,
            planes: [
                Plane::new(&self.luma, self.size.width as usize),
                Plane::new(&self.blue, chroma),
                Plane::new(&self.red, chroma),
            ],
        }
    }
}

fn fill(plane: &mut [u8], stride: u32, rect: Rect, value: u8) {
    let left = rect.x.min(stride) as usize;
    let right = rect.x.saturating_add(rect.width).min(stride) as usize;
    for row in plane
        .chunks_exact_mut(stride as usize)
        .skip(rect.y as usize)
        .take(rect.height as usize)
    {
        row.get_mut(left..right).unwrap_or_default().fill(value);
    }
}
