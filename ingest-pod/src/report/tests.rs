use super::*;
use std::collections::HashMap;
use streamhub_wire::interest::Listeners;

fn identity(instance: &str) -> Identity {
    Identity {
        uid: "u".to_owned(),
        incarnation: 1,
        started: 1,
        instance: instance.to_owned(),
    }
}

#[test]
fn a_silent_source_thread_fails_liveness_but_a_fenced_process_does_not() {
    let report = Report::new("door", identity("a"));
    let later = Instant::now() + WEDGED_AFTER * 2;
    assert!(report.is_live(Instant::now()));
    assert!(!report.is_live(later));
    let by = identity("b");
    report.fence(FenceState::Fenced { by }, Claim::None);
    assert!(report.is_live(later));
}

#[test]
fn a_worker_that_is_not_done_when_its_rendition_ends_does_not_bring_it_back() {
    let report = Report::new("door", identity("a"));
    let ids = HashMap::new();
    let held_to = HeldTo {
        level: 1,
        quality: Some(60),
        fps: 7.5,
        width: 320,
    };
    let tell = || {
        report.target_fps("main", 7.5);
        report.held_to("main", held_to);
        report.status(&ids).renditions.get("main").cloned()
    };
    report.rendition_started("main", 15.0, &Listeners::default());
    let told = tell().expect("it is there");
    assert!((told.target_fps - 7.5).abs() < f64::EPSILON && told.load_level == 1);
    report.rendition_ended("main");
    assert!(tell().is_none());
    assert!(
        !report
            .metrics
            .render()
            .unwrap()
            .contains("rendition=\"main\"")
    );
}

#[test]
fn a_notice_is_told_until_it_is_over_and_holds_nothing_up() {
    let report = Report::new("door", identity("a"));
    let ids = HashMap::new();
    let reason = || report.status(&ids).reason;
    report.nats(NatsStatus {
        state: "connected".to_owned(),
        ..NatsStatus::default()
    });
    report.source_state(SourceState::Connecting);
    report.notice(Some(Fault::transient("Fetching", "1 of 2 MB", "wait")));
    assert_eq!(reason(), "Fetching");
    report.notice(Some(Fault::transient("CachedCopy", "old", "look")));
    report.alive(Some(Instant::now()));
    assert_eq!(
        (reason().as_str(), report.status(&ids).ready),
        ("CachedCopy", true)
    );
    let lost = Fault::transient("ConnectionLost", "5 of 9 bytes came", "look");
    let stand_in = |own_fault| {
        Some(StandIn {
            fallback: 1,
            own_fault,
        })
    };
    report.stand_in(stand_in(Some(lost.clone())));
    let message = report.status(&ids).message;
    assert_eq!(reason(), "FallbackInUse");
    assert!(message.ends_with("; CachedCopy: old"), "{message}");
    report.stand_in(None);
    report.source_address("file", "s3://films/a.mp4");
    assert_eq!(reason(), "");
    report.source_state(SourceState::Retrying(lost));
    assert_eq!(reason(), "ConnectionLost");
    report.notice(Some(Fault::transient("Fetching", "1 of 2 MB", "wait")));
    let message = report.status(&ids).message;
    assert_eq!(reason(), "Fetching");
    assert!(message.contains("before: ConnectionLost"), "{message}");
}

#[test]
fn the_rate_of_a_source_is_the_same_however_seldom_its_access_units_are_looked_for() {
    let report = Report::new("door", identity("a"));
    let now = Instant::now();
    for n in (0..60).rev() {
        // All at once, as by a thread that rested for four seconds.
        report.alive(now.checked_sub(Duration::from_millis(50) * n));
    }
    let source = report.status(&HashMap::new()).source;
    assert!((source.fps - 20.0).abs() < 0.5, "{}", source.fps);
}

#[test]
fn what_nats_does_not_permit_is_said_and_holds_the_camera_not_ready() {
    let report = Report::new("door", identity("a"));
    report.alive(Some(Instant::now()));
    report.nats(NatsStatus {
        state: "connected".to_owned(),
        ..NatsStatus::default()
    });
    let ids = HashMap::new();
    assert!(report.status(&ids).ready);
    assert!(report.denied("publish to a.frames.door.main"));
    assert!(
        !report.denied("publish to a.frames.door.main"),
        "the same is no news"
    );
    let status = report.status(&ids);
    assert_eq!(
        (status.reason.as_str(), status.ready),
        ("NatsDenied", false)
    );
    assert!(
        status.message.contains("frames.door.main"),
        "{}",
        status.message
    );
}
