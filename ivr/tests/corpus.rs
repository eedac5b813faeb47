//! Broken files: each one change to a sound line, each with the code and the place that it must get.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use base::{Country, Tone};
use ivr::line::{Line, Verb};
use ivr::{Checked, Severity, SourceFile, check};
use jiff::civil::{Date, date};
use proptest::prelude::*;

/// A sound line; every case below changes one thing.
const SOUND: &str = r##"format: line/v1
line:
  name: 华宁
  timezone: Asia/Shanghai
  max_calls: 10
  when_full:
    - play: busy
  start: answer
numbers:
  - number: "400-555-0100"
    arrives_as: ["0571-55550100"]
prompts:
  welcome: { file: a.wav, text: "您好，欢迎致电华宁：" }
  notice: { file: a.wav }
  ask: { file: a.wav }
  busy: { file: a.wav }
  press_to_accept: { file: a.wav }
calendars:
  cn:
    covers: ["2026-01-01", "2026-12-31"]
    holidays:
      - { name: 国庆节, from: "2026-10-01", to: "2026-10-07" }
    workdays:
      - { date: "2026-10-10", as: mon }
hours:
  office:
    calendar: cn
    mon-fri: ["09:00-12:00", "13:30-18:00"]
    holidays: closed
    special_days:
      - { date: "2026-12-31", hours: ["09:00-12:00"], reason: 盘点 }
lists:
  vip: { numbers: ["+8613800138009"] }
seats:
  li_na: { name: 李娜, ext: "8001" }
  wang: { name: 王伟, ext: "8002" }
  mobile: { name: 手机, phone: "13800138001", confirm: "1" }
queues:
  sales:
    ring: { strategy: sequential, seats: [li_na, wang], timeout: 15s, pause: 1s }
    max_wait: 3min
    when_no_seats:
      - ring: { strategy: parallel, seats: [mobile] }
    when_full: []
    when_timed_out:
      - play: busy
flows:
  answer:
    - refuse_if: { caller_in: vip, code: 603 }
    - play: welcome
    - if: { closed: office }
      then:
        - goto: late
    - recording_notice
    - menu: main
  late:
    - play: busy
    - hangup
menus:
  main:
    prompt: ask
    timeout: 6s
    tries: 3
    keys:
      "1": { queue: sales }
      "*": repeat
    no_input:
      - play: busy
    when_exhausted:
      - queue: sales
recording:
  record: [queues, ring]
  notice: notice
  consent: { refuse_key: "#" }
retention:
  keep: 30d
  rules:
    - { name: sales, when: { queue: sales }, keep: 60d }
"##;

fn today() -> Date {
    date(2026, 10, 12)
}

fn checked(text: &str) -> Checked {
    let file = SourceFile { path: "line.yaml".into(), text: text.to_owned() };
    check("one".into(), &[file], &|path| path == "a.wav", today())
}

/// Code, line and column of every fault.
fn found(checked: &Checked) -> Vec<(&'static str, u32, u32)> {
    checked.faults.iter().map(|fault| (fault.code, fault.place.line, fault.place.column)).collect()
}

/// Replaces the first `from` by `to`; the fault must stand where `▲` is in `to`, and be the only error.
fn case(from: &str, to: &str, code: &str) {
    let text = SOUND.replacen(from, to, 1);
    assert!(SOUND.contains(from), "{from:?} is not in the sound line");
    let errors = expect(&text, code);
    assert!(errors <= 1, "{to:?}: one mistake, {errors} errors");
}

/// As `case`, but the fault stands elsewhere: `▲` is in `mark`, a second replacement.
fn case_at(from: &str, to: &str, code: &str, mark: &str) {
    let text = SOUND.replacen(from, to, 1);
    let plain = mark.replace('▲', "");
    assert!(text.contains(&plain), "{plain:?} is not in the changed line");
    expect(&text.replacen(&plain, mark, 1), code);
}

