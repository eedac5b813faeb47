//! Byte ranges (RFC 9110 §14).

/// What of a file is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// All of it: no range, one that cannot be read, or several. A server may ignore a Range (§14.2), and
    /// several ranges in one answer are a way to make it work for nothing.
    Whole,
    /// Bytes `first..=last`.
    Part {
        /// The first byte.
        first: u64,
        /// The last byte.
        last: u64,
    },
    /// Nothing of it lies inside the file.
    Beyond,
}

/// Reads a Range header for a file of `length` bytes.
pub(crate) fn asked(header: &str, length: u64) -> Asked {
    let Some((unit, spec)) = header.split_once('=') else { return Asked::Whole };
    let Some((first, last)) = spec.trim().split_once('-') else { return Asked::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Asked::Whole;
    }
    match (digits(first), digits(last)) {
        (Digits::None, Digits::Number(suffix)) => match suffix.min(length) {
            0 => Asked::Beyond,
            suffix => Asked::Part { first: length - suffix, last: length - 1 },
        },
        (Digits::Number(first), Digits::None) if first < length => Asked::Part { first, last: length - 1 },
        (Digits::Number(first), Digits::Number(last)) if last < first => Asked::Whole,
        (Digits::Number(first), Digits::Number(last)) if first < length => {
            Asked::Part { first, last: last.min(length - 1) }
        }
        (Digits::Number(_), Digits::None | Digits::Number(_)) => Asked::Beyond,
        _ => Asked::Whole,
    }
}

enum Digits {
    None,
    Number(u64),
    Other,
}

fn digits(text: &str) -> Digits {
    let text = text.trim_matches([' ', '\t']);
    if text.is_empty() {
        Digits::None
    } else if text.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number too long for us lies behind the end of every file.
        Digits::Number(text.parse().unwrap_or(u64::MAX))
    } else {
        Digits::Other
    }
}

#[cfg(test)]
mod tests {
    use super::Asked::{Beyond, Part, Whole};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_are_read_as_the_rfc_says() {
        let part = |first, last| Part { first, last };
        for (header, expected) in [
            ("bytes=0-0", part(0, 0)),
            ("bytes=0-99", part(0, 99)),
            ("bytes=10-", part(10, 99)),
            ("bytes=90-1000", part(90, 99)),
            ("bytes=-1", part(99, 99)),
            ("bytes=-100", part(0, 99)),
            ("bytes=-1000", part(0, 99)),
            ("Bytes= 5-6 ", part(5, 6)),
            ("bytes=0-99999999999999999999999", part(0, 99)),
            ("bytes=100-", Beyond),
            ("bytes=100-200", Beyond),
            ("bytes=99999999999999999999999-", Beyond),
            ("bytes=-0", Beyond),
            ("bytes=5-4", Whole),
            ("bytes=0-1,5-6", Whole),
            ("bytes=-", Whole),
            ("bytes=a-b", Whole),
            ("bytes=+1-2", Whole),
            ("bytes", Whole),
            ("seconds=0-1", Whole),
            ("", Whole),
        ] {
            assert_eq!(asked(header, 100), expected, "{header}");
        }
        assert_eq!(asked("bytes=0-", 0), Beyond);
        assert_eq!(asked("bytes=-5", 0), Beyond);
    }

    proptest! {
        #[test]
        fn a_part_always_lies_inside(header in "[a-z]{0,6}=?[0-9]{0,20}-?[0-9]{0,20}", length in 0u64..1000) {
            if let Part { first, last } = asked(&header, length) {
                prop_assert!(first <= last && last < length);
            }
        }
    }
}
