//! Clips of the patches: samples by the definitions, encoded by x264 and x265 or kept as they are.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use streamhub_ingest::picture::{Colour, Depth, Encoder, Layout, Matrix, Plane, Range, Raw, Size};

use super::patches;

/// The clip that is also sent over RTSP: none of what it tells is what would be guessed.
pub const OVER_RTSP: &str = "H.264 4:2:0 full BT.2020";

/// Who encodes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Codec {
    H264,
    H265,
    /// Passed through as it is.
    Jpeg,
    /// In memory only: what hardware decoders make and no software decoder here.
    None,
}

/// How the chroma samples lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chroma {
    C420,
    C422,
    C444,
    Grey,
}

/// The numbers that stand for black, white and no colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Black {
    Limited,
    Full,
}

/// Luma of red and blue (ITU-T H.273 table 4).
#[derive(Debug, Clone, Copy, PartialEq)]
struct Luma {
    name: &'static str,
    red: f64,
    blue: f64,
    /// What x264 and x265 call it.
    x26x: &'static str,
}

const BT601: Luma = Luma {
    name: "BT.601",
    red: 0.299,
    blue: 0.114,
    x26x: "smpte170m",
};
const BT709: Luma = Luma {
    name: "BT.709",
    red: 0.2126,
    blue: 0.0722,
    x26x: "bt709",
};
const BT2020: Luma = Luma {
    name: "BT.2020",
    red: 0.2627,
    blue: 0.0593,
    x26x: "bt2020nc",
};

/// One way to send the patches.
#[derive(Debug, Clone)]
pub struct Clip {
    pub name: String,
    codec: Codec,
    chroma: Chroma,
    bits: u32,
    black: Black,
    luma: Luma,
    size: (u32, u32),
    /// Parameters of x264 or x265 that say what the samples mean.
    told: String,
}

impl Clip {
    fn new(codec: Codec, chroma: Chroma, bits: u32, black: Black, luma: Luma) -> Self {
        let (range, x26x) = match (codec, black) {
            (Codec::H265, Black::Full) => ("range=full", luma.x26x),
            (Codec::H265, Black::Limited) => ("range=limited", luma.x26x),
            (_, Black::Full) => ("fullrange=on", luma.x26x),
            (_, Black::Limited) => ("fullrange=off", luma.x26x),
        };
        Self {
            name: String::new(),
            codec,
            chroma,
            bits,
            black,
            luma,
            size: (320, 240),
            told: format!("{range}:colormatrix={x26x}"),
        }
        .named("")
    }

    /// Named by what it is, and `more`.
    pub fn named(mut self, more: &str) -> Self {
        let codec = match self.codec {
            Codec::H264 => "H.264 ",
            Codec::H265 => "H.265 ",
            Codec::Jpeg => "JPEG ",
            Codec::None => "planes ",
        };
        let chroma = match self.chroma {
            Chroma::C420 => "4:2:0".to_owned(),
            Chroma::C422 => "4:2:2".to_owned(),
            Chroma::C444 => "4:4:4".to_owned(),
            Chroma::Grey => "grey".to_owned(),
        };
        let mut name = format!("{codec}{chroma}");
        if self.bits > 8 {
            let _ = write!(name, " {} bit", self.bits);
        }
        name += match self.black {
            Black::Full => " full ",
            Black::Limited => " limited ",
        };
        name += self.luma.name;
        self.name = name + more;
        self
    }

    /// The name as it may stand in names of files.
    pub fn stem(&self) -> String {
        self.name.replace(|c: char| !c.is_ascii_alphanumeric(), "-")
    }

    /// The file's name.
    pub fn file(&self) -> String {
        self.stem() + ".mkv"
    }

    /// The name of the file in which a frame of it is kept.
    pub fn jpeg_file(&self, rendition: &str) -> String {
        format!("{}.{rendition}.jpg", self.stem())
    }

    /// Width and height of what is published.
    pub fn shown_size(&self) -> (u32, u32) {
        self.size
    }

    /// What a patch looks like to this camera.
    pub fn expected(&self, rgb: [u8; 3]) -> [u8; 3] {
        if self.chroma == Chroma::Grey {
            let [luma, ..] = self.samples(rgb, 8, Black::Full);
            return [luma as u8; 3];
        }
        rgb
    }

