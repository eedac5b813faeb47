//! The shapes of the files, as tables: every key, its kind, its default and what it means.
//!
//! The same tables check a file (`check`), give the defaults (`View`) and write the JSON Schemas
//! (`schema`) and the rows of the reference (`reference`), so that none can say something else than the
//! others.

mod check;
mod reference;
mod scalar;
mod schema;
mod view;

pub use check::{Declared, check};
pub use reference::reference;
pub use scalar::{date, digit, duration, is_name, name_rule, percent, period, phone, time_range};
pub use schema::{keys_of, schema};
pub use view::{View, ranges};

/// What a value is.
#[derive(Debug)]
pub enum Kind {
    /// Text for people.
    Text,
    /// A name of the file's own: `a-z 0-9 _ -`.
    Name,
    /// `true` or `false`.
    Bool,
    /// A whole number within bounds, both included.
    Count(u64, u64),
    /// `15s`, `3min`, `2h`; bounds in seconds, both included.
    Duration(u64, u64),
    /// The same, bounds in milliseconds.
    Millis(u64, u64),
    /// `90d`, `6mo`: how long something is kept.
    Period,
    /// `10%`.
    Percent,
    /// `"2026-10-01"`.
    Date,
    /// `"09:00-12:00"`.
    TimeRange,
    /// `"18:00"`.
    Time,
    /// A telephone number in quotes.
    Phone,
    /// An extension in quotes.
    Extension,
    /// One key of a telephone in quotes.
    Digit,
    /// `env:NAME`.
    Secret,
    /// One of these words.
    OneOf(&'static Words),
    /// A name that a section of the line defines.
    Ref(&'static str),
    /// This word, or else a name that a section of the line defines.
    WordOr(&'static str, &'static str),
    /// A list; how many items at least and at most.
    List(&'static Self, usize, usize),
    /// A map from names to values.
    Named(&'static Self),
    /// A map from quoted keys of a telephone to values.
    Keys(&'static Self),
    /// A map with these keys.
    Struct(&'static Struct),
    /// A text of the first kind, or a list or map of the second.
    Or(&'static Self, &'static Self),
    /// A bare word, or a map with exactly one of several verbs.
    Choice(&'static Choice),
}

/// Words that a value may be, and those that a later build will know.
#[derive(Debug)]
pub struct Words {
    /// Allowed.
    pub words: &'static [&'static str],
    /// Of the language, but not built.
    pub later: &'static [&'static str],
}

/// A map's keys.
#[derive(Debug)]
pub struct Struct {
    /// What it is, for messages.
    pub noun: &'static str,
    /// Its keys.
    pub fields: &'static [Field],
    /// Keys of the language that are not built.
    pub later: &'static [&'static str],
    /// Keys that are not fixed words, such as `mon-fri`.
    pub others: Option<Others>,
}

/// Keys by a rule instead of by name.
#[derive(Debug)]
pub struct Others {
    /// Whether a key is one.
    pub fits: fn(&str) -> bool,
    /// The rule as a regular expression, for the schema.
    pub pattern: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// What it means.
    pub doc: &'static str,
}

/// One key.
#[derive(Debug)]
pub struct Field {
    /// As written.
    pub key: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether it must be there.
    pub need: Need,
    /// What it means: one line, for the schema and the reference.
    pub doc: &'static str,
}

/// Whether a key must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// E013 without it.
    Required,
    /// E103 without it: a branch for what goes wrong.
    Branch,
    /// This is what counts without it, in the file's own spelling.
    Default(&'static str),
    /// Nothing counts without it.
    Optional,
}

/// A step, a question, a key's action: one verb.
#[derive(Debug)]
pub struct Choice {
    /// What it is, for messages.
    pub noun: &'static str,
    /// Verbs that stand alone, with what they mean.
    pub bare: &'static [(&'static str, &'static str)],
    /// Verbs with an argument.
    pub variants: &'static [Variant],
    /// Keys that may stand beside any verb.
    pub beside: &'static [Field],
    /// Verbs of the language that are not built.
    pub later: &'static [&'static str],
}

/// A verb with its argument and the keys that belong to it.
#[derive(Debug)]
pub struct Variant {
    /// The verb and its argument.
    pub verb: Field,
    /// Keys beside it.
    pub with: &'static [Field],
    /// Keys beside it that are not built.
    pub with_later: &'static [&'static str],
}

impl Struct {
    /// The key's entry in the table.
    pub fn field(&self, key: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.key == key)
    }
}

impl Choice {
    /// The verb's entry in the table.
    pub fn variant(&self, verb: &str) -> Option<&'static Variant> {
        self.variants.iter().find(|variant| variant.verb.key == verb)
    }
}
