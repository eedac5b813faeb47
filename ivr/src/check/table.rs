//! The tables of line/v1: what this build carries out, and what it refuses as not built yet.

use base::Country;

use super::verbs::{KEY_ACTION, STEPS, steps};
use crate::line::Weekday;
use crate::shape::{Field, Kind, Need, Others, Struct, Words};

pub(super) const fn field(key: &'static str, kind: Kind, need: Need, doc: &'static str) -> Field {
    Field { key, kind, need, doc }
}

const fn words(words: &'static [&'static str]) -> Words {
    Words { words, later: &[] }
}

/// A whole line, its folder merged.
pub static LINE_FILE: Struct = Struct {
    noun: "the line",
    fields: &[
        field(
            "format",
            Kind::OneOf(&words(&["line/v1"])),
            Need::Required,
            "The language of the file; its first key.",
        ),
        field("line", Kind::Struct(&LINE), Need::Required, "The line itself."),
        field(
            "numbers",
            Kind::List(&Kind::Struct(&NUMBER), 1, 100),
            Need::Required,
            "The 400 numbers of the line.",
        ),
        field("prompts", Kind::Named(&Kind::Struct(&PROMPT)), Need::Optional, "What can be played, by name."),
        field(
            "calendars",
            Kind::Named(&Kind::Struct(&CALENDAR)),
            Need::Optional,
            "Holidays and worked weekend days.",
        ),
        field("hours", Kind::Named(&Kind::Struct(&HOURS)), Need::Optional, "Opening hours, by name."),
        field("lists", Kind::Named(&Kind::Struct(&LIST)), Need::Optional, "Lists of callers, by name."),
        field("seats", Kind::Named(&Kind::Struct(&SEAT)), Need::Optional, "Agents' phones, by name."),
        field(
            "queues",
            Kind::Named(&Kind::Struct(&QUEUE)),
            Need::Optional,
            "Waiting lines before seats, by name.",
        ),
        field("flows", Kind::Named(&STEPS), Need::Required, "Lists of steps, by name."),
        field(
            "menus",
            Kind::Named(&Kind::Struct(&MENU)),
            Need::Optional,
            "Questions that a key answers, by name.",
        ),
        field(
            "recording",
            Kind::Struct(&RECORDING),
            Need::Optional,
            "What is recorded; without it nothing is.",
        ),
        field("retention", Kind::Struct(&RETENTION), Need::Optional, "How long recordings are kept."),
    ],
    later: &[
        "mailboxes",
        "surveys",
        "messages",
        "audit_log",
        "access",
        "notices",
        "contacts",
        "alerts",
        "when_trouble",
        "drills",
        "webhooks",
    ],
    others: None,
};

static LINE: Struct = Struct {
    noun: "line",
    fields: &[
        field("name", Kind::Text, Need::Required, "What people call the line."),
        field(
            "timezone",
            Kind::Text,
            Need::Default("Asia/Shanghai"),
            "IANA zone; every decision by the clock uses it.",
        ),
        field("language", Kind::Text, Need::Default("zh-CN"), "Language of the prompts (BCP 47)."),
        field(
            "country",
            Kind::OneOf(&words(&Country::WORDS)),
            Need::Default("cn"),
            "Whose ringback, busy and congestion tones callers and seats hear.",
        ),
        field(
            "music",
            Kind::Ref("prompts"),
            Need::Optional,
            "What a held party hears, over and over; without it ringback.",
        ),
        field("max_calls", Kind::Count(1, 10_000), Need::Required, "Callers at once, from INVITE to BYE."),
        field(
            "when_full",
            steps(),
            Need::Default("[]"),
            "What the caller over max_calls hears as early media, before 486.",
        ),
        field("start", Kind::Ref("flows"), Need::Required, "The flow that answers a call."),
    ],
    later: &[],
    others: None,
};

