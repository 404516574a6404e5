//! Reads `kind: Secret`. No value of it ever gets into a message.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use serde_json::Value;

use crate::check::Finding;
use crate::path::Path;
use crate::values::{SecretKey, SecretName};
use crate::{Secret, SecretValue};

const FIELDS: [&str; 7] = [
    "apiVersion",
    "kind",
    "metadata",
    "type",
    "immutable",
    "data",
    "stringData",
];

/// Reads what is valid of a Secret and reports the rest.
pub(super) fn read(object: &Value, findings: &mut Vec<Finding>) -> Secret {
    let root = Path::default();
    let text = |name: &str| {
        object
            .get("metadata")
            .and_then(|metadata| metadata.get(name))
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let name = text("name").to_owned();
    if let Err(error) = SecretName::try_from(name.clone()) {
        let path = root.field("metadata").field("name");
        findings.push(Finding::of_rule(&path, error.to_string()));
    }
    for field in object
        .as_object()
        .into_iter()
        .flat_map(serde_json::Map::keys)
    {
        if !FIELDS.contains(&field.as_str()) {
            let path = root.field(field);
            findings.push(Finding::of_rule(&path, format!("unknown field \"{path}\"")));
        }
    }
    let mut data = entries(object, "data", findings, |value| {
        let bytes: Result<ByteString, _> = serde_json::from_value(value.clone());
        bytes
            .map(|bytes| bytes.0)
            .map_err(|_| "must be base64; plain text belongs into stringData")
    });
    data.extend(entries(object, "stringData", findings, |value| {
        value
            .as_str()
            .map(|text| text.as_bytes().to_vec())
            .ok_or("must be a string: write it in quotes")
    }));
    Secret {
        name,
        namespace: text("namespace").to_owned(),
        data,
    }
}

fn entries(
    object: &Value,
    field: &str,
    findings: &mut Vec<Finding>,
    decode: impl Fn(&Value) -> Result<Vec<u8>, &'static str>,
) -> BTreeMap<String, SecretValue> {
    let path = Path::default().field(field);
    let mut data = BTreeMap::new();
    let entries = match object.get(field) {
        None | Some(Value::Null) => return data,
        Some(Value::Object(entries)) => entries,
        Some(_) => {
            findings.push(Finding::of_rule(&path, "must be of type object".to_owned()));
            return data;
        }
    };
    for (key, value) in entries {
        if let Err(error) = SecretKey::try_from(key.clone()) {
            findings.push(Finding::of_rule(&path.key(key), error.to_string()));
        }
        match decode(value) {
            Ok(bytes) => {
                data.insert(key.clone(), SecretValue::new(bytes));
            }
            Err(message) => findings.push(Finding::of_rule(&path.key(key), message.to_owned())),
        }
    }
    data
}
