//! Packets that get lost or come in another order, NAL units cut short: no picture that the decoder made up is published.

use streamhub_testkit::NatsServer;
use streamhub_wire::status::CameraState;

use super::{Neighbour, Shoot, Truth, all_at_once, told, watch};

struct Case {
    name: &'static str,
    scenario: &'static str,
    transport: &'static str,
    /// Frames that are looked at.
    count: usize,
    /// A reason for which access units or pictures must have been held back.
    held: &'static str,
}

const LOSS: [Case; 8] = [
    Case {
        name: "packets lost over UDP",
        scenario: "clip=pattern-h264.mp4; drop=1.5%; seed=3",
        transport: "udp",
        count: 120,
        held: "incomplete",
    },
    Case {
        name: "packets lost over UDP, B-frames and open GOPs",
        scenario: "clip=pattern-h264-bframes.mp4; drop=0.5%; seed=4",
        transport: "udp",
        count: 80,
        held: "no_reference",
    },
    Case {
        name: "packets lost over UDP, H.265",
        scenario: "clip=pattern-h265.mp4; drop=1.5%; seed=5",
        transport: "udp",
        count: 80,
        held: "no_reference",
    },
    Case {
        name: "packets lost over UDP, intra refresh",
        scenario: "clip=pattern-h264-refresh.mp4; skip=30; drop=0.3%; seed=6",
        transport: "udp",
        count: 60,
        held: "refreshing",
    },
    Case {
        name: "packets left out by a camera over TCP",
        scenario: "clip=pattern-h264.mp4; drop=1.5%; seed=7",
        transport: "tcp",
        count: 100,
        held: "incomplete",
    },
    Case {
        name: "packets in another order over UDP",
        scenario: "clip=pattern-h264.mp4; reorder=20%; seed=8",
        transport: "udp",
        count: 120,
        held: "",
    },
    Case {
        name: "NAL units cut short",
        scenario: "clip=pattern-h264.mp4; cut=40",
        transport: "tcp",
        count: 120,
        held: "concealed",
    },
    Case {
        name: "NAL units cut short, B-frames",
        scenario: "clip=pattern-h264-bframes.mp4; cut=40",
        transport: "tcp",
        count: 100,
        held: "concealed",
    },
];

#[test]
fn no_made_up_picture_is_published_whatever_is_lost() {
    let nats = NatsServer::start().unwrap();
    let neighbour = Neighbour::new(&nats);
    all_at_once(&LOSS, |case| {
        let name = case.name.replace([' ', ',', '.'], "-").to_lowercase();
        let transport = format!("transport: {}", case.transport);
        let shoot = Shoot::new(&name, case.scenario, &transport, &nats);
        shoot.ingest.wait_ready();
        let clip = case.scenario.split([';', '=']).nth(1).unwrap();
        let truth = Truth::of(clip, 320, 180);
        let mut numbers = Vec::new();
        watch(&shoot, &nats, case.count, |frame| {
            numbers.push(truth.assert_one_of_it(case.name, frame));
        });
        let status = shoot.ingest.status().unwrap();
        assert_eq!(
            status.state,
            CameraState::Streaming,
            "{}: {status:#?}",
            case.name
        );
        assert_eq!(shoot.badcam.seen().plays, 1, "{}", case.name);
        let (_, metrics) = shoot.ingest.get("/metrics").unwrap();
        let held = held_back(&metrics, case.held);
        assert!(case.held.is_empty() || held > 0, "{}: {metrics}", case.name);
        let all = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        told(
            case.name,
            "streaming; every picture is one of the clip's",
            &format!(
                "{:?}; {all} pictures, {} different ones, all of the clip; {held} held back as {:?}",
                status.state,
                numbers.len(),
                case.held
            ),
        );
    });
    neighbour.assert_untouched();
}

/// The counter of what was held back for a reason.
fn held_back(metrics: &str, reason: &str) -> u64 {
    let label = format!("reason=\"{reason}\"");
    metrics
        .lines()
        .filter(|line| line.starts_with("streamhub_access_units_held_back_total"))
        .filter(|line| line.contains(&label))
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok())
        .sum()
}
