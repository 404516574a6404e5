//! Cameras that misbehave: what the status says of each, and how it heals. `testkit`'s badcam plays them all.
//!
//! What was expected and what was seen goes into the table `bad-cameras`.

mod answers;
mod loss;
mod pictures;
mod streams;

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;

use streamhub_testkit::{Badcam, NatsServer, Table, clip};
use streamhub_wire::status::{CameraState, CameraStatus};
use streamhub_wire::subscribe::Frame;

use crate::support::{Ingest, consumer, frames, next};

/// The rows of all tests of this process; whoever adds one writes the table anew.
static ROWS: Mutex<BTreeMap<String, [String; 3]>> = Mutex::new(BTreeMap::new());

fn told(name: &str, expected: &str, seen: &str) {
    let mut rows = ROWS.lock().unwrap_or_else(PoisonError::into_inner);
    let row = [name, expected, seen].map(str::to_owned);
    rows.insert(name.to_owned(), row);
    let mut table = Table::new("bad-cameras", &["name", "expected", "seen"]);
    for row in rows.values() {
        table.row(row);
    }
    table.write().unwrap();
}

/// A camera of a test, with the process that reads it.
struct Shoot {
    name: String,
    badcam: Badcam,
    ingest: Ingest,
}

impl Shoot {
    /// `more` are further fields of `rtsp`.
    fn new(name: &str, scenario: &str, more: &str, nats: &NatsServer) -> Self {
        let badcam = Badcam::start(scenario).unwrap();
        let ingest = Ingest::start(name, &spec(&badcam.url(), more), nats);
        Self {
            name: name.to_owned(),
            badcam,
            ingest,
        }
    }

    /// Waits for a reason.
    fn wait_reason(&self, reason: &str) -> CameraStatus {
        self.ingest
            .wait_for(&format!("{}: {reason}", self.name), |status| {
                status.reason == reason
            })
    }

    /// It streams, over the first connection that it made. What a busy machine takes from its rate does not count.
    fn assert_never_lost(&self) {
        let status = self.ingest.status().unwrap();
        assert_eq!(
            status.state,
            CameraState::Streaming,
            "{}: {status:#?}",
            self.name
        );
        assert_eq!(self.badcam.seen().plays, 1, "{}", self.name);
    }

    /// No epoch had to begin because its RTP time made no sense.
    fn assert_rtp_time_went_on(&self) {
        let (_, metrics) = self.ingest.get("/metrics").unwrap();
        let epochs = |line: &&str| line.starts_with("streamhub_epochs_total{");
        let broken: Vec<_> = metrics
            .lines()
            .filter(epochs)
            .filter(|line| line.contains("\"rtp_"))
            .collect();
        assert!(broken.is_empty(), "{}: {broken:?}", self.name);
        assert!(metrics.contains("streamhub_epochs_total{"), "{metrics}");
    }

    /// Waits until frames flow.
    fn wait_well(&self) -> CameraStatus {
        self.ingest
            .wait_for(&format!("{} to be well", self.name), |status| {
                status.ready && status.state == CameraState::Streaming && status.source.width > 0
            })
    }
}

fn spec(url: &str, more: &str) -> String {
    format!(
        "{{source: {{rtsp: {{url: '{url}', {more}}}}}, frames: [{{name: main, fps: 25, quality: 95}}]}}"
    )
}

/// A camera with nothing wrong, which must not notice the others.
struct Neighbour(Shoot);

impl Neighbour {
    fn new(nats: &NatsServer) -> Self {
        let shoot = Shoot::new("neighbour", "clip=pattern-h264.mp4", "", nats);
        shoot.wait_well();
        Self(shoot)
    }

    /// It has been streaming all the time.
    fn assert_untouched(&self) {
        self.0.assert_never_lost();
    }
}

/// Runs one check per case, all at once.
fn all_at_once<T: Sync>(cases: &[T], check: impl Fn(&T) + Sync) {
    thread::scope(|scope| {
        for case in cases {
            scope.spawn(|| check(case));
        }
    });
}

/// Reads so many frames of a camera and hands each to `look`.
fn watch(shoot: &Shoot, nats: &NatsServer, count: usize, mut look: impl FnMut(&Frame)) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let consumer = consumer(nats).await;
        let mut stream = frames(&consumer, &shoot.name, "main").await;
        for _ in 0..count {
            look(&next(&mut stream).await);
        }
    });
}

