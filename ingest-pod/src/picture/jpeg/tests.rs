//! JPEG files whole, stripped, cut short and damaged.

use bytes::Bytes;
use proptest::prelude::*;

use super::{Decoder, Error, inspect, with_huffman_tables};
use crate::picture::test_card::TestCard;
use crate::picture::{Encoder, Layout, Size};

fn card(size: Size) -> Bytes {
    let mut card = TestCard::new(size, "door");
    Encoder::new()
        .unwrap()
        .encode(&card.draw(7, 0), size, 80)
        .unwrap()
}

/// The file without its Huffman tables, as Motion JPEG has it, and the parameters of the tables.
fn strip_tables(jpeg: &[u8]) -> (Bytes, Vec<u8>) {
    let (mut stripped, mut tables, mut at) = (jpeg[..2].to_vec(), Vec::new(), 2);
    while jpeg[at + 1] != 0xDA {
        let end = at + 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
        if jpeg[at + 1] == 0xC4 {
            tables.extend_from_slice(&jpeg[at + 4..end]);
        } else {
            stripped.extend_from_slice(&jpeg[at..end]);
        }
        at = end;
    }
    stripped.extend_from_slice(&jpeg[at..]);
    (stripped.into(), tables)
}

#[test]
fn headers_say_what_is_in_the_file() {
    let jpeg = card(Size::new(321, 240));
    let info = inspect(&jpeg).unwrap();
    assert_eq!(
        (info.size, info.components, info.layout),
        (Size::new(321, 240), 3, Some(Layout::I420))
    );
    assert!(info.huffman_tables && !info.progressive);
    assert_eq!((info.restart_interval, info.length), (0, jpeg.len()));
}

#[test]
fn padding_after_the_end_is_no_damage() {
    let jpeg = card(Size::new(64, 48));
    let padded = [&jpeg[..], &[0; 100]].concat();
    assert_eq!(inspect(&padded).unwrap().length, jpeg.len());
}

#[test]
fn missing_tables_are_the_standard_ones() {
    let jpeg = card(Size::new(160, 120));
    let (stripped, tables) = strip_tables(&jpeg);
    let info = inspect(&stripped).unwrap();
    assert!(!info.huffman_tables);
    let complete = with_huffman_tables(stripped, &info);
    assert!(inspect(&complete).unwrap().huffman_tables);
    let inserted = complete
        .windows(tables.len())
        .any(|window| window == tables);
    assert!(inserted, "libjpeg-turbo writes the very tables of annex K");
    let pixels = |jpeg: &[u8]| {
        turbojpeg::decompress(jpeg, turbojpeg::PixelFormat::RGB)
            .unwrap()
            .pixels
    };
    assert_eq!(pixels(&complete), pixels(&jpeg));
}

#[test]
fn a_complete_file_is_left_as_it_is() {
    let jpeg = card(Size::new(160, 120));
    let same = with_huffman_tables(jpeg.clone(), &inspect(&jpeg).unwrap());
    assert_eq!((same.as_ptr(), same.len()), (jpeg.as_ptr(), jpeg.len()));
}

#[test]
fn every_truncation_is_noticed() {
    let jpeg = card(Size::new(64, 48));
    for length in 0..jpeg.len() {
        assert!(
            matches!(inspect(&jpeg[..length]), Err(Error::Truncated(_))),
            "{length} bytes"
        );
    }
}

#[test]
fn a_file_that_lost_its_middle_does_not_decode() {
    let size = Size::new(640, 480);
    let jpeg = card(size);
    let scan = inspect(&jpeg).unwrap().first_scan;
    let damaged = [&jpeg[..scan + 500], &[0xFF, 0xD9]].concat();
    assert!(matches!(
        Decoder::new().unwrap().decode(&damaged, size),
        Err(Error::Decode(_))
    ));
}

#[test]
fn a_picture_of_a_huge_claim_is_refused_before_memory_is_taken() {
    let mut jpeg = card(Size::new(64, 48)).to_vec();
    let frame = jpeg
        .windows(2)
        .position(|marker| marker == [0xFF, 0xC0])
        .unwrap();
    jpeg[frame + 5..frame + 9].fill(0xF0);
    let mut decoder = Decoder::new().unwrap();
    let refused = decoder.decode(&jpeg, Size::new(64, 48));
    assert!(matches!(refused, Err(Error::TooLarge(size)) if size.width == 0xF0F0));
}

#[test]
fn a_jpeg_of_red_green_and_blue_is_passed_on_but_not_made_smaller() {
    let mut compressor = turbojpeg::Compressor::new().unwrap();
    compressor.set_quality(90).unwrap();
    compressor.set_subsamp(turbojpeg::Subsamp::None).unwrap();
    compressor
        .set_colorspace(turbojpeg::Colorspace::RGB)
        .unwrap();
    let image = turbojpeg::Image {
        pixels: &[200; 3 * 64 * 48][..],
        width: 64,
        pitch: 3 * 64,
        height: 48,
        format: turbojpeg::PixelFormat::RGB,
    };
    let jpeg = Bytes::from(compressor.compress_to_vec(image).unwrap());
    assert!(jpeg.windows(5).any(|bytes| bytes == b"Adobe"));
    let info = inspect(&jpeg).unwrap();
    assert_eq!(with_huffman_tables(jpeg.clone(), &info), jpeg);
    let mut decoder = Decoder::new().unwrap();
    let refused = decoder.decode(&jpeg, Size::new(32, 24));
    assert!(matches!(refused, Err(Error::Unsupported(_))), "{refused:?}");
}

#[test]
fn decoding_shrinks_as_far_as_the_reader_allows() {
    let jpeg = card(Size::new(1280, 720));
    let mut decoder = Decoder::new().unwrap();
    for (at_least, decoded) in [
        (Size::new(1280, 720), Size::new(1280, 720)),
        (Size::new(700, 394), Size::new(1280, 720)),
        (Size::new(640, 360), Size::new(640, 360)),
        (Size::new(322, 100), Size::new(640, 360)),
        (Size::new(320, 180), Size::new(320, 180)),
        (Size::new(2, 2), Size::new(160, 90)),
    ] {
        assert_eq!(
            decoder.decode(&jpeg, at_least).unwrap().size(),
            decoded,
            "at least {at_least}"
        );
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(data in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut jpeg = vec![0xFF, 0xD8];
        jpeg.extend(data);
        if let Ok(info) = inspect(&jpeg) {
            with_huffman_tables(jpeg.into(), &info);
        }
    }

    #[test]
    fn no_damage_makes_it_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        kept in any::<prop::sample::Index>(),
    ) {
        let mut jpeg = card(Size::new(33, 17)).to_vec();
        for (at, value) in changes {
            let at = at.index(jpeg.len());
            jpeg[at] = value;
        }
        jpeg.truncate(kept.index(jpeg.len()).max(jpeg.len() / 2));
        if let Ok(info) = inspect(&jpeg) {
            let complete = with_huffman_tables(jpeg.into(), &info);
            let _ = Decoder::new().unwrap().decode(&complete, Size::new(16, 16));
        }
    }
}
