//! Command line of `streamhub-operator`; every option can be given by an environment variable.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{ArgAction, Parser, ValueEnum};
use streamhub_crds::{NatsUrl, PodSettings, SecretName};
use streamhub_logging::LogFormat;

/// Makes pods of Cameras, keeps them, and says in their status how they are.
///
/// Several may run at once: one works, the others wait for its Lease. Exit codes: 0 ended as asked; 1 could not go
/// on, start it again; 2 wrong usage.
#[derive(Debug, Clone, Parser)]
#[command(version, name = "streamhub-operator")]
pub struct Args {
    /// Namespaces whose Cameras are looked after, with commas between them; none: all
    #[arg(
        long,
        env = "STREAMHUB_NAMESPACES",
        value_name = "NAMES",
        value_delimiter = ','
    )]
    pub namespaces: Vec<String>,
    /// Image of the camera pods
    #[arg(long, env = "STREAMHUB_INGEST_IMAGE", value_name = "IMAGE")]
    pub ingest_image: String,
    /// When that image is pulled
    #[arg(
        long,
        env = "STREAMHUB_INGEST_IMAGE_PULL_POLICY",
        value_name = "POLICY",
        value_enum,
        default_value_t = PullPolicy::IfNotPresent,
        ignore_case = true
    )]
    pub ingest_image_pull_policy: PullPolicy,
    /// Secrets of the cameras' namespaces that the kubelet pulls it with, with commas between them
    #[arg(
        long,
        env = "STREAMHUB_IMAGE_PULL_SECRETS",
        value_name = "NAMES",
        value_delimiter = ','
    )]
    pub image_pull_secrets: Vec<String>,
    /// NATS server of hubs that name none; camera pods resolve it from their own namespaces
    #[arg(long, env = "STREAMHUB_NATS_URL", value_name = "URL", value_parser = optional::<NatsUrl>)]
    pub nats_url: Option<Optional<NatsUrl>>,
    /// Secret in each camera's namespace for that server; never read by the operator
    #[arg(long, env = "STREAMHUB_NATS_CREDENTIALS_SECRET", value_name = "NAME", value_parser = optional::<SecretName>)]
    pub nats_credentials_secret: Option<Optional<SecretName>>,
    /// What camera pods get that do not say otherwise, as JSON of the form of a Camera's `spec.pod`
    #[arg(long, env = "STREAMHUB_POD_DEFAULTS", value_name = "JSON", default_value = "{}", value_parser = pod_defaults)]
    pub pod_defaults: PodSettings,
    /// How long a node must be not ready before its camera pods are made anew elsewhere, such as 60s or 5m
    #[arg(long, env = "STREAMHUB_NODE_LOST_AFTER", value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub node_lost_after: Duration,
    /// Whether nodes are looked at; without, the pod of a dead node stays, and no other is made, until the node is back or
    /// somebody deletes the Node
    #[arg(long, env = "STREAMHUB_WATCH_NODES", value_name = "BOOL", default_value_t = true, action = ArgAction::Set)]
    pub watch_nodes: bool,
    /// Whether `VideoDevices` are looked at; without, no Camera of the cluster gets a capture device
    #[arg(long, env = "STREAMHUB_WATCH_DEVICES", value_name = "BOOL", default_value_t = true, action = ArgAction::Set)]
    pub watch_devices: bool,
    /// Name of the Lease that says which operator works
    #[arg(
        long,
        env = "STREAMHUB_LEASE_NAME",
        value_name = "NAME",
        default_value = "streamhub-operator"
    )]
    pub lease_name: String,
    /// Namespace of the Lease [default: the operator's own]
    #[arg(long, env = "STREAMHUB_LEASE_NAMESPACE", value_name = "NAME")]
    pub lease_namespace: Option<String>,
    /// Who this is, in the Lease and in events; different for each replica [default: the host's name]
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    pub identity: Option<String>,
    /// This pod's address: camera pods listen on its family of addresses
    #[arg(long, env = "POD_IP", value_name = "IP", hide = true)]
    pub pod_ip: Option<String>,
    /// Address for /healthz, /readyz and /metrics [default: port 8081 of all addresses]
    #[arg(long, env = "STREAMHUB_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// What this installation is called; camera pods made by another release are replaced bit by bit
    #[arg(long, env = "STREAMHUB_RELEASE", value_name = "NAME", default_value = env!("CARGO_PKG_VERSION"))]
    pub release: String,
    /// How it logs
    #[command(flatten)]
    pub log: Logging,
}

