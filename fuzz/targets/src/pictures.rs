//! What cameras send.

use std::time::Instant;

use bytes::Bytes;
use streamhub_ingest::picture::Size;
use streamhub_ingest::picture::jpeg::{Decoder, inspect, with_huffman_tables};
use streamhub_ingest::source::http::multipart::{Parser, boundary};

/// A picture of more pixels only makes the search slower.
const SMALL: u64 = 256 * 256;

/// A camera's JPEG. What passes has all that a decoder needs, and is decoded or refused.
pub(crate) fn jpeg(data: &[u8]) -> bool {
    let Ok(info) = inspect(data) else {
        return false;
    };
    assert!(info.length <= data.len() && info.size.pixels() > 0);
    let whole = with_huffman_tables(Bytes::copy_from_slice(data), &info);
    let again = inspect(&whole).expect("a picture with its tables");
    assert!(again.huffman_tables);
    assert_eq!(again.size, info.size);
    if info.size.pixels() > SMALL {
        return true;
    }
    let mut decoder = Decoder::new().expect("a decoder");
    if let Ok(raw) = decoder.decode(&whole, Size::new(1, 1)) {
        assert!(raw.size().pixels() <= info.size.pixels());
    }
    true
}

/// A stream of pictures: bytes at a time in the first byte, the `Content-Type` on the rest of the first line. Parts
/// have no bytes that were not sent.
pub(crate) fn multipart(data: &[u8]) -> bool {
    let Some((chunk, data)) = data.split_first() else {
        return false;
    };
    let Some((content_type, stream)) =
        data.iter().position(|byte| *byte == b'\n').and_then(|end| {
            Some((
                std::str::from_utf8(data.get(..end)?).ok()?,
                data.get(end + 1..)?,
            ))
        })
    else {
        return false;
    };
    let now = Instant::now();
    let mut parser = Parser::new(boundary(content_type));
    let (mut parts, mut bytes) = (0, 0);
    for piece in stream.chunks(usize::from(*chunk).max(1)) {
        parser.feed(piece, now);
        loop {
            match parser.next(now) {
                Ok(Some(part)) => {
                    assert!(!part.body.is_empty());
                    parts += 1;
                    bytes += part.body.len();
                }
                Ok(None) => break,
                Err(_) => return false,
            }
        }
    }
    assert!(bytes <= stream.len());
    parts > 0
}
