//! HTTP Live Streaming (RFC 8216): which segments of a playlist come next.

use m3u8_rs::{
    ByteRange, KeyMethod, MasterPlaylist, MediaPlaylist, MediaPlaylistType, MediaSegment,
};
use std::time::Duration;

/// A live stream is begun so many segments before its end (RFC 8216, section 6.3.3).
const FROM_THE_END: usize = 3;

/// One segment to fetch.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// Relative to the playlist.
    pub uri: String,
    /// First and last byte of it, where only a part is meant.
    pub range: Option<(u64, u64)>,
    /// What comes before its first byte: the URI and the part of it.
    pub map: Option<(String, Option<(u64, u64)>)>,
    /// It does not continue what came before it.
    pub seam: bool,
    /// It is encrypted.
    pub encrypted: bool,
}

/// Follows a media playlist from one reading to the next.
#[derive(Debug, Default)]
pub struct Follower {
    next: Option<u64>,
    /// Where the next part of a resource begins that is named without an offset.
    part: Option<(String, u64)>,
}

impl Follower {
    /// The segments that are new in this reading.
    pub fn update(&mut self, playlist: &MediaPlaylist) -> Vec<Wanted> {
        let count = playlist.segments.len();
        let begin = playlist.media_sequence;
        let end = begin.saturating_add(count as u64);
        let live = !playlist.end_list && playlist.playlist_type != Some(MediaPlaylistType::Vod);
        let edge = begin.saturating_add(count.saturating_sub(FROM_THE_END) as u64);
        let (from, mut seam) = match self.next {
            None => (if live { edge } else { begin }, false),
            // A cache may show a reading that is a little older; a server that was restarted counts anew.
            Some(next) if end.saturating_add(count as u64) < next => (edge, true),
            Some(next) if next < begin => (edge, true),
            Some(next) => (next, false),
        };
        self.next = Some(from.max(end));
        let mut wanted = Vec::new();
        let (mut map, mut encrypted) = (None, false);
        for (nth, segment) in (0_u64..).zip(&playlist.segments) {
            let sequence = begin.saturating_add(nth);
            // Maps and keys hold until the next one.
            if let Some(new) = &segment.map {
                let range = new.byte_range.as_ref().map(|range| bytes(range, 0));
                map = Some((new.uri.clone(), range));
            }
            if let Some(key) = &segment.key {
                encrypted = key.method != KeyMethod::None;
            }
            let range = self.range(segment);
            if sequence < from {
                continue;
            }
            wanted.push(Wanted {
                uri: segment.uri.clone(),
                range,
                map: map.clone(),
                seam: seam || segment.discontinuity,
                encrypted,
            });
            seam = false;
        }
        wanted
    }

    fn range(&mut self, segment: &MediaSegment) -> Option<(u64, u64)> {
        let range = segment.byte_range.as_ref()?;
        let follows = match &self.part {
            Some((uri, end)) if *uri == segment.uri => *end,
            _ => 0,
        };
        let (first, last) = bytes(range, follows);
        self.part = Some((segment.uri.clone(), last.saturating_add(1)));
        Some((first, last))
    }
}

fn bytes(range: &ByteRange, follows: u64) -> (u64, u64) {
    let first = range.offset.unwrap_or(follows);
    (first, first.saturating_add(range.length.max(1) - 1))
}

/// How long to wait before the playlist is read again (RFC 8216, section 6.3.4).
pub fn reload_after(playlist: &MediaPlaylist, changed: bool) -> Duration {
    let target = Duration::from_secs(playlist.target_duration.clamp(1, 60));
    if changed { target } else { target / 2 }
}

