//! What the camera can send, and the elements for it.

use std::str::FromStr;

use anyhow::{Error, bail};

/// A video codec that cameras send over RTSP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// H.264
    H264,
    /// H.265
    H265,
    /// Motion JPEG
    Mjpeg,
}

impl Codec {
    /// The codec of caps with this name; none when it can't be sent as it is.
    pub(super) fn of_caps(name: &str) -> Option<Self> {
        match name {
            "video/x-h264" => Some(Self::H264),
            "video/x-h265" => Some(Self::H265),
            "image/jpeg" => Some(Self::Mjpeg),
            _ => None,
        }
    }

    /// Brings a demuxed stream into whole access units that each stand for themselves.
    pub(super) fn parser(self) -> &'static str {
        match self {
            Self::H264 => {
                "h264parse config-interval=-1 ! video/x-h264,stream-format=byte-stream,alignment=au"
            }
            Self::H265 => {
                "h265parse config-interval=-1 ! video/x-h265,stream-format=byte-stream,alignment=au"
            }
            Self::Mjpeg => "jpegparse",
        }
    }

    /// Encodes a test picture with a key frame every `gop` frames.
    pub(super) fn encoder(self, gop: u32) -> String {
        match self {
            Self::H264 => format!(
                "videoconvert ! video/x-raw,format=I420 ! x264enc tune=zerolatency \
                 speed-preset=ultrafast threads=1 key-int-max={gop} bitrate=1000 ! h264parse"
            ),
            Self::H265 => format!(
                "videoconvert ! video/x-raw,format=I420 ! x265enc tune=zerolatency \
                 speed-preset=ultrafast key-int-max={gop} bitrate=1000 ! h265parse"
            ),
            Self::Mjpeg => "videoconvert ! video/x-raw,format=I420 ! jpegenc".to_owned(),
        }
    }

    /// Puts the stream into RTP packets; parameter sets are repeated with every key frame.
    pub(super) fn payloader(self) -> &'static str {
        match self {
            Self::H264 => "rtph264pay name=pay0 pt=96 config-interval=-1",
            Self::H265 => "rtph265pay name=pay0 pt=96 config-interval=-1",
            Self::Mjpeg => "rtpjpegpay name=pay0 pt=26",
        }
    }
}

impl FromStr for Codec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "h264" => Ok(Self::H264),
            "h265" => Ok(Self::H265),
            "mjpeg" => Ok(Self::Mjpeg),
            other => bail!("codec {other:?} is none of h264, h265, mjpeg"),
        }
    }
}
