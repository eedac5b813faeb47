//! Digits in SIP INFO bodies: `application/dtmf-relay` and `application/dtmf`, as gateways send them.

use base::Digit;

/// The digit of an INFO body; `None` when the type is another or the body says no digit.
///
/// `application/dtmf-relay` says `Signal=5` and perhaps `Duration=160`; `application/dtmf` says the
/// character alone, though some phones put the `Signal` line there too.
pub fn digit(content_type: &str, body: &str) -> Option<Digit> {
    let kind = content_type.split(';').next()?.trim();
    if kind.eq_ignore_ascii_case("application/dtmf-relay") {
        return signal(body);
    }
    if kind.eq_ignore_ascii_case("application/dtmf") {
        return key(body.trim()).or_else(|| signal(body));
    }
    None
}

fn signal(body: &str) -> Option<Digit> {
    body.lines().take(MOST_LINES).find_map(|line| {
        let (name, value) = line.split_once(['=', ':'])?;
        if name.trim().eq_ignore_ascii_case("signal") { key(value.trim()) } else { None }
    })
}

/// A character, or the event code that some gateways write for `*` (10), `#` (11) and A-D (12-15).
fn key(text: &str) -> Option<Digit> {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) => Digit::from_char(c),
        _ => text.parse().ok().filter(|code| (10..=15).contains(code)).and_then(Digit::from_event),
    }
}

/// A body has two lines; ten bound the search in a hostile one.
const MOST_LINES: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_of_real_gateways_are_read() {
        let read = |kind: &str, body: &str| digit(kind, body).map(Digit::as_char);
        assert_eq!(read("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n"), Some('5'));
        assert_eq!(read("Application/DTMF-Relay; charset=utf-8", "Signal= *\r\nDuration= 250"), Some('*'));
        assert_eq!(read("application/dtmf-relay", "Duration=100\nsignal=11\n"), Some('#'));
        assert_eq!(read("application/dtmf", "#"), Some('#'));
        assert_eq!(read("application/dtmf", "7\r\n"), Some('7'));
        assert_eq!(read("application/dtmf", "Signal=d\r\n"), Some('D'));
    }

    #[test]
    fn everything_else_is_no_digit() {
        for (kind, body) in [
            ("application/dtmf-relay", ""),
            ("application/dtmf-relay", "Signal=16"),
            ("application/dtmf-relay", "Signal=55"),
            ("application/dtmf-relay", "Signals=5"),
            ("application/dtmf", "hello"),
            ("text/plain", "5"),
            ("application/media_control+xml", "<xml/>"),
        ] {
            assert_eq!(digit(kind, body), None, "{kind} {body}");
        }
    }
}
