//! A child process that ends with its guard and whose output can be read while it runs.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::wait::eventually;

static SERIAL: AtomicU32 = AtomicU32::new(0);

/// A running program. Dropping it kills and reaps it; while a test panics its last lines are printed.
///
/// Output goes to files, never to pipes, so a program that is not read never blocks. The files lie in a temporary
/// folder, or in `$STREAMHUB_TEST_LOGS`, where they stay.
#[derive(Debug)]
pub struct Proc {
    name: String,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
    _temporary: Option<TempDir>,
}

impl Proc {
    /// Starts `command` with no standard input and both outputs in files; `name` is for errors and file names.
    pub fn spawn(name: &str, command: &mut Command) -> Result<Self> {
        let (folder, temporary) = if let Some(kept) = env::var_os("STREAMHUB_TEST_LOGS") {
            fs::create_dir_all(&kept)?;
            (PathBuf::from(kept), None)
        } else {
            let temporary = TempDir::with_prefix("streamhub-proc-")?;
            (temporary.path().to_owned(), Some(temporary))
        };
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let stem = format!("{name}-{}-{serial}", std::process::id());
        let stdout = folder.join(format!("{stem}.out"));
        let stderr = folder.join(format!("{stem}.err"));
        let child = command
            .stdin(Stdio::null())
            .stdout(File::create(&stdout)?)
            .stderr(File::create(&stderr)?)
            .spawn()
            .with_context(|| format!("can't start {name} ({})", command.get_program().display()))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            stdout,
            stderr,
            _temporary: temporary,
        })
    }

    /// The process id; valid for as long as this guard exists.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to standard output so far.
    pub fn stdout(&self) -> String {
        read(&self.stdout)
    }

    /// What it has written to standard error so far.
    pub fn stderr(&self) -> String {
        read(&self.stderr)
    }

    /// Waits until a line of either output contains `needle` and returns that line; fails early when the program ends.
    pub fn wait_for_line(&mut self, needle: &str, limit: Duration) -> Result<String> {
        let what = format!("{} to say {needle:?}", self.name);
        let found = eventually(limit, &what, || {
            // Whether it ended is asked first: what it wrote before its end is then certainly in the files.
            let ended = self.status();
            let (stdout, stderr) = (self.stdout(), self.stderr());
            let text = if ended.is_some() {
                stdout + "\n" + &stderr
            } else {
                whole_lines(&stdout).to_owned() + "\n" + whole_lines(&stderr)
            };
            match text.lines().find(|line| line.contains(needle)) {
                Some(line) => Some(Ok(line.to_owned())),
                None => ended.map(Err),
            }
        })
        .with_context(|| self.last_words())?;
        found.or_else(|status| {
            bail!(
                "{} ended with {status} before it said {needle:?}\n{}",
                self.name,
                self.last_words()
            )
        })
    }

    /// How it ended; none while it runs.
    pub fn status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Whether it still runs (a frozen process does).
    pub fn is_running(&mut self) -> bool {
        self.status().is_none()
    }

    /// Sends a signal, unless it has ended already.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        if self.is_running() {
            kill_process(Pid::from_child(&self.child), signal)
                .with_context(|| format!("can't signal {}", self.name))?;
        }
        Ok(())
    }

    /// Stops it in its tracks (SIGSTOP).
    pub fn freeze(&mut self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets a frozen process go on.
    pub fn thaw(&mut self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM, and waits until it has ended by itself.
    pub fn terminate(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.wait(limit)
    }

    /// Waits until it ends by itself.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let what = format!("{} to end", self.name);
        eventually(limit, &what, || self.status()).with_context(|| self.last_words())
    }

    /// The last 40 lines of each output, for messages.
    pub fn last_words(&self) -> String {
        let tail = |stream: &str, text: &str| {
            let lines: Vec<&str> = text.lines().collect();
            let tail = lines.get(lines.len().saturating_sub(40)..).unwrap_or(&[]);
            format!("--- {stream} of {} ---\n{}\n", self.name, tail.join("\n"))
        };
        tail("stdout", &self.stdout()) + &tail("stderr", &self.stderr())
    }
}

impl Drop for Proc {
    fn drop(&mut self) {
        // An error means that it has already gone, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("{}", self.last_words());
        }
    }
}

/// Without a last line that is still being written.
fn whole_lines(text: &str) -> &str {
    text.rsplit_once('\n').map_or("", |(lines, _)| lines)
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    fn shell(script: &str) -> Proc {
        Proc::spawn("sh", Command::new("sh").args(["-c", script])).unwrap()
    }

    #[test]
    fn a_line_is_found_while_the_program_runs() {
        let mut sleeper = shell("echo ready on 7; exec sleep 60");
        assert_eq!(sleeper.wait_for_line("ready", SOON).unwrap(), "ready on 7");
        assert!(sleeper.is_running());
    }

    #[test]
    fn a_line_is_not_found_before_it_is_whole() {
        let mut writer = shell("printf 'ready on 4'; sleep 0.3; echo 2; exec sleep 60");
        assert_eq!(writer.wait_for_line("ready", SOON).unwrap(), "ready on 42");
    }

    #[test]
    fn waiting_for_a_line_ends_with_the_program() {
        let error = shell("echo broken >&2; exit 3")
            .wait_for_line("ready", SOON)
            .unwrap_err();
        let error = format!("{error:#}");
        assert!(
            error.contains("exit status: 3") && error.contains("broken"),
            "{error}"
        );
    }

    #[test]
    fn a_dropped_guard_leaves_no_process() {
        let sleeper = shell("exec sleep 60");
        let entry = format!("/proc/{}", sleeper.id());
        assert!(Path::new(&entry).exists());
        drop(sleeper);
        assert!(!Path::new(&entry).exists());
    }

    #[test]
    fn terminate_returns_how_it_ended() {
        let mut trap = shell("trap 'exit 5' TERM; echo armed; while :; do sleep 0.05; done");
        trap.wait_for_line("armed", SOON).unwrap();
        assert_eq!(trap.terminate(SOON).unwrap().code(), Some(5));
    }
}
