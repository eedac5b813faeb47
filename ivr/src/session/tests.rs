//! Stories of callers, and what holds for every caller: the visit ends or waits legally.

use std::time::Duration;

use base::{Digit, Machine, Mono, Name, Now, PhoneNumber, Timestamp};
use jiff::civil::date;
use proptest::prelude::*;
use std::sync::Arc;

use super::*;
use crate::SourceFile;
use crate::line::{Predicate, Verb};

/// The shipped line, and a second one with corners that the first has not.
fn shipped() -> Arc<Line> {
    line(include_str!("../../../configs/lines/huaning/line.yaml"))
}

fn line(text: &str) -> Arc<Line> {
    let file = SourceFile { path: "line.yaml".into(), text: text.to_owned() };
    let checked = crate::check("one".into(), &[file], &|_| true, date(2026, 10, 12));
    let told: Vec<String> = checked.faults.iter().map(ToString::to_string).collect();
    Arc::new(checked.line.unwrap_or_else(|| panic!("{}", told.join("\n"))))
}

const CORNERS: &str = r##"format: line/v1
line: { name: 一, max_calls: 1, start: answer, when_full: [{ play: a }] }
numbers: [{ number: "400-555-0100" }, { number: "400-555-0101" }]
prompts: { a: { file: a }, b: { file: b }, note: { file: note }, ask: { file: ask } }
seats: { li: { name: 李, ext: "8001" } }
lists: { vip: { numbers: ["13800138009"] }, bad: { numbers: ["13800138000"] } }
queues:
  q:
    ring: { strategy: parallel, seats: [li] }
    when_no_seats: [{ play: a }]
    when_full: [{ menu: second }]
    when_timed_out: []
flows:
  answer:
    - refuse_if: { caller_in: bad }
    - if: { all: [{ caller_in: vip }, { not: { dialled: "400-555-0100" } }] }
      then: [{ goto: round }]
    - play: a
    - recording_notice
    - recording_notice
    - menu: first
  round:
    - play: b
    - goto: round
menus:
  first:
    prompt: ask
    tries: 2
    keys:
      "1": { menu: second }
      "2": { queue: q }
      "3": hangup
      "5": { ring: { strategy: parallel, seats: [li] } }
      "*": repeat
    no_input: [{ play: b }]
    wrong_key: [{ play: a }]
    when_exhausted: [{ queue: q }]
  second:
    prompt: b
    type_ahead: true
    keys: { "1": { menu: third }, "0": top, "*": back }
    when_exhausted: []
  third:
    prompt: a
    keys: { "0": top, "*": back, "9": { goto: round } }
    when_exhausted: []
recording: { record: [queues, ring], notice: note, consent: { refuse_key: "#" } }
"##;

/// A caller with a clock.
struct Caller {
    session: Session,
    now: Now,
}

impl Caller {
    fn new(line: Arc<Line>, caller: &str, dialled: &str, at: &str) -> Self {
        let wall: Timestamp = format!("{at}+08:00").parse().unwrap();
        let start = Start {
            line,
            caller: PhoneNumber::normalise(caller),
            called: PhoneNumber::normalise(dialled).unwrap(),
            full: false,
        };
        Self { session: Session::new(start), now: Now { mono: Mono::ZERO, wall } }
    }

    fn at(at: &str) -> Self {
        Self::new(shipped(), "13912345678", "4005550100", at)
    }

    fn corners() -> Self {
        Self::new(line(CORNERS), "13912345678", "4005550100", "2026-10-12T10:00")
    }

    fn does(&mut self, input: Input) -> Vec<String> {
        self.session.handle(self.now, input);
        self.drain()
    }

    fn presses(&mut self, key: char) -> Vec<String> {
        self.does(Input::Digit(Digit::from_char(key).unwrap()))
    }

    fn waits(&mut self, secs: u64) -> Vec<String> {
        self.now = self.now.later(Duration::from_secs(secs));
        self.session.expire(self.now);
        self.drain()
    }

    fn drain(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.session.poll()).map(|output| short(&output)).collect()
    }
}

