//! Whether the agent gets on with its work; the kubelet ends a pod that does not.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What hangs for so long does not end by itself: what restarts the pod is seen by people.
const STUCK_AFTER: Duration = Duration::from_mins(5);

/// Knows when the agent last came to the end of a look at its devices.
#[derive(Debug, Clone)]
pub struct Liveness(Arc<Mutex<Instant>>);

impl Liveness {
    /// It begins.
    pub fn begin() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    /// It gets on.
    pub fn beat(&self) {
        self.beat_at(Instant::now());
    }

    fn beat_at(&self, now: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// Whether it has got on lately.
    pub fn is_alive(&self) -> bool {
        self.is_alive_at(Instant::now())
    }

    fn is_alive_at(&self, now: Instant) -> bool {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        now.saturating_duration_since(*last) < STUCK_AFTER
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::{Request, StatusCode};
    use tokio::sync::watch;
    use tower::ServiceExt as _;

    use super::*;
    use crate::http::{Pages, routes};

    #[tokio::test]
    async fn a_loop_that_hangs_makes_healthz_fail_and_one_that_gets_on_does_not() {
        let liveness = Liveness::begin();
        let healthz = async |later: u64| {
            let (watched, now) = (liveness.clone(), Instant::now());
            let pages = Pages {
                alive: Arc::new(move || watched.is_alive_at(now + Duration::from_secs(later))),
                render: Arc::new(|| Ok(String::new())),
                ready: watch::channel(true).1,
                waiting: "",
            };
            let request = Request::get("/healthz").body(Body::empty()).unwrap();
            routes(pages).oneshot(request).await.unwrap().status()
        };
        assert_eq!(healthz(0).await, StatusCode::OK);
        assert_eq!(healthz(290).await, StatusCode::OK);
        assert_eq!(healthz(301).await, StatusCode::SERVICE_UNAVAILABLE);
        // It gets on after all.
        let late = Instant::now() + Duration::from_secs(301);
        liveness.beat_at(late);
        assert_eq!(healthz(301).await, StatusCode::OK);
        assert_eq!(healthz(602).await, StatusCode::SERVICE_UNAVAILABLE);
    }
}
