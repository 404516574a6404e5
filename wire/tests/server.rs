//! The wire against a real nats-server.

// Clippy knows test functions, not the helpers that they share.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "server/camera.rs"]
mod camera;
#[path = "server/foreign.rs"]
mod foreign;
#[path = "server/hello.rs"]
mod hello;
#[path = "server/login.rs"]
mod login;
#[path = "server/next.rs"]
mod next;
#[path = "server/outage.rs"]
mod outage;
#[path = "server/permissions.rs"]
mod permissions;
#[path = "server/push.rs"]
mod push;
