//! Watches, and what they tell the world.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Api, ApiResource};
use kube::core::{DynamicObject, NamespaceResourceScope};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Resource, ResourceExt};
use rand::Rng as _;
use serde::de::DeserializeOwned;
use streamhub_crds::{Camera, StreamHub, VideoDevice};
use streamhub_plan::CameraKey;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::camera::memory::lock;
use crate::client::WATCH;
use crate::context::Context;
use crate::error::chain;
use crate::names;
use crate::world::{HubKey, Told, Touched, World};

/// All is listed anew now and then: an event that was lost on its way is not missed for ever.
const LIST_AGAIN: Duration = Duration::from_mins(15);
/// So many objects of a list are read at a time. Each takes many times what is kept of it: what a whole list takes for a
/// moment is never given back by the allocator, which finds what is kept between.
const PAGE: u32 = 100;
/// For lists of what not every camera needs.
const PATIENCE: Duration = Duration::from_secs(5);

/// Objects of one kind, as the world takes them.
trait Kind: Clone + Send + 'static {
    /// What a watch brings.
    type Object: Resource + Clone + Debug + DeserializeOwned + Send + 'static;
    /// For logs.
    const NAME: &'static str;

    /// One was made or changed.
    fn set(world: &mut World, object: Self::Object, told: Told) -> Touched;
    /// One is gone; with a `uid`, only that one.
    fn remove(world: &mut World, namespace: &str, name: &str, uid: Option<&str>) -> Touched;
    /// Namespace and name of all that are known, of one namespace or of all.
    fn known(world: &World, namespace: Option<&str>) -> Vec<(String, String)>;
}

#[derive(Clone)]
struct Cameras;
#[derive(Clone)]
struct Hubs;
#[derive(Clone)]
struct Pods;
#[derive(Clone)]
struct Nodes;
#[derive(Clone)]
struct Devices;

impl Kind for Cameras {
    type Object = DynamicObject;
    const NAME: &'static str = "cameras";

    fn set(world: &mut World, object: DynamicObject, told: Told) -> Touched {
        world.set_camera(object, told)
    }

    fn remove(world: &mut World, namespace: &str, name: &str, uid: Option<&str>) -> Touched {
        world.remove_camera(&camera_key(namespace, name), uid)
    }

    fn known(world: &World, namespace: Option<&str>) -> Vec<(String, String)> {
        let keys = world.cameras().map(|(key, _)| (&key.namespace, &key.name));
        within(keys, namespace)
    }
}

impl Kind for Hubs {
    type Object = DynamicObject;
    const NAME: &'static str = "streamhubs";

    fn set(world: &mut World, object: DynamicObject, told: Told) -> Touched {
        world.set_hub(object, told)
    }

    fn remove(world: &mut World, namespace: &str, name: &str, uid: Option<&str>) -> Touched {
        let key = HubKey {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        world.remove_hub(&key, uid)
    }

    fn known(world: &World, namespace: Option<&str>) -> Vec<(String, String)> {
        within(
            world.hubs().map(|key| (&key.namespace, &key.name)),
            namespace,
        )
    }
}

impl Kind for Pods {
    type Object = Pod;
    const NAME: &'static str = "pods";

    fn set(world: &mut World, object: Pod, told: Told) -> Touched {
        world.set_pod(object, told)
    }

    fn remove(world: &mut World, namespace: &str, name: &str, uid: Option<&str>) -> Touched {
        let camera = names::camera_of(name).unwrap_or_default();
        world.remove_pod(&camera_key(namespace, camera), uid)
    }

    fn known(world: &World, namespace: Option<&str>) -> Vec<(String, String)> {
        let keys = world.pods().map(|(key, _)| (&key.namespace, &key.name));
        let cameras = within(keys, namespace);
        cameras
            .into_iter()
            .map(|(namespace, name)| (namespace, names::pod(&name)))
            .collect()
    }
}

impl Kind for Nodes {
    type Object = Node;
    const NAME: &'static str = "nodes";

    fn set(world: &mut World, object: Node, _: Told) -> Touched {
        world.set_node(&object)
    }

