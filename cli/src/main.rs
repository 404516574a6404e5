//! `streamhub`: Stream Hub on one machine and from the shell.

mod args;
mod client;
mod cluster;
mod complete;
mod devices;
mod docs;
mod doctor;
mod exit;
mod logging;
mod place;
mod table;
mod top;
mod up;
mod validate;

use std::process::ExitCode;

use clap::CommandFactory as _;

use args::{Cli, Command, FeedbackCommand};
use client::ClientError;
use exit::Exit;
use streamhub_logging::{is_journal, priority};
use tracing::Level;
use up::{StateError, UpError};

fn main() -> ExitCode {
    if complete::is_asked() {
        complete::answer();
        return Exit::Ok.into();
    }
    match run(place::command_line().command) {
        Ok(exit) => exit.into(),
        Err(error) => {
            let is_read_by_journald = is_journal(&std::io::stderr());
            let bad = if is_read_by_journald {
                priority(Level::ERROR)
            } else {
                ""
            };
            eprintln!("{bad}{}: {error:#}", place::invoked_as());
            exit_of(&error).into()
        }
    }
}

fn run(command: Command) -> anyhow::Result<Exit> {
    // Everything runs on this thread: children are tied to the life of the thread that starts them.
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
    };
    match command {
        Command::Guard(args) => return Err(up::guard::become_command(&args)),
        Command::Docs { check, path } => return docs::run(&path, check),
        Command::Devices(args) => return devices::run(&args),
        Command::Validate(args) => return Ok(validate::run(&args)),
        Command::Completions { shell } => {
            clap_complete::generate(
                shell,
                &mut Cli::command(),
                "streamhub",
                &mut std::io::stdout(),
            );
        }
        Command::Up(args) => runtime()?.block_on(up::run(args))?,
        Command::Top(args) => runtime()?.block_on(top::run(args))?,
        Command::Doctor(args) => return Ok(runtime()?.block_on(doctor::run(args))?),
        Command::Status(args) => runtime()?.block_on(client::status(args))?,
        Command::Tail(args) => runtime()?.block_on(client::tail(args))?,
        Command::Snapshot(args) => runtime()?.block_on(client::snapshot(args))?,
        Command::Feedback(FeedbackCommand::Send(args)) => {
            runtime()?.block_on(client::feedback(args))?;
        }
    }
    Ok(Exit::Ok)
}

fn exit_of(error: &anyhow::Error) -> Exit {
    if let Some(error) = error.downcast_ref::<ClientError>() {
        return error.exit();
    }
    match error.downcast_ref::<UpError>() {
        Some(UpError::State(StateError::Busy { .. })) => Exit::Busy,
        Some(UpError::Path { .. }) => Exit::Usage,
        _ => Exit::Failure,
    }
}
