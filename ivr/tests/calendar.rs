//! Opening hours over a table of days of 2026: the shipped calendar, and a line that works at night.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use base::Timestamp;
use ivr::line::Line;
use ivr::{SourceFile, check};
use jiff::civil::date;

fn line(text: &str) -> Line {
    let file = SourceFile { path: "line.yaml".into(), text: text.to_owned() };
    let checked = check("one".into(), &[file], &|_| true, date(2026, 10, 12));
    let told: Vec<String> = checked.faults.iter().map(ToString::to_string).collect();
    checked.line.unwrap_or_else(|| panic!("{}", told.join("\n")))
}

const SHIPPED: &str = include_str!("../../configs/lines/huaning/line.yaml");

/// `MM-DDTHH:MM[:SS] open|closed [holiday]` for 2026 in China's time.
fn table(line: &Line, rows: &str) {
    for row in rows.lines().map(str::trim).filter(|row| !row.is_empty()) {
        let mut words = row.split_whitespace();
        let when = words.next().unwrap();
        let at: Timestamp = format!("2026-{when}+08:00").parse().unwrap_or_else(|_| panic!("{row}"));
        assert_eq!(line.is_open("office", at), words.next() == Some("open"), "{row}");
        assert_eq!(line.is_holiday("office", at), words.next() == Some("holiday"), "{row}");
    }
}

#[test]
fn the_office_of_2026() {
    table(
        &line(SHIPPED),
        "01-01T10:00 closed holiday
         01-03T10:00 closed holiday
         01-04T10:00 open
         01-04T17:59 open
         01-05T09:00 open
         01-05T08:59:59 closed
         01-09T17:59 open
         01-10T10:00 open
         01-10T12:00 closed
         01-10T14:00 closed
         01-11T10:00 closed
         02-13T17:59:59 open
         02-13T18:00 closed
         02-14T13:29 closed
         02-14T13:30 open
         02-15T10:00 closed holiday
         02-17T10:00 closed holiday
         02-23T23:59:59 closed holiday
         02-24T00:00 closed
         02-24T09:00 open
         02-28T14:00 open
         03-01T10:00 closed
         03-02T10:00 open
         04-03T10:00 open
         04-04T10:00 closed holiday
         04-06T10:00 closed holiday
         04-07T10:00 open
         04-30T17:00 open
         05-01T10:00 closed holiday
         05-05T10:00 closed holiday
         05-06T10:00 open
         05-09T10:00 open
         05-09T13:30 open
         05-10T10:00 closed
         06-18T12:00 closed
         06-18T11:59:59 open
         06-19T10:00 closed holiday
         06-21T10:00 closed holiday
         06-22T10:00 open
         09-19T11:00 open
         09-20T11:00 open
         09-20T18:00 closed
         09-24T10:00 open
         09-25T10:00 closed holiday
         09-27T10:00 closed holiday
         09-28T10:00 open
         09-30T17:59:59 open
         10-01T00:00 closed holiday
         10-03T10:00 closed holiday
         10-07T23:59 closed holiday
         10-08T09:00 open
         10-10T10:00 open
         10-10T17:00 open
         10-11T10:00 closed
         10-12T10:00 open
         10-12T12:00 closed
         10-12T13:30 open
         10-12T19:00 closed
         12-30T17:00 open
         12-31T09:00 open
         12-31T12:00 closed
         12-31T14:00 closed",
    );
}

#[test]
fn hours_over_midnight_belong_to_the_day_on_which_they_begin() {
    let text = SHIPPED
        .replace(
            "mon-fri: [\"09:00-12:00\", \"13:30-18:00\"]",
            "mon-thu: [\"22:00-06:00\"]\n    sun: [\"00:00-24:00\"]",
        )
        .replace("    sat: [\"09:00-12:00\"]\n", "    fri: [\"20:00-24:00\"]\n")
        .replace("holidays: closed ", "holidays: [\"10:00-11:00\"] ");
    table(
        &line(&text),
        "10-12T21:59:59 closed
         10-12T22:00 open
         10-13T00:00 open
         10-13T05:59:59 open
         10-13T06:00 closed
         10-16T05:00 open
         10-16T19:59 closed
         10-16T23:59:59 open
         10-17T00:00 closed
         10-18T00:00 open
         10-18T23:59:59 open
         10-19T00:00 closed
         10-01T05:59 open holiday
         10-01T10:30 open holiday
         10-01T22:30 closed holiday
         10-02T01:00 closed holiday
         10-10T22:30 open
         10-11T01:00 open
         12-31T10:00 open
         12-31T22:00 closed",
    );
}

#[test]
fn the_clock_is_the_lines_own() {
    let summer = SHIPPED.replace("timezone: Asia/Shanghai", "timezone: Europe/Berlin");
    let line = line(&summer);
    let open = |at: &str| line.is_open("office", at.parse().unwrap());
    // Berlin leaves summer time on 25 October 2026: 09:00 is 07:00Z before and 08:00Z after.
    assert!(open("2026-10-23T07:00:00Z") && !open("2026-10-23T06:59:59Z"));
    assert!(open("2026-10-26T08:00:00Z") && !open("2026-10-26T07:59:59Z"));
}
