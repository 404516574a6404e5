//! What modules say is in the frames that follow, for as long as it holds.

use std::time::Duration;

use serde_json::{Map, Value, json};
use streamhub_testkit::{NatsServer, eventually};
use streamhub_wire::metadata::Metadata;
use streamhub_wire::subscribe::Consumer;

use crate::recorder::Recorder;
use crate::support::{Ingest, PATIENCE, consumer, prefix, token};

const CAMERA: &str =
    "{source: {test: {width: 64, height: 64, fps: 25}}, frames: [{name: main, fps: 25}]}";

fn events(frame: &Metadata) -> Value {
    Value::from(frame.events.to_map())
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other} is no object"),
    }
}

/// A camera whose hub has these modules, its frames, and somebody who speaks for the modules.
async fn camera(nats: &NatsServer, modules: &str) -> (Ingest, Recorder, Consumer) {
    let frames = Recorder::start(&nats.url(), "cam", "main").await;
    let hub = format!("{{feedback: {modules}}}");
    let camera = Ingest::with("cam", CAMERA, nats, Some(&hub), &[]);
    camera.wait_ready();
    frames.more(5).await;
    (camera, frames, consumer(nats).await)
}

async fn say(speaker: &Consumer, what: &str, camera: Option<&str>, payload: Option<Value>) {
    let (module, event) = what.split_once('.').expect("module.event");
    let (camera, payload) = (camera.map(token), payload.map(object));
    speaker
        .send_feedback(
            &token(module),
            &token(event),
            camera.as_ref(),
            payload.as_ref(),
        )
        .await
        .expect("sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_is_in_the_frames_that_follow_and_the_cameras_own_wins() {
    let nats = NatsServer::start().unwrap();
    let modules =
        "{perception: {events: [spatial_object], ttl: 1m}, ui: {events: [user_selection]}}";
    let (_camera, frames, speaker) = camera(&nats, modules).await;
    let nothing = json!({"perception": {}, "ui": {}});
    assert_eq!(events(&frames.last().unwrap()), nothing);
    let shown = |wanted: Value| {
        let wanted = json!({"perception": {"spatial_object": wanted}, "ui": {}});
        move |frame: &Metadata| events(frame) == wanted
    };
    let hub_wide = json!({"who": "Zoë 🚲", "boxes": [[1, 2.5, 3, 4]], "deep": {"a": [null, true]}});
    let own = json!({"who": "me"});
    let what = "perception.spatial_object";

    say(
        &speaker,
        what,
        Some("other"),
        Some(json!({"who": "somebody else"})),
    )
    .await;
    say(&speaker, what, None, Some(hub_wide.clone())).await;
    frames
        .until("the hub's payload", shown(hub_wide.clone()))
        .await;
    say(&speaker, what, Some("cam"), Some(own.clone())).await;
    frames
        .until("the camera's own payload", shown(own.clone()))
        .await;
    // A newer one for all does not take its place.
    say(&speaker, what, None, Some(json!({"who": "everybody"}))).await;
    frames.more(10).await;
    assert!(shown(own)(&frames.last().unwrap()));
    say(&speaker, what, Some("cam"), None).await;
    frames
        .until(
            "the hub's payload again",
            shown(json!({"who": "everybody"})),
        )
        .await;
    say(&speaker, what, None, None).await;
    frames
        .until("nothing", |frame| events(frame) == nothing)
        .await;

    let stranger = frames
        .metadata()
        .into_iter()
        .find(|frame| frame.events.as_str().contains("somebody else"));
    assert!(stranger.is_none(), "another camera's payload: {stranger:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_ends_with_the_ttl_of_its_event() {
    let nats = NatsServer::start().unwrap();
    // A machine that stands still for some seconds lets none of them end before it was seen.
    let modules = "{ui: {events: [long, short], ttl: 15s, eventTtl: {short: 5s}}}";
    let (_camera, frames, speaker) = camera(&nats, modules).await;
    say(&speaker, "ui.long", None, Some(json!({"n": 1}))).await;
    say(&speaker, "ui.short", Some("cam"), Some(json!({"n": 2}))).await;
    frames
        .until("both", |frame| {
            events(frame)["ui"] == json!({"long": {"n": 1}, "short": {"n": 2}})
        })
        .await;
    frames
        .until("the short one to end", |frame| {
            events(frame)["ui"] == json!({"long": {"n": 1}})
        })
        .await;
    frames
        .until("both to end", |frame| events(frame) == json!({"ui": {}}))
        .await;

    let frames = frames.metadata();
    let visible = |event: &str| {
        let mut with = frames
            .iter()
            .filter(|frame| !events(frame)["ui"][event].is_null());
        let first = with.next().expect("it was seen").published;
        let last = with.next_back().map_or(first, |frame| frame.published);
        Duration::from_micros((last - first) as u64)
    };
    // From the first frame with it to the last one; encoding lies between the look at the clock and both.
    let (short, long) = (visible("short"), visible("long"));
    assert!(short < Duration::from_secs(11), "{short:?}");
    assert!(
        (Duration::from_secs(9)..Duration::from_secs(21)).contains(&long),
        "{long:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_counted_and_changes_nothing() {
    let nats = NatsServer::start().unwrap();
    let modules = "{ui: {events: [user_selection], ttl: 1m}}";
    let (camera, frames, speaker) = camera(&nats, modules).await;
    say(&speaker, "ui.user_selection", None, Some(json!({"id": 7}))).await;
    let wanted = json!({"ui": {"user_selection": {"id": 7}}});
    frames
        .until("the payload", |frame| events(frame) == wanted)
        .await;

    let client = nats.connect().await.unwrap();
    let large = format!("{{\"x\": \"{}\"}}", "x".repeat(9 * 1024));
    for (subject, payload) in [
        ("radar.user_selection", "{}"),
        ("ui.click", "{}"),
        ("ui.user_selection", "[1]"),
        ("ui.user_selection", "{\"open\": "),
        ("ui.user_selection", "\u{0}"),
        ("ui.user_selection", &large),
        ("ui", "{}"),
        ("ui.user_selection.cam.more", "{}"),
    ] {
        let subject = format!("{}.feedback.{subject}", prefix());
        client
            .publish(subject, payload.to_owned().into())
            .await
            .unwrap();
    }
    client.flush().await.unwrap();
    let counts = [
        ("unknown_module", 1),
        ("unknown_event", 1),
        ("not_an_object", 3),
        ("too_large", 1),
        ("bad_subject", 2),
    ];
    camera.wait_for("all refusals to be counted", |status| {
        counts
            .iter()
            .all(|(reason, count)| status.feedback_rejected.get(*reason) == Some(count))
    });
    let (_, metrics) = camera.get("/metrics").unwrap();
    for (reason, count) in counts {
        let line = format!(
            "streamhub_feedback_rejected_total{{camera=\"cam\",reason=\"{reason}\"}} {count}"
        );
        assert!(
            metrics.lines().any(|found| found == line),
            "{line} is not in\n{metrics}"
        );
    }
    assert!(
        metrics.contains("streamhub_feedback_accepted_total{camera=\"cam\"} 1\n"),
        "{metrics}"
    );
    frames.more(5).await;
    assert_eq!(events(&frames.last().unwrap()), wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_rules_are_taken_over_in_place() {
    let nats = NatsServer::start().unwrap();
    let before = "{ui: {events: [user_selection], ttl: 1m}, old: {events: [word], ttl: 1m}}";
    let (camera, frames, speaker) = camera(&nats, before).await;
    let first = frames.last().unwrap();
    say(&speaker, "ui.user_selection", None, Some(json!({"id": 1}))).await;
    say(&speaker, "old.word", None, Some(json!({"id": 2}))).await;
    frames
        .until("both", |frame| {
            events(frame)
                == json!({"old": {"word": {"id": 2}}, "ui": {"user_selection": {"id": 1}}})
        })
        .await;
    camera.edit_hub(
        "{feedback: {ui: {events: [user_selection], ttl: 1m}, analytics: {events: [accident], ttl: 1m}}}",
    );
    frames
        .until("what is still allowed", |frame| {
            events(frame) == json!({"analytics": {}, "ui": {"user_selection": {"id": 1}}})
        })
        .await;
    say(&speaker, "analytics.accident", None, Some(json!({"id": 3}))).await;
    let last = frames
        .until("the new module", |frame| {
            events(frame)["analytics"]["accident"] == json!({"id": 3})
        })
        .await;
    // A shorter life ends what is older already.
    camera.edit_hub(
        "{feedback: {ui: {events: [user_selection], ttl: 10ms}, analytics: {events: [accident], ttl: 1m}}}",
    );
    frames
        .until("the end of the old payload", |frame| {
            events(frame) == json!({"analytics": {"accident": {"id": 3}}, "ui": {}})
        })
        .await;
    say(&speaker, "old.word", None, Some(json!({"id": 4}))).await;
    camera.wait_for("the old module to be unknown", |status| {
        status.feedback_rejected.get("unknown_module") == Some(&1)
    });
    assert_eq!(first.epoch, last.epoch, "frames flowed on");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_fits_leaves_out_the_oldest_and_names_them() {
    let nats = NatsServer::start().unwrap();
    let modules = "{m: {events: [e1, e2, e3, e4], ttl: 1m}}";
    let (camera, frames, speaker) = camera(&nats, modules).await;
    for n in 1..=4 {
        let payload = json!({"n": n, "x": "x".repeat(8 * 1024 - 64)});
        say(&speaker, &format!("m.e{n}"), None, Some(payload)).await;
    }
    let full = frames
        .until("the fourth", |frame| events(frame)["m"].get("e4").is_some())
        .await;
    assert_eq!(full.events_omitted, ["m.e1"]);
    let said = events(&full);
    let names: Vec<&String> = said["m"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["e2", "e3", "e4"]);
    assert!(full.events.as_str().len() <= 24 * 1024);
    // A module that falls silent makes room.
    say(&speaker, "m.e4", None, None).await;
    frames
        .until("the first again", |frame| {
            frame.events_omitted.is_empty() && events(frame)["m"].get("e1").is_some()
        })
        .await;
    let drops = eventually(PATIENCE, "a status", || camera.status()).unwrap();
    assert!(!drops.renditions["main"].drops.contains_key("too_large"));
}
