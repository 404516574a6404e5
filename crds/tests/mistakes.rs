//! Every mistake in `mistakes.yaml` is found: its line, its field, its message, and nothing else.

use std::path::Path;

const TABLE: &str = include_str!("mistakes.yaml");

#[test]
fn each_mistake_is_told_with_line_field_and_message() {
    let expected: Vec<String> = TABLE
        .lines()
        .enumerate()
        .skip_while(|(_, line)| *line != "---")
        .filter_map(|(at, line)| {
            let (_, announced) = line.split_once(" # ! ")?;
            Some(format!("{}: {announced}", at + 1))
        })
        .collect();
    assert!(
        expected.len() >= 50,
        "the table shrank to {}",
        expected.len()
    );

    let loading = streamhub_crds::parse(TABLE, Path::new("mistakes.yaml"));
    let found: Vec<String> = loading
        .problems
        .iter()
        .map(|found| format!("{}: {} | {}", found.line, found.field, found.message))
        .collect();

    let missed: Vec<_> = expected
        .iter()
        .filter(|line| !found.contains(line))
        .collect();
    let surprising: Vec<_> = found
        .iter()
        .filter(|line| !expected.contains(line))
        .collect();
    assert!(
        missed.is_empty() && surprising.is_empty(),
        "missed: {missed:#?}\nfound instead: {surprising:#?}"
    );
    assert_eq!(loading.documents, streamhub_crds::Documents::default());
}

#[test]
fn no_message_shows_a_password() {
    let loading = streamhub_crds::parse(TABLE, Path::new("mistakes.yaml"));
    for problem in loading.problems {
        let shown = format!(
            "{problem} {problem:?} {}",
            serde_json::to_string(&problem).unwrap()
        );
        for secret in ["hunter", "ter2", "s3cr3t"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
