//! Pictures that are coded in an unusual way: B-frames, fields, long GOPs, no key frames at all, another size midway.

use std::time::{Duration, Instant};

use streamhub_testkit::NatsServer;
use streamhub_wire::subscribe::Frame;

use super::{Shoot, Truth, all_at_once, luma, told, watch};

#[test]
fn unusual_coding_arrives_clean_from_the_first_picture_on() {
    let nats = NatsServer::start().unwrap();
    let cases = [
        (
            "B-frames, open GOPs",
            "clip=pattern-h264-bframes.mp4; skip=5",
            10,
        ),
        (
            "a GOP of 10 s",
            "clip=pattern-h264-gop10s.mp4; skip=100",
            60,
        ),
        (
            "intra refresh, no key frame",
            "clip=pattern-h264-refresh.mp4; skip=30",
            60,
        ),
        (
            "intra refresh without recovery points",
            "clip=pattern-h264-refresh.mp4; skip=30; no-sei",
            240,
        ),
        ("H.265", "clip=pattern-h265.mp4; skip=5", 60),
    ];
    all_at_once(&cases, |(name, scenario, within)| {
        let subject = name.replace([' ', ',', '.'], "-").to_lowercase();
        let clip = scenario.split([';', '=']).nth(1).unwrap();
        let truth = Truth::of(clip, 320, 180);
        let begun = Instant::now();
        let shoot = Shoot::new(&subject, scenario, "", &nats);
        let mut first = None;
        watch(&shoot, &nats, 100, |frame| {
            first.get_or_insert_with(|| begun.elapsed());
            truth.assert_one_of_it(name, frame);
        });
        let first = first.unwrap();
        assert!(first < Duration::from_secs(*within), "{name}: {first:?}");
        assert_eq!(shoot.badcam.seen().plays, 1, "{name}");
        told(
            name,
            &format!("first picture within {within} s, all clean"),
            &format!(
                "first picture after {:.1} s; 100 of 100 clean",
                first.as_secs_f64()
            ),
        );
    });
}

#[test]
fn interlaced_pictures_have_no_comb() {
    let nats = NatsServer::start().unwrap();
    let clip = "pattern-h264-interlaced.mp4";
    let mut truth = Truth::of(clip, 320, 180);
    // The raw frames show what a comb is.
    let raw = comb(&truth.frames[50], 320);
    truth.step = 2;
    let shoot = Shoot::new("interlaced", &format!("clip={clip}"), "", &nats);
    let mut worst = 0.0_f64;
    watch(&shoot, &nats, 50, |frame| {
        let picture = luma(frame);
        worst = worst.max(comb(&picture, 320));
        truth.assert_one_of_it("interlaced", frame);
    });
    assert!(
        worst * 5.0 < raw,
        "{worst:.1} where the fields have {raw:.1}"
    );
    told(
        "interlaced (top field first)",
        "no comb",
        &format!("comb of {worst:.1} where the fields as they are have {raw:.1}"),
    );
}

/// How far odd rows are from what lies above and below, on average.
fn comb(picture: &[u8], width: usize) -> f64 {
    let rows: Vec<&[u8]> = picture.chunks_exact(width).collect();
    let (mut sum, mut count) = (0_u64, 0_u64);
    for three in rows.windows(3).step_by(2) {
        for ((above, between), below) in three[0].iter().zip(three[1]).zip(three[2]) {
            sum += u64::from(between.abs_diff(above.midpoint(*below)));
            count += 1;
        }
    }
    sum as f64 / count as f64
}

#[test]
fn a_change_of_size_and_profile_midway_is_followed_without_a_new_connection() {
    let nats = NatsServer::start().unwrap();
    let plain = "clip=pattern-h264.mp4";
    let shoot = Shoot::new("changes-size", plain, "", &nats);
    let before = shoot.wait_well().source;
    assert_eq!((before.width, before.height), (320, 180));
    let (large, small) = (
        Truth::of("pattern-h264.mp4", 320, 180),
        Truth::of("pattern-h264-small.mp4", 192, 108),
    );
    let mut sizes = Vec::new();
    let mut look = |frame: &Frame| {
        let large_one = frame.metadata.width == 320;
        let truth = if large_one { &large } else { &small };
        truth.assert_one_of_it("changes size", frame);
        sizes.push(frame.metadata.width);
    };
    watch(&shoot, &nats, 50, &mut look);
    let change = format!("{plain}; next=pattern-h264-small.mp4@0");
    shoot.badcam.set(&change).unwrap();
    watch(&shoot, &nats, 100, &mut look);
    sizes.dedup();
    assert_eq!(sizes, [320, 192]);
    assert_eq!(shoot.badcam.seen().plays, 1);
    let after = shoot.wait_well().source;
    assert_eq!((after.width, after.height), (192, 108));
    told(
        "changes size and profile midway",
        "320x180, then 192x108, all clean",
        "320x180, then 192x108, all clean, one connection",
    );
}

#[test]
fn truncated_jpegs_are_left_out() {
    let nats = NatsServer::start().unwrap();
    let cases = [
        (
            "truncated JPEGs",
            "clip=mjpeg-720p25.avi; truncate=5",
            "tcp",
        ),
        (
            "JPEG packets lost",
            "clip=mjpeg-720p25.avi; drop=0.2%; seed=9",
            "udp",
        ),
    ];
    all_at_once(&cases, |(name, scenario, transport)| {
        let subject = name.replace(' ', "-").to_lowercase();
        let shoot = Shoot::new(
            &subject,
            scenario,
            &format!("transport: {transport}"),
            &nats,
        );
        watch(&shoot, &nats, 60, |frame| {
            let info = streamhub_ingest::picture::jpeg::inspect(&frame.jpeg).unwrap();
            assert_eq!(info.length, frame.jpeg.len(), "{name}");
            // A decoder fills what is missing with grey.
            let picture = luma(frame);
            let rows: Vec<&[u8]> = picture.chunks_exact(1280).collect();
            let flat = rows
                .iter()
                .rev()
                .take_while(|row| row.iter().all(|y| y.abs_diff(128) < 3));
            assert!(flat.count() < 100, "{name}: the lower part is grey");
        });
        told(name, "left out, the others go on", "60 whole pictures");
    });
}
