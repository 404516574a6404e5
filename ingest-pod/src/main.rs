//! `streamhub-ingest`: one camera in, timestamped JPEG frames on NATS out.

mod run;

use clap::Parser as _;
use std::process::ExitCode;
use streamhub_ingest::args::Args;

fn main() -> ExitCode {
    let args = Args::parse();
    args.log_format.install(&args.log_level);
    // One TLS provider for the whole process; a second installation can only be this very one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    end_with_the_first_panic();
    match run::run(&args) {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            tracing::error!(error = format_args!("{error:#}"), "cannot start");
            let permanent = error.is::<streamhub_ingest::config::ConfigError>();
            if permanent {
                run::Outcome::Permanent.into()
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

/// A thread that is gone would look like a camera that is silent; a process that is gone is started again.
fn end_with_the_first_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::abort();
    }));
}
