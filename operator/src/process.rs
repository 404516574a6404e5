//! What the programs of this crate have in common: how they begin, and how they are ended.

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::args::Logging;

/// Runs a program, from its first line of log to its exit code.
pub fn run(log: &Logging, program: impl Future<Output = anyhow::Result<()>>) -> ExitCode {
    log.log_format.install(&log.log_level);
    // One TLS provider for the whole process; a second installation can only be this very one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let run = || -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        runtime.block_on(program)
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format_args!("{error:#}"), "ended");
            ExitCode::FAILURE
        }
    }
}

/// Turns true when a signal asks the process to end.
pub fn stop_at_a_signal() -> anyhow::Result<watch::Receiver<bool>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("ending");
        let _ = stop.send(true);
    });
    Ok(stopped)
}
