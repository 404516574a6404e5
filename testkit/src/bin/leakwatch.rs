//! `leakwatch LOGS`: searches the processes of this machine for the tests' password until SIGTERM, then the logs.
//!
//! Exits with 1 when it was seen anywhere.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use streamhub_testkit::canary::{Leak, Search};
use tokio::signal::unix::{SignalKind, signal};

/// Looks for the tests' password where no password may be.
#[derive(Parser)]
struct Arguments {
    /// The folder of logs that is searched at the end.
    logs: PathBuf,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode> {
    let mut terminate = signal(SignalKind::terminate())?;
    let logs = Arguments::parse().logs;
    let search = Search::default();
    println!("leakwatch: watching");
    let mut leaks: Vec<Leak> = Vec::new();
    let mut rounds = 0_u32;
    let mut clock = tokio::time::interval(Duration::from_millis(250));
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = clock.tick() => {}
        }
        rounds += 1;
        for leak in search.processes()? {
            if !leaks.contains(&leak) {
                leaks.push(leak);
            }
        }
    }
    leaks.extend(search.folder(&logs)?);
    println!("leakwatch: looked at all processes {rounds} times, and at all logs once");
    for leak in &leaks {
        println!("leakwatch: a password is in {} ({})", leak.place, leak.form);
    }
    Ok(ExitCode::from(u8::from(!leaks.is_empty())))
}
