use super::*;
use proptest::prelude::*;

const FRAME: Duration = Duration::from_millis(40);

/// A camera, its decoder behind the gate, and what is seen of it. An access unit is its number.
struct Film {
    gop: Gop<u32>,
    start: Instant,
    /// Key frames every so many.
    keys: u32,
    next: u32,
    /// What the decoder got, in order.
    decoded: Vec<u32>,
    /// Pictures that were shown, and the number of the live unit then.
    shown: Vec<(u32, u32)>,
    probes: u32,
    probe: Probed,
}

impl Film {
    fn new(keys: u32) -> Self {
        Self {
            gop: Gop::default(),
            start: Instant::now(),
            keys,
            next: 0,
            decoded: Vec::new(),
            shown: Vec::new(),
            probes: 0,
            probe: Probed::Picture,
        }
    }

    fn unit(&self, lag: Duration) -> Unit {
        Unit {
            key: self.next.is_multiple_of(self.keys),
            bytes: 1_000,
            pts: Some(u64::from(self.next)),
            lag,
        }
    }

    fn step(&mut self, want: Want) {
        let (n, unit) = (self.next, self.unit(Duration::ZERO));
        let mut fed = match self.gop.offer(unit, || n, want, self.start + FRAME * n) {
            Step::Hold | Step::GiveUp => vec![],
            Step::Decode => vec![n],
            Step::CatchUp(kept) => kept.into_iter().chain([n]).collect(),
            Step::Probe => {
                self.probes += 1;
                self.gop.probed(self.probe, unit.bytes, || n);
                vec![n]
            }
        };
        for picture in &fed {
            if self.gop.shows(Some(u64::from(*picture))) {
                self.shown.push((*picture, n));
            }
        }
        self.decoded.append(&mut fed);
        self.next += 1;
    }

    fn steps(&mut self, count: u32, want: Want) {
        for _ in 0..count {
            self.step(want);
        }
    }

    /// Whether each access unit that was decoded came right behind the one that it refers to.
    fn is_sound(&self) -> bool {
        let mut before = None;
        self.decoded.iter().all(|n| {
            let whole = n.is_multiple_of(self.keys) || before == Some(n - 1);
            before = Some(*n);
            whole
        })
    }

    fn only_live_pictures(&self) -> bool {
        self.shown.iter().all(|(picture, live)| picture == live)
    }
}

#[test]
fn asleep_only_the_key_frames_of_probes_are_decoded_and_a_wake_shows_the_live_picture_at_once() {
    for probe in [Probed::Picture, Probed::AfterDrain] {
        let mut film = Film::new(100);
        film.probe = probe;
        film.steps(101, Want::All);
        film.steps(49, Want::Nothing);
        film.steps(300, Want::Probe);
        assert_eq!((film.probes, film.decoded.len()), (3, 104));
        film.step(Want::All);
        let behind = film.next - 1;
        assert_eq!(film.shown.last(), Some(&(behind, behind)));
        film.steps(200, Want::All);
        assert!(film.is_sound() && film.only_live_pictures());
        // Probes and the live ones: nothing was shown twice, nothing old.
        assert_eq!(film.shown.len(), 101 + 3 + 201);
    }
}

#[test]
fn a_wake_within_the_group_in_which_it_fell_asleep_goes_on_where_the_decoder_stood() {
    let mut film = Film::new(100);
    film.steps(110, Want::All);
    film.steps(20, Want::Nothing);
    film.steps(5, Want::All);
    assert_eq!(film.decoded, (0..135).collect::<Vec<_>>());
    assert!(film.only_live_pictures());
}

#[test]
fn a_camera_without_key_frames_or_with_rare_ones_never_sleeps() {
    for keys in [u32::MAX, 300] {
        let mut film = Film::new(keys);
        film.steps(3_000, Want::Nothing);
        assert_eq!(film.decoded.len(), 3_000, "a key frame every {keys}");
    }
}

#[test]
fn a_camera_whose_key_frames_cease_is_decoded_again_after_ten_seconds() {
    let mut film = Film::new(50);
    film.steps(101, Want::Nothing);
    film.keys = u32::MAX;
    film.steps(1_000, Want::Nothing);
    let last = film.next - 1;
    assert_eq!(film.decoded.last(), Some(&last));
    assert!(film.only_live_pictures());
}

