//! Whole days of cameras in seconds: true capture times, drifting oscillators, jitter, loss, congestion, sender reports
//! true and false, clock steps, rivals and crash loops, through the real clock, tick grid, ids and fencing.

// Helpers of tests may fail as tests may.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod bounds;
mod camera;
mod epochs;
mod ids;
mod joins;
mod rates;
mod run;
