//! The tables as JSON Schema (draft 2020-12), for editors.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{Choice, Field, Kind, Need, Struct, scalar};

/// The schema of a whole file. Every default is in it.
pub fn schema(title: &str, shape: &'static Struct) -> Value {
    let mut writer = Writer::default();
    let root = writer.structure(shape);
    let mut whole = Map::new();
    whole.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    whole.insert("title".to_owned(), json!(title));
    if let Value::Object(root) = root {
        whole.extend(root);
    }
    whole.insert("$defs".to_owned(), Value::Object(writer.defs));
    Value::Object(whole)
}

/// Every key that occurs in a file of this shape.
pub fn keys_of(shape: &'static Struct) -> BTreeSet<&'static str> {
    let mut keys = Keys { keys: BTreeSet::new(), seen: BTreeSet::new() };
    keys.structure(shape);
    keys.keys
}

#[derive(Default)]
struct Writer {
    defs: Map<String, Value>,
}

impl Writer {
    fn structure(&mut self, shape: &'static Struct) -> Value {
        let mut object = self.object(shape.fields.iter());
        if let Some(others) = &shape.others {
            let mut value = self.kind(&others.kind);
            describe(&mut value, others.doc, None);
            object["patternProperties"] = json!({ others.pattern: value });
        }
        object
    }

    fn object<'s>(&mut self, fields: impl Iterator<Item = &'s Field>) -> Value {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for field in fields {
            let mut value = self.kind(&field.kind);
            let default = match field.need {
                Need::Default(text) => Some(default_value(&field.kind, text)),
                Need::Required | Need::Branch | Need::Optional => None,
            };
            describe(&mut value, field.doc, default);
            properties.insert(field.key.to_owned(), value);
            if matches!(field.need, Need::Required | Need::Branch) {
                required.push(field.key);
            }
        }
        json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
    }

    fn kind(&mut self, kind: &Kind) -> Value {
        match kind {
            Kind::Text | Kind::Ref(_) | Kind::WordOr(..) => json!({ "type": "string", "minLength": 1 }),
            Kind::Name => json!({ "type": "string", "pattern": scalar::name_rule() }),
            Kind::Bool => json!({ "type": "boolean" }),
            Kind::Count(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
            Kind::Duration(..) | Kind::Millis(..) => {
                json!({ "type": "string", "pattern": "^[0-9]+(ms|s|min|h|d)$" })
            }
            Kind::Period => json!({ "type": "string", "pattern": "^[0-9]+(d|mo)$" }),
            Kind::Percent => json!({ "type": "string", "pattern": "^[0-9]{1,3}%$" }),
            Kind::Date => json!({ "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$" }),
            Kind::Time => json!({ "type": "string", "pattern": "^[0-9]{2}:[0-9]{2}(:[0-9]{2})?$" }),
            Kind::TimeRange => {
                json!({ "type": "string", "pattern": "^[0-9]{2}:[0-9]{2}(:[0-9]{2})?-[0-9]{2}:[0-9]{2}(:[0-9]{2})?$" })
            }
            Kind::Phone => json!({ "type": "string", "pattern": "^\\+?[0-9 ./()-]{3,}$" }),
            Kind::Extension => json!({ "type": "string", "pattern": "^[A-Za-z0-9_.-]{2,32}$" }),
            Kind::Digit => json!({ "type": "string", "pattern": "^[0-9*#]$" }),
            Kind::Secret => json!({ "type": "string", "pattern": "^env:[A-Za-z0-9_]+$" }),
            Kind::OneOf(words) => json!({ "enum": words.words }),
            Kind::List(of, least, most) => {
                let mut list = json!({ "type": "array", "items": self.kind(of), "minItems": least });
                if *most != usize::MAX {
                    list["maxItems"] = json!(most);
                }
                list
            }
            Kind::Named(of) => json!({ "type": "object", "propertyNames": { "pattern": scalar::name_rule() },
                "additionalProperties": self.kind(of) }),
            Kind::Keys(of) => json!({ "type": "object", "propertyNames": { "pattern": "^[0-9*#]$" },
                "additionalProperties": self.kind(of) }),
            Kind::Struct(shape) => self.structure(shape),
            Kind::Or(text, other) => json!({ "oneOf": [self.kind(text), self.kind(other)] }),
            Kind::Choice(choice) => self.choice(choice),
        }
    }

    /// Choices refer to themselves (`if` holds steps), so each is written once and pointed to.
    fn choice(&mut self, choice: &'static Choice) -> Value {
        let name = choice.noun.replace(' ', "_");
        if !self.defs.contains_key(&name) {
            self.defs.insert(name.clone(), Value::Null);
            let mut ways: Vec<Value> =
                choice.bare.iter().map(|(word, doc)| json!({ "const": word, "description": doc })).collect();
            for variant in choice.variants {
                let fields = [&variant.verb].into_iter().chain(variant.with).chain(choice.beside);
                ways.push(self.object(fields));
            }
            self.defs.insert(name.clone(), json!({ "oneOf": ways }));
        }
        json!({ "$ref": format!("#/$defs/{name}") })
    }
}

fn describe(value: &mut Value, doc: &str, default: Option<Value>) {
    if let Value::Object(map) = value {
        map.insert("description".to_owned(), json!(doc));
        if let Some(default) = default {
            map.insert("default".to_owned(), default);
        }
    }
}

fn default_value(kind: &Kind, text: &str) -> Value {
    match kind {
        Kind::Bool => json!(text == "true"),
        Kind::Count(..) => json!(text.parse::<u64>().unwrap_or(0)),
        Kind::List(of, ..) => {
            let items = text.trim_matches(['[', ']']).split(',').map(|item| item.trim().trim_matches('"'));
            items.filter(|item| !item.is_empty()).map(|item| default_value(of, item)).collect()
        }
        _ => json!(text),
    }
}

struct Keys {
    keys: BTreeSet<&'static str>,
    seen: BTreeSet<&'static str>,
}

impl Keys {
    fn structure(&mut self, shape: &'static Struct) {
        shape.fields.iter().for_each(|field| self.field(field));
        if let Some(others) = &shape.others {
            self.kind(&others.kind);
        }
    }

    fn field(&mut self, field: &'static Field) {
        self.keys.insert(field.key);
        self.kind(&field.kind);
    }

    fn kind(&mut self, kind: &'static Kind) {
        match kind {
            Kind::List(of, ..) | Kind::Named(of) | Kind::Keys(of) | Kind::Or(_, of) => self.kind(of),
            Kind::Struct(shape) => self.structure(shape),
            Kind::Choice(choice) if self.seen.insert(choice.noun) => {
                self.keys.extend(choice.bare.iter().map(|(word, _)| *word));
                choice.beside.iter().for_each(|field| self.field(field));
                for variant in choice.variants {
                    self.field(&variant.verb);
                    variant.with.iter().for_each(|field| self.field(field));
                }
            }
            _ => {}
        }
    }
}