/// Every frame of a clip as an independent decoder sees it, to compare published pictures with.
struct Truth {
    width: usize,
    height: usize,
    frames: Vec<Vec<u8>>,
    /// Rows that are compared: every one, or every second of an interlaced clip.
    step: usize,
}

/// Side of the squares in which pictures are compared.
const BLOCK: usize = 10;
/// Mean difference of a square to which a JPEG of quality 95 and the noise in the clips never come.
const FOREIGN: f64 = 8.0;

impl Truth {
    fn of(name: &str, width: usize, height: usize) -> Self {
        let output = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-threads", "1", "-i"])
            .arg(clip(name).unwrap())
            .args([
                "-fps_mode",
                "passthrough",
                "-f",
                "rawvideo",
                "-pix_fmt",
                "yuv420p",
                "-",
            ])
            .output()
            .unwrap();
        let luma = width * height;
        let frames: Vec<Vec<u8>> = output
            .stdout
            .chunks_exact(luma * 3 / 2)
            .map(|frame| frame[..luma].iter().map(|y| full(*y)).collect())
            .collect();
        assert!(frames.len() > 100, "{name}: {}", frames.len());
        Self {
            width,
            height,
            frames,
            step: 1,
        }
    }

    /// The number of the clip's frame that is most like this one, and how far its worst square is off.
    fn nearest(&self, picture: &[u8]) -> (usize, f64) {
        // A few points tell the frames apart; the whole picture is compared with the best of them.
        let distance = |frame: &Vec<u8>| -> u64 {
            let points = (0..self.height)
                .step_by(10 * self.step)
                .flat_map(|y| (0..self.width).step_by(7).map(move |x| y * self.width + x));
            points
                .map(|at| u64::from(frame[at].abs_diff(picture[at])))
                .sum()
        };
        let mut order: Vec<(u64, usize)> = self
            .frames
            .iter()
            .enumerate()
            .map(|(number, frame)| (distance(frame), number))
            .collect();
        order.sort_unstable();
        order
            .iter()
            .take(3)
            .map(|&(_, number)| (number, self.worst(&self.frames[number], picture)))
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .unwrap()
    }

    fn worst(&self, frame: &[u8], picture: &[u8]) -> f64 {
        let mut worst = 0.0_f64;
        for top in (0..self.height).step_by(BLOCK) {
            for left in (0..self.width).step_by(BLOCK) {
                let (mut sum, mut count) = (0_u64, 0_u64);
                for y in (top..self.height.min(top + BLOCK)).step_by(self.step) {
                    let row = y * self.width + left..y * self.width + self.width.min(left + BLOCK);
                    for (a, b) in frame[row.clone()].iter().zip(&picture[row]) {
                        sum += u64::from(a.abs_diff(*b));
                        count += 1;
                    }
                }
                worst = worst.max(sum as f64 / count as f64);
            }
        }
        worst
    }

    /// Fails unless the published picture is one of the clip's; returns its number.
    fn assert_one_of_it(&self, name: &str, frame: &Frame) -> usize {
        let picture = luma(frame);
        assert_eq!(picture.len(), self.width * self.height, "{name}");
        let (number, worst) = self.nearest(&picture);
        assert!(
            worst < FOREIGN,
            "{name}: frame {} is off by {worst:.1} in a square from frame {number} of the clip",
            frame.metadata.frame_id
        );
        number
    }
}

/// Limited range as the clips have it, into the full range of a JPEG.
fn full(y: u8) -> u8 {
    ((f64::from(y) - 16.0) * 255.0 / 219.0)
        .round()
        .clamp(0.0, 255.0) as u8
}

fn luma(frame: &Frame) -> Vec<u8> {
    let image = turbojpeg::decompress(&frame.jpeg, turbojpeg::PixelFormat::GRAY).unwrap();
    let rows = image.pixels.chunks_exact(image.pitch);
    rows.flat_map(|row| &row[..image.width]).copied().collect()
}

#[test]
fn a_made_up_block_is_told_from_a_real_one() {
    let truth = Truth::of("pattern-h264.mp4", 320, 180);
    let (clean, mut torn) = (truth.frames[40].clone(), truth.frames[40].clone());
    assert_eq!(truth.nearest(&clean), (40, 0.0));
    // A macroblock of the frame before, as a decoder conceals.
    for y in 64..80 {
        torn[y * 320 + 96..y * 320 + 112]
            .copy_from_slice(&truth.frames[39][y * 320 + 96..y * 320 + 112]);
    }
    let (number, worst) = truth.nearest(&torn);
    assert_eq!(number, 40);
    assert!(worst > 2.0 * FOREIGN, "{worst}");
}
