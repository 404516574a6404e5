//! References to Secrets, and the Secrets that documents bring on one machine.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::values::{SecretKey, SecretName};

/// Names a Secret in the namespace of the object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// Name of the Secret.
    pub name: SecretName,
}

/// Names one key of a Secret in the namespace of the object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// Name of the Secret.
    pub name: SecretName,
    /// Key in the Secret whose value is meant.
    pub key: SecretKey,
}

/// A `kind: Secret` document. Its values never show in `Debug`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// Name of the Secret.
    pub name: String,
    /// Namespace of the Secret.
    pub namespace: String,
    /// What it holds, decoded: `data` and over it `stringData`.
    pub data: BTreeMap<String, SecretValue>,
}

/// One value of a [`Secret`].
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(Vec<u8>);

impl SecretValue {
    /// Wraps the bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The secret itself: never log it, never put it into an error.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(hidden)")
    }
}
