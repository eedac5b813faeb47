//! YAML text to a tree of values that know where they stand, and what is risky in the text itself.
//!
//! The parser below is granit-parser (that of serde-saphyr): an event stream keeps quotes, comments,
//! duplicates and columns, which a typed pass loses, and lets all faults be found and not only the first.

mod build;
mod lint;
mod syntax;

pub use build::{Parsed, parse};

/// A place: file by its index in the sources, line and column from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Spot {
    /// Which of the sources.
    pub file: u16,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}

/// A value and where it begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where it begins.
    pub at: Spot,
    /// What it is.
    pub value: Value,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing is written, or `~` or `null`.
    Empty,
    /// Text as written, quotes and escapes resolved.
    Scalar {
        /// The text.
        text: String,
        /// In quotes or as a block: text to every YAML tool.
        quoted: bool,
    },
    /// `- …` or `[…]`
    List(Vec<Node>),
    /// `key: …` or `{…}`
    Map(Vec<Entry>),
}

/// A key, where it stands, and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key's text.
    pub key: String,
    /// Where the key stands.
    pub at: Spot,
    /// Whether it is in quotes.
    pub quoted: bool,
    /// What it holds.
    pub value: Node,
}

impl Node {
    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The items of a list; none when it is something else.
    pub fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The entries of a map; none when it is something else.
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The entry with this key.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The value of this key.
    pub fn child(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The items of the list under a key; none when it is something else.
    pub fn items_of(&self, key: &str) -> &[Self] {
        self.child(key).map_or(&[], Self::items)
    }

    /// The entries of the map under a key; none when it is something else.
    pub fn entries_of(&self, key: &str) -> &[Entry] {
        self.child(key).map_or(&[], Self::entries)
    }

    /// What it is, for a message.
    pub fn what(&self) -> &'static str {
        match self.value {
            Value::Empty => "nothing",
            Value::Scalar { .. } => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}
