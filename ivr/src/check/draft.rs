//! Reads a line out of the merged tree. What is faulty is left out (the fault was reported already);
//! flows with a faulty step are remembered, so that no wrong conclusion is drawn from the hole.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base::tone::BEEP;
use base::{Country, Name, Period, Tone};
use jiff::civil::Date;

use super::table;
use super::verbs::STEP;
use crate::fault::{Faults, SourceFile};
use crate::line::{
    Calendar, CallerList, Holiday, HolidayHours, Hours, KeyAction, LastTry, Line, Menu, Number, NumberStatus,
    Order, Predicate, PromptFile, Queue, Reach, Recording, Retention, RetentionRule, Ring, Seat, SpecialDay,
    Srtp, Step, Strategy, TimeRange, Verb, Weekday,
};
use crate::shape::{self, Choice, Kind, Struct, View};
use crate::yaml::{Entry, Node, Value};

/// A line as far as it could be read.
pub(super) struct Draft {
    pub(super) line: Line,
    /// Flows, menus and queues (`flows/x`) that hold a step which could not be read.
    pub(super) broken: BTreeSet<String>,
}

impl Draft {
    pub(super) fn read(id: Name, root: &Node, files: &[SourceFile]) -> Self {
        let file = View::new(Some(root), &table::LINE_FILE);
        let head = file.part("line", part(&table::LINE_FILE, "line"));
        let music = head.name("music");
        let mut reader = Reader { places: Faults::new(files), music: music.clone(), broken: false };
        let mut broken = BTreeSet::new();
        let line = Line {
            id,
            title: head.text("name").unwrap_or_default().to_owned(),
            timezone: head.name("timezone").unwrap_or_else(|| "UTC".into()),
            language: head.name("language").unwrap_or_else(|| "zh-CN".into()),
            country: head.text("country").and_then(Country::from_word).unwrap_or_default(),
            music,
            max_calls: head.count("max_calls").unwrap_or(1),
            when_full: reader
                .noting("line/when_full", &mut broken, |reader| reader.steps(head.node("when_full"))),
            start: head.name("start").unwrap_or_else(|| "".into()),
            numbers: file.items("numbers").iter().filter_map(number).collect(),
            prompts: section(root, "prompts", prompt),
            calendars: section(root, "calendars", calendar),
            hours: section(root, "hours", |view| Some(hours(view))),
            lists: section(root, "lists", |view| Some(CallerList { numbers: phones(view, "numbers") })),
            seats: section(root, "seats", seat),
            queues: reader.all(root, "queues", &mut broken, |reader, entry| reader.queue(&entry.value)),
            flows: reader
                .all(root, "flows", &mut broken, |reader, entry| Some(reader.steps(Some(&entry.value)))),
            menus: reader.all(root, "menus", &mut broken, |reader, entry| reader.menu(&entry.value)),
            recording: file.node("recording").and_then(recording),
            retention: retention(file.part("retention", &table::RETENTION)),
        };
        Self { line, broken }
    }
}

struct Reader<'f> {
    /// Only for the places of steps.
    places: Faults<'f>,
    /// What `caller_hears` means by `default`.
    music: Option<Name>,
    /// A step could not be read since this was last cleared.
    broken: bool,
}

