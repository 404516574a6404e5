//! Reads the time that `vivid` writes into its pictures.

use anyhow::{Context as _, Result, ensure};
use turbojpeg::PixelFormat;

/// Where the text begins, and the size of a letter.
const LEFT: usize = 16;
const TOP: usize = 16;
const WIDTH: usize = 8;
const HEIGHT: usize = 16;

/// The digits of the kernel's font for VGA, from the third line of each on.
const DIGITS: [[u8; 10]; 10] = [
    [0x38, 0x6c, 0xc6, 0xc6, 0xd6, 0xd6, 0xc6, 0xc6, 0x6c, 0x38],
    [0x18, 0x38, 0x78, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x7e],
    [0x7c, 0xc6, 0x06, 0x0c, 0x18, 0x30, 0x60, 0xc0, 0xc6, 0xfe],
    [0x7c, 0xc6, 0x06, 0x06, 0x3c, 0x06, 0x06, 0x06, 0xc6, 0x7c],
    [0x0c, 0x1c, 0x3c, 0x6c, 0xcc, 0xfe, 0x0c, 0x0c, 0x0c, 0x1e],
    [0xfe, 0xc0, 0xc0, 0xc0, 0xfc, 0x06, 0x06, 0x06, 0xc6, 0x7c],
    [0x38, 0x60, 0xc0, 0xc0, 0xfc, 0xc6, 0xc6, 0xc6, 0xc6, 0x7c],
    [0xfe, 0xc6, 0x06, 0x06, 0x0c, 0x18, 0x30, 0x30, 0x30, 0x30],
    [0x7c, 0xc6, 0xc6, 0xc6, 0x7c, 0xc6, 0xc6, 0xc6, 0xc6, 0x7c],
    [0x7c, 0xc6, 0xc6, 0xc6, 0x7e, 0x06, 0x06, 0x06, 0x0c, 0x78],
];

/// Seconds since the driver began, as a JPEG shows them: ` HH:MM:SS:mmm`.
pub fn read(jpeg: &[u8]) -> Result<f64> {
    let picture = turbojpeg::decompress(jpeg, PixelFormat::GRAY)?;
    let digit = |place: usize| {
        let left = LEFT + place * WIDTH;
        let rows: Option<Vec<u8>> = (0..HEIGHT)
            .map(|row| {
                let from = (TOP + row) * picture.pitch + left;
                let pixels = picture.pixels.get(from..from + WIDTH)?;
                Some(
                    pixels
                        .iter()
                        .fold(0, |bits, pixel| bits << 1 | u8::from(*pixel > 128)),
                )
            })
            .collect();
        let rows = rows.context("the picture is too small")?;
        nearest(rows.get(2..12).unwrap_or_default())
    };
    let number = |places: &[usize]| {
        places.iter().try_fold(0, |number, place| {
            Ok::<_, anyhow::Error>(number * 10 + digit(*place)?)
        })
    };
    let (hours, minutes) = (number(&[1, 2])?, number(&[4, 5])?);
    let (seconds, millis) = (number(&[7, 8])?, number(&[10, 11, 12])?);
    let whole = (hours * 60 + minutes) * 60 + seconds;
    Ok(f64::from(whole) + f64::from(millis) / 1000.0)
}

fn nearest(rows: &[u8]) -> Result<u32> {
    let distance = |digit: &[u8; 10]| -> u32 {
        let pairs = digit.iter().zip(rows);
        pairs.map(|(one, other)| (one ^ other).count_ones()).sum()
    };
    let (number, best) = (0..)
        .zip(DIGITS.iter().map(distance))
        .min_by_key(|(_, distance)| *distance)
        .context("no digits")?;
    ensure!(best <= 6, "no digit is like {rows:02x?}");
    Ok(number)
}

/// The one in the middle.
pub fn median(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}
