//! Rules between the entries of a line: files, numbers, seats, calendars, retention.

use std::collections::{BTreeMap, BTreeSet};

use base::{Name, Period};
use jiff::civil::{Date, date};

use super::table;
use super::walk::every_step;
use crate::fault::{CALENDAR_OVER, Faults};
use crate::line::{Calendar, Line, Verb, Weekday};
use crate::shape;
use crate::yaml::{Entry, Node, Spot};

/// What lies outside the files.
pub(super) struct World<'w> {
    pub(super) exists: &'w dyn Fn(&str) -> bool,
    pub(super) today: Date,
    /// Parts of the files could not be read: nothing counts as missing.
    pub(super) damaged: bool,
}

pub(super) fn check(root: &Node, line: &Line, world: &World<'_>, faults: &mut Faults<'_>) {
    timezone(root, faults);
    prompts(root, world, faults);
    numbers(root, faults);
    seats(root, line, world, faults);
    for entry in section(root, "hours") {
        hours(entry, faults);
    }
    for (name, calendar) in &line.calendars {
        if let Some(entry) = root.child("calendars").and_then(|section| section.entry(name)) {
            calendar_rules(&entry.value, entry.at, calendar, world.today, faults);
        }
    }
    retention(root, line, faults);
}

fn timezone(root: &Node, faults: &mut Faults<'_>) {
    let Some(node) = root.child("line").and_then(|line| line.child("timezone")) else { return };
    if let Some(zone) = node.text()
        && jiff::tz::TimeZone::get(zone).is_err()
    {
        faults.add(
            node.at,
            "E015",
            format!("{zone:?} is no time zone"),
            "write an IANA name such as Asia/Shanghai",
        );
    }
}

fn prompts(root: &Node, world: &World<'_>, faults: &mut Faults<'_>) {
    for entry in section(root, "prompts") {
        let (file, text) = (entry.value.child("file"), entry.value.child("text"));
        match file.map(|file| (file, file.text())) {
            Some((file, Some(path))) if !stays_inside(path) => {
                faults.add(
                    file.at,
                    "E015",
                    format!("{path:?} leaves the line's folder"),
                    "write a path below it",
                );
            }
            Some((file, Some(path))) if !(world.exists)(path) => {
                let message = format!("{path} is not in the line's folder");
                faults.add(file.at, "E111", message, "add the file, or correct its name");
            }
            Some(_) => {}
            None if text.is_some() => {
                let message =
                    "a prompt of text alone needs speech synthesis, which is not supported yet (尚未支持)";
                faults.add(entry.at, "E012", message, "record it and name the file");
            }
            None => faults.add(entry.at, "E013", "a prompt lacks `file`", "the file that is played"),
        }
    }
}

