//! Wrong configurations, and what the process says to each: by exit code and log, or by its status where waiting can help.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use streamhub_testkit::{Certificates, NatsServer, Proc, Testcam, clip, free_port};
use streamhub_wire::status::CameraState;

use crate::support::{Ingest, PATIENCE, SecretFolder};

/// Exit codes of sysexits.h and of clap.
const CONFIG: i32 = 78;
const START: i32 = 1;
const USAGE: i32 = 2;

fn camera(spec: &str) -> String {
    format!(
        "apiVersion: streamhub.dev/v1alpha1\nkind: Camera\nmetadata: {{name: cam}}\nspec: {spec}\n"
    )
}

fn hub(spec: &str) -> String {
    format!(
        "apiVersion: streamhub.dev/v1alpha1\nkind: StreamHub\nmetadata: {{name: default}}\nspec: {spec}\n"
    )
}

fn run(arguments: &[&str]) -> Proc {
    let mut command = Command::new(env!("CARGO_BIN_EXE_streamhub-ingest"));
    Proc::spawn("wrong", command.args(arguments)).unwrap()
}

/// Runs the process to its end and looks for `told` in its log, and for what must not be there.
fn assert_ends(what: &str, arguments: &[&str], code: i32, told: &[&str]) {
    let mut process = run(arguments);
    let ended = process.wait(PATIENCE).unwrap();
    let log = process.stderr();
    assert_eq!(ended.code(), Some(code), "{what}\n{log}");
    for told in told {
        assert!(log.contains(told), "{what}: {told:?} is not in\n{log}");
    }
    assert!(!log.contains("hunter2"), "{what}: a password in\n{log}");
    assert!(!log.contains("panicked"), "{what}\n{log}");
}

#[test]
fn wrong_documents_end_the_process_with_line_field_and_message() {
    let table = [
        ("no YAML", "{source: [".to_owned(), "camera.yaml:"),
        ("not a document", "just words".to_owned(), "camera.yaml"),
        (
            "zero fps",
            camera("{source: {test: {}}, frames: [{name: main, fps: 0}]}"),
            "camera.yaml:4: Camera cam: spec.frames[0].fps",
        ),
        (
            "too many fps",
            camera("{source: {test: {fps: 241}}}"),
            "spec.source.test.fps",
        ),
        (
            "two sources",
            camera("{source: {test: {}, file: {uri: a.mp4}}}"),
            "spec.source: exactly one of rtsp, v4l2, http, file and test must be set",
        ),
        (
            "no source",
            camera("{source: {}}"),
            "spec.source: exactly one of rtsp, v4l2, http, file and test must be set",
        ),
        (
            "a password in the URL",
            camera("{source: {rtsp: {url: 'rtsp://admin:hunter2@10.0.0.7/a'}}}"),
            "spec.source.rtsp.url",
        ),
        (
            "another scheme",
            camera("{source: {rtsp: {url: 'http://10.0.0.7/a'}}}"),
            "spec.source.rtsp.url",
        ),
        (
            "an unknown field",
            camera("{source: {test: {}}, frame: []}"),
            "unknown field \"spec.frame\"",
        ),
        (
            "a rendition twice",
            camera("{source: {test: {}}, frames: [{name: a}, {name: a}]}"),
            "spec.frames[1]",
        ),
        (
            "quality above 100",
            camera("{source: {test: {}}, frames: [{name: a, quality: 101}]}"),
            "spec.frames[0].quality",
        ),
        (
            "an odd width",
            camera("{source: {test: {}}, frames: [{name: a, width: 321}]}"),
            "must be even",
        ),
        (
            "a name that is no token",
            camera("{source: {test: {}}, frames: [{name: a.b}]}"),
            "spec.frames[0].name",
        ),
        ("another kind", hub("{}"), "camera.yaml"),
        (
            "two cameras",
            [
                camera("{source: {test: {}}}"),
                camera("{source: {test: {}}}").replace("cam}", "door}"),
            ]
            .join("---\n"),
            "camera.yaml",
        ),
    ];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("camera.yaml");
    for (what, document, told) in &table {
        std::fs::write(&file, document).unwrap();
        assert_ends(
            what,
            &["--camera", file.to_str().unwrap(), "--http", "127.0.0.1:0"],
            CONFIG,
            &[told],
        );
    }
    std::fs::remove_file(&file).unwrap();
    let gone = ["--camera", file.to_str().unwrap(), "--http", "127.0.0.1:0"];
    assert_ends(
        "no document",
        &gone,
        CONFIG,
        &["camera.yaml", "No such file"],
    );
}

