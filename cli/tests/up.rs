//! `streamhub up` as a supervisor: real processes, a real NATS server, a stand-in for the ingest program.

mod support;

use std::net::TcpListener;
use std::time::{Duration, Instant};

use streamhub_testkit::canary::{PASSWORD, Search};
use streamhub_testkit::{Folder, Signal, eventually, free_port};
use support::{DEAF, QUIET, SOON, Up, finished, kill, stand_in, test_camera, wait_until_gone};

#[test]
fn nothing_outlives_a_parent_that_is_killed() {
    let mut up = Up::start(DEAF, &["door", "yard"]);
    let children = up.children();
    assert_eq!(children.len(), 3);
    up.process.kill().unwrap();
    wait_until_gone(&children);
}

#[test]
fn an_interrupt_ends_everything_with_success() {
    let mut up = Up::start(QUIET, &["door", "yard"]);
    let children = up.children();
    up.process.signal(Signal::INT).unwrap();
    assert_eq!(up.process.wait(SOON).unwrap().code(), Some(0));
    wait_until_gone(&children);
    assert!(
        up.runtime().is_none(),
        "nobody is told of processes that are gone"
    );
}

#[test]
fn an_interrupt_before_the_nats_server_answers_ends_it_too() {
    let programs = Folder::new().unwrap();
    let note = programs.path().join("pid");
    let silent = format!("#!/bin/sh\necho $$ >{}\nexec sleep 600\n", note.display());
    let server = stand_in(&programs.path().join("nats-server"), &silent);
    let manifests = Folder::new().unwrap();
    manifests
        .write("door.yaml", &test_camera("door", ""))
        .unwrap();
    let more = ["--nats-server", server.to_str().unwrap()];
    let mut up = Up::start_in(manifests, QUIET, &more);
    let pid: u64 = eventually(SOON, "the silent server", || {
        std::fs::read_to_string(&note).ok()?.trim().parse().ok()
    })
    .unwrap();
    up.process.signal(Signal::INT).unwrap();
    assert_eq!(up.process.wait(SOON).unwrap().code(), Some(0));
    wait_until_gone(&[pid]);
    assert!(
        up.incarnations("door").is_empty(),
        "no camera was started on the way out"
    );
}

#[test]
fn a_second_interrupt_does_not_wait_for_the_deaf() {
    let mut up = Up::start(DEAF, &["door"]);
    up.process.wait_for_line("[door] given", SOON).unwrap();
    let began = Instant::now();
    up.process.signal(Signal::INT).unwrap();
    up.process.wait_for_line("stopping camera", SOON).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert!(up.process.is_running(), "one interrupt gives them time");
    up.process.signal(Signal::INT).unwrap();
    assert_eq!(up.process.wait(SOON).unwrap().code(), Some(0));
    assert!(
        began.elapsed() < Duration::from_secs(8),
        "the deaf one had ten seconds"
    );
}

#[test]
fn a_taken_port_moves_the_nats_server_to_the_next() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let manifests = Folder::new().unwrap();
    manifests
        .write("door.yaml", &test_camera("door", ""))
        .unwrap();
    let mut up = Up::start_on(port, manifests, QUIET, &[]);
    up.process
        .wait_for_line(&format!("port {port} is taken"), SOON)
        .unwrap();
    let url = up.nats_url();
    let chosen: u16 = url.rsplit_once(':').unwrap().1.parse().unwrap();
    assert!(chosen > port);
    up.process
        .wait_for_line(&format!("NATS server on {url}"), SOON)
        .unwrap();
}

