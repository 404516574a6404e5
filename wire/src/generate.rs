//! The reference files that are made from this crate's types.

use streamhub_generate::GeneratedFile;

use crate::metadata::Metadata;
use crate::server::Permissions;
use crate::subjects::{Prefix, SubjectError, Token};

/// All of them: the schema of the metadata, and the permissions of who connects, for the hub `lobby`.
pub fn files() -> Result<Vec<GeneratedFile>, SubjectError> {
    let prefix = Prefix::new("streamhub.default.lobby")?;
    let (camera, module) = (Token::new("cam1")?, Token::new("perception")?);
    let mut files = vec![GeneratedFile::new(
        "docs/reference/metadata.schema.json",
        format!("{:#}\n", Metadata::json_schema()),
    )];
    for (name, permissions) in [
        ("ingest", Permissions::ingest(&prefix, None)),
        (
            "ingest-of-one-camera",
            Permissions::ingest(&prefix, Some(&camera)),
        ),
        ("module", Permissions::module(&prefix, &module)),
        ("viewer", Permissions::viewer(&prefix)),
    ] {
        files.push(GeneratedFile::new(
            format!("docs/reference/permissions/{name}.conf"),
            format!("permissions: {}\n", permissions.config()),
        ));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn read(path: &str) -> String {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        std::fs::read_to_string(root.join(path)).unwrap_or_default()
    }

    #[test]
    fn the_files_in_the_repository_are_these() {
        for file in files().unwrap() {
            file.check().unwrap();
        }
    }

    #[test]
    fn the_reference_explains_every_field_of_the_metadata() {
        let reference = read("docs/reference/nats.md");
        let schema = Metadata::json_schema();
        for field in schema["properties"].as_object().unwrap().keys() {
            assert!(reference.contains(&format!("| `{field}` |")), "{field}");
        }
    }
}
