//! The API server as an operator may find it on a bad day: a proxy before the real one that answers in its place, or lets it
//! answer late, and keeps what watches tell to itself.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Json, Router};
use futures::channel::mpsc::{UnboundedSender, unbounded};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::json;
use streamhub_testkit::Proc;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::Cluster;
use crate::api::proxy;

/// Of what is sent to an API server, which takes no more.
const LARGEST: usize = 3 * 1024 * 1024;

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is refused with this code and this reason, and does not reach the API server.
    Refused(u16, &'static str),
    /// It reaches the API server after so long.
    Late(Duration),
    /// It does not reach the API server, and is not answered.
    Lost,
    /// The API server does what it asks for, and nobody hears of it.
    Unanswered,
}

/// What becomes of what the API server tells those who watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Events {
    /// They hear it.
    Told,
    /// They hear it when they are told again: until then, all that they know is old.
    Late,
    /// They do not hear it.
    Lost,
    /// Their connections end, once; they may go on where they were.
    Cut,
    /// They hear, once, that what they know is too old to go on from (410).
    Expired,
}

/// A way to the API server that does what it is told to; closes when dropped.
#[derive(Debug)]
pub struct FaultyApi {
    port: u16,
    orders: Orders,
    task: JoinHandle<()>,
    _upstream: Option<Proc>,
}

#[derive(Debug, Clone)]
struct Orders {
    faults: Arc<Mutex<Vec<Order>>>,
    events: watch::Sender<Events>,
}

/// What it does to the next so many requests of a kind.
#[derive(Debug, Clone)]
pub struct Order {
    /// What becomes of them.
    pub fault: Fault,
    /// How many.
    pub times: usize,
    /// Their method.
    pub method: Method,
    /// A part of their path.
    pub path: &'static str,
    /// The object that they are about: a text in their path, or in what they send.
    pub about: String,
}

type Upstream = Client<HttpConnector, Body>;

impl FaultyApi {
    /// Before the cluster's own, as this user finds it.
    pub async fn open(cluster: &Cluster, user: &str) -> Result<Self> {
        let (upstream, port) = proxy(cluster, &[&format!("--as={user}")])?;
        Self::before(port, Some(upstream)).await
    }

    /// Before a server at this port of 127.0.0.1, and the process, if any, that is to run as long.
    async fn before(upstream: u16, process: Option<Proc>) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let orders = Orders {
            faults: Arc::default(),
            events: watch::Sender::new(Events::Told),
        };
        let client: Upstream = Client::builder(TokioExecutor::new()).build_http();
        let state = (orders.clone(), client, upstream);
        let router = Router::new().fallback(pass).with_state(state);
        let task = tokio::spawn(async move {
            // It ends with the task.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            port,
            orders,
            task,
            _upstream: process,
        })
    }

    /// The port of 127.0.0.1 that leads there.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Does this from now on.
    pub fn does(&self, order: Order) {
        self.orders.faults().push(order);
    }

    /// What is left of its orders about an object.
    pub fn has_not_done(&self, about: &str) -> Vec<Order> {
        let mut all = self.orders.faults().clone();
        all.retain(|order| order.about == about);
        all
    }

    /// Does this from now on to what watches tell.
    pub fn events_are(&self, events: Events) {
        self.orders.events.send_replace(events);
    }
}

impl Drop for FaultyApi {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Orders {
    fn faults(&self) -> MutexGuard<'_, Vec<Order>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fault_of(&self, method: &Method, path: &str, sent: &[u8]) -> Option<Fault> {
        let mut all = self.faults();
        let sent = String::from_utf8_lossy(sent);
        let order = all.iter_mut().find(|order| {
            let about = order.about.as_str();
            order.method == *method
                && path.contains(order.path)
                && (path.contains(about) || sent.contains(about))
        })?;
        order.times -= 1;
        let fault = order.fault;
        all.retain(|order| order.times > 0);
        Some(fault)
    }
}

async fn pass(
    State((orders, client, upstream)): State<(Orders, Upstream, u16)>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(sent) = to_bytes(body, LARGEST).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let fault = orders.fault_of(&parts.method, parts.uri.path(), &sent);
    let request = Request::from_parts(parts, sent.into());
    match fault {
        Some(Fault::Refused(code, reason)) => return refusal(code, reason),
        Some(Fault::Late(wait)) => tokio::time::sleep(wait).await,
        // Until who asked gives up.
        Some(Fault::Lost) => std::future::pending().await,
        Some(Fault::Unanswered) | None => {}
    }
    let query = request.uri().query().unwrap_or_default();
    let is_watch = query.contains("watch=true");
    let answer = forward(&client, upstream, request).await;
    match answer {
        _ if fault == Some(Fault::Unanswered) => std::future::pending().await,
        Ok(answer) if is_watch && answer.status().is_success() => watched(answer, &orders),
        Ok(answer) => answer,
        Err(error) => (StatusCode::BAD_GATEWAY, format!("{error:#}")).into_response(),
    }
}

