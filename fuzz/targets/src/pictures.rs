//! What cameras send.

use bytes::Bytes;
use streamhub_ingest::picture::Size;
use streamhub_ingest::picture::jpeg::{Decoder, inspect, with_huffman_tables};

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
