//! Rates, kept as the exact fraction that was written.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::InvalidValue;

const MESSAGE: &str =
    "must be a rate such as 15, \"0.5\", \"1/10\" or \"30000/1001\": more than 0 and at most 240";

/// A rate in frames per second, more than 0 and at most 240, kept as an exact reduced fraction.
///
/// Written as a whole number (`15`), a decimal in quotes (`"0.5"`: three places, five below one) or a fraction in
/// quotes: 1 to 240 over 1 to 99999 (`"1/10"`), or 1 to 240000 over 1000 or 1001 (`"30000/1001"`). This grammar is
/// what a pattern can bound: an API server estimates CEL on a value that is a number or a string too dear.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fps {
    num: u32,
    den: u32,
}

impl Fps {
    /// The pattern of the written forms other than a plain number.
    pub(crate) const PATTERN: &str = concat!(
        r"^(0\.0{0,2}[1-9][0-9]{0,2}",
        r"|([1-9][0-9]?|1[0-9]{2}|2[0-3][0-9])(\.[0-9]{1,3}|/[1-9][0-9]{0,4})?",
        r"|240(\.0{1,3}|/[1-9][0-9]{0,4})?",
        r"|([1-9][0-9]{0,4}|1[0-9]{5}|2[0-3][0-9]{4}|240000)/100[01])$"
    );

    /// A whole number of frames per second, 1 to 240.
    pub fn whole(fps: u32) -> Result<Self, InvalidValue> {
        if (1..=240).contains(&fps) {
            Ok(Self { num: fps, den: 1 })
        } else {
            Err(InvalidValue::new(MESSAGE))
        }
    }

    /// 15 frames per second: a rendition's rate when none is given.
    pub const DEFAULT: Self = Self { num: 15, den: 1 };

    /// 30 frames per second: the test source's rate when none is given.
    pub const THIRTY: Self = Self { num: 30, den: 1 };

    /// Frames in [`Self::den`] seconds.
    pub const fn num(self) -> u32 {
        self.num
    }

    /// Seconds that [`Self::num`] frames take.
    pub const fn den(self) -> u32 {
        self.den
    }

    /// Frames per second, rounded to a double.
    pub fn as_f64(self) -> f64 {
        f64::from(self.num) / f64::from(self.den)
    }

    /// Time from one frame to the next, rounded down to nanoseconds.
    pub fn interval(self) -> Duration {
        Duration::from_nanos(u64::from(self.den) * 1_000_000_000 / u64::from(self.num))
    }

    /// A third of the rate: a rendition's floor when none is given. It need not have a written form.
    #[must_use]
    pub fn third(self) -> Self {
        // 99999 at most, so that three times as much is still one.
        Self::reduced(self.num, self.den * 3).unwrap_or(self)
    }

    fn reduced(num: u32, den: u32) -> Option<Self> {
        let divisor = gcd(num, den);
        let (num, den) = (num.checked_div(divisor)?, den.checked_div(divisor)?);
        (num > 0 && u64::from(num) <= 240 * u64::from(den)).then_some(Self { num, den })
    }

    fn parse(text: &str) -> Option<Self> {
        if let Some((num, den)) = text.split_once('/') {
            let (num, den) = (number(num, 6)?, number(den, 5)?);
            let bounded = num <= 240 || (num <= 240_000 && matches!(den, 1000 | 1001));
            return if bounded {
                Self::reduced(num, den)
            } else {
                None
            };
        }
        if let Some((whole, places)) = text.split_once('.') {
            let digits = places.bytes().all(|byte| byte.is_ascii_digit());
            let scale = 10_u32.checked_pow(u32::try_from(places.len()).ok()?)?;
            let decimals: u32 = places.parse().ok().filter(|_| digits)?;
            if whole == "0" {
                let leading = places.bytes().take_while(|byte| *byte == b'0').count();
                let significant = places.len() - leading;
                return if leading <= 2 && (1..=3).contains(&significant) {
                    Self::reduced(decimals, scale)
                } else {
                    None
                };
            }
            let whole = number(whole, 3)?;
            return if places.len() <= 3 {
                Self::reduced(whole * scale + decimals, scale)
            } else {
                None
            };
        }
        Self::whole(number(text, 3)?).ok()
    }

    fn decimal(self) -> Option<String> {
        let places = (1_u32..=5).find(|places| 10_u32.pow(*places).is_multiple_of(self.den))?;
        let scale = 10_u32.pow(places);
        let scaled = u64::from(self.num) * u64::from(scale / self.den);
        let (whole, rest) = (scaled / u64::from(scale), scaled % u64::from(scale));
        Some(format!("{whole}.{rest:0width$}", width = places as usize))
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// A whole number above zero without sign or leading zero.
fn number(text: &str, longest: usize) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || text.is_empty() || text.len() > longest || text.starts_with('0') {
        return None;
    }
    text.parse().ok()
}

impl FromStr for Fps {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text).ok_or(InvalidValue::new(MESSAGE))
    }
}

/// The shortest written form that reads back as the same rate.
impl fmt::Display for Fps {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.den == 1 {
            return self.num.fmt(formatter);
        }
        if let Some(decimal) = self.decimal()
            && Self::parse(&decimal) == Some(*self)
        {
            return formatter.write_str(&decimal);
        }
        // 14000/1001 is 2000/143, which the grammar does not know: write it over 1001 again.
        let factor = if self.num > 240 && 1001_u32.is_multiple_of(self.den) {
            1001 / self.den
        } else {
            1
        };
        write!(formatter, "{}/{}", self.num * factor, self.den * factor)
    }
}

impl fmt::Debug for Fps {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Serialize for Fps {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.den == 1 {
            serializer.serialize_u32(self.num)
        } else {
            serializer.collect_str(self)
        }
    }
}

impl<'de> Deserialize<'de> for Fps {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Fps;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a whole number, or a decimal or fraction in quotes")
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Fps, E> {
                u32::try_from(value)
                    .map_err(E::custom)
                    .and_then(|value| Fps::whole(value).map_err(E::custom))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Fps, E> {
                u32::try_from(value)
                    .map_err(E::custom)
                    .and_then(|value| Fps::whole(value).map_err(E::custom))
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Fps, E> {
                value.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Fps {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Fps".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true,
            // Said, because kube makes every optional number-or-string nullable otherwise.
            "nullable": false,
            "minimum": 1,
            "maximum": 240,
            "pattern": Self::PATTERN,
        })
    }
}
