//! Paths of fields, written as an API server writes them.

use std::fmt;

use serde_json::Value;

/// One step down from an object or a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// A field that the schema names.
    Field(String),
    /// A key of a map, chosen by the user.
    Key(String),
    /// An item of a list.
    Index(usize),
}

/// The way from the root of a document to a field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Path(Vec<Step>);

impl Path {
    pub(crate) fn field(&self, name: &str) -> Self {
        self.with(Step::Field(name.to_owned()))
    }

    pub(crate) fn key(&self, key: &str) -> Self {
        self.with(Step::Key(key.to_owned()))
    }

    pub(crate) fn index(&self, index: usize) -> Self {
        self.with(Step::Index(index))
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    pub(crate) fn steps(&self) -> &[Step] {
        &self.0
    }

    /// Bounds and types are reported with a dot before the keys of maps: `spec.feedback.ui.ttl`.
    pub(crate) fn dotted(&self) -> String {
        let mut text = String::new();
        for step in &self.0 {
            match step {
                Step::Field(name) | Step::Key(name) => {
                    if !text.is_empty() {
                        text.push('.');
                    }
                    text.push_str(name);
                }
                Step::Index(index) => text.extend(["[", &index.to_string(), "]"]),
            }
        }
        text
    }

    /// Reads what kube-cel reports: dots before keys, which may hold dots themselves.
    pub(crate) fn from_dotted(text: &str, schema: &Value, object: &Value) -> Self {
        let (mut path, mut rest) = (Self::default(), text);
        let (mut schema, mut object) = (Some(schema), Some(object));
        while !rest.is_empty() {
            if let Some((index, after)) = leading_index(rest) {
                path = path.index(index);
                schema = schema.and_then(|schema| schema.get("items"));
                object = object.and_then(|object| object.get(index));
                rest = after;
                continue;
            }
            rest = rest.strip_prefix('.').unwrap_or(rest);
            let (name, after) = leading_name(rest, object);
            let property = schema.and_then(|schema| schema.get("properties")?.get(name));
            let is_map = schema.is_some_and(|schema| schema.get("additionalProperties").is_some());
            path = if property.is_none() && is_map {
                path.key(name)
            } else {
                path.field(name)
            };
            schema =
                property.or_else(|| schema.and_then(|schema| schema.get("additionalProperties")));
            object = object.and_then(|object| object.get(name));
            rest = after;
        }
        path
    }
}

fn leading_index(text: &str) -> Option<(usize, &str)> {
    let (digits, after) = text.strip_prefix('[')?.split_once(']')?;
    Some((digits.parse().ok()?, after))
}

/// The longest key of the object that the text begins with, or else everything up to the next separator.
fn leading_name<'a>(text: &'a str, object: Option<&Value>) -> (&'a str, &'a str) {
    let keys = object
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(|object| object.keys());
    let known = keys
        .filter_map(|key| {
            let after = text.strip_prefix(key.as_str())?;
            (after.is_empty() || after.starts_with(['.', '['])).then_some(key.len())
        })
        .max();
    // At least one character, so that the caller always comes to an end.
    let first = text.chars().next().map_or(0, char::len_utf8);
    let end = known.filter(|end| *end > 0).or_else(|| {
        text.char_indices()
            .skip(1)
            .find(|(_, character)| matches!(character, '.' | '['))
            .map(|(at, _)| at)
    });
    text.split_at_checked(end.unwrap_or(text.len()).max(first))
        .unwrap_or((text, ""))
}

/// Everything but bounds and types is reported with the keys of maps in brackets: `spec.feedback[ui].ttl`.
impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Field(name) if position == 0 => formatter.write_str(name)?,
                Step::Field(name) => write!(formatter, ".{name}")?,
                Step::Key(key) => write!(formatter, "[{key}]")?,
                Step::Index(index) => write!(formatter, "[{index}]")?,
            }
        }
        Ok(())
    }
}
