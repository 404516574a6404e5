//! What the camera is shown, and how far a picture of it is off.

use super::clips::Clip;
use super::viewers::View;

/// Columns and rows of patches.
pub const GRID: (u32, u32) = (4, 3);

/// Name and red, green, blue of each patch, from left to right and from top to bottom. Grey is what reflects
/// 18 % of the light, in sRGB; skin is the light and the dark one of the usual test charts.
pub const PATCHES: [(&str, [u8; 3]); 12] = [
    ("white", [255, 255, 255]),
    ("black", [0, 0, 0]),
    ("grey", [118, 118, 118]),
    ("red", [255, 0, 0]),
    ("green", [0, 255, 0]),
    ("blue", [0, 0, 255]),
    ("cyan", [0, 255, 255]),
    ("magenta", [255, 0, 255]),
    ("yellow", [255, 255, 0]),
    ("light skin", [194, 150, 130]),
    ("dark skin", [115, 82, 68]),
    ("orange", [255, 128, 0]),
];

/// The patch at a column and row of a picture.
pub fn at(x: u32, y: u32, (width, height): (u32, u32)) -> [u8; 3] {
    let (columns, rows) = GRID;
    let (column, row) = (x * columns / width, y * rows / height);
    PATCHES[(row * columns + column) as usize].1
}

/// The pixel of all that is farthest from what it should be.
#[derive(Debug)]
pub struct Farthest {
    pub patch: &'static str,
    pub expected: [u8; 3],
    pub seen: [u8; 3],
    pub off: u8,
}

/// Looks at every pixel of every patch but those within a quarter of its sides of the next one, where chroma
/// of both mixes; in all views of the same picture.
pub fn farthest_off(clip: &Clip, views: &[View]) -> Farthest {
    let (columns, rows) = GRID;
    let pixels = views.iter().flat_map(|view| {
        let (width, height) = view.size;
        assert_eq!(view.size, clip.shown_size(), "{}", clip.name);
        PATCHES.iter().zip(0..).flat_map(move |((name, rgb), n)| {
            let (column, row) = (n % columns, n / columns);
            let inner = |from: u32, of: u32, side: u32| {
                (4 * from + 1) * side / (4 * of)..(4 * from + 3) * side / (4 * of)
            };
            inner(row, rows, height).flat_map(move |y| {
                inner(column, columns, width).map(move |x| {
                    let seen = view.pixel(x, y);
                    let expected = clip.expected(*rgb);
                    let off = (0..3).map(|c| seen[c].abs_diff(expected[c])).max();
                    Farthest {
                        patch: name,
                        expected,
                        seen,
                        off: off.unwrap(),
                    }
                })
            })
        })
    });
    pixels.max_by_key(|pixel| pixel.off).expect("a picture")
}

/// A colour for people.
pub fn text([red, green, blue]: [u8; 3]) -> String {
    format!("{red}, {green}, {blue}")
}
