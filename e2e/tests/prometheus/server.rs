//! A Prometheus of its own for a test, which scrapes the pods of the cluster.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use streamhub_e2e::{Cluster, Http};
use streamhub_testkit::{Folder, Proc, cache_dir, eventually_async, free_port, repository};

const START: Duration = Duration::from_secs(20);
const SCRAPED: Duration = Duration::from_secs(30);

/// How much time alerts take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// As they are shipped: minutes.
    Shipped,
    /// What lasts minutes there lasts seconds, so that a test can wait for it.
    Hurried,
}

impl Pace {
    /// How long to wait for what is shipped as so many minutes.
    pub fn minutes(self, minutes: u64) -> Duration {
        let slack = Duration::from_mins(1);
        match self {
            Self::Shipped => Duration::from_mins(minutes) + 2 * slack,
            Self::Hurried => Duration::from_secs(minutes) + slack,
        }
    }

    fn rules(self, shipped: &str) -> Result<String> {
        if self == Self::Shipped {
            return Ok(shipped.to_owned());
        }
        let hurried = |line: &str| {
            let (indent, minutes) = line.split_once("for: ")?;
            Some(format!("{indent}for: {}s", minutes.strip_suffix('m')?))
        };
        let mut rules: String = shipped
            .lines()
            .flat_map(|line| {
                [
                    hurried(line).unwrap_or_else(|| line.to_owned()),
                    "\n".to_owned(),
                ]
            })
            .collect();
        // How long a camera must have been away to be called absent, one without drops and an operator without failures
        // to be called well.
        for (shipped, hurried) in [
            ("[1h:1m]", "[5m:1s]"),
            (" > 120", " > 5"),
            ("[5m]", "[30s]"),
            ("[15m]", "[15s]"),
        ] {
            ensure!(rules.contains(shipped), "no {shipped} in the rules");
            rules = rules.replace(shipped, hurried);
        }
        Ok(rules)
    }
}

/// A running Prometheus.
pub struct Prometheus {
    port: u16,
    http: Http,
    folder: Folder,
    _process: Proc,
}

impl Prometheus {
    /// Starts one with the configuration of `manifests/monitoring`; only discovery is by a file, as Debian's has no other.
    pub fn start(pace: Pace) -> Result<Self> {
        let folder = Folder::new()?;
        let monitoring = repository().join("manifests/monitoring");
        let shipped = fs::read_to_string(monitoring.join("streamhub.rules.yaml"))?;
        folder.write("streamhub.rules.yaml", &pace.rules(&shipped)?)?;
        folder.write("targets.json", "[]")?;
        let mut config = fs::read_to_string(monitoring.join("prometheus.yaml"))?;
        let changes = [
            (
                "kubernetes_sd_configs: [{role: pod}]",
                "file_sd_configs: [{files: [targets.json], refresh_interval: 1s}]",
            ),
            ("scrape_interval: 15s", "scrape_interval: 1s"),
            ("evaluation_interval: 15s", "evaluation_interval: 1s"),
        ];
        for (shipped, ours) in changes {
            ensure!(config.contains(shipped), "no {shipped:?} in the sample");
            config = config.replace(shipped, ours);
        }
        let config = folder.write("prometheus.yaml", &config)?;
        let port = free_port()?;
        let mut command = Command::new(cache_dir()?.join("bin/prometheus"));
        command.args([
            format!("--config.file={}", config.display()),
            format!(
                "--storage.tsdb.path={}",
                folder.path().join("data").display()
            ),
            format!("--web.listen-address=127.0.0.1:{port}"),
        ]);
        let mut process = Proc::spawn("prometheus", &mut command)?;
        process.wait_for_line("Server is ready to receive web requests", START)?;
        Ok(Self {
            port,
            http: Http::at(port),
            folder,
            _process: process,
        })
    }

    /// Tells it of the pods that there are, and waits until those that have to be scraped have been.
    pub async fn discover(&self, cluster: &Cluster) -> Result<()> {
        let pods = cluster.kubectl(&["get", "pods", "--all-namespaces", "--output=json"])?;
        let targets = repository().join("e2e/prometheus/targets");
        let mut child = Command::new(targets)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        child
            .stdin
            .take()
            .context("no input")?
            .write_all(pods.as_bytes())?;
        let output = child.wait_with_output()?;
        ensure!(output.status.success(), "e2e/prometheus/targets failed");
        self.folder
            .write("targets.json", &String::from_utf8(output.stdout)?)?;
        let asking = |pods: &Value| {
            let listed = pods["items"].as_array().cloned().unwrap_or_default();
            let scraped = |pod: &&Value| {
                let asks = &pod["metadata"]["annotations"]["prometheus.io/scrape"];
                asks == "true" && pod["status"]["phase"] == "Running"
            };
            listed.iter().filter(scraped).count()
        };
        let expected = asking(&serde_json::from_str(&pods)?);
        let what = format!("{expected} pods to be scraped");
        eventually_async(SCRAPED, &what, async || {
            let up = self.query("count(up == 1)").await.ok()?;
            let count = up[0]["value"][1].as_str()?.parse::<usize>().ok()?;
            (count == expected).then_some(())
        })
        .await
    }

    /// What a query returns.
    pub async fn query(&self, query: &str) -> Result<Value> {
        let path = format!("/api/v1/query?query={}", escaped(query));
        let mut answer = self.http.get(&path).await?.context("no such page")?;
        Ok(answer["data"]["result"].take())
    }

    /// The alerts that fire: name and the label that says what for.
    pub async fn firing(&self) -> Result<Vec<(String, String)>> {
        let answer = self.http.get("/api/v1/alerts").await?;
        let answer = answer.context("no such page")?;
        let alerts = answer["data"]["alerts"].as_array();
        let of = |alert: &Value| {
            let label = |name: &str| alert["labels"][name].as_str().map(str::to_owned);
            let whom = ["camera", "state", "namespace"].into_iter().find_map(label);
            (
                label("alertname").unwrap_or_default(),
                whom.unwrap_or_default(),
            )
        };
        let firing = |alert: &&Value| alert["state"] == "firing";
        Ok(alerts
            .into_iter()
            .flatten()
            .filter(firing)
            .map(of)
            .collect())
    }

    /// The table of all queries of dashboards and alerts; an error with it if one finds nothing.
    pub fn table(&self) -> Result<String> {
        let server = format!("http://127.0.0.1:{}", self.port);
        let asked = Command::new(repository().join("e2e/prometheus/queries"))
            .args([&server, "--window", "10s"])
            // Counters begin with what they count, and no camera here sends what has to be held back.
            .args(["--may-lack", "streamhub_access_units_held_back_total"])
            .output()?;
        let table = String::from_utf8_lossy(&asked.stdout).into_owned();
        ensure!(
            asked.status.success(),
            "{table}\n{}",
            String::from_utf8_lossy(&asked.stderr)
        );
        Ok(table)
    }
}

/// A query as it stands in an address.
fn escaped(query: &str) -> String {
    let letter = |byte: u8| {
        if byte.is_ascii_alphanumeric() {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    query.bytes().map(letter).collect()
}

#[tokio::test]
async fn what_is_shipped_as_minutes_fires_within_seconds() -> Result<()> {
    let prometheus = Prometheus::start(Pace::Hurried)?;
    // It scrapes nothing, so no operator is at work.
    eventually_async(SCRAPED, "the operator to be missed", async || {
        let firing = prometheus.firing().await.ok()?;
        let down = |(alert, _): &(String, String)| alert == "StreamHubOperatorDown";
        firing.iter().any(down).then_some(())
    })
    .await
}
