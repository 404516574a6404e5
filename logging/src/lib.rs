//! How log lines look, the same for every program.

mod journal;

use std::io::{self, IsTerminal as _};

use clap::ValueEnum;
use tracing::Dispatch;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt as _;

pub use journal::{is_journal, priority};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// The word for it on a command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Json => "json",
        }
    }

    /// Begins logging to standard error, with colours on a terminal; `filter` is as [`filter()`] takes it.
    pub fn install(self, filter: &str) {
        let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
        self.install_to(io::stderr, filter, io::stderr().is_terminal());
    }

    /// Begins logging to `writer`; what is for programs has no colours.
    pub fn install_to<W>(self, writer: W, filter: EnvFilter, colours: bool)
    where
        W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
    {
        // An earlier subscriber can only come from a test in the same process; the lines then go there.
        let _ = self.dispatch(writer, filter, colours).try_init();
    }

    fn dispatch<W>(self, writer: W, filter: EnvFilter, colours: bool) -> Dispatch
    where
        W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
    {
        let base = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(writer)
            .with_target(false);
        match self {
            Self::Human => base.with_ansi(colours).finish().into(),
            Self::Json => base
                .json()
                .flatten_event(true)
                .with_current_span(true)
                .finish()
                .into(),
        }
    }
}

/// What is logged, in the syntax of `RUST_LOG`; but a word that stands alone must be a level, as one that is misspelt would
/// be taken for a module.
pub fn filter(text: &str) -> Result<String, String> {
    EnvFilter::try_new(text).map_err(|error| error.to_string())?;
    let words = text.split(',').map(str::trim);
    for word in words.filter(|word| !word.contains(['=', '[', ']', '{', '}'])) {
        if word.is_empty() || word.parse::<LevelFilter>().is_err() {
            return Err(format!(
                "{word:?} is no level; write off, error, warn, info, debug or trace, or a module and its level such as \
                 kube_client=debug"
            ));
        }
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, colours: bool) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let dispatch = format.dispatch(
            move || writer.clone(),
            EnvFilter::new("info,deep=off"),
            colours,
        );
        tracing::dispatcher::with_default(&dispatch, || {
            let _of = tracing::info_span!("reading", camera = "door").entered();
            tracing::debug!("more than was asked for");
            tracing::error!(target: "deep", "of a library that is silenced");
            tracing::warn!(reason = "NoAnswer", "source lost");
        });
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn programs_get_one_object_a_line_with_the_fields_beside_the_message() {
        let text = logged(LogFormat::Json, true);
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        for (key, value) in [
            ("level", "WARN"),
            ("message", "source lost"),
            ("reason", "NoAnswer"),
        ] {
            assert_eq!(line[key], value, "{text}");
        }
        assert_eq!(line["span"]["camera"], "door");
        assert!(line["timestamp"].is_string() && line.get("target").is_none());
    }

    #[test]
    fn people_get_a_line_of_text_with_colours_where_they_are_asked_for() {
        let plain = logged(LogFormat::Human, false);
        assert!(
            plain.contains(r#"WARN reading{camera="door"}: source lost reason="NoAnswer""#),
            "{plain}"
        );
        assert!(!plain.contains("streamhub_logging") && !plain.contains('\u{1b}'));
        assert!(logged(LogFormat::Human, true).contains('\u{1b}'));
    }

    #[test]
    fn the_words_are_those_that_a_command_line_takes() {
        for format in LogFormat::value_variants() {
            assert_eq!(LogFormat::from_str(format.as_str(), false), Ok(*format));
        }
    }

    #[test]
    fn a_misspelt_level_is_refused() {
        for right in ["debug", "info,kube_client=warn", "a::b=trace, warn"] {
            assert_eq!(filter(right).unwrap(), right);
        }
        for wrong in ["debg", "info,wran", "a=loud", ""] {
            assert!(filter(wrong).is_err(), "{wrong}");
        }
    }
}
