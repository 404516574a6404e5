//! What is inside of a camera's pod.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, Capabilities, Container, ContainerPort, DownwardAPIVolumeFile,
    DownwardAPIVolumeSource, EmptyDirVolumeSource, HTTPGetAction, KeyToPath, LocalObjectReference,
    NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, ObjectFieldSelector,
    PersistentVolumeClaimVolumeSource, PodSecurityContext, PodSpec, Probe, ResourceRequirements,
    SeccompProfile, SecretVolumeSource, SecurityContext, Toleration, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use streamhub_crds::{LabelKey, PodSettings, Source};
use streamhub_plan::{Device, Run, SecretNeed};

use crate::names;
use crate::settings::PodRecipe;
use crate::world::Wishes;

const CONFIG: &str = "/etc/streamhub/config";
const SECRETS: &str = "/etc/streamhub/secrets";
const MEDIA: &str = "/media";
const CACHE: &str = "/var/cache/streamhub";
/// Where the node agent has a pod's device put.
const CAPTURE: &str = "/dev/streamhub/capture";
const USER: i64 = 65_532;
const GRACE_SECONDS: i64 = 10;

/// The pod's specification.
pub(super) fn pod_spec(run: &Run, recipe: &PodRecipe, incarnation: u64) -> PodSpec {
    let settings = run.camera.spec.pod.over(&recipe.defaults);
    let (volumes, mounts) = volumes(run).into_iter().unzip();
    PodSpec {
        containers: vec![container(run, recipe, &settings, mounts, incarnation)],
        affinity: run.device.as_ref().map(|device| on_node(&device.node)),
        volumes: Some(volumes),
        restart_policy: Some("Always".to_owned()),
        termination_grace_period_seconds: Some(GRACE_SECONDS),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(USER),
            run_as_group: Some(USER),
            supplemental_groups: run.device.as_ref().and_then(group),
            fs_group: Some(USER),
            // A large claim is not walked through at every start.
            fs_group_change_policy: Some("OnRootMismatch".to_owned()),
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".to_owned(),
                ..SeccompProfile::default()
            }),
            ..PodSecurityContext::default()
        }),
        image_pull_secrets: some(
            recipe
                .pull_secrets
                .iter()
                .map(|name| LocalObjectReference { name: name.clone() })
                .collect(),
        ),
        node_selector: some_map(node_selector(&settings)),
        tolerations: some(tolerations(&settings)),
        priority_class_name: settings
            .priority_class_name
            .as_ref()
            .map(ToString::to_string),
        runtime_class_name: settings
            .runtime_class_name
            .as_ref()
            .map(ToString::to_string),
        ..PodSpec::default()
    }
}

fn container(
    run: &Run,
    recipe: &PodRecipe,
    settings: &PodSettings,
    mounts: Vec<VolumeMount>,
    incarnation: u64,
) -> Container {
    Container {
        name: names::CONTAINER.to_owned(),
        image: Some(recipe.image.clone()),
        image_pull_policy: Some(recipe.pull_policy.to_owned()),
        args: Some(args(run, recipe, incarnation)),
        ports: Some(vec![ContainerPort {
            name: Some("http".to_owned()),
            container_port: i32::from(names::HTTP_PORT),
            protocol: Some("TCP".to_owned()),
            ..ContainerPort::default()
        }]),
        volume_mounts: Some(mounts),
        resources: Some(ResourceRequirements {
            requests: some_map(with_device(run, amounts(&settings.resources.requests))),
            limits: some_map(with_device(run, amounts(&settings.resources.limits))),
            claims: None,
        }),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            capabilities: Some(Capabilities {
                add: None,
                drop: Some(vec!["ALL".to_owned()]),
            }),
            read_only_root_filesystem: Some(true),
            run_as_non_root: Some(true),
            ..SecurityContext::default()
        }),
        startup_probe: Some(probe("/healthz", 1, 2, 120)),
        // Its own heartbeats only, and patient: a node that is overloaded must not have all of its cameras restarted.
        liveness_probe: Some(probe("/healthz", 15, 10, 6)),
        readiness_probe: Some(probe("/readyz", 3, 3, 2)),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        ..Container::default()
    }
}

