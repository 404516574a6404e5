use super::*;
use proptest::prelude::*;
use serde_json::json;

fn token(name: &str) -> Token {
    Token::new(name).unwrap()
}

fn rules(entries: &[(&str, &str, u64)]) -> FeedbackRules {
    let mut rules = FeedbackRules::default();
    for (module, event, ttl_ms) in entries {
        rules
            .0
            .entry(token(module))
            .or_default()
            .insert(token(event), Duration::from_millis(*ttl_ms));
    }
    rules
}

fn store() -> FeedbackStore {
    FeedbackStore::new(
        token("door"),
        rules(&[
            ("perception", "spatial_object", 1_000),
            ("ui", "selection", 5_000),
        ]),
    )
}

fn events(store: &mut FeedbackStore, now: Instant) -> Value {
    Value::Object(store.events(now).0.to_map())
}

#[test]
fn every_configured_module_is_there_even_when_silent() {
    assert_eq!(
        events(&mut store(), Instant::now()),
        json!({"perception": {}, "ui": {}})
    );
}

#[test]
fn a_payload_stays_until_its_ttl_and_the_latest_one_counts() {
    let (mut store, now) = (store(), Instant::now());
    store
        .accept("perception.spatial_object", br#"{"n":1}"#, now)
        .unwrap();
    store
        .accept("perception.spatial_object", br#"{"n":2}"#, now)
        .unwrap();
    let just_before = now + Duration::from_millis(999);
    assert_eq!(
        events(&mut store, just_before)["perception"],
        json!({"spatial_object": {"n": 2}})
    );
    let over = now + Duration::from_secs(1);
    assert_eq!(events(&mut store, over)["perception"], json!({}));
}

#[test]
fn the_cameras_own_payload_wins_while_it_lives() {
    let (mut store, now) = (store(), Instant::now());
    let later = now + Duration::from_secs(3);
    store
        .accept("ui.selection.door", br#"{"own":1}"#, now)
        .unwrap();
    store
        .accept("ui.selection", br#"{"all":1}"#, later)
        .unwrap();
    store
        .accept("ui.selection.other", br#"{"other":1}"#, later)
        .unwrap();
    assert_eq!(
        events(&mut store, later)["ui"]["selection"],
        json!({"own": 1})
    );
    let own_over = now + Duration::from_secs(5);
    assert_eq!(
        events(&mut store, own_over)["ui"]["selection"],
        json!({"all": 1})
    );
}

#[test]
fn an_empty_payload_clears() {
    let (mut store, now) = (store(), Instant::now());
    store.accept("ui.selection", br#"{"a":1}"#, now).unwrap();
    events(&mut store, now);
    store.accept("ui.selection", b"", now).unwrap();
    assert_eq!(events(&mut store, now)["ui"], json!({}));
}

#[test]
fn what_is_not_configured_or_no_object_is_refused_with_a_reason() {
    let (mut store, now) = (store(), Instant::now());
    let too_large = format!("{{\"x\":\"{}\"}}", "y".repeat(MAX_PAYLOAD));
    for (tail, payload, reason) in [
        ("nobody.event", &b"{}"[..], RejectReason::UnknownModule),
        ("ui.nothing", b"{}", RejectReason::UnknownEvent),
        ("ui.selection", b"[1]", RejectReason::NotAnObject),
        ("ui.selection", b"{", RejectReason::NotAnObject),
        ("ui.selection", too_large.as_bytes(), RejectReason::TooLarge),
        ("ui", b"{}", RejectReason::BadSubject),
        ("ui.selection.door.x", b"{}", RejectReason::BadSubject),
    ] {
        assert_eq!(store.accept(tail, payload, now), Err(reason), "{tail}");
    }
    assert_eq!(events(&mut store, now), json!({"perception": {}, "ui": {}}));
}

#[test]
fn over_24_kib_the_oldest_are_left_out_and_named() {
    let names: Vec<String> = (0..6).map(|i| format!("e{i}")).collect();
    let entries: Vec<(&str, &str, u64)> = names
        .iter()
        .map(|name| ("ui", name.as_str(), 60_000))
        .collect();
    let mut store = FeedbackStore::new(token("door"), rules(&entries));
    let now = Instant::now();
    for name in &names {
        // 1,000 two-byte letters are 6,000 bytes once escaped.
        let payload = json!({"text": "ü".repeat(1_000)}).to_string();
        store
            .accept(&format!("ui.{name}"), payload.as_bytes(), now)
            .unwrap();
    }
    let (text, omitted) = store.events(now);
    assert!(text.as_str().len() <= MAX_EVENTS);
    assert!(text.as_str().is_ascii());
    assert_eq!(omitted, ["ui.e1", "ui.e0"]);
    assert_eq!(text.to_map()["ui"].as_object().unwrap().len(), 4);
}

#[test]
fn new_rules_apply_to_what_is_there() {
    let (mut store, now) = (store(), Instant::now());
    store.accept("ui.selection", br#"{"a":1}"#, now).unwrap();
    store
        .accept("perception.spatial_object", br#"{"a":1}"#, now)
        .unwrap();
    store.set_rules(rules(&[("ui", "selection", 100)]));
    assert_eq!(
        events(&mut store, now),
        json!({"ui": {"selection": {"a": 1}}})
    );
    let later = now + Duration::from_millis(100);
    assert_eq!(events(&mut store, later), json!({"ui": {}}));
}

#[test]
fn the_object_is_made_anew_only_when_something_changed() {
    let (mut store, now) = (store(), Instant::now());
    store.accept("ui.selection", br#"{"a":1}"#, now).unwrap();
    let first = store.events(now).0;
    let second = store.events(now + Duration::from_secs(1)).0;
    assert!(std::ptr::eq(first.as_str(), second.as_str()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn whatever_modules_say_it_is_a_small_object_in_ascii(texts in prop::collection::vec(("(ui|perception|x)\\.[a-c]{1}(\\.door)?", ".{0,2000}"), 0..30)) {
        let names = ["a", "b", "c"];
        let entries: Vec<_> = ["ui", "perception"]
            .iter()
            .flat_map(|module| names.map(|event| (*module, event, 1_000)))
            .collect();
        let mut store = FeedbackStore::new(token("door"), rules(&entries));
        let now = Instant::now();
        for (tail, text) in texts {
            let _ = store.accept(&tail, json!({&text: text}).to_string().as_bytes(), now);
        }
        let (events, omitted) = store.events(now);
        prop_assert!(events.as_str().is_ascii() && events.as_str().len() <= MAX_EVENTS);
        let kept: usize = events.to_map().values().map(|module| module.as_object().unwrap().len()).sum();
        prop_assert!(kept + omitted.len() <= 6);
        prop_assert_eq!(events.to_map().len(), 2);
    }
}
