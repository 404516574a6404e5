//! Who of several operators works: the holder of a Lease.
//!
//! As in client-go, a Lease is another's for its duration since *we* saw it change: clocks of nodes are not compared.
//! Every write carries the version that was read, so that of two takers one fails.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, PostParams};
use kube::{Client, ResourceExt as _};
use tokio::sync::watch;

const DURATION: Duration = Duration::from_secs(15);
/// Who could not renew for so long has lost it, before another can think so.
const DEADLINE: Duration = Duration::from_secs(10);
const EVERY: Duration = Duration::from_secs(2);

/// One operator's view of the Lease.
pub struct Election {
    api: Api<Lease>,
    name: String,
    me: String,
    seen: Option<Seen>,
    /// When the last attempt began.
    asked: Instant,
}

/// What was seen last, and since when it is so.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    holder: String,
    renewed: Option<MicroTime>,
    since: Instant,
    duration: Duration,
}

/// What to do with the Lease.
#[derive(Debug, Clone, PartialEq)]
enum Step {
    /// There is none.
    Create,
    /// It is ours, or nobody's any more.
    Write(Box<Lease>),
    /// It is another's.
    Wait,
}

impl Election {
    /// A candidate.
    pub fn new(client: Client, namespace: &str, name: &str, me: &str) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: name.to_owned(),
            me: me.to_owned(),
            seen: None,
            asked: Instant::now(),
        }
    }

    /// Waits until the Lease is ours.
    pub async fn win(&mut self) {
        loop {
            match self.attempt().await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, lease = self.name, "can't ask for the Lease"),
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Renews it until it is lost or `stop` says so; given back in the latter case.
    pub async fn hold(&mut self, mut stop: watch::Receiver<bool>) -> Held {
        // Since before it was asked for: others count from when it was written.
        let mut renewed = self.asked;
        loop {
            let left = DEADLINE.saturating_sub(renewed.elapsed());
            tokio::select! {
                () = tokio::time::sleep(EVERY.min(left)) => {}
                _ = stop.wait_for(|stop| *stop) => {
                    self.give_back().await;
                    return Held::GivenBack;
                }
            }
            let left = DEADLINE.saturating_sub(renewed.elapsed());
            match tokio::time::timeout(left, self.attempt()).await {
                Ok(Ok(true)) => renewed = self.asked,
                Ok(Ok(false)) => return Held::Lost,
                Ok(Err(error)) => {
                    tracing::warn!(%error, lease = self.name, "can't renew the Lease");
                }
                Err(_) => tracing::warn!(lease = self.name, "the Lease was not renewed in time"),
            }
            if renewed.elapsed() >= DEADLINE {
                return Held::Lost;
            }
        }
    }

    /// One attempt to take or renew it; whether it is ours now.
    async fn attempt(&mut self) -> kube::Result<bool> {
        let now = Timestamp::now();
        self.asked = Instant::now();
        let found = self.api.get_opt(&self.name).await?;
        let written = match self.step(found, now, Instant::now()) {
            Step::Wait => return Ok(false),
            Step::Create => {
                self.api
                    .create(&PostParams::default(), &self.fresh(now))
                    .await
            }
            Step::Write(lease) => {
                self.api
                    .replace(&self.name, &PostParams::default(), &lease)
                    .await
            }
        };
        match written {
            Ok(lease) => {
                self.see(&lease, Instant::now());
                Ok(true)
            }
            // Another was quicker.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn step(&mut self, found: Option<Lease>, now: Timestamp, at: Instant) -> Step {
        let Some(mut lease) = found else {
            return Step::Create;
        };
        self.see(&lease, at);
        let held = self
            .seen
            .as_ref()
            .is_some_and(|seen| !seen.holder.is_empty() && at < seen.since + seen.duration);
        let spec = lease.spec.get_or_insert_default();
        let ours = spec.holder_identity.as_deref() == Some(self.me.as_str());
        if held && !ours {
            return Step::Wait;
        }
        if !ours {
            spec.acquire_time = Some(MicroTime(now));
            spec.lease_transitions = Some(spec.lease_transitions.unwrap_or(0).saturating_add(1));
        }
        spec.holder_identity = Some(self.me.clone());
        spec.lease_duration_seconds = Some(DURATION.as_secs() as i32);
        spec.renew_time = Some(MicroTime(now));
        Step::Write(Box::new(lease))
    }

    fn see(&mut self, lease: &Lease, at: Instant) {
        let spec = lease.spec.clone().unwrap_or_default();
        let (holder, renewed) = (spec.holder_identity.unwrap_or_default(), spec.renew_time);
        let same = |seen: &Seen| seen.holder == holder && seen.renewed == renewed;
        if self.seen.as_ref().is_some_and(same) {
            return;
        }
        if self.seen.as_ref().is_none_or(|seen| seen.holder != holder) && holder != self.me {
            tracing::info!(lease = lease.name_any(), holder, "another operator works");
        }
        let seconds = spec.lease_duration_seconds.unwrap_or_default();
        self.seen = Some(Seen {
            holder,
            renewed,
            since: at,
            duration: Duration::from_secs(u64::try_from(seconds).unwrap_or_default()),
        });
    }

    fn fresh(&self, now: Timestamp) -> Lease {
        Lease {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                acquire_time: Some(MicroTime(now)),
                holder_identity: Some(self.me.clone()),
                lease_duration_seconds: Some(DURATION.as_secs() as i32),
                lease_transitions: Some(0),
                renew_time: Some(MicroTime(now)),
                ..LeaseSpec::default()
            }),
        }
    }

    /// So that the next one need not wait.
    async fn give_back(&self) {
        let given_back = async {
            let Some(mut lease) = self.api.get_opt(&self.name).await? else {
                return Ok(());
            };
            let spec = lease.spec.get_or_insert_default();
            if spec.holder_identity.as_deref() != Some(self.me.as_str()) {
                return Ok(());
            }
            spec.holder_identity = Some(String::new());
            spec.lease_duration_seconds = Some(1);
            spec.renew_time = Some(MicroTime(Timestamp::now()));
            self.api
                .replace(&self.name, &PostParams::default(), &lease)
                .await?;
            Ok::<(), kube::Error>(())
        };
        match tokio::time::timeout(Duration::from_secs(3), given_back).await {
            Ok(Ok(())) => tracing::info!(lease = self.name, "Lease given back"),
            Ok(Err(error)) => tracing::warn!(%error, "can't give the Lease back"),
            Err(_) => tracing::warn!("can't give the Lease back: no answer"),
        }
    }
}

