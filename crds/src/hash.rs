//! Short fingerprints of configuration.

use serde::Serialize;

use crate::camera::CameraSpec;
use crate::hub::StreamHubSpec;

/// What tells one configuration of a camera's process from the next: whoever decides what a process should run
/// and the process itself get the same text for the same two specifications.
pub fn spec_hash(camera: &CameraSpec, hub: &StreamHubSpec) -> String {
    fingerprint(&(camera, hub))
}

/// FNV-1a over the JSON form, as 16 hexadecimal digits: the same for equal values, on every machine and in every
/// build. It only tells one value from the next; nothing rests on it being hard to forge.
pub fn fingerprint(value: &impl Serialize) -> String {
    // These are plain data with string keys, for which JSON has a form always.
    let text = serde_json::to_vec(value).unwrap_or_default();
    let hash = text.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::fingerprint;

    #[test]
    fn a_fingerprint_is_the_same_in_every_build() {
        assert_eq!(fingerprint(&"door"), "d05d5abea80d5d31");
    }
}
