//! The one HTTP port: health, readiness, metrics, status.

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::sync::Arc;
use std::time::Instant;
use streamhub_wire::status::CameraStatus;

use crate::report::Report;

/// What the endpoints read.
#[derive(Clone)]
pub struct Pages {
    /// The board.
    pub report: Arc<Report>,
    /// Makes the current status.
    pub status: Arc<dyn Fn() -> CameraStatus + Send + Sync>,
}

/// The endpoints of one camera.
pub fn routes(pages: Pages) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .with_state(pages)
}

async fn healthz(State(pages): State<Pages>) -> Response {
    if pages.report.is_live(Instant::now()) {
        (StatusCode::OK, "ok\n").into_response()
    } else {
        let text = "the source's thread has shown no sign of life for a minute\n";
        (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
    }
}

async fn readyz(State(pages): State<Pages>) -> Response {
    let status = (pages.status)();
    if status.ready {
        return (StatusCode::OK, "ok\n").into_response();
    }
    let text = format!("{} {} {}\n", status.state, status.reason, status.message);
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

async fn metrics(State(pages): State<Pages>) -> Response {
    // The gauges that depend on the moment are set while a status is made.
    let _ = (pages.status)();
    match pages.report.metrics.render() {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn status(State(pages): State<Pages>) -> Response {
    axum::Json((pages.status)()).into_response()
}
