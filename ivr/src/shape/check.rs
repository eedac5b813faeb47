//! Holds a tree against the tables: every fault of spelling, kind, key and reference in it.

use std::collections::{BTreeMap, BTreeSet};

use super::scalar::{self, is_boolean_word, misread};
use super::{Choice, Field, Kind, Need, Struct, Words};
use crate::fault::{Faults, did_you_mean};
use crate::yaml::{Entry, Node, Spot, Value};

/// The names that each section defines, faulty entries included: who refers to one is not at fault.
pub type Declared = BTreeMap<&'static str, BTreeSet<String>>;

/// Checks a node against a kind. `damaged` says that parts of the file could not be read: then nothing
/// is reported as missing or undefined.
pub fn check(node: &Node, kind: &Kind, declared: &Declared, damaged: bool, faults: &mut Faults<'_>) {
    Checker { declared, damaged, faults }.value(node, kind);
}

struct Checker<'c, 'f> {
    declared: &'c Declared,
    damaged: bool,
    faults: &'c mut Faults<'f>,
}

impl Checker<'_, '_> {
    fn value(&mut self, node: &Node, kind: &Kind) {
        match kind {
            Kind::List(of, least, most) => self.list(node, of, *least, *most),
            Kind::Named(of) => self.named(node, of),
            Kind::Keys(of) => self.keys(node, of),
            Kind::Struct(shape) => self.structure(node, shape),
            Kind::Choice(choice) => self.choice(node, choice),
            Kind::Or(text, other) => match &node.value {
                Value::Scalar { .. } => self.scalar(node, text),
                _ => self.value(node, other),
            },
            _ => self.scalar(node, kind),
        }
    }

    fn list(&mut self, node: &Node, of: &Kind, least: usize, most: usize) {
        let Value::List(items) = &node.value else {
            return self.wrong_type(node, "a list", "write [ … ], or one `- ` for each item");
        };
        if items.len() < least || items.len() > most {
            let message = format!("{} items where {} are wanted", items.len(), bounds(least, most));
            self.faults.add(node.at, "E015", message, "");
        }
        for item in items {
            self.value(item, of);
        }
    }

    fn named(&mut self, node: &Node, of: &Kind) {
        let Value::Map(entries) = &node.value else {
            return self.wrong_type(node, "a map from names to values", "write `name: …` for each entry");
        };
        if entries.len() > MOST_ENTRIES {
            let message = format!("{} entries, more than {MOST_ENTRIES}", entries.len());
            return self.faults.add(node.at, "E003", message, "is this one line?");
        }
        for entry in entries {
            if !entry.quoted && is_boolean_word(&entry.key) {
                self.faults.add(
                    entry.at,
                    "E201",
                    format!("{} cannot be a name", entry.key),
                    "choose another word",
                );
            } else if !scalar::is_name(&entry.key) {
                let message = format!("{:?} is not a name", entry.key);
                self.faults.add(entry.at, "E020", message, "a-z, 0-9, _ and -, a letter first");
            }
            self.value(&entry.value, of);
        }
    }

    fn keys(&mut self, node: &Node, of: &Kind) {
        let Value::Map(entries) = &node.value else {
            return self.wrong_type(node, "a map from keys to actions", "write `\"1\": { … }` for each key");
        };
        for entry in entries {
            let fits = scalar::digit(&entry.key).is_some();
            if fits && !entry.quoted {
                let message = format!("key {} without quotes", entry.key);
                self.faults.add(entry.at, "E206", message, format!("write \"{}\":", entry.key));
            } else if !fits
                && !entry.key.is_empty()
                && entry.key.chars().all(|c| scalar::digit(&c.to_string()).is_some())
            {
                let message = format!("keys of several digits such as {:?} are not supported yet", entry.key);
                self.faults.add(entry.at, "E012", message, "use one key");
            } else if !fits {
                let message = format!("{:?} is no key of a telephone", entry.key);
                self.faults.add(entry.at, "E112", message, "\"0\" to \"9\", \"*\" and \"#\"");
            }
            self.value(&entry.value, of);
        }
    }

