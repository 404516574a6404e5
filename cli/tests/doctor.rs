//! `top` and `doctor` on one machine, and what they say where there is nothing to look at.

mod support;

use streamhub_testkit::canary::PASSWORD;
use support::{QUIET, Up, finished, streamhub};

#[test]
fn a_camera_that_does_not_answer_is_a_problem_and_listed() {
    let up = Up::start(QUIET, &["door"]);
    let run = |args: &[&str]| finished(streamhub().args(args).arg("--state-dir").arg(up.state()));
    let (code, out, errors) = run(&["top", "--output", "json"]);
    assert_eq!(code, 0, "{errors}");
    assert!(out.contains("\"camera\":\"door\""), "{out}");

    let bundle = up.dir.path().join("report.tar.gz");
    let (code, out, errors) = run(&["doctor", "door", "--bundle", &bundle.to_string_lossy()]);
    assert_eq!(code, 1, "{errors}");
    assert!(
        out.contains("PROBLEM  camera default/door  NotAnswering"),
        "{out}"
    );
    assert!(std::fs::metadata(&bundle).unwrap().len() > 100);

    let (code, out, errors) = run(&["doctor", "camera/gate"]);
    assert_eq!(code, 1, "{errors}");
    assert!(out.contains("camera gate  NotFound"), "{out}");

    let (code, out, errors) = run(&["doctor", "installation"]);
    assert_eq!(
        (code, out.contains("no problem found")),
        (0, true),
        "{out}{errors}"
    );
}

#[test]
fn where_nothing_runs_it_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let here = |args: &[&str]| {
        finished(
            streamhub()
                .args(args)
                .arg("--local")
                .arg("--state-dir")
                .arg(folder.path()),
        )
    };
    let (code, out, _) = here(&["doctor"]);
    assert_eq!(
        (code, out.contains("no `streamhub up` runs here")),
        (1, true),
        "{out}"
    );
    let (code, _, errors) = here(&["top"]);
    assert_eq!(
        (code, errors.contains("no `streamhub up` runs here")),
        (3, true),
        "{errors}"
    );
    let (code, _, errors) = here(&["doctor", "pod/door"]);
    assert_eq!(
        (code, errors.contains("camera/NAME")),
        (2, true),
        "{errors}"
    );
}

#[test]
fn a_kubeconfig_that_leads_nowhere_is_told_without_its_token() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config");
    let port = streamhub_testkit::free_port().unwrap();
    let config = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: lab\n\
         clusters: [{{name: lab, cluster: {{server: 'http://127.0.0.1:{port}'}}}}]\n\
         users: [{{name: me, user: {{token: '{PASSWORD}'}}}}]\n\
         contexts: [{{name: lab, context: {{cluster: lab, user: me, namespace: site}}}}]\n"
    );
    std::fs::write(&file, config).unwrap();
    let run = |args: &[&str]| finished(streamhub().args(args).arg("--kubeconfig").arg(&file));
    let (code, out, errors) = run(&["doctor"]);
    assert_eq!(code, 1, "{errors}");
    assert!(
        out.contains("API server of context lab  Unreachable"),
        "{out}"
    );
    let (code, more, failed) = run(&["tail", "door"]);
    assert_eq!(code, 5, "{failed}");
    let all = [out, errors, more, failed].concat();
    assert!(!all.contains(PASSWORD), "{all}");
    let (code, _, errors) = run(&["top", "--context", "nix"]);
    assert_eq!(code, 2, "{errors}");
}
