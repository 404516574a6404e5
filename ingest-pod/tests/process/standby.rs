//! Fallbacks from the side of those who stand in: when one ends, how long one is waited for, what is said of it.

use std::net::TcpListener;
use std::time::Duration;

use streamhub_testkit::{
    Badcam, Folder, NatsServer, clip, eventually, eventually_async, free_port,
};
use streamhub_wire::status::CameraState;

use crate::recorder::Recorder;
use crate::support::{Ingest, PATIENCE};
use crate::web::{Web, text};

/// A server with a film of two seconds in it.
fn film() -> Web {
    let web = Web::start();
    let clip = clip("h264-720p25.mkv").unwrap();
    let options = ["-vf", "scale=320:180", "-frames:v", "50", "-c:v", "mjpeg"];
    web.ffmpeg(&[&["-i", text(&clip)], &options[..], &["film.avi"]].concat());
    web
}

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

#[tokio::test(flavor = "multi_thread")]
async fn a_film_that_comes_late_is_shown_from_its_beginning_before_its_end_is_the_end() {
    let nats = NatsServer::start().unwrap();
    let (web, cache) = (film(), Folder::new().unwrap());
    // The server is not ready at first, which calls the fallback.
    let url = web.url("/late/film.avi");
    let spec = format!(
        "{{source: {{file: {{uri: '{url}', onEnd: Stop}}, fallbacks: [{{test: {{width: 320, height: 180}}}}]}}, \
           frames: [{{name: main, fps: 25}}]}}"
    );
    let recorder = Recorder::start(&nats.url(), "late", "main").await;
    let more = ["--media-cache", text(cache.path())];
    let mut ingest = Ingest::with("late", &spec, &nats, None, &more);
    let status = ingest.proc.wait(PATIENCE).unwrap();
    assert_eq!(status.code(), Some(0), "{}", ingest.proc.last_words());
    let seen = || -> Vec<String> {
        let sources = recorder.metadata().into_iter();
        sources.map(|metadata| metadata.source).collect()
    };
    // What the process sent last may still be on its way to this reader.
    let sources = eventually_async(PATIENCE, "the film", || async {
        let sources = seen();
        let film = sources.iter().filter(|source| **source == url).count();
        (film >= 20).then_some(sources)
    })
    .await
    .unwrap_or_else(|_| seen());
    let first = sources.first().map(String::as_str);
    assert_eq!(first, Some("test://late"), "the fallback stood in");
    let film = sources.iter().filter(|source| **source == url).count();
    assert!(film >= 20, "{film} of 50 pictures of the film");
    assert_eq!(sources.last(), Some(&url), "nothing follows it");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_to_be_known_of_a_film_that_stands_in_is_said() {
    let nats = NatsServer::start().unwrap();
    let (mut web, cache) = (film(), Folder::new().unwrap());
    let closed = free_port().unwrap();
    let spec = |path: &str| {
        format!(
            "{{source: {{rtsp: {{url: 'rtsp://127.0.0.1:{closed}/cam'}}, fallbacks: [{{file: {{uri: '{}'}}}}]}}, \
               frames: [{{name: main, fps: 5}}]}}",
            web.url(path)
        )
    };
    let more = ["--media-cache", text(cache.path())];
    let ingest = Ingest::with("slow", &spec("/slow/film.avi"), &nats, None, &more);
    let status = ingest.wait_for("progress", |status| status.reason == "Fetching");
    assert_eq!(status.state, CameraState::Reconnecting);
    assert!(
        status.message.contains("spec.source.fallbacks[0]: ")
            && status.message.contains("before: Unreachable"),
        "{}",
        status.message
    );
    web.folder.write("go", "").unwrap();
    ingest.wait_for("the film", |status| status.source.fallback == Some(0));
    drop(ingest);

    let again = spec("/slow/film.avi");
    web.stop();
    let ingest = Ingest::with("copy", &again, &nats, None, &more);
    let status = ingest.wait_for("the copy", |status| status.source.fallback == Some(0));
    assert_eq!(status.reason, "FallbackInUse");
    assert!(
        status
            .message
            .contains("; CachedCopy: spec.source.fallbacks[0]: "),
        "{}",
        status.message
    );
}

#[test]
fn a_fallback_that_does_not_answer_makes_way_for_the_next() {
    let nats = NatsServer::start().unwrap();
    let (_listener, hole) = black_hole();
    let closed = free_port().unwrap();
    let spec = format!(
        "{{source: {{rtsp: {{url: 'rtsp://127.0.0.1:{closed}/cam'}}, fallbacks: [{{rtsp: {{url: '{}'}}}}, \
           {{test: {{width: 320, height: 180}}}}]}}, frames: [{{name: main, fps: 5}}]}}",
        hole.replace("http", "rtsp")
    );
    let ingest = Ingest::start("hurried", &spec, &nats);
    ingest.wait_for("the second", |status| status.source.fallback == Some(1));
    let log = ingest.proc.stderr();
    assert!(log.contains("it takes longer than"), "{log}");
}

/// A camera that serves one viewer is lost and found while a fallback stands in.
#[test]
fn a_camera_that_allows_one_session_never_sees_two() {
    let nats = NatsServer::start().unwrap();
    let camera = Badcam::start("clip=pattern-h264.mp4; limit=1:453").unwrap();
    let spec = format!(
        "{{source: {{rtsp: {{url: '{}'}}, fallbacks: [{{test: {{width: 320, height: 180}}}}]}}, \
           frames: [{{name: main, fps: 5}}]}}",
        camera.url()
    );
    let more = ["--fallback-fresh-for", "4"];
    let ingest = Ingest::with("single", &spec, &nats, None, &more);
    let own = || {
        ingest.wait_for("its own source", |status| {
            status.ready && status.source.kind == "rtsp" && status.source.fallback.is_none()
        })
    };
    own();
    camera
        .set("clip=pattern-h264.mp4; limit=1:453; stall=0")
        .unwrap();
    ingest.wait_for("the fallback", |status| status.source.fallback == Some(0));
    camera.set("clip=pattern-h264.mp4; limit=1:453").unwrap();
    let before = camera.seen().plays;
    own();
    // Long enough for a second session to be tried.
    std::thread::sleep(Duration::from_secs(2));
    assert!(camera.seen().plays <= before + 1, "{:?}", camera.seen());
    assert_eq!(camera.playing(), 1);
    let log = ingest.proc.stderr();
    assert!(!log.contains("CameraBusy"), "{log}");
}
