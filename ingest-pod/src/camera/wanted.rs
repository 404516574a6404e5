//! What a camera is to be, and the handles to stop what it is.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use streamhub_crds::Camera;

use crate::stop::Stop;

/// The document in force. Clones share it.
#[derive(Clone)]
pub struct Wanted(Arc<Mutex<State>>);

struct State {
    camera: Camera,
    own: Stop,
    standby: Stop,
    ended: bool,
    /// Counts the changes of `spec.enabled` and the camera's own source.
    own_version: u64,
    /// Counts these and the changes of the fallbacks.
    version: u64,
}

/// What one of the two threads is to do.
pub struct Order {
    /// The document.
    pub camera: Camera,
    /// Ends what is done for it.
    pub stop: Stop,
    /// Another number means that what the thread does is something else.
    pub version: u64,
}

impl Wanted {
    /// Begins with this document.
    pub fn new(camera: Camera) -> Self {
        Self(Arc::new(Mutex::new(State {
            camera,
            own: Stop::new(),
            standby: Stop::new(),
            ended: false,
            own_version: 0,
            version: 0,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a new document over; what runs is stopped only when it is another one.
    pub fn replace(&self, camera: Camera) {
        let mut state = self.state();
        let (old, new) = (&state.camera.spec, &camera.spec);
        let same_own = old.source.primary == new.source.primary && old.enabled == new.enabled;
        let same_fallbacks = old.source.fallbacks == new.source.fallbacks;
        state.camera = camera;
        if !same_own {
            state.own_version += 1;
            state.own.stop();
        }
        if !same_own || !same_fallbacks {
            state.version += 1;
            state.standby.stop();
        }
    }

    /// Ends it for good.
    pub fn end(&self) {
        let mut state = self.state();
        state.ended = true;
        state.own.stop();
        state.standby.stop();
    }

    /// For the thread of the camera's own source; `None` at the end.
    pub fn own(&self) -> Option<Order> {
        let mut state = self.state();
        if state.own.is_stopped() {
            state.own = Stop::new();
        }
        (!state.ended).then(|| Order {
            camera: state.camera.clone(),
            stop: state.own.clone(),
            version: state.own_version,
        })
    }

    /// For the thread of the fallbacks; `None` at the end.
    pub fn standby(&self) -> Option<Order> {
        let mut state = self.state();
        if state.standby.is_stopped() {
            state.standby = Stop::new();
        }
        (!state.ended).then(|| Order {
            camera: state.camera.clone(),
            stop: state.standby.clone(),
            version: state.version,
        })
    }

    /// Ends what a fallback does; the document stays.
    pub fn stop_standby(&self) {
        self.state().standby.stop();
    }
}
