//! The one thing of a certificate that rustls does not tell: until when it is valid (RFC 5280 section 4.1).

use base::Timestamp;
use jiff::tz::TimeZone;

/// When the certificate ceases to be valid; `None` when it cannot be read.
pub(super) fn not_after(certificate: &[u8]) -> Option<Timestamp> {
    let (SEQUENCE, certificate, _) = element(certificate)? else { return None };
    let (SEQUENCE, mut body, _) = element(certificate)? else { return None };
    // version (explicit, optional), serial number, signature algorithm, issuer; then the validity.
    let (first, _, rest) = element(body)?;
    if first == VERSION {
        body = rest;
    }
    for _ in 0..3 {
        (_, _, body) = element(body)?;
    }
    let (SEQUENCE, validity, _) = element(body)? else { return None };
    let (_, _, end) = element(validity)?;
    let (kind, text, _) = element(end)?;
    time(kind, text)
}

/// The first element: its tag, its content, and what follows it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&short, rest) = rest.split_first()?;
    let (length, rest) = match short {
        ..=0x7f => (usize::from(short), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(short - 0x80))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// `YYMMDDHHMMSSZ` of the years 1950 to 2049, or the same with a whole year.
fn time(kind: u8, text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i16>().ok();
    let (year, at) = match kind {
        UTC_TIME => (number(0, 2).map(|year| if year < 50 { 2000 + year } else { 1900 + year })?, 2),
        GENERALIZED_TIME => (number(0, 4)?, 4),
        _ => return None,
    };
    let part = |n: usize| i8::try_from(number(at + 2 * n, at + 2 * n + 2)?).ok();
    let (month, day) = (part(0)?, part(1)?);
    let (hour, minute, second) = (part(2)?, part(3)?, part(4)?);
    let day = jiff::civil::Date::new(year, month, day).ok()?;
    let at = jiff::civil::Time::new(hour, minute, second, 0).ok()?;
    day.to_datetime(at).to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn made(year: i32) -> rcgen::CertificateParams {
        let mut params = rcgen::CertificateParams::new(vec!["pbx.example".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 3, 4);
        params
    }

    fn certificate(year: i32) -> Vec<u8> {
        let key = rcgen::KeyPair::generate().unwrap();
        made(year).self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn the_end_is_read_in_both_spellings() {
        for year in [2031, 2077] {
            let end = not_after(&certificate(year)).unwrap();
            assert_eq!(end.to_string(), format!("{year}-03-04T00:00:00Z"));
        }
    }

    #[test]
    fn what_is_cut_or_no_certificate_has_no_end() {
        let whole = certificate(2031);
        for cut in 0..whole.len() {
            assert_eq!(not_after(&whole[..cut]), None, "{cut}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80), at in 0_usize..300) {
            let _ = not_after(&bytes);
            let mut changed = certificate(2031);
            let at = at % changed.len();
            for (place, byte) in changed[at..].iter_mut().zip(&bytes) {
                *place = *byte;
            }
            let _ = not_after(&changed);
        }
    }
}
