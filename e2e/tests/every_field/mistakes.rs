//! The documents that `streamhub validate` refuses: the API server refuses them too, and names the same fields.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Result, ensure};
use http::Method;
use serde_json::Value;
use streamhub_e2e::{Api, Cluster};
use streamhub_testkit::repository;

use crate::samples::Kind;
use crate::schema::rule_messages;

/// What is announced on a line of a document.
#[derive(Debug, PartialEq, Eq)]
struct Mistake {
    field: String,
    message: String,
}

/// At which of its steps the API server finds a mistake. It takes the next step only when the one before found nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Decoding,
    Schema,
    Rules,
}

/// Every document; an error tells all that are not refused as announced.
pub async fn check(cluster: &Cluster, api: &Api, namespace: &str) -> Result<()> {
    let table = fs::read_to_string(repository().join("crds/tests/mistakes.yaml"))?;
    let mut wrong = Vec::new();
    let mut asked = 0;
    for kind in [Kind::Camera, Kind::StreamHub] {
        let rules = rule_messages(cluster, kind)?;
        let ours = format!("kind: {}\n", kind.name());
        let of_kind = |document: &&str| {
            document.contains(&ours) && document.contains("apiVersion: streamhub.dev/v1alpha1")
        };
        // What stands before the first is about the table.
        for document in table.split("\n---\n").skip(1).filter(of_kind) {
            asked += 1;
            if let Err(error) = is_refused(api, namespace, kind, document, &rules).await {
                wrong.push(format!("{error:#}\n{document}"));
            }
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    ensure!(asked > 70, "the table shrank to {asked} documents");
    Ok(())
}

async fn is_refused(
    api: &Api,
    namespace: &str,
    kind: Kind,
    document: &str,
    rules: &BTreeSet<String>,
) -> Result<()> {
    // As `kubectl apply --dry-run=server` does with an object that is not there yet.
    let path = format!(
        "/apis/streamhub.dev/v1alpha1/namespaces/{namespace}/{}?dryRun=All&fieldValidation=Strict",
        kind.plural()
    );
    let answer = api
        .ask(Method::POST, &path, "application/yaml", document.to_owned())
        .await?;
    ensure!(answer.code.is_client_error(), "taken: {}", answer.code);
    let announced = mistakes(document);
    // These are refused before the definition is looked at, in words about Go.
    let of_kubernetes = |mistake: &&Mistake| {
        mistake.field.starts_with("metadata.") && mistake.field != "metadata.name"
    };
    if announced.iter().any(|mistake| of_kubernetes(&mistake)) {
        return Ok(());
    }
    let step = |mistake: &Mistake| {
        if mistake.message.starts_with("unknown field") {
            Step::Decoding
        } else if rules.contains(&mistake.message) {
            Step::Rules
        } else {
            Step::Schema
        }
    };
    let first = announced.iter().map(step).min().unwrap_or(Step::Rules);
    let found = found(&answer.body);
    for mistake in announced.iter().filter(|mistake| step(mistake) == first) {
        let same = |(field, message): &(String, String)| {
            let words = first == Step::Schema || message.contains(&mistake.message);
            *field == mistake.field && words
        };
        ensure!(found.iter().any(same), "{mistake:?} is not among {found:?}");
    }
    let other = found
        .iter()
        .find(|(field, _)| announced.iter().all(|mistake| mistake.field != *field));
    ensure!(other.is_none(), "not announced: {other:?}");
    Ok(())
}

fn mistakes(document: &str) -> Vec<Mistake> {
    document
        .lines()
        .filter_map(|line| line.split_once(" # ! ")?.1.split_once(" | "))
        .map(|(field, message)| Mistake {
            field: field.to_owned(),
            message: message.to_owned(),
        })
        .collect()
}

/// Fields and messages of an answer.
fn found(status: &Value) -> Vec<(String, String)> {
    let causes = status["details"]["causes"].as_array();
    let text = |cause: &Value, part: &str| cause[part].as_str().unwrap_or_default().to_owned();
    let listed = causes.into_iter().flatten();
    let mut found: Vec<(String, String)> = listed
        .map(|cause| (text(cause, "field"), text(cause, "message")))
        // That rules were not looked at.
        .filter(|(field, _)| field != "<nil>")
        .collect();
    // Unknown fields are listed in the message only.
    let said = status["message"].as_str().unwrap_or_default();
    found.extend(said.split("unknown field \"").skip(1).filter_map(|part| {
        let (field, _) = part.split_once('"')?;
        Some((field.to_owned(), format!("unknown field \"{field}\"")))
    }));
    found
}
