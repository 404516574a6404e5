//! Validates a document as an API server would: defaults, then bounds and unknown fields, then CEL.

mod bounds;
mod defaults;
mod definition;
mod finding;
mod rules;

use serde_json::Value;

pub(crate) use definition::Definition;
pub(crate) use finding::Finding;

use crate::path::Path;

/// Applies defaults in place and returns what is wrong, in the order of the steps.
///
/// As on an API server, CEL runs only where sizes are bounded and types are right.
pub(crate) fn check(definition: &Definition, object: &mut Value) -> Vec<Finding> {
    defaults::apply(&definition.schema, object);
    let mut findings = bounds::check(&definition.schema, object);
    if !findings.iter().any(|finding| finding.blocks_rules) {
        findings.extend(rules::check(definition, object, None));
    }
    findings
}

/// Checks the rules that compare a document with what it was before.
pub(crate) fn check_transition(definition: &Definition, old: &Value, new: &Value) -> Vec<Finding> {
    rules::check(definition, new, Some(old))
}

/// Drops nulls from an object's metadata and checks its types and unknown fields; the name belongs to [`check`].
pub(crate) fn check_metadata(metadata: &mut Value) -> Vec<Finding> {
    let schema = Definition::metadata();
    defaults::apply(schema, metadata);
    bounds::check_at(schema, metadata, &Path::default().field("metadata"))
}
