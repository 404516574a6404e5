//! Two decoders that are not ours: ffmpeg's own, and OpenCV with the libjpeg that it brings.

use std::path::Path;
use std::process::Command;

use streamhub_testkit::paths::python;

use super::clips::Clip;

/// A decoded picture.
pub struct View {
    pub size: (u32, u32),
    /// Red, green, blue; rows without gaps.
    rgb: Vec<u8>,
}

impl View {
    pub fn pixel(&self, x: u32, y: u32) -> [u8; 3] {
        let at = 3 * (y * self.size.0 + x) as usize;
        self.rgb[at..at + 3].try_into().unwrap()
    }
}

const OPENCV: &str = "
import cv2, sys
for path in sys.argv[1:]:
    picture = cv2.cvtColor(cv2.imread(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    picture.tofile(path + '.opencv')
";

/// What both show of every `<clip>.<rendition>.jpg` in `folder`.
pub fn decode_all(clips: &[Clip], renditions: [&str; 2], folder: &Path) -> Vec<[Vec<View>; 2]> {
    let jpegs: Vec<String> = clips
        .iter()
        .flat_map(|clip| renditions.map(|rendition| clip.jpeg_file(rendition)))
        .collect();
    let run = |command: &mut Command| {
        let done = command.current_dir(folder).output().unwrap();
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
    };
    run(Command::new(python().unwrap())
        .args(["-c", OPENCV])
        .args(&jpegs));
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-y"]);
    for jpeg in &jpegs {
        ffmpeg.args(["-i", jpeg]);
    }
    for (n, jpeg) in jpegs.iter().enumerate() {
        // The default of its scaler is fast, not exact.
        ffmpeg.args([
            "-map",
            &n.to_string(),
            "-pix_fmt",
            "rgb24",
            "-f",
            "rawvideo",
        ]);
        ffmpeg.args(["-sws_flags", "bilinear+accurate_rnd+full_chroma_int"]);
        ffmpeg.arg(format!("{jpeg}.ffmpeg"));
    }
    run(&mut ffmpeg);
    let view = |jpeg: &str, size: (u32, u32)| {
        ["ffmpeg", "opencv"].map(|viewer| {
            let rgb = std::fs::read(folder.join(format!("{jpeg}.{viewer}"))).unwrap();
            assert_eq!(
                rgb.len(),
                3 * (size.0 * size.1) as usize,
                "{jpeg} in {viewer}"
            );
            View { size, rgb }
        })
    };
    clips
        .iter()
        .map(|clip| {
            renditions.map(|rendition| {
                let jpeg = clip.jpeg_file(rendition);
                view(&jpeg, clip.shown_size()).into()
            })
        })
        .collect()
}
