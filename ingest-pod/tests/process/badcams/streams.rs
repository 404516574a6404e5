//! What goes wrong while pictures flow: silence, hang-ups, BYE, limits in time, false sender reports, another codec.

use streamhub_testkit::NatsServer;
use streamhub_wire::status::CameraState;

use super::{Neighbour, Shoot, all_at_once, told, watch};

struct Case {
    name: &'static str,
    scenario: &'static str,
    transport: &'static str,
    reason: &'static str,
}

const WELL: &str = "clip=pattern-h264.mp4";

/// Faults that begin after two seconds of pictures.
const CASES: [Case; 8] = [
    Case {
        name: "stops sending, TCP",
        scenario: "stall=50",
        transport: "tcp",
        reason: "NoFrames",
    },
    Case {
        name: "stops sending, UDP",
        scenario: "stall=50",
        transport: "udp",
        reason: "NoFrames",
    },
    Case {
        name: "stops sending and answering (half-open)",
        scenario: "mute=50",
        transport: "tcp",
        reason: "NoFrames",
    },
    Case {
        name: "closes the connection",
        scenario: "hang-up=50",
        transport: "tcp",
        reason: "StreamEnded",
    },
    Case {
        name: "says BYE, TCP",
        scenario: "bye=50",
        transport: "tcp",
        reason: "StreamEnded",
    },
    Case {
        name: "says BYE, UDP",
        scenario: "bye=50",
        transport: "udp",
        reason: "StreamEnded",
    },
    // rtspsrc 1.22.0 sends no requests in an interleaved session, only receiver reports.
    Case {
        name: "hears only requests for 3 s, TCP",
        scenario: "timeout=3; deaf",
        transport: "tcp",
        reason: "StreamEnded",
    },
    Case {
        name: "changes from H.264 to H.265",
        scenario: "hang-up=50",
        transport: "tcp",
        reason: "StreamEnded",
    },
];

#[test]
fn a_stream_that_breaks_off_is_told_and_taken_up_again() {
    let nats = NatsServer::start().unwrap();
    let neighbour = Neighbour::new(&nats);
    all_at_once(&CASES, |case| {
        let name = case.name.replace([' ', ',', '.', '(', ')'], "-");
        let name = name.to_lowercase().trim_end_matches('-').to_owned();
        let transport = format!("transport: {}", case.transport);
        let scenario = format!("{WELL}; {}", case.scenario);
        let shoot = Shoot::new(&name, &scenario, &transport, &nats);
        shoot.ingest.wait_ready();
        let changes = case.name.starts_with("changes");
        let after = if changes {
            "clip=pattern-h265.mp4"
        } else {
            WELL
        };
        let status = shoot.wait_reason(case.reason);
        assert_eq!(status.state, CameraState::Reconnecting);
        shoot.badcam.set(after).unwrap();
        let codec = if changes { "h265" } else { "h264" };
        shoot.ingest.wait_for(&format!("{codec} again"), |status| {
            status.state == CameraState::Streaming && status.source.codec == codec
        });
        watch(&shoot, &nats, 10, |_| {});
        told(
            case.name,
            &format!("{}, then streaming", case.reason),
            &format!(
                "{}: {}; then Streaming {codec}",
                case.reason, status.message
            ),
        );
    });
    neighbour.assert_untouched();
}

#[test]
fn what_a_camera_says_beside_its_pictures_does_not_disturb_them() {
    let nats = NatsServer::start().unwrap();
    let cases = [
        ("sends no sender reports", "reports=none", "tcp"),
        ("has its clock an hour ahead", "reports=ahead:3600", "tcp"),
        ("has its clock an hour behind", "reports=behind:3600", "udp"),
        ("reports jump by ten minutes", "reports=jump", "tcp"),
        ("first report from SSRC 0", "reports=ssrc0", "udp"),
        (
            "ends sessions after 10 s of silence, TCP",
            "timeout=10",
            "tcp",
        ),
        (
            "ends sessions after 6 s of silence, UDP",
            "timeout=6",
            "udp",
        ),
        (
            "sends a REDIRECT request",
            "move=40:rtsp://127.0.0.1:9/cam",
            "tcp",
        ),
    ];
    all_at_once(&cases, |(name, scenario, transport)| {
        let subject = name.replace([' ', ','], "-").to_lowercase();
        let more = format!("transport: {transport}");
        let shoot = Shoot::new(&subject, &format!("{WELL}; {scenario}"), &more, &nats);
        shoot.wait_well();
        let mut times = Vec::new();
        // Twelve seconds: longer than the sessions' limits.
        watch(&shoot, &nats, 300, |frame| {
            times.push((frame.metadata.epoch, frame.metadata.timestamp));
        });
        // A step of the clock begins a new epoch; within one, time goes on.
        assert!(times.is_sorted(), "{name}: {times:?}");
        let seconds = (times[299].1 - times[0].1) as f64 / 1e6;
        // A busy machine halves the rate.
        assert!((11.0..65.0).contains(&seconds), "{name}: {seconds} s");
        shoot.assert_never_lost();
        shoot.assert_rtp_time_went_on();
        let seen = shoot.badcam.seen();
        assert_eq!(seen.timed_out, 0, "{name}");
        let kept = if *scenario == "timeout=6" {
            assert!(seen.kept_alive >= 1, "{name}: {seen:?}");
            format!("; {} requests to keep it alive", seen.kept_alive)
        } else {
            String::new()
        };
        told(
            name,
            "streaming throughout",
            &format!("Streaming throughout; 300 pictures in {seconds:.1} s{kept}"),
        );
    });
}