/// The variant with the largest picture, and of those the one with the most bits.
pub fn best_variant(master: &MasterPlaylist) -> Option<&str> {
    let pictures = master.variants.iter().filter(|variant| !variant.is_i_frame);
    pictures
        .max_by_key(|variant| {
            let pixels = variant
                .resolution
                .map_or(0, |size| size.width.saturating_mul(size.height));
            (pixels, variant.bandwidth)
        })
        .map(|variant| variant.uri.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn playlist(begin: u64, count: u64, more: &str) -> MediaPlaylist {
        let mut text = format!(
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{begin}\n"
        );
        for n in begin..begin + count {
            text.extend(["#EXTINF:2.0,\n", &n.to_string(), ".ts\n"]);
        }
        text += more;
        m3u8_rs::parse_media_playlist_res(text.as_bytes()).unwrap()
    }

    fn playlist_from(begin: u64) -> MediaPlaylist {
        let text = format!(
            "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{begin}\n#EXTINF:2.0,\na.ts\n#EXTINF:2.0,\nb.ts\n"
        );
        m3u8_rs::parse_media_playlist_res(text.as_bytes()).unwrap()
    }

    fn names(wanted: &[Wanted]) -> Vec<&str> {
        wanted.iter().map(|segment| segment.uri.as_str()).collect()
    }

    #[test]
    fn a_live_stream_begins_near_its_end_and_each_segment_comes_once() {
        let mut follower = Follower::default();
        let seen = follower.update(&playlist(10, 6, ""));
        assert_eq!(names(&seen), ["13.ts", "14.ts", "15.ts"]);
        assert!(follower.update(&playlist(10, 6, "")).is_empty());
        assert!(
            follower.update(&playlist(9, 6, "")).is_empty(),
            "an old reading"
        );
        assert_eq!(
            names(&follower.update(&playlist(12, 6, ""))),
            ["16.ts", "17.ts"]
        );
    }

    #[test]
    fn who_falls_behind_or_meets_a_server_that_counts_anew_goes_to_the_end_with_a_seam() {
        for begin in [100, 0] {
            let mut follower = Follower::default();
            follower.update(&playlist(50, 6, ""));
            let seen = follower.update(&playlist(begin, 6, ""));
            let first = format!("{}.ts", begin + 3);
            assert_eq!(names(&seen).first(), Some(&first.as_str()));
            let seams: Vec<bool> = seen.iter().map(|segment| segment.seam).collect();
            assert_eq!(seams, [true, false, false]);
        }
    }

    #[test]
    fn a_film_is_read_from_its_beginning() {
        let film = playlist(0, 5, "#EXT-X-ENDLIST\n");
        assert_eq!(Follower::default().update(&film).len(), 5);
        assert!(film.end_list);
    }

    #[test]
    fn parts_of_resources_maps_seams_and_keys_are_told() {
        let text = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n#EXT-X-MAP:URI=\"a.mp4\",BYTERANGE=\"10@0\"\n\
                    #EXTINF:2.0,\n#EXT-X-BYTERANGE:100@10\na.mp4\n#EXTINF:2.0,\n#EXT-X-BYTERANGE:50\na.mp4\n\
                    #EXT-X-DISCONTINUITY\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXTINF:2.0,\nb.mp4\n#EXT-X-ENDLIST\n";
        let read = m3u8_rs::parse_media_playlist_res(text.as_bytes()).unwrap();
        let seen = Follower::default().update(&read);
        let ranges: Vec<_> = seen.iter().map(|segment| segment.range).collect();
        assert_eq!(ranges, [Some((10, 109)), Some((110, 159)), None]);
        let map = Some(("a.mp4".to_owned(), Some((0, 9))));
        assert!(seen.iter().all(|segment| segment.map == map));
        let odd: Vec<_> = seen
            .iter()
            .map(|segment| (segment.seam, segment.encrypted))
            .collect();
        assert_eq!(odd, [(false, false), (false, false), (true, true)]);
    }

    #[test]
    fn the_largest_picture_is_taken() {
        let text = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=9000000\naudio.m3u8\n\
                    #EXT-X-STREAM-INF:BANDWIDTH=1000000,RESOLUTION=640x360\nlow.m3u8\n\
                    #EXT-X-STREAM-INF:BANDWIDTH=3000000,RESOLUTION=1920x1080\nhigh.m3u8\n";
        let master = m3u8_rs::parse_master_playlist_res(text.as_bytes()).unwrap();
        assert_eq!(best_variant(&master), Some("high.m3u8"));
    }

    #[test]
    fn the_largest_number_that_a_segment_can_have_is_no_panic() {
        Follower::default().update(&playlist_from(u64::MAX));
    }

    proptest! {
        #[test]
        fn any_text_is_followed_without_a_panic(text in "(#EXT(M3U|INF:|-X-(MAP:URI=\"a\"|KEY:|BYTERANGE:|MEDIA-SEQUENCE:|TARGETDURATION:)){0,1}[0-9a@=.,\"]{0,22}\n){0,12}") {
            if let Ok(playlist) = m3u8_rs::parse_media_playlist_res(text.as_bytes()) {
                let mut follower = Follower::default();
                follower.update(&playlist);
                follower.update(&playlist);
                reload_after(&playlist, true);
            }
        }
    }
}
