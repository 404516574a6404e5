//! The one HTTP port: health, readiness, metrics.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::watch;

/// What the pages are made of.
#[derive(Clone)]
pub struct Pages {
    /// Writes the figures.
    pub render: Arc<dyn Fn() -> Result<String, std::fmt::Error> + Send + Sync>,
    /// Whether it is worth anything to let it run on.
    pub alive: Arc<dyn Fn() -> bool + Send + Sync>,
    /// Whether this one can do its work, or take it over.
    pub ready: watch::Receiver<bool>,
    /// What is said until it can.
    pub waiting: &'static str,
}

/// The pages.
pub fn routes(pages: Pages) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(pages)
}

async fn healthz(State(pages): State<Pages>) -> Response {
    if (pages.alive)() {
        (StatusCode::OK, "ok\n").into_response()
    } else {
        let stuck = "it does not get on with its work; the log says more\n";
        (StatusCode::SERVICE_UNAVAILABLE, stuck).into_response()
    }
}

async fn readyz(State(pages): State<Pages>) -> Response {
    if *pages.ready.borrow() {
        (StatusCode::OK, "ok\n").into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, pages.waiting).into_response()
    }
}

async fn metrics(State(pages): State<Pages>) -> Response {
    match (pages.render)() {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
