//! Short fingerprints of configuration.

use serde::Serialize;

/// FNV-1a over the JSON form, as 16 hexadecimal digits: the same for equal values, on every machine and in every
/// build. It only tells one configuration from the next; nothing rests on it being hard to forge.
pub fn of(value: &impl Serialize) -> String {
    // These are plain data with string keys, for which JSON has a form always.
    let text = serde_json::to_vec(value).unwrap_or_default();
    let hash = text.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{hash:016x}")
}