    /// Y, Cb, Cr of a patch, by the definition.
    fn samples(&self, rgb: [u8; 3], bits: u32, black: Black) -> [u16; 3] {
        let [red, green, blue] = rgb.map(|value| f64::from(value) / 255.0);
        let (kr, kb) = (self.luma.red, self.luma.blue);
        let y = kr * red + (1.0 - kr - kb) * green + kb * blue;
        let (cb, cr) = (
            (blue - y) / (2.0 * (1.0 - kb)),
            (red - y) / (2.0 * (1.0 - kr)),
        );
        let step = f64::from(1_u32 << (bits - 8));
        let top = f64::from((1_u32 << bits) - 1);
        match black {
            Black::Full => [y * top, 128.0 * step + cb * top, 128.0 * step + cr * top],
            Black::Limited => [
                (16.0 + 219.0 * y) * step,
                (128.0 + 224.0 * cb) * step,
                (128.0 + 224.0 * cr) * step,
            ],
        }
        .map(|value| value.round().clamp(0.0, top) as u16)
    }

    /// The samples of one component, in rows without gaps.
    fn plane(&self, component: usize) -> Vec<u16> {
        let (width, height) = self.size;
        let (across, down) = match (component, self.chroma) {
            (1.., Chroma::C420) => (2, 2),
            (1.., Chroma::C422) => (2, 1),
            _ => (1, 1),
        };
        let rows = (0..height).step_by(down);
        rows.flat_map(|y| {
            (0..width).step_by(across).map(move |x| {
                let rgb = patches::at(x, y, self.size);
                self.samples(rgb, self.bits, self.black)[component]
            })
        })
        .collect()
    }

    fn bytes(&self, samples: Vec<u16>) -> Vec<u8> {
        if self.bits == 8 {
            return samples.into_iter().map(|sample| sample as u8).collect();
        }
        samples.into_iter().flat_map(u16::to_le_bytes).collect()
    }

    /// Encodes it, as good as without loss; no scaler is in between that could guess what is meant.
    fn make(&self, folder: &Path) {
        let components = if self.chroma == Chroma::Grey { 1 } else { 3 };
        let samples: Vec<u8> = (0..components)
            .flat_map(|component| self.bytes(self.plane(component)))
            .collect();
        let picture = folder.join(self.file()).with_extension("raw");
        std::fs::write(&picture, samples).unwrap();
        let format = match (self.codec, self.chroma) {
            (Codec::Jpeg, Chroma::C420) => "yuvj420p",
            (Codec::Jpeg, Chroma::C422) => "yuvj422p",
            (Codec::Jpeg, Chroma::C444) => "yuvj444p",
            (_, Chroma::C420) => "yuv420p",
            (_, Chroma::C422) => "yuv422p",
            (_, Chroma::C444) => "yuv444p",
            (_, Chroma::Grey) => "gray",
        };
        let deep = if self.bits == 8 {
            String::new()
        } else {
            format!("{}le", self.bits)
        };
        let told = &self.told;
        let parameters = format!("bframes=0:qp=1:{told}");
        let h264 = format!("threads=1:{parameters}");
        let h265 = format!("log-level=error:pools=none:frame-threads=1:{parameters}");
        let encoder = match self.codec {
            Codec::Jpeg => ["-c:v", "mjpeg", "-q:v", "1"],
            Codec::H265 => ["-c:v", "libx265", "-x265-params", &h265],
            Codec::H264 | Codec::None => ["-c:v", "libx264", "-x264-params", &h264],
        };
        let made = Command::new("ffmpeg")
            .args([
                "-nostdin", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt",
            ])
            .arg(format!("{format}{deep}"))
            .args([
                "-s",
                &format!("{}x{}", self.size.0, self.size.1),
                "-r",
                "10",
            ])
            .args(["-stream_loop", "-1", "-i"])
            .arg(&picture)
            .args(["-frames:v", "3"])
            .args(encoder)
            .args(["-preset", "ultrafast"])
            .arg(folder.join(self.file()))
            .status()
            .expect("ffmpeg is installed");
        assert!(made.success(), "{}", self.name);
    }

