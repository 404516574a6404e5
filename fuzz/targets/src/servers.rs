//! What servers and cameras answer in words.

use std::str;
use std::time::Duration;

use streamhub_ingest::source::challenge::unsupported;
use streamhub_ingest::source::http::challenge::challenges;
use streamhub_ingest::source::http::hls::{Follower, best_variant, reload_after};

/// A server that is not asked for longer seems to be gone.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// What a server asks for a password with. Nothing of it is lost but what stands between the challenges.
pub(crate) fn challenge(data: &[u8]) -> bool {
    let Ok(header) = str::from_utf8(data) else {
        return false;
    };
    let found = challenges(header);
    for challenge in &found {
        assert!(!challenge.trim().is_empty(), "{header:?}");
    }
    let letters = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).count();
    let kept: usize = found.iter().map(|challenge| letters(challenge)).sum();
    assert_eq!(kept, letters(header), "{header:?}");
    !found.is_empty()
}

/// The headers of an RTSP answer. Of what the camera asks for no more is shown than names of schemes.
pub(crate) fn rtsp_answer(data: &[u8]) -> bool {
    let Ok(headers) = str::from_utf8(data) else {
        return false;
    };
    let Some(shown) = unsupported(headers) else {
        return false;
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | ' ' | ',');
    assert!(shown.chars().all(plain), "{shown:?}");
    assert!(shown.len() <= 68 * headers.lines().count(), "{shown:?}");
    true
}

/// Readings of an HLS playlist, one after the other, with a NUL between them. The same reading once more brings
/// nothing that is new.
pub(crate) fn playlist(data: &[u8]) -> bool {
    let mut follower = Follower::default();
    let mut found = false;
    for text in data.split(|byte| *byte == 0) {
        if let Ok(master) = m3u8_rs::parse_master_playlist_res(text) {
            found |= best_variant(&master).is_some();
        }
        let Ok(media) = m3u8_rs::parse_media_playlist_res(text) else {
            continue;
        };
        let wanted = follower.update(&media);
        assert!(wanted.len() <= media.segments.len());
        for segment in &wanted {
            let parts = segment
                .range
                .into_iter()
                .chain(segment.map.iter().filter_map(|map| map.1));
            assert!(parts.into_iter().all(|(first, last)| first <= last));
        }
        for changed in [true, false] {
            let pause = reload_after(&media, changed);
            assert!(!pause.is_zero() && pause <= LONGEST_PAUSE);
        }
        found |= !wanted.is_empty();
        // Beyond the greatest number there is none that a next segment could have.
        let ends = media
            .media_sequence
            .checked_add(media.segments.len() as u64);
        assert!(ends.is_none() || follower.update(&media).is_empty());
    }
    found
}
