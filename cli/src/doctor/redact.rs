//! Takes out what nobody else should read.

use serde_json::Value;

const HIDDEN: &str = "***";
/// Fields whose value is a secret whatever it is.
const SECRET_WORDS: [&str; 6] = [
    "password",
    "passwd",
    "token",
    "secret",
    "authorization",
    "apikey",
];
/// Metadata that repeats the object, or is of no use.
const REPETITIONS: [&str; 2] = [
    "managedFields",
    "kubectl.kubernetes.io/last-applied-configuration",
];

/// A text with URLs that have lost user, password, query and fragment, and without what stands after words such as
/// `password=`.
pub fn text(text: &str) -> String {
    text.split_inclusive('\n').map(line).collect()
}

fn line(line: &str) -> String {
    let mut clean = String::new();
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`' | '\\');
        let end = after.find(ends).unwrap_or(after.len());
        let (url, more) = after.split_at(end);
        clean.push_str(before);
        clean.push_str(&address(url));
        rest = more;
    }
    clean.push_str(rest);
    SECRET_WORDS
        .into_iter()
        .fold(clean, |text, word| values_of(&text, word))
}

/// What stands behind `://`. A password may hold any letter, so all up to the last `@` goes.
fn address(url: &str) -> String {
    let (hidden, shown) = match url.rsplit_once('@') {
        Some((_, shown)) => ("***@", shown),
        None => ("", url),
    };
    let (shown, cut) = match shown.find(['?', '#']) {
        Some(at) => (shown.get(..at).unwrap_or_default(), "?***"),
        None => (shown, ""),
    };
    format!("{hidden}{shown}{cut}")
}

/// Hides the value in `word=value`, `word: value` and `"word":"value"`.
fn values_of(text: &str, word: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut clean = String::new();
    let mut from = 0;
    while let Some(found) = lower.get(from..).and_then(|rest| rest.find(word)) {
        let end = from + found + word.len();
        clean.push_str(text.get(from..end).unwrap_or_default());
        from = end;
        let rest = text.get(end..).unwrap_or_default();
        let sign = rest.trim_start_matches(['"', '\'', '\\', ' ']);
        let Some(value) = sign.strip_prefix(['=', ':']) else {
            continue;
        };
        let value = value.trim_start_matches(['"', '\'', '\\', ' ']);
        // The rest of the line belongs to it: `Authorization: Basic ...`.
        let stop = |c: char| matches!(c, '"' | '\'' | '\\' | ',' | ';' | '&' | '\n' | '}' | ')');
        let length = value.find(stop).unwrap_or(value.len());
        let begin = text.len() - value.len();
        clean.push_str(text.get(end..begin).unwrap_or_default());
        if length > 0 {
            clean.push_str(HIDDEN);
        }
        from = begin + length;
    }
    clean.push_str(text.get(from..).unwrap_or_default());
    clean
}

/// A document with every text of it made clean; values of environment variables go unless they are ours.
pub fn document(value: &mut Value) {
    match value {
        Value::String(string) => *string = text(string),
        Value::Array(values) => values.iter_mut().for_each(document),
        Value::Object(fields) => {
            fields.retain(|key, _| !REPETITIONS.contains(&key.as_str()));
            let variable = fields.get("name").and_then(Value::as_str);
            let foreign = variable.is_some_and(|name| !name.starts_with("STREAMHUB_"));
            if foreign && fields.get("value").is_some_and(Value::is_string) {
                fields.insert("value".to_owned(), HIDDEN.into());
            }
            for (key, value) in fields.iter_mut() {
                let key = key.to_ascii_lowercase();
                if value.is_string() && SECRET_WORDS.contains(&key.as_str()) {
                    *value = HIDDEN.into();
                } else {
                    document(value);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn urls_lose_what_may_be_secret() {
        for (dirty, clean) in [
            ("rtsp://10.0.0.7:554/a", "rtsp://10.0.0.7:554/a"),
            (
                "rtsp://bob:hunter2@10.0.0.7/a?k=geheim#x",
                "rtsp://***@10.0.0.7/a?***",
            ),
            (
                "at rtsp://bob:hun/t@r2@host/a, then http://h/?t=1 end",
                "at rtsp://***@host/a, then http://h/?*** end",
            ),
            (
                "{\"url\":\"nats://u:p@h:4222\"}",
                "{\"url\":\"nats://***@h:4222\"}",
            ),
            ("ws://a ws://u@b", "ws://a ws://***@b"),
        ] {
            assert_eq!(text(dirty), clean);
        }
    }

    #[test]
    fn values_of_telling_names_go() {
        for (dirty, clean) in [
            ("user=bob password=hunter2", "user=bob password=***"),
            (
                "Authorization: Basic Zm9v\nnext",
                "Authorization: ***\nnext",
            ),
            (
                "{\"token\":\"geheim\",\"a\":1}",
                "{\"token\":\"***\",\"a\":1}",
            ),
            (
                "Secret door with the key password is not there",
                "Secret door with the key password is not there",
            ),
        ] {
            assert_eq!(text(dirty), clean);
        }
    }

    #[test]
    fn documents_keep_their_shape_and_lose_secrets() {
        let camera =
            json!({"spec": {"source": {"rtsp": {"url": "rtsp://u:hunter2@h/a"}}}}).to_string();
        let mut object = json!({
            "metadata": {
                "managedFields": [1],
                "annotations": {
                    "streamhub.dev/camera": camera,
                    "kubectl.kubernetes.io/last-applied-configuration": "hunter2",
                },
            },
            "env": [
                {"name": "STREAMHUB_NATS_URL", "value": "nats://n:4222"},
                {"name": "OWN", "value": "hunter2"},
            ],
            "password": "hunter2",
            "credentialsSecretRef": {"name": "door"},
        });
        document(&mut object);
        let text = object.to_string();
        assert!(!text.contains("hunter2"), "{text}");
        assert!(
            text.contains("nats://n:4222") && text.contains("\"door\""),
            "{text}"
        );
    }

    proptest::proptest! {
        #[test]
        fn whatever_stands_around_it_a_password_in_a_url_goes(
            before in "[ -~]{0,20}", secret in "[a-z0-9]{8,16}", after in "[ -~]{0,20}",
        ) {
            let dirty = format!("{before} rtsp://bob:{secret}@host/{after}");
            proptest::prop_assert!(!text(&dirty).contains(&secret));
        }
    }
}
