//! No process outlives `up`, not even when `up` is killed with a signal it can't catch.
//!
//! A child is started as `streamhub __guard --parent PID -- COMMAND`: it asks the kernel to be killed when the
//! thread that started it ends, makes sure that this has not happened already, and then becomes the command. The
//! kernel ties the wish to the *thread* that forked, so everything here is spawned from the main thread, whose end
//! is the end of the process.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Stdio;

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

use super::systemd;
use crate::args::GuardArgs;

/// A command that dies with this process. In a process group of its own, so that Ctrl-C on the terminal reaches
/// only us and children are stopped in order.
pub fn command(program: &Path, args: &[OsString]) -> tokio::process::Command {
    // Not `current_exe`: this one still works when the file has been replaced by a newer build meanwhile.
    let mut command = tokio::process::Command::new("/proc/self/exe");
    for variable in systemd::VARIABLES {
        command.env_remove(variable);
    }
    command
        .arg("__guard")
        .arg("--parent")
        .arg(std::process::id().to_string())
        .arg("--")
        .arg(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    command
}

/// The other side: binds our life to the parent's and becomes the command; returns only when that fails.
pub fn become_command(args: &GuardArgs) -> anyhow::Error {
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        return anyhow::Error::new(error).context("can't bind this process to its parent");
    }
    if Pid::as_raw(getppid()) != args.parent {
        return anyhow::anyhow!("the parent is gone already");
    }
    let Some((program, rest)) = args.command.split_first() else {
        return anyhow::anyhow!("no command");
    };
    let error = std::process::Command::new(program).args(rest).exec();
    anyhow::Error::new(error).context(format!("can't start {}", program.to_string_lossy()))
}
