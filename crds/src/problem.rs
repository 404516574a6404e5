//! What is wrong with a document, and where.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

/// One mistake in a document: shown to people by `Display`, to programs by `Serialize`.
///
/// Holds no secret: values of Secrets and of references to them, and users, passwords and queries in URLs are left out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Problem {
    /// The file, as it was named or found; empty for a document that was not read from one.
    pub file: PathBuf,
    /// Line of the field, or of its nearest parent that is written down; counted from 1, 0 where there is none.
    pub line: usize,
    /// Kind of the document, where it says one.
    pub kind: Option<String>,
    /// Name of the document, where it says one.
    pub name: Option<String>,
    /// The field as an API server names it, such as `spec.frames[1].fps`; empty for the whole document.
    pub field: String,
    /// What was found there, as JSON, where it is a plain value that may be shown.
    pub value: Option<String>,
    /// What is wrong: for CEL rules exactly the message of the rule.
    pub message: String,
    /// What the field is for, where the message alone does not help.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.as_os_str().is_empty() {
            write!(formatter, "{}", self.file.display())?;
            if self.line > 0 {
                write!(formatter, ":{}", self.line)?;
            }
            formatter.write_str(": ")?;
        }
        match (&self.kind, &self.name) {
            (Some(kind), Some(name)) => write!(formatter, "{kind} {name}: ")?,
            (Some(kind), None) => write!(formatter, "{kind}: ")?,
            _ => {}
        }
        if !self.field.is_empty() {
            write!(formatter, "{}: ", self.field)?;
        }
        if let Some(value) = &self.value {
            write!(formatter, "{value}: ")?;
        }
        formatter.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(formatter, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}
