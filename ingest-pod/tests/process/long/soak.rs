//! Minutes without any fault: nothing is lost, nothing grows.

use std::time::Duration;

use streamhub_testkit::{NatsServer, Testcam, clip};
use streamhub_wire::metadata::Metadata;
use tokio::time::sleep;

use super::from_environment;
use super::usage::Usage;
use super::watch::Watch;
use crate::numbering::assert_numbering;
use crate::support::{Ingest, PATIENCE};

/// A camera that is watched for as long as the soak lasts.
struct Soaked {
    name: &'static str,
    ingest: Ingest,
    watches: Vec<(&'static str, Watch)>,
    /// One each second.
    usage: Vec<Usage>,
}

impl Soaked {
    async fn start(
        nats: &NatsServer,
        name: &'static str,
        spec: &str,
        renditions: &[&'static str],
    ) -> Self {
        let right = |before: &Metadata, after: &Metadata| {
            assert_numbering(&[before.clone(), after.clone()]);
        };
        let mut watches = Vec::new();
        // Before the camera, so that all that it ever publishes is seen.
        for &rendition in renditions {
            watches.push((rendition, Watch::start(nats, name, rendition, right).await));
        }
        let ingest = Ingest::start(name, spec, nats);
        ingest.wait_ready();
        Self {
            name,
            ingest,
            watches,
            usage: Vec::new(),
        }
    }

    fn look(&mut self) {
        assert!(self.ingest.proc.is_running(), "{} has ended", self.name);
        self.usage.push(Usage::of(&self.ingest));
        for (rendition, watch) in &self.watches {
            let silence = watch.tally().came.elapsed();
            assert!(
                silence < PATIENCE,
                "{}/{rendition}: silent for {silence:?}",
                self.name
            );
        }
    }

    /// Every id either came or was counted as dropped, and the connections held.
    async fn assert_complete(&self) {
        // The gaps first: a drop is counted before the frame behind it goes out.
        let missing: Vec<u64> = self
            .watches
            .iter()
            .map(|(_, watch)| watch.tally().missing)
            .collect();
        let status = self.ingest.wait_ready();
        assert_eq!(status.nats.reconnects, 0, "{status:#?}");
        assert_eq!(status.source.reconnects, 0, "{status:#?}");
        // A camera's clock may step once in the first seconds, when its first packets were late.
        let (_, metrics) = self.ingest.get("/metrics").expect("metrics");
        let settled = |line: &str| {
            line.starts_with("streamhub_epochs_total{") && line.contains("reason=\"settled\"")
        };
        let settled = u64::from(metrics.lines().any(settled));
        for ((rendition, watch), missing) in self.watches.iter().zip(missing) {
            let told = &status.renditions[*rendition];
            let dropped: u64 = told.drops.values().sum();
            watch
                .until("all that was published", |tally| {
                    tally.received >= told.published
                })
                .await;
            let tally = watch.tally();
            println!(
                "{}/{rendition}: {} frames, {missing} missing, drops {:?}, {} epochs, silent for {:?} at most",
                self.name, tally.received, told.drops, tally.epochs, tally.longest_silence
            );
            assert!(
                missing <= dropped,
                "{missing} ids are missing and {dropped} are counted"
            );
            assert!(
                tally.epochs <= 1 + settled,
                "{} epochs: nothing happened that begins a new numbering",
                tally.epochs
            );
        }
    }

    /// Against the last seconds of the first minute, by when all pools have their size.
    fn assert_no_growth(&self) {
        let begin = Usage::most(&self.usage[50..60]);
        let end = Usage::most(&self.usage[self.usage.len() - 10..]);
        println!(
            "{}: {begin:?} after a minute, {end:?} at the end",
            self.name
        );
        assert!(end.memory_kb <= begin.memory_kb * 12 / 10 + 10 * 1024);
        // A film of five seconds that leaks one each time it begins again leaks more.
        assert!(end.descriptors <= begin.descriptors + 10);
        assert!(end.threads <= begin.threads + 10);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: make test-long"]
async fn cameras_that_run_for_long_lose_no_id_and_do_not_grow() {
    let minutes: u64 = from_environment("STREAMHUB_SOAK_MINUTES").unwrap_or(5);
    let seconds = minutes.max(2) * 60;
    let nats = NatsServer::start().unwrap();
    let server = Testcam::of_clip("h264-720p25.mkv").unwrap();
    let rtsp = format!(
        "{{source: {{rtsp: {{url: '{}'}}}}, frames: [{{name: main, fps: 15, width: 640}}]}}",
        server.url("/cam")
    );
    let file = format!(
        "{{source: {{file: {{uri: {}}}}}, frames: [{{name: main, fps: 25}}, \
         {{name: low, fps: 10, width: 640}}, {{name: tiny, fps: 5, width: 160}}]}}",
        clip("h264-720p25.mkv").unwrap().display()
    );
    let mut cameras = [
        Soaked::start(&nats, "soaked-rtsp", &rtsp, &["main"]).await,
        Soaked::start(&nats, "soaked-file", &file, &["main", "low", "tiny"]).await,
    ];
    for _ in 0..seconds {
        sleep(Duration::from_secs(1)).await;
        cameras.iter_mut().for_each(Soaked::look);
    }
    for camera in &cameras {
        camera.assert_complete().await;
        camera.assert_no_growth();
    }
}
