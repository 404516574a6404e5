//! The source `http`: what servers send, and what they refuse.

use std::process::Command;
use std::time::Duration;

use streamhub_testkit::canary::{NatsSearch, PASSWORD, Search};
use streamhub_testkit::{Certificates, NatsServer, Proc, clip, eventually};
use streamhub_wire::metadata::CaptureSource;
use streamhub_wire::status::CameraState;

use crate::recorder::Recorder;
use crate::support::{Ingest, PATIENCE, SecretFolder, consumer, frames, next};
use crate::web::{Web, text};

const FRAMES: &str = "frames: [{name: main, fps: 25}]";

fn spec(url: &str) -> String {
    format!("{{source: {{http: {{url: '{url}'}}}}, {FRAMES}}}")
}

fn with_login(url: &str) -> String {
    format!("{{source: {{http: {{url: '{url}', credentialsSecretRef: {{name: cam}}}}}}, {FRAMES}}}")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pictures_of_a_multipart_stream_are_published_byte_for_byte() {
    let nats = NatsServer::start().unwrap();
    let (web, pictures) = Web::with_pictures();
    for (name, path) in [
        ("plain", "/mjpeg?token=secret-token"),
        ("odd", "/mjpeg-odd"),
    ] {
        let recorder = Recorder::start(&nats.url(), name, "main").await;
        let ingest = Ingest::start(name, &spec(&web.url(path)), &nats);
        let seen = recorder.wait_for_count(25).await;
        for frame in &seen {
            assert!(pictures.iter().any(|picture| *picture == frame.jpeg));
            assert_eq!(frame.metadata.capture.source, CaptureSource::Arrival);
            assert_eq!(frame.metadata.quality, None);
            let shown = web.url(path);
            assert_eq!(frame.metadata.source, shown.split('?').next().unwrap());
        }
        let times: Vec<i64> = seen.iter().map(|frame| frame.metadata.timestamp).collect();
        assert!(times.is_sorted(), "{times:?}");
        let status = ingest.wait_ready();
        assert_eq!(status.source.codec, "jpeg");
        assert!(!ingest.proc.stderr().contains("secret-token"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_picture_is_asked_for_again_and_again() {
    let nats = NatsServer::start().unwrap();
    let (web, pictures) = Web::with_pictures();
    let recorder = Recorder::start(&nats.url(), "still", "main").await;
    let spec = format!(
        "{{source: {{http: {{url: '{}'}}}}, frames: [{{name: main, fps: 5}}]}}",
        web.url("/snapshot")
    );
    let _ingest = Ingest::start("still", &spec, &nats);
    let seen = recorder.wait_for_count(8).await;
    let known = |jpeg: &[u8]| pictures.iter().position(|picture| picture == jpeg).unwrap();
    let shown: Vec<usize> = seen.iter().map(|frame| known(&frame.jpeg)).collect();
    assert!(shown.windows(2).all(|two| two[0] != two[1]), "{shown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_answers_without_pictures_is_lost_and_a_fallback_stands_in() {
    let nats = NatsServer::start().unwrap();
    let (web, _) = Web::with_pictures();
    let spec = format!(
        "{{source: {{http: {{url: '{}'}}, fallbacks: [{{test: {{width: 320, height: 180}}}}]}}, \
           frames: [{{name: main, fps: 5}}]}}",
        web.url("/spent")
    );
    let recorder = Recorder::start(&nats.url(), "spent", "main").await;
    let ingest = Ingest::start("spent", &spec, &nats);
    let status = ingest.wait_for("the fallback", |status| status.source.fallback == Some(0));
    assert!(
        status.message.contains("InvalidAnswer"),
        "{}",
        status.message
    );
    let log = ingest.proc.stderr();
    assert!(log.contains("not with a picture any more"), "{log}");
    let first = recorder.wait_for_count(1).await;
    assert_eq!(first[0].metadata.source, web.url("/spent"));
}

/// One key frame in fifty seconds, and damage after it.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_whose_key_frame_does_not_come_is_connected_anew() {
    let nats = NatsServer::start().unwrap();
    let web = Web::start();
    let source = [
        "-f",
        "lavfi",
        "-i",
        "testsrc=size=320x180:rate=10",
        "-t",
        "50",
    ];
    let coded = [
        "-c:v",
        "libx264",
        "-bf",
        "0",
        "-g",
        "9999",
        "-sc_threshold",
        "0",
    ];
    web.ffmpeg(&[&source[..], &coded[..], &["dark.ts"]].concat());
    let path = web.folder.path().join("dark.ts");
    let mut bytes = std::fs::read(&path).unwrap();
    let second = bytes.len() / 50 / 188 * 188;
    for packet in bytes[4 * second..5 * second].chunks_mut(188) {
        for (byte, n) in packet[100..180].iter_mut().zip(100..) {
            *byte = byte.wrapping_mul(7).wrapping_add(n);
        }
    }
    std::fs::write(&path, &bytes).unwrap();
    let url = web.url(&format!("/endless/dark.ts?{}", bytes.len() / 50));
    let ingest = Ingest::start("dark", &spec(&url), &nats);
    ingest.wait_ready();
    let lost = eventually(PATIENCE * 3, "NoKeyFrame", || {
        ingest
            .status()
            .filter(|status| status.reason == "NoKeyFrame")
    });
    let status = lost.unwrap();
    assert_eq!(status.state, CameraState::Reconnecting);
    ingest.wait_ready();
}

/// A film of ten pictures a second, served in three ways; each is played at its own rate.
#[tokio::test(flavor = "multi_thread")]
async fn films_and_endless_streams_are_decoded_at_their_own_rate() {
    let nats = NatsServer::start().unwrap();
    let web = Web::start();
    let film = clip("h264-street10.mp4").unwrap();
    let cut = ["-i", text(&film), "-t", "20", "-c", "copy"];
    web.ffmpeg(&[&cut[..], &["-movflags", "+faststart", "film.mp4"]].concat());
    web.ffmpeg(&[&cut[..], &["film.mkv"]].concat());
    web.ffmpeg(&[&cut[..], &["film.ts"]].concat());
    web.ffmpeg(
        &[
            &cut[..],
            &["-hls_time", "2", "-hls_playlist_type", "vod", "film.m3u8"],
        ]
        .concat(),
    );
    let fragments = [
        "-hls_time",
        "2",
        "-hls_playlist_type",
        "vod",
        "-hls_segment_type",
        "fmp4",
    ];
    web.ffmpeg(
        &[
            &cut[..],
            &fragments[..],
            &["-hls_fmp4_init_filename", "map.mp4", "fragments.m3u8"],
        ]
        .concat(),
    );
    let bytes = std::fs::metadata(web.folder.path().join("film.ts"))
        .unwrap()
        .len();
    let endless = format!("/endless/film.ts?{}", bytes / 20);
    let mut running = Vec::new();
    for (name, path) in [
        ("mp4", "/file/film.mp4"),
        ("mkv", "/file/film.mkv"),
        ("hls", "/file/film.m3u8"),
        ("fmp4", "/file/fragments.m3u8"),
        ("endless", &endless),
    ] {
        let recorder = Recorder::start(&nats.url(), name, "main").await;
        running.push((
            name,
            recorder,
            Ingest::start(name, &spec(&web.url(path)), &nats),
        ));
    }
    for (name, recorder, ingest) in running {
        let seen = recorder.wait_for_count(80).await;
        let times: Vec<i64> = seen.iter().map(|frame| frame.metadata.timestamp).collect();
        assert!(times.is_sorted_by(|a, b| a < b), "{name}: {times:?}");
        // The first of them may come at once, until it is clear that the server is ahead.
        let spread = times[79] - times[9];
        assert!(
            (3_500_000..35_000_000).contains(&spread),
            "{name}: 70 frames in {spread} us"
        );
        assert_eq!(seen[0].metadata.width, 768, "{name}");
        assert_eq!(ingest.wait_ready().source.codec, "h264", "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_playlist_is_followed_and_its_end_is_a_new_beginning() {
    let nats = NatsServer::start().unwrap();
    let web = Web::start();
    let film = clip("h264-street10.mp4").unwrap();
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg
        .args([
            "-nostdin",
            "-v",
            "error",
            "-re",
            "-stream_loop",
            "-1",
            "-i",
            text(&film),
        ])
        .args([
            "-c",
            "copy",
            "-f",
            "hls",
            "-hls_time",
            "2",
            "-hls_list_size",
            "4",
        ])
        .args(["-hls_flags", "delete_segments+temp_file", "live.m3u8"])
        .current_dir(web.folder.path());
    let _live = Proc::spawn("ffmpeg", &mut ffmpeg).unwrap();
    let ingest = Ingest::start("live", &spec(&web.url("/file/live.m3u8")), &nats);
    let consumer = consumer(&nats).await;
    let mut stream = frames(&consumer, "live", "main").await;
    let first = next(&mut stream).await.metadata;
    let mut last = first.clone();
    for _ in 0..80 {
        let frame = next(&mut stream).await.metadata;
        assert!(frame.timestamp > last.timestamp);
        last = frame;
    }
    let spread = last.timestamp - first.timestamp;
    assert!(
        (4_000_000..40_000_000).contains(&spread),
        "80 frames in {spread} us"
    );
    let asked: Vec<_> = web
        .requests()
        .into_iter()
        .filter(|line| line.contains(".ts "))
        .collect();
    let mut once = asked.clone();
    once.dedup();
    assert_eq!(asked, once, "no segment is fetched twice");
    assert!(asked.len() >= 4, "{asked:?}");
    ingest.wait_ready();
}

/// A live playlist whose server has removed some of its segments already: `-` stands for one that is gone.
fn playlist(web: &Web, name: &str, kind: &str, parts: [&str; 3]) {
    let head = match kind {
        "m4s" => "#EXT-X-MAP:URI=\"map.mp4\"\n",
        _ => "",
    };
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:7\n{head}"
    );
    for part in parts {
        text.extend(["#EXTINF:4.0,\n", "fragments", part, ".", kind, "\n"]);
    }
    web.folder.write(&format!("{name}.m3u8"), &text).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_that_is_gone_is_left_out_wherever_it_is() {
    let nats = NatsServer::start().unwrap();
    let web = Web::start();
    let film = clip("h264-street10.mp4").unwrap();
    // A key frame at the beginning of each segment.
    let cut = ["-i", text(&film), "-t", "12", "-c:v", "libx264", "-g", "10"];
    let hls = ["-hls_time", "4", "-hls_playlist_type", "vod"];
    web.ffmpeg(&[&cut[..], &hls[..], &["fragments.m3u8"]].concat());
    let fragments = [
        "-hls_segment_type",
        "fmp4",
        "-hls_fmp4_init_filename",
        "map.mp4",
    ];
    web.ffmpeg(&[&cut[..], &hls[..], &fragments[..], &["fragments.m3u8"]].concat());
    let mut running = Vec::new();
    for kind in ["m4s", "ts"] {
        for (place, parts, count) in [
            ("first", ["-", "0", "1"], 70),
            ("middle", ["0", "-", "1"], 70),
            ("both", ["-", "-", "0"], 30),
        ] {
            let name = format!("{kind}-{place}");
            playlist(&web, &name, kind, parts);
            let recorder = Recorder::start(&nats.url(), &name, "main").await;
            let url = web.url(&format!("/file/{name}.m3u8"));
            running.push((
                Ingest::start(&name, &spec(&url), &nats),
                recorder,
                count,
                name,
            ));
        }
    }
    // What the playlists have is over soon, and begins anew after a silence: that alone is no fault.
    let is_fault = |line: &str| line.contains("source lost") && !line.contains("no frame came for");
    let watched = running.iter().map(async |(ingest, recorder, count, name)| {
        recorder.wait_for_count(*count).await;
        let log = ingest.proc.stderr();
        assert!(!log.lines().any(is_fault), "{name}: {log}");
    });
    futures::future::join_all(watched).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_are_made_and_shown_to_nobody() {
    let nats = NatsServer::start().unwrap();
    let (web, _) = Web::with_pictures();
    let (elsewhere, _) = Web::with_pictures();
    let reader = async_nats::connect(nats.url()).await.unwrap();
    let watch = NatsSearch::start(&reader, Search::default()).await.unwrap();
    let secrets = SecretFolder::of("cam", &[("username", "viewer"), ("password", PASSWORD)]);
    let more = ["--secrets", secrets.path(), "--log-level", "trace"];
    let mut running = Vec::new();
    for path in ["/basic", "/digest-md5", "/digest-sha256/a?x=1"] {
        let name = path.trim_start_matches('/').split('/').next().unwrap();
        running.push(Ingest::with(
            name,
            &with_login(&web.url(path)),
            &nats,
            None,
            &more,
        ));
    }
    for ingest in &running {
        ingest.wait_ready();
    }
    let sent = web.requests();
    assert!(
        sent.contains(&"/digest-sha256/a Digest -".to_owned()),
        "{sent:?}"
    );

    // Another host gets no password, even if it asks for one.
    let away = format!("/redirect?{}", elsewhere.url("/mjpeg"));
    let followed = Ingest::with("away", &with_login(&web.url(&away)), &nats, None, &more);
    followed.wait_ready();
    let away = format!("/redirect?{}", elsewhere.url("/basic"));
    let asked = Ingest::with("asked", &with_login(&web.url(&away)), &nats, None, &more);
    let status = asked.wait_for("refused", |status| status.reason == "Unauthorized");
    assert!(
        status.message.contains("another server"),
        "{}",
        status.message
    );
    let sent = elsewhere.requests();
    assert!(
        !sent.is_empty() && sent.iter().all(|line| line.ends_with(" none -")),
        "{sent:?}"
    );

    let search = Search::default();
    for ingest in running.iter().chain([&followed, &asked]) {
        for text in [
            ingest.proc.stderr(),
            ingest.get("/status").unwrap().1,
            ingest.get("/metrics").unwrap().1,
        ] {
            assert_eq!(search.find(text.as_bytes()), None, "{text}");
        }
    }
    assert_eq!(watch.leaks(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_has_its_reason() {
    let nats = NatsServer::start().unwrap();
    let (web, _) = Web::with_pictures();
    let secrets = SecretFolder::of("cam", &[("username", "viewer"), ("password", "wrong-one")]);
    let closed = format!(
        "http://127.0.0.1:{}/",
        streamhub_testkit::free_port().unwrap()
    );
    let locked = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-KEY:METHOD=AES-128,URI=\"key\"\n#EXTINF:4.0,\n0.ts\n";
    web.folder.write("locked.m3u8", locked).unwrap();
    let cases = [
        (
            "locked",
            spec(&web.url("/file/locked.m3u8")),
            "EncryptedStream",
        ),
        ("login", spec(&web.url("/basic")), "Unauthorized"),
        ("wrong", with_login(&web.url("/digest-md5")), "Unauthorized"),
        ("bearer", with_login(&web.url("/bearer")), "Unauthorized"),
        ("forbidden", spec(&web.url("/status/403")), "Forbidden"),
        ("missing", spec(&web.url("/status/404")), "StreamNotFound"),
        ("broken", spec(&web.url("/status/503")), "ServerError"),
        ("page", spec(&web.url("/page")), "InvalidAnswer"),
        (
            "circle",
            spec(&web.url("/redirect?/redirect?/redirect")),
            "InvalidAnswer",
        ),
        ("closed", spec(&closed), "Unreachable"),
    ];
    let running: Vec<_> = cases
        .iter()
        .map(|(name, spec, reason)| {
            let more = ["--secrets", secrets.path()];
            (Ingest::with(name, spec, &nats, None, &more), reason)
        })
        .collect();
    for (ingest, reason) in running {
        let status = ingest.wait_for(reason, |status| status.reason == **reason);
        assert_eq!(status.state, CameraState::Reconnecting, "{reason}");
        assert!(!status.remedy.is_empty(), "{reason}");
        assert!(!ingest.proc.stderr().contains("wrong-one"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_falls_silent_is_connected_anew() {
    let nats = NatsServer::start().unwrap();
    let (web, _) = Web::with_pictures();
    let ingest = Ingest::start("silent", &spec(&web.url("/mjpeg-silent")), &nats);
    ingest.wait_ready();
    let status = ingest.wait_for("lost", |status| status.reason == "NoFrames");
    assert_eq!(status.state, CameraState::Reconnecting);
    ingest.wait_ready();
    assert!(web.requests().len() >= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_checked_against_the_authority_of_the_secret() {
    let nats = NatsServer::start().unwrap();
    let certificates = Certificates::generate().unwrap();
    let web = Web::with(Some(&certificates));
    web.add_pictures();
    let url = web.url("/mjpeg");
    let unknown = Ingest::start("unknown", &spec(&url), &nats);
    let ca = std::fs::read_to_string(certificates.ca()).unwrap();
    let secrets = SecretFolder::of("cam", &[("ca.crt", &ca)]);
    let more = ["--secrets", secrets.path()];
    let known = Ingest::with("known", &with_login(&url), &nats, None, &more);
    known.wait_ready();
    unknown.wait_for("refused", |status| status.reason == "CertificateRefused");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_url_may_be_a_secret() {
    let nats = NatsServer::start().unwrap();
    let (web, _) = Web::with_pictures();
    let url = web.url("/mjpeg/hidden-path?token=hidden-token");
    let secrets = SecretFolder::of("cam", &[("url", &url)]);
    let spec = format!("{{source: {{http: {{urlSecretRef: {{name: cam, key: url}}}}}}, {FRAMES}}}");
    let more = ["--secrets", secrets.path(), "--log-level", "trace"];
    let ingest = Ingest::with("cam", &spec, &nats, None, &more);
    let consumer = consumer(&nats).await;
    let frame = next(&mut frames(&consumer, "cam", "main").await).await;
    assert_eq!(frame.metadata.source, web.url(""));
    secrets.put(
        "cam",
        "url",
        &web.url("/status/404/hidden-path?token=hidden-token"),
    );
    drop(web);
    ingest.wait_for("lost", |status| status.state == CameraState::Reconnecting);
    std::thread::sleep(Duration::from_millis(200));
    let seen = ingest.proc.stderr() + &ingest.get("/status").unwrap().1;
    assert!(!seen.contains("hidden-"), "{seen}");
}
