//! Leave to publish: granted by fencing, and only for a moment at a time.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A leave that was not renewed for so long has run out: the process was frozen, and another instance may
/// have taken over meanwhile.
pub const LEASE: Duration = Duration::from_secs(1);

const HELD: u8 = 1;
const ASKING: u8 = 2;

/// Whether frames may go out, as fencing says; read by every rendition before it encodes and before it
/// publishes.
#[derive(Debug)]
pub struct Leave {
    state: AtomicU8,
    was_granted: AtomicBool,
    begin: Instant,
    /// Milliseconds after `begin`.
    renewed: AtomicU64,
}

impl Default for Leave {
    fn default() -> Self {
        Self {
            state: AtomicU8::new(0),
            was_granted: AtomicBool::new(false),
            begin: Instant::now(),
            renewed: AtomicU64::new(0),
        }
    }
}

impl Leave {
    /// Fencing allows frames, as of `now` and for one lease.
    pub fn grant(&self, now: Instant) {
        self.renewed.store(self.millis(now), Ordering::Release);
        self.state.store(HELD, Ordering::Release);
        self.was_granted.store(true, Ordering::Relaxed);
    }

    /// Fencing listens for objections.
    pub fn asking(&self) {
        self.state.store(ASKING, Ordering::Release);
    }

    /// No frames.
    pub fn revoke(&self) {
        self.state.store(0, Ordering::Release);
    }

    /// Before the first leave nothing was promised to anybody: frames of that time are no drops.
    pub(super) fn has_begun(&self) -> bool {
        self.was_granted.load(Ordering::Relaxed)
    }

    /// Whether a frame may go out at `now`, or why not.
    pub(super) fn check(&self, now: Instant) -> Result<(), &'static str> {
        match self.state.load(Ordering::Acquire) {
            HELD => {
                let age = self
                    .millis(now)
                    .saturating_sub(self.renewed.load(Ordering::Acquire));
                if Duration::from_millis(age) < LEASE {
                    Ok(())
                } else {
                    Err("fence")
                }
            }
            ASKING => Err("fence"),
            _ => Err("not_connected"),
        }
    }

    fn millis(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.begin).as_millis() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leave_that_nobody_renews_runs_out() {
        let leave = Leave::default();
        let now = Instant::now();
        assert_eq!(leave.check(now), Err("not_connected"));
        assert!(!leave.has_begun());
        leave.grant(now);
        assert_eq!(leave.check(now + LEASE / 2), Ok(()));
        assert_eq!(leave.check(now + LEASE * 2), Err("fence"));
        leave.grant(now + LEASE * 2);
        assert_eq!(leave.check(now + LEASE * 2), Ok(()));
        leave.asking();
        assert_eq!(leave.check(now + LEASE * 2), Err("fence"));
        assert!(leave.has_begun());
    }
}
