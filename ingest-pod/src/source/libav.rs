//! What libav's decoders complain of. `GStreamer` 1.22 does not tell which picture a decoder had to make up: the only
//! trace of it is a message in the log, written by the thread that decodes.

use gstreamer as gst;
use std::cell::Cell;
use std::sync::{Mutex, PoisonError};

use super::reference::Trouble;

thread_local! {
    static SEEN: Cell<Option<Trouble>> = const { Cell::new(None) };
}

/// What libav says, as news and not as an error, of each picture of which it made up blocks.
const CONCEALING: &str = "concealing";

/// What libav says when `GStreamer` has no buffer for a picture.
const NO_ROOM: &str = "get_buffer() failed";

/// Errors that speak of bytes that make no sense; all others are about pictures that are missing.
const BROKEN: [&str; 5] = [
    "error while decoding",
    "corrupted",
    "decode_slice_header error",
    "Overread",
    "invalid",
];

/// Listens from now on. To be called once a decoder of libav exists.
pub fn listen() {
    static LISTENING: Mutex<bool> = Mutex::new(false);
    let mut listening = LISTENING.lock().unwrap_or_else(PoisonError::into_inner);
    if *listening {
        return;
    }
    // Not there until the plugin is loaded: this decoder may be another's, and the next one libav's.
    let Some(category) = gst::DebugCategory::get("libav") else {
        return;
    };
    *listening = true;
    // Its only task would be to repeat on standard error what is counted here.
    if std::env::var_os("GST_DEBUG").is_none() {
        gst::log::remove_default_log_function();
    }
    if category.threshold() < gst::DebugLevel::Info {
        category.set_threshold(gst::DebugLevel::Info);
    }
    gst::log::add_log_function(move |from, level, _, _, _, _, message| {
        if from == category {
            let text = message.get();
            let text = text.as_ref().map_or("", |text| text.as_str());
            note(level == gst::DebugLevel::Error, text);
        }
    });
}

fn note(error: bool, message: &str) {
    let broken = || BROKEN.iter().any(|word| message.contains(word));
    let trouble = if error && message.contains(NO_ROOM) {
        Trouble::NoRoom
    } else if message.starts_with(CONCEALING) || (error && broken()) {
        Trouble::Broken
    } else if error {
        Trouble::Missing
    } else {
        return;
    };
    SEEN.with(|seen| seen.set(seen.get().max(Some(trouble))));
}

/// The worst that this thread's decoder has complained of since the last call.
pub fn take() -> Option<Trouble> {
    SEEN.take()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_message_counts_once() {
        assert_eq!(take(), None);
        note(true, "error while decoding MB 17 8, bytestream -6");
        note(true, "Frame num gap 7 5");
        assert_eq!(take(), Some(Trouble::Broken));
        note(true, "Missing reference picture, default is 0");
        assert_eq!(take(), Some(Trouble::Missing));
        note(false, "Reinit context to 320x192, pix_fmt: yuv420p");
        assert_eq!(take(), None);
        note(false, "concealing 60 DC, 60 AC, 60 MV errors in P frame");
        assert_eq!(take(), Some(Trouble::Broken));
        note(true, "get_buffer() failed");
        note(true, "decode_slice_header error");
        assert_eq!(take(), Some(Trouble::NoRoom));
        assert_eq!(take(), None);
    }
}
