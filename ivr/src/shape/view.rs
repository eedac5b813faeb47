//! Reads a checked map: what is written, or the default of the table.

use std::time::Duration;

use base::{Digit, Name, Period, PhoneNumber};
use jiff::civil::Date;

use super::scalar;
use super::{Need, Struct};
use crate::line::TimeRange;
use crate::yaml::{Entry, Node};

/// A map and the table of its keys. Readings are `None` where nothing is written and no default counts,
/// or where what is written is faulty (which was reported).
#[derive(Clone, Copy, Debug)]
pub struct View<'n> {
    node: Option<&'n Node>,
    shape: &'static Struct,
}

impl<'n> View<'n> {
    /// A map that is there, or not (then all is default).
    pub fn new(node: Option<&'n Node>, shape: &'static Struct) -> Self {
        Self { node, shape }
    }

    /// What is written under a key.
    pub fn node(&self, key: &str) -> Option<&'n Node> {
        self.node?.child(key)
    }

    /// All that is written.
    pub fn all(&self) -> &'n [Entry] {
        self.node.map_or(&[], Node::entries)
    }

    /// The items of the list under a key; none when nothing is written.
    pub fn items(&self, key: &str) -> &'n [Node] {
        self.node(key).map_or(&[], Node::items)
    }

    /// The entries of the map under a key; none when nothing is written.
    pub fn entries(&self, key: &str) -> &'n [Entry] {
        self.node(key).map_or(&[], Node::entries)
    }

    /// The map under a key.
    #[must_use]
    pub fn part(&self, key: &str, shape: &'static Struct) -> Self {
        Self { node: self.node(key), shape }
    }

    /// The text under a key, or the default.
    pub fn text(&self, key: &str) -> Option<&'n str> {
        match self.node(key) {
            Some(node) => node.text(),
            None => match self.shape.field(key)?.need {
                Need::Default(text) => Some(text),
                Need::Required | Need::Branch | Need::Optional => None,
            },
        }
    }

    /// The text as a name.
    pub fn name(&self, key: &str) -> Option<Name> {
        self.text(key).map(Name::from)
    }

    /// `true` or `false`.
    pub fn truth(&self, key: &str) -> Option<bool> {
        self.text(key)?.parse().ok()
    }

    /// A whole number.
    pub fn count(&self, key: &str) -> Option<u32> {
        self.text(key)?.parse().ok()
    }

    /// A duration.
    pub fn duration(&self, key: &str) -> Option<Duration> {
        scalar::duration(self.text(key)?)
    }

    /// A period.
    pub fn period(&self, key: &str) -> Option<Period> {
        scalar::period(self.text(key)?)
    }

    /// A share in percent.
    pub fn percent(&self, key: &str) -> Option<u8> {
        scalar::percent(self.text(key)?)
    }

    /// A date.
    pub fn date(&self, key: &str) -> Option<Date> {
        scalar::date(self.text(key)?)
    }

    /// A telephone number in normal form.
    pub fn phone(&self, key: &str) -> Option<PhoneNumber> {
        scalar::phone(self.text(key)?)
    }

    /// A key of a telephone.
    pub fn digit(&self, key: &str) -> Option<Digit> {
        scalar::digit(self.text(key)?)
    }

    /// The texts of a list, or of the default `[a, b]`.
    pub fn texts(&self, key: &str) -> Vec<&'n str> {
        match self.node(key) {
            Some(node) => node.items().iter().filter_map(Node::text).collect(),
            None => match self.shape.field(key).map(|field| field.need) {
                Some(Need::Default(list)) => list
                    .trim_matches(['[', ']'])
                    .split(',')
                    .map(|item| item.trim().trim_matches('"'))
                    .filter(|item| !item.is_empty())
                    .collect(),
                _ => Vec::new(),
            },
        }
    }
}

/// The ranges of a list.
pub fn ranges(node: &Node) -> Vec<TimeRange> {
    node.items().iter().filter_map(Node::text).filter_map(scalar::time_range).collect()
}
