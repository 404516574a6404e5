//! A camera that sends JPEG costs nothing and loses nothing.

use std::path::Path;

use streamhub_testkit::{NatsServer, clip};

use crate::recorder::Recorder;
use crate::support::Ingest;

/// The video chunks of an AVI file, read without any library: `LIST` chunks are entered, `00dc` chunks are frames.
fn avi_frames(path: &Path) -> Vec<Vec<u8>> {
    let file = std::fs::read(path).unwrap();
    let mut frames = Vec::new();
    let mut at = "RIFFsizeAVI ".len();
    while at + 8 <= file.len() {
        let size = u32::from_le_bytes(file[at + 4..at + 8].try_into().unwrap()) as usize;
        let content = at + 8;
        at = match &file[at..at + 4] {
            b"LIST" => content + 4,
            b"00dc" => {
                frames.push(file[content..content + size].to_vec());
                content + size + size % 2
            }
            _ => content + size + size % 2,
        };
    }
    frames
}

#[tokio::test(flavor = "multi_thread")]
async fn the_published_frames_are_the_files_frames_byte_for_byte() {
    let nats = NatsServer::start().unwrap();
    let film = clip("mjpeg-720p25.avi").unwrap();
    let frames = avi_frames(&film);
    assert_eq!(frames.len(), 132);
    let recorder = Recorder::start(&nats.url(), "film", "main").await;
    let spec = format!(
        "{{source: {{file: {{uri: {}}}}}, frames: [{{name: main, fps: 25}}]}}",
        film.display()
    );
    let _ingest = Ingest::start("film", &spec, &nats);
    // Longer than the film, so that its end is in it.
    let seen = recorder.wait_for_count(160).await;
    let mut last: Option<(usize, i64)> = None;
    for frame in seen {
        let found = frames.iter().position(|known| *known == frame.jpeg);
        let index =
            found.unwrap_or_else(|| panic!("frame {} is not in the file", frame.metadata.frame_id));
        let at = frame.metadata.timestamp;
        // After a pause of half the film and more, forwards could be backwards.
        if let Some((last, before)) = last
            && at - before < 2_000_000
        {
            let step = (index + frames.len() - last) % frames.len();
            assert!(
                (1..=frames.len() / 2).contains(&step),
                "frame {index} after {last}"
            );
        }
        last = Some((index, at));
        assert_eq!((frame.metadata.width, frame.metadata.height), (1280, 720));
        assert_eq!(frame.metadata.quality, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_fits_goes_through_whatever_was_made_of_larger_ones_before_it() {
    // Those of the film's first second are larger; most are smaller.
    let limit = 94_000;
    let nats = NatsServer::options()
        .config(&format!("max_payload: {limit}"))
        .start()
        .unwrap();
    let film = clip("mjpeg-720p25.avi").unwrap();
    let frames = avi_frames(&film);
    let recorder = Recorder::start(&nats.url(), "film", "main").await;
    let spec = format!(
        "{{source: {{file: {{uri: {}}}}}, frames: [{{name: main, fps: 25}}]}}",
        film.display()
    );
    let _ingest = Ingest::start("film", &spec, &nats);
    let seen = recorder.wait_for_count(160).await;
    let first = seen.iter().position(|frame| frame.metadata.reduced);
    let after = &seen[first.expect("one that does not fit")..];
    let (reduced, whole): (Vec<_>, Vec<_>) = after.iter().partition(|frame| frame.metadata.reduced);
    // In 160 of 132 pictures, of which three quarters fit; the first may have come before the reader.
    assert!(whole.len() > 50, "{} of {}", whole.len(), after.len());
    for frame in whole {
        assert!(frames.iter().any(|known| *known == frame.jpeg));
        assert_eq!(frame.metadata.quality, None);
    }
    for frame in reduced {
        assert!(frame.jpeg.len() < limit && frame.metadata.quality.is_some());
    }
}
