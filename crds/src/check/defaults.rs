//! Defaults of the schema, applied as an API server applies them.

use serde_json::Value;

/// Drops nulls that the schema does not allow, and fills in what is absent and has a default.
pub(crate) fn apply(schema: &Value, object: &mut Value) {
    match object {
        Value::Object(fields) => {
            let properties = schema.get("properties").and_then(Value::as_object);
            for (name, property) in properties.into_iter().flatten() {
                let null = fields.get(name).is_some_and(Value::is_null) && !nullable(property);
                if null {
                    fields.remove(name);
                }
                if let (None, Some(default)) = (fields.get(name), property.get("default")) {
                    fields.insert(name.clone(), default.clone());
                }
            }
            for (name, value) in fields.iter_mut() {
                let below = properties.and_then(|properties| properties.get(name));
                if let Some(below) = below.or_else(|| schema.get("additionalProperties")) {
                    apply(below, value);
                }
            }
        }
        Value::Array(items) => {
            if let Some(below) = schema.get("items") {
                for item in items {
                    apply(below, item);
                }
            }
        }
        _ => {}
    }
}

fn nullable(schema: &Value) -> bool {
    schema.get("nullable") == Some(&Value::Bool(true))
}
