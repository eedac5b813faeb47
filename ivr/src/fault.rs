//! What is wrong in a file, where, and what to write instead. All faults of a folder are collected,
//! never only the first.

use std::fmt;

use base::Name;

use crate::line::Place;
use crate::yaml::Spot;

/// A file of a line's folder (or of the engine).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// As it is shown in faults; relative to the configuration's folder.
    pub path: Name,
    /// What it holds.
    pub text: String,
}

/// How bad a fault is: an error keeps the plan from being used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file is refused.
    Error,
    /// The file is used; a person should look.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// One of [`CODES`].
    pub code: &'static str,
    /// Error or warning, by the code's letter.
    pub severity: Severity,
    /// What is wrong with this very value.
    pub message: String,
    /// What to write instead.
    pub proposal: Option<String>,
    /// The line of the file, without its indentation.
    pub shown: String,
}

impl Fault {
    /// A fault in no particular line of a file: it cannot be read, or a folder lacks it.
    pub fn of_file(path: Name, code: &'static str, message: String, proposal: Option<String>) -> Self {
        let place = Place { file: path, line: 1, column: 1 };
        Self { place, code, severity: severity_of(code), message, proposal, shown: String::new() }
    }

    /// Whether `check` fails for it.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// Whether the plan cannot be used. A calendar that is over is an error for `check`, but no reason for
    /// a line not to answer: outside its calendar the weekly hours hold (line-language.md 5.7, rule 2).
    pub fn keeps_from_serving(&self) -> bool {
        self.is_error() && self.code != CALENDAR_OVER
    }
}

/// Today lies outside what the calendar covers.
pub const CALENDAR_OVER: &str = "E171";

/// `file:line:column  CODE  中文 message:  the line`, and below it the proposal.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = format!("{}:{}:{}  {}  ", self.place.file, self.place.line, self.place.column, self.code);
        write!(f, "{head}{}: {}", title_of(self.code), self.message)?;
        if !self.shown.is_empty() {
            write!(f, ":  {}", self.shown)?;
        }
        if let Some(proposal) = &self.proposal {
            write!(f, "\n{:width$}{proposal}", "", width = head.chars().count().min(WIDEST_INDENT))?;
        }
        Ok(())
    }
}

/// Collects faults of a set of files.
#[derive(Debug)]
pub struct Faults<'f> {
    files: &'f [SourceFile],
    list: Vec<Fault>,
    left_out: usize,
}

impl<'f> Faults<'f> {
    /// None yet.
    pub fn new(files: &'f [SourceFile]) -> Self {
        Self { files, list: Vec::new(), left_out: 0 }
    }

    /// Notes a fault; the same words at the same place only once.
    pub fn add(
        &mut self,
        at: Spot,
        code: &'static str,
        message: impl Into<String>,
        proposal: impl Into<String>,
    ) {
        let place = self.place(at);
        let message = message.into();
        if self.list.len() >= MOST_FAULTS {
            self.left_out += 1;
            return;
        }
        if self.list.iter().any(|fault| fault.place == place && fault.message == message) {
            return;
        }
        let proposal = Some(proposal.into()).filter(|text| !text.is_empty());
        let shown = shorten(self.line_of(at).trim());
        let fault = Fault { place, code, severity: severity_of(code), message, proposal, shown };
        self.list.push(fault);
    }

    /// Whether one of them keeps the plan from being used.
    pub fn any_error(&self) -> bool {
        self.list.iter().any(Fault::keeps_from_serving)
    }

    /// Whether one of them has this code.
    pub fn has(&self, code: &str) -> bool {
        self.list.iter().any(|fault| fault.code == code)
    }

    /// In the order of files and lines; the last one says when more were left out.
    pub fn finish(mut self) -> Vec<Fault> {
        self.list.sort_by(|a, b| (&a.place, a.code).cmp(&(&b.place, b.code)));
        if self.left_out > 0
            && let Some(last) = self.list.last().cloned()
        {
            let message = format!("{} more faults are not shown", self.left_out);
            self.list.push(Fault { code: "E009", message, proposal: None, shown: String::new(), ..last });
        }
        self.list
    }