fn short(output: &Output) -> String {
    match output {
        Output::Refuse { code } => format!("refuse {code}"),
        Output::Play { prompt, notice: false } => format!("play {prompt}"),
        Output::Play { prompt, notice: true } => format!("notice {prompt}"),
        Output::Tone { tone, length } => format!("{} for {} ms", tone.as_str(), length.as_millis()),
        Output::Stop => "stop".into(),
        Output::Refused => "refused".into(),
        Output::Menu(name) => format!("menu {name}"),
        Output::Key(digit) => format!("key {digit}"),
        Output::Queue(name) => format!("queue {name}"),
        Output::Ring(ring) => {
            format!("ring {}", ring.seats.iter().map(Name::as_str).collect::<Vec<_>>().join(","))
        }
        Output::HangUp { too_many_steps } => {
            if *too_many_steps { "too many steps" } else { "hang up" }.into()
        }
    }
}

#[test]
fn key_2_then_key_1_leads_to_after_sales() {
    let mut caller = Caller::at("2026-10-12T10:00");
    assert_eq!(caller.does(Input::Begin), ["play welcome"]);
    assert_eq!(caller.does(Input::Played), ["notice recording_notice"]);
    assert_eq!(caller.does(Input::Played), ["menu main", "play main_menu"]);
    assert_eq!(caller.presses('2'), ["stop", "key 2", "menu after_sales_menu", "play after_sales_menu"]);
    assert_eq!(caller.does(Input::Played), Vec::<String>::new());
    assert_eq!(caller.presses('1'), ["key 1", "queue after_sales"]);
}

#[test]
fn a_silent_caller_is_asked_three_times_and_then_reaches_a_person() {
    let mut caller = Caller::at("2026-10-12T10:00");
    for _ in 0..3 {
        caller.does(Input::Begin);
        caller.does(Input::Played);
    }
    assert_eq!(caller.session.deadline(), Some(caller.now.mono + Duration::from_secs(6)));
    assert_eq!(caller.waits(5), Vec::<String>::new(), "early");
    assert_eq!(caller.waits(1), ["play no_key"]);
    assert_eq!(caller.does(Input::Played), ["play main_menu"]);
    assert_eq!(caller.presses('7'), ["stop", "play wrong_key"], "wrong and silent tries count together");
    assert_eq!(caller.does(Input::Played), ["play main_menu"]);
    caller.does(Input::Played);
    assert_eq!(caller.waits(6), ["play no_key"]);
    assert_eq!(caller.does(Input::Played), ["queue after_sales"], "instead of the repeat");
}

#[test]
fn doors_are_shut_by_the_clock_of_the_line() {
    let first = |at| {
        let mut caller = Caller::at(at);
        caller.does(Input::Begin);
        caller.does(Input::Played)
    };
    assert_eq!(first("2026-10-12T11:59:59"), ["notice recording_notice"]);
    assert_eq!(first("2026-10-12T12:00:00"), ["play closed"], "half-open");
    assert_eq!(first("2026-10-03T10:00"), ["play holiday_closed"]);
    assert_eq!(first("2026-10-10T17:00"), ["notice recording_notice"], "a Saturday worked as a Monday");
    let mut caller = Caller::at("2026-10-12T20:00");
    caller.does(Input::Begin);
    caller.does(Input::Played);
    assert_eq!(caller.does(Input::Played), ["hang up"]);
    assert!(caller.session.is_over());
    assert_eq!(caller.presses('1'), Vec::<String>::new());
}

#[test]
fn blocked_callers_are_refused_before_anything_is_heard() {
    let mut caller = Caller::new(shipped(), "013800000000", "4005550100", "2026-10-12T10:00");
    assert_eq!(caller.does(Input::Begin), ["refuse 603"]);
    let mut withheld = Caller::new(shipped(), "anonymous", "4005550100", "2026-10-12T10:00");
    assert_eq!(withheld.does(Input::Begin), ["play welcome"]);
}

#[test]
fn a_vip_rings_the_duty_mobile_at_night_and_hears_the_closing_words_when_nobody_answers() {
    let mut caller = Caller::new(shipped(), "+8613800138009", "4005550100", "2026-10-12T20:00");
    caller.does(Input::Begin);
    assert_eq!(caller.does(Input::Played), ["notice recording_notice"]);
    assert_eq!(caller.does(Input::Played), ["ring duty_mobile"]);
    assert_eq!(caller.presses('5'), Vec::<String>::new());
    assert_eq!(caller.does(Input::NobodyAnswered), ["play closed"]);
    assert_eq!(caller.does(Input::Played), ["hang up"]);
}

