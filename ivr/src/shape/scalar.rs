//! Readings of single values, and the spellings that YAML tools read differently.

use std::time::Duration;

use base::{Digit, Period, PhoneNumber};
use jiff::civil::{Date, Time};

use crate::line::TimeRange;

/// `15s`, `3min`, `2h`, `7d`. Never `m`, which is a month to some and a minute to others.
pub fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split_unit(text)?;
    let seconds = match unit {
        "ms" => return Some(Duration::from_millis(number)),
        "s" => 1,
        "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

/// `90d`, `6mo`.
pub fn period(text: &str) -> Option<Period> {
    let (number, unit) = split_unit(text)?;
    let number = u32::try_from(number).ok().filter(|number| *number <= LONGEST_PERIOD)?;
    match unit {
        "d" => Some(Period::Days(number)),
        "mo" => Some(Period::Months(number)),
        _ => None,
    }
}

/// `10%` as 10.
pub fn percent(text: &str) -> Option<u8> {
    text.strip_suffix('%')?.parse().ok().filter(|share| *share <= 100)
}

/// `2026-10-01`.
pub fn date(text: &str) -> Option<Date> {
    let well_formed =
        text.len() == 10 && text.is_ascii() && text.as_bytes()[4] == b'-' && text.as_bytes()[7] == b'-';
    if well_formed { text.parse().ok() } else { None }
}

/// `09:00-12:00`; `24:00` as an end is midnight.
pub fn time_range(text: &str) -> Option<TimeRange> {
    let (from, to) = text.split_once('-')?;
    Some(TimeRange { from: time(from)?, to: if to == "24:00" { Time::MIN } else { time(to)? } })
}

/// `09:00` or `09:00:30`.
pub(super) fn time(text: &str) -> Option<Time> {
    let mut parts = text.split(':');
    let mut part = || -> Option<Option<i8>> {
        match parts.next() {
            None => Some(None),
            Some(digits) if digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit()) => {
                Some(digits.parse().ok())
            }
            Some(_) => None,
        }
    };
    let (hour, minute, second) = (part()??, part()??, part()?.unwrap_or(0));
    if parts.next().is_some() { None } else { Time::new(hour, minute, second, 0).ok() }
}

/// A number that somebody could dial: three digits at least.
pub fn phone(text: &str) -> Option<PhoneNumber> {
    PhoneNumber::normalise(text).filter(|number| number.as_str().len() >= 3)
}

/// One key.
pub fn digit(text: &str) -> Option<Digit> {
    let mut chars = text.chars();
    let digit = Digit::from_char(chars.next()?)?;
    let on_every_phone = matches!(digit.as_char(), '0'..='9' | '*' | '#');
    if on_every_phone && chars.next().is_none() { Some(digit) } else { None }
}

/// A name: `a-z 0-9 _ -`, a letter first.
pub fn is_name(text: &str) -> bool {
    text.len() <= LONGEST_NAME
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
}

/// The rule of `is_name` as a regular expression.
pub const fn name_rule() -> &'static str {
    "^[a-z][a-z0-9_-]{0,63}$"
}

/// What a phone may register under.
pub(super) fn is_extension(text: &str) -> bool {
    (2..=LONGEST_EXTENSION).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

/// `env:NAME`.
pub(super) fn is_secret(text: &str) -> bool {
    text.strip_prefix("env:")
        .is_some_and(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
}

/// How an unquoted spelling is misread by YAML 1.1 tools: the code, and what it becomes there.
pub(super) fn misread(plain: &str) -> Option<(&'static str, String)> {
    if is_boolean_word(plain) {
        return Some(("E201", format!("without quotes some YAML tools read {plain} as a boolean")));
    }
    if let Some(number) = sexagesimal(plain) {
        return Some(("E202", format!("without quotes some YAML tools read it as {number}")));
    }
    if looks_like_time(plain) {
        return Some(("E202", "18:00 written the same way would be read as 1080".to_owned()));
    }
    if looks_like_date(plain) {
        return Some(("E204", "without quotes some YAML tools read it as a date object".to_owned()));
    }
    if looks_like_number(plain) {
        let octal =
            plain.len() > 1 && plain.starts_with('0') && plain.bytes().all(|b| (b'0'..=b'7').contains(&b));
        let read = octal.then(|| u64::from_str_radix(plain, 8).ok()).flatten();
        let as_what = read.map_or_else(|| "a number".to_owned(), |value| format!("the octal number {value}"));
        return Some(("E203", format!("without quotes some YAML tools read it as {as_what}")));
    }
    None
}

/// The words that YAML 1.1 takes for booleans.
pub(super) fn is_boolean_word(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let cased = text == lower || text == text.to_ascii_uppercase() || capitalised(text);
    cased && matches!(lower.as_str(), "on" | "off" | "yes" | "no" | "y" | "n" | "true" | "false")
}

fn capitalised(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_uppercase()) && text.chars().skip(1).all(|c| c.is_ascii_lowercase())
}

/// `18:00` is 18 × 60 to YAML 1.1.
fn sexagesimal(text: &str) -> Option<u64> {
    let mut parts = text.split(':');
    let first = parts.next()?;
    if first.starts_with('0') && first != "0" || !all_digits(first) {
        return None;
    }
    let mut value: u64 = first.parse().ok()?;
    let mut groups = 0;
    for part in parts {
        if !all_digits(part) || part.len() > 2 {
            return None;
        }
        let part: u64 = part.parse().ok().filter(|part| *part < 60)?;
        value = value.checked_mul(60)?.checked_add(part)?;
        groups += 1;
    }
    (groups > 0).then_some(value)
}

fn looks_like_time(text: &str) -> bool {
    let (from, to) = text.split_once('-').unwrap_or((text, "00:00"));
    let clock = |text: &str| {
        text.split(':').count() >= 2 && text.split(':').all(|part| all_digits(part) && part.len() <= 2)
    };
    clock(from) && clock(to)
}

fn looks_like_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    matches!(parts[..], [year, month, day] if year.len() == 4 && all_digits(year)
        && month.len() <= 2 && all_digits(month) && day.len() <= 2 && all_digits(day))
}