async fn forward(client: &Upstream, upstream: u16, mut request: Request) -> Result<Response> {
    let path = request.uri().path_and_query().cloned();
    let path = path.map_or_else(String::new, |path| path.to_string());
    *request.uri_mut() = format!("http://127.0.0.1:{upstream}{path}").parse()?;
    request.headers_mut().remove(header::HOST);
    Ok(client.request(request).await?.map(Body::new))
}

/// As an API server says it.
fn refusal(code: u16, reason: &str) -> Response {
    let code_of = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = (code_of, Json(status(code, reason))).into_response();
    if code == 429 {
        let headers = answer.headers_mut();
        headers.insert(header::RETRY_AFTER, header::HeaderValue::from(1));
    }
    answer
}

fn status(code: u16, reason: &str) -> serde_json::Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "the test wants it so", "reason": reason, "code": code})
}

fn watched(answer: Response, orders: &Orders) -> Response {
    let (parts, body) = answer.into_parts();
    let (out, told) = unbounded();
    let mut events = orders.events.subscribe();
    events.mark_unchanged();
    tokio::spawn(relay(body, events, out));
    Response::from_parts(parts, Body::from_stream(told))
}

/// Ends when either side does.
async fn relay(
    mut body: Body,
    mut events: watch::Receiver<Events>,
    out: UnboundedSender<Result<Bytes, Infallible>>,
) {
    let tell = |bytes: Bytes| out.unbounded_send(Ok(bytes)).is_ok();
    let mut late = Vec::new();
    loop {
        let goes_on = tokio::select! {
            frame = body.frame() => {
                let Some(Ok(frame)) = frame else { return };
                let Ok(bytes) = frame.into_data() else { continue };
                match *events.borrow() {
                    Events::Late => { late.push(bytes); true }
                    Events::Lost => true,
                    Events::Told | Events::Cut | Events::Expired => tell(bytes),
                }
            }
            changed = events.changed() => match *events.borrow_and_update() {
                _ if changed.is_err() => false,
                Events::Told => late.drain(..).all(tell),
                Events::Late | Events::Lost => true,
                Events::Cut => false,
                Events::Expired => {
                    let event = json!({"type": "ERROR", "object": status(410, "Expired")});
                    tell(format!("{event}\n").into());
                    false
                }
            },
        };
        if !goes_on {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;

    use super::*;
    use crate::Http;

    /// Says who asked, or tells one event after the other.
    async fn server() -> (u16, UnboundedSender<Result<Bytes, Infallible>>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (events, told) = unbounded();
        let told = Arc::new(Mutex::new(Some(told)));
        let answer = move |request: Request| async move {
            if request.uri().query() == Some("watch=true") {
                return Body::from_stream(told.lock().unwrap().take().unwrap());
            }
            let words = json!({"path": request.uri().path()});
            Body::from(words.to_string())
        };
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
        (port, events)
    }

    #[tokio::test]
    async fn so_many_requests_are_answered_otherwise_and_those_after_as_ever() {
        let (port, _) = server().await;
        let api = FaultyApi::before(port, None).await.unwrap();
        let http = Http::at(api.port());
        let ask = |method, sent| http.ask(method, "/a/pods", "text/plain", sent);
        api.does(Order {
            fault: Fault::Refused(429, "TooManyRequests"),
            times: 2,
            method: Method::POST,
            path: "/pods",
            about: "door".to_owned(),
        });
        for (method, sent) in [(Method::GET, "door"), (Method::POST, "gate")] {
            assert_eq!(ask(method, sent).await.unwrap().code, 200);
        }
        assert_eq!(api.has_not_done("door").len(), 1);
        for code in [429, 429, 200] {
            let answer = ask(Method::POST, "door").await.unwrap();
            assert_eq!(answer.code, code, "{answer:?}");
        }
        assert!(api.has_not_done("door").is_empty());
    }

    #[tokio::test]
    async fn events_come_late_or_not_at_all() {
        let (port, events) = server().await;
        let api = FaultyApi::before(port, None).await.unwrap();
        let client: Upstream = Client::builder(TokioExecutor::new()).build_http();
        let uri = format!("http://127.0.0.1:{}/a?watch=true", api.port());
        let tell = |text: &'static str| events.unbounded_send(Ok(text.into())).unwrap();
        tell("1");
        let watch = client.get(uri.parse().unwrap()).await.unwrap();
        let mut heard = Body::new(watch.into_body()).into_data_stream();
        let mut hear = async || heard.next().await.map(|bytes| bytes.unwrap());
        assert_eq!(hear().await.unwrap(), "1");
        let pause = || tokio::time::sleep(Duration::from_millis(100));
        for (kind, text) in [(Events::Lost, "2"), (Events::Late, "3")] {
            api.events_are(kind);
            pause().await;
            tell(text);
            pause().await;
        }
        api.events_are(Events::Told);
        assert_eq!(hear().await.unwrap(), "3");
        api.events_are(Events::Expired);
        let last = hear().await.unwrap();
        assert!(last.starts_with(b"{\"type\":\"ERROR\""), "{last:?}");
        assert_eq!(hear().await, None);
    }
}