static NUMBER: Struct = Struct {
    noun: "a number",
    fields: &[
        field("number", Kind::Phone, Need::Required, "The number that callers dial, in quotes."),
        field(
            "status",
            Kind::OneOf(&Words { words: &["active", "suspended"], later: &["standby"] }),
            Need::Default("active"),
            "active takes calls; suspended refuses them with 480.",
        ),
        field(
            "arrives_as",
            Kind::List(&Kind::Phone, 0, 20),
            Need::Default("[]"),
            "Landing numbers that the carrier delivers instead.",
        ),
        field(
            "may_call_out",
            Kind::Bool,
            Need::Default("false"),
            "Whether it may be the caller_id of a trunk.",
        ),
    ],
    later: &["use", "registered_to", "registration_expires", "filing", "takes_over", "when_taken_over"],
    others: None,
};

static PROMPT: Struct = Struct {
    noun: "a prompt",
    fields: &[
        field("file", Kind::Text, Need::Optional, "WAV, MP3, FLAC or OGG, relative to the line's folder."),
        field("text", Kind::Text, Need::Optional, "The transcript of the file."),
    ],
    later: &[],
    others: None,
};

/// A calendar.
pub(super) static CALENDAR: Struct = Struct {
    noun: "a calendar",
    fields: &[
        field(
            "covers",
            Kind::List(&Kind::Date, 2, 2),
            Need::Required,
            "First and last day about which it knows.",
        ),
        field(
            "holidays",
            Kind::List(&Kind::Struct(&HOLIDAY), 0, 400),
            Need::Default("[]"),
            "Public holidays.",
        ),
        field(
            "workdays",
            Kind::List(&Kind::Struct(&WORKDAY), 0, 400),
            Need::Default("[]"),
            "Weekend days that are worked (调休).",
        ),
    ],
    later: &[],
    others: None,
};

/// A holiday.
pub(super) static HOLIDAY: Struct = Struct {
    noun: "a holiday",
    fields: &[
        field("name", Kind::Text, Need::Required, "国庆节"),
        field("from", Kind::Date, Need::Required, "First day."),
        field("to", Kind::Date, Need::Required, "Last day, included."),
    ],
    later: &[],
    others: None,
};

/// A worked weekend day.
pub(super) static WORKDAY: Struct = Struct {
    noun: "a workday",
    fields: &[
        field("date", Kind::Date, Need::Required, "The day."),
        field(
            "as",
            Kind::OneOf(&words(&["mon", "tue", "wed", "thu", "fri", "sat", "sun"])),
            Need::Required,
            "Whose weekday's hours apply.",
        ),
    ],
    later: &[],
    others: None,
};

static RANGES: Kind = Kind::List(&Kind::TimeRange, 0, 24);

static HOURS: Struct = Struct {
    noun: "hours",
    fields: &[
        field("calendar", Kind::Ref("calendars"), Need::Optional, "Whose holidays and workdays apply."),
        field(
            "holidays",
            Kind::Or(&Kind::OneOf(&words(&["closed", "open"])), &RANGES),
            Need::Default("closed"),
            "On holidays: closed, open as on the weekday, or these ranges.",
        ),
        field(
            "special_days",
            Kind::List(&Kind::Struct(&SPECIAL_DAY), 0, 400),
            Need::Default("[]"),
            "Days that beat everything else.",
        ),
    ],
    later: &["at_closing"],
    others: Some(Others {
        fits: |key| days(key).is_some(),
        pattern: "^(mon|tue|wed|thu|fri|sat|sun)(-(mon|tue|wed|thu|fri|sat|sun))?$",
        kind: Kind::List(&Kind::TimeRange, 0, 24),
        doc: "Half-open ranges of a day or of a span of days; a day that is not written is closed.",
    }),
};

/// A special day.
pub(super) static SPECIAL_DAY: Struct = Struct {
    noun: "a special day",
    fields: &[
        field("date", Kind::Date, Need::Required, "The day."),
        field("hours", Kind::List(&Kind::TimeRange, 0, 24), Need::Required, "Its ranges; [] is closed."),
        field("reason", Kind::Text, Need::Optional, "年终盘点"),
    ],
    later: &[],
    others: None,
};

static LIST: Struct = Struct {
    noun: "a list",
    fields: &[field(
        "numbers",
        Kind::List(&Kind::Phone, 0, 10_000),
        Need::Required,
        "Whole numbers, in quotes.",
    )],
    later: &["file"],
    others: None,
};

