//! The API server as `kubectl proxy` hands it on: for tests that ask it hundreds of times.

use std::ops::Deref;
use std::time::Duration;

use anyhow::{Context as _, Result};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use streamhub_testkit::Proc;

use crate::{Answer, Cluster, Http};

const START: Duration = Duration::from_secs(20);
const JSON: &str = "application/json";
const JSON_PATCH: &str = "application/json-patch+json";

/// A way to the API server that closes when this is dropped.
#[derive(Debug)]
pub struct Api {
    http: Http,
    _proxy: Proc,
}

impl Deref for Api {
    type Target = Http;

    fn deref(&self) -> &Http {
        &self.http
    }
}

impl Api {
    /// Opens it.
    pub fn open(cluster: &Cluster) -> Result<Self> {
        let (proxy, port) = proxy(cluster, &[])?;
        Ok(Self {
            http: Http::at(port),
            _proxy: proxy,
        })
    }

    /// Makes an object; `path` is that of its list.
    pub async fn create(&self, path: &str, object: &Value) -> Result<Value> {
        let answer = self
            .ask(Method::POST, path, JSON, object.to_string())
            .await?;
        answer.object().with_context(|| format!("make {object}"))
    }

    /// Puts an object in the place of the one that is there.
    pub async fn replace(&self, path: &str, object: &Value) -> Result<Value> {
        let answer = self
            .ask(Method::PUT, path, JSON, object.to_string())
            .await?;
        answer.object().with_context(|| format!("replace {path}"))
    }

    /// Puts a `spec` in the place of the whole old one: what it leaves out is gone.
    pub async fn set_spec(&self, path: &str, spec: &Value) -> Result<Answer> {
        let change = json!([{"op": "replace", "path": "/spec", "value": spec}]);
        self.ask(Method::PATCH, path, JSON_PATCH, change.to_string())
            .await
    }

    /// Deletes an object, if it is there.
    pub async fn delete(&self, path: &str) -> Result<()> {
        let answer = self.ask(Method::DELETE, path, JSON, "").await?;
        if answer.code == StatusCode::NOT_FOUND {
            return Ok(());
        }
        answer.object().map(drop).with_context(|| path.to_owned())
    }
}

/// `kubectl proxy` with more arguments, and its port.
pub(crate) fn proxy(cluster: &Cluster, more: &[&str]) -> Result<(Proc, u16)> {
    let arguments = [&["proxy", "--port=0"], more].concat();
    let mut proxy = Proc::spawn("proxy", &mut cluster.tool("kubectl", &arguments))?;
    let line = proxy.wait_for_line("Starting to serve on", START)?;
    let port = line
        .rsplit_once(':')
        .and_then(|(_, port)| port.trim().parse().ok());
    let port = port.with_context(|| format!("no port in {line:?}"))?;
    Ok((proxy, port))
}
