//! What all controllers share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime};

use kube::Api;
use kube::api::ApiResource;
use kube::core::DynamicObject;
use streamhub_crds::{Camera, StreamHub};
use streamhub_plan::CameraKey;

use crate::camera::Observed;
use crate::camera::decide::Now;
use crate::camera::dereference::{Known, Scope};
use crate::camera::memory::{Memories, lock};
use crate::camera::rollout::Rollout;
use crate::client::Clients;
use crate::events::Events;
use crate::hub::Budgets;
use crate::metrics::Metrics;
use crate::queue::Asker;
use crate::settings::Settings;
use crate::world::{HubKey, Touched, World};

/// What all controllers share.
pub struct Context {
    /// The API server.
    pub clients: Clients,
    /// What we are told.
    pub settings: Settings,
    /// What is known of the cluster.
    pub world: Mutex<World>,
    /// What is remembered of cameras.
    pub memories: Memories,
    /// What may still be written about hubs.
    pub hub_budgets: Budgets,
    /// The new release on its way.
    pub rollout: Mutex<Rollout>,
    /// Figures.
    pub metrics: Arc<Metrics>,
    /// Events on Cameras.
    pub events: Events,
    /// Cameras to be looked at.
    pub cameras: Asker<CameraKey>,
    /// Hubs to be looked at.
    pub hubs: Asker<HubKey>,
    /// Pods to be asked how they are.
    pub readings: Asker<CameraKey>,
    /// Pods that did not answer, to be asked again without holding up the others.
    pub retries: Asker<CameraKey>,
    /// Whether all nodes have been listed.
    pub nodes_known: AtomicBool,
    /// Whether all capture devices have been listed.
    pub devices_known: AtomicBool,
}

impl Context {
    /// What there is about one camera.
    pub fn observe(&self, key: &CameraKey) -> Option<Observed> {
        let known = |watched, listed: &AtomicBool| match (watched, listed.load(Ordering::Relaxed)) {
            (false, _) => Known::Never,
            (true, false) => Known::NotYet,
            (true, true) => Known::All,
        };
        let scope = Scope {
            nats: self.settings.nats.as_ref(),
            pods: &self.settings.pods.defaults,
            nodes: known(self.settings.watch_nodes, &self.nodes_known),
            devices: known(self.settings.watch_devices, &self.devices_known),
        };
        Observed::of(&lock(&self.world), key, &scope)
    }

    /// Tells the world of something, and has looked at whom it touches.
    pub fn tell(&self, change: impl FnOnce(&mut World) -> Touched) {
        let touched = change(&mut lock(&self.world));
        for camera in touched.cameras {
            self.cameras.ask(camera);
        }
        for hub in touched.hubs {
            self.hubs.ask(hub);
        }
    }

    /// Cameras of a namespace, valid or not.
    pub fn camera_api(&self, namespace: &str) -> Api<DynamicObject> {
        let resource = ApiResource::erase::<Camera>(&());
        Api::namespaced_with(self.clients.requests.clone(), namespace, &resource)
    }

    /// Hubs of a namespace, valid or not.
    pub fn hub_api(&self, namespace: &str) -> Api<DynamicObject> {
        let resource = ApiResource::erase::<StreamHub>(&());
        Api::namespaced_with(self.clients.requests.clone(), namespace, &resource)
    }
}

impl Now {
    /// Now.
    pub fn read() -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self {
            instant: Instant::now(),
            millis: since.map_or(0, |since| since.as_millis() as u64),
        }
    }
}
