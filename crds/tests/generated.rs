//! The generated files are those that the types make, and say nothing that the loader does not check.

use std::collections::BTreeSet;

use serde_json::Value;

#[test]
fn generated_files_are_up_to_date() {
    for file in streamhub_crds::generate::files().unwrap() {
        file.check().unwrap();
    }
}

/// What the loader applies, and what only describes.
const KNOWN: [&str; 20] = [
    "type",
    "properties",
    "additionalProperties",
    "items",
    "required",
    "default",
    "nullable",
    "enum",
    "pattern",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "maxProperties",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-validations",
];

#[test]
fn the_loader_knows_every_word_of_the_definitions() {
    let mut words = BTreeSet::new();
    for file in streamhub_crds::generate::files()
        .unwrap()
        .iter()
        .filter(|file| file.path.starts_with("crds/"))
    {
        let definition: Value = serde_saphyr::from_str(&file.text).unwrap();
        collect(
            &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"],
            &mut words,
        );
    }
    let unknown: Vec<_> = words
        .iter()
        .filter(|word| {
            !KNOWN.contains(&word.as_str()) && !["description", "title"].contains(&word.as_str())
        })
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert!(words.len() > KNOWN.len(), "the walk saw only {words:?}");
}

fn collect(schema: &Value, words: &mut BTreeSet<String>) {
    words.extend(
        schema
            .as_object()
            .into_iter()
            .flat_map(|schema| schema.keys().cloned()),
    );
    for property in schema["properties"]
        .as_object()
        .into_iter()
        .flat_map(|properties| properties.values())
    {
        collect(property, words);
    }
    for below in [&schema["items"], &schema["additionalProperties"]] {
        if below.is_object() {
            collect(below, words);
        }
    }
}
