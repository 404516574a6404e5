//! Composes the events of a YAML parser into documents.

use std::borrow::Cow;
use std::collections::HashMap;

use granit_parser::{Event, Options, Parser, ScalarStyle, ScanError, Span, Tag};
use serde_json::Value;

use super::node::{Content, Entry, Node};
use super::scalar;

/// Nodes of one text: far more than any real manifest has, few enough for aliases of aliases to stay harmless.
const MOST_NODES: usize = 200_000;
/// Levels of one document: far more than the API has.
const DEEPEST: usize = 64;

/// A mistake in the YAML itself. Its message never quotes the text, which may be that of a Secret.
#[derive(Debug)]
pub(crate) struct SyntaxProblem {
    pub(crate) line: usize,
    pub(crate) message: String,
}

/// Reads all documents of a text; after a broken one it goes on with the next.
pub(crate) fn documents(text: &str) -> (Vec<Node>, Vec<SyntaxProblem>) {
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.block_nesting_limit = DEEPEST;
    options.flow_nesting_limit = DEEPEST;
    let mut composer = Composer {
        parser: Parser::new_from_str_with_options(text, options),
        anchors: HashMap::new(),
        nodes_left: MOST_NODES,
        problems: Vec::new(),
    };
    let mut documents = Vec::new();
    loop {
        match composer.next_document() {
            Ok(Some(document)) => documents.push(document),
            Ok(None) => break,
            Err(problem) => {
                composer.problems.push(problem);
                if !matches!(composer.parser.proceed_next_document(), Ok(true)) {
                    break;
                }
            }
        }
    }
    (documents, composer.problems)
}

struct Composer<'a> {
    parser: Parser<'a, granit_parser::StrInput<'a>>,
    anchors: HashMap<usize, Node>,
    nodes_left: usize,
    problems: Vec<SyntaxProblem>,
}

type Read<T> = Result<T, SyntaxProblem>;

impl<'a> Composer<'a> {
    /// The next document that holds anything, or none at the end.
    fn next_document(&mut self) -> Read<Option<Node>> {
        loop {
            match self.next_event()? {
                None | Some((Event::StreamEnd, _)) => return Ok(None),
                Some((Event::DocumentStart(..), _)) => {
                    self.anchors.clear();
                    let root = self.node(0)?;
                    if !matches!(root.content, Content::Scalar(Value::Null)) {
                        return Ok(Some(root));
                    }
                }
                Some(_) => {}
            }
        }
    }

    fn next_event(&mut self) -> Read<Option<(Event<'a>, Span)>> {
        self.parser
            .next()
            .transpose()
            .map_err(|error| syntax(&error))
    }

    fn node(&mut self, depth: usize) -> Read<Node> {
        match self.next_event()? {
            Some((event, span)) => self.node_from(event, span, depth),
            None => Err(SyntaxProblem {
                line: 0,
                message: "unexpected end of the text".to_owned(),
            }),
        }
    }

    fn node_from(&mut self, event: Event<'a>, span: Span, depth: usize) -> Read<Node> {
        let line = span.start.line();
        let refuse = |message: &str| {
            Err(SyntaxProblem {
                line,
                message: message.to_owned(),
            })
        };
        if depth > DEEPEST {
            return refuse("nested too deeply");
        }
        self.spend(line, 1)?;
        let (anchor, content) = match event {
            Event::Scalar(text, style, anchor, tag) => (
                anchor,
                Content::Scalar(scalar_value(&text, style, tag.as_ref())),
            ),
            Event::SequenceStart(_, anchor, _) => (anchor, Content::List(self.items(depth)?)),
            Event::MappingStart(_, anchor, _) => (anchor, Content::Map(self.entries(depth)?)),
            Event::Alias(anchor) => {
                let Some(mut node) = self.anchors.get(&anchor).cloned() else {
                    return refuse("an alias stands inside of what it names");
                };
                self.spend(line, size(&node))?;
                node.line = line;
                return Ok(node);
            }
            _ => return refuse("a value was expected"),
        };
        let node = Node { line, content };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn items(&mut self, depth: usize) -> Read<Vec<Node>> {
        let mut items = Vec::new();
        while let Some((event, span)) = self.next_event()? {
            if matches!(event, Event::SequenceEnd) {
                break;
            }
            items.push(self.node_from(event, span, depth + 1)?);
        }
        Ok(items)
    }

    fn entries(&mut self, depth: usize) -> Read<Vec<Entry>> {
        let (mut entries, mut merged): (Vec<Entry>, Vec<Entry>) = (Vec::new(), Vec::new());
        while let Some((event, span)) = self.next_event()? {
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let is_merge =
                matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            let key = self.node_from(event, span, depth + 1)?;
            let node = self.node(depth + 1)?;
            if is_merge {
                merged.extend(merged_entries(node));
                continue;
            }
            let text = match &key.content {
                Content::Scalar(value) => scalar::key(value),
                _ => None,
            };
            let Some(text) = text else {
                return Err(SyntaxProblem {
                    line: key.line,
                    message: "a key must be a plain value".to_owned(),
                });
            };
            if entries.iter().any(|entry| entry.key == text) {
                let message = format!("key {} is written twice", Value::from(text.as_str()));
                self.problems.push(SyntaxProblem {
                    line: key.line,
                    message,
                });
            }
            entries.push(Entry {
                key: text,
                line: key.line,
                node,
            });
        }
        for entry in merged {
            if entries.iter().all(|known| known.key != entry.key) {
                entries.push(entry);
            }
        }
        Ok(entries)
    }

    fn spend(&mut self, line: usize, nodes: usize) -> Read<()> {
        match self.nodes_left.checked_sub(nodes) {
            Some(left) => {
                self.nodes_left = left;
                Ok(())
            }
            None => Err(SyntaxProblem {
                line,
                message: format!("more than {MOST_NODES} values in one file"),
            }),
        }
    }
}

/// What `<<` brings: the keys of a map, or of each of a list of maps, the first of them first.
fn merged_entries(node: Node) -> Vec<Entry> {
    match node.content {
        Content::Map(entries) => entries,
        Content::List(items) => items.into_iter().flat_map(merged_entries).collect(),
        Content::Scalar(_) => Vec::new(),
    }
}

fn scalar_value(text: &str, style: ScalarStyle, tag: Option<&Cow<'_, Tag>>) -> Value {
    if style == ScalarStyle::Plain && tag.is_none_or(|tag| !tag.is_yaml_core_schema_tag("str")) {
        scalar::plain(text)
    } else {
        Value::from(text)
    }
}

fn size(node: &Node) -> usize {
    match &node.content {
        Content::Scalar(_) => 1,
        Content::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        Content::Map(entries) => {
            1 + entries
                .iter()
                .map(|entry| 1 + size(&entry.node))
                .sum::<usize>()
        }
    }
}

fn syntax(error: &ScanError) -> SyntaxProblem {
    SyntaxProblem {
        line: error.marker().line(),
        message: error.kind().to_string(),
    }
}
