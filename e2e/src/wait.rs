//! Waiting for what `kubectl` shows.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// Each question is a program that is started.
const POLL: Duration = Duration::from_millis(300);

/// Asks until `probe` no longer fails; after `limit` its last error says what was missing.
pub fn until<T>(limit: Duration, mut probe: impl FnMut() -> Result<T>) -> Result<T> {
    let end = Instant::now() + limit;
    loop {
        match probe() {
            Ok(answer) => return Ok(answer),
            Err(error) if Instant::now() >= end => {
                return Err(error).with_context(|| format!("still so after {limit:?}"));
            }
            Err(_) => sleep(POLL),
        }
    }
}
