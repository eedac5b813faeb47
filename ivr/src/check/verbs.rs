//! The tables of steps, keys and questions (line-language 5.4).

use base::Tone;

use super::table::{RING, field};
use crate::shape::{Choice, Kind, Need, Variant, Words};

static A_STEP: Kind = Kind::Choice(&STEP);

/// A list of steps.
pub(super) static STEPS: Kind = steps();

/// A list of steps. A function, not a constant: steps hold steps.
pub(super) const fn steps() -> Kind {
    Kind::List(&A_STEP, 0, MOST_STEPS_IN_LIST)
}

/// A step.
pub(super) static STEP: Choice = Choice {
    noun: "step",
    bare: &[
        ("recording_notice", "Plays the notice, once in a call; only the refuse key interrupts it."),
        ("hangup", "Ends the call."),
    ],
    variants: &VERBS,
    beside: &[],
    later: LATER_VERBS,
};

/// What a key does.
pub(super) static KEY_ACTION: Choice = Choice {
    noun: "key action",
    bare: &[
        ("repeat", "Plays the menu again, at no cost of a try."),
        ("back", "To the menu before this one."),
        ("top", "To the first menu of the call."),
        ("hangup", "Ends the call."),
    ],
    variants: &VERBS,
    beside: &[],
    later: LATER_VERBS,
};

const LATER_VERBS: &[&str] =
    &["say", "collect", "transfer", "voicemail", "survey", "call_api", "set", "sms", "bot"];

static VERBS: [Variant; 8] = [
    verb(
        "play",
        Kind::Ref("prompts"),
        "Plays a prompt; a key skips it where a menu may follow, and is kept for that.",
    ),
    Variant {
        verb: field(
            "tone",
            Kind::OneOf(&Words { words: &Tone::WORDS, later: &[] }),
            Need::Required,
            "Sounds a tone of the line's country and goes on; keys do what they do during play.",
        ),
        with: &[field(
            "for",
            Kind::Millis(100, 60_000),
            Need::Optional,
            "How long; without it 300ms for a beep, 5s for the others.",
        )],
        with_later: &[],
    },
    verb("menu", Kind::Ref("menus"), "Enters a menu; does not come back."),
    Variant {
        verb: field(
            "queue",
            Kind::Ref("queues"),
            Need::Required,
            "Waits for a seat; comes back only through the queue's when_ steps.",
        ),
        with: &[],
        with_later: &["skills", "priority"],
    },
    verb("ring", Kind::Struct(&RING), "Rings seats; goes on with the next step when nobody answered."),
    Variant {
        verb: field("if", Kind::Choice(&QUESTION), Need::Required, "Asks one question."),
        with: &[
            field("then", steps(), Need::Required, "Steps when it holds."),
            field("else", steps(), Need::Default("[]"), "Steps when it does not."),
        ],
        with_later: &[],
    },
    verb("goto", Kind::Ref("flows"), "Goes on in another flow; does not come back."),
    verb("refuse_if", Kind::Choice(&REFUSAL), "Refuses the call before it is answered."),
];

static QUESTION: Choice =
    Choice { noun: "question", bare: &[], variants: &QUESTIONS, beside: &[], later: &["equal", "consent"] };

static REFUSAL: Choice = Choice {
    noun: "refusal",
    bare: &[],
    variants: &QUESTIONS,
    beside: &[field("code", Kind::Count(400, 699), Need::Default("603"), "The SIP status that refuses.")],
    later: &["equal", "consent"],
};

static QUESTIONS: [Variant; 9] = [
    verb("open", Kind::Ref("hours"), "These hours hold now."),
    verb("closed", Kind::Ref("hours"), "They do not."),
    verb("holiday", Kind::Ref("hours"), "Today is a holiday of the calendar of these hours."),
    verb("time_between", Kind::List(&Kind::Time, 2, 2), "Now lies between two times, the second excluded."),
    verb("caller_in", Kind::Ref("lists"), "The caller is in this list; a withheld number is in none."),
    verb("dialled", Kind::Phone, "The caller dialled this number of the line."),
    verb("all", Kind::List(&Kind::Choice(&QUESTION), 1, 20), "All of these questions hold."),
    verb("any", Kind::List(&Kind::Choice(&QUESTION), 1, 20), "At least one of them holds."),
    verb("not", Kind::Choice(&QUESTION), "It does not hold."),
];

const fn verb(key: &'static str, kind: Kind, doc: &'static str) -> Variant {
    Variant { verb: field(key, kind, Need::Required, doc), with: &[], with_later: &[] }
}

/// More in one list is a program, not a flow.
const MOST_STEPS_IN_LIST: usize = 100;
