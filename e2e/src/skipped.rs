//! Tests that a cluster can't have.

use std::io::{Write as _, stderr};
use std::thread;

/// Says that the test that calls this does not run here. `cargo test` counts it as passed and shows nothing that such a test
/// prints; this line it can't keep back, and `scripts/test` counts the test as ignored by it.
pub fn not_run(why: &str) {
    let thread = thread::current();
    let test = thread.name().unwrap_or("a test");
    // An error is of no interest: the test has nothing else to say.
    let _ = writeln!(stderr(), "not run: {test}: {why}");
}
