//! What a bundle of a cluster holds, with an API server that knows a few answers.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests and what only they use"
)]

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use streamhub_testkit::canary::PASSWORD;
use support::{finished, streamhub};

/// Answers GET on a few paths, and says of all others that there is no such thing.
struct ApiServer {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl ApiServer {
    fn start(answers: BTreeMap<&'static str, Value>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answers, paths) = (Arc::new(answers), Arc::clone(&asked));
        // It ends with the test.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (answers, paths) = (Arc::clone(&answers), Arc::clone(&paths));
                std::thread::spawn(move || serve(stream.unwrap(), &answers, &paths));
            }
        });
        Self { port, asked }
    }
}

/// One connection, request after request.
fn serve(mut stream: TcpStream, answers: &BTreeMap<&str, Value>, asked: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    while let Some(Ok(request)) = lines.next() {
        let whole = request.split(' ').nth(1).unwrap_or_default().to_owned();
        while lines
            .next()
            .is_some_and(|line| line.is_ok_and(|it| !it.is_empty()))
        {}
        let path = whole.split('?').next().unwrap_or_default();
        let (code, body) = if let Some(answer) = answers.get(path) {
            ("200 OK", answer.to_string())
        } else {
            let status =
                json!({"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404});
            ("404 Not Found", status.to_string())
        };
        asked.lock().unwrap().push(whole);
        let head = "Content-Type: application/json\r\nContent-Length";
        let answer = format!("HTTP/1.1 {code}\r\n{head}: {}\r\n\r\n{body}", body.len());
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn list(items: &[Value]) -> Value {
    json!({"metadata": {}, "items": items})
}

fn part(component: &str, namespace: &str, spec: &Value) -> Value {
    let labels =
        json!({"app.kubernetes.io/name": "streamhub", "app.kubernetes.io/component": component});
    let name = format!("streamhub-{component}");
    json!({"metadata": {"name": name, "namespace": namespace, "labels": labels}, "spec": spec})
}

/// An installation with a Camera whose pod's name somebody else's pod has.
fn installed() -> BTreeMap<&'static str, Value> {
    let workload = json!({"selector": {}, "template": {"spec": {"containers": []}}});
    let parts = ["operator", "nats", "node-agent"].map(|it| part(it, "system", &workload));
    let camera = json!({
        "apiVersion": "streamhub.dev/v1alpha1", "kind": "Camera", "metadata": {"name": "door", "namespace": "site"},
        "spec": {"source": {"test": {}}},
    });
    let taken = json!({
        "metadata": {"name": "cam-door", "namespace": "site", "labels": {"app": "other"}},
        "spec": {"containers": [{"name": "a", "args": ["-p", PASSWORD]}]},
    });
    let device = json!({
        "apiVersion": "streamhub.dev/v1alpha1", "kind": "VideoDevice", "metadata": {"name": "n1-0123456789"},
    });
    let mut settings = part("nats", "system", &json!(null));
    settings["data"] =
        json!({"nats.conf": format!("authorization: {{user: a, password: {PASSWORD}}}")});
    let version = json!({
        "major": "1", "minor": "34", "gitVersion": "v1.34.0", "gitCommit": "", "gitTreeState": "",
        "buildDate": "", "goVersion": "", "compiler": "", "platform": "",
    });
    let named = |name: &str| json!({"metadata": {"name": name, "namespace": "site"}});
    BTreeMap::from([
        ("/version", version),
        ("/apis/apps/v1/deployments", list(&parts[..2])),
        ("/apis/apps/v1/daemonsets", list(&parts[2..])),
        ("/api/v1/configmaps", list(&[settings])),
        ("/apis/streamhub.dev/v1alpha1/videodevices", list(&[device])),
        (
            "/apis/streamhub.dev/v1alpha1/namespaces/site/cameras",
            list(&[camera]),
        ),
        ("/api/v1/namespaces/site/pods", list(&[taken])),
        (
            "/api/v1/namespaces/site/resourcequotas",
            list(&[named("pods")]),
        ),
        ("/api/v1/namespaces/site/limitranges", list(&[named("cpu")])),
    ])
}

fn texts(archive: &Path) -> BTreeMap<String, String> {
    let reader = flate2::read::GzDecoder::new(std::fs::File::open(archive).unwrap());
    let mut archive = tar::Archive::new(reader);
    let entries = archive.entries().unwrap();
    entries
        .map(|entry| {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            (path, text)
        })
        .collect()
}

#[test]
fn a_bundle_holds_what_explains_an_installation_and_nothing_of_other_pods() {
    let server = ApiServer::start(installed());
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("config");
    let config = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: lab\n\
         clusters: [{{name: lab, cluster: {{server: 'http://127.0.0.1:{}'}}}}]\n\
         users: [{{name: me, user: {{}}}}]\n\
         contexts: [{{name: lab, context: {{cluster: lab, user: me, namespace: site}}}}]\n",
        server.port
    );
    std::fs::write(&kubeconfig, config).unwrap();
    let file = folder.path().join("report.tar.gz");
    let mut doctor = streamhub();
    doctor.args(["doctor", "--kubeconfig"]).arg(&kubeconfig);
    let (code, out, errors) = finished(doctor.arg("--bundle").arg(&file));
    assert_eq!(code, 1, "{out}{errors}");

    let texts = texts(&file);
    for (path, text) in &texts {
        assert!(!text.contains(PASSWORD), "{path}: {text}");
    }
    for wanted in [
        "cameras/site/door.json",
        "configmaps/system/streamhub-nats.json",
        "daemonsets/system/streamhub-node-agent.json",
        "deployments/system/streamhub-nats.json",
        "deployments/system/streamhub-operator.json",
        "limitranges/site/cpu.json",
        "pods/site/cam-door.json",
        "resourcequotas/site/pods.json",
        "videodevices/n1-0123456789.json",
    ] {
        let there = texts.contains_key(&format!("streamhub/{wanted}"));
        assert!(there, "{wanted}: {:?}", texts.keys());
    }
    let asked = server.asked.lock().unwrap();
    for never in ["/log", "secrets"] {
        assert!(!asked.iter().any(|path| path.contains(never)), "{asked:?}");
    }
}
