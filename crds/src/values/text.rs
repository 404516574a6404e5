//! What all validated strings have in common.

/// Defines a string type with serde, schema, parsing and display. `check` returns the message of the first broken rule.
macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, min $min:expr, max $max:expr, rules $rules:expr, check $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The value as written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = crate::values::InvalidValue;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                let check: fn(&str) -> Option<&'static str> = $check;
                let length = text.chars().count();
                if !($min..=$max).contains(&length) {
                    return Err(crate::values::InvalidValue::new(concat!(
                        "must be ", stringify!($min), " to ", stringify!($max), " characters long"
                    )));
                }
                match check(&text) {
                    Some(message) => Err(crate::values::InvalidValue::new(message)),
                    None => Ok(Self(text)),
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::values::InvalidValue;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let rules: Vec<serde_json::Value> = $rules;
                let mut schema = schemars::json_schema!({
                    "type": "string",
                    "minLength": $min,
                    "maxLength": $max,
                });
                if !rules.is_empty() {
                    schema.insert("x-kubernetes-validations".to_owned(), rules.into());
                }
                schema
            }
        }
    };
}

/// Shows the value itself in `Display` and `Debug`: for types that can't hold a secret.
macro_rules! shown_as_written {
    ($name:ident) => {
        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Debug::fmt(&self.0, formatter)
            }
        }
    };
}

pub(super) use {shown_as_written, text_type};
