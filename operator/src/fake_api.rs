//! As much of an API server as the controllers write to, with faults on demand. For tests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

/// What goes wrong with one write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is done, and the operator dies before it hears of it.
    CrashAfter,
    /// The operator dies before it is done.
    CrashBefore,
    /// It is done, and no answer comes.
    NoAnswer,
    /// It is answered so and not done.
    Answered(u16),
    /// It is not done: something of that name had been there.
    Taken,
}

/// Kind, namespace and name.
type Place = (&'static str, String, String);

#[derive(Debug, Default)]
pub struct Store {
    pub objects: BTreeMap<Place, Value>,
    version: u64,
    uids: u64,
    /// Events that were written.
    pub events: Vec<Value>,
    /// Writes that were done, in words.
    pub writes: Vec<String>,
    /// Writes that were asked for.
    asked: usize,
    /// The fault of the n-th write that is asked for, from 0.
    pub fault: Option<(usize, Fault)>,
    /// What everyone is answered who makes a pod.
    pub no_pods: Option<u16>,
    /// What everyone is answered who writes a status, and how often that was.
    pub no_statuses: Option<(u16, usize)>,
    /// The operator is dead: nothing it does arrives.
    pub crashed: bool,
    /// Incarnations of pods, in the order they were made.
    pub incarnations: Vec<u64>,
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
                let bytes = body
                    .collect()
                    .await
                    .map_err(std::io::Error::other)?
                    .to_bytes();
                let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
                let (code, answer) = api.answer(&parts.method, parts.uri.path(), &body)?;
                let body = Body::from(serde_json::to_vec(&answer)?);
                let mut response = Response::new(body);
                *response.status_mut() =
                    StatusCode::from_u16(code).map_err(std::io::Error::other)?;
                Ok::<_, std::io::Error>(response)
            }
        });
        Client::new(service, "default")
    }

    /// Looks at it, or changes it as somebody else would.
    pub fn with<T>(&self, change: impl FnOnce(&mut Store) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }

    fn answer(&self, method: &Method, path: &str, body: &Value) -> std::io::Result<(u16, Value)> {
        let dead = || std::io::Error::other("connection closed");
        let mut store = self.0.lock().unwrap();
        if store.crashed {
            return Err(dead());
        }
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        if parts.contains(&"events") {
            store.events.push(body.clone());
            return Ok((201, body.clone()));
        }
        let (place, status) = match *parts.as_slice() {
            ["api", "v1", "namespaces", namespace, "pods"] => {
                let name = body["metadata"]["name"].as_str().unwrap_or_default();
                (place("pods", namespace, name), false)
            }
            ["api", "v1", "namespaces", namespace, "pods", name] => {
                (place("pods", namespace, name), false)
            }
            [
                "apis",
                "streamhub.dev",
                "v1alpha1",
                "namespaces",
                namespace,
                "cameras",
                name,
                "status",
            ] => (place("cameras", namespace, name), true),
            [
                "apis",
                "streamhub.dev",
                "v1alpha1",
                "namespaces",
                namespace,
                "streamhubs",
                name,
                "status",
            ] => (place("streamhubs", namespace, name), true),
            _ => return Ok(failure(404, "NotFound")),
        };
        if method == Method::GET {
            let found = store.objects.get(&place).cloned();
            return Ok(found.map_or_else(|| failure(404, "NotFound"), |found| (200, found)));
        }
        let fault = store
            .fault
            .filter(|(at, _)| *at == store.asked)
            .map(|(_, fault)| fault);
        store.asked += 1;
        match fault {
            Some(Fault::CrashBefore) => {
                store.crashed = true;
                return Err(dead());
            }
            Some(Fault::Answered(code)) => {
                return Ok(failure(
                    code,
                    if code == 409 { "Conflict" } else { "Trouble" },
                ));
            }
            Some(Fault::Taken) => return Ok(failure(409, "AlreadyExists")),
            _ => {}
        }
        if *method == Method::POST
            && let Some(code) = store.no_pods
        {
            return Ok(failure(code, "Trouble"));
        }
        if status && let Some((code, times)) = &mut store.no_statuses {
            *times += 1;
            return Ok(failure(*code, "Invalid"));
        }
        let answer = store.write(method, place, body, status);
        match fault {
            Some(Fault::CrashAfter) => {
                store.crashed = true;
                Err(dead())
            }
            Some(Fault::NoAnswer) => Err(dead()),
            _ => Ok(answer),
        }
    }
}

impl Store {
    fn write(&mut self, method: &Method, place: Place, body: &Value, status: bool) -> (u16, Value) {
        let known = self.objects.get(&place).cloned();
        let word = format!("{method} {} {}", place.0, place.2);
        match (method.as_str(), known) {
            ("POST", Some(_)) => failure(409, "AlreadyExists"),
            ("POST", None) => {
                let annotation = &body["metadata"]["annotations"]["streamhub.dev/incarnation"];
                let incarnation = annotation
                    .as_str()
                    .and_then(|text| text.parse::<u64>().ok());
                self.incarnations.extend(incarnation);
                self.writes.push(word);
                (201, self.put(place, body.clone()))
            }
            (_, None) => failure(404, "NotFound"),
            ("PATCH", Some(known)) => {
                let (meta, known_meta) = (&body["metadata"], &known["metadata"]);
                let same = |field: &str| meta[field].is_null() || meta[field] == known_meta[field];
                if !same("uid") || !same("resourceVersion") {
                    return failure(409, "Conflict");
                }
                let mut new = known.clone();
                if status {
                    merge(&mut new["status"], &body["status"]);
                } else {
                    merge(&mut new["metadata"], meta);
                }
                if new == known {
                    return (200, known);
                }
                self.writes.push(word);
                (200, self.replace(place, new))
            }
            ("DELETE", Some(mut known)) => {
                let wanted = &body["preconditions"]["uid"];
                if !wanted.is_null() && *wanted != known["metadata"]["uid"] {
                    return failure(409, "Conflict");
                }
                self.writes.push(word);
                if body["gracePeriodSeconds"] == 0 {
                    self.objects.remove(&place);
                    return (200, known);
                }
                known["metadata"]["deletionTimestamp"] = "2026-11-21T00:00:00Z".into();
                (200, self.replace(place, known))
            }
            _ => failure(405, "MethodNotAllowed"),
        }
    }

    /// A new object.
    pub fn put(&mut self, place: Place, mut object: Value) -> Value {
        self.uids += 1;
        object["metadata"]["uid"] = format!("uid-{}", self.uids).into();
        object["metadata"]["generation"] = 1.into();
        object["metadata"]["namespace"] = place.1.clone().into();
        object["metadata"]["creationTimestamp"] = "2026-11-21T00:00:00Z".into();
        self.replace(place, object)
    }

    /// A new version of an object.
    pub fn replace(&mut self, place: Place, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.objects.insert(place, object.clone());
        object
    }
}

/// Where an object is kept.
pub fn place(kind: &'static str, namespace: &str, name: &str) -> Place {
    (kind, namespace.to_owned(), name.to_owned())
}

fn failure(code: u16, reason: &str) -> (u16, Value) {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": reason});
    (code, status)
}

/// RFC 7386.
fn merge(object: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *object = patch.clone();
        return;
    };
    if !object.is_object() {
        *object = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            object.as_object_mut().unwrap().remove(key);
        } else {
            merge(&mut object[key], value);
        }
    }
}
