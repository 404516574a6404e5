//! As much of an API server as the agent speaks with, watch included. For tests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::StreamExt as _;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_stream::wrappers::UnboundedReceiverStream;

type Answer = UnsyncBoxBody<Bytes, std::io::Error>;

/// The uid of the Node, unless a test says otherwise.
pub const NODE_UID: &str = "uid-node1";

#[derive(Debug)]
pub struct Store {
    pub objects: BTreeMap<String, Value>,
    /// Writes that changed something, in words.
    pub writes: Vec<String>,
    /// What the next writes are answered.
    pub answers: Vec<u16>,
    /// An object that a policy refuses.
    pub refused: Option<String>,
    /// The uid of the Node, or what a question for it is answered.
    pub node: Result<String, u16>,
    version: u64,
    watches: Vec<UnboundedSender<Value>>,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            objects: BTreeMap::new(),
            writes: Vec::new(),
            answers: Vec::new(),
            refused: None,
            node: Ok(NODE_UID.to_owned()),
            version: 0,
            watches: Vec::new(),
        }
    }
}

/// An API server.
#[derive(Debug, Clone, Default)]
pub struct FakeApi(Arc<Mutex<Store>>);

impl FakeApi {
    pub fn client(&self) -> Client {
        let api = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let api = api.clone();
            async move {
                let (parts, body) = request.into_parts();
                let bytes = body.collect().await.map_err(std::io::Error::other)?;
                let body = serde_json::from_slice(&bytes.to_bytes()).unwrap_or_default();
                let query = parts.uri.query().unwrap_or_default();
                if query.contains("watch=true") {
                    return Ok::<_, std::io::Error>(Response::new(api.watch()));
                }
                let (code, answer) = api.with(|store| {
                    if parts.uri.path().starts_with("/api/v1/nodes/") {
                        return store.node();
                    }
                    let name = parts.uri.path().split('/').skip(5).collect::<Vec<_>>();
                    store.answer(&parts.method, &name, &body)
                });
                let body = Full::new(Bytes::from(serde_json::to_vec(&answer)?));
                let body = body.map_err(|never| match never {}).boxed_unsync();
                let mut response = Response::new(body);
                *response.status_mut() = StatusCode::from_u16(code).unwrap();
                Ok(response)
            }
        });
        Client::new(service, "default")
    }

    /// Looks at it, or changes it as somebody else would.
    pub fn with<T>(&self, change: impl FnOnce(&mut Store) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }

    fn watch(&self) -> Answer {
        let (sender, events) = unbounded_channel::<Value>();
        self.with(|store| store.watches.push(sender));
        let lines = UnboundedReceiverStream::new(events).map(|event| {
            let line = Bytes::from(format!("{event}\n"));
            Ok::<_, std::io::Error>(Frame::data(line))
        });
        StreamBody::new(lines).boxed_unsync()
    }
}

impl Store {
    fn node(&self) -> (u16, Value) {
        match &self.node {
            Ok(uid) => {
                let node = json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
                    "metadata": {"name": "node1", "uid": uid}});
                (200, node)
            }
            Err(code) => failure(*code),
        }
    }

    fn answer(&mut self, method: &Method, name: &[&str], body: &Value) -> (u16, Value) {
        if *method == Method::GET {
            let items: Vec<&Value> = self.objects.values().collect();
            let version = self.version.to_string();
            let list = json!({"kind": "VideoDeviceList", "apiVersion": "streamhub.dev/v1alpha1",
                "metadata": {"resourceVersion": version}, "items": items});
            return (200, list);
        }
        if !self.answers.is_empty() {
            return failure(self.answers.remove(0));
        }
        if self.refused.as_deref() == Some(name[0]) {
            return failure(422);
        }
        let (name, status) = (name[0], name.get(1) == Some(&"status"));
        let known = self.objects.get(name).cloned();
        match (method.as_str(), known) {
            ("PATCH", None) if status => failure(404),
            ("PATCH", known) => {
                let is_new = known.is_none();
                let mut object = known.unwrap_or_else(|| self.fresh(name));
                let before = object.clone();
                if status {
                    object["status"] = body["status"].clone();
                } else {
                    for part in ["labels", "ownerReferences"] {
                        object["metadata"][part] = body["metadata"][part].clone();
                    }
                }
                if object == before && !is_new {
                    return (200, object);
                }
                let word = if status { "status" } else { "create" };
                self.writes.push(format!("{word} {name}"));
                (200, self.put(name, object, is_new))
            }
            ("DELETE", Some(known)) => {
                let (wanted, meta) = (&body["preconditions"], &known["metadata"]);
                let same = |field: &str| wanted[field].is_null() || wanted[field] == meta[field];
                if !same("uid") || !same("resourceVersion") {
                    return failure(409);
                }
                self.writes.push(format!("delete {name}"));
                self.remove(name);
                (200, known)
            }
            _ => failure(404),
        }
    }

    fn fresh(&mut self, name: &str) -> Value {
        self.version += 1;
        json!({"apiVersion": "streamhub.dev/v1alpha1", "kind": "VideoDevice", "spec": {}, "metadata": {
            "name": name, "uid": format!("uid-{}", self.version), "creationTimestamp": "2026-11-21T00:00:00Z",
        }})
    }

    /// Stores an object and tells all watches.
    pub fn put(&mut self, name: &str, mut object: Value, is_new: bool) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.objects.insert(name.to_owned(), object.clone());
        let kind = if is_new { "ADDED" } else { "MODIFIED" };
        self.tell(&json!({"type": kind, "object": object}));
        object
    }

    /// Removes an object and tells all watches.
    pub fn remove(&mut self, name: &str) {
        if let Some(object) = self.objects.remove(name) {
            self.tell(&json!({"type": "DELETED", "object": object}));
        }
    }

    fn tell(&mut self, event: &Value) {
        self.watches
            .retain(|watch| watch.send(event.clone()).is_ok());
    }
}

fn failure(code: u16) -> (u16, Value) {
    let reason = if code == 409 { "Conflict" } else { "Trouble" };
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": reason});
    (code, status)
}
