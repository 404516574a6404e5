//! Files that are not as simple as one film.

use std::path::Path;
use std::process::Command;

use streamhub_testkit::{Folder, NatsServer, clip};

use crate::recorder::Recorder;
use crate::support::Ingest;

fn ffmpeg(arguments: &[&str], output: &Path) {
    let made = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-y"])
        .args(arguments)
        .arg(output)
        .status()
        .expect("ffmpeg is installed");
    assert!(made.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_of_two_video_tracks_is_played_and_the_second_does_not_stop_it() {
    let nats = NatsServer::start().unwrap();
    let folder = Folder::new().unwrap();
    let film = clip("h264-720p25.mkv").unwrap();
    let film = film.to_str().unwrap();
    let both = folder.path().join("two.mkv");
    ffmpeg(
        &[
            "-i", film, "-i", film, "-map", "0:v", "-map", "1:v", "-c", "copy",
        ],
        &both,
    );
    let spec = format!(
        "{{source: {{file: {{uri: {}}}}}, frames: [{{name: main, fps: 25}}]}}",
        both.display()
    );
    let frames = Recorder::start(&nats.url(), "double", "main").await;
    let camera = Ingest::start("double", &spec, &nats);
    camera.wait_ready();
    // More than all queues on the way hold.
    frames.more(100).await;
}
