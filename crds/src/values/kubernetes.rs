//! Names and amounts as Kubernetes writes them.

use super::text::{shown_as_written, text_type};
use crate::schema::rule;

const KEY_MESSAGE: &str = "must be the name of a label or a resource: letters, digits, '-', '_' or '.', with a domain and '/' before it where it has one";
const VALUE_MESSAGE: &str = "must be the value of a label: letters, digits, '-', '_' or '.', beginning and ending with a letter or digit";
const QUANTITY_MESSAGE: &str = "must be an amount such as 2, \"0.5\", 250m, 64Mi or 1G";
const CLASS_MESSAGE: &str =
    "must be lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit";
const NODE_MESSAGE: &str = "must be the name of a node: lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit";
const NAMESPACE_MESSAGE: &str = "must be the name of a namespace: lower-case letters, digits and '-', beginning and ending with a letter or digit";
const CLAIM_MESSAGE: &str = "must be the name of a PersistentVolumeClaim: lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit";

fn is_word(text: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    text.len() <= 63
        && text.bytes().all(inside)
        && edge(text.bytes().next())
        && edge(text.bytes().last())
}

fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    text.split('.').all(label)
}

text_type! {
    /// Name of a label, a taint or a resource: `cpu`, `kubernetes.io/hostname`.
    LabelKey, min 1, max 128,
    rules vec![rule(&format!("self.matches('{}')", LabelKey::PATTERN), KEY_MESSAGE)],
    check |text| {
        let good = match text.split_once('/') {
            Some((domain, name)) => is_domain(domain) && is_word(name),
            None => is_word(text),
        };
        (!good).then_some(KEY_MESSAGE)
    }
}
shown_as_written!(LabelKey);

impl LabelKey {
    pub(crate) const PATTERN: &str = "^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$";
}

text_type! {
    /// Value of a label or a taint; may be empty.
    LabelValue, min 0, max 63,
    rules vec![rule("self.matches('^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$')", VALUE_MESSAGE)],
    check |text| (!text.is_empty() && !is_word(text)).then_some(VALUE_MESSAGE)
}
shown_as_written!(LabelValue);

text_type! {
    /// Name of a priority class or a runtime class.
    PodClassName, min 1, max 253,
    rules vec![rule("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')", CLASS_MESSAGE)],
    check |text| (!is_domain(text)).then_some(CLASS_MESSAGE)
}
shown_as_written!(PodClassName);

text_type! {
    /// Name of a node of the cluster.
    NodeName, min 1, max 253,
    rules vec![rule("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')", NODE_MESSAGE)],
    check |text| (!is_domain(text)).then_some(NODE_MESSAGE)
}
shown_as_written!(NodeName);

text_type! {
    /// Name of a namespace.
    NamespaceName, min 1, max 63,
    rules vec![rule("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')", NAMESPACE_MESSAGE)],
    check |text| (text.contains('.') || !is_domain(text)).then_some(NAMESPACE_MESSAGE)
}
shown_as_written!(NamespaceName);

text_type! {
    /// Name of a `PersistentVolumeClaim` in the namespace of the object.
    ClaimName, min 1, max 253,
    rules vec![rule("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')", CLAIM_MESSAGE)],
    check |text| (!is_domain(text)).then_some(CLAIM_MESSAGE)
}
shown_as_written!(ClaimName);

/// An amount of a resource as Kubernetes writes it: `2`, `"0.5"`, `250m`, `64Mi`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "IntOrText", into = "String")]
pub struct Quantity(String);

#[derive(serde::Deserialize)]
#[serde(untagged)]
enum IntOrText {
    Int(u64),
    Text(String),
}

impl Quantity {
    const PATTERN: &str = "^[0-9]{1,15}([.][0-9]{1,9})?([kMGTPE]|[KMGTPE]i|m|u|n)?$";

    /// The value as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<IntOrText> for Quantity {
    type Error = super::InvalidValue;

    fn try_from(value: IntOrText) -> Result<Self, Self::Error> {
        match value {
            IntOrText::Int(number) => number.to_string().parse(),
            IntOrText::Text(text) => text.parse(),
        }
    }
}

impl std::str::FromStr for Quantity {
    type Err = super::InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.');
        let (number, unit) = text.split_at(end.unwrap_or(text.len()));
        let (whole, fraction) = number
            .split_once('.')
            .map_or((number, None), |(whole, fraction)| (whole, Some(fraction)));
        let digits = |text: &str, most: usize| {
            (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        let units = [
            "", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "m", "u", "n",
        ];
        let good = digits(whole, 15)
            && fraction.is_none_or(|fraction| digits(fraction, 9))
            && units.contains(&unit);
        if good {
            Ok(Self(text.to_owned()))
        } else {
            Err(super::InvalidValue::new(QUANTITY_MESSAGE))
        }
    }
}

impl From<Quantity> for String {
    fn from(value: Quantity) -> Self {
        value.0
    }
}

shown_as_written!(Quantity);

impl schemars::JsonSchema for Quantity {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "x-kubernetes-int-or-string": true,
            // Said, because kube makes every optional number-or-string nullable otherwise.
            "nullable": false,
            "minimum": 0,
            "maximum": 999_999_999_999_999_i64,
            "pattern": Self::PATTERN,
        })
    }
}
