//! Requests to servers on this machine that speak JSON.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(30);

/// One server on 127.0.0.1.
#[derive(Debug)]
pub struct Http {
    port: u16,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// What it said.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub code: StatusCode,
    /// The JSON; of an answer that is none, its text as `message`.
    pub body: Value,
}

impl Answer {
    /// The JSON; an error with the server's words where it refused.
    pub fn object(self) -> Result<Value> {
        let said = self.body.get("message").and_then(Value::as_str);
        ensure!(
            self.code.is_success(),
            "{}: {}",
            self.code,
            said.unwrap_or_default()
        );
        Ok(self.body)
    }
}

impl Http {
    /// The server at this port.
    pub fn at(port: u16) -> Self {
        Self {
            port,
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// One request; an error only where there was no answer.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        content: &str,
        body: impl Into<Bytes>,
    ) -> Result<Answer> {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://127.0.0.1:{}{path}", self.port))
            .header(http::header::CONTENT_TYPE, content)
            .body(Full::new(body.into()))?;
        let asking = async {
            let answer = self.client.request(request).await?;
            let code = answer.status();
            let bytes = answer.into_body().collect().await?.to_bytes();
            let body = serde_json::from_slice(&bytes)
                .unwrap_or_else(|_| json!({"message": String::from_utf8_lossy(&bytes)}));
            anyhow::Ok(Answer { code, body })
        };
        tokio::time::timeout(PATIENCE, asking)
            .await
            .with_context(|| format!("no answer about {path} within {PATIENCE:?}"))?
    }

    /// What is at a path; none where there is nothing.
    pub async fn get(&self, path: &str) -> Result<Option<Value>> {
        let answer = self.ask(Method::GET, path, "application/json", "").await?;
        if answer.code == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        answer.object().map(Some).with_context(|| path.to_owned())
    }
}
