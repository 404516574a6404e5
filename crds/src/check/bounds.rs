//! Types, bounds, unknown fields and lists with unique items.

use std::collections::HashSet;

use regex::Regex;
use serde_json::{Map, Value};

use super::finding::Finding;
use crate::path::Path;

/// Fields of every object that no schema names.
const ROOT_FIELDS: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Checks a whole document; its metadata but for the name is checked by another schema.
pub(crate) fn check(schema: &Value, object: &Value) -> Vec<Finding> {
    let mut checker = Checker {
        findings: Vec::new(),
    };
    let path = Path::default();
    if let Value::Object(fields) = object {
        for (name, value) in fields {
            let property = schema
                .get("properties")
                .and_then(|properties| properties.get(name));
            match property {
                Some(property) if name == "metadata" => {
                    checker.name(property, value, &path.field(name));
                }
                Some(property) => checker.value(property, value, &path.field(name)),
                None if ROOT_FIELDS.contains(&name.as_str()) => {}
                None => checker.unknown(&path.field(name)),
            }
        }
        checker.required(schema, fields, &path);
    }
    checker.findings
}

/// Checks one part of a document.
pub(crate) fn check_at(schema: &Value, value: &Value, path: &Path) -> Vec<Finding> {
    let mut checker = Checker {
        findings: Vec::new(),
    };
    checker.value(schema, value, path);
    checker.findings
}

struct Checker {
    findings: Vec<Finding>,
}

impl Checker {
    fn value(&mut self, schema: &Value, value: &Value, path: &Path) {
        if value.is_null() && schema.get("nullable") == Some(&Value::Bool(true)) {
            return;
        }
        if !self.type_is_right(schema, value, path) {
            return;
        }
        match value {
            Value::Object(fields) => self.object(schema, fields, path),
            Value::Array(items) => self.list(schema, items, path),
            Value::String(text) => self.string(schema, text, path),
            Value::Number(number) => {
                self.number(schema, number.as_f64().unwrap_or_default(), value, path);
            }
            Value::Null | Value::Bool(_) => {}
        }
        self.choice(schema, value, path);
    }

