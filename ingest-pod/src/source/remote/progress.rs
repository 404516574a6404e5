//! How far a download is, told often enough and not more.

use std::time::{Duration, Instant};

use crate::fault::Fault;

/// How often the status is told.
const TELL: Duration = Duration::from_secs(1);
/// How often the log is.
const LOG: Duration = Duration::from_secs(10);

/// Counts bytes.
pub struct Progress {
    shown: String,
    size: Option<u64>,
    bytes: u64,
    told: Option<Instant>,
    logged: Option<Instant>,
}

impl Progress {
    /// Of a file, with its size where the server says it.
    pub fn new(shown: &str, size: Option<u64>) -> Self {
        Self {
            shown: shown.to_owned(),
            size,
            bytes: 0,
            told: None,
            logged: None,
        }
    }

    /// Bytes so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// So many more; what the status is to say, when it is time.
    pub fn add(&mut self, bytes: u64, now: Instant) -> Option<Fault> {
        self.bytes += bytes;
        let due = |last: Option<Instant>, pause| {
            last.is_none_or(|last| now.saturating_duration_since(last) >= pause)
        };
        if !due(self.told, TELL) {
            return None;
        }
        self.told = Some(now);
        if due(self.logged, LOG) {
            self.logged = Some(now);
            tracing::info!(
                file = self.shown,
                bytes = self.bytes,
                of = self.size,
                "fetching"
            );
        }
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        let so_far = match self.size {
            Some(size) => format!("{:.1} of {:.1} MB", megabytes(self.bytes), megabytes(size)),
            None => format!("{:.1} MB", megabytes(self.bytes)),
        };
        Some(Fault::transient(
            "Fetching",
            format!("{}: {so_far} fetched", self.shown),
            "nothing to do: it is played when it is whole",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_told_once_a_second() {
        let start = Instant::now();
        let mut progress = Progress::new("s3://films/a.mp4", Some(20_000_000));
        let told: Vec<_> = (0..20_u32)
            .filter_map(|n| progress.add(1_000_000, start + Duration::from_millis(250) * n))
            .map(|notice| notice.message)
            .collect();
        assert_eq!(told.len(), 5);
        assert_eq!(told[1], "s3://films/a.mp4: 5.0 of 20.0 MB fetched");
    }
}