#[test]
fn a_manifest_that_comes_changes_or_goes_touches_only_its_camera() {
    let mut up = Up::start(QUIET, &["door", "yard"]);
    let first = up.cameras();

    up.manifests
        .write("gate.yaml", &test_camera("gate", ""))
        .unwrap();
    let added = up.wait_for_cameras(&["door", "gate", "yard"]);
    assert_eq!(
        (added["door"], added["yard"]),
        (first["door"], first["yard"])
    );

    let faster = test_camera("door", ", frames: [{name: main, fps: 30}]");
    up.manifests.write("door.yaml", &faster).unwrap();
    up.process
        .wait_for_line("taken over in place camera=door", SOON)
        .unwrap();
    let document =
        std::fs::read_to_string(up.state().join("cameras/default/door/camera.yaml")).unwrap();
    assert!(
        document.contains("30") && document.contains("\"generation\": 2"),
        "{document}"
    );
    assert_eq!(
        up.cameras(),
        added,
        "what can be taken over in place restarts nothing"
    );

    let other = test_camera("door", "").replace("test: {}", "file: {uri: clip.mp4}");
    up.manifests.write("door.yaml", &other).unwrap();
    let replaced = eventually(SOON, "another process for door", || {
        let now = up.cameras();
        (now.get("door")? != &first["door"]).then_some(now)
    })
    .unwrap();
    assert_eq!(
        (replaced["gate"], replaced["yard"]),
        (added["gate"], first["yard"])
    );
    let incarnations = up.wait_for_starts("door", 2);
    assert!(incarnations[0] < incarnations[1]);

    up.manifests.remove("door.yaml").unwrap();
    let rest = up.wait_for_cameras(&["gate", "yard"]);
    assert_eq!((rest["gate"], rest["yard"]), (added["gate"], first["yard"]));
    wait_until_gone(&[replaced["door"]]);
}

#[test]
fn an_invalid_change_keeps_the_last_good_one_and_says_so() {
    let mut up = Up::start(QUIET, &["door", "yard"]);
    let before = up.cameras();
    up.manifests
        .write(
            "door.yaml",
            &test_camera("door", ", frames: [{name: main, fps: 0}]"),
        )
        .unwrap();
    up.process
        .wait_for_line("door.yaml:4: Camera door: spec.frames[0].fps", SOON)
        .unwrap();
    up.process
        .wait_for_line("runs on its last good manifest", SOON)
        .unwrap();
    up.manifests.write("yard.yaml", "kind: [").unwrap();
    up.process.wait_for_line("yard.yaml", SOON).unwrap();
    up.manifests
        .write("gate.yaml", &test_camera("gate", ""))
        .unwrap();
    let after = up.wait_for_cameras(&["door", "gate", "yard"]);
    assert_eq!(
        (after["door"], after["yard"]),
        (before["door"], before["yard"])
    );
}

#[test]
fn a_bad_manifest_at_the_start_hurts_no_other() {
    let manifests = Folder::new().unwrap();
    manifests
        .write("bad.yaml", &test_camera("bad", ", speed: 3"))
        .unwrap();
    manifests
        .write("door.yaml", &test_camera("door", ""))
        .unwrap();
    let mut up = Up::start_in(manifests, QUIET, &[]);
    up.wait_for_cameras(&["door"]);
    up.process
        .wait_for_line("bad.yaml:4: Camera bad: spec.speed", SOON)
        .unwrap();
}

#[test]
fn only_one_holds_a_state_folder() {
    let up = Up::start(QUIET, &["door"]);
    let (code, _, errors) = finished(&mut up.another());
    assert_eq!(code, 6, "{errors}");
    assert!(
        errors.contains(&format!("process {}", up.process.id())),
        "{errors}"
    );
}

#[test]
fn a_process_that_dies_comes_back_higher_and_alone() {
    let up = Up::start(QUIET, &["door", "yard"]);
    let before = up.cameras();
    up.wait_for_starts("door", 1);
    kill(before["door"]);
    let incarnations = up.wait_for_starts("door", 2);
    assert!(incarnations[0] < incarnations[1]);
    assert_eq!(
        up.wait_for_cameras(&["door", "yard"])["yard"],
        before["yard"]
    );
}

