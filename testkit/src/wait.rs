//! Waiting for something that becomes true, with a limit.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

const POLL: Duration = Duration::from_millis(20);

/// Asks every 20 ms until `probe` has an answer; `what` completes the error "timed out after 5s waiting for ...".
pub fn eventually<T>(
    limit: Duration,
    what: &str,
    mut probe: impl FnMut() -> Option<T>,
) -> Result<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(answer) = probe() {
            return Ok(answer);
        }
        if Instant::now() >= end {
            bail!("timed out after {limit:?} waiting for {what}");
        }
        sleep(POLL);
    }
}

/// [`eventually`] for probes that themselves wait on a runtime; the limit also ends a probe that hangs.
pub async fn eventually_async<T, F>(
    limit: Duration,
    what: &str,
    mut probe: impl FnMut() -> F,
) -> Result<T>
where
    F: Future<Output = Option<T>>,
{
    let search = async {
        loop {
            if let Some(answer) = probe().await {
                return answer;
            }
            tokio::time::sleep(POLL).await;
        }
    };
    match tokio::time::timeout(limit, search).await {
        Ok(answer) => Ok(answer),
        Err(_) => bail!("timed out after {limit:?} waiting for {what}"),
    }
}
