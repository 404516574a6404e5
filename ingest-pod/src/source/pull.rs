//! Pulling pictures out of a running pipeline, and what can go wrong there.

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;
use std::sync::Arc;

use super::{Attempt, Described};
use crate::captured::{CameraJpeg, Content, Video, signalled};
use crate::picture::Colour;
use crate::stop::Stop;

/// A pipeline that is torn down when it goes out of scope, whatever the reason.
pub struct Running(pub gst::Pipeline);

impl Drop for Running {
    fn drop(&mut self) {
        if let Err(error) = self.0.set_state(gst::State::Null) {
            tracing::warn!(%error, "pipeline did not stop cleanly");
        }
    }
}

/// Turns samples into pictures; remembers the caps so that they are parsed once.
#[derive(Default)]
pub struct Reader {
    caps: Option<gst::Caps>,
    info: Option<(gst_video::VideoInfo, Colour)>,
    raw: bool,
    lent: bool,
}

impl Reader {
    /// Of samples whose memory is a driver's.
    pub fn of_a_driver() -> Self {
        Self {
            lent: true,
            ..Self::default()
        }
    }

    /// The picture of a sample, and its PTS. `None` for what is no whole picture.
    pub fn read(
        &mut self,
        sample: &gst::Sample,
        codec: &str,
        decoder: Option<&str>,
        attempt: &Attempt,
    ) -> Option<(Arc<Content>, Option<gst::ClockTime>)> {
        let buffer = sample.buffer_owned()?;
        let pts = buffer.pts();
        if self.caps.as_deref() != sample.caps() {
            self.caps = sample.caps_owned();
            self.info = self.caps.as_ref().and_then(|caps| {
                let info = gst_video::VideoInfo::from_caps(caps).ok()?;
                Some((info, signalled::colour(caps)))
            });
            self.raw = sample
                .caps()
                .and_then(|caps| caps.structure(0))
                .is_some_and(|structure| structure.name() == "video/x-raw");
            if let Some(described) = self.describe(codec, decoder) {
                attempt.outlet.described(described);
            }
        }
        if buffer.flags().contains(gst::BufferFlags::CORRUPTED) {
            attempt.outlet.held_back("corrupt", 1);
            return None;
        }
        if self.raw {
            let (info, colour) = self.info.as_ref()?;
            let video = Video {
                frame: gst_video::VideoFrame::from_buffer_readable(buffer, info).ok()?,
                colour: *colour,
            };
            return Some((Arc::new(Content::Video(Box::new(video))), pts));
        }
        let jpeg = if self.lent {
            CameraJpeg::copied(&buffer)
        } else {
            CameraJpeg::new(buffer)
        };
        match jpeg {
            Ok(jpeg) => Some((Arc::new(Content::Jpeg(jpeg)), pts)),
            Err(error) => {
                tracing::debug!(%error, "broken JPEG from the camera");
                attempt.outlet.held_back("broken_jpeg", 1);
                None
            }
        }
    }

    fn describe(&self, codec: &str, decoder: Option<&str>) -> Option<Described> {
        let structure = self.caps.as_ref()?.structure(0)?;
        let side = |name| structure.get::<i32>(name).ok().map_or(0, i32::unsigned_abs);
        Some(Described {
            codec: codec.to_owned(),
            decoder: decoder.map(str::to_owned),
            width: side("width"),
            height: side("height"),
        })
    }
}

/// Codec name for people: `h264` for `video/x-h264`.
pub fn codec_name(caps: &gst::CapsRef) -> String {
    let name = caps.structure(0).map_or("unknown", |s| s.name().as_str());
    name.rsplit_once('/')
        .map_or(name, |(_, sub)| sub.strip_prefix("x-").unwrap_or(sub))
        .to_owned()
}

/// Rings for each sample, for the end of the stream, and for what goes wrong: whoever rests on `stop` then
/// need not look at sink and bus many times a second.
pub fn ring_for(sink: &gst_app::AppSink, bus: &gst::Bus, stop: &Stop) {
    let (for_sample, for_end, for_error) = (stop.clone(), stop.clone(), stop.clone());
    sink.set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_sample(move |_| {
                for_sample.ring();
                Ok(gst::FlowSuccess::Ok)
            })
            .eos(move |_| for_end.ring())
            .build(),
    );
    bus.set_sync_handler(move |_, message| {
        if matches!(
            message.type_(),
            gst::MessageType::Error | gst::MessageType::Eos
        ) {
            for_error.ring();
        }
        gst::BusSyncReply::Pass
    });
}

/// What a look at sink and bus gave.
pub enum Pulled {
    /// A sample.
    Sample(gst::Sample),
    /// Nothing yet.
    Nothing,
    /// The stream is over.
    Eos,
    /// The pipeline failed: error and debug text, not yet cleaned.
    Error(gst::glib::Error, String),
}

/// Waits a little for the next sample, or tells why there is none.
///
/// The end of the stream is read off the sink where there is one: the bus would still hold the news of
/// the last pass after a file was rewound.
pub fn pull(sink: Option<&gst_app::AppSink>, bus: &gst::Bus, wait: gst::ClockTime) -> Pulled {
    let sample = sink.and_then(|sink| sink.try_pull_sample(gst::ClockTime::ZERO));
    if let Some(sample) = sample {
        return Pulled::Sample(sample);
    }
    // Looked at before the bus: an element that fails says why there, and only then ends the stream.
    let over = sink.is_some_and(gst_app::AppSink::is_eos);
    while let Some(message) = bus.pop_filtered(&[gst::MessageType::Error, gst::MessageType::Eos]) {
        match message.view() {
            gst::MessageView::Error(error) => {
                let debug = error.debug().map_or_else(String::new, |d| d.to_string());
                return Pulled::Error(error.error(), debug);
            }
            gst::MessageView::Eos(_) if sink.is_none() => return Pulled::Eos,
            _ => {}
        }
    }
    if over {
        return Pulled::Eos;
    }
    if let Some(sink) = sink {
        return sink
            .try_pull_sample(wait)
            .map_or(Pulled::Nothing, Pulled::Sample);
    }
    std::thread::sleep(wait.into());
    Pulled::Nothing
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn an_element_that_fails_is_told_apart_from_a_stream_that_is_over() {
        gst::init().unwrap();
        for (fails, description) in [
            (
                true,
                "videotestsrc ! identity error-after=2 ! appsink name=sink",
            ),
            (false, "videotestsrc num-buffers=2 ! appsink name=sink"),
        ] {
            let pipeline = gst::parse::launch(description).unwrap();
            let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
            let sink = pipeline.by_name("sink").unwrap();
            let sink = sink.downcast::<gst_app::AppSink>().unwrap();
            let bus = pipeline.bus().unwrap();
            let _running = Running(pipeline.clone());
            pipeline.set_state(gst::State::Playing).unwrap();
            let begin = Instant::now();
            let mut taken = 0;
            let end = loop {
                assert!(begin.elapsed() < Duration::from_secs(30), "{description}");
                // Both the failure and the end of the stream are there before anybody looks.
                std::thread::sleep(Duration::from_millis(200));
                match pull(Some(&sink), &bus, gst::ClockTime::ZERO) {
                    Pulled::Sample(_) => taken += 1,
                    Pulled::Nothing => {}
                    end @ (Pulled::Eos | Pulled::Error(..)) => break end,
                }
            };
            assert_eq!(matches!(end, Pulled::Error(..)), fails, "{description}");
            assert!(taken >= 1, "{description}: what came before is not lost");
        }
    }
}