#[test]
fn a_nats_server_that_dies_comes_back_on_its_port() {
    let up = Up::start(QUIET, &["door"]);
    let (url, pid, cameras) = (up.nats_url(), up.nats_pid(), up.cameras());
    kill(pid);
    eventually(SOON, "another server", || {
        (up.runtime()?["nats"]["pid"].as_u64()? != pid).then_some(())
    })
    .unwrap();
    let address = url.strip_prefix("nats://").unwrap();
    eventually(SOON, "connections", || {
        std::net::TcpStream::connect(address).ok()
    })
    .unwrap();
    assert_eq!((up.nats_url(), up.cameras()), (url, cameras));
}

#[test]
fn incarnations_and_identity_outlive_up() {
    let mut up = Up::start(QUIET, &["door"]);
    up.process.wait_for_line("[door] given", SOON).unwrap();
    let uid = |up: &Up| {
        let text = std::fs::read(up.state().join("cameras/default/door/camera.yaml")).unwrap();
        let document: serde_json::Value = serde_json::from_slice(&text).unwrap();
        document["metadata"]["uid"].as_str().unwrap().to_owned()
    };
    let (first_uid, first) = (uid(&up), up.incarnations("door")[0]);
    up.process.kill().unwrap();
    up.process = streamhub_testkit::Proc::spawn("up", &mut up.another()).unwrap();
    up.process.wait_for_line("[door] given", SOON).unwrap();
    assert!(up.incarnations("door")[0] > first);
    assert_eq!(uid(&up), first_uid);
}

#[test]
fn a_hub_with_a_server_of_its_own_needs_none_beside_it() {
    let manifests = Folder::new().unwrap();
    let url = format!("nats://127.0.0.1:{}", free_port().unwrap());
    let hub = format!(
        "apiVersion: streamhub.dev/v1alpha1\nkind: StreamHub\nmetadata: {{name: default}}\nspec: {{nats: {{url: \"{url}\"}}}}\n"
    );
    manifests.write("hub.yaml", &hub).unwrap();
    manifests
        .write("door.yaml", &test_camera("door", ""))
        .unwrap();
    let up = Up::start_in(manifests, QUIET, &[]);
    up.wait_for_cameras(&["door"]);
    let runtime = up.runtime().unwrap();
    assert_eq!(
        (&runtime["nats"], runtime["cameras"][0]["url"].as_str()),
        (&serde_json::Value::Null, Some(&*url))
    );
}

#[test]
fn secrets_reach_only_the_camera_that_needs_them_and_no_log() {
    let manifests = Folder::new().unwrap();
    let camera = test_camera("door", "").replace(
        "test: {}",
        "rtsp: {url: 'rtsp://10.0.0.7/1', credentialsSecretRef: {name: login}}",
    );
    let secret = format!(
        "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: login}}\nstringData: {{username: u, password: '{PASSWORD}', other: x}}\n"
    );
    manifests.write("door.yaml", &(camera + &secret)).unwrap();
    manifests
        .write("yard.yaml", &test_camera("yard", ""))
        .unwrap();
    let up = Up::start_in(manifests, QUIET, &[]);
    up.wait_for_cameras(&["door", "yard"]);
    let folder = up.state().join("cameras/default");
    assert_eq!(
        std::fs::read(folder.join("door/secrets/login/password")).unwrap(),
        PASSWORD.as_bytes()
    );
    assert!(!folder.join("door/secrets/login/other").exists());
    assert_eq!(
        std::fs::read_dir(folder.join("yard/secrets"))
            .unwrap()
            .count(),
        0
    );

    let broken = format!(
        "kind: Secret\napiVersion: v1\nmetadata: {{name: broken}}\ndata: {{password: '{PASSWORD}'}}\n"
    );
    up.manifests.write("secret.yaml", &broken).unwrap();
    eventually(SOON, "the problem", || {
        up.process.stdout().contains("secret.yaml").then_some(())
    })
    .unwrap();
    let said = up.process.stdout() + &up.process.stderr();
    assert_eq!(Search::default().find(said.as_bytes()), None);
}

