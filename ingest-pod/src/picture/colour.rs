//! The colours of a camera as the colours of JFIF: range and matrix, on the planes.
//!
//! Grey stays grey under every matrix, so a conversion never needs luma to find chroma, and all that
//! luma needs of chroma is one correction per chroma sample. That makes it two cheap passes: chroma at
//! its own resolution, then luma with the correction repeated for the pixels that share the sample.

mod fixed;

use fearless_simd::{Level, dispatch};

use self::fixed::Coefficients;
use super::{Colour, Layout, Plane, Raw};

/// Converts pictures to [`Colour::JFIF`] in buffers of its own.
#[derive(Debug, Default)]
pub(super) struct Converter {
    luma: Vec<u8>,
    blue: Vec<u8>,
    red: Vec<u8>,
    rows: Rows,
}

/// One row of everything that is only needed while a row is converted.
#[derive(Debug, Default)]
struct Rows {
    blue: Vec<u8>,
    red: Vec<u8>,
    correction: Vec<i16>,
    spread: Vec<i16>,
}

impl Converter {
    /// The same picture in full range and BT.601, planar, its planes padded to whole chroma samples.
    ///
    /// What is already so is handed on without a copy.
    pub(super) fn convert<'p>(&'p mut self, raw: &Raw<'p>) -> Raw<'p> {
        dispatch!(Level::new(), _ => self.convert_inline(raw))
    }

    /// Compiled once for each instruction set: AVX2 takes half the time of SSE2, which is all that may be
    /// taken for granted.
    #[expect(
        clippy::inline_always,
        reason = "a function of its own would not be compiled for the instruction set of its caller"
    )]
    #[inline(always)]
    fn convert_inline<'p>(&'p mut self, raw: &Raw<'p>) -> Raw<'p> {
        let coefficients = Coefficients::to_jfif(raw.colour);
        let padded = raw.layout.padded(raw.size);
        let chroma = raw.layout.chroma_size(raw.size);
        let luma_fits = coefficients.keep_luma() && padded == raw.size;
        let [y, u, v] = raw.planes;
        let mut done = Raw {
            colour: Colour::JFIF,
            ..*raw
        };
        if luma_fits && coefficients.keep_chroma() && raw.layout != Layout::Nv12 {
            return done;
        }
        let (width, stride) = (raw.size.width as usize, padded.width as usize);
        let columns = chroma.width as usize;
        let (repeat, share) = raw.layout.subsampling();

        if raw.layout == Layout::Gray8 {
            if !luma_fits {
                self.luma.resize(stride * padded.height as usize, 0);
                for (to, from) in self.luma.chunks_exact_mut(stride).zip(y.rows(width)) {
                    coefficients.luma_row(to, from);
                }
                done.planes = [Plane::new(&self.luma, stride), Plane::EMPTY, Plane::EMPTY];
            }
            return done;
        }

        self.blue.resize(columns * chroma.height as usize, 0);
        self.red.resize(columns * chroma.height as usize, 0);
        self.rows.resize(columns, repeat as usize);
        if !luma_fits {
            self.luma.resize(stride * padded.height as usize, 0);
        }
        let share = share as usize;
        let mut luma_to = self.luma.chunks_exact_mut(stride * share);
        let mut luma_from = y.rows(width).take(raw.size.height as usize);
        let chroma_to = self
            .blue
            .chunks_exact_mut(columns)
            .zip(self.red.chunks_exact_mut(columns));
        let mut red_from = v.rows(columns);
        let interleaved = raw.layout == Layout::Nv12;
        let chroma_from = u.rows(if interleaved { 2 * columns } else { columns });
        for ((blue_to, red_to), blue_from) in chroma_to.zip(chroma_from) {
            let (blue_from, red_from) = if interleaved {
                fixed::deinterleave(&mut self.rows.blue, &mut self.rows.red, blue_from);
                (self.rows.blue.as_slice(), self.rows.red.as_slice())
            } else {
                (blue_from, red_from.next().unwrap_or_default())
            };
            coefficients.chroma_row((&mut *blue_to, &mut *red_to), (blue_from, red_from));
            if luma_fits {
                continue;
            }
            let Some(group) = luma_to.next() else { break };
            let correction = if coefficients.keep_matrix() {
                None
            } else {
                coefficients.correction_row(&mut self.rows.correction, (blue_from, red_from));
                let Rows {
                    correction, spread, ..
                } = &mut self.rows;
                Some(match repeat {
                    2 => fixed::spread::<2>(spread, correction),
                    4 => fixed::spread::<4>(spread, correction),
                    _ => correction.as_slice(),
                })
            };
            for (to, from) in group
                .chunks_exact_mut(stride)
                .zip(luma_from.by_ref().take(share))
            {
                match correction {
                    Some(correction) => coefficients.corrected_luma_row(to, from, correction),
                    None => coefficients.luma_row(to, from),
                }
            }
        }
        if !luma_fits {
            pad(&mut self.luma, raw, stride);
        }
        let luma = if luma_fits {
            y
        } else {
            Plane::new(&self.luma, stride)
        };
        done.layout = if interleaved {
            Layout::I420
        } else {
            raw.layout
        };
        done.planes = [
            luma,
            Plane::new(&self.blue, columns),
            Plane::new(&self.red, columns),
        ];
        done
    }
}

impl Rows {
    fn resize(&mut self, columns: usize, repeat: usize) {
        self.blue.resize(columns, 0);
        self.red.resize(columns, 0);
        self.correction.resize(columns, 0);
        self.spread.resize(columns * repeat, 0);
    }
}

/// Repeats the last column and row where the picture ends in the middle of a chroma sample.
fn pad(luma: &mut [u8], raw: &Raw<'_>, stride: usize) {
    let (width, height) = (raw.size.width as usize, raw.size.height as usize);
    if width < stride {
        for row in luma.chunks_exact_mut(stride) {
            if let Some((last, padding)) =
                row.get_mut(width - 1..).and_then(<[u8]>::split_first_mut)
            {
                padding.fill(*last);
            }
        }
    }
    let (picture, padding) = luma
        .split_at_mut_checked(stride * height)
        .unwrap_or_default();
    let last = picture.rchunks_exact(stride).next().unwrap_or_default();
    for row in padding.chunks_exact_mut(stride) {
        row.copy_from_slice(last);
    }
}
