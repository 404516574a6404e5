//! A moving test picture that says when it was made, to people and to programs.
//!
//! From top to bottom: colour bars with the camera's name, the time and the frame's number burnt in; a
//! grey ramp; a track on which a block moves; and the frame's number as black and white cells, which
//! survive compression and scaling ([`read_frame_number`]).

mod canvas;
mod cells;
#[cfg(test)]
mod tests;
mod text;

pub use cells::read_frame_number;

use self::canvas::{Canvas, Ink, Rect};
use self::cells::Cells;
use self::text::Line;
use super::{Raw, Size};

/// Characters of `2026-11-21 07:12:33.456Z`, the longest line but for long names.
const COLUMNS: u32 = 24;
/// Below this the picture has no room for its parts.
const SMALLEST: Size = Size::new(2, 2);

/// The picture of a test camera: I420, full range, BT.601.
#[derive(Debug)]
pub struct TestCard {
    canvas: Canvas,
    /// Time and number; none where the picture is too small for letters.
    lines: Option<[Line; 2]>,
    track: Rect,
    block: Rect,
    cells: Cells,
}

impl TestCard {
    /// A card of `size` (at least 2x2) for the camera called `label`.
    pub fn new(size: Size, label: &str) -> Self {
        let size = Size::new(
            size.width.max(SMALLEST.width),
            size.height.max(SMALLEST.height),
        );
        let mut canvas = Canvas::new(size);
        let Size { width, height } = size;
        let (bars, ramp, track) = (height * 10 / 16, height * 12 / 16, height * 14 / 16);
        for (n, ink) in (0u32..).zip(Ink::BARS) {
            canvas.fill(
                Rect {
                    x: n * width / 8,
                    y: 0,
                    width: width.div_ceil(8),
                    height: bars,
                },
                ink,
            );
        }
        for n in 0..32 {
            let step = Rect {
                x: n * width / 32,
                y: bars,
                width: width.div_ceil(32),
                height: ramp - bars,
            };
            canvas.fill(step, Ink::grey((n * 255 / 31) as u8));
        }
        let track = Rect {
            x: 0,
            y: ramp,
            width,
            height: track - ramp,
        };
        canvas.fill(track, Ink::grey(48));
        let cells = Cells::new(&mut canvas);
        let lines = Self::lines(&mut canvas, bars, label);
        let edge = track.height.min(width / 2);
        let block = Rect {
            x: 0,
            y: track.y,
            width: edge,
            height: track.height,
        };
        Self {
            canvas,
            lines,
            track,
            block,
            cells,
        }
    }

    /// The card with frame number `n` and the time `unix_us` (microseconds since 1970, UTC).
    pub fn draw(&mut self, n: u64, unix_us: i64) -> Raw<'_> {
        let Self {
            canvas,
            lines,
            track,
            block,
            cells,
        } = self;
        canvas.fill(*block, Ink::grey(48));
        let room = u64::from(track.width - block.width) + 1;
        let step = u64::from((track.width / 64).max(1));
        block.x = (n.wrapping_mul(step) % room) as u32;
        canvas.fill(*block, Ink::ORANGE);
        if let Some([time, number]) = lines {
            time.write(canvas, &text::utc(unix_us));
            number.write(canvas, &format!("frame {n}"));
        }
        cells.write(canvas, n as u32);
        canvas.picture()
    }

    fn lines(canvas: &mut Canvas, bars: u32, label: &str) -> Option<[Line; 2]> {
        let Size { width, .. } = canvas.size();
        let scale = (width / 320).min(bars / 40).max(1);
        let (letter, columns) = (text::LETTER * scale, COLUMNS + 2);
        if columns * letter > width || 5 * letter > bars {
            return None;
        }
        let room = Rect {
            x: (width - columns * letter) / 2,
            y: (bars - 5 * letter) / 2,
            width: columns * letter,
            height: 5 * letter,
        };
        canvas.fill(room, Ink::grey(0));
        let line = |row| {
            Line::new(
                room.x + letter,
                room.y + letter / 2 + row * letter * 3 / 2,
                scale,
                COLUMNS,
            )
        };
        line(0).write(canvas, label);
        Some([line(1), line(2)])
    }
}
