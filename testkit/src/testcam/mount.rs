//! What is served under which path: `/name=FILE` or `/name=testsrc[:CODEC[:WIDTHxHEIGHT@FPS]]`.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Error, Result, ensure};

use super::codec::Codec;

/// A picture made while it is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestPicture {
    /// What it is encoded with.
    pub codec: Codec,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Frames a second.
    pub fps: u32,
}

/// What a path serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A file that holds H.264, H.265 or MJPEG, in a loop.
    Film(PathBuf),
    /// A moving ball.
    Test(TestPicture),
}

/// One path of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The path of the URL, with its slash.
    pub path: String,
    /// What is there.
    pub what: What,
}

impl FromStr for Mount {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (path, what) = text
            .split_once('=')
            .with_context(|| format!("{text:?} is not /name=FILE or /name=testsrc"))?;
        ensure!(
            path.len() > 1 && path.starts_with('/'),
            "the path {path:?} does not begin with a slash and a name"
        );
        let what = match what.strip_prefix("testsrc") {
            Some(options) if options.is_empty() || options.starts_with(':') => {
                What::Test(test_picture(options)?)
            }
            _ => What::Film(what.into()),
        };
        Ok(Self {
            path: path.to_owned(),
            what,
        })
    }
}

fn test_picture(options: &str) -> Result<TestPicture> {
    let mut parts = options.split(':').skip(1);
    let codec = parts.next().map_or(Ok(Codec::H264), str::parse)?;
    let form = parts.next().unwrap_or("640x360@25");
    let numbers = form.split_once('@').and_then(|(size, fps)| {
        let (width, height) = size.split_once('x')?;
        Some((width.parse().ok()?, height.parse().ok()?, fps.parse().ok()?))
    });
    let (width, height, fps) =
        numbers.with_context(|| format!("{form:?} is not WIDTHxHEIGHT@FPS"))?;
    Ok(TestPicture {
        codec,
        width,
        height,
        fps,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_read() {
        let mount: Mount = "/cam=film.mp4".parse().unwrap();
        assert_eq!(mount.what, What::Film("film.mp4".into()));
        let mount: Mount = "/cam=testsrc:mjpeg:1280x720@10".parse().unwrap();
        let expected = TestPicture {
            codec: Codec::Mjpeg,
            width: 1280,
            height: 720,
            fps: 10,
        };
        assert_eq!(mount.what, What::Test(expected));
        for wrong in [
            "cam=film.mp4",
            "/cam",
            "/cam=testsrc:vp8",
            "/cam=testsrc:h264:big",
        ] {
            assert!(wrong.parse::<Mount>().is_err(), "{wrong}");
        }
    }
}