    /// The place of a spot, as faults and steps name it.
    pub fn place(&self, at: Spot) -> Place {
        let file =
            self.files.get(usize::from(at.file)).map_or_else(|| Name::from("?"), |file| file.path.clone());
        Place { file, line: at.line, column: at.column }
    }

    /// The spot of a place.
    pub fn spot(&self, place: &Place) -> Spot {
        let file = self.files.iter().position(|file| file.path == place.file).unwrap_or(0);
        Spot { file: file as u16, line: place.line, column: place.column }
    }

    fn line_of(&self, at: Spot) -> &'f str {
        let text = self.files.get(usize::from(at.file)).map_or("", |file| file.text.as_str());
        text.lines().nth((at.line as usize).saturating_sub(1)).unwrap_or("")
    }
}

/// The nearest of some words, when it is near enough to be meant.
pub fn did_you_mean<'w>(word: &str, among: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    among
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.chars().count().max(3) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// What a code is about, Chinese and English.
pub fn title_of(code: &str) -> &'static str {
    CODES.iter().find(|(known, _, _)| *known == code).map_or("", |(_, title, _)| title)
}

fn severity_of(code: &str) -> Severity {
    if code.starts_with('W') { Severity::Warning } else { Severity::Error }
}

fn shorten(line: &str) -> String {
    if line.chars().count() <= LONGEST_SHOWN {
        return line.to_owned();
    }
    line.chars().take(LONGEST_SHOWN).chain(['…']).collect()
}

