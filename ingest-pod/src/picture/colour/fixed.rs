//! The arithmetic, one row at a time, in 16 bits: eight samples at once on plain SSE2 and NEON.
//!
//! Samples are centred (-128 to 127), so that a product with a weight fits 16 bits: seven bits of it for
//! luma, whose gains are 1 or 255/219; ten for chroma, of whose gains only the part beyond 1 is multiplied,
//! below a quarter for every conversion there is. Sums carry six fractional bits. Wider multiplications, or
//! the upper halves of products, are not vectorised well by the compiler.
#![expect(
    clippy::inline_always,
    reason = "a function of its own would not be compiled for the instruction set of its caller"
)]

use crate::picture::{Colour, Matrix, Range};

/// Ten fractional bits of a weight.
const WEIGHT: f64 = 1024.0;
/// Seven fractional bits of the gain of luma.
const GAIN: i16 = 128;
/// Fractional bits of a sum.
const FRACTION: u32 = 6;
const ONE: i16 = 1 << FRACTION;
/// One half, so that cutting off the fraction rounds.
const HALF: i16 = ONE / 2;
const CENTRE: i16 = 128;

/// What one conversion multiplies with and adds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coefficients {
    /// What centred luma is multiplied with.
    gain: i16,
    /// Added to luma: where the centre comes to lie, rounding included.
    centre: i16,
    /// What blue and red chroma add to luma.
    correction: [i16; 2],
    /// What blue chroma grows by, and what red chroma adds to it.
    blue: [i16; 2],
    /// What red chroma grows by, and what blue chroma adds to it.
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
        // BT.709 3.2, BT.2020 table 4; ITU-T H.273 table 4 has all of them). Weighted anew, Y cancels out except for itself.
        let to_blue = 2.0 * (1.0 - from.blue);
        let to_red = 2.0 * (1.0 - from.red);
        let correction = [
            to_blue * (to.blue - to.green() * from.blue / from.green()),
            to_red * (to.red - to.green() * from.red / from.green()),
        ];
        let [luma_of_blue, luma_of_red] = correction;
        let blue_scale = 1.0 / (2.0 * (1.0 - to.blue));
        let red_scale = 1.0 / (2.0 * (1.0 - to.red));
        let weight = |value: f64| (value * WEIGHT).round() as i16;
        let blue = [
            (to_blue - luma_of_blue) * blue_scale * chroma_gain - 1.0,
            -luma_of_red * blue_scale * chroma_gain,
        ];
        let red = [
            (to_red - luma_of_red) * red_scale * chroma_gain - 1.0,
            -luma_of_blue * red_scale * chroma_gain,
        ];
        let centre = (f64::from(CENTRE) - black) * luma_gain;
        Self {
            gain: (luma_gain * f64::from(GAIN)).round() as i16,
            centre: (centre * f64::from(ONE)).round() as i16 + HALF,
            correction: correction.map(|value| weight(value * chroma_gain)),
            blue: blue.map(weight),
            red: red.map(weight),
        }
    }

    /// Whether luma needs nothing from chroma.
    pub(super) fn keep_matrix(&self) -> bool {
        self.correction == [0, 0]
    }

    /// Whether luma stays as it is.
    pub(super) fn keep_luma(&self) -> bool {
        self.gain == GAIN && self.keep_matrix()
    }

    /// Whether chroma stays as it is.
    pub(super) fn keep_chroma(&self) -> bool {
        self.blue == [0, 0] && self.red == [0, 0]
    }

    /// Luma where the matrix stays.
    #[inline(always)]
    pub(super) fn luma_row(&self, to: &mut [u8], from: &[u8]) {
        let (gain, centre) = (self.gain, self.centre);
        for (to, from) in to.iter_mut().zip(from) {
            *to = narrow(stretch(*from, gain).wrapping_add(centre));
        }
    }

    /// Luma with a correction for every pixel, from [`Self::correction_row`] and [`spread`].
    #[inline(always)]
    pub(super) fn corrected_luma_row(&self, to: &mut [u8], from: &[u8], correction: &[i16]) {
        let (gain, centre) = (self.gain, self.centre);
        for ((to, from), correction) in to.iter_mut().zip(from).zip(correction) {
            *to = narrow(
                stretch(*from, gain)
                    .wrapping_add(centre)
                    .wrapping_add(*correction),
            );
        }
    }

    /// What chroma adds to the luma that shares it.
    #[inline(always)]
    pub(super) fn correction_row(&self, to: &mut [i16], (blue, red): (&[u8], &[u8])) {
        let [of_blue, of_red] = self.correction;
        for ((to, blue), red) in to.iter_mut().zip(blue).zip(red) {
            *to = share(*blue, of_blue).wrapping_add(share(*red, of_red));
        }
    }

    /// Both chroma components; `to` and `from` are (blue, red).
    #[inline(always)]
    pub(super) fn chroma_row(&self, to: (&mut [u8], &mut [u8]), (blue, red): (&[u8], &[u8])) {
        if self.keep_chroma() {
            for (to, from) in [(to.0, blue), (to.1, red)] {
                for (to, from) in to.iter_mut().zip(from) {
                    *to = *from;
                }
            }
            return;
        }
        let centre = CENTRE * ONE + HALF;
        for (to, same, other, [growth, weight]) in
            [(to.0, blue, red, self.blue), (to.1, red, blue, self.red)]
        {
            for ((to, same), other) in to.iter_mut().zip(same).zip(other) {
                *to = narrow(
                    grow(*same, growth)
                        .wrapping_add(share(*other, weight))
                        .wrapping_add(centre),
                );
            }
        }
    }
}