/// Digits with signs, dots, underscores, exponents, `0x`, and telephone numbers with separators.
fn looks_like_number(text: &str) -> bool {
    let body = text.strip_prefix(['+', '-', '.']).unwrap_or(text);
    let lower = body.to_ascii_lowercase();
    if matches!(lower.as_str(), "inf" | "nan") {
        return text.starts_with(['.', '+', '-']);
    }
    if let Some(hex) = lower.strip_prefix("0x") {
        return hex.bytes().all(|b| b.is_ascii_hexdigit() || b == b'_');
    }
    let lower = lower.strip_prefix("0o").or_else(|| lower.strip_prefix("0b")).unwrap_or(&lower);
    // Several dots are an address, which every tool reads as text.
    lower.starts_with(|c: char| c.is_ascii_digit())
        && lower.matches('.').count() <= 1
        && lower.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'_' | b'.' | b'e' | b'+' | b'-'))
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn split_unit(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit))
}

/// Long enough for any word a person writes, short enough for a log line.
const LONGEST_NAME: usize = 64;

/// The user part of a SIP address of record.
const LONGEST_EXTENSION: usize = 32;

/// A hundred years in days: more is a slip of the finger.
const LONGEST_PERIOD: u32 = 36_500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_and_m_is_none() {
        assert_eq!(duration("3min"), Some(Duration::from_mins(3)));
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        for wrong in ["15", "3m", "s", "", "1.5s", "-1s", "99999999999999999999s", "18446744073709551615d"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
        assert_eq!(period("6mo"), Some(Period::Months(6)));
        assert_eq!(period("6min"), None);
    }

    #[test]
    fn times_are_two_digits_each_and_midnight_may_end_a_range() {
        assert!(time_range("22:00-24:00").is_some_and(|range| range.to == Time::MIN));
        for wrong in
            ["9:00-12:00", "09:00", "09:60-10:00", "24:00-09:00", "09:00-12:00-13:00", "0９:00-10:00"]
        {
            assert_eq!(time_range(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn risky_spellings_are_told_from_harmless_ones() {
        let code = |text| misread(text).map(|(code, _)| code);
        for word in ["on", "No", "YES", "n", "true"] {
            assert_eq!(code(word), Some("E201"), "{word}");
        }
        for time in ["18:00", "09:00", "9:30:00", "09:00-12:00"] {
            assert_eq!(code(time), Some("E202"), "{time}");
        }
        for number in ["0571", "0898", "+8613800138000", "4008208820", "400-555-0100", "1_000", "0x10", "1e3"]
        {
            assert_eq!(code(number), Some("E203"), "{number}");
        }
        assert_eq!(code("2026-10-01"), Some("E204"));
        for fine in [
            "li_na",
            "华宁",
            "nO",
            "15s",
            "10%",
            "prompts/a.wav",
            "Asia/Shanghai",
            "zh-CN",
            "a-1",
            "none",
            "127.0.0.1",
            "127.0.0.1:5080",
        ] {
            assert_eq!(code(fine), None, "{fine}");
        }
        assert!(misread("18:00").is_some_and(|(_, why)| why.contains("1080")));
        assert!(misread("0571").is_some_and(|(_, why)| why.contains("377")));
    }
}
