//! Letters: an 8x8 font enlarged by whole factors.

use font8x8::legacy::BASIC_LEGACY;

use super::canvas::{Canvas, Rect};

/// Pixels of a letter, both ways, before it is enlarged.
pub(super) const LETTER: u32 = 8;
const WHITE: u8 = 255;

/// A line of white text on a box that is black already; knows what it says and repaints what changes.
#[derive(Debug)]
pub(super) struct Line {
    x: u32,
    y: u32,
    scale: u32,
    shown: Vec<u8>,
}

impl Line {
    /// An empty line with room for so many `columns`.
    pub(super) fn new(x: u32, y: u32, scale: u32, columns: u32) -> Self {
        Self {
            x,
            y,
            scale,
            shown: vec![b' '; columns as usize],
        }
    }

    /// Replaces what the line says; what does not fit is cut off.
    pub(super) fn write(&mut self, canvas: &mut Canvas, text: &str) {
        let (scale, letter) = (self.scale, LETTER * self.scale);
        let new = text
            .chars()
            .map(|c| u8::try_from(c).unwrap_or(b'?'))
            .chain(std::iter::repeat(b' '));
        for ((column, shown), new) in (0..).zip(&mut self.shown).zip(new) {
            if *shown == new {
                continue;
            }
            *shown = new;
            let (x, y) = (self.x + column * letter, self.y);
            canvas.fill_luma(
                Rect {
                    x,
                    y,
                    width: letter,
                    height: letter,
                },
                0,
            );
            let glyph = BASIC_LEGACY
                .get(usize::from(new))
                .copied()
                .unwrap_or_default();
            for (row, bits) in (0..).zip(glyph) {
                for column in (0..LETTER).filter(|column| bits >> column & 1 == 1) {
                    let dot = Rect {
                        x: x + column * scale,
                        y: y + row * scale,
                        width: scale,
                        height: scale,
                    };
                    canvas.fill_luma(dot, WHITE);
                }
            }
        }
    }
}

/// `2026-11-21 07:12:33.456Z`; times that no calendar has are shown as they are.
pub(super) fn utc(unix_us: i64) -> String {
    jiff::Timestamp::from_microsecond(unix_us).map_or_else(
        |_| format!("{unix_us} us"),
        |time| time.strftime("%Y-%m-%d %H:%M:%S%.3fZ").to_string(),
    )
}
