//! Cards as their readers get them: compressed, and often smaller.

use super::{TestCard, read_frame_number};
use crate::picture::jpeg::Decoder;
use crate::picture::{Encoder, Plane, Raw, Size, fit};

fn number(picture: &Raw<'_>) -> Option<u32> {
    let Plane { data, stride } = picture.luma();
    read_frame_number(data, stride, picture.size().width, picture.size().height)
}

#[test]
fn the_number_survives_compression_and_scaling_by_half() {
    for (width, height) in [(320, 240), (641, 363), (1920, 1080)] {
        let size = Size::new(width, height);
        let (mut encoder, mut decoder) = (Encoder::new().unwrap(), Decoder::new().unwrap());
        let mut card = TestCard::new(size, "door");
        for n in [0, 1, 2, 0xFF, 1_234_567, 0xFFFF_FFFE, 0xFFFF_FFFF] {
            let half = fit(size, Some(width / 4 * 2), None);
            let jpeg = encoder.encode(&card.draw(n, 0), half, 50).unwrap();
            let read = number(&decoder.decode(&jpeg, half).unwrap());
            assert_eq!(read, Some(n as u32), "{size}");
        }
    }
}

#[test]
fn what_is_drawn_does_not_depend_on_what_was_drawn_before() {
    let size = Size::new(640, 360);
    let mut worn = TestCard::new(size, "door");
    for n in 0..50 {
        worn.draw(n * 997, n as i64 * 33_333_333);
    }
    let mut fresh = TestCard::new(size, "door");
    let (worn, fresh) = (worn.draw(51, 99), fresh.draw(51, 99));
    for (worn, fresh) in worn.planes.iter().zip(fresh.planes) {
        assert!(worn.data == fresh.data);
    }
}

#[test]
fn every_frame_differs_from_the_one_before() {
    let mut card = TestCard::new(Size::new(64, 48), "door");
    let before = card.draw(1, 0).luma().data.to_vec();
    assert_ne!(before, card.draw(2, 0).luma().data);
}

#[test]
fn every_size_can_be_drawn() {
    for (width, height) in [
        (0, 0),
        (2, 2),
        (16, 16),
        (17, 31),
        (640, 2),
        (2, 640),
        (7680, 4320),
    ] {
        let mut card = TestCard::new(
            Size::new(width, height),
            "a camera with a very long name, and ümlauts",
        );
        assert!(card.draw(u64::MAX, i64::MAX).size().pixels() >= 4);
    }
}

#[test]
fn pictures_without_a_number_have_none() {
    for grey in [0, 100, 255] {
        assert_eq!(read_frame_number(&[grey; 64 * 64], 64, 64, 64), None);
    }
    assert_eq!(read_frame_number(&[], 64, 64, 64), None);
    assert_eq!(read_frame_number(&[0; 64], 0, 0, 0), None);
}
