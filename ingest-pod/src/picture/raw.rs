//! A decoded picture as a decoder leaves it: borrowed planes and what their numbers mean.

use super::{Error, Size};

/// How the samples of a picture lie in its planes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// Y, U, V; chroma halved in both directions (4:2:0).
    I420,
    /// Y, U, V; chroma halved horizontally (4:2:2, `Y42B` in `GStreamer`).
    I422,
    /// Y, U, V; chroma at full size (4:4:4, `Y444` in `GStreamer`).
    I444,
    /// Y, U, V; chroma halved vertically (4:4:0): a 4:2:2 JPEG that was turned.
    I440,
    /// Y, U, V; chroma quartered horizontally (4:1:1, `Y41B` in `GStreamer`).
    I411,
    /// Y, U, V; chroma quartered vertically: a 4:1:1 JPEG that was turned.
    I441,
    /// Y, and U and V interleaved in one plane; chroma halved in both directions (4:2:0).
    Nv12,
    /// Y only.
    Gray8,
}

impl Layout {
    /// Number of planes.
    pub fn planes(self) -> usize {
        match self {
            Self::I420 | Self::I422 | Self::I444 | Self::I440 | Self::I411 | Self::I441 => 3,
            Self::Nv12 => 2,
            Self::Gray8 => 1,
        }
    }

    /// How many luma columns and rows share one chroma sample; `(1, 1)` also where there is no chroma.
    pub(crate) fn subsampling(self) -> (u32, u32) {
        match self {
            Self::I420 | Self::Nv12 => (2, 2),
            Self::I422 => (2, 1),
            Self::I440 => (1, 2),
            Self::I411 => (4, 1),
            Self::I441 => (1, 4),
            Self::I444 | Self::Gray8 => (1, 1),
        }
    }

    /// Columns and rows of chroma samples that belong to a picture of `size`; odd sizes round up.
    pub(crate) fn chroma_size(self, size: Size) -> Size {
        let (horizontal, vertical) = self.subsampling();
        Size::new(
            size.width.div_ceil(horizontal),
            size.height.div_ceil(vertical),
        )
    }

    /// `size` rounded up to whole chroma samples, as libjpeg-turbo wants its luma plane.
    pub(crate) fn padded(self, size: Size) -> Size {
        let (horizontal, vertical) = self.subsampling();
        Size::new(
            size.width.next_multiple_of(horizontal),
            size.height.next_multiple_of(vertical),
        )
    }
}

/// How wide a sample is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Depth {
    /// One byte.
    Eight,
    /// So many bits (9 to 16) in the lower end of two bytes, the lower byte first: `I420_10LE`.
    Low(u8),
    /// Any number of bits above 8 in the upper end of two bytes, the lower byte first: `P010_10LE`.
    High,
}

impl Depth {
    /// Bytes of one sample.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::Eight => 1,
            Self::Low(_) | Self::High => 2,
        }
    }
}

/// Which numbers stand for black and white; of 8 bits, in proportion for deeper samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Range {
    /// Black is 0, white 255, chroma spans all 256 steps: what JFIF means.
    Full,
    /// Black is 16, white 235, chroma spans 16 to 240: what most video streams carry.
    Limited,
}

/// How luma and chroma follow from red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Matrix {
    /// ITU-R BT.601: what JFIF means.
    Bt601,
    /// ITU-R BT.709: most HD streams.
    Bt709,
    /// ITU-R BT.2020, non-constant luminance.
    Bt2020,
    /// FCC Title 47 (1953): old NTSC material.
    Fcc,
    /// SMPTE 240M: the HDTV before BT.709.
    Smpte240m,
}

/// What the numbers of a picture mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Colour {
    /// Black and white.
    pub range: Range,
    /// Luma and chroma.
    pub matrix: Matrix,
}

impl Colour {
    /// The only meaning that a JPEG file can carry: full range, BT.601.
    pub const JFIF: Self = Self {
        range: Range::Full,
        matrix: Matrix::Bt601,
    };
}

/// One plane of samples, rows from top to bottom.
#[derive(Debug, Clone, Copy)]
pub struct Plane<'a> {
    pub(crate) data: &'a [u8],
    pub(crate) stride: usize,
}

impl<'a> Plane<'a> {
    /// Rows of `stride` bytes, one after the other in `data`.
    pub const fn new(data: &'a [u8], stride: usize) -> Self {
        Self { data, stride }
    }

