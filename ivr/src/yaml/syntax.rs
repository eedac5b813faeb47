//! What a person did when the parser says "syntax error".

use granit_parser::{ErrorKind, ScanError};

use super::{Spot, lint};
use crate::fault::Faults;

/// Reports a syntax fault; returns the index of the broken line.
pub(super) fn report(file: u16, lines: &[&str], error: &ScanError, faults: &mut Faults<'_>) -> usize {
    let mark = error.marker();
    let index = mark.line().saturating_sub(1).min(lines.len().saturating_sub(1));
    let line = lines.get(index).copied().unwrap_or("");
    let mut at = Spot { file, line: index as u32 + 1, column: mark.col() as u32 + 1 };
    let rest: String = line.chars().skip(mark.col()).collect();
    let (code, message, proposal) = explain(error, line, &rest);
    if code == "W210"
        && let Some(column) = line.chars().position(lint::is_full_width)
    {
        at.column = column as u32 + 1;
    }
    faults.add(at, if code == "W210" { "E002" } else { code }, message, proposal);
    index
}

/// Whether the text behind the fault can be read without its line.
pub(super) fn stays_in_its_line(error: &ScanError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::UnknownAnchor
            | ErrorKind::MissingAnchorOrAliasName
            | ErrorKind::MappingValueNotAllowed
            | ErrorKind::UnexpectedCharacter { .. }
            | ErrorKind::TabNotAllowed
            | ErrorKind::TabInBlockIndentation
            | ErrorKind::TabInIndentation
            | ErrorKind::SimpleKeyExpected
            | ErrorKind::InvalidTrailingDoubleQuotedScalar
            | ErrorKind::InvalidTrailingSingleQuotedScalar
            | ErrorKind::UnknownQuotedScalarEscape
            | ErrorKind::DirectiveDisallowed
            | ErrorKind::UndeclaredTagHandle
    )
}

fn explain(error: &ScanError, line: &str, rest: &str) -> (&'static str, String, String) {
    let text = |message: &str, proposal: &str| ("E002", message.to_owned(), proposal.to_owned());
    match error.kind() {
        ErrorKind::UnknownAnchor | ErrorKind::MissingAnchorOrAliasName if rest.starts_with('*') => {
            text("an unquoted * means something else in YAML (按键 * 要加引号)", "写成 \"*\" — write \"*\"")
        }
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabInPlainScalar => {
            text("a tab indents this line (缩进不能用制表符)", "indent with spaces, two for each level")
        }
        ErrorKind::MappingValueNotAllowed => text(
            "a colon with a space behind it inside unquoted text, or an indentation that fits nothing (冒号后有空格)",
            &format!("put the text in quotes: {}", quoted_proposal(line)),
        ),
        ErrorKind::UnexpectedCharacter { character } => text(
            &format!("a text cannot begin with {character} unless it is quoted (要加引号)"),
            &format!("write \"{}\"", rest.trim()),
        ),
        ErrorKind::DirectiveDisallowed => ("E004", "a % directive".to_owned(), "remove the line".to_owned()),
        ErrorKind::RecursionLimitExceeded => {
            ("E003", "nested deeper than 32 levels".to_owned(), String::new())
        }
        ErrorKind::UnclosedQuotedScalar | ErrorKind::InvalidQuotedScalarIndent => {
            text("a quote is opened and not closed (引号没有结束)", "close it on the same line")
        }
        _ if line.chars().any(lint::is_full_width) => (
            "W210",
            "full-width punctuation (全角标点)".to_owned(),
            "write ASCII : , \" ( ) # — and a space behind the colon".to_owned(),
        ),
        ErrorKind::SimpleKeyExpected => {
            text("a line without `key:`", "write `key: value`, or `- ` before a list item")
        }
        _ => ("E002", error.info(), String::new()),
    }
}

/// `say: 欢迎致电: 华宁` becomes `say: "欢迎致电: 华宁"`.
fn quoted_proposal(line: &str) -> String {
    match line.trim().split_once(": ") {
        Some((key, value)) => format!("{key}: \"{}\"", value.trim().replace('"', "'")),
        None => format!("\"{}\"", line.trim()),
    }
}
