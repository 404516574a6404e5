use super::*;

fn identity(uid: &str, incarnation: u64, started: u64, instance: &str) -> Identity {
    Identity {
        uid: uid.into(),
        incarnation,
        started,
        instance: instance.into(),
    }
}

fn held(me: Identity, now: Instant) -> Fence {
    let mut fence = Fence::new(me);
    assert_eq!(fence.connected(), FenceAction::Announce);
    fence.round_trip(now);
    assert_eq!(fence.poll(now + LISTEN), Some(FenceAction::PublishStatus));
    assert_eq!(fence.state(), &FenceState::Held);
    fence
}

#[test]
fn nothing_is_published_before_a_round_trip_and_the_listening_time() {
    let now = Instant::now();
    let mut fence = Fence::new(identity("u", 1, 1, "a"));
    assert_ne!(fence.state(), &FenceState::Held);
    fence.connected();
    assert_eq!(fence.poll(now + Duration::from_mins(1)), None);
    fence.round_trip(now);
    assert_eq!(fence.poll(now + LISTEN / 2), None);
    assert_ne!(fence.state(), &FenceState::Held);
    fence.poll(now + LISTEN);
    assert_eq!(fence.state(), &FenceState::Held);
    fence.disconnected();
    assert_ne!(fence.state(), &FenceState::Held);
}

#[test]
fn each_part_of_the_order_decides_which_instance_of_a_camera_stays() {
    let now = Instant::now();
    for (low, high) in [
        (identity("u", 1, 9, "z"), identity("u", 2, 1, "a")),
        (identity("u", 1, 1, "z"), identity("u", 1, 2, "a")),
        (identity("u", 1, 1, "a"), identity("u", 1, 1, "b")),
    ] {
        let mut lower = held(low.clone(), now);
        let mut higher = held(high.clone(), now);
        assert_eq!(
            higher.heard(&low, Claim::Held, now),
            Some(FenceAction::PublishStatus),
            "a lower one is answered"
        );
        assert_eq!(higher.state(), &FenceState::Held);
        lower.heard(&high, Claim::Asking, now);
        assert_eq!(lower.state(), &FenceState::Fenced { by: high });
        assert_eq!(
            higher.heard(&low, lower.claim(), now),
            None,
            "a fenced one needs no answer"
        );
    }
}

#[test]
fn fenced_is_for_good() {
    let now = Instant::now();
    let mut fence = held(identity("u", 1, 1, "a"), now);
    fence.heard(&identity("u", 2, 1, "b"), Claim::Held, now);
    fence.disconnected();
    assert_eq!(fence.connected(), FenceAction::PublishStatus);
    fence.round_trip(now);
    fence.poll(now + Duration::from_hours(1));
    assert!(matches!(fence.state(), FenceState::Fenced { .. }));
}

#[test]
fn a_newcomer_of_another_camera_leaves_the_subjects_to_who_holds_them() {
    let now = Instant::now();
    let (old, new) = (identity("u", 5, 50, "a"), identity("v", 9, 1, "b"));
    let mut holder = held(old.clone(), now);
    let mut newcomer = Fence::new(new.clone());
    newcomer.connected();
    assert_eq!(
        holder.heard(&new, Claim::Asking, now),
        Some(FenceAction::PublishStatus)
    );
    assert_eq!(holder.state(), &FenceState::Held);
    newcomer.heard(&old, Claim::Held, now);
    assert_eq!(newcomer.state(), &FenceState::SubjectInUse { by: old });
}

#[test]
fn of_two_cameras_that_meet_both_asking_or_both_publishing_the_older_stays() {
    let now = Instant::now();
    let (old, new) = (identity("u", 1, 10, "a"), identity("v", 1, 20, "b"));
    for start in [
        |me, _: Instant| {
            let mut fence = Fence::new(me);
            fence.connected();
            fence
        },
        held,
    ] {
        let (mut older, mut younger) = (start(old.clone(), now), start(new.clone(), now));
        let (older_claim, younger_claim) = (older.claim(), younger.claim());
        older.heard(&new, younger_claim, now);
        younger.heard(&old, older_claim, now);
        assert!(!matches!(older.state(), FenceState::SubjectInUse { .. }));
        assert!(matches!(younger.state(), FenceState::SubjectInUse { .. }));
    }
}

#[test]
fn subjects_are_tried_again_once_the_other_camera_is_silent() {
    let now = Instant::now();
    let other = identity("v", 1, 1, "b");
    let mut fence = Fence::new(identity("u", 1, 2, "a"));
    fence.connected();
    fence.heard(&other, Claim::Held, now);
    let later = now + Duration::from_secs(10);
    fence.heard(&other, Claim::Held, later);
    assert_eq!(fence.poll(now + RIVAL_SILENCE), None);
    assert_eq!(
        fence.poll(later + RIVAL_SILENCE),
        Some(FenceAction::Announce)
    );
    fence.round_trip(later + RIVAL_SILENCE);
    fence.poll(later + RIVAL_SILENCE + LISTEN);
    assert_eq!(fence.state(), &FenceState::Held);
}

#[test]
fn the_own_status_coming_back_changes_nothing() {
    let now = Instant::now();
    let me = identity("u", 1, 1, "a");
    let mut fence = held(me.clone(), now);
    assert_eq!(fence.heard(&me, Claim::Held, now), None);
    assert_eq!(fence.state(), &FenceState::Held);
}
