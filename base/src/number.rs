//! Telephone numbers in one normal form (line-language.md 5.8, rule 5).

use std::fmt;

use serde::{Deserialize, Serialize};

/// A number in normal form: `+8613912345678`, `+8657155550100`, `4005550100`, or a short one as it is.
///
/// Two spellings of one number are equal: `139 1234 5678`, `013912345678`, `+86-139-1234-5678` and
/// `008613912345678` are one `PhoneNumber`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PhoneNumber(String);

impl PhoneNumber {
    /// Reads a number as dialled or delivered. `None` for empty, `anonymous` and whatever holds
    /// anything else than digits, separators and one leading `+`.
    pub fn normalise(raw: &str) -> Option<Self> {
        let raw = raw.trim();
        let (plus, rest) = match raw.strip_prefix('+') {
            Some(rest) => (true, rest),
            None => (false, raw),
        };
        let mut digits = String::with_capacity(rest.len());
        for c in rest.chars() {
            match c {
                '0'..='9' => digits.push(c),
                '-' | ' ' | '.' | '(' | ')' | '/' => {}
                _ => return None,
            }
        }
        if digits.is_empty() || digits.len() > LONGEST {
            return None;
        }
        // What carriers prefix may make it longer than any number: then it is none, and what is stored reads
        // back as itself.
        let normal = normal_form(plus, &digits);
        let is_number = normal.len() <= LONGEST && normal.bytes().any(|byte| byte.is_ascii_digit());
        is_number.then_some(Self(normal))
    }

    /// The normal form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is a 400 or 800 access number.
    pub fn is_access_number(&self) -> bool {
        is_access(&self.0)
    }

    /// Whether it is outside mainland China; an access or short number never is.
    pub fn is_abroad(&self) -> bool {
        self.0.starts_with('+') && !self.0.starts_with("+86")
    }

    /// As a carrier wants it written.
    pub fn written(&self, format: NumberFormat) -> String {
        let e164 = match self.0.strip_prefix('+') {
            Some(digits) => digits.to_owned(),
            // A short number has no form but its own.
            None if is_access(&self.0) => format!("86{}", self.0),
            None => return self.0.clone(),
        };
        match format {
            NumberFormat::National => self.national(),
            NumberFormat::E164 => e164,
            NumberFormat::E164Plus => format!("+{e164}"),
        }
    }

    /// The form that a Chinese carrier expects in a Request-URI: `13912345678`, `057155550100`,
    /// `4005550100`; international numbers with `00`.
    pub fn national(&self) -> String {
        match self.0.strip_prefix("+86") {
            Some(rest) if is_mobile(rest) => rest.to_owned(),
            Some(rest) => format!("0{rest}"),
            None => match self.0.strip_prefix('+') {
                Some(rest) => format!("00{rest}"),
                None => self.0.clone(),
            },
        }
    }
}

/// How a carrier wants numbers written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NumberFormat {
    /// `13912345678`, `057155550100`, `0012125550100`.
    #[default]
    National,
    /// `8613912345678`.
    E164,
    /// `+8613912345678`.
    E164Plus,
}

impl AsRef<str> for PhoneNumber {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// Shows the number masked, as every log must: ask `as_str` for the whole.
impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::pii::masked(&self.0))
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn normal_form(plus: bool, digits: &str) -> String {
    if plus {
        return match digits.strip_prefix("86") {
            Some(national) => china(national),
            None => format!("+{digits}"),
        };
    }
    if let Some(national) = digits.strip_prefix("0086") {
        return china(national);
    }
    if let Some(abroad) = digits.strip_prefix("00") {
        return format!("+{abroad}");
    }
    // A bare 86 is the country code only where the rest has the length of a whole number.
    if let Some(national) = digits.strip_prefix("86")
        && (is_mobile(national.trim_start_matches('0')) || is_access(national) || national.len() >= 10)
    {
        return china(national);
    }
    if digits.starts_with('0') || is_mobile(digits) {
        return china(digits);
    }
    digits.to_owned()
}

/// The normal form of a number inside China, with or without its trunk prefix 0.
fn china(national: &str) -> String {
    if is_access(national) {
        return national.to_owned();
    }
    let significant = national.trim_start_matches('0');
    if is_access(significant) {
        return significant.to_owned();
    }
    if significant.len() < 8 {
        // A short number keeps one leading zero; two would read as the way abroad.
        let zero = if national.starts_with('0') { "0" } else { "" };
        return format!("{zero}{significant}");
    }
    format!("+86{significant}")
}