static SEAT: Struct = Struct {
    noun: "a seat",
    fields: &[
        field("name", Kind::Text, Need::Required, "李娜"),
        field("ext", Kind::Extension, Need::Optional, "The SIP user name under which its phone registers."),
        field(
            "phone",
            Kind::Phone,
            Need::Optional,
            "An outside number, dialled over a trunk, in place of ext.",
        ),
        field(
            "confirm",
            Kind::Digit,
            Need::Optional,
            "The key that accepts a call on an outside phone; without it, being answered is enough.",
        ),
        field(
            "srtp",
            Kind::OneOf(&words(&["off", "prefer", "require"])),
            Need::Optional,
            "SRTP with its phone, in place of the engine's rtp.srtp.",
        ),
    ],
    later: &["skills"],
    others: None,
};

/// A queue.
pub(super) static QUEUE: Struct = Struct {
    noun: "a queue",
    fields: &[
        field("ring", Kind::Struct(&RING), Need::Required, "How its seats are rung."),
        field(
            "max_wait",
            Kind::Duration(1, 7200),
            Need::Default("5min"),
            "The longest wait, then when_timed_out.",
        ),
        field(
            "max_waiting",
            Kind::Count(1, 1000),
            Need::Default("20"),
            "The most callers waiting, then when_full.",
        ),
        field("wrap_up", Kind::Duration(0, 3600), Need::Default("0s"), "How long a seat rests after a call."),
        field(
            "caller_hears",
            Kind::Struct(&CALLER_HEARS),
            Need::Optional,
            "What a caller hears while waiting; without it ringback.",
        ),
        field("when_no_seats", steps(), Need::Branch, "When no seat is registered or can be dialled."),
        field("when_full", steps(), Need::Branch, "When max_waiting callers wait already."),
        field("when_timed_out", steps(), Need::Branch, "When max_wait is over."),
    ],
    later: &[
        "prefer_last_seat",
        "exit_keys",
        "before_connect",
        "after_call",
        "service_level",
        "at_closing",
        "skills",
    ],
    others: None,
};

/// What waiting sounds like.
pub(super) static CALLER_HEARS: Struct = Struct {
    noun: "caller_hears",
    fields: &[field(
        "music",
        Kind::WordOr(LINES_MUSIC, "prompts"),
        Need::Optional,
        "Over and over: this prompt, or by `default` the line's music; ringback where there is none.",
    )],
    later: &["position_every", "estimate"],
    others: None,
};

/// The word for `line.music`.
pub(super) const LINES_MUSIC: &str = "default";

/// A way of ringing.
pub(super) static RING: Struct = Struct {
    noun: "ring",
    fields: &[
        field(
            "strategy",
            Kind::OneOf(&Words {
                words: &["sequential", "parallel"],
                later: &["staged", "longest_idle", "fewest_calls", "round_robin", "random"],
            }),
            Need::Required,
            "One seat after another, or all at once.",
        ),
        field(
            "seats",
            Kind::List(&Kind::Ref("seats"), 1, MOST_RUNG),
            Need::Required,
            "The seats, in their order.",
        ),
        field(
            "timeout",
            Kind::Duration(1, 600),
            Need::Default("20s"),
            "How long a seat (or the round) rings.",
        ),
        field(
            "pause",
            Kind::Duration(0, 60),
            Need::Default("1s"),
            "Between two seats and between two rounds.",
        ),
        field(
            "order",
            Kind::OneOf(&Words { words: &["from_top"], later: &["remember"] }),
            Need::Default("from_top"),
            "Where a sequential pass begins: at the first seat.",
        ),
        field(
            "last_try",
            Kind::OneOf(&words(&["finish", "cut"])),
            Need::Default("finish"),
            "Whether a seat that rings when max_wait is over rings out its timeout.",
        ),
    ],
    later: &["stages"],
    others: None,
};

