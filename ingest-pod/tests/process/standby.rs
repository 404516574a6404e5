//! Fallbacks from the side of those who stand in: when one ends, how long one is waited for, what is said of it.

use std::net::TcpListener;
use std::time::Duration;

use streamhub_testkit::{Badcam, NatsServer, eventually};

use crate::support::{Ingest, PATIENCE};

/// Accepts connections and never says a word.
fn black_hole() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    (listener, url)
}

#[test]
fn a_fallback_ends_when_the_camera_is_edited_to_one_that_works() {
    let nats = NatsServer::start().unwrap();
    let (_listener, hole) = black_hole();
    let stand_in = Badcam::start("clip=pattern-h264.mp4").unwrap();
    let spec = |own: &str| {
        format!(
            "{{source: {{{own}, fallbacks: [{{rtsp: {{url: '{}'}}}}]}}, frames: [{{name: main, fps: 10}}]}}",
            stand_in.url()
        )
    };
    let ingest = Ingest::start("edited", &spec(&format!("http: {{url: '{hole}'}}")), &nats);
    // Which of the two threads sees the change first is chance.
    for round in 0..3 {
        ingest.wait_for("the fallback", |status| status.source.fallback == Some(0));
        ingest.edit(&spec("test: {width: 320, height: 180}"));
        ingest.wait_for("its own source", |status| {
            status.source.kind == "test" && status.source.fallback.is_none() && status.ready
        });
        eventually(PATIENCE, "no session of the fallback", || {
            (stand_in.playing() == 0).then_some(())
        })
        .unwrap_or_else(|error| panic!("round {round}: {error}"));
        // None begins later either.
        std::thread::sleep(Duration::from_millis(600));
        assert_eq!(stand_in.playing(), 0, "round {round}");
        ingest.edit(&spec(&format!("http: {{url: '{hole}?{round}'}}")));
    }
}