    fn structure(&mut self, node: &Node, shape: &'static Struct) {
        let Value::Map(entries) = &node.value else {
            let example = shape.fields.first().map_or("key", |field| field.key);
            return self.wrong_type(
                node,
                &format!("{} (a map)", shape.noun),
                &format!("write `{example}: …`"),
            );
        };
        for entry in entries {
            if let Some(field) = shape.field(&entry.key) {
                self.value(&entry.value, &field.kind);
            } else if let Some(others) = shape.others.as_ref().filter(|others| (others.fits)(&entry.key)) {
                self.value(&entry.value, &others.kind);
            } else {
                let known: Vec<&str> = shape.fields.iter().map(|field| field.key).collect();
                self.unknown(entry, shape.noun, &known, shape.later);
            }
        }
        // Who wrote a key that is not built yet did it in place of one that is.
        if !entries.iter().any(|entry| shape.later.contains(&entry.key.as_str())) {
            self.missing(node.at, node, shape.noun, shape.fields);
        }
    }

    fn missing(&mut self, at: Spot, node: &Node, noun: &str, fields: &[Field]) {
        if self.damaged {
            return;
        }
        for field in fields.iter().filter(|field| node.entry(field.key).is_none()) {
            if field.key == "format" {
                continue; // E010 has said so, for each file.
            }
            let code = match field.need {
                Need::Required => "E013",
                Need::Branch => "E103",
                Need::Default(_) | Need::Optional => continue,
            };
            self.faults.add(at, code, format!("{noun} lacks `{}`", field.key), field.doc);
        }
    }

