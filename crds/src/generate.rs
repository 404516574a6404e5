//! The files that are made from the types: the definitions for an API server, and the reference for people.

mod reference;

use kube::CustomResourceExt;
use serde::Serialize;
use streamhub_generate::GeneratedFile;

use crate::{Camera, StreamHub, VideoDevice};

const HEADER: &str =
    "# Generated from the types in crds/src by: cargo run -p streamhub-crds --bin crdgen\n";

/// All generated files.
pub fn files() -> Result<Vec<GeneratedFile>, serde_saphyr::ser::Error> {
    let (camera, hub, device) = (Camera::crd(), StreamHub::crd(), VideoDevice::crd());
    Ok(vec![
        GeneratedFile::new("crds/cameras.yaml", definition(&camera)?),
        GeneratedFile::new("crds/streamhubs.yaml", definition(&hub)?),
        GeneratedFile::new("crds/videodevices.yaml", definition(&device)?),
        GeneratedFile::new(
            "docs/reference/api.md",
            reference::page(&[&camera, &hub, &device]),
        ),
    ])
}

fn definition(crd: &impl Serialize) -> Result<String, serde_saphyr::ser::Error> {
    Ok(format!(
        "{HEADER}{}\n",
        serde_saphyr::to_string(crd)?.trim_end()
    ))
}
