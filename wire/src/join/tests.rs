use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::tick::{Offer, RateGate, TickGrid};

const SECOND_US: i64 = 1_000_000;
const BEGIN_US: i64 = 1_795_000_000 * SECOND_US;

/// A frame of a simulated camera: the number of the instant that it shows.
#[derive(Debug, Clone, Copy)]
struct Shot {
    camera: usize,
    number: i64,
    true_us: i64,
    moment: Moment,
    arrives_us: i64,
}

/// A camera that takes a picture every `every_us` at the same instants as all others.
#[derive(Debug, Clone)]
struct Camera {
    fps: u32,
    every_us: i64,
    /// From the common instants to its own.
    phase_us: i64,
    /// Each timestamp is off by up to so much; the fractions are used in turn.
    jitter_us: i64,
    noise: Vec<f64>,
    /// From capture to arrival.
    delay_us: i64,
    /// Of each hundred frames these are lost.
    lost: BTreeSet<i64>,
}

impl Camera {
    fn exact(fps: u32) -> Self {
        Self {
            fps,
            every_us: SECOND_US / i64::from(fps),
            phase_us: 0,
            jitter_us: 0,
            noise: vec![0.0],
            delay_us: 20_000,
            lost: BTreeSet::new(),
        }
    }

    fn shots(&self, camera: usize, seconds: i64) -> Vec<Shot> {
        let grid = TickGrid::new(self.fps, 1).unwrap();
        let mut gate = RateGate::new(grid);
        (0..seconds * SECOND_US / self.every_us)
            .filter(|number| !self.lost.contains(&(number % 100)))
            .filter_map(|number| {
                let true_us = BEGIN_US + self.phase_us + number * self.every_us;
                let noise = self.noise[number as usize % self.noise.len()];
                let timestamp_us = true_us + (noise * self.jitter_us as f64) as i64;
                let Offer::Due { tick_us, .. } = gate.offer(timestamp_us) else {
                    return None;
                };
                Some(Shot {
                    camera,
                    number,
                    true_us,
                    moment: Moment {
                        tick_us,
                        timestamp_us,
                        epoch: 1,
                        frame_id: number.cast_unsigned(),
                        interval_us: grid.interval_us(),
                    },
                    arrives_us: true_us + self.delay_us,
                })
            })
            .collect()
    }
}

/// A set with the time at which it was handed out.
type Handed = (i64, Set<Shot>);

/// Plays the cameras for so many seconds, and a while after the last frame.
fn play(cameras: &[Camera], seconds: i64, options: JoinOptions) -> (Vec<Handed>, JoinCounts) {
    let mut shots: Vec<Shot> = cameras
        .iter()
        .enumerate()
        .flat_map(|(at, camera)| camera.shots(at, seconds))
        .collect();
    shots.sort_by_key(|shot| shot.arrives_us);
    join(cameras.len(), &shots, options)
}

fn join(cameras: usize, shots: &[Shot], options: JoinOptions) -> (Vec<Handed>, JoinCounts) {
    let start = Instant::now();
    let at = |us: i64| start + Duration::from_micros((us - BEGIN_US + SECOND_US).cast_unsigned());
    let mut joiner = Joiner::new(cameras, options);
    let mut handed = Vec::new();
    for (nth, shot) in shots.iter().enumerate() {
        joiner.offer(shot.camera, shot.moment, *shot, at(shot.arrives_us));
        let mut now_us = shot.arrives_us;
        let next_us = shots.get(nth + 1).map_or(i64::MAX, |next| next.arrives_us);
        loop {
            while let Some(set) = joiner.next(at(now_us)) {
                handed.push((now_us, set));
            }
            let waiting: usize = joiner.lanes.iter().map(Lane::len).sum();
            assert!(waiting <= cameras * 64, "{waiting} frames wait");
            let Some(deadline) = joiner.deadline() else {
                break;
            };
            let deadline_us = (deadline - start).as_micros() as i64 + BEGIN_US - SECOND_US;
            assert!(deadline_us > now_us, "a deadline that has passed");
            if deadline_us >= next_us {
                break;
            }
            now_us = deadline_us;
        }
    }
    (handed, joiner.counts())
}

fn whole(set: &Set<Shot>) -> Vec<Shot> {
    set.frames.iter().flatten().copied().collect()
}

#[test]
fn cameras_of_one_rate_are_joined_frame_by_frame_and_at_once() {
    let (sets, counts) = play(
        &[Camera::exact(15), Camera::exact(15)],
        20,
        JoinOptions::default(),
    );
    assert_eq!(sets.len(), 300);
    assert_eq!(
        counts,
        JoinCounts {
            sets: 300,
            ..JoinCounts::default()
        }
    );
    for (at_us, set) in &sets {
        let shots = whole(set);
        assert_eq!(shots[0].number, shots[1].number);
        assert_eq!(*at_us, shots[1].arrives_us, "no wait");
    }
}