/// Checks a text without its `▲`, where a fault with this code must stand. How many errors there are.
fn expect(marked: &str, code: &str) -> usize {
    let place = marked.find('▲').expect("a mark");
    let line = marked[..place].matches('\n').count() as u32 + 1;
    let column = marked[..place].rsplit('\n').next().unwrap().chars().count() as u32 + 1;
    let checked = checked(&marked.replace('▲', ""));
    let told: Vec<String> = checked.faults.iter().map(ToString::to_string).collect();
    let told = told.join("\n");
    assert!(
        found(&checked).contains(&(code_of(code), line, column)),
        "wanted {code} at {line}:{column}, got\n{told}"
    );
    let errors = checked.faults.iter().filter(|fault| fault.severity == Severity::Error).count();
    let stops = checked.faults.iter().any(ivr::Fault::keeps_from_serving);
    assert_eq!(checked.line.is_some(), !stops, "{told}");
    errors
}

/// The code as the table of codes has it.
fn code_of(code: &str) -> &'static str {
    ivr::fault::CODES
        .iter()
        .find(|(known, ..)| *known == code)
        .unwrap_or_else(|| panic!("{code} is unknown"))
        .0
}

#[test]
fn the_sound_line_is_sound() {
    let checked = checked(SOUND);
    assert_eq!(found(&checked), []);
    assert!(checked.line.is_some());
}

#[test]
fn spellings_that_yaml_tools_read_differently() {
    case("name: 华宁", "name: ▲on", "E201");
    case("name: 华宁", "name: ▲NO", "E201");
    case("keys:\n", "type_ahead: ▲yes\n    keys:\n", "E201");
    case("  vip: {", "  ▲no: { numbers: [] }\n  vip: {", "E201");
    case("[\"09:00-12:00\", \"13", "[▲09:00-12:00, \"13", "E202");
    case("{ closed: office }", "{ time_between: [▲18:00, \"22:00\"] }", "E202");
    case("name: 李娜", "name: ▲12:30", "E202");
    case("\"0571-55550100\"", "▲0571-55550100", "E203");
    case("\"400-555-0100\"", "▲4005550100", "E203");
    case("\"+8613800138009\"", "▲+8613800138009", "E203");
    case("\"8001\"", "▲8001", "E203");
    case("\"13800138001\"", "▲013800138001", "E203");
    case("from: \"2026-10-01\"", "from: ▲2026-10-01", "E204");
    case("reason: 盘点", "reason: ▲2026-12-31", "E204");
    case("\"1\": { queue: sales }", "▲1: { queue: sales }", "E206");
    case("refuse_key: \"#\"", "refuse_key: ▲9", "E206");
}

#[test]
fn keys_twice_and_keys_that_vanish() {
    case("\"*\": repeat", "▲\"1\": repeat", "E205");
    case("  vip:", "  vip: { numbers: [] }\n  ▲vip:", "E205");
    case("lists:\n", "lists: {}\n▲lists:\n", "E205");
    case("\"*\": repeat", "▲#: back", "W207");
    case("\"*\": repeat", "▲*: repeat", "E002");
    case("refuse_key: \"#\" }", "refuse_key▲: }", "E206");
    case("    mon-fri:", "    tue: []\n    ▲mon-fri:", "E019");
    case("\"*\": repeat", "▲\"x\": repeat", "E112");
    case("\"*\": repeat", "▲\"10\": repeat", "E012");
}

#[test]
fn yaml_that_is_none() {
    case("name: 华宁", "name▲：华宁", "E002");
    case("name: 华宁", "name: 华宁▲: 客服", "E002");
    case("name: 华宁", "name: ▲@华宁", "E002");
    case("name: 华宁", "name: ▲%1", "E002");
    case("  name: 华宁", "\t▲name: 华宁", "E002");
    case("name: 华宁", "name: \"华宁\" ▲客服", "E002");
    case("name: 华宁", "name: &a ▲华宁", "E004");
    case("name: 华宁", "name: !!str ▲华宁", "E004");
    case("name: 华宁", "▲<<: {}\n  name: 华宁", "E004");
    case("name: 华宁", "name: 华宁▲（杭州）", "W210");
    case("name: 李娜", "name: ▲“李娜”", "W210");
}