    fn type_is_right(&mut self, schema: &Value, value: &Value, path: &Path) -> bool {
        let int_or_string = schema.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true));
        let wanted = match schema.get("type").and_then(Value::as_str) {
            Some(wanted) => wanted,
            None if int_or_string => "integer,string",
            None => return true,
        };
        let found = type_of(value);
        if wanted
            .split(',')
            .any(|wanted| wanted == found || (wanted == "number" && found == "integer"))
        {
            return true;
        }
        let finding = Finding::of_schema(path, format!("must be of type {wanted}: \"{found}\""));
        self.findings.push(finding.blocking().explained(schema));
        false
    }

    fn object(&mut self, schema: &Value, fields: &Map<String, Value>, path: &Path) {
        let properties = schema.get("properties");
        let keys = schema.get("additionalProperties");
        for (name, value) in fields {
            if let Some(property) = properties.and_then(|properties| properties.get(name)) {
                self.value(property, value, &path.field(name));
            } else if let Some(keys) = keys {
                self.value(keys, value, &path.key(name));
            } else if properties.is_some() {
                self.unknown(&path.field(name));
            }
        }
        if let Some(most) =
            bound(schema, "maxProperties").filter(|most| fields.len() as u64 > *most)
        {
            let message = format!("too many: must have at most {most} items");
            self.findings
                .push(Finding::of_schema(path, message).blocking());
        }
        self.required(schema, fields, path);
    }

    fn required(&mut self, schema: &Value, fields: &Map<String, Value>, path: &Path) {
        let names = schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        for name in names.filter(|name| !fields.contains_key(*name)) {
            let property = schema
                .get("properties")
                .and_then(|properties| properties.get(name));
            let finding =
                Finding::of_schema(&path.field(name), "required value".to_owned()).blocking();
            self.findings
                .push(finding.explained(property.unwrap_or(&Value::Null)));
        }
    }

    /// The name is the only part of the metadata that the schema of a kind may bound.
    fn name(&mut self, schema: &Value, metadata: &Value, path: &Path) {
        let property = schema
            .get("properties")
            .and_then(|properties| properties.get("name"));
        if let (Some(property), Some(name)) = (property, metadata.get("name")) {
            self.value(property, name, &path.field("name"));
        }
    }

    fn unknown(&mut self, path: &Path) {
        self.findings
            .push(Finding::of_rule(path, format!("unknown field \"{path}\"")));
    }

    fn list(&mut self, schema: &Value, items: &[Value], path: &Path) {
        if let Some(below) = schema.get("items") {
            for (index, item) in items.iter().enumerate() {
                self.value(below, item, &path.index(index));
            }
        }
        if let Some(least) = bound(schema, "minItems").filter(|least| (items.len() as u64) < *least)
        {
            let message = format!("should have at least {least} items");
            self.findings
                .push(Finding::of_schema(path, message).explained(schema));
        }
        if let Some(most) = bound(schema, "maxItems").filter(|most| items.len() as u64 > *most) {
            let message = format!("too many: must have at most {most} items");
            self.findings
                .push(Finding::of_schema(path, message).blocking());
        }
        let identity: fn(&Value, &Value) -> Option<Value> =
            match schema.get("x-kubernetes-list-type").and_then(Value::as_str) {
                Some("set") => |_, item| Some(item.clone()),
                Some("map") => map_key,
                _ => return,
            };
        let mut seen = HashSet::new();
        for (index, item) in items.iter().enumerate() {
            let Some(identity) = identity(schema, item) else {
                continue;
            };
            if !seen.insert(identity.to_string()) {
                let message = format!("duplicate value: {identity}");
                self.findings
                    .push(Finding::of_rule(&path.index(index), message));
            }
        }
    }

    fn string(&mut self, schema: &Value, text: &str, path: &Path) {
        let length = text.chars().count() as u64;
        if let Some(least) = bound(schema, "minLength").filter(|least| length < *least) {
            let message = format!("should be at least {least} chars long");
            self.findings
                .push(Finding::of_schema(path, message).showing(&text.into()));
        }
        if let Some(most) = bound(schema, "maxLength").filter(|most| length > *most) {
            let message = format!("too long: may not be more than {most} bytes");
            self.findings.push(
                Finding::of_schema(path, message)
                    .showing(&text.into())
                    .blocking(),
            );
        }
        let pattern = schema.get("pattern").and_then(Value::as_str);
        let regex = pattern.and_then(|pattern| Regex::new(pattern).ok());
        if let (Some(pattern), Some(regex)) = (pattern, regex)
            && !regex.is_match(text)
        {
            let message = format!("should match '{pattern}'");
            self.findings.push(
                Finding::of_schema(path, message)
                    .showing(&text.into())
                    .explained(schema),
            );
        }
    }

    fn number(&mut self, schema: &Value, number: f64, value: &Value, path: &Path) {
        let limit = |name: &str| schema.get(name).and_then(Value::as_f64);
        if let Some(least) = limit("minimum").filter(|least| number < *least) {
            let message = format!("should be greater than or equal to {least}");
            self.findings
                .push(Finding::of_schema(path, message).showing(value));
        }
        if let Some(most) = limit("maximum").filter(|most| number > *most) {
            let message = format!("should be less than or equal to {most}");
            self.findings
                .push(Finding::of_schema(path, message).showing(value));
        }
    }

    fn choice(&mut self, schema: &Value, value: &Value, path: &Path) {
        let Some(choices) = schema.get("enum").and_then(Value::as_array) else {
            return;
        };
        if !choices.contains(value) {
            let supported = choices
                .iter()
                .map(Value::to_string)
                .collect::<Vec<_>>()
                .join(", ");
            let message = format!("unsupported value: supported values: {supported}");
            self.findings
                .push(Finding::of_schema(path, message).showing(value));
        }
    }
}

/// The key fields of an item of a list that is a map; an item without any of them is reported as such elsewhere.
fn map_key(schema: &Value, item: &Value) -> Option<Value> {
    let names = schema.get("x-kubernetes-list-map-keys")?.as_array()?;
    let key: Map<String, Value> = names
        .iter()
        .filter_map(Value::as_str)
        .filter_map(|name| Some((name.to_owned(), item.get(name)?.clone())))
        .collect();
    if key.is_empty() {
        None
    } else {
        Some(Value::Object(key))
    }
}

fn bound(schema: &Value, name: &str) -> Option<u64> {
    schema.get(name).and_then(Value::as_u64)
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number)
            if number.is_f64() && number.as_f64().is_none_or(|number| number.fract() != 0.0) =>
        {
            "number"
        }
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
