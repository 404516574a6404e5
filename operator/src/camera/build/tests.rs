use std::collections::BTreeSet;

use kube::CustomResourceExt as _;
use serde_json::{Value, json};
use streamhub_crds::{Camera, leaves};

use crate::samples::{V4L2, camera, device, hub, node_with, observe, pod_of, recipe, run, run_of};
use crate::world::{Told, World};

use super::*;

const FILE: &str = "source: {file: {uri: x.mp4}}";
const TEST: &str = "source: {test: {}}";

#[test]
fn a_pod_may_do_as_little_as_it_can() {
    let pod = json!(pod(&run(TEST), &recipe("1"), 7));
    let spec = &pod["spec"];
    assert_eq!(spec["automountServiceAccountToken"], false);
    assert_eq!(spec["restartPolicy"], "Always");
    assert_eq!(spec["terminationGracePeriodSeconds"], 10);
    assert_eq!(spec["securityContext"]["runAsNonRoot"], true);
    assert_eq!(
        spec["securityContext"]["seccompProfile"]["type"],
        "RuntimeDefault"
    );
    let container = &spec["containers"][0];
    let security = &container["securityContext"];
    assert_eq!(security["capabilities"]["drop"][0], "ALL");
    assert_eq!(security["allowPrivilegeEscalation"], false);
    assert_eq!(security["readOnlyRootFilesystem"], true);
    let args: Vec<&str> = container["args"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(
        args.contains(&"--incarnation=7") && args.contains(&"--on-permanent-error=stay"),
        "{args:?}"
    );
    let owner = &pod["metadata"]["ownerReferences"][0];
    assert_eq!(
        (owner["kind"].as_str(), owner["controller"].as_bool()),
        (Some("Camera"), Some(true))
    );
    assert_eq!(owner["uid"], "uid-door");
}

#[test]
fn only_the_keys_that_are_needed_are_mounted_and_none_must_be_there() {
    let spec =
        "source: {rtsp: {urlSecretRef: {name: a, key: url}, credentialsSecretRef: {name: b}}}";
    let pod = json!(pod(&run(spec), &recipe("1"), 1));
    let secrets: Vec<&Value> = pod["spec"]["volumes"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|volume| volume.get("secret"))
        .collect();
    let keys = |secret: &Value| -> Vec<String> {
        let items = secret["items"].as_array().unwrap().iter();
        items
            .map(|item| item["key"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(secrets.len(), 2);
    assert_eq!(keys(secrets[0]), ["url"]);
    assert_eq!(keys(secrets[1]), ["ca.crt", "password", "username"]);
    assert!(secrets.iter().all(|secret| secret["optional"] == true));
    let mounts = pod["spec"]["containers"][0]["volumeMounts"]
        .as_array()
        .unwrap();
    assert!(mounts.iter().all(|mount| mount.get("subPath").is_none()));
}

#[test]
fn a_drain_finds_local_data_only_where_films_are_fetched() {
    let scratch = |spec: &str| {
        let pod = json!(pod(&run(spec), &recipe("1"), 1));
        let volumes = pod["spec"]["volumes"].as_array().unwrap().clone();
        volumes.iter().any(|volume| !volume["emptyDir"].is_null())
    };
    assert!(!scratch(TEST) && !scratch(FILE));
    assert!(scratch("source: {file: {uri: 's3://films/a.mp4'}}"));
}

#[test]
fn documents_travel_as_annotations_that_the_process_reads_as_files() {
    let planned = run("source: {test: {fps: 5}}");
    let pod = pod(&planned, &recipe("1"), 1);
    let annotations = pod.metadata.annotations.clone().unwrap();
    let camera = streamhub_crds::parse_camera(&annotations[names::CAMERA]).unwrap();
    let hub = streamhub_crds::parse_hub(&annotations[names::HUB]).unwrap();
    assert_eq!(camera.metadata.uid.as_deref(), Some("uid-door"));
    assert_eq!(camera.metadata.generation, Some(1));
    assert_eq!(
        streamhub_crds::spec_hash(&camera.spec, &hub.spec),
        annotations[names::CONFIG_HASH]
    );
    let files = &json!(pod)["spec"]["volumes"][0]["downwardAPI"]["items"];
    assert_eq!(
        files[0]["fieldRef"]["fieldPath"],
        "metadata.annotations['streamhub.dev/camera']"
    );
}

#[test]
fn a_written_hub_travels_with_its_identity() {
    let mut world = World::default();
    world.set_hub(hub("lobby", ""), Told::Watch);
    let spec = "source: {test: {}}, hubRef: {name: lobby}";
    world.set_camera(camera("door", spec), Told::Watch);
    let pod = pod_of(&world, "door", "1");
    let annotations = pod.metadata.annotations.unwrap();
    let hub = streamhub_crds::parse_hub(&annotations[names::HUB]).unwrap();
    assert_eq!(hub.metadata.uid.as_deref(), Some("uid-lobby"));
    assert_eq!(hub.metadata.generation, Some(1));
}

#[test]
fn what_a_camera_says_of_its_pod_wins_over_what_the_installation_says() {
    let mut recipe = recipe("1");
    recipe.defaults = run("source: {test: {}}, pod: {priorityClassName: low, resources: {requests: {cpu: 100m, memory: 64Mi}, limits: {cpu: 1, memory: 1Gi}}}")
        .camera
        .spec
        .pod;
    let pod = json!(pod(
        &run("source: {test: {}}, pod: {resources: {requests: {cpu: 2}}}"),
        &recipe,
        1,
    ));
    let requests = &pod["spec"]["containers"][0]["resources"]["requests"];
    assert_eq!(
        (requests["cpu"].as_str(), requests["memory"].as_str()),
        (Some("2"), Some("64Mi"))
    );
    let limits = &pod["spec"]["containers"][0]["resources"]["limits"];
    assert_eq!(
        limits,
        &json!({"memory": "1Gi"}),
        "no request is above a limit that somebody else set"
    );
    assert_eq!(pod["spec"]["priorityClassName"], "low");
}

#[test]
fn a_pod_is_pulled_with_the_secrets_of_the_installation() {
    let mut recipe = recipe("1");
    let secrets = |recipe: &PodRecipe| {
        let pod = json!(pod(&run(TEST), recipe, 1));
        pod["spec"]["imagePullSecrets"].clone()
    };
    assert_eq!(secrets(&recipe), Value::Null);
    recipe.pull_secrets = vec!["registry".to_owned(), "mirror".to_owned()];
    assert_eq!(
        secrets(&recipe),
        json!([{"name": "registry"}, {"name": "mirror"}])
    );
}

#[test]
fn what_scrapes_metrics_finds_a_pod() {
    let pod = json!(pod(&run(TEST), &recipe("1"), 1));
    let metadata = &pod["metadata"];
    // By annotations, and by the chart's PodMonitor: charts/checks/rendered has the same.
    let annotations = &metadata["annotations"];
    assert_eq!(annotations["prometheus.io/scrape"], "true");
    assert_eq!(annotations["prometheus.io/port"], "8080");
    assert_eq!(annotations["prometheus.io/path"], "/metrics");
    let labels = &metadata["labels"];
    assert_eq!(labels["app.kubernetes.io/name"], "streamhub-ingest");
    assert_eq!(labels["streamhub.dev/hub"], "default");
    let port = &pod["spec"]["containers"][0]["ports"][0];
    assert_eq!(
        (port["name"].as_str(), port["containerPort"].as_u64()),
        (Some("http"), Some(8080))
    );
}

/// What should run of a camera whose device is there.
fn device_run(changes: Value) -> Run {
    let mut world = World::default();
    world.set_node(&node_with("n1", &["A1B2"]));
    world.set_device(device("n1", "A1B2", changes), Told::Watch);
    world.set_camera(camera("door", V4L2), Told::Watch);
    run_of(&observe(&world, "door")).clone()
}

#[test]
fn no_pod_is_in_the_group_of_root() {
    let run = device_run(json!({"gid": 0}));
    let pod = json!(pod(&run, &recipe("1"), 1));
    let security = &pod["spec"]["securityContext"];
    assert!(security.get("supplementalGroups").is_none(), "{security}");
}

#[test]
fn a_pod_asks_for_its_device_on_its_node_and_knows_what_it_was_promised() {
    let run = device_run(json!({}));
    let before = json!(pod(&self::run(TEST), &recipe("1"), 1));
    let after = json!(pod(&run, &recipe("1"), 1));
    let spec = &after["spec"];
    let container = &spec["containers"][0];
    for kind in ["requests", "limits"] {
        assert_eq!(container["resources"][kind]["streamhub.dev/cam-a1b2"], "1");
    }
    let terms = &spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    assert_eq!(
        terms["nodeSelectorTerms"],
        json!([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}])
    );
    assert_eq!(spec["securityContext"]["supplementalGroups"], json!([44]));
    let args: Vec<&str> = container["args"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(
        args.contains(&"--capture-device=/dev/streamhub/capture"),
        "{args:?}"
    );
    let promise = args
        .iter()
        .find_map(|arg| arg.strip_prefix("--expect-device="));
    let promise: streamhub_crds::DeviceIdentity = serde_json::from_str(promise.unwrap()).unwrap();
    assert_eq!(promise.serial.as_deref(), Some("A1B2"));
    // No more than any other camera's pod: the level "restricted" still holds.
    let mut without = after.clone();
    without["spec"]["securityContext"]["supplementalGroups"].take();
    let mut plain = before["spec"]["securityContext"].clone();
    plain["supplementalGroups"].take();
    assert_eq!(without["spec"]["securityContext"], plain);
    assert_eq!(
        container["securityContext"],
        before["spec"]["containers"][0]["securityContext"]
    );
    let kinds = |pod: &Value| -> Vec<String> {
        let volumes = pod["spec"]["volumes"].as_array().unwrap().iter();
        volumes.map(|volume| volume["name"].to_string()).collect()
    };
    assert_eq!(kinds(&after), kinds(&before), "no volume brings a device");
}

#[test]
fn what_a_device_says_of_itself_is_no_variable() {
    let identity = json!({"bus": "usb", "serial": "$(HOME) $$a", "path": "usb-1-1:1.0"});
    let mut world = World::default();
    world.set_node(&node_with("n1", &["A1B2"]));
    world.set_device(
        device("n1", "A1B2", json!({"identity": identity})),
        Told::Watch,
    );
    world.set_camera(
        camera("door", "source: {v4l2: {deviceSelector: {node: n1}}}"),
        Told::Watch,
    );
    let pod = json!(pod(run_of(&observe(&world, "door")), &recipe("1"), 1));
    let args = pod["spec"]["containers"][0]["args"].to_string();
    assert!(args.contains("$$(HOME) $$$$a"), "{args}");
}

#[test]
fn a_device_in_another_place_needs_another_pod_and_a_selector_in_other_words_does_not() {
    let hash = |run: &Run| wanted(run, &recipe("1")).pod_hash;
    let plain = hash(&device_run(json!({})));
    assert_eq!(
        hash(&device_run(json!({"registeredAt": "2027-01-01T00:00:00Z"}))),
        plain
    );
    let moved = json!({"devicePath": "/dev/video1"});
    assert_ne!(hash(&device_run(moved)), plain);
    let mut world = World::default();
    world.set_node(&node_with("n1", &["A1B2"]));
    world.set_device(device("n1", "A1B2", json!({})), Told::Watch);
    world.set_camera(
        camera("door", "source: {v4l2: {deviceSelector: {usbPath: 1-1}}}"),
        Told::Watch,
    );
    assert_eq!(hash(run_of(&observe(&world, "door"))), plain);
}

/// Fields that only matter in a cluster: each needs another pod. All others are the plan's, in its own table.
const NEEDS_A_POD: [(&str, &str, &str); 11] = [
    (
        "pod.nodeSelector{}",
        TEST,
        "source: {test: {}}, pod: {nodeSelector: {room: a}}",
    ),
    (
        "pod.tolerations[].key",
        TEST,
        "source: {test: {}}, pod: {tolerations: [{key: a}]}",
    ),
    (
        "pod.tolerations[].operator",
        TEST,
        "source: {test: {}}, pod: {tolerations: [{operator: Exists}]}",
    ),
    (
        "pod.tolerations[].value",
        TEST,
        "source: {test: {}}, pod: {tolerations: [{key: a, value: b}]}",
    ),
    (
        "pod.tolerations[].effect",
        TEST,
        "source: {test: {}}, pod: {tolerations: [{key: a, effect: NoExecute}]}",
    ),
    (
        "pod.tolerations[].tolerationSeconds",
        TEST,
        "source: {test: {}}, pod: {tolerations: [{key: a, effect: NoExecute, tolerationSeconds: 5}]}",
    ),
    (
        "pod.resources.requests{}",
        TEST,
        "source: {test: {}}, pod: {resources: {requests: {cpu: 1}}}",
    ),
    (
        "pod.resources.limits{}",
        TEST,
        "source: {test: {}}, pod: {resources: {limits: {memory: 1Gi}}}",
    ),
    (
        "pod.priorityClassName",
        TEST,
        "source: {test: {}}, pod: {priorityClassName: high}",
    ),
    (
        "pod.runtimeClassName",
        TEST,
        "source: {test: {}}, pod: {runtimeClassName: kata}",
    ),
    (
        "source.file.claimName",
        FILE,
        "source: {file: {uri: x.mp4, claimName: media}}",
    ),
];

#[test]
fn fields_of_the_cluster_alone_need_another_pod() {
    for (field, before, after) in NEEDS_A_POD {
        let of = |spec: &str| wanted(&run(spec), &recipe("1"));
        assert_ne!(of(before).pod_hash, of(after).pod_hash, "{field}");
        assert_ne!(of(before).config_hash, of(after).config_hash, "{field}");
    }
}

#[test]
fn no_field_of_the_cluster_alone_is_forgotten() {
    let definition = serde_json::to_value(Camera::crd()).unwrap();
    let spec =
        &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let of_pods = leaves(&spec["properties"]["pod"]);
    let mut found: BTreeSet<String> = of_pods.iter().map(|field| format!("pod.{field}")).collect();
    found.insert("source.file.claimName".to_owned());
    let known: BTreeSet<String> = NEEDS_A_POD.iter().map(|row| row.0.to_owned()).collect();
    assert_eq!(found, known);
}

#[test]
fn a_release_that_no_label_can_hold_is_shortened() {
    assert_eq!(label_value("v1.2.3+build/5"), "v1.2.3_build_5");
    assert_eq!(label_value(&"x".repeat(70)).len(), 63);
    assert_eq!(label_value("-"), "");
}
