//! The arithmetic, one row at a time, in 16-bit fixed point: eight samples at once on plain SSE2 and NEON.
//!
//! A product is the upper half of a 16 x 16 bit multiplication, for which both have an instruction. All
//! sums carry six fractional bits, which leaves room for every value that can occur: |sum| < 2^15.

use crate::picture::{Colour, Matrix, Range};

const FRACTION: u32 = 6;
const ONE: f64 = 64.0;

/// What one conversion multiplies with and adds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coefficients {
    /// Luma gain, 2^15 is 1.
    gain: u16,
    /// Added to luma: minus black, plus one half for rounding.
    offset: i16,
    /// What blue and red chroma add to luma, 2^14 is 1.
    correction: [i16; 2],
    /// What blue and red chroma contribute to blue chroma, 2^14 is 1.
    blue: [i16; 2],
    /// What blue and red chroma contribute to red chroma, 2^14 is 1.
    red: [i16; 2],
}

impl Coefficients {
    /// From `colour` to full range and BT.601.
    pub(super) fn to_jfif(colour: Colour) -> Self {
        let (black, luma_gain, chroma_gain) = match colour.range {
            Range::Full => (0.0_f64, 1.0_f64, 1.0_f64),
            Range::Limited => (16.0, 255.0 / 219.0, 255.0 / 224.0),
        };
        let from = Weights::of(colour.matrix);
        let to = Weights::of(Matrix::Bt601);
        // Red = Y + 2(1 - kr) Cr, blue = Y + 2(1 - kb) Cb, green is what is left of Y (BT.601 2.5,
        // BT.709 3.2, BT.2020 table 4). Weighted anew, Y cancels out except for itself.
        let to_blue = 2.0 * (1.0 - from.blue);
        let to_red = 2.0 * (1.0 - from.red);
        let correction = [
            to_blue * (to.blue - to.green() * from.blue / from.green()),
            to_red * (to.red - to.green() * from.red / from.green()),
        ];
        let [luma_of_blue, luma_of_red] = correction;
        let blue_scale = 1.0 / (2.0 * (1.0 - to.blue));
        let red_scale = 1.0 / (2.0 * (1.0 - to.red));
        let chroma = |value: f64| (value * chroma_gain * 16384.0).round() as i16;
        Self {
            gain: (luma_gain * 32768.0).round() as u16,
            offset: (ONE * (0.5 - black * luma_gain)).round() as i16,
            correction: correction.map(chroma),
            blue: [
                (to_blue - luma_of_blue) * blue_scale,
                -luma_of_red * blue_scale,
            ]
            .map(chroma),
            red: [
                -luma_of_blue * red_scale,
                (to_red - luma_of_red) * red_scale,
            ]
            .map(chroma),
        }
    }

    /// Whether luma needs nothing from chroma.
    pub(super) fn keep_matrix(&self) -> bool {
        self.correction == [0, 0]
    }

    /// Whether luma stays as it is.
    pub(super) fn keep_luma(&self) -> bool {
        self.gain == 1 << 15 && self.keep_matrix()
    }

    /// Whether chroma stays as it is.
    pub(super) fn keep_chroma(&self) -> bool {
        self.blue == [1 << 14, 0] && self.red == [0, 1 << 14]
    }

    /// Luma where the matrix stays.
    pub(super) fn luma_row(&self, to: &mut [u8], from: &[u8]) {
        let (gain, offset) = (self.gain, self.offset);
        for (to, from) in to.iter_mut().zip(from) {
            *to = narrow(stretch(*from, gain).wrapping_add(offset));
        }
    }

    /// Luma with a correction for every pixel, from [`Self::correction_row`] and [`spread`].
    pub(super) fn corrected_luma_row(&self, to: &mut [u8], from: &[u8], correction: &[i16]) {
        let (gain, offset) = (self.gain, self.offset);
        for ((to, from), correction) in to.iter_mut().zip(from).zip(correction) {
            *to = narrow(
                stretch(*from, gain)
                    .wrapping_add(offset)
                    .wrapping_add(*correction),
            );
        }
    }

    /// What chroma adds to the luma that shares it.
    pub(super) fn correction_row(&self, to: &mut [i16], (blue, red): (&[u8], &[u8])) {
        for ((to, blue), red) in to.iter_mut().zip(blue).zip(red) {
            *to = weigh(self.correction, *blue, *red);
        }
    }

    /// Both chroma components; `to` and `from` are (blue, red).
    pub(super) fn chroma_row(&self, to: (&mut [u8], &mut [u8]), (blue, red): (&[u8], &[u8])) {
        if self.keep_chroma() {
            for (to, from) in [(to.0, blue), (to.1, red)] {
                for (to, from) in to.iter_mut().zip(from) {
                    *to = *from;
                }
            }
            return;
        }
        // 128 in the middle, one half for rounding, and one for the two products that were cut off.
        let offset = 128 * 64 + 32 + 1;
        for (to, weights) in [(to.0, self.blue), (to.1, self.red)] {
            for ((to, blue), red) in to.iter_mut().zip(blue).zip(red) {
                *to = narrow(weigh(weights, *blue, *red).wrapping_add(offset));
            }
        }
    }
}

