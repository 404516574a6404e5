use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// A camera whose own source has just been lost.
fn down(fallbacks: usize, now: Instant) -> Fallbacks {
    let mut machine = Fallbacks::new(fallbacks, FRESH_FOR, now);
    machine.unit(Entry::Own, now);
    machine.own_ended(Outcome::Lost);
    machine
}

#[test]
fn while_its_own_source_delivers_no_fallback_is_touched() {
    let start = Instant::now();
    let mut machine = Fallbacks::new(2, FRESH_FOR, start);
    assert_eq!(machine.task(start), Task::Wait(Some(start + PATIENCE)));
    assert!(!machine.unit(Entry::Own, start + SECOND));
    for s in 1..1000 {
        assert_eq!(machine.task(start + SECOND * s), Task::Wait(None));
    }
    assert_eq!(machine.in_use(), Some(Entry::Own));
}

#[test]
fn a_lost_source_is_replaced_at_once_and_a_silent_one_after_a_while() {
    let now = Instant::now();
    assert_eq!(down(1, now).task(now), Task::Try(0));
    let mut silent = Fallbacks::new(1, FRESH_FOR, now);
    assert_eq!(silent.task(now + PATIENCE), Task::Try(0));
    assert_eq!(silent.in_use(), None);
    // It delivers before the fallback does: no reason to wait.
    assert!(silent.unit(Entry::Own, now + PATIENCE + MS));
    assert_eq!(silent.in_use(), Some(Entry::Own));
}

#[test]
fn fallbacks_are_tried_in_order_and_a_round_in_vain_is_waited_for() {
    let now = Instant::now();
    let mut machine = down(3, now);
    for n in 0..3 {
        assert_eq!(machine.task(now), Task::Try(n));
        machine.fallback_ended(n, Outcome::Lost, now, 1.0);
    }
    let Task::Wait(Some(until)) = machine.task(now) else {
        panic!("no wait after a whole round");
    };
    assert_eq!(until, now + 500 * MS);
    assert_eq!(machine.task(until), Task::Try(0));
}

#[test]
fn the_own_source_is_back_only_after_it_was_fresh_without_a_break() {
    let start = Instant::now();
    let mut machine = down(1, start);
    assert_eq!(machine.task(start), Task::Try(0));
    assert!(machine.unit(Entry::Fallback(0), start));
    machine.own_begins(start);
    for s in 0..20 {
        assert!(!machine.unit(Entry::Own, start + SECOND * s));
    }
    machine.own_ended(Outcome::Lost);
    assert_eq!(machine.in_use(), Some(Entry::Fallback(0)));
    let again = start + SECOND * 21;
    machine.own_begins(again);
    for s in 0..30 {
        assert!(!machine.unit(Entry::Own, again + SECOND * s), "after {s} s");
    }
    assert!(machine.unit(Entry::Own, again + FRESH_FOR));
    assert_eq!(machine.in_use(), Some(Entry::Own));
    assert_eq!(machine.task(again + FRESH_FOR), Task::Wait(None));
    // The fallback is told to end; that is no failure of it.
    machine.fallback_ended(0, Outcome::Stopped, again + FRESH_FOR, 1.0);
    machine.own_ended(Outcome::Lost);
    assert_eq!(machine.task(again + FRESH_FOR), Task::Try(0));
}

#[test]
fn a_fallback_that_cannot_work_is_left_out_and_the_others_are_not() {
    let now = Instant::now();
    let mut machine = down(2, now);
    assert_eq!(machine.task(now), Task::Try(0));
    machine.fallback_ended(0, Outcome::Impossible, now, 1.0);
    assert_eq!(machine.task(now), Task::Try(1));
    assert!(machine.unit(Entry::Fallback(1), now));
    machine.fallback_ended(1, Outcome::Lost, now, 1.0);
    assert_eq!(machine.task(now + SECOND), Task::Try(1));
}

#[test]
fn a_film_that_is_through_is_shown_again_only_after_the_own_source_was_back() {
    let now = Instant::now();
    let mut machine = down(1, now);
    assert_eq!(machine.task(now), Task::Try(0));
    machine.unit(Entry::Fallback(0), now);
    machine.fallback_ended(0, Outcome::Finished, now, 1.0);
    assert_eq!(machine.in_use(), None);
    assert_eq!(machine.task(now + 1000 * SECOND), Task::Wait(None));
    assert!(machine.unit(Entry::Own, now));
    machine.own_ended(Outcome::Lost);
    assert_eq!(machine.task(now), Task::Try(0));
}

#[test]
fn a_camera_that_is_a_film_ends_with_it_and_one_without_fallbacks_stays_in_use() {
    let now = Instant::now();
    let mut film = Fallbacks::new(1, FRESH_FOR, now);
    film.unit(Entry::Own, now);
    film.own_ended(Outcome::Finished);
    assert_eq!(film.task(now + 1000 * SECOND), Task::Wait(None));
    let alone = down(0, now);
    assert_eq!(alone.in_use(), Some(Entry::Own));
}

#[test]
fn a_slow_fallback_makes_way_once_and_is_waited_for_when_none_delivers() {
    let now = Instant::now();
    let mut machine = down(2, now);
    assert_eq!(machine.task(now), Task::Try(0));
    assert_eq!(machine.patience(), Some(PATIENCE));
    machine.fallback_ended(0, Outcome::Lost, now, 1.0);
    assert_eq!(machine.task(now), Task::Try(1));
    assert_eq!(machine.patience(), None, "the last of the round");
    machine.fallback_ended(1, Outcome::Lost, now, 1.0);
    assert_eq!(machine.task(now + SECOND), Task::Try(0));
    assert_eq!(machine.patience(), None, "a whole round was in vain");
    machine.unit(Entry::Fallback(0), now + SECOND);
    machine.fallback_ended(0, Outcome::Lost, now + SECOND, 1.0);
    assert_eq!(machine.task(now + 2 * SECOND), Task::Try(0));
    assert_eq!(machine.patience(), Some(PATIENCE));
    machine.unit(Entry::Fallback(0), now + 2 * SECOND);
    assert_eq!(machine.patience(), None, "it delivers");
}