    fn unknown(&mut self, entry: &Entry, noun: &str, known: &[&str], later: &[&str]) {
        if entry.key == "<<" && !entry.quoted {
            return; // E004 has said so.
        }
        if later.contains(&entry.key.as_str()) {
            let message = format!("`{}` is not supported yet (尚未支持)", entry.key);
            return self.faults.add(entry.at, "E012", message, "remove it until it is");
        }
        if !entry.quoted && is_boolean_word(&entry.key) {
            let message = format!("the key {} is a boolean to some YAML tools", entry.key);
            return self.faults.add(entry.at, "E201", message, "no key of the language is called so");
        }
        let proposal = did_you_mean(&entry.key, known.iter().copied().chain(later.iter().copied()))
            .map_or_else(
                || format!("known here: {}", known.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
        self.faults.add(entry.at, "E011", format!("{noun} has no key `{}`", entry.key), proposal);
    }

    fn choice(&mut self, node: &Node, choice: &'static Choice) {
        match &node.value {
            Value::Scalar { text, .. } => self.bare(node, text, choice),
            Value::Map(entries) => self.verb(node, entries, choice),
            Value::Empty => {
                self.faults.add(node.at, "E102", format!("an empty {}", choice.noun), hash_hint());
            }
            Value::List(_) => {
                self.wrong_type(
                    node,
                    &format!("one {}", choice.noun),
                    "put the list into a flow and `goto` it",
                );
            }
        }
    }

    fn bare(&mut self, node: &Node, word: &str, choice: &Choice) {
        if choice.bare.iter().any(|(known, _)| *known == word) {
            return;
        }
        if choice.later.contains(&word) {
            return self.faults.add(node.at, "E012", format!("`{word}` is not supported yet (尚未支持)"), "");
        }
        let verbs = || choice.variants.iter().map(|variant| variant.verb.key);
        if verbs().any(|verb| verb == word) {
            let message = format!("`{word}` needs an argument");
            return self.faults.add(node.at, "E102", message, format!("write `{word}: …`"));
        }
        let bare = choice.bare.iter().map(|(known, _)| *known);
        let proposal = did_you_mean(word, bare.clone().chain(verbs())).map_or_else(
            || format!("known here: {}", bare.chain(verbs()).collect::<Vec<_>>().join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        self.faults.add(node.at, "E102", format!("`{word}` is no {}", choice.noun), proposal);
    }

    fn verb(&mut self, node: &Node, entries: &[Entry], choice: &'static Choice) {
        let verbs: Vec<&Entry> =
            entries.iter().filter(|entry| choice.variant(&entry.key).is_some()).collect();
        let later = |entry: &&Entry| choice.later.contains(&entry.key.as_str());
        if let [_, second, ..] = verbs[..] {
            let names: Vec<String> = verbs.iter().map(|entry| format!("`{}`", entry.key)).collect();
            let message = format!("{} in one {}", names.join(" and "), choice.noun);
            self.faults.add(second.at, "E101", message, "make a list item of each");
        }
        let Some(verb) = verbs.first() else {
            if let Some(entry) = entries.iter().find(later) {
                let message = format!("`{}` is not supported yet (尚未支持)", entry.key);
                return self.faults.add(entry.at, "E012", message, "remove it until it is");
            }
            return self.no_verb(node, entries, choice);
        };
        let Some(variant) = choice.variant(&verb.key) else { return };
        self.value(&verb.value, &variant.verb.kind);
        for entry in entries.iter().filter(|entry| choice.variant(&entry.key).is_none()) {
            let beside = variant.with.iter().chain(choice.beside).find(|field| field.key == entry.key);
            if let Some(field) = beside {
                self.value(&entry.value, &field.kind);
            } else if later(&entry) {
                let message =
                    format!("`{}` is not supported yet, nor two verbs in one {}", entry.key, choice.noun);
                self.faults.add(entry.at, "E101", message, "make a list item of each");
            } else {
                let known: Vec<&str> =
                    variant.with.iter().chain(choice.beside).map(|field| field.key).collect();
                self.unknown(entry, &format!("`{}`", verb.key), &known, variant.with_later);
            }
        }
        self.missing(node.at, node, &format!("`{}`", verb.key), variant.with);
        self.missing(node.at, node, &format!("`{}`", verb.key), choice.beside);
    }

    fn no_verb(&mut self, node: &Node, entries: &[Entry], choice: &Choice) {
        let verbs = || choice.variants.iter().map(|variant| variant.verb.key);
        let Some(first) =
            entries.iter().find(|entry| !choice.beside.iter().any(|field| field.key == entry.key))
        else {
            return self.faults.add(node.at, "E102", format!("an empty {}", choice.noun), "");
        };
        if choice.bare.iter().any(|(word, _)| *word == first.key) {
            let message = format!("`{}` takes no argument", first.key);
            return self.faults.add(first.at, "E102", message, format!("write `{}` alone", first.key));
        }
        let proposal = did_you_mean(&first.key, verbs()).map_or_else(
            || format!("known here: {}", verbs().collect::<Vec<_>>().join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        self.faults.add(first.at, "E102", format!("`{}` is no {}", first.key, choice.noun), proposal);
    }

    fn scalar(&mut self, node: &Node, kind: &Kind) {
        let (text, quoted) = match &node.value {
            Value::Scalar { text, quoted } => (text.as_str(), *quoted),
            Value::Empty if matches!(kind, Kind::Digit) => {
                return self.faults.add(node.at, "E206", "nothing is written here", hash_hint());
            }
            _ => return self.wrong_type(node, wanted(kind), ""),
        };
        if text.chars().count() > LONGEST_TEXT {
            return self.faults.add(node.at, "E015", format!("longer than {LONGEST_TEXT} characters"), "");
        }
        if quoted && let Kind::Bool | Kind::Count(..) = kind {
            let message = format!("{} in quotes is text", wanted(kind));
            return self.faults.add(node.at, "E014", message, "write it without quotes");
        }
        if !quoted && self.needs_quotes(node.at, text, kind) {
            return;
        }
        if let Some((code, message, proposal)) = wrong(text, kind) {
            self.faults.add(node.at, code, message, proposal);
        } else if let Kind::Ref(section) = kind {
            self.reference(node.at, text, None, section);
        } else if let Kind::WordOr(word, section) = kind {
            self.reference(node.at, text, Some(word), section);
        }
    }

    /// Reports an unquoted spelling that is not safe for this kind.
    fn needs_quotes(&mut self, at: Spot, text: &str, kind: &Kind) -> bool {
        let fault = match kind {
            Kind::Bool if !matches!(text, "true" | "false") && is_boolean_word(text) => {
                Some(("E201", "write true or false".to_owned()))
            }
            Kind::Bool
            | Kind::Count(..)
            | Kind::Duration(..)
            | Kind::Millis(..)
            | Kind::Period
            | Kind::Percent => None,
            Kind::Time | Kind::TimeRange => {
                let why = misread(text).map_or_else(String::new, |(_, why)| format!(" — {why}"));
                Some(("E202", format!("write \"{text}\"{why}")))
            }
            Kind::Date => {
                Some(("E204", format!("write \"{text}\" — some YAML tools read it as a date object")))
            }
            Kind::Phone | Kind::Extension => {
                let why = misread(text).map_or_else(String::new, |(_, why)| format!(" — {why}"));
                Some(("E203", format!("write \"{text}\"{why}")))
            }
            Kind::Digit => Some(("E206", format!("write \"{text}\""))),
            _ => misread(text).map(|(code, why)| (code, format!("write \"{text}\" — {why}"))),
        };
        let Some((code, proposal)) = fault else { return false };
        let what = match code {
            "E201" if matches!(kind, Kind::Bool) => format!("{text} where true or false is wanted"),
            _ => format!("{text} without quotes"),
        };
        self.faults.add(at, code, what, proposal);
        true
    }

    fn reference(&mut self, at: Spot, name: &str, word: Option<&str>, section: &str) {
        if self.damaged || word == Some(name) {
            return;
        }
        let names = self.declared.get(section);
        if names.is_some_and(|names| names.contains(name)) {
            return;
        }
        let known = || word.into_iter().chain(names.into_iter().flatten().map(String::as_str));
        let proposal = did_you_mean(name, known()).map_or_else(
            || format!("defined: {}", known().take(MOST_NAMED).collect::<Vec<_>>().join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        self.faults.add(at, "E110", format!("`{name}` is not in section {section}"), proposal);
    }

    fn wrong_type(&mut self, node: &Node, wanted: &str, proposal: &str) {
        self.faults.add(node.at, "E014", format!("{} where {wanted} is wanted", node.what()), proposal);
    }
}

/// What is wrong with a text of this kind: code, message, proposal.
fn wrong(text: &str, kind: &Kind) -> Option<(&'static str, String, String)> {
    let fault = |code, message: String, proposal: &str| Some((code, message, proposal.to_owned()));
    match kind {
        Kind::Text | Kind::Ref(_) | Kind::WordOr(..) => {
            text.trim().is_empty().then(|| ("E014", "empty text".to_owned(), String::new()))
        }
        Kind::Name if scalar::is_name(text) => None,
        Kind::Name => fault("E020", format!("{text:?} is not a name"), "a-z, 0-9, _ and -, a letter first"),
        Kind::Bool if matches!(text, "true" | "false") => None,
        Kind::Bool => fault("E014", format!("{text:?} where true or false is wanted"), "write true or false"),
        Kind::Count(least, most) => count_fault(text, *least, *most),
        Kind::Duration(least, most) => duration_fault(text, (least * 1000, most * 1000)),
        Kind::Millis(least, most) => duration_fault(text, (*least, *most)),
        Kind::Period if scalar::period(text).is_some() => None,
        Kind::Period => fault("E016", format!("{text:?} is no period"), "write 30d or 6mo"),
        Kind::Percent if scalar::percent(text).is_some() => None,
        Kind::Percent => fault("E015", format!("{text:?} is no share"), "write 10%"),
        Kind::Date if scalar::date(text).is_some() => None,
        Kind::Date => fault("E018", format!("{text:?} is no date"), "write \"2026-10-01\""),
        Kind::Time if scalar::time(text).is_some() || text == "24:00" => None,
        Kind::Time => fault("E018", format!("{text:?} is no time of day"), "write \"09:00\""),
        Kind::TimeRange => match scalar::time_range(text) {
            Some(range) if range.from != range.to || text == "00:00-24:00" => None,
            Some(_) => {
                fault("E018", format!("{text:?} begins and ends at once"), "all day is \"00:00-24:00\"")
            }
            None => fault("E018", format!("{text:?} is no range of times"), "write \"09:00-12:00\""),
        },
        Kind::Phone if scalar::phone(text).is_some() => None,
        Kind::Phone => {
            fault("E017", format!("{text:?} is no telephone number"), "digits, separators, one + in front")
        }
        Kind::Extension if scalar::is_extension(text) => None,
        Kind::Extension => fault("E017", format!("{text:?} is no extension"), "2 to 32 letters and digits"),
        Kind::Digit if scalar::digit(text).is_some() => None,
        Kind::Digit => {
            fault("E112", format!("{text:?} is no key of a telephone"), "\"0\" to \"9\", \"*\" or \"#\"")
        }
        Kind::Secret if scalar::is_secret(text) => None,
        Kind::Secret => {
            fault("E160", "a secret stands in the file".to_owned(), "write env:NAME and set the variable")
        }
        Kind::OneOf(words) => word_fault(text, words),
        Kind::List(..)
        | Kind::Named(_)
        | Kind::Keys(_)
        | Kind::Struct(_)
        | Kind::Or(..)
        | Kind::Choice(_) => None,
    }
}

fn word_fault(text: &str, words: &Words) -> Option<(&'static str, String, String)> {
    if words.words.contains(&text) {
        return None;
    }
    if words.later.contains(&text) {
        let message = format!("`{text}` is not supported yet (尚未支持)");
        return Some(("E012", message, format!("supported: {}", words.words.join(", "))));
    }
    let proposal = did_you_mean(text, words.words.iter().copied()).map_or_else(
        || format!("allowed: {}", words.words.join(", ")),
        |near| format!("did you mean `{near}`?"),
    );
    Some(("E015", format!("`{text}` is not allowed here"), proposal))
}

fn count_fault(text: &str, least: u64, most: u64) -> Option<(&'static str, String, String)> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    match text.parse::<u64>() {
        Ok(count) if plain && (least..=most).contains(&count) => None,
        Ok(_) if plain => Some(("E015", format!("{text} is out of bounds"), format!("{least} to {most}"))),
        _ => Some((
            "E014",
            format!("{text:?} is no whole number"),
            format!("write digits only, {least} to {most}"),
        )),
    }
}

/// `bounds` are in milliseconds, both included.
fn duration_fault(text: &str, bounds: (u64, u64)) -> Option<(&'static str, String, String)> {
    let Some(span) = scalar::duration(text) else {
        let proposal =
            match text.strip_suffix('m').filter(|number| number.bytes().all(|b| b.is_ascii_digit())) {
                Some(number) => format!("write {number}min for minutes"),
                None if text.bytes().all(|b| b.is_ascii_digit()) => {
                    format!("add a unit: {text}s, {text}min or {text}h")
                }
                None => "write 15s, 3min or 2h".to_owned(),
            };
        return Some(("E016", format!("{text:?} is no duration"), proposal));
    };
    let (least, most) = bounds;
    let fits = (u128::from(least)..=u128::from(most)).contains(&span.as_millis());
    let unit = |millis: u64| match millis % 1000 {
        0 => format!("{}s", millis / 1000),
        _ => format!("{millis}ms"),
    };
    (!fits)
        .then(|| ("E015", format!("{text} is out of bounds"), format!("{} to {}", unit(least), unit(most))))
}

fn wanted(kind: &Kind) -> &'static str {
    match kind {
        Kind::Text | Kind::Name | Kind::OneOf(_) | Kind::Ref(_) | Kind::WordOr(..) | Kind::Or(..) => "a word",
        Kind::Bool => "true or false",
        Kind::Count(..) => "a whole number",
        Kind::Duration(..) | Kind::Millis(..) => "a duration such as 15s",
        Kind::Period => "a period such as 90d",
        Kind::Percent => "a share such as 10%",
        Kind::Date => "a date in quotes",
        Kind::Time | Kind::TimeRange => "a time in quotes",
        Kind::Phone | Kind::Extension => "a number in quotes",
        Kind::Digit => "a key in quotes",
        Kind::Secret => "env:NAME",
        Kind::List(..) | Kind::Named(_) | Kind::Keys(_) | Kind::Struct(_) | Kind::Choice(_) => {
            "something else"
        }
    }
}

fn bounds(least: usize, most: usize) -> String {
    match (least, most) {
        (least, most) if least == most => format!("exactly {least}"),
        (least, usize::MAX) => format!("at least {least}"),
        (least, most) => format!("{least} to {most}"),
    }
}

fn hash_hint() -> &'static str {
    "a # begins a comment: the key is written \"#\""
}

/// Entries of a section: a line with more seats or flows than this is several lines.
const MOST_ENTRIES: usize = 1000;

/// A proposal lists no more names.
const MOST_NAMED: usize = 12;

/// A prompt's transcript may be long; nothing else is.
const LONGEST_TEXT: usize = 2000;