#[test]
fn wrong_hubs_end_the_process_with_line_field_and_message() {
    let table = [
        (
            "a password in the URL",
            hub("{nats: {url: 'nats://cam:hunter2@10.0.0.7:4222'}}"),
            "spec.nats.url",
        ),
        (
            "a ttl of nothing",
            hub("{feedback: {ui: {events: [a], ttl: 0s}}}"),
            "hub.yaml:4: StreamHub default: spec.feedback[ui].ttl",
        ),
        (
            "a ttl for an unknown event",
            hub("{feedback: {ui: {events: [a], eventTtl: {b: 1s}}}}"),
            "every key must be one of the module's events",
        ),
        (
            "a wildcard in the prefix",
            hub("{nats: {subjectPrefix: 'a.>'}}"),
            "spec.nats.subjectPrefix",
        ),
        ("a camera", camera("{source: {test: {}}}"), "hub.yaml"),
    ];
    let folder = tempfile::tempdir().unwrap();
    let (file, hub_file) = (
        folder.path().join("camera.yaml"),
        folder.path().join("hub.yaml"),
    );
    std::fs::write(&file, camera("{source: {test: {}}}")).unwrap();
    let arguments = [
        "--camera",
        file.to_str().unwrap(),
        "--hub",
        hub_file.to_str().unwrap(),
        "--http",
        "127.0.0.1:0",
    ];
    assert_ends("no hub", &arguments, CONFIG, &["hub.yaml", "No such file"]);
    for (what, document, told) in &table {
        std::fs::write(&hub_file, document).unwrap();
        assert_ends(what, &arguments, CONFIG, &[told]);
    }
}

#[test]
fn wrong_arguments_end_the_process_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("camera.yaml");
    std::fs::write(&file, camera("{source: {test: {}}}")).unwrap();
    let file = file.to_str().unwrap();
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let busy = busy.local_addr().unwrap().to_string();
    let half = SecretFolder::of("nats", &[("tls.crt", "x")]);
    let hub_file = folder.path().join("hub.yaml");
    std::fs::write(
        &hub_file,
        hub("{nats: {credentialsSecretRef: {name: nats}}}"),
    )
    .unwrap();
    let hub_file = hub_file.to_str().unwrap();
    let free = "127.0.0.1:0";
    let table: [(&str, &[&str], i32, &[&str]); 7] = [
        ("no camera", &[], USAGE, &["--camera <FILE>"]),
        (
            "an unknown argument",
            &["--camera", file, "--colour"],
            USAGE,
            &["--colour"],
        ),
        (
            "no address",
            &["--camera", file, "--http", "nonsense"],
            USAGE,
            &["--http <ADDRESS>"],
        ),
        (
            "a port that is taken",
            &["--camera", file, "--http", &busy],
            START,
            &["--http", &busy, "cannot listen there"],
        ),
        (
            "a password in --nats-url",
            &[
                "--camera",
                file,
                "--http",
                free,
                "--nats-url",
                "nats://cam:hunter2@h:4222",
            ],
            START,
            &["NATS"],
        ),
        (
            "no NATS URL",
            &["--camera", file, "--http", free, "--nats-url", "http://h"],
            START,
            &["http://h"],
        ),
        (
            "half a client certificate",
            &[
                "--camera",
                file,
                "--http",
                free,
                "--hub",
                hub_file,
                "--secrets",
                half.path(),
            ],
            START,
            &["tls.key"],
        ),
    ];
    for (what, arguments, code, told) in table {
        assert_ends(what, arguments, code, told);
    }
}

