//! A camera that dies comes back, and the one beside it never notices.

use std::time::{Duration, Instant};

use streamhub_testkit::{NatsServer, Testcam};
use streamhub_wire::metadata::Metadata;
use streamhub_wire::status::CameraState;

use crate::recorder::Recorder;
use crate::support::Ingest;

fn server() -> Testcam {
    let picture = Testcam::options().test_picture("/cam", "h264:320x180@10");
    picture.start().unwrap()
}

fn spec(server: &Testcam) -> String {
    let url = server.url("/cam");
    format!("{{source: {{rtsp: {{url: '{url}'}}}}, frames: [{{name: main, fps: 10}}]}}")
}

/// Two cameras with a server each; the first of them is going to die.
struct Street {
    server: Testcam,
    dying: Ingest,
    dying_frames: Recorder,
    _other_server: Testcam,
    neighbour: Ingest,
    neighbour_frames: Recorder,
    nats: NatsServer,
}

impl Street {
    async fn start() -> Self {
        let nats = NatsServer::start().unwrap();
        let (server, other_server) = (server(), server());
        let dying = Ingest::start("dying", &spec(&server), &nats);
        let neighbour = Ingest::start("neighbour", &spec(&other_server), &nats);
        dying.wait_ready();
        neighbour.wait_ready();
        let street = Self {
            dying_frames: Recorder::start(&nats.url(), "dying", "main").await,
            neighbour_frames: Recorder::start(&nats.url(), "neighbour", "main").await,
            server,
            dying,
            _other_server: other_server,
            neighbour,
            nats,
        };
        street.dying_frames.wait_for_count(5).await;
        street
    }

    /// The last frame of before; asked for while the camera is away.
    fn last_before(&self) -> Metadata {
        self.dying_frames.last().expect("frames before")
    }

    /// Waits until the camera delivers again, and checks the ids of both.
    async fn check_recovery(&self, before: &Metadata) {
        let status = self.dying.wait_ready();
        assert!(status.source.reconnects >= 1);
        let again = self
            .dying_frames
            .wait_for("a frame of the new connection", |seen| {
                seen.metadata.epoch > before.epoch
            })
            .await;
        assert!(again.metadata.frame_id > before.frame_id);
        let all = self.dying_frames.seen();
        assert!(all.is_sorted_by(|a, b| a.metadata.frame_id < b.metadata.frame_id));

        let neighbour = self.neighbour_frames.seen();
        let mut steps = 0;
        for pair in neighbour.windows(2) {
            let (a, b) = (&pair[0].metadata, &pair[1].metadata);
            if a.epoch == b.epoch {
                assert_eq!(a.frame_id + 1, b.frame_id);
            } else {
                // The clock's one step in the first seconds of a connection.
                steps += 1;
                assert!(a.frame_id < b.frame_id);
            }
            let pause = Duration::from_micros((b.timestamp - a.timestamp).cast_unsigned());
            assert!(pause < Duration::from_secs(1), "{pause:?}");
        }
        assert!(steps <= 1);
        let status = self.neighbour.wait_ready();
        assert_eq!(status.source.reconnects, 0);
        assert_eq!(status.nats.reconnects, 0);
        drop(self.nats.connect().await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_loses_power_comes_back_and_its_neighbour_never_notices() {
    let mut street = Street::start().await;
    street.server.stop().unwrap();
    let lost = street
        .dying
        .wait_for("lost", |status| status.state == CameraState::Reconnecting);
    assert!(
        !lost.ready && !lost.reason.is_empty() && !lost.remedy.is_empty(),
        "{lost:#?}"
    );
    assert_eq!(street.dying.get("/readyz").unwrap().0, 503);
    assert_eq!(street.dying.get("/healthz").unwrap().0, 200);
    // Long enough for several attempts that fail.
    street
        .dying
        .wait_for("attempts", |status| status.source.reconnects >= 3);
    let before = street.last_before();
    street.server.restart().unwrap();
    street.check_recovery(&before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_hangs_with_its_connection_open_is_found_out_and_comes_back() {
    let mut street = Street::start().await;
    let frozen = Instant::now();
    street.server.process().freeze().unwrap();
    let lost = street
        .dying
        .wait_for("lost", |status| status.reason == "NoFrames");
    assert_eq!(lost.state, CameraState::Reconnecting);
    // Stale is what is older than five seconds.
    assert!(
        frozen.elapsed() > Duration::from_secs(4),
        "{:?}",
        frozen.elapsed()
    );
    street
        .dying
        .wait_for("an attempt", |status| status.source.reconnects >= 1);
    let before = street.last_before();
    street.server.process().thaw().unwrap();
    street.check_recovery(&before).await;
}
