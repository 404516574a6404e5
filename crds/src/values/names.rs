//! Names of objects, and words of NATS subjects.

use super::text::{shown_as_written, text_type};
use crate::names::DEFAULT_HUB;
use crate::schema::rule;

const TOKEN_MESSAGE: &str =
    "must be 1 to 63 letters, digits, '_' or '-': it is one token of a NATS subject";
const PREFIX_MESSAGE: &str = "must be one to 16 tokens of letters, digits, '_' or '-', each at most 63 long, with dots between them";
const SECRET_KEY_MESSAGE: &str =
    "must be letters, digits, '-', '_' or '.': it names a key of a Secret";
pub(crate) const TOKEN_PATTERN: &str = "^[A-Za-z0-9_-]{1,63}$";

fn is_token(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

text_type! {
    /// One token of a NATS subject: 1 to 63 of `A-Z a-z 0-9 _ -`.
    SubjectToken, min 1, max 63,
    rules vec![rule(&format!("self.matches('{TOKEN_PATTERN}')"), TOKEN_MESSAGE)],
    check |text| (!is_token(text)).then_some(TOKEN_MESSAGE)
}
shown_as_written!(SubjectToken);

impl SubjectToken {
    /// `main`: the rendition of a hub that configures none.
    pub fn main() -> Self {
        Self("main".to_owned())
    }
}

text_type! {
    /// A NATS subject prefix: up to 16 tokens with dots between them, at most 255 characters.
    SubjectPrefix, min 1, max 255,
    rules vec![rule("self.matches('^[A-Za-z0-9_-]{1,63}([.][A-Za-z0-9_-]{1,63}){0,15}$')", PREFIX_MESSAGE)],
    check |text| (text.split('.').count() > 16 || !text.split('.').all(is_token)).then_some(PREFIX_MESSAGE)
}
shown_as_written!(SubjectPrefix);

text_type! {
    /// The name of a Camera or a `StreamHub`: a DNS-1035 label of at most 45 characters.
    ObjectName, min 1, max 45,
    rules vec![rule(&format!("self.matches('{}')", ObjectName::PATTERN), ObjectName::MESSAGE)],
    check |text| {
        let mut bytes = text.bytes();
        let first = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase());
        let rest = bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        (!first || !rest || text.ends_with('-')).then_some(ObjectName::MESSAGE)
    }
}
shown_as_written!(ObjectName);

impl ObjectName {
    /// `default`: the hub of a camera that names none.
    pub fn default_hub() -> Self {
        Self(DEFAULT_HUB.to_owned())
    }

    /// The longest name: `cam-<name>` and what is derived from it must fit into a label of 63.
    pub const MAX_LENGTH: usize = 45;
    pub(crate) const PATTERN: &str = "^[a-z]([-a-z0-9]*[a-z0-9])?$";
    pub(crate) const MESSAGE: &str = "must be lower-case letters, digits and '-', beginning with a letter and not ending with '-'";
}

text_type! {
    /// The name of one key of a Secret.
    SecretKey, min 1, max 253,
    rules vec![rule("self.matches('^[-._a-zA-Z0-9]+$')", SECRET_KEY_MESSAGE)],
    check |text| {
        let good = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
        (!good).then_some(SECRET_KEY_MESSAGE)
    }
}
shown_as_written!(SecretKey);

text_type! {
    /// The name of a Secret in the namespace of the object: a DNS-1123 subdomain.
    SecretName, min 1, max 253,
    rules vec![rule("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')", SECRET_NAME_MESSAGE)],
    check |text| {
        let label = |label: &str| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        (!text.split('.').all(label)).then_some(SECRET_NAME_MESSAGE)
    }
}
shown_as_written!(SecretName);

const SECRET_NAME_MESSAGE: &str = "must be the name of a Secret: lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit";