    fn remove(world: &mut World, _: &str, name: &str, _: Option<&str>) -> Touched {
        world.remove_node(name)
    }

    fn known(world: &World, _: Option<&str>) -> Vec<(String, String)> {
        world
            .node_names()
            .into_iter()
            .map(|name| (String::new(), name))
            .collect()
    }
}

impl Kind for Devices {
    type Object = DynamicObject;
    const NAME: &'static str = "videodevices";

    fn set(world: &mut World, object: DynamicObject, told: Told) -> Touched {
        world.set_device(object, told)
    }

    fn remove(world: &mut World, _: &str, name: &str, uid: Option<&str>) -> Touched {
        world.remove_device(name, uid)
    }

    fn known(world: &World, _: Option<&str>) -> Vec<(String, String)> {
        let names = world.device_names();
        names.map(|name| (String::new(), name.clone())).collect()
    }
}

fn camera_key(namespace: &str, name: &str) -> CameraKey {
    CameraKey {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

fn within<'a>(
    keys: impl Iterator<Item = (&'a String, &'a String)>,
    namespace: Option<&str>,
) -> Vec<(String, String)> {
    keys.filter(|(found, _)| namespace.is_none_or(|namespace| namespace == *found))
        .map(|(namespace, name)| (namespace.clone(), name.clone()))
        .collect()
}

/// Begins all watches; `ready` turns true once each has listed what there is.
pub fn begin(context: &Arc<Context>, tasks: &mut JoinSet<()>, ready: watch::Sender<bool>) {
    let namespaces: Vec<Option<String>> = match context.settings.namespaces.as_slice() {
        [] => vec![None],
        chosen => chosen.iter().cloned().map(Some).collect(),
    };
    let (cameras, hubs) = (
        ApiResource::erase::<Camera>(&()),
        ApiResource::erase::<StreamHub>(&()),
    );
    let client = || context.clients.watches.clone();
    let mut listed = Vec::new();
    for namespace in &namespaces {
        let dynamic = |resource: &ApiResource| match namespace {
            Some(namespace) => Api::<DynamicObject>::namespaced_with(client(), namespace, resource),
            None => Api::all_with(client(), resource),
        };
        let scope = namespace.as_deref();
        let all = config();
        listed.push(follow::<Cameras>(
            context,
            tasks,
            dynamic(&cameras),
            all.clone(),
            scope,
        ));
        listed.push(follow::<Hubs>(context, tasks, dynamic(&hubs), all, scope));
        let ours = config().labels(&names::pods_selector());
        listed.push(follow::<Pods>(
            context,
            tasks,
            scoped(client(), scope),
            ours,
            scope,
        ));
    }
    let wide =
        |listed, flag: fn(&Context) -> &AtomicBool| cluster_wide(Arc::clone(context), listed, flag);
    if context.settings.watch_nodes {
        let nodes = follow::<Nodes>(context, tasks, Api::all(client()), config(), None);
        listed.push(wide(nodes, |context| &context.nodes_known));
    }
    if context.settings.watch_devices {
        let resource = ApiResource::erase::<VideoDevice>(&());
        let api = Api::all_with(client(), &resource);
        let devices = follow::<Devices>(context, tasks, api, config(), None);
        listed.push(wide(devices, |context| &context.devices_known));
    }
    tokio::spawn(async move {
        for mut listed in listed {
            if listed.wait_for(|listed| *listed).await.is_err() {
                return;
            }
        }
        let _ = ready.send(true);
    });
}

/// Objects of the whole cluster are waited for a while, and no longer: where there is no right to them, or no definition,
/// cameras that need neither must not wait for it.
fn cluster_wide(
    context: Arc<Context>,
    mut listed: watch::Receiver<bool>,
    flag: fn(&Context) -> &AtomicBool,
) -> watch::Receiver<bool> {
    let (settled, settled_seen) = watch::channel(false);
    tokio::spawn(async move {
        let mut whole = listed.clone();
        let patience = whole.wait_for(|listed| *listed);
        if tokio::time::timeout(PATIENCE, patience).await.is_err() {
            let _ = settled.send(true);
        }
        if listed.wait_for(|listed| *listed).await.is_err() {
            return;
        }
        flag(&context).store(true, Ordering::Relaxed);
        let _ = settled.send(true);
        // Until now the nodes of all pods, and all devices, were unknown.
        let keys: BTreeSet<CameraKey> = {
            let world = lock(&context.world);
            let pods = world.pods().map(|(key, _)| key);
            pods.chain(world.seekers()).cloned().collect()
        };
        for key in keys {
            context.cameras.ask(key);
        }
    });
    settled_seen
}

fn config() -> watcher::Config {
    watcher::Config::default()
        .timeout(WATCH.as_secs() as u32)
        .page_size(PAGE)
}

fn scoped<K>(client: kube::Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    }
}

fn follow<K: Kind>(
    context: &Arc<Context>,
    tasks: &mut JoinSet<()>,
    api: Api<K::Object>,
    config: watcher::Config,
    namespace: Option<&str>,
) -> watch::Receiver<bool> {
    let (listed, listed_seen) = watch::channel(false);
    let (context, namespace) = (Arc::clone(context), namespace.map(str::to_owned));
    tasks.spawn(async move {
        keep_up::<K>(
            &context,
            api,
            config,
            namespace.as_deref(),
            &listed,
            LIST_AGAIN,
        )
        .await;
    });
    listed_seen
}

/// Tells the world what there is, listed anew about so often.
async fn keep_up<K: Kind>(
    context: &Context,
    api: Api<K::Object>,
    config: watcher::Config,
    namespace: Option<&str>,
    listed: &watch::Sender<bool>,
    list_again: Duration,
) {
    loop {
        let again = tokio::time::sleep(list_again.mul_f64(rand::rng().random_range(0.8..1.2)));
        let events = watcher(api.clone(), config.clone()).default_backoff();
        tokio::select! {
            () = take::<K>(context, namespace, events, listed) => return,
            () = again => {}
        }
    }
}

/// Tells the world what a watch brings.
async fn take<K: Kind>(
    context: &Context,
    namespace: Option<&str>,
    events: impl Stream<Item = watcher::Result<Event<K::Object>>>,
    listed: &watch::Sender<bool>,
) {
    let mut events = std::pin::pin!(events);
    // What a list has named so far; objects that no list names are gone.
    let mut seen = BTreeSet::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Apply(object)) => context.tell(|world| K::set(world, object, Told::Watch)),
            Ok(Event::Delete(object)) => {
                let (namespace, name) = place(&object);
                context.tell(|world| K::remove(world, &namespace, &name, object.uid().as_deref()));
            }
            Ok(Event::Init) => seen.clear(),
            Ok(Event::InitApply(object)) => {
                seen.insert(place(&object));
                context.tell(|world| K::set(world, object, Told::List));
            }
            Ok(Event::InitDone) => {
                let known = K::known(&lock(&context.world), namespace);
                for gone in known.into_iter().filter(|place| !seen.contains(place)) {
                    context.tell(|world| K::remove(world, &gone.0, &gone.1, None));
                }
                seen.clear();
                let _ = listed.send(true);
            }
            Err(error) => {
                context.metrics.watch_errors.inc();
                if namespace.is_some() && is_forbidden(&error) {
                    // One namespace without rights must not keep the others waiting: nothing is known of it, and so
                    // nothing in it is taken for gone.
                    let _ = listed.send(true);
                }
                let error = chain(&error);
                tracing::warn!(
                    kind = K::NAME,
                    namespace,
                    error,
                    "watch failed; it begins again"
                );
            }
        }
    }
}

fn is_forbidden(error: &watcher::Error) -> bool {
    let watcher::Error::InitialListFailed(kube::Error::Api(status)) = error else {
        return false;
    };
    status.code == 403
}

fn place(object: &impl ResourceExt) -> (String, String) {
    (object.namespace().unwrap_or_default(), object.name_any())
}

#[cfg(test)]
mod tests;