#[test]
fn the_refuse_key_refuses_once_from_the_first_sample_of_the_notice_and_is_no_other_key() {
    let mut caller = Caller::at("2026-10-12T10:00");
    caller.does(Input::Begin);
    assert_eq!(caller.does(Input::Played), ["notice recording_notice"]);
    assert_eq!(caller.presses('#'), ["refused", "stop", "menu main", "play main_menu"]);
    assert_eq!(caller.presses('#'), Vec::<String>::new(), "not a wrong key");
    assert_eq!(caller.presses('1'), ["stop", "key 1", "queue product_advice"]);

    let mut late = Caller::at("2026-10-12T10:00");
    late.does(Input::Begin);
    late.does(Input::Played);
    late.does(Input::Played);
    late.presses('1');
    assert_eq!(late.presses('#'), ["refused"], "in the queue, or while talking");
    assert_eq!(late.presses('#'), Vec::<String>::new());
}

#[test]
fn keys_pressed_during_the_notice_are_kept_for_the_next_menu() {
    let mut caller = Caller::at("2026-10-12T10:00");
    caller.does(Input::Begin);
    caller.does(Input::Played);
    assert_eq!(caller.presses('2'), Vec::<String>::new(), "the notice is heard to its end");
    assert_eq!(caller.presses('1'), Vec::<String>::new());
    let menus = ["menu main", "key 2", "menu after_sales_menu", "play after_sales_menu"];
    assert_eq!(caller.does(Input::Played), menus, "1 does not pass into the second menu");
}

#[test]
fn a_key_skips_the_welcome_but_not_the_last_words() {
    let mut caller = Caller::at("2026-10-12T10:00");
    caller.does(Input::Begin);
    assert_eq!(caller.presses('1'), ["stop", "notice recording_notice"]);
    assert_eq!(caller.does(Input::Played), ["menu main", "key 1", "queue product_advice"]);
    assert_eq!(caller.does(Input::LeftQueue(Left::Full)), ["play all_busy"]);
    assert_eq!(caller.presses('1'), Vec::<String>::new());
    assert_eq!(caller.does(Input::Played), ["hang up"]);
}

#[test]
fn back_top_and_repeat_move_between_menus_and_cost_no_try() {
    let mut caller = Caller::corners();
    caller.does(Input::Begin);
    caller.does(Input::Played);
    assert_eq!(caller.does(Input::Played), ["menu first", "play ask"], "the second notice is skipped");
    for _ in 0..5 {
        assert_eq!(caller.presses('*'), ["stop", "key *", "play ask"]);
    }
    assert_eq!(caller.presses('1'), ["stop", "key 1", "menu second", "play b"]);
    assert_eq!(caller.presses('1'), ["stop", "key 1", "menu third", "play a"]);
    assert_eq!(caller.presses('*'), ["stop", "key *", "menu second", "play b"]);
    assert_eq!(caller.presses('1'), ["stop", "key 1", "menu third", "play a"]);
    assert_eq!(caller.presses('0'), ["stop", "key 0", "menu first", "play ask"]);
    assert_eq!(caller.presses('2'), ["stop", "key 2", "queue q"]);
    assert_eq!(caller.does(Input::LeftQueue(Left::Full)), ["menu second", "play b"]);
    assert_eq!(caller.presses('*'), ["stop", "key *", "menu first", "play ask"], "the menu before the queue");
    assert_eq!(caller.presses('5'), ["stop", "key 5", "ring li"]);
    assert_eq!(caller.does(Input::NobodyAnswered), ["hang up"]);
}

#[test]
fn type_ahead_lets_kept_keys_through_two_menus() {
    let mut caller = Caller::corners();
    caller.does(Input::Begin);
    caller.does(Input::Played);
    for key in ['1', '1', '0'] {
        caller.presses(key);
    }
    let heard = caller.does(Input::Played);
    assert_eq!(
        heard,
        ["menu first", "key 1", "menu second", "key 1", "menu third", "play a"],
        "third drops the 0"
    );
}

