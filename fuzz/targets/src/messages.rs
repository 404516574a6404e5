//! What comes over NATS.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;
use streamhub_wire::feedback::{FeedbackRules, FeedbackStore, MAX_EVENTS};
use streamhub_wire::join::{Incomplete, JoinOptions, Joiner, Moment};
use streamhub_wire::metadata::Metadata;
use streamhub_wire::next::{MAX_WAIT, NextRequest};
use streamhub_wire::status::CameraStatus;
use streamhub_wire::subjects::{Prefix, Token};

/// The header of a frame. What is read is written as one line of ASCII that is read again.
pub(crate) fn metadata(data: &[u8]) -> bool {
    let Some(metadata) = header(data) else {
        return false;
    };
    let mut again = String::new();
    metadata.to_header(&mut again);
    assert!(
        again.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
        "{again}"
    );
    let read = Metadata::parse(&again).expect("a header that we wrote");
    assert_eq!(read.events.to_map(), metadata.events.to_map(), "{again}");
    assert_eq!(
        (read.frame_id, read.epoch, read.tick),
        (metadata.frame_id, metadata.epoch, metadata.tick)
    );
    true
}

fn header(data: &[u8]) -> Option<Metadata> {
    Metadata::parse(std::str::from_utf8(data).ok()?).ok()
}

/// Headers, one a line, of cameras in turn: a joiner takes whatever they say.
pub(crate) fn join(data: &[u8]) -> bool {
    const CAMERAS: usize = 3;
    let start = Instant::now();
    let options = JoinOptions {
        incomplete: Incomplete::Emit,
        ..JoinOptions::default()
    };
    let mut joiner = Joiner::new(CAMERAS, options);
    let mut sets = 0;
    for (nth, line) in data.split(|byte| *byte == b'\n').enumerate() {
        let now = start + Duration::from_millis(20) * u32::try_from(nth).unwrap_or(u32::MAX);
        if let Some(metadata) = header(line) {
            joiner.offer(nth % CAMERAS, Moment::from(&metadata), (), now);
        }
        while let Some(set) = joiner.next(now) {
            assert_eq!(set.frames.len(), CAMERAS);
            assert!(set.frames.iter().any(Option::is_some));
            sets += 1;
        }
        assert!(joiner.deadline().is_none_or(|deadline| deadline > now));
    }
    sets > 0
}

/// The tail of the subject on the first line, the payload behind it. What is taken is in the metadata.
pub(crate) fn feedback(data: &[u8]) -> bool {
    let Some(end) = data.iter().position(|byte| *byte == b'\n') else {
        return false;
    };
    let (tail, payload) = data.split_at(end);
    let (Ok(tail), Some(payload)) = (std::str::from_utf8(tail), payload.get(1..)) else {
        return false;
    };
    let Ok(camera) = Token::new("door") else {
        return false;
    };
    let now = Instant::now();
    let mut store = FeedbackStore::new(camera, rules());
    let taken = store.accept(tail, payload, now).is_ok();
    let (events, _) = store.events(now);
    let text = events.as_str();
    assert!(text.len() <= MAX_EVENTS && text.is_ascii(), "{text}");
    let object: Value = serde_json::from_str(text).expect("JSON that we wrote");
    assert!(object.get("perception").is_some_and(Value::is_object));
    taken
}

fn rules() -> FeedbackRules {
    let events = [("spatial_object", 1), ("zone", 600)];
    let events: BTreeMap<Token, Duration> = events
        .into_iter()
        .filter_map(|(event, seconds)| {
            Some((Token::new(event).ok()?, Duration::from_secs(seconds)))
        })
        .collect();
    let module = Token::new("perception").into_iter();
    FeedbackRules(module.map(|module| (module, events.clone())).collect())
}

/// A request for the newest frame.
pub(crate) fn next(data: &[u8]) -> bool {
    match NextRequest::parse(data) {
        Ok((_, wait)) => {
            assert!(wait <= MAX_WAIT);
            true
        }
        Err(_) => false,
    }
}

/// Another instance's status. What is read is written as what is read again.
pub(crate) fn status(data: &[u8]) -> bool {
    let Ok(status) = CameraStatus::parse(data) else {
        return false;
    };
    let again = CameraStatus::parse(&status.to_json()).expect("a status that we wrote");
    assert_eq!(again.identity(), status.identity());
    assert_eq!((again.state, again.claim), (status.state, status.claim));
    true
}

/// A prefix on the first line, a subject on the second.
pub(crate) fn subject(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else {
        return false;
    };
    let mut lines = text.split('\n');
    let (Some(prefix), Some(subject)) = (lines.next(), lines.next()) else {
        return false;
    };
    let Ok(prefix) = Prefix::new(prefix) else {
        return false;
    };
    let mut known = prefix.feedback_tail(subject).is_some();
    for kind in ["frames", "meta", "next"] {
        let Some((camera, rendition)) = prefix.camera_and_rendition(kind, subject) else {
            continue;
        };
        let (camera, rendition) = (Token::new(camera), Token::new(rendition));
        let (camera, rendition) = (camera.expect("a token"), rendition.expect("a token"));
        let again = match kind {
            "frames" => prefix.frames(&camera, &rendition),
            "meta" => prefix.meta(&camera, &rendition),
            _ => prefix.next(&camera, &rendition),
        };
        assert_eq!(again, subject);
        known = true;
    }
    known
}
