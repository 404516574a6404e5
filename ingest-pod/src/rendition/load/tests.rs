use proptest::prelude::*;
use streamhub_crds::Rendition;

use super::*;

const HD: Size = Size::new(1280, 720);

fn rendition(text: &str) -> Rendition {
    serde_saphyr::from_str(text).unwrap()
}

fn basis(source: &str, passed_through: bool) -> Basis {
    Basis {
        source: source.into(),
        full: HD,
        passed_through,
    }
}

/// A machine on which a frame without reductions is so many times an interval's work, `crowd` times slower than
/// alone.
#[derive(Debug, Clone, Copy)]
struct Machine {
    work: f64,
    crowd: f64,
}

/// A rendition at work: the frames that come, the thread that takes the newest.
struct Rig {
    load: Load,
    now: Instant,
    begin: Instant,
    interval: Duration,
    id: u64,
    full: f64,
    log: Vec<(f64, Change, InForce)>,
}

impl Rig {
    fn new(rendition: &Rendition) -> Self {
        let load = Load::new(rendition, basis("rtsp://door/", false));
        let now = Instant::now();
        Self {
            full: load.in_force().cost(),
            load,
            now,
            begin: now,
            interval: rendition.fps.interval(),
            id: 0,
            log: Vec::new(),
        }
    }

    /// So many seconds on a machine; `noise` scales the work of each frame.
    fn run(&mut self, seconds: f64, machine: Machine, mut noise: impl FnMut() -> f64) {
        let end = self.now + Duration::from_secs_f64(seconds);
        let mut free = self.now;
        let mut due = self.now;
        while self.now < end {
            let force = self.load.in_force();
            let interval = self.interval * force.every;
            // Those that came while the thread was busy but for the newest are gone.
            while due + interval <= free {
                due += interval;
                self.id += 1;
            }
            let start = free.max(due);
            // A frame's work, not the work per second.
            let share = force.cost() * f64::from(force.every) / self.full;
            let alone = self.interval.mul_f64(machine.work * share * noise());
            let took = alone.mul_f64(machine.crowd);
            self.load.taken(1, self.id, start);
            free = start + took;
            let work = Work {
                took,
                cpu: alone,
                age: Some(free - due + Duration::from_millis(40)),
                decoder_late: 0,
            };
            if let Some(change) = self.load.worked(work, interval, free) {
                let at = (free - self.begin).as_secs_f64();
                self.log.push((at, change, self.load.in_force()));
            }
            due += interval;
            self.id += 1;
            self.now = free.max(due);
        }
    }

    fn steadily(&mut self, seconds: f64, work: f64, crowd: f64) {
        self.run(seconds, Machine { work, crowd }, || 1.0);
    }
}

#[test]
fn quality_goes_first_then_rate_then_size_and_each_has_its_floor() {
    let steps = ladder(&rendition("{name: main, fps: 15, quality: 80}"), HD, false);
    let seen: Vec<_> = steps
        .iter()
        .map(|s| (s.quality, s.every, s.size.width))
        .collect();
    assert_eq!(
        seen,
        [
            (80, 1, 1280),
            (60, 1, 1280),
            (45, 1, 1280),
            (40, 1, 1280),
            (40, 2, 1280),
            (40, 3, 1280),
            (40, 3, 960),
            (40, 3, 720),
            (40, 3, 640)
        ]
    );
    let kept = "{name: main, fps: 30, quality: 70, floor: {quality: 70, fps: 6, width: 1000}}";
    let steps = ladder(&rendition(kept), HD, false);
    let seen: Vec<_> = steps
        .iter()
        .map(|s| (s.quality, s.every, s.size.width))
        .collect();
    assert_eq!(
        seen,
        [
            (70, 1, 1280),
            (70, 2, 1280),
            (70, 3, 1280),
            (70, 4, 1280),
            (70, 5, 1280),
            (70, 5, 1000)
        ]
    );
    let all = "{name: main, fps: 30, quality: 30, floor: {quality: 90, fps: 60, width: 4096}}";
    assert_eq!(ladder(&rendition(all), HD, false).len(), 1, "never reduced");
}

#[test]
fn of_a_jpeg_that_is_passed_through_only_the_rate_goes_down() {
    let steps = ladder(&rendition("{name: main, fps: 15}"), HD, true);
    let seen: Vec<_> = steps
        .iter()
        .map(|s| (s.quality, s.every, s.size.width))
        .collect();
    assert_eq!(seen, [(80, 1, 1280), (80, 2, 1280), (80, 3, 1280)]);
}

#[test]
fn a_machine_with_room_changes_nothing() {
    let mut rig = Rig::new(&rendition("{name: main, fps: 15}"));
    rig.steadily(600.0, 0.6, 1.0);
    assert_eq!(rig.log, []);
}