fn args(run: &Run, recipe: &PodRecipe, incarnation: u64) -> Vec<String> {
    let common = [
        ("--camera", format!("{CONFIG}/camera.yaml")),
        ("--hub", format!("{CONFIG}/hub.yaml")),
        ("--secrets", SECRETS.to_owned()),
        ("--media-root", MEDIA.to_owned()),
        ("--media-cache", CACHE.to_owned()),
        ("--http", format!("{}:{}", recipe.listen, names::HTTP_PORT)),
        ("--incarnation", incarnation.to_string()),
        ("--log-format", "json".to_owned()),
        ("--on-permanent-error", "stay".to_owned()),
    ];
    let all = common.into_iter().chain(
        run.device
            .iter()
            .flat_map(|device| [("--capture-device", CAPTURE.to_owned()), promise(device)]),
    );
    all.map(|(option, value)| format!("{option}={value}"))
        .collect()
}

/// The group that may open the device. On a node without udev that is root's, which no pod is let into.
fn group(device: &Device) -> Option<Vec<i64>> {
    (device.gid != 0).then(|| vec![device.gid.into()])
}

/// What the process looks for on the device that it was given. A container started again in its pod keeps the device
/// number that it had, and another camera may have got that since.
fn promise(device: &Device) -> (&'static str, String) {
    // Plain data with string keys always have a form.
    let identity = serde_json::to_string(&device.identity).unwrap_or_default();
    // The kubelet puts variables into arguments.
    ("--expect-device", identity.replace('$', "$$"))
}

/// Only on this node. By its name, as its labels are anybody's.
fn on_node(node: &str) -> Affinity {
    let name = NodeSelectorRequirement {
        key: "metadata.name".to_owned(),
        operator: "In".to_owned(),
        values: Some(vec![node.to_owned()]),
    };
    let term = NodeSelectorTerm {
        match_fields: Some(vec![name]),
        match_expressions: None,
    };
    Affinity {
        node_affinity: Some(NodeAffinity {
            required_during_scheduling_ignored_during_execution: Some(NodeSelector {
                node_selector_terms: vec![term],
            }),
            ..NodeAffinity::default()
        }),
        ..Affinity::default()
    }
}

/// Volumes, and where each is mounted.
fn volumes(run: &Run) -> Vec<(Volume, VolumeMount)> {
    let mut volumes = vec![volume("config", CONFIG, true, |volume| {
        volume.downward_api = Some(documents());
    })];
    // Where there is none, `kubectl drain` takes the pod without being told that local data may go.
    if fetches(run) {
        volumes.push(volume("cache", CACHE, false, |volume| {
            volume.empty_dir = Some(scratch("3Gi"));
        }));
    }
    for (number, need) in run.secrets.iter().enumerate() {
        let place = format!("{SECRETS}/{}", need.name);
        volumes.push(volume(
            &format!("secret-{number}"),
            &place,
            true,
            |volume| {
                volume.secret = Some(secret(need));
            },
        ));
    }
    if let Some(claim) = claim(run) {
        volumes.push(volume("media", MEDIA, true, |volume| {
            volume.persistent_volume_claim = Some(PersistentVolumeClaimVolumeSource {
                claim_name: claim.to_owned(),
                read_only: Some(true),
            });
        }));
    }
    volumes
}