/// A film with sound and no picture.
fn audio_only(path: &Path) {
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "sine=duration=1"])
        .arg(path)
        .status()
        .unwrap();
    assert!(made.success());
}

#[test]
fn files_that_can_never_be_played_end_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("folder.mp4")).unwrap();
    std::fs::write(at("empty.mp4"), "").unwrap();
    let noise: Vec<u8> = (0..200_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    std::fs::write(at("noise.mp4"), noise).unwrap();
    std::fs::write(at("words.mp4"), "These are words.\n".repeat(500)).unwrap();
    let whole = std::fs::read(clip("h264-1080p30.mp4").unwrap()).unwrap();
    std::fs::write(at("half.mp4"), &whole[..whole.len() / 2]).unwrap();
    std::fs::write(at("head.mp4"), &whole[..64]).unwrap();
    audio_only(&at("sound.mp4"));
    audio_only(&at("sound.wav"));
    let table = [
        ("missing.mp4", "FileNotFound", "No such file"),
        ("folder.mp4", "FileUnreadable", "is not a regular file"),
        ("empty.mp4", "FileUnreadable", "is empty"),
        ("noise.mp4", "FileUnreadable", "noise.mp4"),
        ("words.mp4", "FileUnreadable", "words.mp4"),
        ("half.mp4", "FileUnreadable", "half.mp4"),
        ("head.mp4", "FileUnreadable", "head.mp4"),
        (
            "sound.mp4",
            "FileUnreadable",
            "no video stream, only audio/mpeg",
        ),
        (
            "sound.wav",
            "FileUnreadable",
            "no video stream, only audio/x-raw",
        ),
    ];
    let file = at("camera.yaml");
    for (name, reason, told) in table {
        std::fs::write(
            &file,
            camera(&format!("{{source: {{file: {{uri: {name}}}}}}}")),
        )
        .unwrap();
        let port = free_port().unwrap();
        let nats = format!("nats://127.0.0.1:{port}");
        let arguments = [
            "--camera",
            file.to_str().unwrap(),
            "--http",
            "127.0.0.1:0",
            "--nats-url",
            &nats,
        ];
        let field = "spec.source.file.uri";
        assert_ends(
            name,
            &arguments,
            CONFIG,
            &[reason, told, field, "remedy", "cam"],
        );
    }
}

/// One that waits: its process, the reason that its status must give, and words of the message.
struct Waiting {
    ingest: Ingest,
    state: CameraState,
    reason: &'static str,
    told: &'static str,
}

impl Waiting {
    fn assert_told(mut self) {
        let Self {
            reason,
            told,
            state,
            ..
        } = self;
        let status = self
            .ingest
            .wait_for(reason, |status| status.reason == reason);
        assert_eq!(status.state, state, "{status:#?}");
        assert!(!status.ready && !status.remedy.is_empty(), "{status:#?}");
        assert!(
            status.message.contains(told),
            "{told:?} is not in {status:#?}"
        );
        let (code, body) = self.ingest.get("/readyz").unwrap();
        assert!(code == 503 && body.contains(reason), "{code} {body}");
        assert!(self.ingest.proc.is_running());
        let log = self.ingest.proc.stderr();
        assert!(log.contains("cam") && !log.contains("hunter2"), "{log}");
    }
}