#[test]
fn frames_of_one_instant_find_each_other_on_both_sides_of_a_tick() {
    // Both take their pictures half-way between two ticks: the first one's go to the tick before, the other's to the one after.
    let half = SECOND_US / 30;
    let early = Camera {
        phase_us: half - 3000,
        ..Camera::exact(15)
    };
    let late = Camera {
        phase_us: half + 3000,
        ..Camera::exact(15)
    };
    let (sets, _) = play(&[early, late], 20, JoinOptions::default());
    assert!(sets.len() >= 299, "{}", sets.len());
    for (_, set) in &sets {
        let shots = whole(set);
        let apart_us = shots[1].moment.tick_us - shots[0].moment.tick_us;
        assert!((66_666..=66_667).contains(&apart_us), "{shots:?}");
        assert_eq!(shots[0].number, shots[1].number);
    }
}

#[test]
fn the_slowest_camera_paces_the_sets() {
    for fast in [30, 60, 20] {
        let (sets, counts) = play(
            &[Camera::exact(fast), Camera::exact(10)],
            10,
            JoinOptions::default(),
        );
        assert_eq!(sets.len(), 100, "{fast}");
        assert_eq!(counts.unused, 10 * u64::from(fast) - 100, "{fast}");
        for (_, set) in &sets {
            let shots = whole(set);
            assert!((shots[0].true_us - shots[1].true_us).abs() <= SECOND_US / 20 + 1);
        }
    }
    // One whose rendition may be fast, but that is not.
    let slow = Camera {
        every_us: SECOND_US / 5,
        ..Camera::exact(30)
    };
    let (sets, _) = play(&[Camera::exact(30), slow], 20, JoinOptions::default());
    assert!((98..=106).contains(&sets.len()), "{}", sets.len());
}

#[test]
fn a_lost_frame_costs_one_set_and_shifts_none() {
    for missing in [Incomplete::Drop, Incomplete::Emit] {
        let loser = Camera {
            lost: BTreeSet::from([10, 40, 41, 77]),
            ..Camera::exact(25)
        };
        let options = JoinOptions {
            incomplete: missing,
            ..JoinOptions::default()
        };
        for cameras in [
            [Camera::exact(25), loser.clone()],
            [loser, Camera::exact(25)],
        ] {
            let (sets, counts) = play(&cameras, 8, options);
            let complete = sets.iter().filter(|(_, set)| whole(set).len() == 2);
            assert_eq!(complete.clone().count(), 192, "{counts:?}");
            for (_, set) in complete {
                let shots = whole(set);
                assert_eq!(shots[0].number, shots[1].number);
            }
        }
    }
}

#[test]
fn a_camera_that_is_down_holds_the_others_for_the_deadline_and_no_longer() {
    for (name, down) in [("the one that paces", 0), ("another", 1)] {
        let mut shots: Vec<Shot> = (0..3)
            .flat_map(|at| Camera::exact(20).shots(at, 12))
            .collect();
        // Silent from the fourth to the eighth second.
        shots.retain(|shot| shot.camera != down || !(80..160).contains(&shot.number));
        shots.sort_by_key(|shot| shot.arrives_us);
        let max_wait = Duration::from_millis(300);
        let options = JoinOptions {
            max_wait,
            incomplete: Incomplete::Emit,
        };
        let (sets, _) = join(3, &shots, options);
        assert!(sets.len() >= 239, "{name}: {}", sets.len());
        let mut waits = Vec::new();
        for (at_us, set) in &sets {
            let shots = whole(set);
            let silent = (80..160).contains(&shots[0].number);
            assert_eq!(shots.len(), if silent { 2 } else { 3 }, "{name}: {set:?}");
            assert!(shots.iter().all(|shot| shot.number == shots[0].number));
            waits.push((
                silent,
                at_us - shots.iter().map(|shot| shot.arrives_us).max().unwrap(),
            ));
        }
        let longest = waits.iter().map(|(_, wait)| *wait).max().unwrap();
        assert!(longest <= max_wait.as_micros() as i64, "{name}: {longest}");
        let held = waits
            .iter()
            .filter(|(silent, wait)| *silent && *wait > 0)
            .count();
        assert!(
            held <= 7,
            "{name}: {held} sets waited, though the camera was known to be down"
        );
    }
}

#[test]
fn one_that_never_came_is_waited_for_once() {
    let shots = Camera::exact(20).shots(0, 5);
    let options = JoinOptions {
        incomplete: Incomplete::Emit,
        ..JoinOptions::default()
    };
    let (sets, _) = join(2, &shots, options);
    assert_eq!(sets.len(), 100);
    assert_eq!(sets[99].0, shots[99].arrives_us);
    let (sets, counts) = join(2, &shots, JoinOptions::default());
    assert_eq!((sets.len(), counts.incomplete), (0, 100));
}

