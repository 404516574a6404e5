use proptest::prelude::*;

use super::*;

const fn fps(num: u32) -> Rate {
    Rate { num, den: 1 }
}

const NTSC: Rate = Rate {
    num: 30_000,
    den: 1001,
};

const FIFTEEN: Need = Need {
    fps: fps(15),
    size: None,
};

fn needs(rate: Rate, size: Option<(u32, u32)>) -> Need {
    Need {
        fps: rate,
        size: size.map(|(width, height)| Size::new(width, height)),
    }
}

fn offer(fourcc: &'static str, (width, height): (u32, u32), rates: &[u32]) -> Offer {
    Offer {
        fourcc,
        coding: match fourcc {
            "MJPG" => Coding::Jpeg,
            "NV12" => Coding::Planar,
            "H264" => Coding::Video,
            "GREY" => Coding::Grey,
            _ => Coding::Packed,
        },
        width: Span::one(width),
        height: Span::one(height),
        rates: Rates::Discrete(rates.iter().map(|rate| fps(*rate)).collect()),
    }
}

fn chosen(offers: &[Offer], need: Need) -> String {
    choose(offers, Wanted::default(), need)
        .map_or_else(|| "none".to_owned(), |mode| mode.to_string())
}

const HD: (u32, u32) = (1280, 720);
const FULL_HD: (u32, u32) = (1920, 1080);
const UHD: (u32, u32) = (3840, 2160);
const VGA: (u32, u32) = (640, 480);

/// What a common webcam says.
fn webcam() -> Vec<Offer> {
    vec![
        offer("YUYV", VGA, &[30, 15]),
        offer("YUYV", HD, &[10, 5]),
        offer("YUYV", FULL_HD, &[5]),
        offer("MJPG", VGA, &[30, 15]),
        offer("MJPG", HD, &[30, 15]),
        offer("MJPG", FULL_HD, &[30, 15]),
        offer("H264", FULL_HD, &[30]),
    ]
}

#[test]
fn mjpeg_at_thirty_beats_raw_at_five() {
    let camera = [offer("YUYV", FULL_HD, &[5]), offer("MJPG", FULL_HD, &[30])];
    assert_eq!(chosen(&camera, FIFTEEN), "MJPG 1920x1080 at 30");
    assert_eq!(chosen(&webcam(), FIFTEEN), "MJPG 1920x1080 at 15");
}

#[test]
fn the_rate_that_the_renditions_need_comes_before_the_size() {
    let camera = [
        offer("YUYV", FULL_HD, &[5]),
        offer("YUYV", HD, &[10]),
        offer("YUYV", VGA, &[30]),
    ];
    assert_eq!(chosen(&camera, FIFTEEN), "YUYV 640x480 at 30");
    assert_eq!(chosen(&camera, needs(fps(10), None)), "YUYV 1280x720 at 10");
    assert_eq!(chosen(&camera, needs(fps(1), None)), "YUYV 1920x1080 at 5");
    assert_eq!(chosen(&camera, needs(fps(60), None)), "YUYV 640x480 at 30");
}

#[test]
fn ntsc_rates_are_enough_for_the_whole_number_beside_them() {
    let mut camera = vec![offer("YUYV", VGA, &[30]), offer("MJPG", FULL_HD, &[])];
    camera[1].rates = Rates::Discrete(vec![NTSC]);
    assert_eq!(
        chosen(&camera, needs(fps(30), None)),
        "MJPG 1920x1080 at 29.97"
    );
    let wanted = |rate| Wanted {
        fps: Some(rate),
        ..Wanted::default()
    };
    let written = Rate {
        num: 2997,
        den: 100,
    };
    assert_eq!(
        choose(&camera, wanted(written), FIFTEEN).unwrap().rate,
        NTSC
    );
    assert_eq!(choose(&camera, wanted(fps(29)), FIFTEEN), None);
}

#[test]
fn more_than_full_hd_only_when_a_rendition_asks_for_it() {
    let camera = [
        offer("MJPG", UHD, &[30]),
        offer("MJPG", FULL_HD, &[30]),
        offer("MJPG", HD, &[30]),
    ];
    assert_eq!(chosen(&camera, FIFTEEN), "MJPG 1920x1080 at 30");
    assert_eq!(
        chosen(&camera, needs(fps(15), Some((3840, 0)))),
        "MJPG 3840x2160 at 30"
    );
    assert_eq!(chosen(&camera[..1], FIFTEEN), "MJPG 3840x2160 at 30");
}

