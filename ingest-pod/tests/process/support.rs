//! One `streamhub-ingest` under test, and a reader of what it publishes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use streamhub_testkit::{Folder, NatsServer, Proc, eventually, free_port};
use streamhub_wire::connect::NatsSettings;
use streamhub_wire::status::{CameraState, CameraStatus};
use streamhub_wire::subjects::{Prefix, Token};
use streamhub_wire::subscribe::{Consumer, Frame, FrameStream};

/// Long enough for a busy machine; what takes so long has failed.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A camera's process with its documents in a folder of its own.
pub struct Ingest {
    pub proc: Proc,
    pub folder: Folder,
    name: String,
    http: u16,
    command: Vec<String>,
    environment: Vec<(String, String)>,
}

impl Ingest {
    /// Starts a camera: `spec` is the Camera's `spec` as YAML in flow style.
    pub fn start(name: &str, spec: &str, nats: &NatsServer) -> Self {
        Self::with(name, spec, nats, None, &[])
    }

    /// The same with a hub's `spec` and more arguments.
    pub fn with(
        name: &str,
        spec: &str,
        nats: &NatsServer,
        hub: Option<&str>,
        more: &[&str],
    ) -> Self {
        Self::of_document(name, &camera(name, spec), nats, hub, more, &[])
    }

    /// The same with the whole Camera document and more environment.
    pub fn of_document(
        name: &str,
        document: &str,
        nats: &NatsServer,
        hub: Option<&str>,
        more: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let folder = Folder::new().expect("temporary folder");
        let camera = folder.write("camera.yaml", document).expect("file");
        let http = free_port().expect("free port");
        let mut command: Vec<String> = ["--camera", &path(camera), "--nats-url", &nats.url()]
            .map(str::to_owned)
            .to_vec();
        command.extend(["--http".to_owned(), format!("127.0.0.1:{http}")]);
        if let Some(spec) = hub {
            let hub = folder.write("hub.yaml", &hub_document(spec)).expect("file");
            command.extend(["--hub".to_owned(), path(hub)]);
        }
        command.extend(more.iter().map(|&arg| arg.to_owned()));
        let environment: Vec<_> = environment
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let proc = spawn(name, &command, &environment);
        Self {
            proc,
            folder,
            name: name.to_owned(),
            http,
            command,
            environment,
        }
    }

    /// Starts the same command once more, after the last one has ended.
    pub fn again(&mut self) {
        self.proc = spawn(&self.name, &self.command, &self.environment);
    }

    /// Writes another Camera document, as a user who edits it.
    pub fn edit(&self, spec: &str) {
        self.folder
            .write("camera.yaml", &camera(&self.name, spec))
            .expect("file");
    }

    /// Writes another hub document; only for a process that was started with one.
    pub fn edit_hub(&self, spec: &str) {
        self.folder
            .write("hub.yaml", &hub_document(spec))
            .expect("file");
    }

    /// `GET path` on the process's HTTP port: status code and body.
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        http_get(self.http, path)
    }

    /// The status as `/status` tells it.
    pub fn status(&self) -> Option<CameraStatus> {
        let (_, body) = self.get("/status")?;
        CameraStatus::parse(body.as_bytes()).ok()
    }

    /// Waits until the status is as wanted.
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&CameraStatus) -> bool) -> CameraStatus {
        let seen = eventually(PATIENCE, what, || self.status().filter(&wanted));
        seen.unwrap_or_else(|error| {
            panic!(
                "{}: {error}; last status {:#?}\n{}",
                self.name,
                self.status(),
                self.proc.last_words()
            )
        })
    }

    /// Waits until frames flow and NATS is connected.
    pub fn wait_ready(&self) -> CameraStatus {
        self.wait_for("ready", |status| {
            status.ready && status.state == CameraState::Streaming
        })
    }
}

/// `GET path` from a port of this machine: status code and body.
pub fn http_get(port: u16, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .ok()?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let code = answer.split(' ').nth(1)?.parse().ok()?;
    let body = answer.split_once("\r\n\r\n")?.1.to_owned();
    Some((code, body))
}

/// A Camera document.
pub fn camera(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: streamhub.dev/v1alpha1\nkind: Camera\nmetadata: {{name: {name}}}\nspec: {spec}\n"
    )
}

fn hub_document(spec: &str) -> String {
    format!(
        "apiVersion: streamhub.dev/v1alpha1\nkind: StreamHub\nmetadata: {{name: default}}\nspec: {spec}\n"
    )
}

fn path(path: PathBuf) -> String {
    path.into_os_string().into_string().expect("UTF-8 path")
}

fn spawn(name: &str, arguments: &[String], environment: &[(String, String)]) -> Proc {
    let mut command = Command::new(env!("CARGO_BIN_EXE_streamhub-ingest"));
    command
        .args(arguments)
        .envs(environment.iter().map(|(key, value)| (key, value)));
    Proc::spawn(name, &mut command).expect("the process starts")
}

/// The prefix of the hub that is implied everywhere.
pub fn prefix() -> Prefix {
    Prefix::new("streamhub.default.default").expect("valid prefix")
}

/// A name as subject token.
pub fn token(name: &str) -> Token {
    Token::new(name).expect("valid token")
}

/// A reader of the implied hub.
pub async fn consumer(nats: &NatsServer) -> Consumer {
    let settings = NatsSettings {
        url: nats.url(),
        secrets: None,
        name: "test".to_owned(),
        inbox_prefix: "_INBOX.test".to_owned(),
    };
    Consumer::connect(&settings, prefix())
        .await
        .expect("settings are valid")
}

/// The frames of one rendition; nothing is dropped by age.
pub async fn frames(consumer: &Consumer, camera: &str, rendition: &str) -> FrameStream {
    consumer
        .frames(&token(camera), &token(rendition), Duration::MAX)
        .await
        .expect("subscribed")
}

/// The next frame of a stream.
pub async fn next(stream: &mut FrameStream) -> Frame {
    tokio::time::timeout(PATIENCE, stream.next())
        .await
        .expect("a frame within patience")
        .expect("the stream goes on")
        .expect("a valid frame")
}

/// Mounted Secrets, as `--secrets` takes them: `<folder>/<name>/<key>`.
pub struct SecretFolder(Folder);

impl SecretFolder {
    /// One Secret with these keys; more may follow.
    pub fn of(name: &str, keys: &[(&str, &str)]) -> Self {
        let secrets = Self(Folder::new().expect("temporary folder"));
        for (key, value) in keys {
            secrets.put(name, key, value);
        }
        secrets
    }

    /// Writes or replaces one key.
    pub fn put(&self, name: &str, key: &str, value: &str) {
        let folder = self.0.path().join(name);
        std::fs::create_dir_all(&folder).expect("folder of a Secret");
        let aside = folder.join(format!(".{key}"));
        std::fs::write(&aside, value).expect("key of a Secret");
        std::fs::rename(aside, folder.join(key)).expect("key of a Secret");
    }

    /// The folder, for the command line.
    pub fn path(&self) -> &str {
        self.0.path().to_str().expect("UTF-8 path")
    }
}