/// How holding it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// We were asked to end.
    GivenBack,
    /// Another has it, or may have it soon.
    Lost,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn election(me: &str) -> Election {
        // Never connected to: only the decisions are looked at.
        let service = tower::service_fn(|_: http::Request<kube::client::Body>| async {
            Ok::<_, std::io::Error>(http::Response::new(kube::client::Body::empty()))
        });
        Election::new(Client::new(service, "default"), "default", "lease", me)
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    #[tokio::test]
    async fn a_lease_that_does_not_change_is_taken_after_its_duration_whatever_its_clock_says() {
        let (mut old, mut new) = (election("old"), election("new"));
        let begin = Instant::now();
        // The old one's clock is a day ahead.
        let lease = old.fresh(at(86_400));
        assert_eq!(new.step(Some(lease.clone()), at(0), begin), Step::Wait);
        let almost = (begin + DURATION)
            .checked_sub(Duration::from_millis(1))
            .unwrap();
        assert_eq!(new.step(Some(lease.clone()), at(14), almost), Step::Wait);
        let Step::Write(taken) = new.step(Some(lease), at(15), begin + DURATION) else {
            panic!("it is nobody's any more");
        };
        let spec = taken.spec.clone().unwrap();
        assert_eq!(spec.holder_identity.as_deref(), Some("new"));
        assert_eq!(spec.lease_transitions, Some(1));
        assert_eq!(old.step(Some(*taken), at(0), begin), Step::Wait);
    }

    #[tokio::test]
    async fn a_renewed_lease_stays_anothers() {
        let (mut old, mut new) = (election("old"), election("new"));
        let begin = Instant::now();
        let mut lease = old.fresh(at(0));
        for second in 0..60 {
            let now = begin + Duration::from_secs(second);
            assert_eq!(
                new.step(Some(lease.clone()), at(second as i64), now),
                Step::Wait
            );
            let Step::Write(renewed) = old.step(Some(lease), at(second as i64), now) else {
                panic!("it is ours");
            };
            lease = *renewed;
        }
    }

    #[tokio::test]
    async fn a_lease_that_was_given_back_is_taken_at_once() {
        let mut lease = election("old").fresh(at(0));
        lease.spec.as_mut().unwrap().holder_identity = Some(String::new());
        let step = election("new").step(Some(lease), at(0), Instant::now());
        assert!(matches!(step, Step::Write(_)));
        assert_eq!(
            election("new").step(None, at(0), Instant::now()),
            Step::Create
        );
    }
}
