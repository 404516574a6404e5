//! One camera: source, clock, pipeline, frames on NATS.
//!
//! `config` says what to do, `camera` keeps the `source` alive and `fallback` says which one, `clock` finds
//! when its pictures were taken, `router` picks the due frames, `rendition`
//! turns them into JPEG and hands them to NATS, `link` holds the conversation with NATS, `report` says how
//! it goes.

pub mod args;
pub mod camera;
pub mod captured;
pub mod clock;
pub mod config;
pub mod fallback;
pub mod fault;
pub mod http;
pub mod hub_clock;
pub mod link;
pub mod metrics;
pub mod picture;
pub mod rendition;
pub mod report;
pub mod router;
pub mod secrets;
pub mod slot;
pub mod source;
pub mod stop;
pub mod timeline;