#[test]
fn the_smallest_picture_of_the_same_shape_that_covers_all_renditions() {
    let sizes = [(320, 180), (640, 360), VGA, HD, FULL_HD];
    let camera = sizes.map(|size| offer("MJPG", size, &[30]));
    assert_eq!(
        chosen(&camera, needs(fps(15), Some((640, 0)))),
        "MJPG 640x360 at 30"
    );
    assert_eq!(
        chosen(&camera, needs(fps(15), Some((0, 400)))),
        "MJPG 1280x720 at 30"
    );
    assert_eq!(
        chosen(&camera, needs(fps(15), Some((2560, 0)))),
        "MJPG 1920x1080 at 30"
    );
}

#[test]
fn the_cheapest_of_equals_and_the_lowest_rate_that_is_enough() {
    let all =
        ["GREY", "H264", "YUYV", "NV12", "MJPG"].map(|fourcc| offer(fourcc, HD, &[15, 30, 60]));
    for (left, expected) in [(5, "MJPG"), (4, "NV12"), (3, "YUYV")] {
        assert_eq!(
            chosen(&all[..left], FIFTEEN),
            format!("{expected} 1280x720 at 15")
        );
    }
    assert_eq!(chosen(&all[..2], FIFTEEN), "GREY 1280x720 at 15");
}

#[test]
fn h264_comes_last_or_when_it_is_asked_for() {
    let camera = [offer("H264", FULL_HD, &[30]), offer("YUYV", VGA, &[30])];
    assert_eq!(chosen(&camera, FIFTEEN), "YUYV 640x480 at 30");
    assert_eq!(
        chosen(&camera, needs(fps(15), Some((1280, 0)))),
        "H264 1920x1080 at 30"
    );
    let slow = [offer("H264", FULL_HD, &[30]), offer("YUYV", VGA, &[5])];
    assert_eq!(chosen(&slow, FIFTEEN), "H264 1920x1080 at 30");
    let wanted = Wanted {
        fourcc: Some("H264"),
        ..Wanted::default()
    };
    assert_eq!(choose(&camera, wanted, FIFTEEN).unwrap().fourcc, "H264");
}

#[test]
fn what_is_written_is_taken_or_nothing() {
    let camera = webcam();
    let yuyv = Wanted {
        fourcc: Some("YUYV"),
        ..Wanted::default()
    };
    assert_eq!(
        choose(&camera, yuyv, FIFTEEN).unwrap().to_string(),
        "YUYV 640x480 at 15"
    );
    let hd = Wanted {
        width: Some(1280),
        height: Some(720),
        fps: Some(fps(5)),
        ..yuyv
    };
    assert_eq!(
        choose(&camera, hd, FIFTEEN).unwrap().to_string(),
        "YUYV 1280x720 at 5"
    );
    let jpeg = Wanted {
        fourcc: Some("JPEG"),
        width: Some(1280),
        ..Wanted::default()
    };
    assert_eq!(
        choose(&camera, jpeg, FIFTEEN).unwrap().to_string(),
        "MJPG 1280x720 at 15"
    );
    for impossible in [
        Wanted {
            fourcc: Some("NV12"),
            ..Wanted::default()
        },
        Wanted {
            width: Some(1000),
            ..Wanted::default()
        },
        Wanted {
            fps: Some(fps(60)),
            ..Wanted::default()
        },
        Wanted {
            fps: Some(fps(30)),
            ..hd
        },
    ] {
        assert_eq!(choose(&camera, impossible, FIFTEEN), None, "{impossible:?}");
    }
}

#[test]
fn a_format_goes_by_all_of_its_names() {
    for (written, offered) in [
        ("PJPG", "MJPG"),
        ("NM12", "NV12"),
        ("YM12", "YU12"),
        ("NM21", "NV21"),
        ("NM16", "NV16"),
        ("NM61", "NV61"),
    ] {
        let camera = [offer("YUYV", VGA, &[15]), offer(offered, VGA, &[15])];
        let wanted = Wanted {
            fourcc: Some(written),
            ..Wanted::default()
        };
        let mode = choose(&camera, wanted, FIFTEEN);
        assert_eq!(
            mode.map(|mode| mode.fourcc),
            Some(offered),
            "written {written}"
        );
        assert_eq!(choose(&camera[..1], wanted, FIFTEEN), None, "{written}");
    }
}

