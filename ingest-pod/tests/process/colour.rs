//! The colours of published JPEGs against those that a camera was shown, for every way of sending them.
//!
//! Nothing on the way in or out is ours but the process under test: the samples of each clip are computed
//! here from the definitions of the standards, x264 and x265 encode them with the parameters that tell how
//! they are meant, and the published JPEGs are decoded by ffmpeg and by OpenCV.

mod clips;
mod patches;
mod viewers;

use std::path::Path;
use std::sync::Arc;

use streamhub_testkit::{Folder, NatsServer, Table, Testcam};

use self::clips::{Clip, every_clip};
use crate::recorder::Recorder;
use crate::support::Ingest;

/// Processes that take clips at a time, each one after the other.
const LANES: usize = 4;

/// How far a patch may be off in red, green or blue, of 255.
const BOUND: u8 = 3;

/// Name and quality of the renditions that are looked at: as good as is customary, and the default.
const RENDITIONS: [(&str, u8); 2] = [("good", 95), ("usual", 80)];

fn document(source: &str) -> String {
    let frames = RENDITIONS.map(|(name, quality)| {
        format!("{{name: {name}, fps: 10, quality: {quality}, publish: Always}}")
    });
    format!("{{source: {source}, frames: [{}]}}", frames.join(", "))
}

/// Plays clips one after the other and keeps one frame of each in each quality.
async fn publish(lane: usize, clips: Vec<Clip>, nats: Arc<NatsServer>, folder: Arc<Folder>) {
    let name = format!("lane{lane}");
    let camera: std::sync::OnceLock<Ingest> = std::sync::OnceLock::new();
    let mut recorders = Vec::new();
    for (rendition, _) in RENDITIONS {
        recorders.push((
            rendition,
            Recorder::start(&nats.url(), &name, rendition).await,
        ));
    }
    for clip in clips {
        let file = folder.path().join(clip.file());
        let spec = document(&format!(
            "{{file: {{uri: {}, onEnd: HoldLast}}}}",
            file.display()
        ));
        if let Some(camera) = camera.get() {
            camera.edit(&spec);
        } else {
            camera.get_or_init(|| Ingest::start(&name, &spec, &nats));
        }
        for (rendition, frames) in &recorders {
            let seen = frames
                .wait_for(&clip.name, |seen| {
                    seen.metadata.source.ends_with(&clip.file())
                })
                .await;
            keep(folder.path(), &clip, rendition, &seen.jpeg);
        }
    }
}

fn keep(folder: &Path, clip: &Clip, rendition: &str, jpeg: &[u8]) {
    std::fs::write(folder.join(clip.jpeg_file(rendition)), jpeg).unwrap();
}

/// The same over RTSP: what a camera says of its colours is in its stream, not in a container.
async fn publish_rtsp(clip: &Clip, nats: &NatsServer, folder: &Folder, shown_as: &Clip) {
    let server = Testcam::options()
        .film("/cam", &folder.path().join(clip.file()))
        .start()
        .unwrap();
    let mut recorders = Vec::new();
    for (rendition, _) in RENDITIONS {
        recorders.push((
            rendition,
            Recorder::start(&nats.url(), "rtsp", rendition).await,
        ));
    }
    let spec = document(&format!("{{rtsp: {{url: \"{}\"}}}}", server.url("/cam")));
    let _camera = Ingest::start("rtsp", &spec, nats);
    for (rendition, frames) in &recorders {
        let seen = frames.wait_for(&shown_as.name, |_| true).await;
        keep(folder.path(), shown_as, rendition, &seen.jpeg);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_patch_is_shown_as_the_camera_saw_it() {
    let folder = Arc::new(Folder::new().unwrap());
    let mut clips = every_clip();
    clips::make_all(&clips, folder.path());
    let nats = Arc::new(NatsServer::start().unwrap());
    let mut lanes = tokio::task::JoinSet::new();
    for lane in 0..LANES {
        let share = clips.iter().skip(lane).step_by(LANES).cloned().collect();
        lanes.spawn(publish(lane, share, Arc::clone(&nats), Arc::clone(&folder)));
    }
    let remote = clips
        .iter()
        .find(|clip| clip.name == clips::OVER_RTSP)
        .unwrap()
        .clone();
    let as_rtsp = remote.clone().named(" over RTSP");
    publish_rtsp(&remote, &nats, &folder, &as_rtsp).await;
    lanes.join_all().await;
    clips.push(as_rtsp);
    for picture in clips::in_memory() {
        for (rendition, quality) in RENDITIONS {
            keep(folder.path(), &picture, rendition, &picture.jpeg(quality));
        }
        clips.push(picture);
    }

    let mut table = Table::new(
        "colours",
        &[
            "camera",
            "farthest off",
            "expected",
            "seen",
            "off by, quality 95",
            "quality 80",
        ],
    );
    let mut wrong = Vec::new();
    let seen = viewers::decode_all(&clips, RENDITIONS.map(|(name, _)| name), folder.path());
    for (clip, shown) in clips.iter().zip(seen) {
        let [good, usual] = shown.map(|views| patches::farthest_off(clip, &views));
        table.row(&[
            clip.name.clone(),
            good.patch.to_owned(),
            patches::text(good.expected),
            patches::text(good.seen),
            good.off.to_string(),
            usual.off.to_string(),
        ]);
        if good.off > BOUND || usual.off > BOUND {
            wrong.push(format!("{}: {good:?}, quality 80: {usual:?}", clip.name));
        }
    }
    println!("{}", table.write().unwrap().display());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
