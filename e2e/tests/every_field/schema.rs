//! Which fields there are, by the definitions that the API server has.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use serde_json::Value;
use streamhub_crds::leaves;
use streamhub_e2e::Cluster;

use crate::samples::Kind;

/// The leaves of a kind's `spec`.
pub fn fields(cluster: &Cluster, kind: Kind) -> Result<BTreeSet<String>> {
    let spec = &definition(cluster, kind)?["properties"]["spec"];
    Ok(leaves(spec))
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
