//! The files that are made from the types: the definitions for an API server, and the reference for people.

mod reference;

use kube::CustomResourceExt;
use serde::Serialize;

use crate::{Camera, StreamHub, VideoDevice};

const HEADER: &str =
    "# Generated from the types in crds/src by: cargo run -p streamhub-crds --bin crdgen\n";

/// One generated file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// Where it belongs, relative to the root of the repository.
    pub path: &'static str,
    /// What it holds.
    pub text: String,
}

/// All generated files.
pub fn files() -> Result<Vec<Generated>, serde_saphyr::ser::Error> {
    let (camera, hub, device) = (Camera::crd(), StreamHub::crd(), VideoDevice::crd());
    Ok(vec![
        Generated {
            path: "crds/cameras.yaml",
            text: definition(&camera)?,
        },
        Generated {
            path: "crds/streamhubs.yaml",
            text: definition(&hub)?,
        },
        Generated {
            path: "crds/videodevices.yaml",
            text: definition(&device)?,
        },
        Generated {
            path: "docs/reference/api.md",
            text: reference::page(&[&camera, &hub, &device]),
        },
    ])
}

fn definition(crd: &impl Serialize) -> Result<String, serde_saphyr::ser::Error> {
    Ok(format!(
        "{HEADER}{}\n",
        serde_saphyr::to_string(crd)?.trim_end()
    ))
}
