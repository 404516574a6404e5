//! What children say on stderr, passed on with their name: bounded, and never holding up the one who speaks.

use serde_json::{Map, Value};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tracing::Level;

use super::printer::Printer;
use super::supervisor::Who;
use crate::args::LogFormat;
use crate::logging;

const LONGEST_LINE: usize = 8 * 1024;

/// Reads lines until the end of the stream. A line over 8 KiB is cut.
pub async fn pass_on(
    mut stream: impl AsyncRead + Unpin,
    who: Who,
    format: LogFormat,
    keep: fn(&str) -> bool,
    printer: Printer,
) {
    let mut chunk = vec![0_u8; 4096];
    let mut line: Vec<u8> = Vec::new();
    while let Ok(count) = stream.read(&mut chunk).await {
        for &byte in chunk.iter().take(count) {
            if byte != b'\n' {
                if line.len() < LONGEST_LINE {
                    line.push(byte);
                }
                continue;
            }
            say(&line, &who, format, keep, &printer);
            line.clear();
        }
        if count == 0 {
            break;
        }
    }
    if !line.is_empty() {
        say(&line, &who, format, keep, &printer);
    }
}

fn say(line: &[u8], who: &Who, format: LogFormat, keep: fn(&str) -> bool, printer: &Printer) {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end();
    if !text.is_empty() && keep(text) {
        printer.log(level(text), labelled(text, who, format));
    }
}

/// How bad a line for people is: our own processes say it after the time, the NATS server after its number and the time.
fn level(line: &str) -> Level {
    let mut words = line.split_whitespace().take(4);
    let level = words.find_map(|word| match word {
        "ERROR" | "[ERR]" | "[FTL]" => Some(Level::ERROR),
        "WARN" | "[WRN]" => Some(Level::WARN),
        "INFO" => Some(Level::INFO),
        "DEBUG" | "TRACE" => Some(Level::DEBUG),
        _ => None,
    });
    level.unwrap_or(Level::INFO)
}

/// A line with its speaker: a prefix for people, a field `camera` or `process` for programs.
fn labelled(line: &str, who: &Who, format: LogFormat) -> String {
    match format {
        LogFormat::Human => {
            let clean: String = line
                .chars()
                .filter(|c| !c.is_control() || *c == '\t')
                .collect();
            format!("[{who}] {clean}")
        }
        LogFormat::Json => {
            let mut object = serde_json::from_str::<Map<String, Value>>(line)
                .unwrap_or_else(|_| logging::object("INFO", line));
            let field = match who {
                Who::Nats => "process",
                Who::Camera(_) => "camera",
            };
            object
                .entry(field)
                .or_insert_with(|| who.to_string().into());
            Value::Object(object).to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use streamhub_plan::CameraKey;

    use super::*;

    fn door() -> Who {
        Who::Camera(CameraKey {
            namespace: "default".into(),
            name: "door".into(),
        })
    }

    #[test]
    fn a_line_is_as_bad_as_it_says() {
        for (line, expected) in [
            ("2026-11-22T04:55:17.1Z  WARN source lost", Level::WARN),
            ("2026-11-22T04:55:17.1Z ERROR door: no WARN", Level::ERROR),
            ("2026-11-22T04:55:17.1Z  INFO no ERROR yet", Level::INFO),
            ("2026-11-22T04:55:17.1Z DEBUG read", Level::DEBUG),
            ("[71] 2026/11/22 04:55:17.123456 [WRN] slow", Level::WARN),
            ("[71] 2026/11/22 04:55:17.123456 [FTL] port", Level::ERROR),
            ("what a library says that knows no levels", Level::INFO),
        ] {
            assert_eq!(level(line), expected, "{line}");
        }
    }

    #[test]
    fn people_see_a_prefix_and_no_control_characters() {
        assert_eq!(
            labelled("\u{1b}[31mred", &door(), LogFormat::Human),
            "[door] [31mred"
        );
    }

    #[test]
    fn programs_get_one_json_object_whatever_the_child_said() {
        let own = labelled(
            r#"{"level":"WARN","camera":"mine"}"#,
            &door(),
            LogFormat::Json,
        );
        assert_eq!(own, r#"{"level":"WARN","camera":"mine"}"#);
        let wrapped: Value =
            serde_json::from_str(&labelled("boom", &door(), LogFormat::Json)).unwrap();
        assert_eq!(
            (&wrapped["camera"], &wrapped["message"]),
            (&"door".into(), &"boom".into())
        );
    }

    #[test]
    fn the_nats_server_is_no_camera() {
        let line = labelled("[1] [WRN] slow", &Who::Nats, LogFormat::Json);
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (&line["process"], line.get("camera")),
            (&"nats".into(), None)
        );
    }
}
