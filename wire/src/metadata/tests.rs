use super::*;
use proptest::prelude::*;
use serde_json::json;

fn sample() -> Metadata {
    Metadata {
        stream_id: "door".into(),
        frame_id: 1_795_244_278_997,
        timestamp: 1_795_244_278_000_001,
        source: "rtsp://10.0.0.7:554/strömung/1".into(),
        events: Events::from_map(
            json!({"ui": {}, "perception": {"spatial_object": {"who": "Zoë 🚲\n\"x\"", "boxes": [1, 2.5, null, true]}}})
                .as_object()
                .unwrap(),
        ),
        frame_size: 110_000,
        v: METADATA_VERSION,
        rendition: "main".into(),
        epoch: 1_795_244_278_990,
        tick: 1_795_244_278_000_000,
        width: 1280,
        height: 720,
        fps: 30_000.0 / 1001.0,
        quality: Some(85),
        capture: Capture {
            source: CaptureSource::Arrival,
            error_ms: None,
        },
        published: 1_795_244_278_021_999,
        repeated: true,
        reduced: true,
        events_omitted: vec!["analytics.accident".into()],
    }
}

#[test]
fn a_header_is_one_line_of_ascii_and_reads_back_as_it_was() {
    let mut header = "left over".to_owned();
    sample().to_header(&mut header);
    assert!(
        header.bytes().all(|b| (b' '..=b'~').contains(&b)),
        "{header}"
    );
    assert!(
        header.contains("\"timestamp\":1795244278.000001,"),
        "{header}"
    );
    assert_eq!(Metadata::parse(&header).unwrap(), sample());
}

#[test]
fn the_hand_written_header_says_what_serde_says() {
    let mut plain = sample();
    (plain.quality, plain.repeated, plain.reduced) = (None, false, false);
    plain.events_omitted.clear();
    plain.capture.error_ms = Some(1.5);
    for metadata in [sample(), plain] {
        let mut header = String::new();
        metadata.to_header(&mut header);
        let ours: serde_json::Value = serde_json::from_str(&header).unwrap();
        assert_eq!(ours, serde_json::to_value(&metadata).unwrap());
    }
}

#[test]
fn fields_of_a_later_version_are_ignored() {
    let mut header = String::new();
    sample().to_header(&mut header);
    let later = header.replacen('{', "{\"later\":[1],", 1);
    assert_eq!(Metadata::parse(&later).unwrap(), sample());
}

#[test]
fn the_schema_accepts_what_is_written_and_refuses_what_is_not_metadata() {
    let validator = jsonschema::validator_for(&Metadata::json_schema()).unwrap();
    let good = serde_json::to_value(sample()).unwrap();
    assert!(validator.is_valid(&good));
    for (field, value) in [
        ("frame_id", json!(-1)),
        ("timestamp", json!("now")),
        ("events", json!({"ui": 1})),
        ("capture", json!({"source": "guess", "error_ms": 1})),
        ("quality", json!(101)),
        ("fps", json!(0)),
    ] {
        let mut bad = good.clone();
        bad[field] = value;
        assert!(!validator.is_valid(&bad), "{field}");
    }
    let mut without = good.clone();
    without.as_object_mut().unwrap().remove("tick");
    assert!(!validator.is_valid(&without));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_text_and_any_time_survive_the_header(text in ".*", timestamp in 0i64..4_000_000_000_000_000, fps in 0.01..240.0f64) {
        let metadata = Metadata {
            source: text.clone(),
            events: Events::from_map(json!({"ui": {"x": {&text: [text, -0.5, 1e300]}}}).as_object().unwrap()),
            timestamp,
            fps,
            ..sample()
        };
        let mut header = String::new();
        metadata.to_header(&mut header);
        prop_assert!(header.bytes().all(|b| (b' '..=b'~').contains(&b)));
        prop_assert_eq!(Metadata::parse(&header).unwrap(), metadata);
    }
}
