//! Something that a person should know.

use serde::Serialize;

use super::short;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Severity {
    /// Something does not work.
    Problem,
    /// Worth knowing.
    Note,
}

/// Something that a person should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The object that it is about.
    pub about: String,
    /// One word for it.
    pub reason: String,
    /// What is wrong.
    pub what: String,
    /// Why that is so, or what follows from it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// What to do: a command where there is one.
    pub fix: String,
    /// Events that belong to it, newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
}

impl Finding {
    /// Something does not work.
    pub fn problem(about: impl Into<String>, reason: &str, what: impl Into<String>) -> Self {
        Self {
            severity: Severity::Problem,
            about: about.into(),
            reason: reason.to_owned(),
            what: what.into(),
            why: String::new(),
            fix: String::new(),
            events: Vec::new(),
        }
    }

    /// Something is worth knowing.
    pub fn note(about: impl Into<String>, reason: &str, what: impl Into<String>) -> Self {
        Self {
            severity: Severity::Note,
            ..Self::problem(about, reason, what)
        }
    }

    /// Says why.
    pub fn because(mut self, why: impl Into<String>) -> Self {
        self.why = why.into();
        self
    }

    /// Says what to do.
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = fix.into();
        self
    }
}

/// All of them, for people.
pub fn report(place: &str, findings: &[Finding], colour: bool) -> Vec<String> {
    let painted = |text: &str, code: u8| {
        if colour {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    };
    let mut lines = vec![short(place), String::new()];
    for finding in findings {
        let mark = match finding.severity {
            Severity::Problem => painted("PROBLEM", 31),
            Severity::Note => painted("note", 33),
        };
        lines.push(format!("{mark}  {}  {}", finding.about, finding.reason));
        lines.push(format!("    {}", short(&finding.what)));
        for (word, text) in [("why", &finding.why), ("do ", &finding.fix)] {
            if !text.is_empty() {
                lines.push(format!("    {word}  {}", short(text)));
            }
        }
        lines.extend(
            finding
                .events
                .iter()
                .map(|event| format!("    event  {}", short(event))),
        );
        lines.push(String::new());
    }
    let count = |severity| findings.iter().filter(|it| it.severity == severity).count();
    let (problems, notes) = (count(Severity::Problem), count(Severity::Note));
    lines.push(if problems == 0 {
        format!("no problem found, {notes} notes")
    } else {
        format!("{problems} problems, {notes} notes")
    });
    lines
}
