//! A YAML document as a tree that remembers its lines.

use serde_json::{Map, Value};

use crate::path::{Path, Step};

/// One node of a document.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// Where it begins, counted from 1.
    pub(crate) line: usize,
    pub(crate) content: Content,
}

#[derive(Debug, Clone)]
pub(crate) enum Content {
    Scalar(Value),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a map, and what stands there.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) line: usize,
    pub(crate) node: Node,
}

impl Node {
    /// What stands at a key of a map.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match &self.content {
            Content::Map(entries) => entries
                .iter()
                .find(|entry| entry.key == key)
                .map(|entry| &entry.node),
            _ => None,
        }
    }

    /// The text of a scalar at a key of a map.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        match &self.get(key)?.content {
            Content::Scalar(value) => value.as_str(),
            _ => None,
        }
    }

    /// The items of a list.
    pub(crate) fn items(&self) -> Option<&[Self]> {
        match &self.content {
            Content::List(items) => Some(items),
            _ => None,
        }
    }

    /// The line of the field, or of its nearest parent that is written down.
    pub(crate) fn line_of(&self, path: &Path) -> usize {
        let (mut node, mut line) = (self, self.line);
        for step in path.steps() {
            let next = match (step, &node.content) {
                (Step::Field(name) | Step::Key(name), Content::Map(entries)) => entries
                    .iter()
                    .find(|entry| entry.key == *name)
                    .map(|entry| (entry.line, &entry.node)),
                (Step::Index(index), Content::List(items)) => {
                    items.get(*index).map(|item| (item.line, item))
                }
                _ => None,
            };
            match next {
                Some((at, below)) => (line, node) = (at, below),
                None => break,
            }
        }
        line
    }

    /// The document as JSON; of keys written twice the first one counts.
    pub(crate) fn to_json(&self) -> Value {
        match &self.content {
            Content::Scalar(value) => value.clone(),
            Content::List(items) => items.iter().map(Self::to_json).collect(),
            Content::Map(entries) => {
                let mut map = Map::new();
                for entry in entries {
                    map.entry(entry.key.clone())
                        .or_insert_with(|| entry.node.to_json());
                }
                Value::Object(map)
            }
        }
    }
}
