//! What `v4l2src` tells nobody but its log: that it does not believe a driver's timestamps.

use gstreamer as gst;
use std::collections::BTreeSet;
use std::sync::{Mutex, Once, PoisonError};

/// The end of each of the three messages of GStreamer 1.16 and later.
const GIVEN_UP: &str = "ignoring driver timestamps";

static LISTEN: Once = Once::new();
static ELEMENTS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Follows the log of all `v4l2src` elements of this process; there must be one already.
pub fn listen() {
    LISTEN.call_once(|| {
        let Some(category) = gst::DebugCategory::get("v4l2src") else {
            return;
        };
        // Without GST_DEBUG nobody wants to read this log; else it stays as it was set.
        if std::env::var_os("GST_DEBUG").is_none() {
            gst::log::remove_default_log_function();
        }
        if category.threshold() < gst::DebugLevel::Warning {
            category.set_threshold(gst::DebugLevel::Warning);
        }
        gst::log::add_log_function(move |from, _, _, _, _, object, message| {
            let given_up = from.name() == "v4l2src"
                && message.get().is_some_and(|text| text.contains(GIVEN_UP));
            if let Some(object) = object.filter(|_| given_up) {
                ELEMENTS
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(object.to_string());
            }
        });
    });
}

/// Whether this element has given up its driver's timestamps; forgets it.
pub fn take_given_up(element: &str) -> bool {
    let mut elements = ELEMENTS.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(found) = elements.iter().find(|name| name.contains(element)).cloned() else {
        return false;
    };
    elements.remove(&found)
}
