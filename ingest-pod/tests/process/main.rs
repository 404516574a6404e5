//! The whole process against real servers: NATS, RTSP cameras, files.

// Helpers of tests may fail as tests may.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod badcams;
mod clock;
mod colour;
mod decoding;
mod fallbacks;
mod feedback;
mod fencing;
mod files;
mod foreign;
mod http;
mod idle;
mod ids;
mod in_place;
mod joining;
mod long;
mod metadata;
mod mistakes;
mod nats_faults;
mod neighbours;
mod numbering;
mod passthrough;
mod rates;
mod readers;
mod recorder;
mod remote_files;
mod rtsp;
mod secrets;
mod slow_link;
mod standby;
mod support;
mod v4l2;
mod web;