#[test]
fn what_may_come_right_is_tried_again_and_the_status_says_why() {
    let nats = NatsServer::start().unwrap();
    let open = Testcam::options()
        .test_picture("/cam", "h264:320x180@10")
        .start()
        .unwrap();
    let locked = Testcam::options()
        .test_picture("/cam", "h264:320x180@10")
        .digest("viewer", "right")
        .start()
        .unwrap();
    let udp_only = Testcam::options()
        .test_picture("/cam", "h264:320x180@10")
        .udp_only()
        .start()
        .unwrap();
    let certificates = Certificates::generate().unwrap();
    let encrypted = Testcam::options()
        .test_picture("/cam", "h264:320x180@10")
        .tls(&certificates)
        .start()
        .unwrap();
    let nobody = format!("rtsp://127.0.0.1:{}/cam", free_port().unwrap());
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let mute = format!("rtsp://{}/cam", mute.local_addr().unwrap());
    let secrets = SecretFolder::of("door", &[("username", "viewer"), ("password", "hunter2")]);
    secrets.put("half", "username", "viewer");
    secrets.put("url", "url", "no url with hunter2");
    let rtsp = |url: &str, more: &str| format!("{{source: {{rtsp: {{url: '{url}'{more}}}}}}}");
    let secret = ", credentialsSecretRef: {name: ";
    let table = [
        (rtsp(&nobody, ""), "Unreachable", "127.0.0.1"),
        (
            rtsp("rtsp://camera.invalid/cam", ""),
            "Unreachable",
            "camera.invalid",
        ),
        (rtsp(&mute, ""), "NoAnswer", "Timeout"),
        (rtsp(&open.url("/other"), ""), "StreamNotFound", "/other"),
        (
            rtsp(&locked.url("/cam"), ""),
            "Unauthorized",
            "none is configured",
        ),
        (
            rtsp(&locked.url("/cam"), &format!("{secret}door}}")),
            "Unauthorized",
            "refuses the user name or password",
        ),
        (
            rtsp(&locked.url("/cam"), &format!("{secret}gone}}")),
            "SecretMissing",
            "Secret gone with the key username",
        ),
        (
            rtsp(&locked.url("/cam"), &format!("{secret}half}}")),
            "SecretMissing",
            "Secret half with the key password",
        ),
        (
            "{source: {rtsp: {urlSecretRef: {name: url, key: url}}}}".to_owned(),
            "InvalidUrl",
            "no rtsp:// or rtsps:// URL",
        ),
        (
            rtsp(&udp_only.url("/cam"), ""),
            "TransportRefused",
            "127.0.0.1",
        ),
        (
            rtsp(&encrypted.url("/cam"), ""),
            "CertificateRefused",
            "127.0.0.1",
        ),
    ];
    // Each has a name of its own: two of one name would fence each other.
    let named = table.into_iter().enumerate();
    let waiting: Vec<Waiting> = named
        .map(|(n, (spec, reason, told))| Waiting {
            ingest: Ingest::with(
                &format!("cam{n}"),
                &spec,
                &nats,
                None,
                &["--secrets", secrets.path()],
            ),
            state: CameraState::Reconnecting,
            reason,
            told,
        })
        .collect();
    waiting.into_iter().for_each(Waiting::assert_told);
}

#[test]
fn a_server_that_cannot_be_used_is_told_while_the_camera_runs() {
    let locked = NatsServer::options().user("cam", "right").start().unwrap();
    let mut dead = NatsServer::start().unwrap();
    dead.stop().unwrap();
    let secrets = SecretFolder::of("wrong", &[("username", "cam"), ("password", "hunter2")]);
    secrets.put("half", "password", "hunter2");
    let hub = |name: &str| {
        Some(format!(
            "{{nats: {{credentialsSecretRef: {{name: {name}}}}}}}"
        ))
    };
    let table = [
        (&locked, None, "NatsUnauthorized", "unauthorized"),
        (&locked, hub("wrong"), "NatsUnauthorized", "unauthorized"),
        (&locked, hub("half"), "NatsUnauthorized", "unauthorized"),
        (&locked, hub("gone"), "NatsUnauthorized", "unauthorized"),
        (&dead, None, "NatsUnavailable", "no connection"),
    ];
    let spec = "{source: {test: {width: 64, height: 64}}}";
    let waiting = table.map(|(nats, hub, reason, told)| Waiting {
        ingest: Ingest::with(
            "cam",
            spec,
            nats,
            hub.as_deref(),
            &["--secrets", secrets.path()],
        ),
        state: CameraState::Streaming,
        reason,
        told,
    });
    waiting.into_iter().for_each(Waiting::assert_told);
}
