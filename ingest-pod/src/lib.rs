//! One camera: source, clock, pipeline, frames on NATS.

pub mod picture;
