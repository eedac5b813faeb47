//! Builds the tree from the parser's events, under limits.

use std::collections::HashMap;

use granit_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, options};

use super::{Entry, Node, Spot, Value, lint, syntax};
use crate::fault::Faults;

/// What could be read of a file.
#[derive(Debug)]
pub struct Parsed {
    /// The value of the whole file; `None` when nothing could be read.
    pub root: Option<Node>,
    /// Lines had to be left out to read the rest: what is missing may only have been left out.
    pub damaged: bool,
}

/// Reads a file's text. After a syntax fault that stays within its line, that line (and what is indented
/// below it) is left out and the rest is read again, so that the faults behind it are found as well.
pub fn parse(file: u16, text: &str, faults: &mut Faults<'_>) -> Parsed {
    let start = Spot { file, line: 1, column: 1 };
    if text.len() > LARGEST_FILE {
        faults.add(
            start,
            "E001",
            format!("{} bytes are more than {LARGEST_FILE}", text.len()),
            "split the file",
        );
        return Parsed { root: None, damaged: true };
    }
    let mut lines: Vec<&str> = text.split('\n').collect();
    let mut damaged = false;
    for _ in 0..MOST_SYNTAX_FAULTS {
        let source = lines.join("\n");
        let mut pass = Builder::new(file);
        let error = match pass.run(&source) {
            Ok(()) => {
                pass.report(&source, faults);
                return Parsed { root: pass.root, damaged };
            }
            Err(Stop::Limit(spot, message)) => {
                faults.add(spot, "E003", message, "");
                return Parsed { root: None, damaged: true };
            }
            Err(Stop::Syntax(error)) => error,
        };
        damaged = true;
        if full_width_keys(file, &mut lines, faults) {
            continue;
        }
        let line = syntax::report(file, &lines, &error, faults);
        if !syntax::stays_in_its_line(&error) || !leave_out(&mut lines, line) {
            break;
        }
    }
    Parsed { root: None, damaged: true }
}

/// `name：华宁` is no key, so the lines around it fall apart: found by its look, once YAML has failed.
fn full_width_keys(file: u16, lines: &mut [&str], faults: &mut Faults<'_>) -> bool {
    let found: Vec<(usize, usize)> = lines
        .iter()
        .enumerate()
        .filter_map(|(index, line)| Some((index, lint::full_width_key(line)?)))
        .collect();
    for (index, column) in &found {
        let at = Spot { file, line: *index as u32 + 1, column: *column as u32 + 1 };
        faults.add(
            at,
            "E002",
            "a full-width colon makes no key (全角冒号)",
            "write an ASCII colon and a space",
        );
    }
    for (index, _) in &found {
        leave_out(lines, *index);
    }
    !found.is_empty()
}

/// Empties a line and what is indented below it; false when there was nothing to empty.
fn leave_out(lines: &mut [&str], line: usize) -> bool {
    let Some(broken) = lines.get(line) else { return false };
    if broken.trim().is_empty() {
        return false;
    }
    let indent = indent_of(broken);
    let by_tab = broken.trim_start_matches(' ').starts_with('\t');
    lines[line] = "";
    if by_tab {
        return true; // How deep it was meant to be, nobody knows.
    }
    for below in lines.iter_mut().skip(line + 1) {
        if !below.trim().is_empty() {
            if indent_of(below) <= indent {
                break;
            }
            *below = "";
        }
    }
    true
}

fn indent_of(line: &str) -> usize {
    line.chars().take_while(|c| c.is_whitespace()).count()
}

/// Why a pass ended early.
enum Stop {
    Syntax(Box<ScanError>),
    Limit(Spot, String),
}

/// One pass over the events.
struct Builder {
    file: u16,
    open: Vec<Open>,
    root: Option<Node>,
    nodes: usize,
    documents: usize,
    /// Noted during the pass; reported only when the pass reaches the end.
    notes: Vec<(Spot, &'static str, String, String)>,
}

/// A list or map whose end has not come.
struct Open {
    at: Spot,
    items: Vec<Node>,
    entries: Vec<Entry>,
    /// The line of each key, by what the strangest YAML tool takes it for.
    lines: HashMap<String, u32>,
    key: Option<(String, Spot, bool)>,
    is_map: bool,
}

impl Builder {
    fn new(file: u16) -> Self {
        Self { file, open: Vec::new(), root: None, nodes: 0, documents: 0, notes: Vec::new() }
    }

