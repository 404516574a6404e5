//! What reads bytes from outside: each target takes any bytes and must neither panic nor break its promise.
//!
//! `make fuzz` lets libFuzzer look for bytes that do; the test of this crate runs the seeds in `fuzz/corpus`, among
//! them every one that once did. To add a target: a function here, a line in [`TARGETS`], its seeds, and a file in
//! `fuzz/fuzz_targets` with its entry in `fuzz/Cargo.toml`; the test says what is missing.

// A broken promise is told by a panic: that is what a fuzzer looks for.
#![allow(clippy::expect_used, clippy::panic)]

mod documents;
mod messages;
mod packets;
mod pictures;
mod servers;

/// Takes any bytes; `true` when they were what they should be.
pub type Target = fn(&[u8]) -> bool;

/// All targets by the names of their corpora.
pub const TARGETS: &[(&str, Target)] = &[
    ("access_unit", packets::access_unit),
    ("challenge", servers::challenge),
    ("continuity", packets::continuity),
    ("feedback", messages::feedback),
    ("jpeg", pictures::jpeg),
    ("join", messages::join),
    ("manifest", documents::manifest),
    ("metadata", messages::metadata),
    ("multipart", pictures::multipart),
    ("next", messages::next),
    ("playlist", servers::playlist),
    ("redact", documents::redact),
    ("rtp", packets::rtp),
    ("rtsp_answer", servers::rtsp_answer),
    ("status", messages::status),
    ("subject", messages::subject),
];

/// Runs the target of this name; for `fuzz/fuzz_targets`.
///
/// # Panics
///
/// When the target breaks its promise, or when there is none of this name.
pub fn run(name: &str, data: &[u8]) {
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    let (_, target) = found.unwrap_or_else(|| panic!("no target {name}"));
    target(data);
}
