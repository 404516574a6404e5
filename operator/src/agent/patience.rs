//! Work that asks drivers: one that hangs, which no signal ends, must not stop all else.

use std::time::Duration;

use tokio::task::{JoinError, JoinHandle};

/// A camera that wakes up needs a few seconds.
const WITHIN: Duration = Duration::from_secs(15);

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum Impatient {
    /// It was not waited for any longer.
    #[error("a driver has not answered for {} s; look at the kernel's log (dmesg), and unplug the device", .0.as_secs())]
    Slow(Duration),
    /// What was begun earlier has still not ended: nothing was begun now.
    #[error("a driver still does not answer")]
    Hangs,
    /// It failed.
    #[error(transparent)]
    Failed(#[from] JoinError),
}

impl Impatient {
    /// Whether this was not said before.
    pub fn is_news(&self) -> bool {
        !matches!(self, Self::Hangs)
    }
}

/// Runs one such work at a time.
#[derive(Debug)]
pub struct Patience<T> {
    within: Duration,
    late: Option<JoinHandle<T>>,
}

impl<T> Default for Patience<T> {
    fn default() -> Self {
        Self {
            within: WITHIN,
            late: None,
        }
    }
}

impl<T: Send + 'static> Patience<T> {
    /// Does it on a thread of its own, or says what came of the work that was late before.
    pub async fn run(&mut self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Impatient> {
        let mut running = match self.late.take() {
            Some(late) if !late.is_finished() => {
                self.late = Some(late);
                return Err(Impatient::Hangs);
            }
            Some(late) => late,
            None => tokio::task::spawn_blocking(work),
        };
        if let Ok(done) = tokio::time::timeout(self.within, &mut running).await {
            return Ok(done?);
        }
        self.late = Some(running);
        Err(Impatient::Slow(self.within))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn what_hangs_is_left_alone_and_nothing_more_is_begun() {
        let mut patience = Patience {
            // What does not hang is through by then on a busy machine too.
            within: Duration::from_secs(5),
            late: None,
        };
        assert_eq!(patience.run(|| 1).await.unwrap(), 1);
        let (wake, sleeping) = mpsc::channel::<()>();
        let hanging = move || sleeping.recv().map_or(2, |()| 2);
        let slow = patience.run(hanging).await.unwrap_err();
        assert!(matches!(slow, Impatient::Slow(_)) && slow.is_news());
        let hangs = patience.run(|| panic!("a second one")).await.unwrap_err();
        assert!(matches!(hangs, Impatient::Hangs) && !hangs.is_news());
        wake.send(()).unwrap();
        while !patience.late.as_ref().is_some_and(JoinHandle::is_finished) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(patience.run(|| 3).await.unwrap(), 2);
        assert_eq!(patience.run(|| 3).await.unwrap(), 3);
    }
}