#[test]
fn a_new_epoch_begins_anew_and_old_or_senseless_frames_are_passed_over() {
    let moment = |epoch, frame_id, tick_us| Moment {
        tick_us,
        timestamp_us: tick_us,
        epoch,
        frame_id,
        interval_us: 40_000.0,
    };
    let now = Instant::now();
    let mut joiner = Joiner::new(2, JoinOptions::default());
    joiner.offer(0, moment(9, 1, 1_000_000), 'a', now);
    joiner.offer(0, moment(9, 2, 1_000_000), 'b', now);
    joiner.offer(0, moment(10, 1, 2_000_000), 'c', now);
    joiner.offer(
        0,
        Moment {
            interval_us: f64::INFINITY,
            ..moment(9, 3, 2_000_000)
        },
        'd',
        now,
    );
    joiner.offer(7, moment(9, 1, 1_000_000), 'e', now);
    joiner.offer(1, moment(9, 1, 1_000_000), 'f', now);
    let set = joiner.next(now).unwrap();
    assert_eq!(set.frames, [Some('a'), Some('f')]);
    // The clock of the first one's machine was set back by half a second; the other's pod begins anew on a machine
    // whose clock is behind.
    joiner.offer(0, moment(9, 4, 1_040_000), 'g', now);
    joiner.offer(0, moment(10, 5, 540_000), 'h', now);
    joiner.offer(1, moment(3, 5, 540_000), 'i', now);
    assert_eq!(joiner.next(now).unwrap().frames, [Some('h'), Some('i')]);
    assert_eq!(joiner.counts().unused, 4);
}

prop_compose! {
    fn any_camera(fps: u32)(
        phase in 0..SECOND_US,
        jitter in 0.0..0.2,
        noise in prop::collection::vec(-1.0..1.0, 7..40),
        delay_us in 0..150_000_i64,
        lost in prop::collection::btree_set(0..100_i64, 0..12),
    ) -> Camera {
        let every_us = SECOND_US / i64::from(fps);
        Camera {
            fps,
            every_us,
            phase_us: phase % every_us,
            jitter_us: (jitter * every_us as f64) as i64,
            noise,
            delay_us,
            lost,
        }
    }
}

fn cameras() -> impl Strategy<Value = Vec<Camera>> {
    prop::collection::vec(
        prop::sample::select(vec![5_u32, 10, 15, 30]).prop_flat_map(any_camera),
        2..5,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn sets_are_of_one_instant_and_in_order(cameras in cameras(), emit: bool) {
        let incomplete = if emit { Incomplete::Emit } else { Incomplete::Drop };
        let options = JoinOptions { incomplete, ..JoinOptions::default() };
        let (sets, _) = play(&cameras, 10, options);
        let slowest_us = 1e6 / f64::from(cameras.iter().map(|camera| camera.fps).min().unwrap());
        let mut last = vec![i64::MIN; cameras.len()];
        for (at_us, set) in &sets {
            prop_assert!(emit || set.frames.iter().all(Option::is_some));
            for shot in whole(set) {
                prop_assert!(shot.number > last[shot.camera], "twice or out of order");
                last[shot.camera] = shot.number;
                let off_us = (shot.moment.tick_us - set.tick_us).abs() as f64;
                prop_assert!(off_us <= slowest_us + 1.0, "{off_us}");
                let waited_us = at_us - shot.arrives_us;
                prop_assert!(waited_us as f64 <= 500_000_f64.max(4.0 * slowest_us) + slowest_us + 150_000.0, "{waited_us}");
            }
        }
    }

    /// All cameras see the same instants, each with its own jitter, delay and losses: joined frames show the same one.
    #[test]
    fn frames_of_one_instant_are_joined(
        mut cameras in prop::collection::vec(any_camera(25), 2..5),
        losses: bool,
    ) {
        let phase_us = cameras[0].phase_us;
        for camera in &mut cameras {
            camera.phase_us = phase_us;
            if !losses {
                camera.lost.clear();
            }
        }
        let (sets, _) = play(&cameras, 20, JoinOptions::default());
        // Where one has lost its frame, the nearest is another one's.
        let seen_by_all = |number: i64| cameras.iter().all(|camera| !camera.lost.contains(&(number % 100)));
        let due = (0..500).filter(|number| seen_by_all(*number)).count();
        let (mut equal, mut unequal) = (0, 0);
        for (_, set) in &sets {
            let shots = whole(set);
            // Of the camera that paces each is at most one frame off.
            let numbers: Vec<i64> = shots.iter().map(|shot| shot.number).collect();
            let paced = numbers.iter().any(|pace| numbers.iter().all(|n| n.abs_diff(*pace) <= 1));
            prop_assert!(paced, "{numbers:?}");
            if shots.iter().all(|shot| shot.number == shots[0].number) {
                equal += 1;
            } else if seen_by_all(shots[0].number) {
                unequal += 1;
            }
        }
        // The mean of ticks against timestamps needs some frames.
        prop_assert!(equal + 10 >= due && unequal <= 5, "{equal} equal, {unequal} not, {due} due");
    }
}
