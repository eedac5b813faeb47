//! A checked line: valid by construction. Every name in it resolves, every limit is set.

use std::collections::BTreeMap;
use std::time::Duration;

use base::{Country, Digit, Name, Period, PhoneNumber, Tone};
use jiff::civil::{Date, Time};

/// One company's service (line-language.md 5.1).
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The folder's name: `huaning`.
    pub id: Name,
    /// What people call it: `华宁电器客服热线`.
    pub title: String,
    /// IANA time zone; every decision by the clock uses it.
    pub timezone: Name,
    /// BCP 47 tag of the prompts' language.
    pub language: Name,
    /// Whose tones its callers and seats hear.
    pub country: Country,
    /// The prompt that a held party hears, over and over; `None`: ringback.
    pub music: Option<Name>,
    /// Caller legs from INVITE to BYE that may be up at once.
    pub max_calls: u32,
    /// What caller `max_calls + 1` gets, as early media, before 486.
    pub when_full: Vec<Step>,
    /// The flow that answers a call.
    pub start: Name,
    /// The 400 numbers of the line.
    pub numbers: Vec<Number>,
    /// What can be played.
    pub prompts: BTreeMap<Name, PromptFile>,
    /// Holidays and worked weekends, by name.
    pub calendars: BTreeMap<Name, Calendar>,
    /// Opening hours, by name.
    pub hours: BTreeMap<Name, Hours>,
    /// Lists of callers, by name.
    pub lists: BTreeMap<Name, CallerList>,
    /// Seats, by name.
    pub seats: BTreeMap<Name, Seat>,
    /// Queues, by name.
    pub queues: BTreeMap<Name, Queue>,
    /// Flows, by name.
    pub flows: BTreeMap<Name, Vec<Step>>,
    /// Menus, by name.
    pub menus: BTreeMap<Name, Menu>,
    /// What is recorded; `None` when the section is absent: nothing is.
    pub recording: Option<Recording>,
    /// How long recordings are kept.
    pub retention: Retention,
}

/// A number that we own, and how a trunk may deliver it.
#[derive(Clone, Debug, PartialEq)]
pub struct Number {
    /// In normal form.
    pub number: PhoneNumber,
    /// Whether it takes calls.
    pub status: NumberStatus,
    /// Landing numbers that the carrier delivers instead, in normal form.
    pub arrives_as: Vec<PhoneNumber>,
    /// Whether it may be shown as caller ID of outgoing calls (default false).
    pub may_call_out: bool,
}

/// Whether a number takes calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberStatus {
    /// It does.
    Active,
    /// It does not: refused with 480.
    Suspended,
}

/// A prompt's file, relative to the line's folder, and its transcript.
#[derive(Clone, Debug, PartialEq)]
pub struct PromptFile {
    /// Relative path as written.
    pub file: String,
    /// What is spoken.
    pub text: Option<String>,
}

/// Public holidays and the weekend days that are worked instead (调休).
#[derive(Clone, Debug, PartialEq)]
pub struct Calendar {
    /// First and last day about which it knows.
    pub covers: (Date, Date),
    /// Named spans, both ends included.
    pub holidays: Vec<Holiday>,
    /// Weekend days that are worked, and whose weekday's hours apply.
    pub workdays: BTreeMap<Date, Weekday>,
}

/// A named span of days, both ends included.
#[derive(Clone, Debug, PartialEq)]
pub struct Holiday {
    /// 国庆节
    pub name: String,
    /// First day.
    pub from: Date,
    /// Last day.
    pub to: Date,
}

/// A day of the week, Monday first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Weekday {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// Weekly opening hours; half-open ranges in the line's time zone.
#[derive(Clone, Debug, PartialEq)]
pub struct Hours {
    /// Whose holidays and workdays apply.
    pub calendar: Option<Name>,
    /// By weekday, Monday = 0; an empty list is closed.
    pub week: [Vec<TimeRange>; 7],
    /// What holds on a holiday of the calendar.
    pub holidays: HolidayHours,
    /// Days that beat everything else.
    pub special_days: BTreeMap<Date, SpecialDay>,
}

