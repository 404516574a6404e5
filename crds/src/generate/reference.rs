//! The field reference: one table per kind, from its schema.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Value, json};

const INTRODUCTION: &str = "\
<!-- Generated from the types in crds/src by: cargo run -p streamhub-crds --bin crdgen -->
# The API, field by field

Documents are read by `kubectl apply` and, on one machine, by `streamhub up`, with the same defaults and the same
rules; `streamhub validate` tells what is wrong with one. `[]` stands for each item of a list, `<name>` for each key of
a map. Fields with no default may be left out, unless they are called required.
";

/// Kinds that say all in their status. That of others is a summary, which the pages of the operator explain.
const ALL_STATUS: [&str; 1] = ["VideoDevice"];

/// The whole page.
pub(super) fn page(definitions: &[&CustomResourceDefinition]) -> String {
    let json = |definition| serde_json::to_value(definition).unwrap_or_default();
    let sections = definitions
        .iter()
        .map(|definition| section(&json(definition)));
    std::iter::once(INTRODUCTION.to_owned())
        .chain(sections)
        .collect::<Vec<_>>()
        .join("\n")
}

fn section(definition: &Value) -> String {
    let text = |pointer: &str| {
        definition
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let schema = definition
        .pointer("/spec/versions/0/schema/openAPIV3Schema")
        .unwrap_or(&Value::Null);
    let kind = text("/spec/names/kind");
    let head = format!(
        "## {kind}\n\n`apiVersion: {}/{}`, `kind: {kind}`; short name `{}`. {}\n\n\
         | field | type | default | meaning |\n|---|---|---|---|\n",
        text("/spec/group"),
        text("/spec/versions/0/name"),
        text("/spec/names/shortNames/0"),
        describe(schema),
    );
    let mut name = schema
        .pointer("/properties/metadata/properties/name")
        .cloned()
        .unwrap_or_else(|| json!({"type": "string"}));
    if let Some(name) = name.as_object_mut() {
        let about = format!("Name of the {kind}.");
        name.insert("description".to_owned(), about.into());
        if let Some(rules) = schema.get("x-kubernetes-validations") {
            name.insert("x-kubernetes-validations".to_owned(), rules.clone());
        }
    }
    let mut rows = vec![row("metadata.name", &name, true)];
    if let Some(spec) = schema.pointer("/properties/spec") {
        fields("spec", spec, &mut rows);
    }
    if let Some(status) = schema.pointer("/properties/status")
        && ALL_STATUS.contains(&kind)
    {
        fields("status", &without_defaults(status), &mut rows);
    }
    head + &rows.concat()
}

/// Nobody leaves out what a program writes.
fn without_defaults(schema: &Value) -> Value {
    match schema {
        Value::Object(map) => map
            .iter()
            .filter(|(key, _)| *key != "default")
            .map(|(key, value)| (key.clone(), without_defaults(value)))
            .collect(),
        other => other.clone(),
    }
}

fn fields(path: &str, schema: &Value, rows: &mut Vec<String>) {
    let required = schema.get("required").and_then(Value::as_array);
    for (name, property) in schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let path = format!("{path}.{name}");
        let is_required = required.is_some_and(|required| required.contains(&name.as_str().into()));
        rows.push(row(&path, property, is_required));
        below(&path, property, rows);
    }
}

/// What stands below a field: its fields, those of its items, or those behind its keys.
fn below(path: &str, schema: &Value, rows: &mut Vec<String>) {
    // The same fields as of the source that they stand beside.
    if path.ends_with(".fallbacks") {
        return;
    }
    if let Some(items) = schema.get("items") {
        fields(&format!("{path}[]"), items, rows);
    } else if let Some(values) = schema.get("additionalProperties") {
        fields(&format!("{path}.<name>"), values, rows);
    } else {
        fields(path, schema, rows);
    }
}

fn row(path: &str, schema: &Value, required: bool) -> String {
    let default = match schema.get("default") {
        Some(default) => format!("`{default}`"),
        None if required => "required".to_owned(),
        None => String::new(),
    };
    let limits = limits(schema)
        .into_iter()
        .map(|limit| format!(" {}.", capitalised(&limit)));
    let meaning = describe(schema) + &limits.collect::<String>();
    format!(
        "| `{path}` | {} | {default} | {} |\n",
        type_of(schema),
        meaning.replace('|', "\\|")
    )
}

fn describe(schema: &Value) -> String {
    schema
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .replace('\n', " ")
}

fn type_of(schema: &Value) -> String {
    if schema.get("x-kubernetes-int-or-string").is_some() {
        return "integer or string".to_owned();
    }
    let name = |schema: &Value| {
        schema
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or("any")
            .to_owned()
    };
    match (schema.get("items"), schema.get("additionalProperties")) {
        (Some(items), _) => format!("list of {}", name(items)),
        (_, Some(values)) => format!("map to {}", name(values)),
        _ => name(schema),
    }
}

/// Bounds and rules in words; those of items and values behind keys too, where these have no rows of their own.
fn limits(schema: &Value) -> Vec<String> {
    let number = |name: &str| schema.get(name).and_then(Value::as_f64);
    let mut limits = Vec::new();
    // What is a number or a string says its bounds in its description: those of the number are not all of them.
    if let (Some(least), Some(most), Some(_)) =
        (number("minimum"), number("maximum"), schema.get("type"))
    {
        limits.push(format!("{least} to {most}"));
    }
    if let Some(most) = number("maxLength") {
        limits.push(format!("at most {most} characters"));
    }
    match (
        number("minItems"),
        number("maxItems").or(number("maxProperties")),
    ) {
        (Some(least), Some(most)) => limits.push(format!("{least} to {most} of them")),
        (None, Some(most)) => limits.push(format!("at most {most} of them")),
        _ => {}
    }
    if let Some(choices) = schema.get("enum").and_then(Value::as_array) {
        let choices: Vec<String> = choices
            .iter()
            .filter_map(Value::as_str)
            .map(|text| format!("`{text}`"))
            .collect();
        limits.push(format!("one of {}", choices.join(", ")));
    }
    match schema.get("x-kubernetes-list-type").and_then(Value::as_str) {
        Some("set") => limits.push("no two alike".to_owned()),
        Some("map") => limits.push("no two of one name".to_owned()),
        _ => {}
    }
    limits.extend(rules(schema));
    let inner = schema
        .get("items")
        .or_else(|| schema.get("additionalProperties"));
    if let Some(inner) = inner.filter(|inner| inner.get("properties").is_none()) {
        limits.extend(rules(inner).into_iter().map(|rule| format!("each {rule}")));
    }
    limits
}

fn rules(schema: &Value) -> Vec<String> {
    let rules = schema
        .get("x-kubernetes-validations")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    rules
        .filter_map(|rule| {
            let message = rule.get("message")?.as_str()?;
            let field = rule
                .get("fieldPath")
                .and_then(Value::as_str)
                .filter(|field| *field != ".metadata.name");
            Some(match field {
                Some(field) => format!("`{}`: {message}", field.trim_start_matches('.')),
                None => message.to_owned(),
            })
        })
        .collect()
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}