/// Every code: its title and what it means. docs/configuration.md holds the same table; a test compares.
pub const CODES: &[(&str, &str, &str)] = &[
    (
        "E001",
        "文件无法读取 file unreadable",
        "The file or folder cannot be read, is not UTF-8, or is larger than 1 MiB.",
    ),
    (
        "E002",
        "YAML 语法错误 YAML syntax",
        "The file is not YAML: a tab, a colon inside unquoted text, a missing quote.",
    ),
    (
        "E003",
        "超出限制 too large",
        "Nested deeper than 32 levels, more than 100,000 values, or 1,000 entries in a section.",
    ),
    (
        "E004",
        "不接受的 YAML 特性 YAML feature not accepted",
        "Anchors, aliases, merge keys, tags, directives, several documents.",
    ),
    ("E009", "故障过多 too many faults", "More than 500 faults; the rest is not shown."),
    ("E010", "格式声明 format", "The first key of each file is `format: line/v1` (or `engine/v1`)."),
    ("E011", "未知的键 unknown key", "A key that the language does not know."),
    (
        "E012",
        "尚未支持 not supported yet",
        "A word of line/v1 that this build does not carry out; it is never ignored.",
    ),
    ("E013", "缺少必填项 missing", "A key that must be written is absent."),
    (
        "E014",
        "类型不符 wrong type",
        "A list where a map is wanted, nothing where a value is wanted, and the like.",
    ),
    (
        "E015",
        "取值不允许 value not allowed",
        "A word that is not one of the allowed ones, or a number outside its bounds.",
    ),
    ("E016", "时长 duration", "Durations carry a unit: 15s, 3min, 2h, 90d, 6mo."),
    ("E017", "电话号码 phone number", "Text that is no telephone number, or one that cannot be used here."),
    ("E018", "日期或时间 date or time", "No such date or time, or an end before its beginning."),
    ("E019", "重复定义 defined twice", "The same entry in two files, or one day of the week given twice."),
    ("E020", "名称 name", "Names are a-z, 0-9, _ and -, begin with a letter, and are at most 64 long."),
    ("E101", "一步一个动作 one verb per step", "A step has more than one verb."),
    ("E102", "未知的动作 unknown verb", "A step, key or question without a verb that the language knows."),
    (
        "E103",
        "缺少失败分支 missing branch",
        "when_no_seats, when_full, when_timed_out and when_exhausted are mandatory.",
    ),
    ("E110", "引用不存在 undefined reference", "A name that is defined nowhere."),
    ("E111", "语音文件不存在 prompt file missing", "The prompt's file is not in the line's folder."),
    ("E112", "按键 key", "A menu key is one of 0-9, * and #."),
    (
        "E121",
        "拒录键冲突 refuse key taken",
        "The refuse key is a key of a menu that is reachable in a recorded call.",
    ),
    (
        "E122",
        "缺少录音告知 no recording notice",
        "A recorded queue or ring step is reachable without recording_notice.",
    ),
    (
        "E130",
        "循环没有出口 loop without exit",
        "Flows go to each other without play, tone, menu, queue or ring between.",
    ),
    ("E140", "拒接太迟 refuse_if too late", "refuse_if stands after the call was answered."),
    (
        "E145",
        "线路满时不能排队 when_full cannot queue",
        "line.when_full may only play, sound tones and hang up: the call is not answered.",
    ),
    (
        "E151",
        "保存期超限 kept too long",
        "A rule keeps longer than longest_without_consent but does not require consent: explicit.",
    ),
    ("E154", "分机重复 extension twice", "Two seats have one extension."),
    ("E155", "400 号码不能外呼 access number dialled", "A 400 or 800 number cannot be a seat's phone."),
    ("E156", "号码重复 number twice", "A number is owned twice, or by two lines."),
    ("E160", "密码不写在文件里 literal secret", "Users and passwords of trunks are env:NAME, never text."),
    ("E170", "既是假日又是工作日 holiday and workday", "A date is both a holiday and a worked day."),
    ("E171", "日历已过期 calendar over", "Today lies outside what the calendar covers."),
    (
        "E180",
        "外呼主叫号码 caller_id",
        "Outside seats need a trunk with a host and a caller_id; a 400 number only with may_call_out.",
    ),
    ("E181", "重名 name twice", "Two trunks (or two listeners) have one name or address."),
    ("E182", "网络地址 address", "No such address, network or URL, or not one that can be used here."),
    ("E183", "没有线路 no line", "The folder lines/ holds no line, so no call could be answered."),
    (
        "E190",
        "证书不可用 certificate",
        "A certificate, key or CA file that is missing, is no PEM, or does not fit the others.",
    ),
    (
        "E201",
        "布尔值 boolean",
        "on, off, yes, no, y, n are booleans to some YAML tools: write true or false, or quote the text.",
    ),
    ("E202", "时间要加引号 quote times", "Unquoted 18:00 is 1080 to some YAML tools."),
    ("E203", "号码要加引号 quote numbers", "Unquoted digits lose zeros and plus signs in some YAML tools."),
    ("E204", "日期要加引号 quote dates", "An unquoted date is a date object to some YAML tools."),
    ("E205", "键重复 duplicate key", "The same key twice in one map."),
    ("E206", "按键要加引号 quote keys", "Keys of menus and other digits are quoted: \"1\", \"*\", \"#\"."),
    ("W110", "流程没有结尾 flow without end", "A flow runs off its end, which hangs up: say so, or lead on."),
    ("W131", "坐席未被使用 idle seat", "A seat is in no queue and no ring step."),
    ("W132", "永远走不到 unreachable", "A flow, menu or queue that no call can reach."),
    ("W135", "菜单过深 deep menus", "More than three menus below each other."),
    (
        "W136",
        "营业时间未被使用 hours not asked",
        "Hours that no step asks about: calls outside them find no different way.",
    ),
    ("W153", "手机坐席没有确认键 no confirm key", "A mobile's voicemail would count as an answer."),
    (
        "W161",
        "环境变量未设置 variable not set",
        "A secret names an environment variable that is not set here.",
    ),
    ("W171", "日历即将过期 calendar ends", "From 1 December on: the calendar does not cover next year."),
    (
        "W185",
        "媒体端口不足 few media ports",
        "rtp.ports is too narrow for limits.max_calls: each call needs four.",
    ),
    ("W190", "证书即将过期 certificate ends", "A certificate has ended, or ends within two weeks."),
    (
        "W207",
        "疑似按键被当作注释 comment that looks like a key",
        "`#: word` is a comment; the key is written \"#\".",
    ),
    (
        "W210",
        "全角标点 full-width punctuation",
        "Full-width ：，“”（）＃ or a full-width space outside quotes.",
    ),
];

/// More would hide the first ones.
const MOST_FAULTS: usize = 500;

/// A shown line keeps a terminal readable.
const LONGEST_SHOWN: usize = 120;

/// Proposals are indented no further, however long the path.
const WIDEST_INDENT: usize = 60;
