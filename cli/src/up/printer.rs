//! The one place that writes to the terminal: a thread of its own behind a bounded queue, so that a slow terminal
//! or a stuck pipe never holds up a process or its supervisor.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use crossterm::cursor::MoveToPreviousLine;
use crossterm::queue;
use crossterm::terminal::{BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate};
use serde_json::Value;
use streamhub_logging::{is_journal, priority};
use tracing::Level;

use crate::args::{LogFormat, UpOutput};
use crate::logging;

const QUEUE: usize = 1024;

enum Message {
    Log(Level, String),
    Table(Vec<String>),
    Record(String),
    End(SyncSender<()>),
}

/// A handle to the printing thread; cheap to clone. What does not fit into its queue is dropped and counted.
#[derive(Clone)]
pub struct Printer {
    queue: SyncSender<Message>,
    lost: Arc<AtomicU64>,
}

impl Printer {
    /// Starts the thread; `format` is for what it says itself.
    pub fn start(output: UpOutput, format: LogFormat) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&lost);
        std::thread::Builder::new()
            .name("printer".into())
            .spawn(move || {
                // Nobody reads any more: the cameras go on, the queue is emptied unseen.
                if print(output, format, &receiver, &counter).is_err() {
                    while receiver.recv().is_ok() {}
                }
            })?;
        Ok(Self {
            queue: sender,
            lost,
        })
    }

    /// A log line, without its end.
    pub fn log(&self, level: Level, line: String) {
        self.send(Message::Log(level, line));
    }

    /// The table as it is now; replaces the one shown before.
    pub fn table(&self, lines: Vec<String>) {
        self.send(Message::Table(lines));
    }

    /// A line for programs.
    pub fn record(&self, line: String) {
        self.send(Message::Record(line));
    }

    /// Waits until everything is printed, at most a second: nobody may be reading.
    pub fn finish(&self) {
        let (done, wait) = sync_channel(1);
        self.send(Message::End(done));
        let _ = wait.recv_timeout(Duration::from_secs(1));
    }

    fn send(&self, message: Message) {
        if self.queue.try_send(message).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn print(
    output: UpOutput,
    format: LogFormat,
    queue: &Receiver<Message>,
    lost: &AtomicU64,
) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let to_journal = format == LogFormat::Human
        && match output {
            UpOutput::Table => false,
            UpOutput::Log => is_journal(&io::stdout()),
            UpOutput::Json => is_journal(&io::stderr()),
        };
    let marked = |level: Level, line: String| {
        if to_journal {
            priority(level).to_owned() + &line
        } else {
            line
        }
    };
    let mut table: Vec<String> = Vec::new();
    while let Ok(message) = queue.recv() {
        let missed = lost.swap(0, Ordering::Relaxed);
        let mut lines = Vec::new();
        if missed > 0 {
            lines.push(marked(Level::WARN, apology(missed, format)));
        }
        match message {
            Message::End(_done) => return Ok(()),
            Message::Log(level, line) => lines.push(marked(level, line)),
            Message::Record(line) => writeln!(out, "{line}")?,
            Message::Table(_) if output != UpOutput::Table => continue,
            Message::Table(new) => {
                redraw(&mut out, table.len(), &lines, &new)?;
                table = new;
                continue;
            }
        }
        match output {
            UpOutput::Table => redraw(&mut out, table.len(), &lines, &table)?,
            UpOutput::Log => {
                for line in lines {
                    writeln!(out, "{line}")?;
                }
                out.flush()?;
            }
            UpOutput::Json => {
                let mut errors = io::stderr().lock();
                for line in lines {
                    writeln!(errors, "{line}")?;
                }
                out.flush()?;
            }
        }
    }
    Ok(())
}

fn apology(missed: u64, format: LogFormat) -> String {
    let text = format!("{missed} lines were not printed: the output is too slow");
    match format {
        LogFormat::Human => format!("({text})"),
        LogFormat::Json => Value::Object(logging::object("WARN", &text)).to_string(),
    }
}

/// Log lines scroll above, the table stays below them. Nothing of the terminal's state is changed, so there is
/// nothing to restore, however this process ends.
fn redraw(out: &mut impl Write, shown: usize, logs: &[String], table: &[String]) -> io::Result<()> {
    queue!(out, BeginSynchronizedUpdate)?;
    if shown > 0 {
        queue!(
            out,
            MoveToPreviousLine(u16::try_from(shown).unwrap_or(u16::MAX))
        )?;
    }
    queue!(out, Clear(ClearType::FromCursorDown))?;
    for line in logs.iter().chain(table) {
        writeln!(out, "{line}")?;
    }
    queue!(out, EndSynchronizedUpdate)?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_lines_go_above_the_table_that_replaces_the_old_one() {
        let mut out = Vec::new();
        redraw(
            &mut out,
            2,
            &["a log line".into()],
            &["header".into(), "row".into()],
        )
        .unwrap();
        let text = String::from_utf8(out).unwrap();
        let visible = text
            .split_once("\u{1b}[2F\u{1b}[J")
            .expect("goes up two lines and clears")
            .1;
        assert!(
            visible.starts_with("a log line\nheader\nrow\n"),
            "{visible:?}"
        );
    }

    #[test]
    fn programs_are_told_of_lost_lines_as_json() {
        let line: Value = serde_json::from_str(&apology(4, LogFormat::Json)).unwrap();
        assert_eq!(line["level"], "WARN");
        assert!(line["message"].as_str().unwrap().starts_with("4 lines"));
    }

    #[test]
    fn a_full_queue_never_blocks_who_speaks() {
        let (sender, receiver) = sync_channel(1);
        let printer = Printer {
            queue: sender,
            lost: Arc::default(),
        };
        for _ in 0..5 {
            printer.log(Level::INFO, "line".into());
        }
        assert_eq!(printer.lost.load(Ordering::Relaxed), 4);
        drop(receiver);
    }
}