/// A path below the folder: relative, and never up.
fn stays_inside(path: &str) -> bool {
    !path.starts_with('/')
        && !path.contains(['\\', ':', '\0'])
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

fn numbers(root: &Node, faults: &mut Faults<'_>) {
    let mut owned: BTreeMap<String, u32> = BTreeMap::new();
    for item in root.items_of("numbers") {
        let own = item.child("number").into_iter();
        for node in own.chain(item.items_of("arrives_as")) {
            let Some(number) = node.text().and_then(shape::phone) else { continue };
            if let Some(first) = owned.insert(number.as_str().to_owned(), node.at.line) {
                let message = format!("{} stands in line {first} already", node.text().unwrap_or_default());
                faults.add(node.at, "E156", message, "one number leads to one place");
            }
        }
    }
}

fn seats(root: &Node, line: &Line, world: &World<'_>, faults: &mut Faults<'_>) {
    let mut extensions: BTreeMap<&str, &str> = BTreeMap::new();
    let used = used_seats(line);
    for entry in section(root, "seats") {
        reach(&entry.value, entry.at, line, world, faults);
        if let Some(node) = entry.value.child("ext")
            && let Some(ext) = node.text()
            && let Some(other) = extensions.insert(ext, &entry.key)
        {
            faults.add(node.at, "E154", format!("{ext} is the extension of {other} already"), "one each");
        }
        if !world.damaged && !used.contains(entry.key.as_str()) {
            let message = format!("坐席 {} 不在任何队列中 (seat belongs to no queue)", entry.key);
            faults.add(entry.at, "W131", message, "add it to a queue's or a ring step's seats");
        }
    }
}

fn reach(seat: &Node, at: Spot, line: &Line, world: &World<'_>, faults: &mut Faults<'_>) {
    match (seat.child("ext"), seat.child("phone")) {
        (Some(_), Some(phone)) => {
            faults.add(phone.at, "E015", "a seat with ext and phone", "keep one of them");
        }
        (None, None) if !world.damaged => {
            faults.add(at, "E013", "a seat lacks `ext` or `phone`", "how is it reached?");
        }
        (Some(_), None) => {
            if let Some(confirm) = seat.child("confirm") {
                faults.add(confirm.at, "E015", "confirm is for outside phones", "remove it");
            }
        }
        (None, Some(phone)) => {
            if let Some(srtp) = seat.child("srtp") {
                faults.add(srtp.at, "E015", "srtp is for phones that register", "write it at the trunk");
            }
            outside(seat, phone, line, world, faults);
        }
        (None, None) => {}
    }
}

fn outside(seat: &Node, phone: &Node, line: &Line, world: &World<'_>, faults: &mut Faults<'_>) {
    if let Some(number) = phone.text().and_then(shape::phone)
        && number.is_access_number()
    {
        faults.add(
            phone.at,
            "E155",
            "an access number cannot be dialled as a seat",
            "write the mobile or landline",
        );
    }
    let Some(confirm) = seat.child("confirm") else {
        let message = "an outside phone without `confirm`: its voicemail would count as an answer";
        return faults.add(phone.at, "W153", message, "write confirm: \"1\"");
    };
    if confirm.text() == Some("2") {
        faults.add(confirm.at, "E015", "2 declines the call", "write confirm: \"1\"");
    }
    if !world.damaged && !line.prompts.contains_key(CONFIRM_PROMPT) {
        let message =
            format!("a seat with `confirm` hears the prompt {CONFIRM_PROMPT}, which is not defined");
        faults.add(confirm.at, "E110", message, format!("add {CONFIRM_PROMPT} to the prompts"));
    }
}

fn used_seats(line: &Line) -> BTreeSet<&str> {
    let mut used: BTreeSet<&str> =
        line.queues.values().flat_map(|queue| &queue.ring.seats).map(Name::as_str).collect();
    every_step(line, &mut |step| {
        if let Verb::Ring(ring) = &step.verb {
            used.extend(ring.seats.iter().map(Name::as_str));
        }
    });
    used
}

fn hours(entry: &Entry, faults: &mut Faults<'_>) {
    let mut given: BTreeSet<Weekday> = BTreeSet::new();
    for day in entry.value.entries() {
        for weekday in table::days(&day.key).unwrap_or_default() {
            if !given.insert(weekday) {
                let message = format!("{} is given twice", weekday.as_str());
                faults.add(day.at, "E019", message, "write each day once");
            }
        }
    }
    once(entry.value.child("special_days"), "date", faults);
}

/// Reports items of a list that have the same text under a key.
fn once(list: Option<&Node>, key: &str, faults: &mut Faults<'_>) {
    let mut seen = BTreeSet::new();
    for node in list.map_or(&[][..], Node::items).iter().filter_map(|item| item.child(key)) {
        if let Some(text) = node.text()
            && !seen.insert(text)
        {
            faults.add(node.at, "E019", format!("{text} stands here twice"), "keep one of them");
        }
    }
}

fn calendar_rules(node: &Node, at: Spot, calendar: &Calendar, today: Date, faults: &mut Faults<'_>) {
    let (first, last) = calendar.covers;
    let covers = node.child("covers").map_or(at, |covers| covers.at);
    if first > last {
        return faults.add(covers, "E018", "the calendar ends before it begins", "first day, then last day");
    }
    ends(covers, last, first, today, faults);
    for item in node.items_of("holidays") {
        let day = |key| item.child(key).and_then(Node::text).and_then(shape::date);
        let (Some(from), Some(to)) = (day("from"), day("to")) else { continue };
        let end = item.child("to").map_or(item.at, |node| node.at);
        if from > to {
            faults.add(
                end,
                "E018",
                "the holiday ends before it begins",
                "from is the first day, to the last",
            );
        } else if from < first || to > last {
            faults.add(end, "E018", "the holiday lies outside what the calendar covers", "widen covers");
        }
    }
    for node in node.items_of("workdays").iter().filter_map(|item| item.child("date")) {
        let Some(day) = node.text().and_then(shape::date) else { continue };
        if calendar.is_holiday(day) {
            faults.add(node.at, "E170", format!("{day} is a holiday too"), "a day is one or the other");
        }
    }
    once(node.child("workdays"), "date", faults);
}

fn ends(at: Spot, last: Date, first: Date, today: Date, faults: &mut Faults<'_>) {
    let next_year = date(today.year().saturating_add(1).min(9999), 1, 1);
    if today > last || today < first {
        let message = format!("today, {today}, is outside");
        faults.add(at, CALENDAR_OVER, message, "add the holidays that the State Council has published");
    } else if today.month() == 12 && last < next_year {
        faults.add(at, "W171", format!("{} is not covered", next_year.year()), "add next year's holidays");
    }
}

fn retention(root: &Node, line: &Line, faults: &mut Faults<'_>) {
    let Some(section) = root.child("retention") else { return };
    let longest = line.retention.longest_without_consent;
    if let Some(keep) = section.child("keep")
        && exceeds(line.retention.keep, longest)
    {
        let message = format!("keep {} > longest_without_consent {longest}", line.retention.keep);
        faults.add(keep.at, "E151", message, "keep less, or ask for explicit consent in a rule");
    }
    for rule in section.items_of("rules") {
        let Some(node) = rule.child("keep") else { continue };
        let Some(keep) = node.text().and_then(shape::period) else { continue };
        let consent = rule.child("when").and_then(|when| when.child("consent")).and_then(Node::text);
        if consent != Some("explicit") && exceeds(keep, longest) {
            let name = rule.child("name").and_then(Node::text).unwrap_or_default();
            let message = format!(
                "retention rule {name:?}: keep {keep} > longest_without_consent {longest}, but the rule does not \
                 require consent: explicit"
            );
            faults.add(node.at, "E151", message, "keep less, or write when: { consent: explicit }");
        }
    }
    once(section.child("rules"), "name", faults);
}

/// Whether one period may be longer than another, whatever the months.
fn exceeds(keep: Period, longest: Period) -> bool {
    match (keep, longest) {
        (Period::Days(keep), Period::Days(longest)) | (Period::Months(keep), Period::Months(longest)) => {
            keep > longest
        }
        (Period::Days(keep), Period::Months(longest)) => keep > days_in(longest, true),
        (Period::Months(keep), Period::Days(longest)) => days_in(keep, false) > longest,
    }
}

/// The least or the most days that so many calendar months can have.
fn days_in(months: u32, least: bool) -> u32 {
    let lengths = (0..48).filter_map(|start| {
        let first = date(2023 + start / 12, (start % 12 + 1) as i8, 1);
        let end = first.checked_add(jiff::Span::new().try_months(months).ok()?).ok()?;
        u32::try_from(first.until(end).ok()?.get_days()).ok()
    });
    let found = if least { lengths.min() } else { lengths.max() };
    found.unwrap_or(if least { months.saturating_mul(28) } else { months.saturating_mul(31) })
}

fn section<'n>(root: &'n Node, name: &str) -> &'n [Entry] {
    root.entries_of(name)
}

/// What an outside phone with a confirm key hears (line-language 5.8, rule 6).
const CONFIRM_PROMPT: &str = "press_to_accept";
