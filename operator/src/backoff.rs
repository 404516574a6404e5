//! How long to wait after which failure.

use std::time::Duration;

pub use streamhub_backoff::Backoff;

/// For pods that ended.
pub const REMAKE: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(5));
/// For names that other pods have, which are not watched.
pub const TAKEN: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
/// For requests that failed.
pub const REQUEST: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_mins(2));
/// For statuses of pods that can't be read.
pub const READING: Backoff = Backoff::new(Duration::from_secs(10), Duration::from_secs(30));