/// What holds on a holiday.
#[derive(Clone, Debug, PartialEq)]
pub enum HolidayHours {
    /// Closed all day (the default).
    Closed,
    /// The weekday's usual hours.
    Open,
    /// These hours.
    Ranges(Vec<TimeRange>),
}

/// One special day: its hours (empty = closed) and why.
#[derive(Clone, Debug, PartialEq)]
pub struct SpecialDay {
    /// Half-open ranges.
    pub hours: Vec<TimeRange>,
    /// 年终盘点
    pub reason: Option<String>,
}

/// `from` included, `to` excluded; `to <= from` wraps over midnight; `24:00` is `Time::MIN` of `to`
/// with `from` before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange {
    /// First moment inside.
    pub from: Time,
    /// First moment outside.
    pub to: Time,
}

/// Callers by number or prefix, in normal form.
#[derive(Clone, Debug, PartialEq)]
pub struct CallerList {
    /// Whole numbers.
    pub numbers: Vec<PhoneNumber>,
}

/// An agent's phone.
#[derive(Clone, Debug, PartialEq)]
pub struct Seat {
    /// 李娜
    pub title: String,
    /// How it is reached.
    pub reach: Reach,
    /// Whether the media of its phone is SRTP; `None`: as the engine says of all seats.
    pub srtp: Option<Srtp>,
}

/// Whether media is SRTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Srtp {
    /// It is plain.
    Off,
    /// It is where the phone can.
    Prefer,
    /// It is, or there is no call.
    Require,
}

/// The two ways to reach a seat.
#[derive(Clone, Debug, PartialEq)]
pub enum Reach {
    /// A SIP extension that registers under this user name.
    Ext(Name),
    /// An outside phone, dialled over a trunk.
    Phone {
        /// The number in normal form.
        number: PhoneNumber,
        /// The key that accepts the call (default none: answered at once).
        confirm: Option<Digit>,
    },
}

/// A waiting line of callers before a set of seats.
#[derive(Clone, Debug, PartialEq)]
pub struct Queue {
    /// How seats are rung.
    pub ring: Ring,
    /// The longest wait, then `when_timed_out`.
    pub max_wait: Duration,
    /// The most callers waiting at once, then `when_full`.
    pub max_waiting: u32,
    /// How long a seat rests after a call.
    pub wrap_up: Duration,
    /// The prompt that callers hear while they wait, over and over; `None`: ringback.
    pub music: Option<Name>,
    /// When no seat is registered or diallable.
    pub when_no_seats: Vec<Step>,
    /// When `max_waiting` callers wait already.
    pub when_full: Vec<Step>,
    /// When `max_wait` is over.
    pub when_timed_out: Vec<Step>,
}

/// One way of ringing seats.
#[derive(Clone, Debug, PartialEq)]
pub struct Ring {
    /// One after another, or all at once.
    pub strategy: Strategy,
    /// In the order of the file.
    pub seats: Vec<Name>,
    /// How long a seat (sequential) or a round (parallel) rings.
    pub timeout: Duration,
    /// Between two seats (sequential) and between two rounds.
    pub pause: Duration,
    /// Where a sequential pass begins.
    pub order: Order,
    /// What happens to a ringing seat when `max_wait` is over.
    pub last_try: LastTry,
}

/// How seats are rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// 顺序转接: one seat at a time.
    Sequential,
    /// 同时振铃: all at once, the first answer wins.
    Parallel,
}

/// Where a sequential pass begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// After the last one tried.
    Remember,
    /// At the first seat (the default).
    FromTop,
}

/// What happens to a seat that rings when `max_wait` is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastTry {
    /// It rings out its timeout (the default).
    Finish,
    /// It is cancelled.
    Cut,
}