#[test]
fn a_decoder_that_shows_nothing_of_three_key_frames_is_never_put_to_sleep_again() {
    let mut film = Film::new(50);
    film.probe = Probed::Nothing;
    film.steps(300, Want::Probe);
    assert_eq!(film.probes, TRIES);
    assert!(film.is_sound());
    assert_eq!(film.decoded.last(), Some(&299));
}

#[test]
fn what_is_too_much_to_keep_is_given_up_until_the_next_key_frame() {
    let mut gop = Gop::default();
    let now = Instant::now();
    let unit = |key, pts| Unit {
        key,
        bytes: MOST_BYTES / 10,
        pts: Some(pts),
        lag: Duration::ZERO,
    };
    gop.offer(unit(true, 0), || 0, Want::Nothing, now);
    gop.offer(unit(true, 1), || 1, Want::Nothing, now);
    for n in 2..40 {
        assert_eq!(
            gop.offer(unit(false, n), || n, Want::Nothing, now),
            Step::Hold
        );
        assert!(gop.kept_bytes <= MOST_BYTES && gop.kept.len() <= 10);
    }
    assert_eq!(
        gop.offer(unit(false, 40), || 40, Want::All, now),
        Step::GiveUp
    );
    assert_eq!(
        gop.offer(unit(true, 41), || 41, Want::All, now),
        Step::Decode
    );
    assert_eq!(
        gop.offer(unit(false, 42), || 42, Want::All, now),
        Step::Decode
    );
    assert!(gop.shows(Some(42)));
}

#[test]
fn pictures_stay_hidden_until_decoding_has_caught_up_and_no_longer_than_five_seconds() {
    for recovers in [true, false] {
        let mut film = Film::new(100);
        film.steps(101, Want::All);
        film.steps(60, Want::Nothing);
        film.step(Want::All);
        let (woken, mut shown) = (film.next, None);
        for n in 0..200 {
            let at = film.start + FRAME * film.next;
            let lag = if recovers && n > 30 {
                CAUGHT_UP
            } else {
                CAUGHT_UP * 2
            };
            let (number, unit) = (film.next, film.unit(lag));
            assert!(matches!(
                film.gop.offer(unit, || number, Want::All, at),
                Step::Decode
            ));
            // The decoder is one picture behind.
            if film.gop.shows(Some(u64::from(number - 1))) && n > 0 {
                shown.get_or_insert(number - woken);
            }
            film.next += 1;
        }
        let expected = if recovers { 31..=33 } else { 125..=128 };
        assert!(expected.contains(&shown.unwrap()), "{shown:?}");
        assert!(!film.gop.is_catching_up());
    }
}

#[test]
fn pictures_without_time_and_more_than_were_kept_are_shown() {
    let mut film = Film::new(50);
    film.steps(120, Want::Nothing);
    film.step(Want::All);
    film.gop.hide(Some(1_000), 3);
    assert_eq!(
        [1, 2, 3, 4, 5].map(|pts| film.gop.shows(Some(pts))),
        [false, false, false, true, true]
    );
    film.gop.hide(Some(1_000), 3);
    assert!(film.gop.shows(None));
}

proptest! {
    #[test]
    fn whatever_is_wanted_the_decoder_never_misses_a_reference_and_no_old_picture_is_shown(
        keys in 2_u32..400,
        drain in any::<bool>(),
        wants in prop::collection::vec(
            (1_u32..90, prop_oneof![Just(Want::All), Just(Want::Probe), Just(Want::Nothing)]),
            1..40,
        )
    ) {
        let mut film = Film::new(keys);
        film.probe = if drain { Probed::AfterDrain } else { Probed::Picture };
        for (count, want) in wants {
            film.steps(count, want);
            if want == Want::All {
                prop_assert_eq!(film.decoded.last(), Some(&(film.next - 1)));
                prop_assert_eq!(film.shown.last().map(|(picture, _)| *picture), Some(film.next - 1));
            }
        }
        prop_assert!(film.only_live_pictures());
        prop_assert!(film.is_sound());
    }
}
