//! RTSP cameras: codecs, transports, passwords, certificates, and a server that is not `GStreamer`.

use streamhub_ingest::picture::jpeg::inspect;
use streamhub_testkit::canary::{NatsSearch, PASSWORD, Search};
use streamhub_testkit::{Certificates, NatsServer, Testcam, TestcamOptions, Vlc, clip};
use streamhub_wire::status::CameraState;
use streamhub_wire::subscribe::Frame;

use crate::support::{Ingest, SecretFolder, consumer, frames, next};

/// A spec with one small rendition; `more` are further fields of `rtsp`.
fn spec(url: &str, more: &str) -> String {
    format!(
        "{{source: {{rtsp: {{url: '{url}', {more}}}}}, frames: [{{name: main, fps: 5, width: 320}}]}}"
    )
}

/// Fails unless the picture decodes, has this size, and shows something.
fn assert_picture(frame: &Frame, width: u32, height: u32) {
    let metadata = &frame.metadata;
    assert_eq!((metadata.width, metadata.height), (width, height));
    let image = turbojpeg::decompress(&frame.jpeg, turbojpeg::PixelFormat::GRAY).expect("decodes");
    assert_eq!(
        (image.width, image.height),
        (width as usize, height as usize)
    );
    let (mut low, mut high) = (u8::MAX, u8::MIN);
    for pixel in image.pixels {
        (low, high) = (low.min(pixel), high.max(pixel));
    }
    assert!(high - low > 100, "a picture of one colour: {low} to {high}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_codec_arrives_over_tcp_and_over_udp() {
    let nats = NatsServer::start().unwrap();
    let films = |options: TestcamOptions| {
        options
            .film("/h264", &clip("h264-720p25.mkv").unwrap())
            .film("/h265", &clip("h265-720p25.mp4").unwrap())
            .film("/jpeg", &clip("mjpeg-720p25.avi").unwrap())
            .start()
            .unwrap()
    };
    // Each refuses the other transport, so a camera that is read was read by the right one.
    let servers = [
        ("tcp", films(Testcam::options().tcp_only())),
        ("udp", films(Testcam::options().udp_only())),
    ];
    let mut cameras = Vec::new();
    for (transport, server) in &servers {
        for codec in ["h264", "h265", "jpeg"] {
            let name = format!("{codec}-{transport}");
            let url = server.url(&format!("/{codec}"));
            let ingest = Ingest::start(
                &name,
                &spec(&url, &format!("transport: {transport}")),
                &nats,
            );
            cameras.push((name, codec, url, ingest));
        }
    }
    let consumer = consumer(&nats).await;
    for (name, codec, url, ingest) in &cameras {
        ingest.wait_ready();
        let mut stream = frames(&consumer, name, "main").await;
        let first = next(&mut stream).await;
        assert_picture(&first, 320, 180);
        let source = ingest.wait_ready().source;
        assert_eq!(source.codec, *codec, "{name}");
        assert_eq!((source.width, source.height), (1280, 720), "{name}");
        assert_eq!(source.decoder.is_empty(), *codec == "jpeg", "{name}");
        assert_eq!(first.metadata.source, *url);
        let second = next(&mut stream).await;
        assert!(second.metadata.frame_id > first.metadata.frame_id, "{name}");
        assert!(
            second.metadata.timestamp > first.metadata.timestamp,
            "{name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_sends_jpeg_is_passed_through_and_also_made_smaller() {
    let nats = NatsServer::start().unwrap();
    let camera = Testcam::of_clip("mjpeg-720p25.avi").unwrap();
    let spec = format!(
        "{{source: {{rtsp: {{url: '{}'}}}}, frames: [{{name: main, fps: 10}}, {{name: low, fps: 10, width: 640}}]}}",
        camera.url("/cam")
    );
    let ingest = Ingest::start("motion-jpeg", &spec, &nats);
    ingest.wait_ready();
    let consumer = consumer(&nats).await;
    let (mut main, mut low) = (
        frames(&consumer, "motion-jpeg", "main").await,
        frames(&consumer, "motion-jpeg", "low").await,
    );
    for _ in 0..10 {
        let frame = next(&mut main).await;
        assert_picture(&frame, 1280, 720);
        assert_eq!(frame.metadata.quality, None);
        assert_eq!(inspect(&frame.jpeg).unwrap().length, frame.jpeg.len());
        let frame = next(&mut low).await;
        assert_picture(&frame, 640, 360);
        assert!(frame.metadata.quality.is_some());
    }
    let status = ingest.wait_ready();
    for (name, rendition) in status.renditions {
        assert_eq!(rendition.drops.get("broken_jpeg"), None, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_shows_as_unauthorized_and_the_right_one_is_taken_without_a_restart() {
    let nats = NatsServer::start().unwrap();
    let watch = NatsSearch::start(&nats.connect().await.unwrap(), Search::default())
        .await
        .unwrap();
    let picture = || Testcam::options().test_picture("/cam", "h264:320x180@10");
    let servers = [
        (
            "with-basic",
            picture().basic("viewer", PASSWORD).start().unwrap(),
        ),
        (
            "with-digest",
            picture().digest("viewer", PASSWORD).start().unwrap(),
        ),
    ];
    let cameras = servers.each_ref().map(|(name, server)| {
        let secrets = SecretFolder::of(
            "login",
            &[("username", "viewer"), ("password", "not-this-one")],
        );
        let spec = spec(&server.url("/cam"), "credentialsSecretRef: {name: login}");
        let ingest = Ingest::with(name, &spec, &nats, None, &["--secrets", secrets.path()]);
        (*name, secrets, ingest)
    });
    for (name, secrets, ingest) in &cameras {
        let status = ingest.wait_for("refused", |status| status.reason == "Unauthorized");
        assert_eq!(status.state, CameraState::Reconnecting);
        assert!(
            status.message.contains("unauthorized"),
            "{}",
            status.message
        );
        assert!(
            status.remedy.contains("credentialsSecretRef"),
            "{}",
            status.remedy
        );
        let log = ingest.proc.stderr();
        let told = log
            .lines()
            .any(|line| line.contains("unauthorized") && line.contains(name));
        assert!(told, "{log}");
        assert!(!log.contains("not-this-one"), "{log}");
        secrets.put("login", "password", PASSWORD);
    }
    let consumer = consumer(&nats).await;
    for (name, _, ingest) in &cameras {
        ingest.wait_ready();
        let frame = next(&mut frames(&consumer, name, "main").await).await;
        assert_picture(&frame, 320, 180);
        assert!(!frame.metadata.source.contains('@'));
        assert_eq!(
            Search::default().find(ingest.proc.stderr().as_bytes()),
            None
        );
    }
    assert_eq!(watch.leaks(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn rtsps_is_refused_until_the_cameras_authority_is_known() {
    let nats = NatsServer::start().unwrap();
    let (own, other) = (
        Certificates::generate().unwrap(),
        Certificates::generate().unwrap(),
    );
    let read = |path| std::fs::read_to_string(path).unwrap();
    let server = Testcam::options()
        .tls(&own)
        .test_picture("/cam", "h264:320x180@10")
        .digest("viewer", PASSWORD)
        .start()
        .unwrap();
    let url = server.url("/cam");
    assert!(url.starts_with("rtsps://"));
    let login = [("username", "viewer"), ("password", PASSWORD)];
    let without = SecretFolder::of("login", &login);
    let wrong = SecretFolder::of("login", &login);
    wrong.put("login", "ca.crt", &read(other.ca()));
    let spec = spec(&url, "credentialsSecretRef: {name: login}");
    for (name, secrets) in [("no-authority", without), ("wrong-authority", wrong)] {
        let ingest = Ingest::with(name, &spec, &nats, None, &["--secrets", secrets.path()]);
        let refused = |reason: &str| reason == "CertificateRefused";
        let status = ingest.wait_for("refused", |status| refused(&status.reason));
        assert!(status.remedy.contains("ca.crt"), "{}", status.remedy);
        secrets.put("login", "ca.crt", &read(own.ca()));
        ingest.wait_ready();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cameras_that_are_not_gstreamer_are_read_without_losing_frames() {
    let nats = NatsServer::start().unwrap();
    let consumer = consumer(&nats).await;
    let films = [
        ("vlc-h264", "h264-1080p30.mp4"),
        ("vlc-h265", "h265-720p25.mp4"),
        ("vlc-jpeg", "mjpeg-720p25.avi"),
    ];
    let cameras = films.map(|(name, film)| {
        let server = Vlc::of_clip(film).unwrap();
        let ingest = Ingest::start(name, &spec(&server.url(), "transport: tcp"), &nats);
        (name, server, ingest)
    });
    for (_, server, ingest) in &cameras {
        ingest.wait_for("no TCP", |status| status.reason == "TransportRefused");
        ingest.edit(&spec(&server.url(), "transport: udp"));
    }
    for (name, _, ingest) in &cameras {
        ingest.wait_ready();
        let mut stream = frames(&consumer, name, "main").await;
        let first = next(&mut stream).await;
        assert_picture(&first, 320, 180);
        let mut last = first.metadata.clone();
        // The film's end is among them; after it VLC sends a burst.
        for _ in 0..30 {
            let frame = next(&mut stream).await;
            if frame.metadata.epoch == last.epoch {
                assert!(frame.metadata.timestamp > last.timestamp);
            }
            last = frame.metadata;
        }
        let seconds = (last.timestamp - first.metadata.timestamp) / 1_000_000;
        assert!(
            seconds < 15,
            "{name}: {seconds} s for 30 frames at 5 a second"
        );
        let log = ingest.proc.stderr();
        assert!(!log.contains("CRITICAL"), "{log}");
    }
}

#[test]
fn a_camera_that_refuses_a_transport_is_told_apart_from_one_that_is_off() {
    let nats = NatsServer::start().unwrap();
    let mut server = Testcam::options()
        .test_picture("/cam", "h264:320x180@10")
        .udp_only()
        .start()
        .unwrap();
    let ingest = Ingest::start(
        "stubborn",
        &spec(&server.url("/cam"), "transport: tcp"),
        &nats,
    );
    let status = ingest.wait_for("refused", |status| status.reason == "TransportRefused");
    assert!(status.remedy.contains("transport"), "{}", status.remedy);
    ingest.edit(&spec(&server.url("/nothing"), "transport: udp"));
    ingest.wait_for("no such path", |status| status.reason == "StreamNotFound");
    ingest.edit(&spec(&server.url("/cam"), "transport: udp"));
    ingest.wait_ready();
    server.stop().unwrap();
    ingest.wait_for("unreachable", |status| status.reason == "Unreachable");
}