fn is_mobile(digits: &str) -> bool {
    let bytes = digits.as_bytes();
    bytes.len() == 11 && bytes[0] == b'1' && (b'3'..=b'9').contains(&bytes[1])
}

fn is_access(digits: &str) -> bool {
    digits.len() == 10 && (digits.starts_with("400") || digits.starts_with("800"))
}

/// E.164 allows 15 digits; carriers prefix up to five more.
const LONGEST: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(raw: &str) -> String {
        PhoneNumber::normalise(raw).map_or_else(String::new, |n| n.as_str().to_owned())
    }

    #[test]
    fn every_spelling_of_a_mobile_is_one_number() {
        for raw in [
            "13912345678",
            "013912345678",
            "+8613912345678",
            "8613912345678",
            "008613912345678",
            "+86 139-1234-5678",
        ] {
            assert_eq!(normal(raw), "+8613912345678", "{raw}");
        }
    }

    #[test]
    fn every_spelling_of_a_landline_is_one_number() {
        for raw in ["0571-55550100", "057155550100", "+8657155550100", "8657155550100", "00860571 5555 0100"]
        {
            assert_eq!(normal(raw), "+8657155550100", "{raw}");
        }
        assert_eq!(normal("010-12345678"), "+861012345678");
    }

    #[test]
    fn a_400_number_has_no_country_code() {
        for raw in ["400-555-0100", "4005550100", "+864005550100", "864005550100", "04005550100"] {
            assert_eq!(normal(raw), "4005550100", "{raw}");
        }
        assert!(PhoneNumber::normalise("400-555-0100").unwrap().is_access_number());
    }

    #[test]
    fn short_and_foreign_numbers_stay_what_they_are() {
        assert_eq!(normal("8001"), "8001");
        assert_eq!(normal("10086"), "10086");
        assert_eq!(normal("0012125550100"), "+12125550100");
        assert_eq!(normal("+44 20 7946 0000"), "+442079460000");
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn a_normal_form_is_its_own_normal_form(raw in "[+]?(00)?(86)?[0-9]{0,3}[0-9 -]{0,18}") {
            if let Some(number) = PhoneNumber::normalise(&raw) {
                proptest::prop_assert_eq!(PhoneNumber::normalise(number.as_str()), Some(number));
            }
        }
    }

    #[test]
    fn nothing_readable_is_no_number() {
        for raw in ["", "anonymous", "+", "00", "0086", "+86", "12a", "1;2", &"1".repeat(21)] {
            assert!(PhoneNumber::normalise(raw).is_none(), "{raw:?}");
        }
    }

    #[test]
    fn each_carrier_is_sent_the_form_that_it_wants() {
        use NumberFormat::{E164, E164Plus, National};
        for (number, national, e164) in [
            ("13912345678", "13912345678", "8613912345678"),
            ("0571-55550100", "057155550100", "8657155550100"),
            ("400-555-0100", "4005550100", "864005550100"),
            ("+12125550100", "0012125550100", "12125550100"),
        ] {
            let number = PhoneNumber::normalise(number).unwrap();
            assert_eq!((number.written(National).as_str(), number.written(E164).as_str()), (national, e164));
            assert_eq!(number.written(E164Plus), format!("+{e164}"));
        }
        let short = PhoneNumber::normalise("10086").unwrap();
        assert!([National, E164, E164Plus].map(|format| short.written(format)).iter().all(|w| w == "10086"));
    }

    #[test]
    fn abroad_begins_at_the_border() {
        let is_abroad = |raw| PhoneNumber::normalise(raw).unwrap().is_abroad();
        assert!(["+12125550100", "0085221234567", "+886212345678"].into_iter().all(is_abroad));
        assert!(!["13912345678", "4005550100", "10086", "+8657155550100"].into_iter().any(is_abroad));
    }

    #[test]
    fn carriers_are_sent_the_national_form() {
        let national = |raw| PhoneNumber::normalise(raw).unwrap().national();
        assert_eq!(national("+8613912345678"), "13912345678");
        assert_eq!(national("+8657155550100"), "057155550100");
        assert_eq!(national("4005550100"), "4005550100");
        assert_eq!(national("+12125550100"), "0012125550100");
    }
}
