//! The tables as the rows of docs/configuration.md, so that no key, bound or default lives only in code.

use super::{Choice, Field, Kind, Need, Struct, Variant};

/// Sections of the reference: a title and its table's rows.
pub fn reference(shape: &'static Struct) -> Vec<(String, Vec<String>)> {
    let mut writer = Writer { sections: Vec::new(), seen: Vec::new() };
    writer.structure(shape);
    writer.sections
}

struct Writer {
    sections: Vec<(String, Vec<String>)>,
    seen: Vec<&'static str>,
}

impl Writer {
    fn structure(&mut self, shape: &'static Struct) {
        if self.seen.contains(&shape.noun) {
            return;
        }
        self.seen.push(shape.noun);
        let mut rows: Vec<String> = shape.fields.iter().map(row).collect();
        if let Some(others) = &shape.others {
            rows.push(format!("| days | {} | closed | {} |", what(&others.kind), others.doc));
        }
        self.sections.push((shape.noun.to_owned(), rows));
        shape.fields.iter().for_each(|field| self.below(&field.kind));
    }

    fn below(&mut self, kind: &'static Kind) {
        match kind {
            Kind::Struct(shape) => self.structure(shape),
            Kind::List(of, ..) | Kind::Named(of) | Kind::Keys(of) => self.below(of),
            Kind::Or(text, other) => {
                self.below(text);
                self.below(other);
            }
            Kind::Choice(choice) => self.choice(choice),
            _ => {}
        }
    }

    fn choice(&mut self, choice: &'static Choice) {
        if self.seen.contains(&choice.noun) {
            return;
        }
        self.seen.push(choice.noun);
        let mut rows: Vec<String> =
            choice.bare.iter().map(|(word, doc)| format!("| `{word}` | alone | | {doc} |")).collect();
        for Variant { verb, with, .. } in choice.variants {
            rows.push(format!("| `{}` | {} | | {} |", verb.key, what(&verb.kind), verb.doc));
            rows.extend(with.iter().map(row));
        }
        rows.extend(choice.beside.iter().map(row));
        self.sections.push((choice.noun.to_owned(), rows));
        for variant in choice.variants {
            self.below(&variant.verb.kind);
        }
    }
}

fn row(field: &Field) -> String {
    let need = match field.need {
        Need::Required | Need::Branch => "required".to_owned(),
        Need::Default(text) => format!("`{text}`"),
        Need::Optional => "none".to_owned(),
    };
    format!("| `{}` | {} | {need} | {} |", field.key, what(&field.kind), field.doc)
}

fn what(kind: &Kind) -> String {
    match kind {
        Kind::Text => "text".to_owned(),
        Kind::Name => "a name".to_owned(),
        Kind::Bool => "true or false".to_owned(),
        Kind::Count(least, most) => format!("{least} to {most}"),
        Kind::Duration(least, most) => format!("duration, {} to {}", span(*least), span(*most)),
        Kind::Millis(least, most) => format!("duration, {} to {}", millis(*least), millis(*most)),
        Kind::Period => "period: days `30d`, calendar months `6mo`".to_owned(),
        Kind::Percent => "percent: `10%`".to_owned(),
        Kind::Date => "date: `\"2026-10-01\"`".to_owned(),
        Kind::Time => "time: `\"18:00\"`".to_owned(),
        Kind::TimeRange => "range of times: `\"09:00-12:00\"`".to_owned(),
        Kind::Phone => "telephone number in quotes".to_owned(),
        Kind::Extension => "2 to 32 letters and digits, in quotes".to_owned(),
        Kind::Digit => "one key in quotes: `\"1\"`, `\"#\"`".to_owned(),
        Kind::Secret => "`env:NAME`".to_owned(),
        Kind::OneOf(words) => {
            words.words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or ")
        }
        Kind::Ref(section) => format!("a name of {section}"),
        Kind::WordOr(word, section) => format!("`{word}` or a name of {section}"),
        Kind::List(of, least, most) if least == most => format!("list of {least}: {}", what(of)),
        Kind::List(of, least, most) => format!("list of {least} to {most}: {}", what(of)),
        Kind::Named(of) => format!("map by name: {}", what(of)),
        Kind::Keys(of) => format!("map by key: {}", what(of)),
        Kind::Struct(shape) => format!("map ({})", shape.noun),
        Kind::Or(text, other) if std::ptr::eq(*text, *other) => what(text),
        Kind::Or(text, other) => format!("{}, or {}", what(text), what(other)),
        Kind::Choice(choice) => format!("{}s", choice.noun),
    }
}

fn span(seconds: u64) -> String {
    match seconds {
        0 => "0s".to_owned(),
        whole if whole % 3600 == 0 => format!("{}h", whole / 3600),
        whole if whole % 60 == 0 => format!("{}min", whole / 60),
        whole => format!("{whole}s"),
    }
}

fn millis(millis: u64) -> String {
    if millis.is_multiple_of(1000) { span(millis / 1000) } else { format!("{millis}ms") }
}
