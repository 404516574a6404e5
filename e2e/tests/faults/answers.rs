//! An operator that the real API server answers badly, late or not at all, and to which it tells late or never what happens.

use std::thread::{self, sleep};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use http::Method;
use streamhub_e2e::{
    Camera, CameraPod, Cluster, Events, Fault, Faults, FaultyApi, Namespace, Operator, Order,
    StandIn,
};
use streamhub_testkit::Proc;

use crate::support::{SOON, TEST_PICTURE, install};

/// In place, and by another pod.
const FASTER: &str = "source: {test: {}}, frames: [{name: main, fps: 9, width: 320}]";
const OTHER: &str = "source: {test: {}}, frames: [{name: main, fps: 9, width: 320}], \
     pod: {resources: {requests: {cpu: 11m}}}";
/// What happens meanwhile is old by then.
const MEANWHILE: Duration = Duration::from_secs(4);

/// For a camera each: a refusal twice, and once what an operator does not ask for again, or only when its patience is over.
const FAULTS: [(&str, Fault, usize); 8] = [
    ("gate-409", Fault::Refused(409, "Conflict"), 2),
    ("gate-410", Fault::Refused(410, "Gone"), 2),
    ("gate-429", Fault::Refused(429, "TooManyRequests"), 2),
    ("gate-500", Fault::Refused(500, "InternalError"), 2),
    ("gate-503", Fault::Refused(503, "ServiceUnavailable"), 2),
    ("gate-late", Fault::Late(Duration::from_secs(3)), 1),
    ("gate-lost", Fault::Lost, 1),
    ("gate-unanswered", Fault::Unanswered, 1),
];

/// An operator in the place of the chart's, with its settings and its rights.
struct Stand {
    api: FaultyApi,
    operator: Proc,
    chart: Operator,
    _program: StandIn,
}

impl Stand {
    async fn begin(cluster: &Cluster) -> Result<Self> {
        let chart = Operator::of(cluster);
        let api = FaultyApi::open(cluster, Operator::USER).await?;
        let program = StandIn::new(cluster, "stand-in", &kubeconfig_to(api.port()))?;
        chart.stop()?;
        let operator = program.start()?;
        Ok(Self {
            api,
            operator,
            chart,
            _program: program,
        })
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        let ended = self.operator.terminate(Duration::from_secs(20));
        if let Err(error) = ended.map(drop).and_then(|()| self.chart.start()) {
            eprintln!("{error:#}");
        }
    }
}

fn kubeconfig_to(port: u16) -> String {
    format!(
        "{{apiVersion: v1, kind: Config, current-context: c, \
         clusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:{port}'}}}}], \
         users: [{{name: c, user: {{}}}}], contexts: [{{name: c, context: {{cluster: c, user: c}}}}]}}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_api_server_answers_the_camera_runs_as_written() -> Result<()> {
    if Faults::here().is_none() {
        return Ok(());
    }
    let cluster = Cluster::here()?;
    let _installation = install(&cluster)?;
    let namespace = Namespace::create(&cluster, "answers")?;
    let stand = Stand::begin(&cluster).await?;
    thread::scope(|scope| {
        let at_once = FAULTS.map(|(name, fault, times)| {
            let gate = Gate {
                stand: &stand,
                namespace: &namespace,
                name,
                fault,
                times,
            };
            scope.spawn(move || gate.lives().with_context(|| format!("{fault:?}")))
        });
        for one in at_once {
            one.join().map_err(|_| anyhow!("a thread panicked"))??;
        }
        Ok(())
    })
}

/// A camera of which all writes meet one fault.
struct Gate<'a> {
    stand: &'a Stand,
    namespace: &'a Namespace,
    name: &'static str,
    fault: Fault,
    times: usize,
}

impl Gate<'_> {
    /// It is made, changed in place, and changed so that it needs another pod.
    fn lives(&self) -> Result<()> {
        self.meets(Method::PATCH, "/status");
        self.meets(Method::POST, "/pods");
        let cluster = self.namespace.cluster();
        let gate = Camera::apply(cluster, self.namespace.name(), self.name, TEST_PICTURE)?;
        let pod = gate.is_ready_within(SOON)?;
        self.has_met_them()?;

        self.meets(Method::PATCH, "/pods/");
        gate.change(FASTER)?;
        ensure!(gate.is_ready_within(SOON)? == pod, "the pod was replaced");
        self.has_met_them()?;

        self.meets(Method::DELETE, "/pods/");
        gate.change(OTHER)?;
        next_pod(&gate, &pod)?;
        self.has_met_them()
    }

    fn meets(&self, method: Method, path: &'static str) {
        self.stand.api.does(Order {
            fault: self.fault,
            times: self.times,
            method,
            path,
            about: self.name.to_owned(),
        });
    }

    fn has_met_them(&self) -> Result<()> {
        let left = self.stand.api.has_not_done(self.name);
        ensure!(left.is_empty(), "the operator did not ask: {left:?}");
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_watches_tell_late_or_never_is_found_in_the_end() -> Result<()> {
    if Faults::here().is_none() {
        return Ok(());
    }
    let cluster = Cluster::here()?;
    let _installation = install(&cluster)?;
    let namespace = Namespace::create(&cluster, "events")?;
    let stand = Stand::begin(&cluster).await?;
    let gate = Camera::apply(&cluster, namespace.name(), "gate", TEST_PICTURE)?;
    let mut pod = gate.is_ready_within(SOON)?;
    let ways = [
        (Events::Late, Events::Told),
        (Events::Lost, Events::Cut),
        (Events::Lost, Events::Expired),
    ];
    for (spec, (meanwhile, then)) in [OTHER, FASTER, TEST_PICTURE].into_iter().zip(ways) {
        stand.api.events_are(meanwhile);
        gate.change(spec)?;
        let delete = ["delete", "pod", &gate.pod_name(), "-n", namespace.name()];
        cluster.kubectl(&delete)?;
        sleep(MEANWHILE);
        stand.api.events_are(then);
        pod = next_pod(&gate, &pod).with_context(|| format!("{meanwhile:?}, then {then:?}"))?;
    }
    Ok(())
}

fn next_pod(camera: &Camera, old: &CameraPod) -> Result<CameraPod> {
    let pod = camera.is_ready_in_another_pod_within(SOON, old)?;
    // An operator that believed what is old would make it anew.
    sleep(MEANWHILE);
    ensure!(camera.pod()? == pod, "the pod was replaced again");
    Ok(pod)
}