#[test]
fn keys_and_words_of_the_language() {
    case("format: line/v1", "format: ▲line/v2", "E010");
    case("format: line/v1\n", "▲", "E010");
    case("max_calls: 10", "max_calls: 10\n  ▲max_cals: 10", "E011");
    case("numbers:\n", "▲alerts: []\nnumbers:\n", "E012");
    case("\"400-555-0100\"", "\"400-555-0100\"\n    status: ▲standby", "E012");
    case("    - play: welcome", "    - ▲say: 您好", "E012");
    case("{ queue: sales }", "{ queue: sales, ▲skills: [a] }", "E012");
    case("{ closed: office }", "{ ▲equal: [a, b] }", "E012");
    case("strategy: sequential", "strategy: ▲staged", "E012");
    case("strategy: sequential", "strategy: ▲sequentiel", "E015");
    case("\n  welcome: { file: a.wav, text", "\n  ▲welcome: { text", "E012");
    case("\n  notice: { file", "\n  ▲Big: { file: a.wav }\n  notice: { file", "E020");
    case("    - play: welcome", "    - ▲ply: welcome", "E102");
    case("    - play: welcome", "    - ▲play", "E102");
    case("    - play: welcome", "    - ▲hangup: now", "E102");
    case("    - play: welcome", "    -▲", "E102");
    case("    - play: welcome", "    - play: welcome\n      ▲menu: main", "E101");
    case_at("    when_full: []\n", "", "E103", "▲ring: { strategy: sequential");
}

#[test]
fn kinds_and_bounds() {
    case("max_calls: 10", "max_calls: ▲\"10\"", "E014");
    case("max_calls: 10", "max_calls: ▲1_0", "E014");
    case("max_calls: 10", "max_calls: ▲0", "E015");
    case("name: 华宁", "name: ▲[华宁]", "E014");
    case("name: 华宁", "name▲:", "E014");
    case("  name: 华宁\n  timezone", "  ▲timezone", "E013");
    case("timeout: 15s", "timeout: ▲15", "E016");
    case("max_wait: 3min", "max_wait: ▲3m", "E016");
    case("max_wait: 3min", "max_wait: ▲3h", "E015");
    case("keep: 30d", "keep: ▲30", "E016");
    case("\"13800138001\"", "▲\"138x\"", "E017");
    case("to: \"2026-10-07\"", "to: ▲\"2026-02-30\"", "E018");
    case("\"09:00-12:00\", \"13", "▲\"9:00-12:00\", \"13", "E018");
    case("timezone: Asia/Shanghai", "timezone: ▲Asia/Shangai", "E015");
    case("code: 603", "code: ▲200", "E015");
    case("seats: [mobile]", "seats: ▲[]", "E015");
}

#[test]
fn references_and_files() {
    case("start: answer", "start: ▲anser", "E110");
    case("- queue: sales", "- queue: ▲sale", "E110");
    case("prompt: ask", "prompt: ▲asks", "E110");
    case("calendar: cn", "calendar: ▲us", "E110");
    case("seats: [li_na, wang]", "seats: [li_na, ▲wong, wang]", "E110");
    case("- if: { closed: office }", "- ▲if: { dialled: \"400-555-0999\" }", "E110");
    case_at("press_to_accept: {", "press: {", "E110", "confirm: ▲\"1\"");
    case_at(
        "recording:\n  record: [queues, ring]\n  notice: notice\n  consent: { refuse_key: \"#\" }\n",
        "",
        "E110",
        "▲recording_notice",
    );
    case("ask: { file: a.wav }", "ask: { file: ▲b.wav }", "E111");
    case("ask: { file: a.wav }", "ask: { file: ▲../a.wav }", "E015");
}

