//! The Node that the objects of its devices go with: once it is deleted, Kubernetes deletes them.

use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, ObjectMeta};
use kube::{Client, Resource as _, ResourceExt as _};
use serde_json::{Value, json};
use streamhub_crds::VideoDevice;

use crate::error::code;

/// Asks for the Node that this runs on.
#[derive(Debug, Clone)]
pub struct Owner {
    api: Api<Node>,
    name: String,
}

/// Why nothing should be written that goes with the Node.
#[derive(Debug, thiserror::Error)]
pub enum OwnerError {
    /// There is no such Node.
    #[error(
        "there is no Node {0}: its VideoDevices are not made, as nothing would ever delete them; --node must name the node \
         that this runs on"
    )]
    Gone(String),
    /// It could not be asked for.
    #[error("look at the node")]
    Unanswered(#[source] kube::Error),
}

impl Owner {
    /// The Node of this name.
    pub fn new(client: Client, name: String) -> Self {
        let api = Api::all(client);
        Self { api, name }
    }

    /// Its uid; `None` where the agent may not look, and objects stay without.
    pub async fn uid(&self) -> Result<Option<String>, OwnerError> {
        match self.api.get_metadata(&self.name).await {
            Ok(node) => Ok(node.uid()),
            Err(error) => match code(&error) {
                Some(403) => Ok(None),
                Some(404) => Err(OwnerError::Gone(self.name.clone())),
                _ => Err(OwnerError::Unanswered(error)),
            },
        }
    }

    /// The reference to it. It holds up nobody who deletes the Node.
    pub fn reference(&self, uid: &str) -> Value {
        json!([{"apiVersion": Node::api_version(&()), "kind": Node::kind(&()), "name": self.name, "uid": uid}])
    }
}

/// The uid of the Node that an object goes with.
pub fn node_of(object: &VideoDevice) -> Option<&str> {
    let ObjectMeta {
        owner_references, ..
    } = &object.metadata;
    let mut owners = owner_references.iter().flatten();
    let node = owners.find(|owner| owner.api_version == "v1" && owner.kind == "Node");
    node.map(|node| node.uid.as_str())
}