fn volume(
    name: &str,
    place: &str,
    read_only: bool,
    fill: impl FnOnce(&mut Volume),
) -> (Volume, VolumeMount) {
    let mut volume = Volume {
        name: name.to_owned(),
        ..Volume::default()
    };
    fill(&mut volume);
    let mount = VolumeMount {
        name: name.to_owned(),
        mount_path: place.to_owned(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    };
    (volume, mount)
}

/// Whether it plays films that have to be fetched first.
fn fetches(run: &Run) -> bool {
    run.camera.spec.source.all().any(|source| match source {
        Source::File(file) => file.uri.remote().is_some(),
        _ => false,
    })
}

/// The two annotations as files: a patch of them is seen within a fraction of a second.
fn documents() -> DownwardAPIVolumeSource {
    let file = |path: &str, annotation: &str| DownwardAPIVolumeFile {
        path: path.to_owned(),
        field_ref: Some(ObjectFieldSelector {
            field_path: format!("metadata.annotations['{annotation}']"),
            api_version: Some("v1".to_owned()),
        }),
        ..DownwardAPIVolumeFile::default()
    };
    DownwardAPIVolumeSource {
        items: Some(vec![
            file("camera.yaml", names::CAMERA),
            file("hub.yaml", names::HUB),
        ]),
        default_mode: Some(0o444),
        ..DownwardAPIVolumeSource::default()
    }
}

/// Only the keys that are needed. What is not there is reported by the process, by name, and taken once it is.
fn secret(need: &SecretNeed) -> SecretVolumeSource {
    let item = |key: &String| KeyToPath {
        key: key.clone(),
        path: key.clone(),
        ..KeyToPath::default()
    };
    SecretVolumeSource {
        secret_name: Some(need.name.clone()),
        items: Some(need.keys.iter().map(item).collect()),
        optional: Some(true),
        default_mode: Some(0o440),
        ..SecretVolumeSource::default()
    }
}

fn scratch(most: &str) -> EmptyDirVolumeSource {
    EmptyDirVolumeSource {
        size_limit: Some(Quantity(most.to_owned())),
        ..EmptyDirVolumeSource::default()
    }
}

/// The claim that its files are on; a camera has at most one.
fn claim(run: &Run) -> Option<&str> {
    run.camera
        .spec
        .source
        .all()
        .find_map(|source| match source {
            Source::File(file) => Some(file.claim_name.as_ref()?.as_str()),
            _ => None,
        })
}

/// What a pod with these settings says of nodes.
pub(super) fn wishes(settings: &PodSettings) -> Wishes {
    Wishes::new(&PodSpec {
        node_selector: Some(node_selector(settings)),
        tolerations: Some(tolerations(settings)),
        ..PodSpec::default()
    })
}

fn node_selector(settings: &PodSettings) -> BTreeMap<String, String> {
    let pairs = settings.node_selector.iter();
    pairs
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect()
}

fn tolerations(settings: &PodSettings) -> Vec<Toleration> {
    let one = |toleration: &streamhub_crds::Toleration| Toleration {
        key: toleration.key.as_ref().map(ToString::to_string),
        operator: Some(toleration.operator.as_str().to_owned()),
        value: toleration.value.as_ref().map(ToString::to_string),
        effect: toleration.effect.map(|effect| effect.as_str().to_owned()),
        toleration_seconds: toleration.toleration_seconds,
    };
    settings.tolerations.iter().map(one).collect()
}

fn amounts(amounts: &BTreeMap<LabelKey, streamhub_crds::Quantity>) -> BTreeMap<String, Quantity> {
    let one = |(name, amount): (&LabelKey, &streamhub_crds::Quantity)| {
        (name.to_string(), Quantity(amount.to_string()))
    };
    amounts.iter().map(one).collect()
}

/// With the resource that stands for the device, of which there is one.
fn with_device(run: &Run, mut amounts: BTreeMap<String, Quantity>) -> BTreeMap<String, Quantity> {
    if let Some(device) = &run.device {
        amounts.insert(device.resource.clone(), Quantity("1".to_owned()));
    }
    amounts
}

fn probe(path: &str, period: i32, timeout: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String("http".to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period),
        timeout_seconds: Some(timeout),
        failure_threshold: Some(failures),
        ..Probe::default()
    }
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    Some(list).filter(|list| !list.is_empty())
}

fn some_map<V>(map: BTreeMap<String, V>) -> Option<BTreeMap<String, V>> {
    Some(map).filter(|map| !map.is_empty())
}