#[test]
fn rules_of_numbers_seats_and_calendars() {
    case("[\"0571-55550100\"]", "[▲\"+864005550100\"]", "E156");
    case("\"8002\"", "▲\"8001\"", "E154");
    case("phone: \"13800138001\"", "phone: ▲\"400-800-0000\"", "E155");
    case("phone: \"13800138001\", confirm: \"1\"", "phone: ▲\"13800138001\"", "W153");
    case("confirm: \"1\"", "confirm: ▲\"2\"", "E015");
    case("ext: \"8002\"", "ext: \"8002\", confirm: ▲\"1\"", "E015");
    case("ext: \"8002\"", "ext: \"8002\", srtp: ▲maybe", "E015");
    case("confirm: \"1\"", "confirm: \"1\", srtp: ▲require", "E015");
    case("ext: \"8002\"", "ext: \"8002\", phone: ▲\"13800138002\"", "E015");
    case("  wang: { name: 王伟, ext: \"8002\" }", "  ▲wang: { name: 王伟 }", "E013");
    case_at("seats: [li_na, wang]", "seats: [li_na]", "W131", "▲wang: {");
    case("\"2026-10-10\", as", "▲\"2026-10-05\", as", "E170");
    case("covers: [\"2026-01-01\", \"2026-12-31\"]", "covers: ▲[\"2026-01-01\", \"2026-10-11\"]", "E171");
    case("covers: [\"2026-01-01\", \"2026-12-31\"]", "covers: ▲[\"2026-12-31\", \"2026-01-01\"]", "E018");
    case("from: \"2026-10-01\", to: ", "from: \"2026-10-08\", to: ▲", "E018");
    case("keep: 60d", "keep: ▲8mo", "E151");
    case("keep: 60d", "keep: ▲182d", "E151");
    case("keep: 30d", "keep: ▲1000d", "E151");
    case(
        "- { name: sales, when",
        "- { name: sales, keep: 1d, when: {} }\n    - { name: ▲sales, when",
        "E019",
    );
}

#[test]
fn countries_tones_and_music() {
    case("max_calls: 10", "country: ▲cm\n  max_calls: 10", "E015");
    case("max_calls: 10", "country: ▲china\n  max_calls: 10", "E015");
    case("max_calls: 10", "music: ▲welcom\n  max_calls: 10", "E110");
    case("max_wait: 3min", "caller_hears: { music: ▲defualt }\n    max_wait: 3min", "E110");
    case("max_wait: 3min", "caller_hears: { music: ▲[] }\n    max_wait: 3min", "E014");
    case("max_wait: 3min", "caller_hears: ▲default\n    max_wait: 3min", "E014");
    case("max_wait: 3min", "caller_hears: { ▲position_every: 30s }\n    max_wait: 3min", "E012");
    case("max_wait: 3min", "caller_hears: { music: ask, ▲estimate: true }\n    max_wait: 3min", "E012");
    case("    - play: welcome", "    - tone: ▲bussy", "E015");
    case("    - play: welcome", "    - ▲tone", "E102");
    case("    - play: welcome", "    - { tone: busy, for: ▲99ms }", "E015");
    case("    - play: welcome", "    - { tone: busy, for: ▲61s }", "E015");
    case("    - play: welcome", "    - { tone: busy, for: ▲5 }", "E016");
    case("    - play: welcome", "    - { tone: busy, ▲fro: 5s }", "E011");
    case("    - play: welcome", "    - { tone: busy, ▲play: welcome }", "E101");
    case("    - menu: main", "    - ▲refuse_if: { caller_in: vip }\n    - menu: main", "E140");
    case("    - play: busy\n    - hangup", "    - ▲tone: congestion", "W110");
}