    pub(crate) const EMPTY: Plane<'static> = Plane {
        data: &[],
        stride: 0,
    };

    /// The bytes of each row, padding cut off.
    pub(crate) fn rows(self, bytes: usize) -> impl Iterator<Item = &'a [u8]> {
        self.data
            .chunks(self.stride.max(1))
            .map(move |row| row.get(..bytes).unwrap_or(row))
    }

    fn holds(self, row_bytes: usize, rows: u32) -> bool {
        self.stride >= row_bytes
            && self
                .stride
                .checked_mul(rows as usize)
                .is_some_and(|bytes| self.data.len() >= bytes)
    }
}

/// A decoded picture, borrowed from whoever decoded it.
#[derive(Debug, Clone, Copy)]
pub struct Raw<'a> {
    pub(crate) layout: Layout,
    pub(crate) depth: Depth,
    pub(crate) size: Size,
    pub(crate) colour: Colour,
    pub(crate) planes: [Plane<'a>; 3],
}

impl<'a> Raw<'a> {
    /// A picture of `size` in `planes`, in the order of `layout`, of 8 bits a sample.
    ///
    /// Refused as [`Self::deep`] is.
    pub fn new(
        layout: Layout,
        size: Size,
        colour: Colour,
        planes: &[Plane<'a>],
    ) -> Result<Self, Error> {
        Self::deep(layout, Depth::Eight, size, colour, planes)
    }

    /// A picture of `size` in `planes`, in the order of `layout`, of `depth` bits a sample.
    ///
    /// Refused when a side is 0 or above 65,500 (libjpeg-turbo's limit), when the number of planes is
    /// wrong, or when a plane is shorter than its stride times its rows.
    pub fn deep(
        layout: Layout,
        depth: Depth,
        size: Size,
        colour: Colour,
        planes: &[Plane<'a>],
    ) -> Result<Self, Error> {
        let wrong = |what| Error::Planes { layout, size, what };
        if size.width == 0 || size.height == 0 || size.width > 65_500 || size.height > 65_500 {
            return Err(wrong("a side is 0 or above 65500"));
        }
        let mut taken = [Plane::EMPTY; 3];
        if planes.len() != layout.planes() {
            return Err(wrong("wrong number of planes"));
        }
        for (slot, plane) in taken.iter_mut().zip(planes) {
            *slot = *plane;
        }
        let raw = Self {
            layout,
            depth,
            size,
            colour,
            planes: taken,
        };
        if matches!(depth, Depth::Low(bits) if !(9..=16).contains(&bits)) {
            return Err(wrong("deep samples are 9 to 16 bits"));
        }
        for ((plane, (samples, bytes_each)), _) in taken.iter().zip(raw.geometry()).zip(planes) {
            if !plane.holds(samples.width as usize * bytes_each, samples.height) {
                return Err(wrong("a plane is shorter than its rows"));
            }
            if plane.stride % bytes_each != 0 {
                return Err(wrong("a stride ends within a sample"));
            }
        }
        Ok(raw)
    }

    /// Width and height in pixels.
    pub fn size(&self) -> Size {
        self.size
    }

    /// How the samples lie.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// What the samples mean.
    pub fn colour(&self) -> Colour {
        self.colour
    }

    /// How wide the samples are.
    pub fn depth(&self) -> Depth {
        self.depth
    }

    /// So many rows of the picture, or those that are left, from row `first` on, which must be the first of
    /// its chroma row. `None` below the picture.
    pub(crate) fn rows(&self, first: u32, count: u32) -> Option<Self> {
        let height = self.size.height.checked_sub(first)?.min(count);
        let (_, share) = self.layout.subsampling();
        let mut part = *self;
        part.size.height = height;
        for (plane, share) in part.planes.iter_mut().zip([1, share, share]) {
            let skipped = plane.stride * (first / share) as usize;
            plane.data = plane.data.get(skipped..).unwrap_or_default();
        }
        (height > 0).then_some(part)
    }

    /// The brightness plane.
    pub fn luma(&self) -> Plane<'a> {
        let [luma, ..] = self.planes;
        luma
    }

    /// Of each plane in use: columns and rows, and bytes of one sample.
    pub(crate) fn geometry(&self) -> impl Iterator<Item = (Size, usize)> + use<> {
        let chroma = self.layout.chroma_size(self.size);
        let bytes = self.depth.bytes();
        let bytes_each = if self.layout == Layout::Nv12 {
            2 * bytes
        } else {
            bytes
        };
        [
            (self.size, bytes),
            (chroma, bytes_each),
            (chroma, bytes_each),
        ]
        .into_iter()
        .take(self.layout.planes())
    }
}
