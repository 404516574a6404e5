//! Signed durations of clocks.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::InvalidValue;

const MESSAGE: &str = "must be a duration such as -40ms or 0.25s, from -10s to 10s";
/// From -10 s to 10 s by form alone, to the microsecond.
const PATTERN: &str = r"^-?((10000([.]0{1,3})?|[0-9]{1,4}([.][0-9]{1,3})?)ms|(10([.]0{1,6})?|[0-9]([.][0-9]{1,6})?)s)$";

/// What is added to a clock: -10 s to 10 s in microseconds, written in milliseconds or seconds (`-40ms`, `0.25s`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClockOffset {
    micros: i64,
}

impl ClockOffset {
    const MOST: i64 = 10_000_000;

    /// The offset in microseconds.
    pub const fn as_micros(self) -> i64 {
        self.micros
    }

    /// An offset of so many microseconds.
    pub fn from_micros(micros: i64) -> Result<Self, InvalidValue> {
        if (-Self::MOST..=Self::MOST).contains(&micros) {
            Ok(Self { micros })
        } else {
            Err(InvalidValue::new(MESSAGE))
        }
    }
}

/// Whole digits of at most `longest`, and the fraction scaled to `places` digits.
fn scaled(text: &str, longest: usize, places: usize) -> Option<i64> {
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
        Some(_) => return None,
        None => (text, ""),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let fits = (1..=longest).contains(&whole.len()) && fraction.len() <= places;
    if !fits || !digits(whole) || !digits(fraction) {
        return None;
    }
    format!("{whole}{fraction:0<places$}").parse().ok()
}

impl FromStr for ClockOffset {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (sign, size) = match text.strip_prefix('-') {
            Some(size) => (-1, size),
            None => (1, text),
        };
        // Five and two digits only for the bound itself, which no leading zero may pad.
        let longest = |text: &str, most: &str| {
            if text.starts_with(most) {
                most.len()
            } else {
                most.len() - 1
            }
        };
        let micros = match size.strip_suffix("ms") {
            Some(millis) => scaled(millis, longest(millis, "10000"), 3),
            None => size
                .strip_suffix('s')
                .and_then(|seconds| scaled(seconds, longest(seconds, "10"), 6)),
        };
        micros
            .ok_or(InvalidValue::new(MESSAGE))
            .and_then(|micros| Self::from_micros(sign * micros))
    }
}

impl TryFrom<String> for ClockOffset {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ClockOffset> for String {
    fn from(value: ClockOffset) -> Self {
        value.to_string()
    }
}

impl fmt::Display for ClockOffset {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.micros < 0 { "-" } else { "" };
        let (millis, rest) = (self.micros.abs() / 1000, self.micros.abs() % 1000);
        if rest == 0 {
            return write!(formatter, "{sign}{millis}ms");
        }
        let rest = format!("{rest:03}");
        write!(formatter, "{sign}{millis}.{}ms", rest.trim_end_matches('0'))
    }
}

impl fmt::Debug for ClockOffset {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl JsonSchema for ClockOffset {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ClockOffset".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "maxLength": 16,
            "x-kubernetes-validations": [crate::schema::rule(&format!("self.matches('{PATTERN}')"), MESSAGE)],
        })
    }
}
