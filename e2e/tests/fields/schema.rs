//! Which fields there are, by the definitions that the API server has.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use serde_json::Value;
use streamhub_e2e::Cluster;

use crate::samples::Kind;

/// The leaves of a kind's `spec`: `[]` for items of a list, `{}` for values of a map.
pub fn fields(cluster: &Cluster, kind: Kind) -> Result<BTreeSet<String>> {
    let spec = &definition(cluster, kind)?["properties"]["spec"];
    let mut found = BTreeSet::new();
    walk(spec, "", &mut found);
    Ok(found)
}

/// What the rules of a kind say when they are broken.
pub fn rule_messages(cluster: &Cluster, kind: Kind) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    messages(&definition(cluster, kind)?, &mut found);
    Ok(found)
}

fn definition(cluster: &Cluster, kind: Kind) -> Result<Value> {
    let name = format!("{}.streamhub.dev", kind.plural());
    let mut crd = cluster.get(&["customresourcedefinition", &name])?;
    crd.pointer_mut("/spec/versions/0/schema/openAPIV3Schema")
        .map(Value::take)
        .with_context(|| format!("{name} has no schema"))
}

fn walk(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    if let Some(properties) = schema["properties"].as_object() {
        for (name, below) in properties {
            let dot = if path.is_empty() { "" } else { "." };
            walk(below, &format!("{path}{dot}{name}"), found);
        }
    } else if schema["items"].is_object() {
        walk(&schema["items"], &format!("{path}[]"), found);
    } else if schema["additionalProperties"].is_object() {
        let below = &schema["additionalProperties"];
        walk(below, &format!("{path}{{}}"), found);
    } else {
        found.insert(path.to_owned());
    }
}

fn messages(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(parts) => {
            let rules = parts
                .get("x-kubernetes-validations")
                .and_then(Value::as_array);
            for rule in rules.into_iter().flatten() {
                found.extend(rule["message"].as_str().map(str::to_owned));
            }
            parts.values().for_each(|part| messages(part, found));
        }
        Value::Array(parts) => parts.iter().for_each(|part| messages(part, found)),
        _ => {}
    }
}