/// A menu: a prompt, and what each key does.
#[derive(Clone, Debug, PartialEq)]
pub struct Menu {
    /// What is played.
    pub prompt: Name,
    /// From the prompt's end to the first key.
    pub timeout: Duration,
    /// Wrong and silent attempts together.
    pub tries: u32,
    /// Single keys only in this build.
    pub keys: BTreeMap<Digit, KeyAction>,
    /// Run when no key came.
    pub no_input: Vec<Step>,
    /// Run when a key without meaning came.
    pub wrong_key: Vec<Step>,
    /// Run after the last try, instead of the repeat.
    pub when_exhausted: Vec<Step>,
    /// Keep keys pressed before the menu was entered (default false).
    pub type_ahead: bool,
}

/// What a key does.
#[derive(Clone, Debug, PartialEq)]
pub enum KeyAction {
    /// Runs these steps (one step as written; a list internally).
    Steps(Vec<Step>),
    /// Plays the menu again, without costing a try.
    Repeat,
    /// The menu before this one.
    Back,
    /// The first menu of the visit.
    Top,
    /// Ends the call.
    HangUp,
}

/// One step of a flow, and where it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Where in the files.
    pub place: Place,
    /// What it does.
    pub verb: Verb,
}

/// A place in the files of a line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, relative to the configuration's folder.
    pub file: Name,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}

/// What a step does (line-language.md 5.4).
#[derive(Clone, Debug, PartialEq)]
pub enum Verb {
    /// Plays a prompt to its end.
    Play(Name),
    /// Sounds a tone of the line's country for so long.
    Tone {
        /// Which.
        tone: Tone,
        /// 100 ms to a minute.
        length: Duration,
    },
    /// Plays the notice once per call; only the refuse key interrupts it.
    RecordingNotice,
    /// Enters a menu; does not come back.
    Menu(Name),
    /// Enters a queue; comes back only through its `when_…` steps.
    Queue(Name),
    /// Rings seats; goes on only when nobody answered.
    Ring(Ring),
    /// Chooses.
    If {
        /// The question.
        predicate: Predicate,
        /// When it holds.
        then: Vec<Step>,
        /// When it does not.
        otherwise: Vec<Step>,
    },
    /// Goes on in another flow; does not come back.
    Goto(Name),
    /// Refuses the call before it is answered.
    RefuseIf {
        /// The question.
        predicate: Predicate,
        /// 400-699.
        code: u16,
    },
    /// Ends the call.
    HangUp,
}

/// A question about the call.
#[derive(Clone, Debug, PartialEq)]
pub enum Predicate {
    /// These hours hold now.
    Open(Name),
    /// They do not.
    Closed(Name),
    /// Today is a holiday of the calendar of these hours (and not a special day with hours).
    Holiday(Name),
    /// Now lies in the range, in the line's time zone.
    TimeBetween(TimeRange),
    /// The caller is in the list.
    CallerIn(Name),
    /// The caller dialled this number of the line.
    Dialled(PhoneNumber),
    /// All of them.
    All(Vec<Self>),
    /// At least one of them.
    Any(Vec<Self>),
    /// Not that.
    Not(Box<Self>),
}

/// What is recorded, and under which notice.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// Conversations from queues.
    pub queues: bool,
    /// Conversations from `ring` steps.
    pub rings: bool,
    /// The prompt that must have been played.
    pub notice: Name,
    /// The key that refuses; pressed from the notice's first sample to the end of the call.
    pub refuse_key: Option<Digit>,
}

/// How long recordings are kept: the first rule that matches wins.
#[derive(Clone, Debug, PartialEq)]
pub struct Retention {
    /// When no rule matches (default 30 days).
    pub keep: Period,
    /// The most without explicit consent (default 6 months).
    pub longest_without_consent: Period,
    /// In the order of the file.
    pub rules: Vec<RetentionRule>,
}

/// One rule of retention.
#[derive(Clone, Debug, PartialEq)]
pub struct RetentionRule {
    /// Stored with the recording.
    pub name: Name,
    /// The queue it is about; `None` for any.
    pub queue: Option<Name>,
    /// The consent it needs (`none`, `notice_given`, `explicit`, `refused`, `withdrawn`).
    pub consent: Option<Name>,
    /// How long.
    pub keep: Period,
}