#[test]
fn a_source_that_need_not_be_watched_is_back_with_its_first_unit() {
    let now = Instant::now();
    let mut film = Fallbacks::new(1, Duration::ZERO, now);
    film.own_ended(Outcome::Lost);
    assert_eq!(film.task(now), Task::Try(0));
    assert!(film.unit(Entry::Fallback(0), now));
    film.own_begins(now);
    assert!(film.unit(Entry::Own, now));
    assert_eq!(film.in_use(), Some(Entry::Own));
}

#[test]
fn a_new_list_of_fallbacks_is_tried_from_its_beginning() {
    let now = Instant::now();
    let mut machine = down(2, now);
    machine.fallback_ended(0, Outcome::Impossible, now, 1.0);
    assert_eq!(machine.task(now), Task::Try(1));
    machine.unit(Entry::Fallback(1), now);
    machine.set_fallbacks(1);
    machine.fallback_ended(1, Outcome::Stopped, now, 1.0);
    assert_eq!(machine.task(now), Task::Try(0));
    machine.set_fallbacks(0);
    assert_eq!(
        (machine.in_use(), machine.task(now)),
        (Some(Entry::Own), Task::Wait(None))
    );
}

#[test]
fn nothing_is_left_only_when_every_source_is_impossible() {
    let now = Instant::now();
    let mut machine = down(1, now);
    machine.fallback_ended(0, Outcome::Impossible, now, 1.0);
    assert!(!machine.is_hopeless());
    machine.own_begins(now);
    machine.own_ended(Outcome::Impossible);
    assert!(machine.is_hopeless());
    assert!(!Fallbacks::new(0, FRESH_FOR, now).is_hopeless());
}

#[derive(Debug, Clone, Copy)]
enum Event {
    OwnUnit,
    OwnEnds(Outcome),
    Unit,
    Ends(Outcome),
    Nothing,
}

fn events() -> impl Strategy<Value = Vec<(Event, u64)>> {
    let outcome = || {
        prop::sample::select(vec![
            Outcome::Lost,
            Outcome::Impossible,
            Outcome::Finished,
            Outcome::Stopped,
        ])
    };
    let event = prop_oneof![
        4 => Just(Event::OwnUnit),
        1 => outcome().prop_map(Event::OwnEnds),
        4 => Just(Event::Unit),
        2 => outcome().prop_map(Event::Ends),
        2 => Just(Event::Nothing),
    ];
    prop::collection::vec((event, 0_u64..8000), 1..200)
}

proptest! {
    /// Plays the two threads: whatever happens, a fallback is run only while the own source is out of use, and makes
    /// room for it only after 30 s of freshness or when it delivers nothing itself.
    #[test]
    fn in_every_history_the_rules_hold(events in events(), fallbacks in 0_usize..4) {
        let mut now = Instant::now();
        let mut machine = Fallbacks::new(fallbacks, FRESH_FOR, now);
        let (mut own, mut fresh_since, mut impossible) = (true, None, false);
        let mut running: Option<usize> = None;
        let mut attempts_at_once = 0;
        for (event, wait) in events {
            now += MS * wait as u32;
            if !own && !impossible {
                machine.own_begins(now);
                own = true;
            }
            let before = machine.in_use();
            match event {
                Event::OwnUnit if own => {
                    let since = *fresh_since.get_or_insert(now);
                    let back = machine.unit(Entry::Own, now);
                    if back {
                        let waited = now - since >= FRESH_FOR;
                        prop_assert!(waited || before.is_none());
                        if let Some(n) = running.take() {
                            machine.fallback_ended(n, Outcome::Stopped, now, 0.5);
                        }
                    }
                    prop_assert!(machine.in_use().is_some(), "it delivers, yet nothing is in use");
                }
                Event::OwnEnds(outcome) if own => {
                    machine.own_ended(outcome);
                    own = false;
                    fresh_since = None;
                    impossible |= matches!(outcome, Outcome::Impossible | Outcome::Finished);
                    // A film that is through leaves nothing to do.
                    if outcome == Outcome::Finished {
                        return Ok(());
                    }
                }
                Event::Unit => if let Some(n) = running {
                    machine.unit(Entry::Fallback(n), now);
                    prop_assert!(machine.in_use().is_some());
                },
                Event::Ends(outcome) => if let Some(n) = running.take() {
                    machine.fallback_ended(n, outcome, now, 0.5);
                    prop_assert_ne!(machine.in_use(), Some(Entry::Fallback(n)));
                },
                Event::OwnUnit | Event::OwnEnds(_) | Event::Nothing => {}
            }
            attempts_at_once = if wait == 0 { attempts_at_once } else { 0 };
            if running.is_none() {
                match machine.task(now) {
                    Task::Try(n) => {
                        prop_assert!(n < fallbacks);
                        prop_assert_ne!(machine.in_use(), Some(Entry::Own));
                        running = Some(n);
                        attempts_at_once += 1;
                        prop_assert!(attempts_at_once <= fallbacks + 1, "a tight loop of attempts");
                    }
                    Task::Wait(Some(until)) => prop_assert!(until > now && until <= now + SECOND * 30),
                    Task::Wait(None) => {}
                }
            }
            if let Some(Entry::Fallback(n)) = machine.in_use() {
                prop_assert_eq!(running, Some(n));
            }
            prop_assert!(!machine.is_hopeless() || impossible);
        }
    }
}