impl Reader<'_> {
    fn noting<T>(
        &mut self,
        what: &str,
        broken: &mut BTreeSet<String>,
        read: impl FnOnce(&mut Self) -> T,
    ) -> T {
        self.broken = false;
        let read = read(self);
        if self.broken {
            broken.insert(what.to_owned());
        }
        read
    }

    fn all<T>(
        &mut self,
        root: &Node,
        section: &str,
        broken: &mut BTreeSet<String>,
        read: impl Fn(&mut Self, &Entry) -> Option<T>,
    ) -> BTreeMap<Name, T> {
        let mut all = BTreeMap::new();
        for entry in root.entries_of(section) {
            let what = format!("{section}/{}", entry.key);
            match self.noting(&what, broken, |reader| read(reader, entry)) {
                Some(value) => drop(all.insert(Name::from(entry.key.as_str()), value)),
                None => drop(broken.insert(what)),
            }
        }
        all
    }

    fn steps(&mut self, node: Option<&Node>) -> Vec<Step> {
        let Some(node) = node else { return Vec::new() };
        if !matches!(node.value, Value::List(_)) {
            self.broken = true;
        }
        node.items().iter().filter_map(|item| self.step(item)).collect()
    }

    fn step(&mut self, node: &Node) -> Option<Step> {
        let verb = self.verb(node);
        self.broken |= verb.is_none();
        Some(Step { place: self.places.place(node.at), verb: verb? })
    }

    fn verb(&mut self, node: &Node) -> Option<Verb> {
        match node.text() {
            Some("recording_notice") => return Some(Verb::RecordingNotice),
            Some("hangup") => return Some(Verb::HangUp),
            _ => {}
        }
        let (verb, argument) = chosen(node, &STEP)?;
        match verb {
            "play" => name(argument).map(Verb::Play),
            "tone" => tone(argument, node.child("for")),
            "menu" => name(argument).map(Verb::Menu),
            "queue" => name(argument).map(Verb::Queue),
            "goto" => name(argument).map(Verb::Goto),
            "ring" => ring(View::new(Some(argument), &table::RING)).map(Verb::Ring),
            "if" => Some(Verb::If {
                predicate: predicate(argument)?,
                then: self.steps(node.child("then")),
                otherwise: self.steps(node.child("else")),
            }),
            "refuse_if" => {
                let code = argument.child("code").map_or(Some(DECLINE), |code| code.text()?.parse().ok())?;
                Some(Verb::RefuseIf { predicate: predicate(argument)?, code })
            }
            _ => None,
        }
    }

    fn queue(&mut self, node: &Node) -> Option<Queue> {
        let view = View::new(Some(node), &table::QUEUE);
        let (when_no_seats, when_full, when_timed_out) = (
            self.steps(view.node("when_no_seats")),
            self.steps(view.node("when_full")),
            self.steps(view.node("when_timed_out")),
        );
        Some(Queue {
            ring: ring(view.part("ring", &table::RING))?,
            max_wait: view.duration("max_wait")?,
            max_waiting: view.count("max_waiting")?,
            wrap_up: view.duration("wrap_up")?,
            music: self.waiting_music(view),
            when_no_seats,
            when_full,
            when_timed_out,
        })
    }

    fn waiting_music(&self, queue: View<'_>) -> Option<Name> {
        match queue.part("caller_hears", &table::CALLER_HEARS).text("music")? {
            table::LINES_MUSIC => self.music.clone(),
            prompt => Some(prompt.into()),
        }
    }

    fn menu(&mut self, node: &Node) -> Option<Menu> {
        let view = View::new(Some(node), &table::MENU);
        let mut keys = BTreeMap::new();
        for entry in view.entries("keys") {
            match (shape::digit(&entry.key), self.key_action(&entry.value)) {
                (Some(digit), Some(action)) => drop(keys.insert(digit, action)),
                _ => self.broken = true,
            }
        }
        let (no_input, wrong_key, when_exhausted) = (
            self.steps(view.node("no_input")),
            self.steps(view.node("wrong_key")),
            self.steps(view.node("when_exhausted")),
        );
        Some(Menu {
            prompt: view.name("prompt")?,
            timeout: view.duration("timeout")?,
            tries: view.count("tries")?,
            keys,
            no_input,
            wrong_key,
            when_exhausted,
            type_ahead: view.truth("type_ahead")?,
        })
    }

    fn key_action(&mut self, node: &Node) -> Option<KeyAction> {
        match node.text() {
            Some("repeat") => Some(KeyAction::Repeat),
            Some("back") => Some(KeyAction::Back),
            Some("top") => Some(KeyAction::Top),
            Some("hangup") => Some(KeyAction::HangUp),
            Some(_) => None,
            None => self.step(node).map(|step| KeyAction::Steps(vec![step])),
        }
    }
}