/// Repeats each correction for the `N` pixels of a row that share it.
#[inline(always)]
pub(super) fn spread<'t, const N: usize>(to: &'t mut [i16], from: &[i16]) -> &'t [i16] {
    for (to, from) in to.as_chunks_mut::<N>().0.iter_mut().zip(from) {
        *to = [*from; N];
    }
    to
}

/// Takes the two components of an NV12 row apart.
///
/// As halves of 16-bit numbers and in two passes: one pass over pairs of bytes stays scalar.
#[inline(always)]
pub(super) fn deinterleave(blue: &mut [u8], red: &mut [u8], from: &[u8]) {
    let pairs = from.as_chunks::<2>().0;
    for (blue, pair) in blue.iter_mut().zip(pairs) {
        *blue = u16::from_le_bytes(*pair) as u8;
    }
    for (red, pair) in red.iter_mut().zip(pairs) {
        *red = (u16::from_le_bytes(*pair) >> 8) as u8;
    }
}

#[inline(always)]
fn stretch(luma: u8, gain: i16) -> i16 {
    // Seven bits of the gain less six of the sum are left to cut off.
    (i16::from(luma) - CENTRE).wrapping_mul(gain) >> 1
}

#[inline(always)]
fn grow(sample: u8, growth: i16) -> i16 {
    ((i16::from(sample) - CENTRE) << FRACTION).wrapping_add(share(sample, growth))
}

#[inline(always)]
fn share(sample: u8, weight: i16) -> i16 {
    // Ten bits of the weight less six of the sum are left to cut off.
    (i16::from(sample) - CENTRE).wrapping_mul(weight) >> 4
}

#[inline(always)]
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
            Matrix::Fcc => (0.30, 0.11),
            Matrix::Smpte240m => (0.212, 0.087),
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
    fn fixed_point_follows_the_definition() {
        for range in [Range::Full, Range::Limited] {
            for (matrix, red, blue) in [
                (Matrix::Bt601, 0.299, 0.114),
                (Matrix::Bt709, 0.2126, 0.0722),
                (Matrix::Bt2020, 0.2627, 0.0593),
                (Matrix::Fcc, 0.30, 0.11),
                (Matrix::Smpte240m, 0.212, 0.087),
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
                            off.abs() < 0.7,
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
