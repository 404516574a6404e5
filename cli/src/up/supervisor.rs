//! One task per process: start it, wait for it, start it again; stop it gently, then firmly.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use streamhub_plan::CameraKey;
use tokio::process::Child;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::backoff::Backoff;
use super::printer::Printer;
use super::{guard, logs};
use crate::args::LogFormat;

/// Whose process it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// The NATS server.
    Nats,
    /// A camera's ingest process.
    Camera(CameraKey),
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nats => f.write_str("nats"),
            Self::Camera(key) if key.namespace == "default" => f.write_str(&key.name),
            Self::Camera(key) => write!(f, "{key}"),
        }
    }
}

/// What to start.
#[derive(Debug)]
pub struct Launch {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// The port that it answers HTTP on.
    pub http: Option<u16>,
}

/// Makes a launch anew for every start: ports and incarnations are never used twice.
pub type Recipe = Box<dyn FnMut() -> Result<Launch, String> + Send>;

/// What happened to a process.
#[derive(Debug)]
pub enum Event {
    /// It runs.
    Started {
        /// Whose.
        who: Who,
        /// Its process id.
        pid: u32,
        /// The port that it answers HTTP on.
        http: Option<u16>,
    },
    /// It ended by itself, or could not be started.
    Ended {
        /// Whose.
        who: Who,
        /// What is known of the cause.
        why: String,
        /// When it is tried again.
        retry: Duration,
    },
}

/// What every supervisor needs.
#[derive(Clone)]
pub struct Context {
    /// Where events go.
    pub events: mpsc::UnboundedSender<Event>,
    /// Where the children's log lines go.
    pub printer: Printer,
    /// How they look.
    pub format: LogFormat,
    /// Becomes true when there is no patience left: whatever is being stopped is killed.
    pub hurry: watch::Receiver<bool>,
}

/// A handle to a supervised process.
pub struct Supervisor {
    commands: mpsc::UnboundedSender<Recipe>,
    task: JoinHandle<()>,
}

impl Supervisor {
    /// Starts a process and keeps it running, once the process `after` is gone. `grace` is the time between SIGTERM
    /// and SIGKILL.
    pub fn start(
        who: Who,
        recipe: Recipe,
        grace: Duration,
        after: Option<JoinHandle<()>>,
        context: Context,
    ) -> Self {
        let (commands, receiver) = mpsc::unbounded_channel();
        let task = Task {
            who,
            recipe,
            grace,
            context,
            commands: receiver,
        };
        let task = tokio::spawn(async move {
            if let Some(before) = after {
                // One that failed has dropped its child, which kills it.
                let _ = before.await;
            }
            task.run().await;
        });
        Self { commands, task }
    }

    /// Stops the process and starts it again by another recipe.
    pub fn replace(&self, recipe: Recipe) {
        // The task ends only after this handle is given up.
        let _ = self.commands.send(recipe);
    }

    /// Stops the process; the returned task ends when it is gone.
    pub fn stop(self) -> JoinHandle<()> {
        self.task
    }
}

/// Kills a process that is beyond asking, with all that it started; its supervisor sees that it ended.
pub fn kill(pid: Option<u32>) {
    if let Some(pid) = pid.and_then(|pid| Pid::from_raw(pid as i32)) {
        // It may have ended by itself in this moment.
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

struct Task {
    who: Who,
    recipe: Recipe,
    grace: Duration,
    context: Context,
    commands: mpsc::UnboundedReceiver<Recipe>,
}

impl Task {
    async fn run(mut self) {
        let mut backoff = Backoff::default();
        loop {
            // What came while the one before took its time to end: only the newest counts.
            loop {
                match self.commands.try_recv() {
                    Ok(recipe) => (self.recipe, backoff) = (recipe, Backoff::default()),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return,
                }
            }
            let began = Instant::now();
            let why = match self.spawn() {
                Ok(mut child) => tokio::select! {
                    status = child.wait() => match status {
                        Ok(status) => status.to_string(),
                        Err(error) => error.to_string(),
                    },
                    command = self.commands.recv() => {
                        self.terminate(&mut child).await;
                        match command {
                            Some(recipe) => { self.recipe = recipe; backoff = Backoff::default(); continue; }
                            None => return,
                        }
                    }
                },
                Err(error) => error,
            };
            let retry = backoff.next(began.elapsed(), rand::random());
            let _ = self.context.events.send(Event::Ended {
                who: self.who.clone(),
                why,
                retry,
            });
            tokio::select! {
                () = tokio::time::sleep(retry) => {}
                command = self.commands.recv() => match command {
                    Some(recipe) => { self.recipe = recipe; backoff = Backoff::default(); }
                    None => return,
                },
            }
        }
    }

    fn spawn(&mut self) -> Result<Child, String> {
        let launch = (self.recipe)()?;
        let mut child = guard::command(&launch.program, &launch.args)
            .spawn()
            .map_err(|error| format!("can't start {}: {error}", launch.program.display()))?;
        if let Some(stream) = child.stderr.take() {
            let keep = if self.who == Who::Nats {
                super::nats::worth_showing
            } else {
                |_: &str| true
            };
            let printer = self.context.printer.clone();
            tokio::spawn(logs::pass_on(
                stream,
                self.who.clone(),
                self.context.format,
                keep,
                printer,
            ));
        }
        let pid = child.id().unwrap_or_default();
        let _ = self.context.events.send(Event::Started {
            who: self.who.clone(),
            pid,
            http: launch.http,
        });
        Ok(child)
    }

    async fn terminate(&mut self, child: &mut Child) {
        let Some(pid) = child.id().and_then(|pid| Pid::from_raw(pid as i32)) else {
            return;
        };
        let _ = kill_process(pid, Signal::TERM);
        let mut hurry = self.context.hurry.clone();
        tokio::select! {
            _ = child.wait() => return,
            () = tokio::time::sleep(self.grace) => {
                tracing::warn!(process = %self.who, "did not stop within {} s, killing it", self.grace.as_secs());
            }
            _ = hurry.wait_for(|now| *now) => {}
        }
        kill(child.id());
        let _ = child.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::sync::oneshot;

    use super::*;
    use crate::args::UpOutput;

    #[tokio::test]
    async fn of_recipes_that_wait_only_the_newest_is_used() {
        let used = Arc::new(Mutex::new(Vec::new()));
        let numbered = |number: u8| -> Recipe {
            let used = Arc::clone(&used);
            Box::new(move || {
                used.lock().unwrap().push(number);
                Err("there is nothing to start".into())
            })
        };
        let (events, mut event) = mpsc::unbounded_channel();
        let context = Context {
            events,
            printer: Printer::start(UpOutput::Log, LogFormat::Human).unwrap(),
            format: LogFormat::Human,
            hurry: watch::channel(false).1,
        };
        let (leave, leaving) = oneshot::channel();
        let before = tokio::spawn(async { leaving.await.unwrap() });
        let grace = Duration::from_secs(1);
        let supervisor = Supervisor::start(Who::Nats, numbered(0), grace, Some(before), context);
        supervisor.replace(numbered(1));
        supervisor.replace(numbered(2));
        leave.send(()).unwrap();
        assert!(matches!(event.recv().await, Some(Event::Ended { .. })));
        assert_eq!(*used.lock().unwrap(), [2]);
        supervisor.stop().await.unwrap();
    }
}
