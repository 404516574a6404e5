//! Samples of 10 and 12 bits as samples of 8: all that a baseline JPEG holds.

use fearless_simd::{Level, dispatch};

use super::{Depth, Plane, Range, Raw};

/// Narrows pictures to 8 bits in buffers of its own.
#[derive(Debug, Default)]
pub(super) struct Narrower {
    planes: [Vec<u8>; 3],
}

impl Narrower {
    /// The same picture with samples of 8 bits; what already has them is handed on without a copy.
    pub(super) fn narrow<'p>(&'p mut self, raw: &Raw<'p>) -> Raw<'p> {
        if raw.depth == Depth::Eight {
            return *raw;
        }
        dispatch!(Level::new(), _ => self.narrow_inline(raw))
    }

    #[expect(
        clippy::inline_always,
        reason = "a function of its own would not be compiled for the instruction set of its caller"
    )]
    #[inline(always)]
    fn narrow_inline<'p>(&'p mut self, raw: &Raw<'p>) -> Raw<'p> {
        let mut done = Raw {
            depth: Depth::Eight,
            ..*raw
        };
        let (bits, unused) = match raw.depth {
            Depth::Low(bits) => (u32::from(bits), 0),
            // What is below 12 bits of P010 and its like is zero or no picture.
            Depth::Eight | Depth::High => (12, 4),
        };
        let planes = raw.planes.iter().zip(&mut self.planes);
        let geometry = raw.geometry().zip([false, true, true]);
        for (((from, to), slot), ((size, bytes), chroma)) in
            planes.zip(&mut done.planes).zip(geometry)
        {
            // Interleaved chroma is a row of twice as many samples.
            let samples = size.width as usize * bytes / raw.depth.bytes();
            let row = Row {
                unused,
                shift: bits - 8,
                excess: match raw.colour.range {
                    Range::Full => (1 << (bits - 8)) - 1,
                    Range::Limited => 0,
                },
                pivot: if chroma { 1 << (bits - 1) } else { 0 },
                bits,
            };
            to.resize(samples * size.height as usize, 0);
            let rows = from.rows(samples * raw.depth.bytes());
            for (to, from) in to.chunks_exact_mut(samples).zip(rows) {
                row.narrow(to, from);
            }
            *slot = Plane::new(to, samples);
        }
        done
    }
}

/// What is the same for all samples of a plane.
#[derive(Debug, Clone, Copy)]
struct Row {
    /// Bits below the sample.
    unused: u32,
    /// Bits too many.
    shift: u32,
    /// The widest number is `2^bits - 1` in full range, and this much more than 255 times `2^shift`: without
    /// taking it off, 8-bit white would be one step below 10-bit white. Limited range is in proportion.
    excess: i32,
    /// The number that stays in proportion: black, or no colour.
    pivot: i32,
    bits: u32,
}

impl Row {
    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn narrow(self, to: &mut [u8], from: &[u8]) {
        let (half, middle) = (1 << self.shift >> 1, 1 << (self.bits - 1));
        for (to, from) in to.iter_mut().zip(from.as_chunks::<2>().0) {
            let sample = i32::from(u16::from_le_bytes(*from) >> self.unused);
            let too_much = ((sample - self.pivot) * self.excess + middle) >> self.bits;
            let scaled = sample - too_much;
            *to = ((scaled + half) >> self.shift).clamp(0, 255) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Narrower;
    use crate::picture::{Colour, Depth, Layout, Matrix, Plane, Range, Raw, Size};

    /// Every number of a depth against the definition (ITU-R BT.2100 table 9 and H.273 8.3): in luma and chroma.
    #[test]
    fn every_number_becomes_the_nearest_of_eight_bits() {
        for (bits, high) in [
            (9, false),
            (10, false),
            (10, true),
            (12, false),
            (12, true),
            (16, false),
        ] {
            for range in [Range::Full, Range::Limited] {
                let numbers: Vec<u16> = (0..=u16::MAX >> (16 - bits)).collect();
                let (depth, up) = if high {
                    (Depth::High, 16 - bits)
                } else {
                    (Depth::Low(bits as u8), 0)
                };
                let data: Vec<u8> = numbers
                    .iter()
                    .flat_map(|n| (n << up).to_le_bytes())
                    .collect();
                let size = Size::new(256, (numbers.len() / 256) as u32);
                let plane = Plane::new(&data, 512);
                let colour = Colour {
                    range,
                    matrix: Matrix::Bt709,
                };
                let raw = Raw::deep(Layout::I444, depth, size, colour, &[plane; 3]).unwrap();
                let mut narrower = Narrower::default();
                let done = narrower.narrow(&raw);
                let [luma, chroma, _] = done.planes;
                for (n, (y, c)) in numbers.iter().zip(luma.data.iter().zip(chroma.data)) {
                    let (n, top) = (
                        f64::from(*n),
                        f64::from(u32::from(1_u16 << (bits - 1)) * 2 - 1),
                    );
                    let middle = f64::from(1_u32 << (bits - 1));
                    let exact = match range {
                        Range::Full => [n * 255.0 / top, 128.0 + (n - middle) * 255.0 / top],
                        Range::Limited => [n * 256.0 / (top + 1.0); 2],
                    };
                    for (got, exact) in [*y, *c].into_iter().zip(exact) {
                        let off = f64::from(got) - exact.min(255.0);
                        assert!(
                            off.abs() < 0.8,
                            "{depth:?} {range:?} {n}: {got} for {exact}"
                        );
                    }
                }
            }
        }
    }
}
