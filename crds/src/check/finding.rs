//! One mistake, before it is known where in which file it stands.

use serde_json::Value;

use crate::path::{Path, Step};

#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) path: Path,
    /// The path as the API server writes it for this kind of mistake.
    pub(crate) field: String,
    pub(crate) value: Option<String>,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    /// Whether CEL is not to be asked: sizes are unbounded, or types are wrong.
    pub(crate) blocks_rules: bool,
}

impl Finding {
    /// A mistake in bounds or types.
    pub(crate) fn of_schema(path: &Path, message: String) -> Self {
        Self {
            field: path.dotted(),
            ..Self::of_rule(path, message)
        }
    }

    /// A mistake that a CEL rule, or a rule on the items of a list, found.
    pub(crate) fn of_rule(path: &Path, message: String) -> Self {
        Self {
            path: path.clone(),
            field: path.to_string(),
            value: None,
            message,
            hint: None,
            blocks_rules: false,
        }
    }

    pub(crate) fn blocking(mut self) -> Self {
        self.blocks_rules = true;
        self
    }

    /// Shows a plain value, unless it could be or hold a secret.
    pub(crate) fn showing(mut self, value: &Value) -> Self {
        let may_be_secret =
            |step: &Step| matches!(step, Step::Field(name) if name.ends_with("SecretRef"));
        if !self.path.steps().iter().any(may_be_secret) {
            self.value = shown(value);
        }
        self
    }

    /// Adds what the schema says about the field.
    pub(crate) fn explained(mut self, schema: &Value) -> Self {
        self.hint = schema
            .get("description")
            .and_then(Value::as_str)
            .map(str::to_owned);
        self
    }
}

fn shown(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(Value::from(without_secrets(text)).to_string()),
        Value::Object(_) | Value::Array(_) => None,
        plain => Some(plain.to_string()),
    }
}

/// Hides users, passwords and queries of URLs, however badly written, and shortens what is very long.
fn without_secrets(text: &str) -> String {
    let (scheme, rest) = text
        .split_once("://")
        .map_or(("", text), |(scheme, rest)| (scheme, rest));
    let mut shown = String::new();
    if !scheme.is_empty() {
        shown.push_str(scheme);
        shown.push_str("://");
    }
    // The last '@': a password that is not escaped may hold any character.
    let rest = match rest.rsplit_once('@') {
        Some((_, after)) => {
            shown.push_str("(hidden)@");
            after
        }
        None => rest,
    };
    match rest.split_once('?') {
        Some((before, _)) => {
            shown.push_str(before);
            shown.push_str("?(hidden)");
        }
        None => shown.push_str(rest),
    }
    match shown.char_indices().nth(200) {
        Some((end, _)) => format!("{}...", shown.get(..end).unwrap_or_default()),
        None => shown,
    }
}
