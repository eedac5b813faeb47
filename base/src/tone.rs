//! The sounds by which a telephone network says how a call stands, and the networks that differ in them.

use std::time::Duration;

/// Whose tones are heard, by ISO 3166-1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Country {
    /// China.
    #[default]
    Cn,
    /// Hong Kong.
    Hk,
    /// Macao.
    Mo,
    /// Taiwan.
    Tw,
    /// Japan.
    Jp,
    /// South Korea.
    Kr,
    /// Singapore.
    Sg,
    /// The United States and whoever follows them.
    Us,
    /// The United Kingdom.
    Gb,
    /// Germany.
    De,
    /// France.
    Fr,
    /// Australia.
    Au,
}

/// A sound that we make ourselves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Tone {
    /// A telephone rings at the other end.
    Ringback,
    /// The other end is busy.
    Busy,
    /// The network, or we, have no way left.
    Congestion,
    /// Speak after it.
    Beep,
    /// Nothing is heard, and packets flow.
    Silence,
}

impl Country {
    /// All of them, China first.
    pub const ALL: [Self; 12] = [
        Self::Cn,
        Self::Hk,
        Self::Mo,
        Self::Tw,
        Self::Jp,
        Self::Kr,
        Self::Sg,
        Self::Us,
        Self::Gb,
        Self::De,
        Self::Fr,
        Self::Au,
    ];

    /// Their words, in the same order.
    pub const WORDS: [&'static str; 12] = {
        let mut words = [""; 12];
        let mut at = 0;
        while at < words.len() {
            words[at] = Self::ALL[at].as_str();
            at += 1;
        }
        words
    };

    /// `cn`, `hk` …
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cn => "cn",
            Self::Hk => "hk",
            Self::Mo => "mo",
            Self::Tw => "tw",
            Self::Jp => "jp",
            Self::Kr => "kr",
            Self::Sg => "sg",
            Self::Us => "us",
            Self::Gb => "gb",
            Self::De => "de",
            Self::Fr => "fr",
            Self::Au => "au",
        }
    }

    /// By its word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|country| country.as_str() == word)
    }
}

impl Tone {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Ringback, Self::Busy, Self::Congestion, Self::Beep, Self::Silence];

    /// Their words, in the same order.
    pub const WORDS: [&'static str; 5] = {
        let mut words = [""; 5];
        let mut at = 0;
        while at < words.len() {
            words[at] = Self::ALL[at].as_str();
            at += 1;
        }
        words
    };

    /// `ringback`, `busy` …
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ringback => "ringback",
            Self::Busy => "busy",
            Self::Congestion => "congestion",
            Self::Beep => "beep",
            Self::Silence => "silence",
        }
    }

    /// By its word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tone| tone.as_str() == word)
    }
}

/// How long a beep is: heard as one, and not as the beginning of something (our own choice; no standard says).
pub const BEEP: Duration = Duration::from_millis(300);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_leads_back_to_its_own() {
        for (country, word) in Country::ALL.into_iter().zip(Country::WORDS) {
            assert_eq!(Country::from_word(word), Some(country));
        }
        for (tone, word) in Tone::ALL.into_iter().zip(Tone::WORDS) {
            assert_eq!(Tone::from_word(word), Some(tone));
        }
        assert_eq!(Country::from_word("CN"), None);
        assert_eq!(Country::default(), Country::ALL[0], "China first");
    }
}