#[test]
fn cameras_that_may_not_run_are_listed_with_the_reason() {
    let manifests = Folder::new().unwrap();
    let rtsp =
        |name: &str| test_camera(name, "").replace("test: {}", "rtsp: {url: 'rtsp://10.0.0.7/1'}");
    manifests.write("a.yaml", &rtsp("a")).unwrap();
    manifests.write("b.yaml", &rtsp("b")).unwrap();
    manifests
        .write(
            "lost.yaml",
            &test_camera("lost", ", hubRef: {name: nowhere}"),
        )
        .unwrap();
    manifests
        .write("idle.yaml", &test_camera("idle", ", enabled: false"))
        .unwrap();
    let up = Up::start_in(manifests, QUIET, &["--output", "json"]);
    let record = eventually(SOON, "a record", || {
        let text = up.process.stdout();
        serde_json::from_str::<serde_json::Value>(text.lines().next()?).ok()
    })
    .unwrap();
    let state = |name: &str| {
        let rows = record["cameras"].as_array().unwrap();
        rows.iter().find(|row| row["camera"] == name).unwrap()["state"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let states = ["a", "b", "lost", "idle"].map(state);
    assert_eq!(states, ["Starting", "Conflict", "HubNotFound", "Disabled"]);
}

#[test]
fn a_hub_that_changes_its_prefix_is_refused_and_stays_as_it_was() {
    let hub = |prefix: &str| {
        format!(
            "apiVersion: streamhub.dev/v1alpha1\nkind: StreamHub\nmetadata: {{name: default}}\nspec: {{nats: {{subjectPrefix: {prefix}}}}}\n"
        )
    };
    let manifests = Folder::new().unwrap();
    manifests.write("hub.yaml", &hub("site.one")).unwrap();
    manifests
        .write("door.yaml", &test_camera("door", ""))
        .unwrap();
    let mut up = Up::start_in(manifests, QUIET, &[]);
    let before = up.wait_for_cameras(&["door"]);
    up.manifests.write("hub.yaml", &hub("site.two")).unwrap();
    up.process
        .wait_for_line("StreamHub default: spec.nats.subjectPrefix", SOON)
        .unwrap();
    assert_eq!(up.cameras(), before);
    assert_eq!(up.runtime().unwrap()["cameras"][0]["prefix"], "site.one");
}

#[test]
fn every_line_is_json_for_programs_whoever_speaks() {
    let programs = Folder::new().unwrap();
    let real = streamhub_testkit::paths::nats_server_bin().unwrap();
    let worried = format!(
        "#!/bin/sh\necho '[1] [WRN] \"disk\" is slow' >&2\nexec '{}' \"$@\"\n",
        real.display()
    );
    let server = stand_in(&programs.path().join("nats-server"), &worried);
    let manifests = Folder::new().unwrap();
    manifests.write("bad.yaml", "kind: [").unwrap();
    manifests
        .write("door.yaml", &test_camera("door", ""))
        .unwrap();
    let server = ["--nats-server", server.to_str().unwrap()];
    let more = [&["--log-format", "json"][..], &server].concat();
    let mut up = Up::start_in(manifests, QUIET, &more);
    up.wait_for_cameras(&["door"]);
    up.process.wait_for_line("is slow", SOON).unwrap();
    up.process.wait_for_line("given --camera", SOON).unwrap();
    up.process.signal(Signal::INT).unwrap();
    assert_eq!(up.process.wait(SOON).unwrap().code(), Some(0));

    let text = up.process.stdout();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let of = |what: &str| {
        let says = |line: &&serde_json::Value| {
            line["message"].as_str().is_some_and(|it| it.contains(what))
        };
        lines
            .iter()
            .find(says)
            .unwrap_or_else(|| panic!("no {what:?} in {text}"))
    };
    let (nats, door) = (of("is slow"), of("given --camera"));
    assert_eq!(
        (&nats["process"], &nats["camera"]),
        (&"nats".into(), &serde_json::Value::Null)
    );
    assert_eq!(door["camera"], "door");
    of("bad.yaml");
    assert_eq!(up.process.stderr(), "");
}
