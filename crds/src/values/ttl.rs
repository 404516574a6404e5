//! Durations as people write them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::InvalidValue;
use crate::schema::rule;

const MESSAGE: &str = "must be a duration such as 500ms, 5s or 1m30s, from 10ms to 24h";
const PATTERN: &str = "^([0-9]+([.][0-9]+)?(ms|s|m|h))+$";
const LONGEST: usize = 32;

/// How long a value lives: 10 ms to 24 h, written as Go writes durations (`500ms`, `5s`, `1m30s`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Ttl(Duration);

impl Ttl {
    /// Five seconds: a feedback module's ttl when none is given.
    pub const FIVE_SECONDS: Self = Self(Duration::from_secs(5));

    /// The time itself.
    pub const fn as_duration(self) -> Duration {
        self.0
    }
}

impl TryFrom<Duration> for Ttl {
    type Error = InvalidValue;

    fn try_from(duration: Duration) -> Result<Self, Self::Error> {
        if (Duration::from_millis(10)..=Duration::from_hours(24)).contains(&duration) {
            Ok(Self(duration))
        } else {
            Err(InvalidValue::new(MESSAGE))
        }
    }
}

impl FromStr for Ttl {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text)
            .and_then(|duration| Self::try_from(duration).ok())
            .ok_or(InvalidValue::new(MESSAGE))
    }
}

impl TryFrom<String> for Ttl {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Ttl> for String {
    fn from(value: Ttl) -> Self {
        value.to_string()
    }
}

/// Sums up `<number><unit>` groups; digits below a nanosecond are dropped.
fn parse(text: &str) -> Option<Duration> {
    if text.is_empty() || text.len() > LONGEST {
        return None;
    }
    let (mut rest, mut nanos) = (text, 0_u128);
    while !rest.is_empty() {
        let (whole, after) = digits(rest)?;
        let (places, after) = match after.strip_prefix('.') {
            Some(after) => digits(after)?,
            None => ("", after),
        };
        let (unit, after) = unit(after)?;
        nanos = nanos.checked_add(whole.parse::<u128>().ok()?.checked_mul(unit)?)?;
        let mut place = unit;
        for digit in places.bytes() {
            place /= 10;
            nanos = nanos.checked_add(u128::from(digit - b'0') * place)?;
        }
        rest = after;
    }
    u64::try_from(nanos).ok().map(Duration::from_nanos)
}

fn digits(text: &str) -> Option<(&str, &str)> {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    if end == 0 {
        None
    } else {
        text.split_at_checked(end)
    }
}

/// Nanoseconds of the unit that the text begins with, and what follows it.
fn unit(text: &str) -> Option<(u128, &str)> {
    [
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ]
    .into_iter()
    .find_map(|(unit, nanos)| text.strip_prefix(unit).map(|after| (nanos, after)))
}

impl fmt::Display for Ttl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = (self.0.as_secs(), self.0.subsec_nanos());
        for (amount, unit) in [
            (seconds / 3600, "h"),
            (seconds / 60 % 60, "m"),
            (seconds % 60, "s"),
        ] {
            if amount > 0 {
                write!(formatter, "{amount}{unit}")?;
            }
        }
        match (nanos / 1_000_000, nanos % 1_000_000) {
            (0, 0) => Ok(()),
            (millis, 0) => write!(formatter, "{millis}ms"),
            (millis, rest) => write!(
                formatter,
                "{millis}.{}ms",
                format!("{rest:06}").trim_end_matches('0')
            ),
        }
    }
}

impl fmt::Debug for Ttl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl JsonSchema for Ttl {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Ttl".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "maxLength": LONGEST,
            "x-kubernetes-validations": [rule(
                &format!(
                    "self.matches('{PATTERN}') && duration(self) >= duration('10ms') && duration(self) <= duration('24h')"
                ),
                MESSAGE,
            )],
        })
    }
}