#[test]
fn an_overloaded_machine_takes_steps_until_it_keeps_up_and_gives_them_back() {
    let mut rig = Rig::new(&rendition("{name: main, fps: 15}"));
    rig.steadily(60.0, 0.4, 4.0);
    let reduced: Vec<_> = rig.log.drain(..).collect();
    assert!(
        reduced
            .iter()
            .all(|(_, change, _)| *change == Change::Reduced)
    );
    let (at, _, force) = reduced.last().unwrap();
    assert!(*at < 20.0, "{reduced:?}");
    assert_eq!(
        (force.quality, force.every),
        (40, 2),
        "no more than it needs"
    );
    rig.steadily(60.0, 0.4, 1.0);
    let restored: Vec<_> = rig.log.iter().map(|(_, change, _)| *change).collect();
    assert_eq!(restored.len(), reduced.len());
    assert_eq!(restored.last(), Some(&Change::Restored));
    assert_eq!(rig.load.level(), 0);
}

#[test]
fn an_attempt_that_fails_is_made_ever_more_seldom() {
    let mut rig = Rig::new(&rendition(
        "{name: main, fps: 15, quality: 40, floor: {width: 4096}}",
    ));
    // At half the rate there seems to be room; at the whole one there is none.
    let mut until = 0.0;
    for _ in 0..3600 {
        let whole = rig.load.level() == 0;
        rig.steadily(1.0, if whole { 1.2 } else { 0.5 }, 1.0);
        until += 1.0;
    }
    assert!(until > 3599.0);
    assert!(rig.log.len() <= 40, "{} changes in an hour", rig.log.len());
}

#[test]
fn frames_that_come_late_or_in_bursts_to_an_idle_thread_are_not_the_machines_fault() {
    let mut load = Load::new(
        &rendition("{name: main, fps: 15}"),
        basis("rtsp://door/", false),
    );
    let (mut now, interval) = (Instant::now(), Duration::from_millis(66));
    for n in 0..2000_u64 {
        // Of each three due frames two are overtaken, and all are late from the hundredth on.
        load.taken(1, n * 3, now);
        let work = Work {
            took: Duration::from_millis(6),
            cpu: Duration::from_millis(5),
            age: Some(Duration::from_millis(if n < 100 { 40 } else { 1500 })),
            decoder_late: n / 10,
        };
        assert_eq!(load.worked(work, interval, now), None);
        now += interval * 3;
    }
    // The same on a thread that waits for the CPU.
    let mut reduced = 0;
    for n in 2000..2100_u64 {
        load.taken(1, n * 3, now);
        let work = Work {
            took: Duration::from_millis(16),
            cpu: Duration::from_millis(5),
            age: Some(Duration::from_millis(1500)),
            decoder_late: 0,
        };
        reduced += usize::from(load.worked(work, interval, now) == Some(Change::Reduced));
        now += interval * 3;
    }
    assert!(reduced > 2, "{reduced}");
}

#[test]
fn silence_and_a_new_epoch_say_nothing() {
    let mut load = Load::new(
        &rendition("{name: main, fps: 15}"),
        basis("rtsp://door/", false),
    );
    let (mut now, interval) = (Instant::now(), Duration::from_millis(66));
    let work = Work {
        took: Duration::from_millis(60),
        cpu: Duration::from_millis(20),
        age: None,
        decoder_late: 0,
    };
    for epoch in 1..1000 {
        // Ids jump with each epoch, and one frame comes in ten seconds.
        load.taken(epoch, epoch * 1_000_000, now);
        assert_eq!(load.worked(work, interval, now), None);
        now += Duration::from_secs(10);
    }
}

#[test]
fn what_was_taken_away_comes_back_while_hardly_a_frame_is_due() {
    let mut rig = Rig::new(&rendition("{name: main, fps: 15}"));
    rig.steadily(60.0, 0.8, 20.0);
    let level = rig.load.level();
    assert!(level > 1);
    let work = Work {
        took: Duration::from_millis(60),
        cpu: Duration::from_millis(20),
        age: None,
        decoder_late: 0,
    };
    let mut now = rig.now;
    let mut changes = Vec::new();
    // Nobody listens: a key frame every ten seconds is tried.
    for id in 0..20 {
        now += Duration::from_secs(10);
        rig.load.taken(2, id, now);
        changes.extend(rig.load.worked(work, rig.interval, now));
    }
    assert_eq!(rig.load.level(), 0);
    assert_eq!(changes.len(), level);
    assert_eq!(changes.last(), Some(&Change::Restored));
}