#[test]
fn ranges_of_sizes_and_rates_are_used_up_to_what_is_needed() {
    let grid = Span {
        min: 32,
        max: 4096,
        step: 16,
    };
    let camera = [Offer {
        fourcc: "YUYV",
        coding: Coding::Packed,
        width: grid,
        height: grid,
        rates: Rates::Between(fps(0), fps(100)),
    }];
    // 1080 is no multiple of 16 above 32.
    assert_eq!(chosen(&camera, FIFTEEN), "YUYV 1920x1072 at 15");
    let wanted = Wanted {
        width: Some(640),
        height: Some(480),
        fps: Some(fps(25)),
        ..Wanted::default()
    };
    assert_eq!(
        choose(&camera, wanted, FIFTEEN).unwrap().to_string(),
        "YUYV 640x480 at 25"
    );
    let odd = Wanted {
        width: Some(641),
        ..wanted
    };
    assert_eq!(choose(&camera, odd, FIFTEEN), None);
}

#[test]
fn the_list_of_an_error_is_readable_and_bounded() {
    assert_eq!(
        listed(
            &[offer("YUYV", VGA, &[15, 30]), offer("MJPG", HD, &[30])],
            Some("NV12")
        ),
        "MJPG 1280x720 at 30; YUYV 640x480 at 30, 15"
    );
    assert_eq!(
        listed(
            &[offer("YUYV", VGA, &[30]), offer("MJPG", HD, &[30])],
            Some("YUYV")
        ),
        "YUYV 640x480 at 30"
    );
    let many: Vec<Offer> = (1..100)
        .map(|n| offer("YUYV", (n * 16, n * 9), &[30]))
        .collect();
    let text = listed(&many, None);
    assert!(text.ends_with("; and 59 more"), "{text}");
    assert_eq!(listed(&[], None), "");
}

fn spans() -> impl Strategy<Value = Span> {
    (1_u32..300, 0_u32..300, 1_u32..4).prop_map(|(min, more, step)| Span {
        min: min * 8,
        max: (min + more) * 8,
        step: step * 2,
    })
}

fn offers() -> impl Strategy<Value = Vec<Offer>> {
    let rates = prop::collection::vec((1_u32..120, 1_u32..3), 1..4).prop_map(|rates| {
        Rates::Discrete(
            rates
                .into_iter()
                .map(|(num, den)| Rate { num, den })
                .collect(),
        )
    });
    let codings = prop::sample::select(vec![
        ("MJPG", Coding::Jpeg),
        ("YUYV", Coding::Packed),
        ("H264", Coding::Video),
    ]);
    let one =
        (codings, spans(), spans(), rates).prop_map(|((fourcc, coding), width, height, rates)| {
            Offer {
                fourcc,
                coding,
                width,
                height,
                rates,
            }
        });
    prop::collection::vec(one, 0..12)
}

#[test]
fn a_rate_asked_for_by_name_is_found_beside_one_that_is_nearly_as_high() {
    let halves = Rate { num: 111, den: 2 };
    let rates = Rates::Discrete(vec![Rate { num: 55, den: 1 }, halves]);
    assert_eq!(rates.exactly(halves), Some(halves));
    assert_eq!(rates.exactly(Rate { num: 56, den: 1 }), None);
}

proptest! {
    #[test]
    fn whatever_a_device_offers_the_choice_is_one_of_it(
        offers in offers(), rate in 1_u32..100, asked in prop::option::of((0_u32..4000, 0_u32..4000)),
    ) {
        let need = needs(fps(rate), asked);
        let Some(mode) = choose(&offers, Wanted::default(), need) else {
            prop_assert!(offers.is_empty());
            return Ok(());
        };
        let of_device = offers.iter().any(|offer| {
            let Rates::Discrete(rates) = &offer.rates else { return false };
            offer.fourcc == mode.fourcc
                && offer.width.contains(mode.size.width)
                && offer.height.contains(mode.size.height)
                && rates.contains(&mode.rate)
        });
        prop_assert!(of_device, "{mode} is none of {}", listed(&offers, None));
        let possible = |offer: &Offer| offer.rates.nearest(need.fps).is_some_and(|rate| rate.is_enough_for(need.fps));
        prop_assert_eq!(mode.rate.is_enough_for(need.fps), offers.iter().any(possible));
    }

    #[test]
    fn asking_for_the_chosen_mode_by_name_gives_it_again(offers in offers(), rate in 1_u32..100) {
        let need = needs(fps(rate), None);
        if let Some(mode) = choose(&offers, Wanted::default(), need) {
            let wanted = Wanted {
                fourcc: Some(mode.fourcc),
                width: Some(mode.size.width),
                height: Some(mode.size.height),
                fps: Some(mode.rate),
            };
            prop_assert_eq!(choose(&offers, wanted, need).map(|mode| mode.to_string()), Some(mode.to_string()));
        }
    }
}
