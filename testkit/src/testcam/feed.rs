//! Sends a film into a pipeline, each unit when its time has come.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use gstreamer::ClockTime;
use gstreamer::prelude::*;
use gstreamer_app::AppSrc;

use super::film::Film;

/// Feeds `source` lap after lap on a thread of its own until the pipeline refuses more.
pub(super) fn start(film: Arc<Film>, source: AppSrc) {
    thread::spawn(move || feed(&film, &source));
}

fn feed(film: &Film, source: &AppSrc) {
    let Some(begin) = running_time(source) else {
        return;
    };
    let mut lap = begin;
    loop {
        for unit in &film.units {
            let Some(now) = source.current_running_time() else {
                return;
            };
            let due = lap + unit.decode;
            thread::sleep(Duration::from_nanos(due.saturating_sub(now).nseconds()));
            let mut buffer = unit.buffer.copy();
            let times = buffer.make_mut();
            times.set_dts(due);
            times.set_pts(lap + unit.present);
            if source.push_buffer(buffer).is_err() {
                return;
            }
        }
        lap += film.length;
    }
}

/// The time in a live pipeline, once it runs; none when it was taken down before.
fn running_time(source: &AppSrc) -> Option<ClockTime> {
    for _ in 0..1000 {
        if source.current_state() == gstreamer::State::Playing {
            return source.current_running_time();
        }
        thread::sleep(Duration::from_millis(5));
    }
    None
}