/// A menu.
pub(super) static MENU: Struct = Struct {
    noun: "a menu",
    fields: &[
        field("prompt", Kind::Ref("prompts"), Need::Required, "What asks the question."),
        field(
            "timeout",
            Kind::Duration(1, 60),
            Need::Default("6s"),
            "From the prompt's end to the first key.",
        ),
        field("tries", Kind::Count(1, 10), Need::Default("3"), "Wrong and silent attempts together."),
        field("keys", Kind::Keys(&Kind::Choice(&KEY_ACTION)), Need::Required, "What each key does."),
        field("no_input", steps(), Need::Default("[]"), "When no key came; then the prompt repeats."),
        field(
            "wrong_key",
            steps(),
            Need::Default("[]"),
            "When a key without meaning came; then the prompt repeats.",
        ),
        field("when_exhausted", steps(), Need::Branch, "After the last try, instead of the repeat."),
        field(
            "type_ahead",
            Kind::Bool,
            Need::Default("false"),
            "Keep keys that were pressed before the menu began.",
        ),
    ],
    later: &["inter_digit"],
    others: None,
};

/// Recording.
pub(super) static RECORDING: Struct = Struct {
    noun: "recording",
    fields: &[
        field(
            "record",
            Kind::List(&Kind::OneOf(&Words { words: &["queues", "ring"], later: &["mailboxes"] }), 1, 3),
            Need::Required,
            "Conversations from queues, from ring steps, or both; menus never.",
        ),
        field(
            "start",
            Kind::OneOf(&words(&["seat_answers"])),
            Need::Default("seat_answers"),
            "When a recording begins.",
        ),
        field(
            "channels",
            Kind::OneOf(&words(&["stereo"])),
            Need::Default("stereo"),
            "Left the caller, right the seat.",
        ),
        field(
            "notice",
            Kind::Ref("prompts"),
            Need::Required,
            "What tells the caller; recording_notice plays it.",
        ),
        field("consent", Kind::Struct(&CONSENT), Need::Optional, "What the caller may answer to the notice."),
    ],
    later: &["format", "pause_during", "seat_may", "tag"],
    others: None,
};

/// Consent.
pub(super) static CONSENT: Struct = Struct {
    noun: "consent",
    fields: &[
        field(
            "when_silent",
            Kind::OneOf(&words(&["notice_given"])),
            Need::Default("notice_given"),
            "What staying on the line means.",
        ),
        field(
            "refuse_key",
            Kind::Digit,
            Need::Optional,
            "The key that refuses, from the notice to the end of the call; without it refusing is not offered.",
        ),
    ],
    later: &[],
    others: None,
};

/// Retention.
pub(super) static RETENTION: Struct = Struct {
    noun: "retention",
    fields: &[
        field(
            "keep",
            Kind::Period,
            Need::Default("30d"),
            "When no rule matches; counts from the end of the call.",
        ),
        field(
            "longest_without_consent",
            Kind::Period,
            Need::Default("6mo"),
            "The most without explicit consent.",
        ),
        field(
            "rules",
            Kind::List(&Kind::Struct(&RULE), 0, 100),
            Need::Default("[]"),
            "The first that matches wins.",
        ),
    ],
    later: &["hold", "then", "proof"],
    others: None,
};

/// A retention rule.
pub(super) static RULE: Struct = Struct {
    noun: "a rule",
    fields: &[
        field("name", Kind::Name, Need::Required, "Stored with the recording."),
        field("when", Kind::Struct(&RULE_WHEN), Need::Required, "What it is about."),
        field("keep", Kind::Period, Need::Required, "How long."),
    ],
    later: &[],
    others: None,
};

/// A rule's condition.
pub(super) static RULE_WHEN: Struct = Struct {
    noun: "when",
    fields: &[
        field("queue", Kind::Ref("queues"), Need::Optional, "Conversations from this queue."),
        field(
            "consent",
            Kind::OneOf(&words(&["none", "notice_given", "explicit", "refused", "withdrawn"])),
            Need::Optional,
            "What the caller agreed to.",
        ),
    ],
    later: &["kind", "seat", "number"],
    others: None,
};

/// The days that a key of `hours` names: `mon`, `mon-fri`, `sat-mon` over the week's end.
pub(super) fn days(key: &str) -> Option<Vec<Weekday>> {
    let (first, last) = key.split_once('-').unwrap_or((key, key));
    let (first, last) = (Weekday::from_text(first)? as usize, Weekday::from_text(last)? as usize);
    let span = (last + 7 - first) % 7;
    Some((0..=span).filter_map(|n| Weekday::ALL.get((first + n) % 7).copied()).collect())
}

/// A hunt rings no more seats at once.
const MOST_RUNG: usize = 32;
