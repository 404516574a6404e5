//! Which fields a schema has.

use std::collections::BTreeSet;

use serde_json::Value;

/// The fields of an object's schema that have none below them, by their paths: `[]` stands for each item of a list, `{}`
/// for each value of a map.
pub fn leaves(schema: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    walk(schema, "", &mut found);
    found
}

fn walk(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    let below = |name: &str| schema.get(name).filter(|below| below.is_object());
    if let Some(properties) = below("properties").and_then(Value::as_object) {
        for (name, below) in properties {
            let dot = if path.is_empty() { "" } else { "." };
            walk(below, &format!("{path}{dot}{name}"), found);
        }
    } else if let Some(items) = below("items") {
        walk(items, &format!("{path}[]"), found);
    } else if let Some(values) = below("additionalProperties") {
        walk(values, &format!("{path}{{}}"), found);
    } else {
        found.insert(path.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn items_and_values_have_fields_too() {
        let text = json!({"type": "string"});
        let schema = json!({"properties": {
            "name": text,
            "frames": {"items": {"properties": {"fps": text, "tags": {"items": text}}}},
            "feedback": {"additionalProperties": {"properties": {"ttl": text}}},
        }});
        let known = ["feedback{}.ttl", "frames[].fps", "frames[].tags[]", "name"];
        assert_eq!(leaves(&schema), known.map(str::to_owned).into());
    }
}