#[test]
fn the_level_is_kept_when_the_rendition_is_changed() {
    let before = rendition("{name: main, fps: 15}");
    let mut rig = Rig::new(&before);
    rig.steadily(60.0, 0.8, 20.0);
    assert_eq!(
        rig.load.in_force(),
        *ladder(&before, HD, false).last().unwrap()
    );
    let kept = rendition("{name: main, fps: 15, floor: {quality: 80, fps: 15}}");
    assert_eq!(rig.load.follow(&kept, basis("rtsp://door/", false)), None);
    let force = rig.load.in_force();
    assert_eq!((force.quality, force.every, force.size.width), (80, 1, 640));
}

#[test]
fn another_source_and_one_that_is_passed_through_begin_unreduced() {
    let main = rendition("{name: main, fps: 15}");
    for (after, kept) in [
        (basis("rtsp://door/", false), true),
        (basis("rtsp://yard/", false), false),
        (basis("rtsp://door/", true), false),
    ] {
        let mut rig = Rig::new(&main);
        rig.steadily(8.0, 0.8, 20.0);
        let level = rig.load.level();
        assert!(level > 1, "{level}");
        let change = rig.load.follow(&main, after.clone());
        assert_eq!(rig.load.level(), if kept { level } else { 0 }, "{after:?}");
        assert_eq!(change, (!kept).then_some(Change::Restored));
    }
}

#[test]
fn a_floor_that_leaves_nothing_to_take_away_restores() {
    let mut rig = Rig::new(&rendition("{name: main, fps: 15}"));
    rig.steadily(8.0, 0.8, 20.0);
    assert!(rig.load.level() > 0);
    let all = rendition("{name: main, fps: 15, floor: {quality: 100, fps: 15, width: 4096}}");
    let change = rig.load.follow(&all, basis("rtsp://door/", false));
    assert_eq!((rig.load.level(), change), (0, Some(Change::Restored)));
}

fn any_rendition() -> impl Strategy<Value = Rendition> {
    let floor = prop::option::of((1..=100_u8, 1..=60_u32, 8..1000_u32));
    (1..=60_u32, 1..=100_u8, floor).prop_map(|(fps, quality, floor)| {
        let floor = floor.map_or(String::new(), |(quality, fps, width)| {
            format!(
                ", floor: {{quality: {quality}, fps: {fps}, width: {}}}",
                width * 2
            )
        });
        rendition(&format!(
            "{{name: main, fps: {fps}, quality: {quality}{floor}}}"
        ))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn never_below_a_floor_and_in_order_down_and_up(
        rendition in any_rendition(),
        phases in prop::collection::vec((1.0..40.0, 0.05..1.5, 1.0..8.0), 1..8),
        noise in prop::collection::vec(0.5..2.0, 1..50),
    ) {
        let mut rig = Rig::new(&rendition);
        let mut nth = 0;
        for (seconds, work, crowd) in phases {
            rig.run(seconds, Machine { work, crowd }, || {
                nth += 1;
                noise[nth % noise.len()]
            });
        }
        let mut before = ladder(&rendition, HD, false)[0];
        for (_, change, force) in &rig.log {
            prop_assert!(force.quality >= rendition.lowest_quality().get());
            prop_assert!(force.size.width >= rendition.lowest_width(HD.width));
            let fps = rendition.fps.as_f64() / f64::from(force.every);
            prop_assert!(fps >= rendition.lowest_fps().as_f64() - 1e-9);
            let (less, more) = if *change == Change::Reduced { (*force, before) } else { (before, *force) };
            // One part at a time, and rate only when quality is at its floor, size only when both are.
            let parts = [less.quality < more.quality, less.every > more.every, less.size.width < more.size.width];
            prop_assert_eq!(parts.iter().filter(|part| **part).count(), 1);
            if !parts[0] {
                prop_assert_eq!(more.quality, rendition.lowest_quality().get());
            }
            if parts[2] {
                prop_assert_eq!(more.every, less.every);
                let next = rendition.fps.as_f64() / f64::from(more.every + 1);
                prop_assert!(next < rendition.lowest_fps().as_f64());
            }
            before = *force;
        }
    }

    #[test]
    fn in_steady_load_changes_are_few(
        rendition in any_rendition(),
        work in 0.05..3.0,
        crowd in 1.0..4.0,
        noise in prop::collection::vec(0.8..1.25, 1..50),
    ) {
        let mut rig = Rig::new(&rendition);
        let mut nth = 0;
        let mut noise = || {
            nth += 1;
            noise[nth % noise.len()]
        };
        rig.run(120.0, Machine { work, crowd }, &mut noise);
        let settled = rig.log.len();
        rig.run(1800.0, Machine { work, crowd }, &mut noise);
        prop_assert!(rig.log.len() - settled <= 24, "{:?}", rig.log);
    }
}
