//! Takes out what nobody else should read.

use serde_json::Value;

const HIDDEN: &str = "***";
/// Fields whose value is a secret whatever it is.
const SECRET_WORDS: [&str; 14] = [
    "password",
    "passwd",
    "passphrase",
    "pass",
    "pwd",
    "token",
    "secret",
    "authorization",
    "apikey",
    "api_key",
    "api-key",
    "privatekey",
    "private_key",
    "private-key",
];
/// What a number, a truth value or an object of JSON begins with.
const JSON: fn(char) -> bool = |c| c.is_ascii_digit() || matches!(c, '-' | 't' | 'f' | 'n' | '{');
/// Metadata that repeats the object, or is of no use.
const REPETITIONS: [&str; 2] = [
    "managedFields",
    "kubectl.kubernetes.io/last-applied-configuration",
];

/// A text with URLs that have lost user, password, query and fragment, without what stands after words such as
/// `password=`, and without keys in PEM.
pub fn text(text: &str) -> String {
    let mut clean = String::new();
    let mut in_key = false;
    for one in text.split_inclusive('\n') {
        let begins = one.contains("-----BEGIN ") && !one.contains("CERTIFICATE");
        if !in_key {
            clean.push_str(&line(one));
        }
        in_key = (in_key || begins) && !one.contains("-----END ");
    }
    clean
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
        let value = value.trim_start_matches(' ');
        let before = text.get(..text.len() - value.len()).unwrap_or_default();
        let (quote, value) = opening(value);
        let length = match quote {
            Some(quote) => closing(value, quote),
            // Of JSON, what is no text; an object has names of its own.
            None if rest.starts_with(['"', '\\']) && value.starts_with(JSON) => value
                .find([',', '}', '{'])
                .unwrap_or_else(|| of_line(value)),
            None => bare(before, value),
        };
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

/// The quote that a value begins with, with the backslashes before it where it is quoted itself, and what follows.
fn opening(text: &str) -> (Option<&str>, &str) {
    let marks = text.len() - text.trim_start_matches('\\').len();
    match text.split_at_checked(marks + 1) {
        Some((quote, value)) if quote.ends_with(['"', '\'']) => (Some(quote), value),
        _ => (None, text),
    }
}

/// Where a quoted value ends: at the same quote behind as many backslashes, else with its line.
fn closing(value: &str, quote: &str) -> usize {
    let escaped = |at: usize| value.get(..at).unwrap_or_default().ends_with('\\');
    let mut found = value.match_indices(quote).map(|(at, _)| at);
    found
        .find(|at| !escaped(*at))
        .unwrap_or_else(|| of_line(value))
}

/// Where a value without quotes ends: it may hold any letter, blanks too as in `Authorization: Basic ...`, so with its line,
/// or with the quoted text that it is part of.
fn bare(before: &str, value: &str) -> usize {
    let mut quotes = Vec::new();
    let mut escaped = false;
    for (at, letter) in before.char_indices() {
        if letter == '"' && !escaped {
            quotes.push(at);
        }
        escaped = letter == '\\' && !escaped;
    }
    if quotes.len() % 2 == 1 {
        closing(value, "\"")
    } else {
        of_line(value)
    }
}

fn of_line(value: &str) -> usize {
    value.trim_end_matches(['\n', '\r']).len()
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
                let plain = !(value.is_object() || value.is_null());
                if plain && SECRET_WORDS.contains(&key.as_str()) {
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
            ("user=bob pwd=hunter2", "user=bob pwd=***"),
            ("pass: hunter2", "pass: ***"),
            ("API_KEY=hunter2 api-key: x", "API_KEY=***"),
            (
                "{\"private_key\":\"hunter2\",\"a\":1}",
                "{\"private_key\":\"***\",\"a\":1}",
            ),
            (
                "password=hun,ter2;geh)eim&x} and so on\nnext",
                "password=***\nnext",
            ),
            (
                "{\"password\":\"hun\\\"ter2, geheim\",\"a\":1}",
                "{\"password\":\"***\",\"a\":1}",
            ),
            (
                "{\"document\":\"{\\\"pwd\\\":\\\"hun,ter2\\\",\\\"a\\\":1}\",\"b\":2}",
                "{\"document\":\"{\\\"pwd\\\":\\\"***\\\",\\\"a\\\":1}\",\"b\":2}",
            ),
            (
                "{\"message\":\"login with password=hun,ter2 failed\",\"camera\":\"door\"}",
                "{\"message\":\"login with password=***\",\"camera\":\"door\"}",
            ),
            (
                "{\"pass\":1234,\"secret\":{\"secretName\":\"door\"}}",
                "{\"pass\":***,\"secret\":{\"secretName\":\"door\"}}",
            ),
            ("password='hun\"ter, 2' more", "password='***' more"),
            (
                "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\nnext",
                "-----BEGIN PRIVATE KEY-----\nnext",
            ),
            (
                "4 passed, bypassed and compasses",
                "4 passed, bypassed and compasses",
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
            "api_key": ["hunter2"],
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

        #[test]
        fn whatever_letters_a_password_has_all_of_it_goes(
            word in "(password|pass|pwd|token|api_key|private-key)", sign in "(=|: )",
            begin in "[a-z][!-~]{0,8}", secret in "[a-z0-9]{8,16}",
        ) {
            let bare = format!("login {word}{sign}{begin}{secret} failed");
            proptest::prop_assert!(!text(&bare).contains(&secret), "{}", text(&bare));
            let record = serde_json::json!({"message": bare, word: format!("{begin}{secret}"), "camera": "door"});
            let (line, document) = (record.to_string(), serde_json::json!({"a": record.to_string()}).to_string());
            for dirty in [line, document] {
                let clean = text(&dirty);
                proptest::prop_assert!(!clean.contains(&secret), "{}", clean);
            }
        }
    }
}
