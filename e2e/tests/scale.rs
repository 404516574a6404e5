//! Many cameras. Their pods are objects on nodes that do not exist, and answer no question; the operator is the real one.

use std::fmt::Write as _;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use streamhub_e2e::{Audit, Cluster, FakeNodes, Installation, Namespace, Operator};

const MEGABYTE: f64 = 1e6;
/// What the operator may take, in bytes.
const ROOM: f64 = 100.0 * MEGABYTE;
/// A camera that exists streams in this time, however many others do not answer. To ask 5,000 that do not, 256 at a time
/// for a second each, takes longer.
const SOON: Duration = Duration::from_secs(15);
/// For each camera, from its pod to rest. Eight or so are made: its pod, its status a few times, three events.
const MOST_REQUESTS: f64 = 30.0;
const REST: Duration = Duration::from_mins(2);

/// So many cameras, of which each has a URL of its own.
fn cameras(number: usize) -> Result<String> {
    let mut documents = String::new();
    for index in 0..number {
        let (net, host) = (index / 250, index % 250 + 1);
        writeln!(
            documents,
            "---\n{{apiVersion: streamhub.dev/v1alpha1, kind: Camera, metadata: {{name: c{index}}}, \
             spec: {{source: {{rtsp: {{url: \"rtsp://192.168.{net}.{host}/a\"}}}}, pod: {}}}}}",
            FakeNodes::PLACE
        )?;
    }
    Ok(documents)
}

/// Asks every second until it is so.
fn until(limit: Duration, what: &str, mut is: impl FnMut() -> Result<bool>) -> Result<()> {
    let begin = Instant::now();
    while !is()? {
        if begin.elapsed() > limit {
            bail!("not within {limit:?}: {what}");
        }
        sleep(Duration::from_secs(1));
    }
    Ok(())
}

/// How long it takes until a real camera streams.
fn one_that_exists(cluster: &Cluster, namespace: &Namespace, name: &str) -> Result<Duration> {
    let camera = format!(
        "{{apiVersion: streamhub.dev/v1alpha1, kind: Camera, metadata: {{name: {name}}}, spec: {{source: {{test: {{}}}}}}}}"
    );
    let begin = Instant::now();
    cluster.apply(namespace.name(), &camera)?;
    let camera = format!("camera/{name}");
    let ready = [
        "wait",
        "-n",
        namespace.name(),
        "--for=condition=Ready",
        &camera,
    ];
    cluster.kubectl(&[&ready[..], &["--timeout=120s"]].concat())?;
    Ok(begin.elapsed())
}

fn reconciled(number: usize) -> Result<()> {
    let cluster = Cluster::here()?;
    if Audit::from_now()?.is_none() {
        return Ok(());
    }
    let _installation = Installation::install(&cluster, &[])?;
    let operator = Operator::of(&cluster);
    let real = Namespace::create(&cluster, "real")?;
    let alone = one_that_exists(&cluster, &real, "alone")?;
    let _nodes = FakeNodes::start(&cluster, number)?;
    let many = Namespace::create(&cluster, "many")?;

    // All at once is the most that can be asked of it: an operator that starts where they are already written.
    operator.stop()?;
    let created = Instant::now();
    cluster.create(many.name(), &cameras(number)?)?;
    println!("{number} cameras: written in {:.0?}", created.elapsed());
    let begin = Audit::from_now()?.context("no audit log")?;
    let started = Instant::now();
    operator.start()?;
    let limit = Duration::from_mins(2) + Duration::from_millis(200) * u32::try_from(number)?;
    let total = number as f64;
    until(limit, "all pods made", || {
        Ok(operator.metric("streamhub_operator_writes_total", "write=\"pod-created\"")? >= total)
    })?;
    let made = started.elapsed();
    println!(
        "  all pods made {made:.0?} after the operator's start, {:.0} a second",
        total / made.as_secs_f64()
    );
    until(limit, "all cameras streaming", || {
        let states = operator.metric("streamhub_operator_cameras", "state=\"Streaming\"")?;
        Ok(states >= total + 1.0)
    })?;
    println!("  all statuses say so after {:.0?}", started.elapsed());
    let among = one_that_exists(&cluster, &real, "among")?;
    println!("  a real camera streams after {among:.1?}, without the others after {alone:.1?}");
    ensure!(among < SOON, "a real camera waited for {among:?}");

    // Each is asked three times, with more and more between.
    until(limit, "all silent pods named", || {
        sleep(Duration::from_secs(10));
        let reasons = "jsonpath={.items[*].status.reason}";
        let reasons = cluster.kubectl(&["get", "cameras", "-n", many.name(), "-o", reasons])?;
        Ok(reasons.matches("StatusUnreachable").count() == number)
    })?;
    until(limit, "no write in half a minute", || {
        let quiet = Audit::from_now()?.context("no audit log")?;
        sleep(Duration::from_secs(30));
        Ok(quiet.writes_by(Operator::USER)?.is_empty())
    })?;
    let requests = begin.requests_by(Operator::USER)?;
    let each: Vec<String> = requests
        .iter()
        .map(|(request, number)| format!("{request} {:.2}", *number as f64 / total))
        .collect();
    let all: u64 = requests.values().sum();
    println!(
        "  requests per camera: {:.2} ({})",
        all as f64 / total,
        each.join(", ")
    );
    ensure!((all as f64) < MOST_REQUESTS * total, "{all} requests");
    let resting = Audit::from_now()?.context("no audit log")?;
    sleep(REST);
    let written = resting.writes_by(Operator::USER)?;
    ensure!(written.is_empty(), "written at rest: {written:#?}");
    let memory = operator.memory()?;
    println!(
        "  nothing written in {REST:?} of rest; memory {:.0} MB, at most {:.0} MB",
        memory.now as f64 / MEGABYTE,
        memory.most as f64 / MEGABYTE
    );

    let removing = Instant::now();
    cluster.kubectl(&[
        "delete",
        "cameras",
        "--all",
        "-n",
        many.name(),
        "--wait=false",
    ])?;
    until(limit, "all pods gone", || {
        let first = cluster.kubectl(&["get", "--raw", "/api/v1/namespaces/many/pods?limit=1"])?;
        let first: Value = serde_json::from_str(&first)?;
        Ok(first
            .get("items")
            .and_then(Value::as_array)
            .is_some_and(Vec::is_empty))
    })?;
    println!("  all gone {:.0?} after their deletion", removing.elapsed());
    ensure!((memory.most as f64) < ROOM, "the operator took {memory:?}");
    Ok(())
}

#[test]
#[ignore = "ten minutes"]
fn five_hundred_cameras_are_made_and_left_alone() -> Result<()> {
    reconciled(500)
}

#[test]
#[ignore = "half an hour"]
fn five_thousand_cameras_are_made_and_left_alone() -> Result<()> {
    reconciled(5000)
}
