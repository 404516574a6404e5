//! The image of the ingest pod holds what every kind of source needs: it is not the packages that the other tests have.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use streamhub_e2e::{Cluster, Doorway, Faults, Films, Frames, Installation, Namespace};
use streamhub_testkit::Testcam;

/// Films of each container and codec, by camera.
const FILMS: [(&str, &str); 6] = [
    ("mp4-h264", "clips/h264-bframes-720p25.mp4"),
    ("mp4-h265", "clips/h265-720p25.mp4"),
    ("mkv-h264", "clips/h264-720p25.mkv"),
    ("avi-mjpeg", "clips/mjpeg-720p25.avi"),
    ("avi-msmpeg4", "footage/vtest.avi"),
    ("mp4-interlaced", "clips/pattern-h264-interlaced.mp4"),
];
const STREAMS: [(&str, &str); 3] = [
    ("rtsp-h264", "h264:640x360@25"),
    ("rtsp-h265", "h265:640x360@25"),
    ("rtsp-mjpeg", "mjpeg:640x360@25"),
];

// The doorway works while kubectl is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn files_from_a_claim_and_rtsp_cameras_of_every_codec_give_frames() -> Result<()> {
    // Its films and cameras are on this machine, where only our own nodes see them.
    if Faults::here().is_none() {
        return Ok(());
    }
    let cluster = Cluster::here()?;
    let _installation = Installation::install(&cluster, &[])?;
    let namespace = Namespace::create(&cluster, "sources")?;
    let _films = Films::claim(&namespace)?;
    let mut options = Testcam::options();
    for (name, form) in STREAMS {
        options = options.test_picture(&format!("/{name}"), form);
    }
    let testcam = options.start()?;
    let doorway = Doorway::to(testcam.port()).await?;

    let mut documents = String::new();
    let mut camera = |name: &str, source: &str| {
        writeln!(
            documents,
            "---\n{{apiVersion: streamhub.dev/v1alpha1, kind: Camera, metadata: {{name: {name}}}, \
             spec: {{source: {source}, frames: [{{name: main, fps: 2, width: 320}}]}}}}"
        )
    };
    for (name, film) in FILMS {
        camera(
            name,
            &format!("{{file: {{uri: {film}, claimName: films}}}}"),
        )?;
    }
    for (name, _) in STREAMS {
        let url = format!("rtsp://{}/{name}", doorway.address());
        camera(
            name,
            &format!("{{rtsp: {{url: \"{url}\", transport: tcp}}}}"),
        )?;
    }
    cluster.apply(namespace.name(), &documents)?;

    let waited = cluster.kubectl(&[
        "wait",
        "-n",
        "sources",
        "--for=condition=Ready",
        "cam",
        "--all",
        "--timeout=120s",
    ]);
    let table = cluster.kubectl(&["get", "cam", "-n", "sources"])?;
    println!("{table}");
    waited.context(table)?;
    for (name, _) in FILMS.into_iter().chain(STREAMS) {
        let subject = format!("streamhub.sources.default.frames.{name}.main");
        let mut frames = Frames::subscribe(&cluster, &subject).await?;
        let frame = frames.next(Duration::from_secs(20)).await.context(name)?;
        ensure!(frame.metadata["width"] == 320, "{name}: {}", frame.metadata);
    }
    Ok(())
}