#[test]
fn a_misspelt_country_tone_or_music_is_answered_with_the_near_one() {
    for (from, to, near) in [
        ("max_calls: 10", "country: cm\n  max_calls: 10", "did you mean `cn`?"),
        (
            "max_calls: 10",
            "country: china\n  max_calls: 10",
            "allowed: cn, hk, mo, tw, jp, kr, sg, us, gb, de, fr, au",
        ),
        ("max_calls: 10", "music: welcom\n  max_calls: 10", "did you mean `welcome`?"),
        ("max_wait: 3min", "caller_hears: { music: defualt }\n    max_wait: 3min", "did you mean `default`?"),
        ("max_wait: 3min", "caller_hears: { musik: ask }\n    max_wait: 3min", "did you mean `music`?"),
        ("- play: welcome", "- tone: ringbak", "did you mean `ringback`?"),
        ("- play: welcome", "- { tone: busy, for: 2min }", "100ms to 60s"),
    ] {
        let told: Vec<String> =
            checked(&SOUND.replacen(from, to, 1)).faults.iter().map(ToString::to_string).collect();
        assert!(told.iter().any(|fault| fault.contains(near)), "{to}: {told:?} lacks {near:?}");
    }
}

#[test]
fn tones_and_music_are_read_as_written() {
    let plain = checked(SOUND).line.unwrap();
    let sales = |line: &Line| line.queues.values().next().unwrap().music.clone();
    assert_eq!((plain.country, plain.music.clone(), sales(&plain)), (Country::Cn, None, None));
    let with = |hears: &str, music: &str| {
        let text = SOUND
            .replacen("max_wait: 3min", &format!("caller_hears: {{ {hears} }}\n    max_wait: 3min"), 1)
            .replacen("max_calls: 10", &format!("country: jp\n  {music}max_calls: 10"), 1);
        let checked = checked(&text);
        assert_eq!(found(&checked), []);
        checked.line.unwrap()
    };
    let line = with("music: default", "music: ask\n  ");
    assert_eq!(
        (line.country, line.music.as_deref(), sales(&line).as_deref()),
        (Country::Jp, Some("ask"), Some("ask"))
    );
    assert_eq!(sales(&with("music: busy", "music: ask\n  ")).as_deref(), Some("busy"));
    assert_eq!(sales(&with("music: default", "")), None, "ringback");
    assert_eq!(sales(&with("", "music: ask\n  ")), None, "waiting says nothing of music");
    // Over the cap a tone is as good as a prompt: early media, and no queue.
    let text = SOUND.replacen(
        "    - play: busy",
        "    - tone: busy\n    - { tone: beep, for: 2s }\n    - tone: beep",
        1,
    );
    let checked = checked(&text);
    assert_eq!(found(&checked), []);
    let verbs: Vec<Verb> = checked.line.unwrap().when_full.into_iter().map(|step| step.verb).collect();
    let tone = |tone, millis| Verb::Tone { tone, length: Duration::from_millis(millis) };
    assert_eq!(verbs, [tone(Tone::Busy, 5000), tone(Tone::Beep, 2000), tone(Tone::Beep, 300)]);
}

#[test]
fn who_agreed_explicitly_may_be_kept_longer() {
    let long = SOUND.replace("when: { queue: sales }, keep: 60d", "when: { consent: explicit }, keep: 24mo");
    assert_eq!(found(&checked(&long)), []);
    let within = SOUND.replace("keep: 60d", "keep: 181d");
    assert_eq!(found(&checked(&within)), [], "six calendar months have 181 days at least");
}

#[test]
fn ways_of_a_call() {
    case_at("    - recording_notice\n", "", "E122", "\"1\": ▲{ queue");
    case_at("    - recording_notice\n", "", "E122", "▲ring: { strategy: parallel");
    case("\"*\": repeat", "▲\"#\": repeat", "E121");
    case("    - play: busy\n    - hangup", "    - ▲goto: late", "E130");
    case("    - menu: main", "    - ▲refuse_if: { caller_in: vip }\n    - menu: main", "E140");
    case("    - play: busy\n  start", "    - ▲queue: sales\n  start", "E145");
    case("    - play: busy\n    - hangup", "    - ▲play: busy", "W110");
    case_at("        - goto: late", "        - hangup", "W132", "▲late:");
    case_at("{ closed: office }", "{ caller_in: vip }", "W136", "▲office:\n");
}