/// Repeats each correction for the two pixels of a row that share it.
pub(super) fn spread(to: &mut [i16], from: &[i16]) {
    for (to, from) in to.as_chunks_mut::<2>().0.iter_mut().zip(from) {
        *to = [*from; 2];
    }
}

/// Takes the two components of an NV12 row apart.
pub(super) fn deinterleave(blue: &mut [u8], red: &mut [u8], from: &[u8]) {
    for ((blue, red), [b, r]) in blue.iter_mut().zip(red).zip(from.as_chunks::<2>().0) {
        (*blue, *red) = (*b, *r);
    }
}

fn stretch(luma: u8, gain: u16) -> i16 {
    ((u32::from(u16::from(luma) << 7) * u32::from(gain)) >> 16) as i16
}

fn weigh([of_blue, of_red]: [i16; 2], blue: u8, red: u8) -> i16 {
    product(blue, of_blue).wrapping_add(product(red, of_red))
}

fn product(chroma: u8, weight: i16) -> i16 {
    let centred = (i16::from(chroma) - 128) << 8;
    ((i32::from(centred) * i32::from(weight)) >> 16) as i16
}

fn narrow(sum: i16) -> u8 {
    (sum >> FRACTION).clamp(0, 255) as u8
}

/// Weights of red and blue in luma; green has the rest.
struct Weights {
    red: f64,
    blue: f64,
}

impl Weights {
    fn of(matrix: Matrix) -> Self {
        let (red, blue) = match matrix {
            Matrix::Bt601 => (0.299, 0.114),
            Matrix::Bt709 => (0.2126, 0.0722),
            Matrix::Bt2020 => (0.2627, 0.0593),
        };
        Self { red, blue }
    }

    fn green(&self) -> f64 {
        1.0 - self.red - self.blue
    }
}

#[cfg(test)]
mod tests {
    use super::Coefficients;
    use crate::picture::{Colour, Matrix, Range};

    /// Fixed point against the definition in floating point, for every luma and a grid of chroma.
    #[test]
    fn fixed_point_stays_within_one_step_of_the_definition() {
        for range in [Range::Full, Range::Limited] {
            for (matrix, red, blue) in [
                (Matrix::Bt601, 0.299, 0.114),
                (Matrix::Bt709, 0.2126, 0.0722),
                (Matrix::Bt2020, 0.2627, 0.0593),
            ] {
                let coefficients = Coefficients::to_jfif(Colour { range, matrix });
                for (luma, cb, cr) in grid() {
                    let exact = reference(range, red, blue, [luma, cb, cr]);
                    let mut correction = [0];
                    coefficients.correction_row(&mut correction, (&[cb], &[cr]));
                    let (mut y, mut b, mut r) = ([0], [0], [0]);
                    coefficients.corrected_luma_row(&mut y, &[luma], &correction);
                    coefficients.chroma_row((&mut b, &mut r), (&[cb], &[cr]));
                    for (got, exact) in [y[0], b[0], r[0]].into_iter().zip(exact) {
                        let off = f64::from(got) - exact.clamp(0.0, 255.0);
                        assert!(
                            off.abs() < 0.6,
                            "{range:?} {matrix:?} {luma},{cb},{cr}: {got} for {exact}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn jfif_itself_is_left_alone() {
        let coefficients = Coefficients::to_jfif(Colour::JFIF);
        assert!(coefficients.keep_luma() && coefficients.keep_chroma());
        let all: Vec<u8> = (0..=255).collect();
        let mut same = [0; 256];
        coefficients.luma_row(&mut same, &all);
        assert_eq!(same[..], all[..]);
    }

    fn grid() -> impl Iterator<Item = (u8, u8, u8)> {
        let chroma = [0, 16, 60, 90, 127, 128, 129, 170, 220, 240, 255];
        (0..=255).flat_map(move |y| {
            chroma
                .into_iter()
                .flat_map(move |b| chroma.into_iter().map(move |r| (y, b, r)))
        })
    }

    fn reference(range: Range, kr: f64, kb: f64, [luma, cb, cr]: [u8; 3]) -> [f64; 3] {
        let (black, white, span) = if range == Range::Full {
            (0.0, 255.0, 255.0)
        } else {
            (16.0, 219.0, 224.0)
        };
        let y = (f64::from(luma) - black) / white;
        let (cb, cr) = (
            (f64::from(cb) - 128.0) / span,
            (f64::from(cr) - 128.0) / span,
        );
        let (r, b) = (y + 2.0 * (1.0 - kr) * cr, y + 2.0 * (1.0 - kb) * cb);
        let g = (y - kr * r - kb * b) / (1.0 - kr - kb);
        let y = 0.299 * r + 0.587 * g + 0.114 * b;
        [
            255.0 * y,
            128.0 + 255.0 * (b - y) / 1.772,
            128.0 + 255.0 * (r - y) / 1.402,
        ]
    }
}
