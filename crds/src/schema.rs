//! Helpers that shape generated schemas into what an API server accepts.

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use crate::values::ObjectName;

/// One CEL rule, reported on the object that it stands on.
pub(crate) fn rule(rule: &str, message: &str) -> Value {
    json!({"rule": rule, "message": message})
}

/// One CEL rule, reported on a field below the object that it stands on.
pub(crate) fn rule_at(field: &str, rule: &str, message: &str) -> Value {
    json!({"rule": rule, "message": message, "fieldPath": field})
}

/// The schema of a whole object: name rules, the spec as `T` and the status as `S` describe them.
///
/// Written by hand because kube's derive can restrict neither `metadata.name` nor default a `spec`.
pub(crate) fn root<T: JsonSchema, S: JsonSchema>(
    generator: &mut SchemaGenerator,
    kind: &str,
    description: &str,
    default_spec: bool,
) -> Schema {
    let mut schema = root_with_any_name::<T, S>(generator, kind, description);
    let spec = schema.pointer_mut("/properties/spec");
    if let (false, Some(spec)) = (default_spec, spec.and_then(Value::as_object_mut)) {
        spec.remove("default");
    }
    schema.insert(
        "x-kubernetes-validations".to_owned(),
        json!([rule_at(
            ".metadata.name",
            &format!("self.metadata.name.matches('{}')", ObjectName::PATTERN),
            ObjectName::MESSAGE,
        )]),
    );
    if let Some(properties) = schema
        .pointer_mut("/properties")
        .and_then(Value::as_object_mut)
    {
        let metadata = json!({
            "type": "object",
            "properties": {
                "name": {"type": "string", "maxLength": ObjectName::MAX_LENGTH},
                "generateName": {"type": "string"},
            },
        });
        properties.insert("metadata".to_owned(), metadata);
    }
    schema
}

/// The same with a spec that may be left out, of an object that may be called as Kubernetes lets it.
pub(crate) fn root_with_any_name<T: JsonSchema, S: JsonSchema>(
    generator: &mut SchemaGenerator,
    kind: &str,
    description: &str,
) -> Schema {
    let mut spec = generator.subschema_for::<T>();
    Plain.transform(&mut spec);
    let mut status = generator.subschema_for::<S>();
    Plain.transform(&mut status);
    let mut spec = spec.to_value();
    if let Some(spec) = spec.as_object_mut() {
        spec.insert("default".to_owned(), json!({}));
    }
    json_schema!({
        "type": "object",
        "title": kind,
        "description": description,
        "required": ["spec"],
        "properties": {"spec": spec, "status": status},
    })
}

/// The schema of a part of an object that Kubernetes itself defines, such as its metadata.
pub(crate) fn of_part<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::openapi3().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    Plain.transform(&mut schema);
    schema.to_value()
}

/// Removes what schemars says and an API server does not want: `null` beside a type, Rust's number formats, line ends.
struct Plain;

impl Transform for Plain {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(object) = schema.as_object_mut() else {
            return;
        };
        without_null(object);
        object.remove("format");
        if let Some(Value::String(text)) = object.get_mut("description") {
            *text = unwrapped(text);
        }
    }
}

/// Doc comments are wrapped for people who read code; descriptions are not.
fn unwrapped(text: &str) -> String {
    let paragraph = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.split("\n\n")
        .map(paragraph)
        .collect::<Vec<_>>()
        .join("\n\n")
}

fn without_null(object: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    let Some(Value::Array(branches)) = object.get_mut("anyOf") else {
        return;
    };
    branches.retain(|branch| branch.get("type") != Some(&Value::from("null")));
    if let [Value::Object(only)] = branches.as_slice() {
        let only = only.clone();
        object.remove("anyOf");
        for (key, value) in only {
            object.entry(key).or_insert(value);
        }
    }
}