    /// The picture as our encoder compresses it, without a decoder before it.
    pub fn jpeg(&self, quality: u8) -> Vec<u8> {
        let high = |samples: Vec<u16>| samples.into_iter().map(|s| s << (16 - self.bits)).collect();
        let aligned = |samples: Vec<u16>| {
            if self.bits == 8 {
                samples
            } else {
                high(samples)
            }
        };
        let luma = self.bytes(aligned(self.plane(0)));
        let chroma = self.plane(1).into_iter().zip(self.plane(2));
        let chroma = self.bytes(aligned(
            chroma.flat_map(|(blue, red)| [blue, red]).collect(),
        ));
        let stride = self.size.0 as usize * if self.bits == 8 { 1 } else { 2 };
        let colour = Colour {
            range: match self.black {
                Black::Full => Range::Full,
                Black::Limited => Range::Limited,
            },
            matrix: match self.luma.name {
                "BT.601" => Matrix::Bt601,
                "BT.709" => Matrix::Bt709,
                _ => Matrix::Bt2020,
            },
        };
        let depth = if self.bits == 8 {
            Depth::Eight
        } else {
            Depth::High
        };
        let size = Size::new(self.size.0, self.size.1);
        let planes = [Plane::new(&luma, stride), Plane::new(&chroma, stride)];
        let raw = Raw::deep(Layout::Nv12, depth, size, colour, &planes).unwrap();
        let jpeg = Encoder::new().unwrap().encode(&raw, size, quality);
        jpeg.unwrap().to_vec()
    }
}

/// Every range with every matrix.
fn meanings() -> impl Iterator<Item = (Black, Luma)> {
    [Black::Full, Black::Limited]
        .into_iter()
        .flat_map(|black| [BT601, BT709, BT2020].map(|luma| (black, luma)))
}

/// All that is played.
pub fn every_clip() -> Vec<Clip> {
    let mut clips = Vec::new();
    for (black, luma) in meanings() {
        for (chroma, bits) in [
            (Chroma::C420, 8),
            (Chroma::C422, 8),
            (Chroma::C444, 8),
            (Chroma::C420, 10),
            (Chroma::C422, 10),
            (Chroma::C444, 10),
        ] {
            clips.push(Clip::new(Codec::H264, chroma, bits, black, luma));
        }
        for bits in [8, 10] {
            clips.push(Clip::new(Codec::H265, Chroma::C420, bits, black, luma));
        }
    }
    for chroma in [Chroma::C420, Chroma::C422, Chroma::C444] {
        clips.push(Clip::new(Codec::Jpeg, chroma, 8, Black::Full, BT601));
    }
    for black in [Black::Full, Black::Limited] {
        for codec in [Codec::H264, Codec::H265] {
            clips.push(Clip::new(codec, Chroma::Grey, 8, black, BT601));
        }
    }
    for (codec, chroma, bits) in [
        (Codec::H265, Chroma::C422, 10),
        (Codec::H265, Chroma::C444, 8),
        (Codec::H265, Chroma::C420, 12),
    ] {
        clips.push(Clip::new(codec, chroma, bits, Black::Limited, BT709));
    }
    clips.push(Clip {
        size: (323, 241),
        ..Clip::new(Codec::H264, Chroma::C444, 8, Black::Limited, BT709).named(", odd size")
    });
    clips.extend(unsaid());
    clips
}

/// Streams that tell a part of it, or nothing.
fn unsaid() -> Vec<Clip> {
    let clip = |black, luma: Luma, size, told: &str, more: &str| Clip {
        size,
        told: told.to_owned(),
        ..Clip::new(Codec::H264, Chroma::C420, 8, black, luma).named(more)
    };
    let (sd, hd) = ((320, 240), (1280, 720));
    let nothing = "fullrange=off";
    vec![
        clip(Black::Limited, BT601, sd, nothing, ", nothing said"),
        clip(Black::Limited, BT709, hd, nothing, ", nothing said"),
        clip(Black::Full, BT601, sd, "fullrange=on", ", no matrix said"),
        clip(Black::Full, BT709, hd, "fullrange=on", ", no matrix said"),
        clip(
            Black::Limited,
            BT709,
            sd,
            "colorprim=bt709:transfer=bt709",
            ", only primaries said",
        ),
        Clip {
            told: nothing.to_owned(),
            ..Clip::new(Codec::H265, Chroma::C420, 8, Black::Limited, BT601).named(", nothing said")
        },
    ]
}

/// What only hardware decoders make: NV12 and P010.
pub fn in_memory() -> Vec<Clip> {
    meanings()
        .flat_map(|(black, luma)| {
            [8, 10].map(|bits| {
                let form = if bits == 8 { ", NV12" } else { ", P010" };
                Clip::new(Codec::None, Chroma::C420, bits, black, luma).named(form)
            })
        })
        .collect()
}

/// Two at a time: one process an encoder.
pub fn make_all(clips: &[Clip], folder: &Path) {
    let queue = Mutex::new(clips.iter());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(clip) = { queue.lock().unwrap().next() } {
                    clip.make(folder);
                }
            });
        }
    });
}