#[test]
fn menus_below_menus_are_counted() {
    let menu = |name: &str, leads: &str| {
        format!("  {name}:\n    prompt: ask\n    keys: {{ \"1\": {{ {leads} }} }}\n    when_exhausted: []\n")
    };
    let deep = format!(
        "menus:\n{}{}▲{}",
        menu("b", "menu: c"),
        menu("c", "menu: d"),
        menu("d", "queue: sales").trim_start()
    );
    let text = SOUND.replacen("\"*\": repeat", "\"2\": { menu: b }", 1).replacen(
        "menus:\n",
        &deep.replace("▲d", "  ▲d"),
        1,
    );
    assert_eq!(expect(&text, "W135"), 0);
}

#[test]
fn the_calendar_of_next_year_is_asked_for_in_december() {
    let file = SourceFile { path: "line.yaml".into(), text: SOUND.to_owned() };
    let codes = |today| {
        let checked = check("one".into(), std::slice::from_ref(&file), &|_| true, today);
        checked.faults.iter().map(|fault| fault.code).collect::<Vec<_>>()
    };
    assert_eq!(codes(date(2026, 11, 30)), Vec::<&str>::new());
    assert_eq!(codes(date(2026, 12, 1)), ["W171"]);
    assert_eq!(codes(date(2027, 1, 1)), ["E171"]);
}

#[test]
fn all_faults_are_told_at_once_also_behind_a_syntax_fault() {
    let text = SOUND
        .replacen("name: 华宁", "name：华宁", 1)
        .replacen("\"*\": repeat", "*: repeat", 1)
        .replacen("max_wait: 3min", "max_wait: 3m", 1)
        .replacen("\"8001\"", "8001", 1);
    let checked = checked(&text);
    assert_eq!(
        checked.faults.iter().map(|fault| fault.code).collect::<Vec<_>>(),
        ["E002", "E203", "E016", "E002"]
    );
}

#[test]
fn a_fault_is_printed_with_place_line_and_proposal() {
    let text = SOUND.replacen("[\"09:00-12:00\", \"13:30-18:00\"]", "[09:00-12:00, \"13:30-18:00\"]", 1);
    let told = checked(&text).faults[0].to_string();
    let (first, second) = told.split_once('\n').unwrap();
    assert!(first.starts_with("line.yaml:28:15  E202  时间要加引号"), "{first}");
    assert!(first.ends_with("mon-fri: [09:00-12:00, \"13:30-18:00\"]"), "{first}");
    assert!(second.trim_start().starts_with("write \"09:00-12:00\""), "{second}");
}

#[test]
fn one_entry_in_two_files_is_an_error_and_sections_may_be_spread() {
    let (first, second) = SOUND.split_once("queues:\n").unwrap();
    let file = |path: &str, text: String| SourceFile { path: path.into(), text };
    let spread =
        [file("a.yaml", first.to_owned()), file("b.yaml", format!("format: line/v1\nqueues:\n{second}"))];
    let checked = check("one".into(), &spread, &|_| true, today());
    assert_eq!(found(&checked), []);
    assert!(checked.line.is_some());

    let again = format!("format: line/v1\nseats:\n  wang: {{ name: 王, ext: \"8009\" }}\nqueues:\n{second}");
    let twice = [spread[0].clone(), file("b.yaml", again)];
    let checked = check("one".into(), &twice, &|_| true, today());
    assert_eq!(found(&checked), [("E019", 3, 3)]);
    assert!(checked.faults[0].message.contains("a.yaml:36"), "{}", checked.faults[0]);
}

