//! `file` on a server: fetched to the cache of the machine, again only when it has changed, then played like any other.

pub mod cache;
mod progress;
pub mod server;

use std::time::Duration;
use streamhub_crds::{Fps, OnEnd};

use super::file::FileSpec;
use super::http::block_on;
use super::{Attempt, End};
use crate::fault::{Fault, Redactor};
use cache::{Cache, CacheSettings, Lease, Version};
use progress::Progress;
use server::{Answer, Download, Server};

/// How often a look is taken whether another process is done with fetching the same file.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// A file on a server, with what was read from its Secret for this attempt.
#[derive(Clone)]
pub struct RemoteSpec {
    /// Where it is, and how to log in there.
    pub server: Server,
    /// The same as it may be shown.
    pub shown: String,
    /// What tells it from every other file.
    pub identity: String,
    /// Where it is kept.
    pub cache: CacheSettings,
    /// Rate to replay at; absent: the file's own.
    pub fps: Option<Fps>,
    /// What comes after the last frame.
    pub on_end: OnEnd,
    /// Hides the secrets of this camera in texts from outside.
    pub redactor: Redactor,
}

/// Fetches it where need be, and replays it until stopped, or to the end.
pub fn run(spec: &RemoteSpec, attempt: &Attempt) -> End {
    let lease = match block_on(attempt, current(spec, attempt)) {
        Some(Ok(lease)) => lease,
        Some(Err(fault)) => return End::Failed(fault),
        None => return End::Stopped,
    };
    let file = FileSpec {
        path: lease.path().to_owned(),
        shown: spec.shown.clone(),
        fps: spec.fps,
        on_end: spec.on_end,
    };
    super::file::run(&file, attempt)
}

/// The newest copy that can be had.
async fn current(spec: &RemoteSpec, attempt: &Attempt) -> Result<Lease, Fault> {
    let cache = Cache::open(&spec.cache)?;
    let id = cache::id(&spec.identity);
    let _alone = loop {
        // Who waits finds the file there, and need not fetch it again.
        match cache.lock(&id)? {
            Some(lock) => break lock,
            None => tokio::time::sleep(LOOK_AGAIN).await,
        }
    };
    let known = cache.find(&id);
    match renew(spec, attempt, &cache, &id, known.as_ref()).await {
        Ok(()) => attempt.outlet.notice(None),
        Err(fault) if known.is_some() && !fault.permanent => {
            tracing::warn!(
                reason = fault.reason,
                why = %fault.message,
                "the server cannot be asked; the copy of the cache is played"
            );
            attempt.outlet.notice(Some(Fault::transient(
                "CachedCopy",
                format!(
                    "the copy of the cache is played, as the server cannot be asked: {}",
                    fault.message
                ),
                fault.remedy,
            )));
        }
        Err(fault) => return Err(fault),
    }
    cache.lease(&id)
}

/// Makes the cache hold what the server has now.
async fn renew(
    spec: &RemoteSpec,
    attempt: &Attempt,
    cache: &Cache,
    id: &str,
    known: Option<&Version>,
) -> Result<(), Fault> {
    match spec.server.ask(known, &spec.shown, &spec.redactor).await? {
        Answer::Same => {
            tracing::info!(
                file = spec.shown,
                "the copy of the cache is still what the server has"
            );
            Ok(())
        }
        Answer::New(download) => fetch(spec, attempt, cache, id, download).await,
    }
}

async fn fetch(
    spec: &RemoteSpec,
    attempt: &Attempt,
    cache: &Cache,
    id: &str,
    mut download: Download,
) -> Result<(), Fault> {
    let mut progress = Progress::new(&spec.shown, download.size);
    let mut part = cache.begin(id, download.size.unwrap_or(0))?;
    while let Some(bytes) = download.next(&spec.shown, &spec.redactor).await? {
        part.write(cache, &bytes)?;
        if let Some(notice) = progress.add(bytes.len() as u64, std::time::Instant::now()) {
            attempt.outlet.notice(Some(notice));
        }
    }
    if let Some(size) = download.size.filter(|size| *size != progress.bytes()) {
        return Err(Fault::transient(
            "ConnectionLost",
            format!("{}: {} of {size} bytes came", spec.shown, progress.bytes()),
            "check the network and the server's own log; it is fetched anew by itself",
        ));
    }
    part.finish(cache, id, &download.version)?;
    tracing::info!(file = spec.shown, bytes = progress.bytes(), "fetched");
    Ok(())
}
