//! What `v4l2src` tells nobody but its log: that it does not believe a driver's timestamps, and that it throws frames away.

use gst::prelude::*;
use gstreamer as gst;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};

/// The log of the element.
const SOURCE: &str = "v4l2src";
/// The log of the buffers that it and the driver share.
const BUFFERS: &str = "v4l2bufferpool";

/// Something that it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// It has given up the driver's timestamps.
    GivenUp,
    /// It threw away a frame that holds less than its format makes of it.
    Truncated,
}

impl Said {
    fn of(log: &str, text: &str) -> Option<Self> {
        match log {
            // The end of each of the three messages of GStreamer 1.16 and later.
            SOURCE if text.contains("ignoring driver timestamps") => Some(Self::GivenUp),
            BUFFERS if text.contains("Dropping truncated buffer") => Some(Self::Truncated),
            _ => None,
        }
    }
}

/// What one element has said and nobody has taken yet. Its frames ask without a lock.
#[derive(Debug, Default)]
struct Heard {
    given_up: AtomicBool,
    truncated: AtomicBool,
}

impl Heard {
    fn of(&self, said: Said) -> &AtomicBool {
        match said {
            Said::GivenUp => &self.given_up,
            Said::Truncated => &self.truncated,
        }
    }
}

static LISTEN: Once = Once::new();
static ELEMENTS: Mutex<BTreeMap<String, Arc<Heard>>> = Mutex::new(BTreeMap::new());

fn elements() -> MutexGuard<'static, BTreeMap<String, Arc<Heard>>> {
    ELEMENTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Follows the logs of all `v4l2src` elements of this process.
fn listen() {
    LISTEN.call_once(|| {
        // Without GST_DEBUG nobody wants to read this log; else it stays as it was set.
        if std::env::var_os("GST_DEBUG").is_none() {
            gst::log::remove_default_log_function();
        }
        for name in [SOURCE, BUFFERS] {
            // Made here where GStreamer has not yet: the buffers' comes with the first of them.
            let log = gst::DebugCategory::new(name, gst::DebugColorFlags::empty(), None);
            if log.threshold() < gst::DebugLevel::Warning {
                log.set_threshold(gst::DebugLevel::Warning);
            }
        }
        gst::log::add_log_function(|log, _, _, _, _, object, message| {
            let said = message.get().and_then(|text| Said::of(log.name(), &text));
            if let (Some(said), Some(object)) = (said, object) {
                let object = object.to_string();
                // Buffers have the name of their element and more.
                let element = object.split(':').next().unwrap_or_default();
                if let Some(heard) = elements().get(element) {
                    heard.of(said).store(true, Ordering::Relaxed);
                }
            }
        });
    });
}

/// The log of one `v4l2src`.
#[derive(Debug)]
pub struct DriverLog {
    element: String,
    heard: Arc<Heard>,
}

impl DriverLog {
    /// Follows it from now on.
    pub fn of(element: &gst::Element) -> Self {
        listen();
        let (element, heard) = (element.name().to_string(), Arc::default());
        elements().insert(element.clone(), Arc::clone(&heard));
        Self { element, heard }
    }

    /// Whether it has said this; forgets it.
    pub fn take(&self, said: Said) -> bool {
        self.heard.of(said).swap(false, Ordering::Relaxed)
    }
}

impl Drop for DriverLog {
    fn drop(&mut self) {
        elements().remove(&self.element);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(name: &str) -> gst::Element {
        let identity = gst::ElementFactory::make("identity");
        identity.name(name).build().unwrap()
    }

    fn say(log: &str, object: &impl IsA<gst::glib::Object>, text: &str) {
        let log = gst::DebugCategory::get(log).unwrap();
        let (level, file) = (gst::DebugLevel::Warning, gst::glib::GString::from("c"));
        log.log(
            Some(object),
            level,
            file.as_gstr(),
            "f",
            1,
            format_args!("{text}"),
        );
    }

    #[test]
    fn what_one_element_says_is_heard_once_and_of_no_other() {
        gst::init().unwrap();
        let (one, other) = (element("v4l2src1"), element("v4l2src11"));
        let logs = [&one, &other].map(DriverLog::of);
        let pool = gst::BufferPool::new();
        pool.set_property("name", "v4l2src11:pool0:src");
        let truncated = "Dropping truncated buffer, this is likely a driver bug.";
        say(BUFFERS, &pool, truncated);
        say(BUFFERS, &pool, "Uncertain or not enough buffers");
        let given_up = "Timestamp in the future detected, ignoring driver timestamps";
        say(SOURCE, &one, given_up);
        let taken = || {
            let all = [Said::GivenUp, Said::Truncated];
            logs.each_ref().map(|log| all.map(|said| log.take(said)))
        };
        assert_eq!(taken(), [[true, false], [false, true]]);
        assert_eq!(taken(), [[false, false], [false, false]]);
    }

    #[test]
    fn what_is_said_of_an_element_that_is_gone_is_forgotten() {
        gst::init().unwrap();
        let element = element("v4l2src21");
        let log = DriverLog::of(&element);
        say(SOURCE, &element, "ignoring driver timestamps");
        drop(log);
        assert!(!elements().contains_key("v4l2src21"));
        assert!(!DriverLog::of(&element).take(Said::GivenUp));
    }
}
