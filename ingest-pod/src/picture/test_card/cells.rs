//! A frame's number as black and white cells in two rows at the bottom of the picture.
//!
//! All measures are fractions of the picture's, so that a scaled copy is read in the same way.

use super::canvas::{Canvas, Ink, Rect};
use crate::picture::Size;

const COLUMNS: u32 = 18;
const ROWS: u32 = 2;

/// Shown last, so that the next number is compared with it.
#[derive(Debug)]
pub(super) struct Cells {
    shown: u64,
}

impl Cells {
    /// All cells black, which is no number.
    pub(super) fn new(canvas: &mut Canvas) -> Self {
        let size = canvas.size();
        let y = top(0, size.height);
        canvas.fill(
            Rect {
                x: 0,
                y,
                width: size.width,
                height: size.height - y,
            },
            Ink::grey(0),
        );
        Self { shown: 0 }
    }

    /// Paints the cells that differ.
    pub(super) fn write(&mut self, canvas: &mut Canvas, number: u32) {
        let bits = protected(number);
        for (bit, rect) in (0..).zip(cells(canvas.size())) {
            if (bits ^ self.shown) >> bit & 1 == 1 {
                canvas.fill_luma(rect, if bits >> bit & 1 == 1 { 255 } else { 0 });
            }
        }
        self.shown = bits;
    }
}

/// The frame number (modulo 2^32) in a picture of a test card, from its brightness plane of full range.
///
/// None when there is no such number: another picture, too small, or damaged.
pub fn read_frame_number(luma: &[u8], stride: usize, width: u32, height: u32) -> Option<u32> {
    let mut bits = 0;
    for (bit, cell) in (0..).zip(cells(Size::new(width, height))) {
        // The middle half: edges are blurred by scaling and compression.
        let (from, columns) = (
            (cell.x + cell.width / 4) as usize,
            (cell.width / 2).max(1) as usize,
        );
        let rows = (cell.height / 2).max(1) as usize;
        let mut sum = 0;
        for row in luma
            .chunks(stride.max(1))
            .skip((cell.y + cell.height / 4) as usize)
            .take(rows)
        {
            sum += row
                .get(from..from + columns)?
                .iter()
                .map(|sample| usize::from(*sample))
                .sum::<usize>();
        }
        match sum / (columns * rows) {
            0..96 => {}
            160..=255 => bits |= 1 << bit,
            _ => return None,
        }
    }
    let number = bits as u32;
    (protected(number) == bits).then_some(number)
}

/// The number with four check bits above it, such that all black and all white are wrong.
fn protected(number: u32) -> u64 {
    let nibbles = (0..8).map(|n| u64::from(number >> (4 * n) & 15));
    u64::from(number) | nibbles.fold(0b1010, |sum, nibble| sum ^ nibble) << 32
}

fn cells(size: Size) -> impl Iterator<Item = Rect> {
    (0..ROWS * COLUMNS).map(move |n| {
        let (column, row) = (n % COLUMNS, n / COLUMNS);
        let (x, y) = (column * size.width / COLUMNS, top(row, size.height));
        Rect {
            x,
            y,
            width: (column + 1) * size.width / COLUMNS - x,
            height: top(row + 1, size.height) - y,
        }
    })
}

/// Where a row of cells begins: they share the lowest eighth of the picture.
fn top(row: u32, height: u32) -> u32 {
    height * (14 + row) / 16
}