#[test]
fn a_full_line_says_so_and_hangs_up() {
    let mut caller = Caller::at("2026-10-12T10:00");
    let mut start = caller.session.start().clone();
    start.full = true;
    caller.session = Session::new(start);
    assert_eq!(caller.does(Input::Begin), ["play lines_busy"]);
    assert_eq!(caller.does(Input::Played), ["hang up"]);
}

/// Tones where they may stand: before a menu, before the end, in a loop, over the cap.
const TONES: &str = r#"format: line/v1
line: { name: 一, max_calls: 1, start: answer, when_full: [{ tone: busy, for: 3s }] }
numbers: [{ number: "400-555-0100" }]
prompts: { ask: { file: ask } }
lists: { bad: { numbers: ["13800138000"] } }
flows:
  answer: [{ tone: beep }, { menu: first }]
  over: [{ tone: congestion, for: 700ms }, hangup]
  round: [{ tone: silence, for: 1s }, { goto: round }]
menus:
  first:
    prompt: ask
    keys: { "1": { goto: over }, "2": { goto: round } }
    when_exhausted: []
"#;

fn with_tones(full: bool) -> Caller {
    let mut caller = Caller::new(line(TONES), "13912345678", "4005550100", "2026-10-12T10:00");
    let mut start = caller.session.start().clone();
    start.full = full;
    caller.session = Session::new(start);
    caller
}

#[test]
fn a_tone_sounds_for_its_time_and_the_flow_goes_on() {
    let mut caller = with_tones(false);
    assert_eq!(caller.does(Input::Begin), ["beep for 300 ms"]);
    assert_eq!(caller.session.deadline(), None, "its end is told, not timed");
    assert_eq!(caller.does(Input::Played), ["menu first", "play ask"]);
    assert_eq!(caller.presses('1'), ["stop", "key 1", "congestion for 700 ms"]);
    assert_eq!(caller.does(Input::Played), ["hang up"]);
}

#[test]
fn a_key_skips_a_tone_before_a_menu_and_is_kept_for_it_but_the_last_tone_is_heard_out() {
    let mut caller = with_tones(false);
    caller.does(Input::Begin);
    assert_eq!(caller.presses('1'), ["stop", "menu first", "key 1", "congestion for 700 ms"]);
    assert_eq!(caller.presses('1'), Vec::<String>::new());
    assert_eq!(caller.does(Input::Played), ["hang up"]);
}

#[test]
fn a_caller_over_the_cap_hears_busy_and_is_let_go() {
    let mut caller = with_tones(true);
    assert_eq!(caller.does(Input::Begin), ["busy for 3000 ms"]);
    assert_eq!(caller.does(Input::Played), ["hang up"]);
}

#[test]
fn tones_in_a_circle_end_with_the_steps_and_a_tone_answers_the_call() {
    let mut caller = with_tones(false);
    caller.does(Input::Begin);
    caller.does(Input::Played);
    let mut heard = caller.presses('2');
    let mut rounds = 0;
    while heard.last().is_some_and(|last| last == "silence for 1000 ms") {
        heard = caller.does(Input::Played);
        rounds += 1;
    }
    assert_eq!(heard, ["too many steps"]);
    assert!(rounds <= MOST_STEPS);
    // Whoever heard something was answered, and cannot be refused any more.
    let mut start = caller.session.start().clone();
    start.caller = PhoneNumber::normalise("13800138000");
    let line = Arc::make_mut(&mut start.line);
    let refusal = Verb::RefuseIf { predicate: Predicate::CallerIn("bad".into()), code: 603 };
    let flow = line.flows.get_mut("answer").unwrap();
    flow[1].verb = refusal;
    caller.session = Session::new(start);
    assert_eq!(caller.does(Input::Begin), ["beep for 300 ms"]);
    assert_eq!(caller.does(Input::Played), ["hang up"], "not 603");
}

#[test]
fn an_endless_flow_is_ended() {
    let mut caller = Caller::new(line(CORNERS), "13800138009", "4005550101", "2026-10-12T10:00");
    let mut heard = caller.does(Input::Begin);
    let mut rounds = 0;
    while heard == ["play b"] {
        heard = caller.does(Input::Played);
        rounds += 1;
    }
    assert_eq!(heard, ["too many steps"]);
    assert!(rounds <= MOST_STEPS);
}

