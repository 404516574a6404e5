//! One hub: what its cameras come to.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use streamhub_crds::{CameraCounts, NatsServer, StreamHubStatus};

use crate::backoff;
use crate::budget::Budget;
use crate::camera::decide::Now;
use crate::camera::difference;
use crate::camera::memory::lock;
use crate::conditions::Conditions;
use crate::context::Context;
use crate::error::Error;
use crate::names;
use crate::queue::Work;
use crate::world::{HubKey, HubObject, Told, World};

const CONTROLLER: &str = "hub";
const STALE_AGAIN: Duration = Duration::from_secs(2);

/// As with Cameras: events are all that is left to say so.
const STATUS_REFUSED: &str = "the API server takes no status of this StreamHub: an older definition let in what today's \
                              refuses; apply a valid spec";

/// What may still be written about hubs, and how often it failed in a row.
#[derive(Debug, Default)]
pub struct Budgets(Mutex<HashMap<HubKey, (Budget, u32)>>);

/// The controller of hubs.
#[derive(Clone)]
pub struct Hubs(pub Arc<Context>);

impl Work<HubKey> for Hubs {
    async fn work(self, key: HubKey) -> Option<Duration> {
        let begin = Instant::now();
        let result = look(&self.0, &key).await;
        self.0.metrics.looked(CONTROLLER, begin, &result);
        let mut budgets = lock(&self.0.hub_budgets.0);
        match result {
            Ok(next) => {
                if let Some((_, failures)) = budgets.get_mut(&key) {
                    *failures = 0;
                }
                next
            }
            Err(error) => {
                if error.is_stale() {
                    return Some(STALE_AGAIN);
                }
                let (_, failures) = budgets.entry(key.clone()).or_default();
                *failures += 1;
                if error.is_refusal() && *failures == 1 {
                    let hub = lock(&self.0.world).hub(&key).cloned();
                    if let Some(hub) = hub {
                        self.0.events.warning(&hub, "StatusRefused", STATUS_REFUSED);
                    }
                }
                let category = error.category();
                tracing::warn!(hub = %key, %error, category, "reconcile failed");
                Some(backoff::REQUEST.jittered(*failures))
            }
        }
    }
}

async fn look(context: &Context, key: &HubKey) -> Result<Option<Duration>, Error> {
    let now = Now::read();
    // Asked first: to count the cameras of a large hub at each of their changes would be most of the work.
    let next = lock(&context.hub_budgets.0)
        .entry(key.clone())
        .or_default()
        .0
        .next(now.instant);
    if let Some(at) = next {
        return Ok(Some(at - now.instant));
    }
    let (hub, wanted) = {
        let world = lock(&context.world);
        let Some(hub) = world.hub(key).cloned() else {
            lock(&context.hub_budgets.0).remove(key);
            return Ok(None);
        };
        let counts = counts(&world, key);
        let own = context.settings.nats.as_ref();
        let wanted = status(&hub, key, counts, own, now.millis);
        (hub, wanted)
    };
    if hub.deleting || wanted == hub.status {
        return Ok(None);
    }
    let json = |status: &StreamHubStatus| serde_json::to_value(status).unwrap_or_default();
    let body = json!({
        "metadata": {"uid": hub.uid, "resourceVersion": hub.version},
        "status": difference(&json(&hub.status), &json(&wanted)),
    });
    let parameters = PatchParams {
        field_manager: Some(names::OPERATOR.to_owned()),
        ..PatchParams::default()
    };
    let written = context
        .hub_api(&key.namespace)
        .patch_status(&key.name, &parameters, &Patch::Merge(&body))
        .await
        .map_err(Error::at("write the status of the StreamHub"))?;
    context.metrics.wrote("hub-status");
    lock(&context.hub_budgets.0)
        .entry(key.clone())
        .or_default()
        .0
        .spend(now.instant);
    announce(context, &hub, &wanted);
    context.tell(|world| world.set_hub(written, Told::Answer));
    Ok(None)
}

/// What somebody has to change, and that it was. Of cameras that are not ready they themselves tell.
fn announce(context: &Context, hub: &HubObject, wanted: &StreamHubStatus) {
    let stalled = |conditions: &[Condition]| {
        let mut conditions = conditions.iter();
        conditions.find(|it| it.type_ == "Stalled").cloned()
    };
    let before = stalled(&hub.status.conditions);
    let said = |condition: &Condition| (condition.reason.clone(), condition.message.clone());
    match (before, stalled(&wanted.conditions)) {
        (before, Some(now)) if before.as_ref().map(said) != Some(said(&now)) => {
            tracing::warn!(hub = %hub.key, reason = now.reason, message = now.message, "hub");
            context.events.warning(hub, &now.reason, &now.message);
        }
        (Some(_), None) => {
            tracing::info!(hub = %hub.key, "hub is mended");
            context
                .events
                .normal(hub, "Accepted", "its cameras can run with it");
        }
        _ => {}
    }
}

fn counts(world: &World, key: &HubKey) -> CameraCounts {
    let mut counts = CameraCounts::default();
    for camera in world.cameras_of(key) {
        counts.total += 1;
        counts.ready += u32::from(camera.has("Ready"));
        let state = camera.state().to_owned();
        *counts.by_state.entry(state).or_default() += 1;
    }
    counts
}

/// The status that a hub should have.
fn status(
    hub: &HubObject,
    key: &HubKey,
    cameras: CameraCounts,
    nats: Option<&NatsServer>,
    now_ms: u64,
) -> StreamHubStatus {
    let parsed = hub.parsed.as_ref().as_ref();
    let named = parsed
        .ok()
        .and_then(|hub| hub.spec.nats.as_ref()?.url.as_ref());
    let own = nats.and_then(|nats| nats.url.as_ref());
    let url = parsed
        .ok()
        .and(named.or(own))
        .map(|url| url.as_str().to_owned());
    let enabled = cameras.total - cameras.by_state.get("Disabled").copied().unwrap_or(0);
    let (ready, reason, message, stalled) = match (parsed, &url) {
        (Err(problems), _) => {
            let lines: Vec<String> = problems
                .iter()
                .map(|problem| format!("{}: {}", problem.field, problem.message))
                .collect();
            (false, "Invalid", lines.join("; "), true)
        }
        (Ok(_), None) => {
            let message =
                "it names no NATS server and the installation has none; set spec.nats.url";
            (false, "NatsUnknown", message.to_owned(), true)
        }
        (Ok(_), Some(_)) if cameras.ready < enabled => {
            let message = format!("{} of {enabled} cameras are ready", cameras.ready);
            (false, "CamerasNotReady", message, false)
        }
        (Ok(_), Some(_)) => (true, "Ready", String::new(), false),
    };
    let mut conditions = Conditions::after(&hub.status.conditions, hub.generation, now_ms);
    conditions.add("Ready", ready, reason, &message);
    if stalled {
        conditions.add("Stalled", true, reason, &message);
    }
    StreamHubStatus {
        observed_generation: Some(hub.generation),
        conditions: conditions.all,
        nats: url,
        subject_prefix: parsed
            .ok()
            .map(|hub| hub.spec.subject_prefix(&key.namespace, &key.name)),
        cameras,
    }
}

/// Cameras by state, for the figures.
pub fn by_state(world: &World) -> BTreeMap<String, u32> {
    let mut states = BTreeMap::new();
    for (_, camera) in world.cameras() {
        *states.entry(camera.state().to_owned()).or_default() += 1;
    }
    states
}

#[cfg(test)]
mod tests;
