//! What is risky in the text itself, whatever field it is for.

use super::{Node, Spot, Value};
use crate::fault::Faults;

/// W210 for full-width punctuation in unquoted keys and values. In quotes it is what a caller hears.
pub(super) fn full_width(node: &Node, lines: &[&str], faults: &mut Faults<'_>) {
    match &node.value {
        Value::Empty => {}
        Value::Scalar { text, quoted } => plain(text, *quoted, node.at, lines, faults),
        Value::List(items) => items.iter().for_each(|item| full_width(item, lines, faults)),
        Value::Map(entries) => {
            for entry in entries {
                plain(&entry.key, entry.quoted, entry.at, lines, faults);
                full_width(&entry.value, lines, faults);
            }
        }
    }
}

fn plain(text: &str, quoted: bool, at: Spot, lines: &[&str], faults: &mut Faults<'_>) {
    let Some(found) = text.chars().find(|c| is_full_width(*c)) else { return };
    if quoted {
        return;
    }
    let mut at = at;
    for (below, line) in lines.iter().enumerate().skip((at.line as usize).saturating_sub(1)) {
        let first = if below + 1 == at.line as usize { at.column as usize - 1 } else { 0 };
        if let Some(column) = line.chars().skip(first).position(|c| c == found) {
            at = Spot { line: below as u32 + 1, column: (first + column) as u32 + 1, ..at };
            break;
        }
    }
    faults.add(
        at,
        "W210",
        format!("{found:?} is part of the text"),
        "write ASCII punctuation, or quote the text if it is meant",
    );
}

/// A comment that swallowed a menu key: `#: back`.
pub(super) fn hidden_key(comment: &str) -> Option<String> {
    let word = comment.strip_prefix(':')?.trim();
    (!word.is_empty()).then(|| format!("\"#: {word}\" is a comment, not a key"))
}

/// The column (from 0) of a full-width colon behind what was meant as a key.
pub(super) fn full_width_key(line: &str) -> Option<usize> {
    let key = line.trim_start().trim_start_matches("- ");
    let (word, _) = key.split_once('：')?;
    let is_word = !word.is_empty()
        && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '"' | '*' | '#'));
    (is_word && !key.starts_with('#')).then(|| line.chars().take_while(|c| *c != '：').count())
}

/// What a key is to the tool that is freest with it: `1` and `01` are one number.
pub(super) fn taken_for(key: &str, quoted: bool) -> String {
    match key.parse::<u64>() {
        Ok(number) if !quoted => number.to_string(),
        _ => key.to_owned(),
    }
}

/// Punctuation that looks like YAML's own and is not.
pub(super) fn is_full_width(c: char) -> bool {
    matches!(c, '：' | '，' | '“' | '”' | '（' | '）' | '＃' | '\u{3000}')
}
