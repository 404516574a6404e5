//! CEL rules.

use kube::core::cel::{ErrorKind, validate_compiled};
use serde_json::Value;

use super::definition::Definition;
use super::finding::Finding;
use crate::path::{Path, Step};

/// Evaluates the rules; with `old`, the ones that compare too.
pub(crate) fn check(definition: &Definition, object: &Value, old: Option<&Value>) -> Vec<Finding> {
    let Err(errors) = validate_compiled(&definition.rules, object, old) else {
        return Vec::new();
    };
    let finding = |error: kube::core::cel::ValidationError| {
        let path = Path::from_dotted(&error.field_path, &definition.schema, object);
        // An evaluation error may quote values; the rule says what was asked.
        let message = match error.kind {
            ErrorKind::ValidationFailure => error.message,
            _ => format!("can't be checked by the rule {}", error.rule),
        };
        let finding = Finding::of_rule(&path, message);
        match value_at(object, &path) {
            Some(value) => finding.showing(value),
            None => finding,
        }
    };
    errors.into_iter().map(finding).collect()
}

fn value_at<'a>(object: &'a Value, path: &Path) -> Option<&'a Value> {
    path.steps()
        .iter()
        .try_fold(object, |value, step| match step {
            Step::Field(name) | Step::Key(name) => value.get(name),
            Step::Index(index) => value.get(index),
        })
}
