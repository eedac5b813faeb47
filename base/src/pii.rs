//! Personal data that prints itself masked.

use std::fmt;

/// Wraps a telephone number (or any personal text) so that `Display` and `Debug` show it masked:
/// `138****8000`. The inner value has to be asked for by name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pii<T>(pub T);

impl<T: AsRef<str>> fmt::Display for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&masked(self.0.as_ref()))
    }
}

impl<T: AsRef<str>> fmt::Debug for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&masked(self.0.as_ref()))
    }
}

/// Masks a number as people in China expect: the first three and the last four digits of a mobile
/// number stay (`138****8000`); of anything shorter than eight digits only the last two.
pub fn masked(text: &str) -> String {
    let national = text.strip_prefix("+86").unwrap_or(text);
    let chars: Vec<char> = national.chars().collect();
    match chars.len() {
        0 => String::new(),
        n @ 1..=7 => {
            "*".repeat(n.saturating_sub(2)) + &chars[n.saturating_sub(2)..].iter().collect::<String>()
        }
        n => {
            let head: String = chars[..3].iter().collect();
            let tail: String = chars[n - 4..].iter().collect();
            format!("{head}****{tail}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mobile_number_keeps_three_and_four() {
        assert_eq!(masked("+8613800138000"), "138****8000");
        assert_eq!(Pii("8001").to_string(), "**01");
        assert_eq!(Pii("").to_string(), "");
    }
}
