//! The definition of a kind, made ready for validation.

use std::sync::LazyLock;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::CustomResourceExt;
use kube::core::cel::{CompiledSchema, compile_schema};
use serde_json::Value;

use crate::{Camera, StreamHub, schema};

/// A kind's schema, its rules compiled.
pub(crate) struct Definition {
    pub(crate) schema: Value,
    pub(crate) rules: CompiledSchema,
}

impl Definition {
    /// The definition of Camera.
    pub(crate) fn camera() -> &'static Self {
        static CAMERA: LazyLock<Definition> = LazyLock::new(Definition::of::<Camera>);
        &CAMERA
    }

    /// The definition of `StreamHub`.
    pub(crate) fn hub() -> &'static Self {
        static HUB: LazyLock<Definition> = LazyLock::new(Definition::of::<StreamHub>);
        &HUB
    }

    /// The schema of any object's metadata.
    pub(crate) fn metadata() -> &'static Value {
        static METADATA: LazyLock<Value> = LazyLock::new(schema::of_part::<ObjectMeta>);
        &METADATA
    }

    fn of<T: CustomResourceExt>() -> Self {
        let crd = serde_json::to_value(T::crd()).unwrap_or_default();
        let schema = crd
            .pointer("/spec/versions/0/schema/openAPIV3Schema")
            .cloned()
            .unwrap_or_default();
        let rules = compile_schema(&schema);
        Self { schema, rules }
    }
}