/// What a caller, and the brain for him, may do next.
#[derive(Clone, Debug)]
enum Deed {
    Key(usize),
    Played,
    Wait(u16),
    Left(u8),
    Nobody,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        4 => (0usize..12).prop_map(Deed::Key),
        4 => Just(Deed::Played),
        2 => (0u16..20).prop_map(Deed::Wait),
        1 => (0u8..3).prop_map(Deed::Left),
        1 => Just(Deed::Nobody),
    ]
}

fn input(deed: &Deed) -> Option<Input> {
    Some(match deed {
        Deed::Key(n) => Input::Digit(Digit::from_event(*n as u8)?),
        Deed::Played => Input::Played,
        Deed::Wait(_) => return None,
        Deed::Left(0) => Input::LeftQueue(Left::NoSeats),
        Deed::Left(1) => Input::LeftQueue(Left::Full),
        Deed::Left(_) => Input::LeftQueue(Left::TimedOut),
        Deed::Nobody => Input::NobodyAnswered,
    })
}

fn step(caller: &mut Caller, deed: &Deed) -> Vec<String> {
    match (input(deed), deed) {
        (Some(input), _) => caller.does(input),
        (None, Deed::Wait(secs)) => caller.waits(u64::from(*secs)),
        (None, _) => Vec::new(),
    }
}

/// The laws of `base::Machine`, and that a visit is refused only first and ends only last.
fn drained(caller: &Caller) {
    let mut again = caller.session.clone();
    assert_eq!(again.poll(), None);
    assert!(caller.session.deadline().is_none_or(|deadline| deadline > caller.now.mono));
    assert!(!caller.session.is_over() || caller.session.deadline().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_visit_waits_legally_or_is_over_and_a_clone_goes_the_same_way(
        corners in any::<bool>(),
        deeds in prop::collection::vec(deed(), 0..220),
        copied_at in 0usize..220,
    ) {
        let mut caller = if corners { Caller::corners() } else { Caller::at("2026-10-12T10:00") };
        let mut all = caller.does(Input::Begin);
        let mut copy = None;
        for (index, deed) in deeds.iter().enumerate() {
            if index == copied_at {
                copy = Some(Caller { session: caller.session.clone(), now: caller.now });
            }
            let heard = step(&mut caller, deed);
            drained(&caller);
            if let Some(copy) = &mut copy {
                prop_assert_eq!(&heard, &step(copy, deed));
            }
            if caller.session.is_over() {
                all.extend(heard);
                break;
            }
            all.extend(heard);
        }
        let ends = all.iter().filter(|heard| matches!(heard.as_str(), "hang up" | "too many steps")).count();
        prop_assert_eq!(ends, usize::from(caller.session.is_over()));
        prop_assert!(ends == 0 || matches!(all.last().map(String::as_str), Some("hang up" | "too many steps")));
        prop_assert!(all.iter().filter(|heard| *heard == "refused").count() <= 1);
        prop_assert!(all.iter().filter(|heard| heard.starts_with("notice")).count() <= 1);
        let refused = all.iter().position(|heard| heard == "refused");
        let noticed = all.iter().position(|heard| heard.starts_with("notice"));
        prop_assert!(refused.is_none() || noticed < refused);
        prop_assert!(all.iter().filter(|heard| heard.starts_with("play")).count() <= MOST_STEPS as usize);
    }
}

#[test]
fn a_caller_who_never_stops_pressing_is_stopped() {
    let mut caller = Caller::corners();
    caller.does(Input::Begin);
    let mut seed = 7u64;
    for n in 0..100_000u32 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let deed = if n % 3 == 0 { Deed::Played } else { Deed::Key((seed >> 33) as usize % 12) };
        step(&mut caller, &deed);
        if caller.session.is_over() {
            return;
        }
    }
    // He sits in a queue or a ring step: that is the brain's to end.
    assert_eq!(caller.waits(1), Vec::<String>::new());
    assert!(caller.session.deadline().is_none());
}
