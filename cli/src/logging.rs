//! Log lines: where they go and how they look.

use std::io::{self, Write};

use serde_json::{Map, Value};
use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::args::LogFormat;
use crate::up::Printer;

/// Sends our own log lines to the printer, so that they don't tear the table. `RUST_LOG` chooses; `info` otherwise.
pub fn to_printer(printer: Printer, format: LogFormat) {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("info,async_nats=warn"));
    format.install_to(ToPrinter(printer), filter, false);
}

/// A line for programs of something that did not come from `tracing`, with the same fields.
pub fn object(level: &str, message: &str) -> Map<String, Value> {
    let time = jiff::Timestamp::now().to_string();
    [
        ("timestamp", time.as_str()),
        ("level", level),
        ("message", message),
    ]
    .map(|(key, value)| (key.to_owned(), value.into()))
    .into_iter()
    .collect()
}

struct ToPrinter(Printer);

struct Line {
    printer: Printer,
    level: Level,
    text: Vec<u8>,
}

impl<'a> MakeWriter<'a> for ToPrinter {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line {
            printer: self.0.clone(),
            level: Level::INFO,
            text: Vec::new(),
        }
    }

    fn make_writer_for(&'a self, event: &Metadata<'_>) -> Line {
        let mut line = self.make_writer();
        line.level = *event.level();
        line
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let text = String::from_utf8_lossy(&self.text);
        self.printer.log(self.level, text.trim_end().to_owned());
    }
}