#[test]
fn files_are_bounded() {
    let codes = |text: String| checked(&text).faults.iter().map(|fault| fault.code).collect::<Vec<_>>();
    assert_eq!(codes(format!("{SOUND}# {}\n", "x".repeat(1 << 20))), ["E001"]);
    assert_eq!(codes(format!("format: line/v1\nline: {}", "[".repeat(20_000))), ["E003"]);
    assert_eq!(codes(format!("format: line/v1\nline: [{}]", "1,".repeat(120_000))), ["E003"]);
    let many =
        codes(format!("{SOUND}{}", (0..2000).map(|n| format!("key_{n}: 1\n")).collect::<Vec<_>>().concat()));
    assert_eq!((many.len(), many.last()), (501, Some(&"E009")));
    let menus: Vec<String> = (0..1001).map(|n| format!("  m{n}: {{}}\n")).collect();
    assert_eq!(
        codes(SOUND.replace("lists:\n", &format!("lists:\n{}", menus.concat()))).last(),
        Some(&"E003")
    );
    assert_eq!(codes(String::new()), ["E010"]);
    assert_eq!(codes("- a\n".to_owned()), ["E014"]);
}

/// What people do to a file: lines lost, doubled, moved; characters lost or put in.
#[derive(Clone, Debug)]
enum Slip {
    Lose(usize),
    Double(usize),
    Swap(usize, usize),
    Indent(usize),
    Put(usize, char),
    Cut(usize),
}

fn slip() -> impl Strategy<Value = Slip> {
    let characters = "：“”# *&!|>%@`'\"{}[],:-?\t\\\u{0}\u{3000}0a华".chars().collect::<Vec<_>>();
    let place = 0usize..5000;
    prop_oneof![
        place.clone().prop_map(Slip::Lose),
        place.clone().prop_map(Slip::Double),
        (place.clone(), place.clone()).prop_map(|(a, b)| Slip::Swap(a, b)),
        place.clone().prop_map(Slip::Indent),
        (place.clone(), prop::sample::select(characters)).prop_map(|(at, c)| Slip::Put(at, c)),
        place.prop_map(Slip::Cut),
    ]
}

fn slipped(text: &str, slip: &Slip) -> String {
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let count = lines.len();
    let mut chars: Vec<char> = text.chars().collect();
    match *slip {
        Slip::Lose(at) => drop(lines.remove(at % count)),
        Slip::Double(at) => lines.insert(at % count, lines[at % count].clone()),
        Slip::Swap(a, b) => lines.swap(a % count, b % count),
        Slip::Indent(at) => lines[at % count].insert(0, ' '),
        Slip::Put(at, c) => chars.insert(at % (chars.len() + 1), c),
        Slip::Cut(at) => drop(chars.remove(at % chars.len().max(1))),
    }
    match slip {
        Slip::Put(..) | Slip::Cut(_) => chars.into_iter().collect(),
        _ => lines.join("\n"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_slips_the_answer_is_a_line_or_faults_inside_the_file(slips in prop::collection::vec(slip(), 1..4)) {
        let text = slips.iter().fold(SOUND.to_owned(), |text, slip| slipped(&text, slip));
        let checked = checked(&text);
        let stops = checked.faults.iter().any(ivr::Fault::keeps_from_serving);
        prop_assert_eq!(checked.line.is_some(), !stops);
        let lines = text.split('\n').count() as u32;
        for fault in &checked.faults {
            prop_assert!((1..=lines).contains(&fault.place.line), "{fault}");
            prop_assert!(fault.place.column >= 1, "{fault}");
        }
    }

    #[test]
    fn no_text_at_all_brings_the_checker_down(text in "(\\PC|[ \n\t:#*&{}\\[\\],'\"-]){0,200}") {
        let alone = checked(&text);
        let behind = checked(&format!("format: line/v1\n{text}"));
        prop_assert!(alone.line.is_none() && behind.line.is_none());
    }
}