fn predicate(node: &Node) -> Option<Predicate> {
    // `refuse_if` allows the same questions; its table only adds `code`.
    let Kind::Choice(questions) = &STEP.variant("if")?.verb.kind else { return None };
    let (word, argument) = chosen(node, questions)?;
    match word {
        "open" => name(argument).map(Predicate::Open),
        "closed" => name(argument).map(Predicate::Closed),
        "holiday" => name(argument).map(Predicate::Holiday),
        "caller_in" => name(argument).map(Predicate::CallerIn),
        "dialled" => shape::phone(argument.text()?).map(Predicate::Dialled),
        "time_between" => time_between(argument).map(Predicate::TimeBetween),
        "all" => argument.items().iter().map(predicate).collect::<Option<_>>().map(Predicate::All),
        "any" => argument.items().iter().map(predicate).collect::<Option<_>>().map(Predicate::Any),
        "not" => predicate(argument).map(|inner| Predicate::Not(Box::new(inner))),
        _ => None,
    }
}

/// The verb of a map and its argument.
fn chosen<'n>(node: &'n Node, choice: &'static Choice) -> Option<(&'static str, &'n Node)> {
    let mut found =
        node.entries().iter().filter_map(|entry| Some((choice.variant(&entry.key)?, &entry.value)));
    let (variant, argument) = found.next()?;
    // Two verbs in one step: nobody can say which was meant.
    if found.next().is_some() { None } else { Some((variant.verb.key, argument)) }
}

fn time_between(node: &Node) -> Option<TimeRange> {
    let [from, to] = node.items() else { return None };
    shape::time_range(&format!("{}-{}", from.text()?, to.text()?))
}

fn tone(which: &Node, length: Option<&Node>) -> Option<Verb> {
    let tone = Tone::from_word(which.text()?)?;
    let length = match length {
        Some(length) => shape::duration(length.text()?)?,
        None if tone == Tone::Beep => BEEP,
        None => TONE_LENGTH,
    };
    Some(Verb::Tone { tone, length })
}

fn name(node: &Node) -> Option<Name> {
    node.text().map(Name::from)
}

fn ring(view: View<'_>) -> Option<Ring> {
    Some(Ring {
        strategy: match view.text("strategy")? {
            "sequential" => Strategy::Sequential,
            "parallel" => Strategy::Parallel,
            _ => return None,
        },
        seats: view.texts("seats").into_iter().map(Name::from).collect(),
        timeout: view.duration("timeout")?,
        pause: view.duration("pause")?,
        order: if view.text("order")? == "remember" { Order::Remember } else { Order::FromTop },
        last_try: if view.text("last_try")? == "cut" { LastTry::Cut } else { LastTry::Finish },
    })
}

