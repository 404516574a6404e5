//! A film in memory: its access units as the file holds them, with their times.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, anyhow, bail};
use gstreamer::prelude::*;
use gstreamer::{self as gst, ClockTime, MessageView};
use gstreamer_app::{AppSink, AppSinkCallbacks};

use super::codec::Codec;

const READING: ClockTime = ClockTime::from_seconds(30);

/// One access unit; times count from the first unit of the film.
#[derive(Debug)]
pub(crate) struct Unit {
    pub buffer: gst::Buffer,
    pub decode: ClockTime,
    pub present: ClockTime,
}

/// All of a file's video.
#[derive(Debug)]
pub(crate) struct Film {
    pub codec: Codec,
    pub caps: gst::Caps,
    pub units: Vec<Unit>,
    /// From the first unit to where the first unit of the next lap belongs.
    pub length: ClockTime,
}

impl Film {
    /// Reads the whole file; it must hold H.264, H.265 or MJPEG.
    pub fn load(path: &Path) -> Result<Self> {
        read(path).with_context(|| format!("can't read {}", path.display()))
    }
}

#[derive(Debug, Default)]
struct Reading {
    codec: Option<Codec>,
    others: Vec<String>,
    samples: Vec<gst::Sample>,
    fault: Option<gst::glib::BoolError>,
}

fn read(path: &Path) -> Result<Film> {
    let pipeline = gst::Pipeline::new();
    let source = gst::ElementFactory::make("filesrc")
        .property("location", path)
        .build()?;
    let parse = gst::ElementFactory::make("parsebin").build()?;
    pipeline.add_many([&source, &parse])?;
    source.link(&parse)?;

    let reading = Arc::new(Mutex::new(Reading::default()));
    let weak = pipeline.downgrade();
    let shared = Arc::clone(&reading);
    parse.connect_pad_added(move |_, pad| {
        let Some(pipeline) = weak.upgrade() else {
            return;
        };
        if let Err(error) = take_stream(&pipeline, pad, &shared) {
            lock(&shared).fault = Some(error);
        }
    });

    pipeline.set_state(gst::State::Playing)?;
    let played = wait_for_end(&pipeline);
    pipeline.set_state(gst::State::Null)?;
    played?;
    let reading = std::mem::take(&mut *lock(&reading));
    if let Some(fault) = reading.fault {
        return Err(fault.into());
    }
    let codec = reading.codec.with_context(|| {
        let found = reading.others.join(", ");
        format!("only H.264, H.265 and MJPEG can be sent as they are, found {found}")
    })?;
    film(codec, &reading.samples)
}

/// Collects the first video stream of a known codec and discards every other stream.
fn take_stream(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    reading: &Arc<Mutex<Reading>>,
) -> Result<(), gst::glib::BoolError> {
    let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
    let name = caps
        .structure(0)
        .map_or("nothing", |first| first.name().as_str());
    let codec = Codec::of_caps(name).filter(|_| lock(reading).codec.is_none());
    let description = codec.map_or("fakesink sync=false async=false".to_owned(), |codec| {
        format!(
            "{} ! appsink name=units sync=false async=false",
            codec.parser()
        )
    });
    let bin = gst::parse::bin_from_description(&description, true)
        .map_err(|error| gst::glib::bool_error!("{error}"))?;
    match codec {
        Some(codec) => {
            lock(reading).codec = Some(codec);
            let sink = bin.by_name("units").and_downcast::<AppSink>();
            let sink = sink.ok_or_else(|| gst::glib::bool_error!("no appsink"))?;
            let shared = Arc::clone(reading);
            let collect = AppSinkCallbacks::builder().new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                lock(&shared).samples.push(sample);
                Ok(gst::FlowSuccess::Ok)
            });
            sink.set_callbacks(collect.build());
        }
        None => lock(reading).others.push(name.to_owned()),
    }
    pipeline.add(&bin)?;
    bin.sync_state_with_parent()?;
    let entry = bin.static_pad("sink");
    let entry = entry.ok_or_else(|| gst::glib::bool_error!("no sink pad"))?;
    pad.link(&entry)
        .map_err(|error| gst::glib::bool_error!("{error}"))?;
    Ok(())
}

fn wait_for_end(pipeline: &gst::Pipeline) -> Result<()> {
    let bus = pipeline.bus().context("a pipeline has a bus")?;
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let message = bus
        .timed_pop_filtered(READING, &ends)
        .with_context(|| format!("not read to its end within {READING}"))?;
    match message.view() {
        MessageView::Error(error) => Err(anyhow!("{}", error.error())),
        _ => Ok(()),
    }
}

fn film(codec: Codec, samples: &[gst::Sample]) -> Result<Film> {
    let caps = samples.first().and_then(|sample| sample.caps_owned());
    let placed = |sample: &gst::Sample| {
        let buffer = sample.buffer_owned()?;
        let present = buffer.pts().or(buffer.dts())?;
        Some((buffer.dts().unwrap_or(present), present, buffer))
    };
    let timed: Vec<_> = samples.iter().filter_map(placed).collect();
    let (Some(caps), true) = (caps, timed.len() > 1) else {
        bail!("fewer than two pictures with a time");
    };
    let first = timed
        .iter()
        .map(|(decode, ..)| *decode)
        .min()
        .unwrap_or_default();
    let shown = timed.iter().map(|(_, present, _)| *present);
    let (earliest, latest) = (
        shown.clone().min().unwrap_or_default(),
        shown.max().unwrap_or_default(),
    );
    let count = timed.len() as u64;
    let length = (latest - earliest)
        .mul_div_round(count, count - 1)
        .context("the film is too long")?;
    let units = timed
        .into_iter()
        .map(|(decode, present, buffer)| Unit {
            buffer,
            decode: decode.saturating_sub(first),
            present: present.saturating_sub(first),
        })
        .collect();
    Ok(Film {
        codec,
        caps,
        units,
        length,
    })
}

fn lock(reading: &Mutex<Reading>) -> std::sync::MutexGuard<'_, Reading> {
    reading.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths::{clip, footage};

    #[test]
    fn a_film_is_as_long_as_its_frames() {
        gst::init().unwrap();
        // The first has sound beside the picture.
        let film = Film::load(&footage("bigbuckbunny.mp4").unwrap()).unwrap();
        assert_eq!((film.codec, film.units.len()), (Codec::H264, 132));
        for (name, codec, frames, milliseconds) in [
            ("h264-1080p30.mp4", Codec::H264, 150, 5000),
            ("h264-bframes-720p25.mp4", Codec::H264, 132, 5280),
            ("h264-720p25.mkv", Codec::H264, 132, 5280),
            ("h265-720p25.mp4", Codec::H265, 132, 5280),
            ("mjpeg-720p25.avi", Codec::Mjpeg, 132, 5280),
        ] {
            let film = Film::load(&clip(name).unwrap()).unwrap();
            assert_eq!((film.codec, film.units.len()), (codec, frames), "{name}");
            assert!(
                film.length.mseconds().abs_diff(milliseconds) <= 1,
                "{name}: {}",
                film.length
            );
        }
    }

    #[test]
    fn a_codec_that_cameras_do_not_send_is_named() {
        gst::init().unwrap();
        let error = Film::load(&footage("vtest.avi").unwrap()).unwrap_err();
        assert!(
            format!("{error:#}").contains("found video/x-divx"),
            "{error:#}"
        );
    }
}