    fn run(&mut self, source: &str) -> Result<(), Stop> {
        let options = options! {
            flow_nesting_limit: DEEPEST,
            block_nesting_limit: DEEPEST,
            disallow_directives: true,
            max_buffered_comment_events: MOST_COMMENTS,
        };
        for next in Parser::new_from_str_with_options(source, options) {
            let (event, span) = next.map_err(|error| Stop::Syntax(Box::new(error)))?;
            self.event(event, span)?;
        }
        Ok(())
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Stop> {
        let at = self.spot(span.start);
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.note(at, "E004", "a second document", "remove the line ---");
                }
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                self.note(at, "E004", "an alias", "write the value out; a text that begins with * is quoted");
                self.put(Node { at, value: Value::Empty }, false)?;
            }
            Event::Comment(text, _) => {
                if let Some(message) = lint::hidden_key(&text) {
                    self.note(at, "W207", message, "write the key in quotes: \"#\": …");
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_extras(at, anchor != 0, tag.is_some());
                let quoted = style != ScalarStyle::Plain;
                let empty =
                    !quoted && (span.start == span.end || matches!(&*text, "~" | "null" | "Null" | "NULL"));
                let value =
                    if empty { Value::Empty } else { Value::Scalar { text: text.into_owned(), quoted } };
                self.put(Node { at, value }, quoted)?;
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_extras(at, anchor != 0, tag.is_some());
                self.begin(at, false)?;
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_extras(at, anchor != 0, tag.is_some());
                self.begin(at, true)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(open) = self.open.pop() {
                    let value = if open.is_map { Value::Map(open.entries) } else { Value::List(open.items) };
                    self.put(Node { at: open.at, value }, true)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, at: Spot, is_map: bool) -> Result<(), Stop> {
        if self.open.len() >= DEEPEST {
            return Err(Stop::Limit(at, format!("nested deeper than {DEEPEST} levels")));
        }
        self.open.push(Open {
            at,
            items: Vec::new(),
            entries: Vec::new(),
            lines: HashMap::new(),
            key: None,
            is_map,
        });
        Ok(())
    }

    /// A finished value goes where it belongs: as a key, as a key's value, into a list, or it is all.
    fn put(&mut self, node: Node, quoted: bool) -> Result<(), Stop> {
        self.nodes += 1;
        if self.nodes > MOST_NODES {
            return Err(Stop::Limit(node.at, format!("more than {MOST_NODES} values")));
        }
        let Some(open) = self.open.last_mut() else {
            if self.root.is_none() {
                self.root = Some(node);
            }
            return Ok(());
        };
        if !open.is_map {
            open.items.push(node);
        } else if let Some((key, at, quoted)) = open.key.take() {
            open.entries.push(Entry { key, at, quoted, value: node });
        } else {
            self.key(node, quoted);
        }
        Ok(())
    }

    fn key(&mut self, node: Node, quoted: bool) {
        let at = node.at;
        let text = match node.value {
            Value::Scalar { text, .. } => text,
            Value::Empty => "~".to_owned(),
            Value::List(_) | Value::Map(_) => {
                self.note(at, "E014", "a list or map as a key", "keys are words");
                "?".to_owned()
            }
        };
        let Some(open) = self.open.last_mut() else { return };
        let first = open.lines.insert(lint::taken_for(&text, quoted), at.line);
        let message = first.map(|line| format!("{text:?} stands in line {line} already"));
        open.key = Some((text.clone(), at, quoted));
        if let Some(message) = message {
            self.note(at, "E205", message, "keep one of them: YAML tools differ about which one counts");
        }
        if text == "<<" && !quoted {
            self.note(at, "E004", "a merge key", "write the values out");
        }
    }

    fn refuse_extras(&mut self, at: Spot, anchor: bool, tag: bool) {
        if anchor {
            self.note(at, "E004", "an anchor", "remove &…; a text that begins with & is quoted");
        }
        if tag {
            self.note(at, "E004", "a tag", "remove !…; a text that begins with ! is quoted");
        }
    }

    fn note(
        &mut self,
        at: Spot,
        code: &'static str,
        message: impl Into<String>,
        proposal: impl Into<String>,
    ) {
        self.notes.push((at, code, message.into(), proposal.into()));
    }

    fn report(&mut self, source: &str, faults: &mut Faults<'_>) {
        for (at, code, message, proposal) in self.notes.drain(..) {
            faults.add(at, code, message, proposal);
        }
        if let Some(root) = &self.root {
            lint::full_width(root, &source.lines().collect::<Vec<_>>(), faults);
        }
    }

    fn spot(&self, mark: Marker) -> Spot {
        Spot { file: self.file, line: mark.line() as u32, column: mark.col() as u32 + 1 }
    }
}

/// A line's file is some kilobytes; a megabyte bounds the time that checking can take.
const LARGEST_FILE: usize = 1 << 20;

/// The deepest thing in the language (an `any` in an `if` in a menu) is half as deep.
const DEEPEST: usize = 32;

/// A hundred times the whole example; bounds memory.
const MOST_NODES: usize = 100_000;

/// After so many syntax faults the rest is noise.
const MOST_SYNTAX_FAULTS: usize = 20;

/// Consecutive comment lines; a long licence text is no fault.
const MOST_COMMENTS: usize = 10_000;