fn section<T>(root: &Node, section: &str, read: impl Fn(View<'_>) -> Option<T>) -> BTreeMap<Name, T> {
    let shape = part(&table::LINE_FILE, section);
    let entries = root.entries_of(section);
    let read =
        |entry: &Entry| Some((Name::from(entry.key.as_str()), read(View::new(Some(&entry.value), shape))?));
    entries.iter().filter_map(read).collect()
}

/// The table behind a key: of its map, of its list's items, of its named entries.
fn part(shape: &'static Struct, key: &str) -> &'static Struct {
    let mut kind = shape.field(key).map(|field| &field.kind);
    loop {
        match kind {
            Some(Kind::Struct(shape)) => return shape,
            Some(Kind::Named(of) | Kind::List(of, ..)) => kind = Some(of),
            _ => return shape,
        }
    }
}

fn number(node: &Node) -> Option<Number> {
    let view = View::new(Some(node), part(&table::LINE_FILE, "numbers"));
    Some(Number {
        number: view.phone("number")?,
        status: if view.text("status")? == "suspended" {
            NumberStatus::Suspended
        } else {
            NumberStatus::Active
        },
        arrives_as: phones(view, "arrives_as"),
        may_call_out: view.truth("may_call_out")?,
    })
}

fn phones(view: View<'_>, key: &str) -> Vec<base::PhoneNumber> {
    view.texts(key).into_iter().filter_map(shape::phone).collect()
}

fn prompt(view: View<'_>) -> Option<PromptFile> {
    Some(PromptFile { file: view.text("file")?.to_owned(), text: view.text("text").map(str::to_owned) })
}

fn calendar(view: View<'_>) -> Option<Calendar> {
    let covers = view.texts("covers");
    let [from, to] = covers[..] else { return None };
    let items = |key| view.items(key).iter();
    let holiday = |node| {
        let view = View::new(Some(node), &table::HOLIDAY);
        Some(Holiday { name: view.text("name")?.to_owned(), from: view.date("from")?, to: view.date("to")? })
    };
    let workday = |node| {
        let view = View::new(Some(node), &table::WORKDAY);
        Some((view.date("date")?, Weekday::from_text(view.text("as")?)?))
    };
    Some(Calendar {
        covers: (shape::date(from)?, shape::date(to)?),
        holidays: items("holidays").filter_map(holiday).collect(),
        workdays: items("workdays").filter_map(workday).collect(),
    })
}

fn hours(view: View<'_>) -> Hours {
    let mut week: [Vec<TimeRange>; 7] = Default::default();
    for entry in view.all() {
        for day in table::days(&entry.key).unwrap_or_default() {
            if let Some(ranges) = week.get_mut(day as usize) {
                *ranges = shape::ranges(&entry.value);
            }
        }
    }
    let holidays = match (view.node("holidays"), view.text("holidays")) {
        (_, Some("open")) => HolidayHours::Open,
        (Some(node), None) => HolidayHours::Ranges(shape::ranges(node)),
        _ => HolidayHours::Closed,
    };
    let special = |node| -> Option<(Date, SpecialDay)> {
        let view = View::new(Some(node), &table::SPECIAL_DAY);
        let hours = view.node("hours").map(shape::ranges)?;
        Some((view.date("date")?, SpecialDay { hours, reason: view.text("reason").map(str::to_owned) }))
    };
    let special_days = view.items("special_days").iter().filter_map(special).collect();
    Hours { calendar: view.name("calendar"), week, holidays, special_days }
}

fn seat(view: View<'_>) -> Option<Seat> {
    let reach = match (view.name("ext"), view.phone("phone")) {
        (Some(ext), None) => Reach::Ext(ext),
        (None, Some(number)) => Reach::Phone { number, confirm: view.digit("confirm") },
        _ => return None,
    };
    let srtp = match view.text("srtp") {
        Some("off") => Some(Srtp::Off),
        Some("prefer") => Some(Srtp::Prefer),
        Some("require") => Some(Srtp::Require),
        _ => None,
    };
    Some(Seat { title: view.text("name")?.to_owned(), reach, srtp })
}

fn recording(node: &Node) -> Option<Recording> {
    let view = View::new(Some(node), &table::RECORDING);
    let record = view.texts("record");
    Some(Recording {
        queues: record.contains(&"queues"),
        rings: record.contains(&"ring"),
        notice: view.name("notice")?,
        refuse_key: view.part("consent", &table::CONSENT).digit("refuse_key"),
    })
}

fn retention(view: View<'_>) -> Retention {
    let rule = |node| {
        let view = View::new(Some(node), &table::RULE);
        let when = view.part("when", &table::RULE_WHEN);
        Some(RetentionRule {
            name: view.name("name")?,
            queue: when.name("queue"),
            consent: when.name("consent"),
            keep: view.period("keep")?,
        })
    };
    Retention {
        keep: view.period("keep").unwrap_or(Period::Days(30)),
        longest_without_consent: view.period("longest_without_consent").unwrap_or(Period::Months(6)),
        rules: view.items("rules").iter().filter_map(rule).collect(),
    }
}

/// RFC 3261 §21.6.2: the code of `refuse_if` when none is written (as in its table).
const DECLINE: u16 = 603;

/// How long a tone sounds when nothing is said: a whole period of every ringback but North America's.
const TONE_LENGTH: Duration = Duration::from_secs(5);
