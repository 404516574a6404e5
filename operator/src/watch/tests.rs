use std::sync::Mutex;

use futures::stream;
use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use kube::core::Status;
use serde_json::json;

use crate::camera::faults::operator;
use crate::fake_api::FakeApi;
use crate::samples::{NAMESPACE, camera, node, pod_of};

use super::*;

fn context() -> Arc<Context> {
    operator(&FakeApi::default())
}

fn listing<T>(objects: Vec<T>) -> Vec<watcher::Result<Event<T>>> {
    let objects = objects
        .into_iter()
        .map(|object| Ok(Event::InitApply(object)));
    let objects = [Ok(Event::Init)].into_iter().chain(objects);
    objects.chain([Ok(Event::InitDone)]).collect()
}

/// Takes what a watch brings; whether all was listed.
async fn take_all<K: Kind>(
    context: &Context,
    namespace: Option<&str>,
    events: Vec<watcher::Result<Event<K::Object>>>,
) -> bool {
    let (listed, seen) = watch::channel(false);
    take::<K>(context, namespace, stream::iter(events), &listed).await;
    *seen.borrow()
}

fn source(name: &str) -> DynamicObject {
    camera(name, "source: {test: {}}")
}

fn elsewhere(mut object: DynamicObject) -> DynamicObject {
    object.metadata.namespace = Some("elsewhere".to_owned());
    object
}

fn cameras(context: &Context) -> Vec<String> {
    let world = lock(&context.world);
    world.cameras().map(|(key, _)| key.to_string()).collect()
}

fn key_of(object: &DynamicObject) -> String {
    camera_key(&object.namespace().unwrap(), &object.name_any()).to_string()
}

#[tokio::test]
async fn what_a_list_does_not_name_any_more_is_gone() {
    let context = context();
    let all = listing(vec![source("a"), source("b")]);
    assert!(take_all::<Cameras>(&context, None, all).await);
    assert_eq!(
        cameras(&context),
        [key_of(&source("a")), key_of(&source("b"))]
    );
    assert!(take_all::<Cameras>(&context, None, listing(vec![source("b")])).await);
    assert_eq!(cameras(&context), [key_of(&source("b"))]);
}

#[tokio::test]
async fn a_list_of_one_namespace_says_nothing_of_the_others() {
    let context = context();
    let both = listing(vec![source("a"), elsewhere(source("a"))]);
    take_all::<Cameras>(&context, None, both).await;
    take_all::<Cameras>(&context, Some(NAMESPACE), listing(Vec::new())).await;
    assert_eq!(cameras(&context), [key_of(&elsewhere(source("a")))]);
}

#[tokio::test]
async fn a_list_that_breaks_off_removes_nothing() {
    let context = context();
    take_all::<Cameras>(&context, None, listing(vec![source("a"), source("b")])).await;
    let forbidden = || {
        let status = Status::failure("no", "Forbidden").with_code(403);
        watcher::Error::InitialListFailed(kube::Error::Api(status.boxed()))
    };
    let broken = || {
        vec![
            Ok(Event::Init),
            Ok(Event::InitApply(source("b"))),
            Err(forbidden()),
        ]
    };
    assert!(!take_all::<Cameras>(&context, None, broken()).await);
    assert_eq!(cameras(&context).len(), 2);
    assert_eq!(context.metrics.watch_errors.get(), 1);
    // One namespace without rights keeps the others from nothing, and nothing in it is taken for gone.
    assert!(take_all::<Cameras>(&context, Some(NAMESPACE), broken()).await);
    assert_eq!(cameras(&context).len(), 2);
    // What an unfinished list has named is forgotten when the next one begins.
    let mut events = broken();
    events.extend(listing(vec![source("a")]));
    take_all::<Cameras>(&context, None, events).await;
    assert_eq!(cameras(&context), [key_of(&source("a"))]);
}

#[tokio::test]
async fn pods_and_nodes_that_a_list_does_not_name_are_gone_too() {
    let context = context();
    take_all::<Cameras>(&context, None, listing(vec![source("a")])).await;
    let pod = pod_of(&lock(&context.world), "a", "1");
    take_all::<Pods>(&context, None, listing(vec![pod])).await;
    take_all::<Nodes>(&context, None, listing(vec![node("n1", None)])).await;
    assert_eq!(lock(&context.world).pods().count(), 1);
    take_all::<Pods>(&context, None, listing(Vec::new())).await;
    take_all::<Nodes>(&context, None, listing(Vec::new())).await;
    let world = lock(&context.world);
    assert_eq!(world.pods().count(), 0);
    assert_eq!(world.node_names(), Vec::<String>::new());
}

#[tokio::test]
async fn an_end_that_is_told_late_does_not_end_the_next_of_that_name() {
    let context = context();
    take_all::<Cameras>(&context, None, vec![Ok(Event::Apply(source("a")))]).await;
    let mut earlier = source("a");
    earlier.metadata.uid = Some("earlier".to_owned());
    take_all::<Cameras>(&context, None, vec![Ok(Event::Delete(earlier))]).await;
    assert_eq!(cameras(&context).len(), 1);
    take_all::<Cameras>(&context, None, vec![Ok(Event::Delete(source("a")))]).await;
    assert_eq!(cameras(&context).len(), 0);
}

/// An API server with these Cameras, of which every event is lost on its way.
fn silent(cameras: Arc<Mutex<Vec<DynamicObject>>>) -> Client {
    let service = tower::service_fn(move |request: Request<Body>| {
        let cameras = Arc::clone(&cameras);
        async move {
            if request.uri().query().unwrap_or_default().contains("watch=") {
                std::future::pending::<()>().await;
            }
            let list = json!({"apiVersion": "streamhub.dev/v1alpha1", "kind": "CameraList",
                "metadata": {"resourceVersion": "1"}, "items": *lock(&cameras)});
            let body = serde_json::to_vec(&list)?;
            Ok::<_, std::io::Error>(Response::new(Body::from(body)))
        }
    });
    Client::new(service, NAMESPACE)
}

#[tokio::test]
async fn what_no_event_told_is_found_when_all_is_listed_anew() {
    let there = Arc::new(Mutex::new(vec![source("a"), source("b")]));
    let api = Api::all_with(
        silent(Arc::clone(&there)),
        &ApiResource::erase::<Camera>(&()),
    );
    let (context, (listed, mut seen)) = (context(), watch::channel(false));
    let keeps_up = Arc::clone(&context);
    let task = tokio::spawn(async move {
        let again = Duration::from_millis(200);
        keep_up::<Cameras>(&keeps_up, api, config(), None, &listed, again).await;
    });
    seen.wait_for(|listed| *listed).await.unwrap();
    assert_eq!(cameras(&context).len(), 2);
    *lock(&there) = vec![source("b"), source("c")];
    let known = async {
        while cameras(&context) != [key_of(&source("b")), key_of(&source("c"))] {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), known)
        .await
        .unwrap();
    task.abort();
}
