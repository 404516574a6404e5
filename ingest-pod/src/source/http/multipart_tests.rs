//! What cameras send, and what must come of it.

use super::*;
use proptest::prelude::*;

/// The smallest grey JPEG: 8x8, with tables, one block.
fn jpeg(filling: u8) -> Vec<u8> {
    let mut bytes = vec![0xFF, 0xD8];
    // A comment makes one differ from the next, and holds what looks like an end.
    bytes.extend([0xFF, 0xFE, 0, 8, filling, filling, 0xFF, 0xD9, b'\r', b'\n']);
    bytes.extend([0xFF, 0xC0, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0]);
    bytes.extend([0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0, 0x2A, 0xFF, 0x00, 0x7F]);
    bytes.extend([0xFF, 0xD9]);
    bytes
}

fn parts(parser: &mut Parser, stream: &[u8], chunk: usize) -> Vec<Vec<u8>> {
    let now = Instant::now();
    let mut found = Vec::new();
    for piece in stream.chunks(chunk.max(1)) {
        parser.feed(piece, now);
        while let Some(part) = parser.next(now).unwrap() {
            found.push(part.body.to_vec());
        }
    }
    found
}

fn stream(
    pictures: &[Vec<u8>],
    boundary: &str,
    headers: impl Fn(usize) -> String,
    garbage: &str,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    for picture in pictures {
        bytes.extend(
            format!("{garbage}\r\n{boundary}\r\n{}\r\n", headers(picture.len())).as_bytes(),
        );
        bytes.extend(picture);
    }
    bytes.extend(format!("\r\n{boundary}\r\n").as_bytes());
    bytes
}

#[test]
fn the_boundary_is_found_however_it_is_announced() {
    let pictures: Vec<_> = (0..4).map(jpeg).collect();
    let headers = |length| format!("Content-Type: image/jpeg\r\nContent-Length: {length}\r\n");
    for (announced, sent) in [
        (Some("myboundary"), "--myboundary"),
        (Some("\"myboundary\""), "--myboundary"),
        (Some("--myboundary"), "--myboundary"),
        (Some("--myboundary"), "----myboundary"),
        (None, "--myboundary"),
        (Some(""), "--myboundary"),
    ] {
        let bytes = stream(&pictures, sent, headers, "");
        let found = parts(&mut Parser::new(announced), &bytes, 7);
        assert_eq!(found, pictures, "{announced:?} {sent}");
    }
    assert_eq!(
        boundary("multipart/x-mixed-replace; charset=x; Boundary = \"a b\""),
        Some("\"a b\"")
    );
    assert_eq!(boundary("multipart/x-mixed-replace"), None);
}

#[test]
fn parts_are_whole_without_a_length_and_with_a_wrong_one() {
    let pictures: Vec<_> = (0..6).map(jpeg).collect();
    let none = |_| "Content-Type: image/jpeg\r\n".to_owned();
    let bytes = stream(&pictures, "--b", none, "");
    assert_eq!(parts(&mut Parser::new(Some("b")), &bytes, 5), pictures);

    let long = |length| format!("Content-Length: {}\r\n", length + 40);
    let bytes = stream(&pictures, "--b", long, "");
    assert_eq!(parts(&mut Parser::new(Some("b")), &bytes, 1000), pictures);

    // The first is cut, as it says; that it lied shows only afterwards.
    let short = |length| format!("Content-Length: {}\r\n", length - 6);
    let bytes = stream(&pictures, "--b", short, "");
    let found = parts(&mut Parser::new(Some("b")), &bytes, 1000);
    assert_eq!(found.last(), pictures.last());
    assert!(found.iter().filter(|part| pictures.contains(part)).count() >= 5);
}

#[test]
fn a_picture_is_there_with_its_last_byte_even_if_its_boundary_comes_later() {
    let mut bytes = b"--b\r\n\r\n".to_vec();
    bytes.extend(jpeg(1));
    assert_eq!(parts(&mut Parser::new(Some("b")), &bytes, 11), [jpeg(1)]);
}

#[test]
fn garbage_and_missing_headers_cost_nothing() {
    let pictures: Vec<_> = (0..3).map(jpeg).collect();
    let headers = |length| format!("Content-Length: {length}\r\n");
    let bytes = stream(
        &pictures,
        "--b",
        headers,
        "<!-- a comment of the camera, -- and more -->",
    );
    assert_eq!(parts(&mut Parser::new(Some("b")), &bytes, 9), pictures);

    let mut bare = Vec::new();
    for picture in &pictures {
        bare.extend(b"--b\r\n");
        bare.extend(picture);
        bare.extend(b"\r\n");
    }
    assert_eq!(parts(&mut Parser::new(Some("b")), &bare, 13), pictures);
}

#[test]
fn what_is_no_multipart_stream_is_told_from_one() {
    let now = Instant::now();
    let mut parser = Parser::new(Some("b"));
    let mut told = None;
    for _ in 0..40 {
        parser.feed(&vec![b'x'; 1024 * 1024], now);
        told = parser.next(now).err();
        assert!(parser.buffer.len() < 2 * MOST_HEADER_BYTES);
    }
    assert!(matches!(told, Some(Error::NoBoundary(_))), "{told:?}");
    let mut parser = Parser::new(Some("b"));
    parser.feed(b"--b\r\n", now);
    parser.feed(&b"a: b\r\n".repeat(4000), now);
    assert_eq!(parser.next(now), Err(Error::EndlessHeaders));
}

proptest! {
    #[test]
    fn any_bytes_are_taken_apart_without_a_panic(
        bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'-'), Just(b'\n'), Just(b'b')], 0..400),
        chunk in 1_usize..50,
    ) {
        let now = Instant::now();
        for announced in [Some("b"), None] {
            let mut parser = Parser::new(announced);
            for piece in bytes.chunks(chunk) {
                parser.feed(piece, now);
                while let Ok(Some(_)) = parser.next(now) {}
            }
        }
    }

    #[test]
    fn pictures_come_out_as_they_went_in_however_the_bytes_arrive(
        count in 1_usize..6, chunk in 1_usize..300, with_length in any::<bool>(),
    ) {
        let pictures: Vec<_> = (0..count).map(|n| jpeg(n as u8)).collect();
        let headers = |length| if with_length { format!("Content-Length: {length}\r\n") } else { String::new() };
        let bytes = stream(&pictures, "--frame", headers, "");
        prop_assert_eq!(parts(&mut Parser::new(Some("frame")), &bytes, chunk), pictures);
    }
}
