//! `streamhub validate` and the other commands that need no server: exit codes and output for scripts.

mod support;

use streamhub_testkit::Folder;
use support::{finished, streamhub, test_camera};

#[test]
fn validate_says_nothing_about_good_manifests_and_names_the_place_of_bad_ones() {
    let folder = Folder::new().unwrap();
    folder.write("door.yaml", &test_camera("door", "")).unwrap();
    let validate = || {
        let mut command = streamhub();
        command.args(["validate", "-f"]).arg(folder.path());
        command
    };
    assert_eq!(finished(&mut validate()), (0, String::new(), String::new()));

    folder
        .write(
            "yard.yaml",
            &test_camera("yard", ", frames: [{name: main, fps: 0}]"),
        )
        .unwrap();
    let (code, out, _) = finished(&mut validate());
    assert_eq!(code, 1);
    assert_eq!(out.lines().count(), 1, "{out}");
    assert!(
        out.contains("yard.yaml:4: Camera yard: spec.frames[0].fps: 0: "),
        "{out}"
    );

    let (code, out, _) = finished(validate().args(["--output", "json"]));
    let problem: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, problem["field"].as_str(), problem["line"].as_u64()),
        (1, Some("spec.frames[0].fps"), Some(4))
    );
}

#[test]
fn wrong_usage_exits_with_2() {
    for args in [
        &["validate"][..],
        &["validate", "-f", "/nowhere"],
        &["up", "-f", "/nowhere"],
        &["snapshot"],
        &["feedback", "send", "ui", "x", "[]"],
    ] {
        let (code, _, errors) = finished(streamhub().args(args));
        assert_eq!(code, 2, "{args:?}: {errors}");
        assert!(!errors.is_empty());
    }
}

#[test]
fn completions_exist_for_the_usual_shells() {
    for shell in ["bash", "zsh", "fish"] {
        let (code, out, _) = finished(streamhub().args(["completions", shell]));
        assert_eq!(code, 0);
        assert!(out.contains("snapshot"), "{shell}");
    }
}

#[test]
fn the_reference_page_is_what_the_program_says() {
    let page = streamhub_testkit::repository().join("docs/reference/cli.md");
    let (code, _, errors) = finished(streamhub().args(["__docs", "--check"]).arg(page));
    assert_eq!(code, 0, "{errors}");
}