/// How a program logs.
#[derive(Debug, Clone, clap::Args)]
pub struct Logging {
    /// How log lines look
    #[arg(long, env = "STREAMHUB_LOG_FORMAT", value_enum, default_value_t = LogFormat::Json)]
    pub log_format: LogFormat,
    /// What is logged, in the syntax of `RUST_LOG`
    #[arg(
        long,
        env = "STREAMHUB_LOG",
        value_name = "FILTER",
        default_value = "info,kube_client=warn",
        value_parser = streamhub_logging::filter
    )]
    pub log_level: String,
}

/// When the kubelet pulls an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PullPolicy {
    /// At each start.
    #[value(name = "Always")]
    Always,
    /// Where it is not there yet.
    #[value(name = "IfNotPresent")]
    IfNotPresent,
    /// It must be there.
    #[value(name = "Never")]
    Never,
}

impl PullPolicy {
    /// As Kubernetes writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

/// A value that an empty text leaves out: charts set every variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Optional<T>(pub Option<T>);

fn optional<T: std::str::FromStr<Err: std::fmt::Display>>(
    text: &str,
) -> Result<Optional<T>, String> {
    if text.is_empty() {
        return Ok(Optional(None));
    }
    let value = text.parse().map_err(|error: T::Err| error.to_string())?;
    Ok(Optional(Some(value)))
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write a whole number of seconds or minutes, 10s to 24h: 60s, 5m".to_owned();
    let (number, unit) = text.split_at(
        text.find(|letter: char| !letter.is_ascii_digit())
            .unwrap_or(text.len()),
    );
    let scale = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(wrong()),
    };
    let seconds = number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(scale));
    seconds
        .filter(|seconds| (10..=86_400).contains(seconds))
        .map(Duration::from_secs)
        .ok_or_else(wrong)
}

/// Checked as a Camera's own settings are, with the same words.
fn pod_defaults(text: &str) -> Result<PodSettings, String> {
    let pod: serde_json::Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let camera = serde_json::json!({
        "apiVersion": format!("{}/{}", streamhub_crds::GROUP, streamhub_crds::VERSION),
        "kind": "Camera",
        "metadata": {"name": "defaults"},
        "spec": {"source": {"test": {}}, "pod": pod},
    });
    match streamhub_crds::camera_from_json(camera) {
        Ok(camera) => Ok(camera.spec.pod),
        Err(problems) => {
            let lines: Vec<String> = problems
                .into_iter()
                .map(|problem| {
                    format!(
                        "{}: {}",
                        problem.field.trim_start_matches("spec.pod."),
                        problem.message
                    )
                })
                .collect();
            Err(lines.join("; "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(more: &[&str]) -> Result<Args, clap::Error> {
        Args::try_parse_from(
            ["streamhub-operator", "--ingest-image", "ingest:1"]
                .iter()
                .chain(more),
        )
    }

    #[test]
    fn defaults_of_pods_are_checked_as_those_of_cameras() {
        let args = parse(&[
            "--pod-defaults",
            r#"{"resources":{"requests":{"cpu":"100m"}}}"#,
        ])
        .unwrap();
        assert_eq!(args.pod_defaults.resources.requests.len(), 1);
        for (wrong, word) in [
            (
                r#"{"resources":{"requests":{"cpu":"lots"}}}"#,
                "resources.requests.cpu",
            ),
            (r#"{"color":"red"}"#, "color"),
            ("{", "EOF"),
        ] {
            let error = parse(&["--pod-defaults", wrong]).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn empty_values_are_values_that_are_not_there() {
        let args = parse(&["--nats-url", "", "--nats-credentials-secret", ""]).unwrap();
        assert_eq!(args.nats_url, Some(Optional(None)));
        assert!(parse(&["--nats-url", "http://x"]).is_err());
    }

    #[test]
    fn a_misspelt_level_is_refused() {
        assert!(parse(&["--log-level", "debug"]).is_ok());
        assert!(parse(&["--log-level", "debg"]).is_err());
    }

    #[test]
    fn times_have_a_unit_and_bounds() {
        for (text, seconds) in [("60s", 60), ("5m", 300), ("1h", 3600)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)));
        }
        for wrong in ["60", "1s", "25h", "s", "", "-5m"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
