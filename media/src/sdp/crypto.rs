//! Keys in descriptions: the `a=crypto` attribute (SDES, RFC 4568; suites of RFC 7714).

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use crate::srtp::{Keying, Suite};

/// One `a=crypto` attribute: the keying under which its author would send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crypto {
    /// Tells it from the others of its `m=` line, and the answer which one was taken.
    pub tag: u32,
    /// The key. Of an offer of ours or theirs, an answer has another one of the same suite.
    pub keying: Keying,
}

/// Why an attribute, or all of them, cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CryptoFault {
    /// There is none.
    #[error("no key")]
    Missing,
    /// Not a tag, a suite and an inline key.
    #[error("form")]
    Form,
    /// A suite that we do not speak.
    #[error("suite")]
    Suite,
    /// Key and salt are not base64, or have the wrong length for the suite.
    #[error("key length")]
    Key,
    /// A lifetime of no packets, or of more than any key may protect.
    #[error("lifetime")]
    Lifetime,
    /// Its packets would carry a master key identifier.
    #[error("master key identifier")]
    Mki,
    /// A session parameter that weakens or changes SRTP, or that we do not know.
    #[error("session parameter")]
    Parameter,
    /// An answer that takes none of ours: another tag, another suite, or several.
    #[error("not offered")]
    NotOffered,
    /// An answer with the key of our offer: what we send would be authentic when sent back to us.
    #[error("our own key")]
    Echo,
}

impl Crypto {
    /// Reads an attribute's value, what stands behind `a=crypto:`.
    pub fn read(value: &str) -> Result<Self, CryptoFault> {
        let mut words = value.split_ascii_whitespace();
        let (Some(tag), Some(suite), Some(key)) = (words.next(), words.next(), words.next()) else {
            return Err(CryptoFault::Form);
        };
        let tag = Some(tag).filter(|tag| tag.len() <= LONGEST_TAG && is_number(tag));
        let tag = tag.and_then(|tag| tag.parse().ok()).ok_or(CryptoFault::Form)?;
        let suite = Suite::from_name(suite).ok_or(CryptoFault::Suite)?;
        let keying = inline(suite, key)?;
        if words.all(is_harmless) { Ok(Self { tag, keying }) } else { Err(CryptoFault::Parameter) }
    }

    /// The attribute's value, for an offer or an answer.
    pub fn write(&self) -> String {
        let (name, key) = (self.keying.suite().name(), BASE64.encode(self.keying.key_and_salt()));
        let lifetime = self.keying.lifetime();
        // The most that a key may protect goes without saying (§6.1).
        match (lifetime == MOST_PACKETS, lifetime.is_power_of_two()) {
            (true, _) => format!("{} {name} inline:{key}", self.tag),
            (_, true) => format!("{} {name} inline:{key}|2^{}", self.tag, lifetime.ilog2()),
            (_, false) => format!("{} {name} inline:{key}|{lifetime}", self.tag),
        }
    }

    /// Of an offer's attributes the one to answer: by our `order` of suites, in a suite by the offer's. The
    /// answer has its tag, and a keying of ours of its suite. Attributes that cannot be used are passed over;
    /// when none can, the fault is that of the last.
    pub fn choose<'a>(
        offered: impl IntoIterator<Item = &'a str>,
        order: &[Suite],
    ) -> Result<Self, CryptoFault> {
        let mut best: Option<(usize, Self)> = None;
        let mut fault = CryptoFault::Missing;
        for value in offered.into_iter().take(MOST_ATTRIBUTES) {
            let rank = |suite| order.iter().position(|&ours| ours == suite).ok_or(CryptoFault::Suite);
            match Self::read(value).and_then(|crypto| Ok((rank(crypto.keying.suite())?, crypto))) {
                Ok((rank, crypto)) if best.as_ref().is_none_or(|(least, _)| rank < *least) => {
                    best = Some((rank, crypto));
                }
                Ok(_) => {}
                Err(why) => fault = why,
            }
        }
        best.map(|(_, crypto)| crypto).ok_or(fault)
    }

    /// Reads the answer to our offer (§5.1.3): exactly one attribute, with tag and suite of one of ours and a
    /// key of its own. Gives ours that was taken, under which we send, and theirs.
    pub fn take_answer<'o, 'a>(
        offered: &'o [Self],
        answered: impl IntoIterator<Item = &'a str>,
    ) -> Result<(&'o Self, Self), CryptoFault> {
        let mut answered = answered.into_iter();
        let theirs = Self::read(answered.next().ok_or(CryptoFault::Missing)?)?;
        let fits = |ours: &&Self| ours.tag == theirs.tag && ours.keying.suite() == theirs.keying.suite();
        let ours = offered.iter().find(fits).ok_or(CryptoFault::NotOffered)?;
        if answered.next().is_some() {
            return Err(CryptoFault::NotOffered);
        }
        if ours.keying.key_and_salt() == theirs.keying.key_and_salt() {
            return Err(CryptoFault::Echo);
        }
        Ok((ours, theirs))
    }
}

/// `inline:<key and salt>[|<lifetime>][|<MKI>:<its length>]` (§6.1).
fn inline(suite: Suite, text: &str) -> Result<Keying, CryptoFault> {
    let (method, info) = text.split_once(':').ok_or(CryptoFault::Form)?;
    if !method.eq_ignore_ascii_case("inline") {
        return Err(CryptoFault::Form);
    }
    // Several keys are told apart by their identifiers.
    if info.contains(';') {
        return Err(CryptoFault::Mki);
    }
    let mut parts = info.split('|');
    let encoded = parts.next().unwrap_or_default();
    let mut bytes = Zeroizing::new([0; DECODED]);
    let len = BASE64.decode_slice(encoded, &mut *bytes).map_err(|_| CryptoFault::Key)?;
    let keying = Keying::new(suite, bytes.get(..len).unwrap_or_default()).ok_or(CryptoFault::Key)?;
    match (parts.next(), parts.next()) {
        (None, _) => Ok(keying),
        (Some(lifetime), None) if !lifetime.contains(':') => {
            packets(lifetime).and_then(|packets| keying.lasting(packets)).ok_or(CryptoFault::Lifetime)
        }
        _ => Err(CryptoFault::Mki),
    }
}

/// `2^20`, or digits.
fn packets(text: &str) -> Option<u64> {
    match text.strip_prefix("2^") {
        Some(power) => 1u64.checked_shl(Some(power).filter(|power| is_number(power))?.parse().ok()?),
        None => Some(text).filter(|text| is_number(text))?.parse().ok(),
    }
}

/// A session parameter that changes nothing for us: a hint at the size of the replay window, which need not be
/// followed (§6.3.6), and what is marked as optional (§6.3.7). All others have to be understood: ours are the
/// defaults, encrypted and authenticated with keys derived once.
fn is_harmless(parameter: &str) -> bool {
    match parameter.split_once('=') {
        Some((name, size)) if name.eq_ignore_ascii_case("WSH") => {
            is_number(size) && size.parse::<u64>().is_ok_and(|size| size >= LEAST_WINDOW)
        }
        _ => parameter.len() > 1 && parameter.starts_with('-'),
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Some leave the padding away, some leave bits in it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Room for key and salt of the longest suite, with what the decoder wants on top.
const DECODED: usize = Keying::LONGEST + 4;

/// Digits of a tag (§9.1).
const LONGEST_TAG: usize = 9;

/// Attributes looked at in one `m=` line: phones offer up to eight suites.
const MOST_ATTRIBUTES: usize = 16;

/// The least window that one may ask for (§6.3.6).
const LEAST_WINDOW: u64 = 64;

/// What a key protects when it does not say (RFC 3711 §9.2).
const MOST_PACKETS: u64 = 1 << 48;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The key of RFC 4568 §4.1's example: 30 bytes.
    const KEY: &str = "PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR";
    const CM: &str = "AES_CM_128_HMAC_SHA1_80";

    fn read(rest: &str) -> Result<Crypto, CryptoFault> {
        Crypto::read(&format!("1 {CM} {rest}"))
    }

    fn crypto(tag: u32, suite: Suite, byte: u8) -> Crypto {
        let bytes = [byte; Keying::LONGEST];
        let keying = Keying::new(suite, &bytes[..suite.key_len() + suite.salt_len()]).unwrap();
        Crypto { tag, keying }
    }

    #[test]
    fn what_we_write_is_read_the_same() {
        for (tag, suite) in (1..).zip(Suite::ALL) {
            for lifetime in [1, 3, 1 << 20, 1_000_000, 1 << 48] {
                let mut crypto = crypto(tag, suite, 0x3c);
                crypto.keying = crypto.keying.lasting(lifetime).unwrap();
                let value = crypto.write();
                assert_eq!(Crypto::read(&value), Ok(crypto), "{value}");
            }
        }
        assert_eq!(crypto(7, Suite::AeadAes128Gcm, 0).write(), {
            "7 AEAD_AES_128_GCM inline:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="
        });
        let keying = read(&format!("inline:{KEY}")).unwrap().keying;
        assert_eq!(BASE64.encode(keying.key_and_salt()), KEY);
    }

    #[test]
    fn padding_may_be_missing_and_case_does_not_matter() {
        let key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        for value in [
            format!("3 AEAD_AES_128_GCM inline:{key}=="),
            format!("3 AEAD_AES_128_GCM inline:{key}"),
            format!("  3  aead_aes_128_gcm  INLINE:{key}"),
        ] {
            assert_eq!(Crypto::read(&value), Ok(crypto(3, Suite::AeadAes128Gcm, 0)), "{value}");
        }
    }

    #[test]
    fn a_lifetime_is_honoured_and_an_impossible_one_refused() {
        let lifetime = |text: &str| read(&format!("inline:{KEY}|{text}")).map(|read| read.keying.lifetime());
        assert_eq!(lifetime("2^20"), Ok(1 << 20));
        assert_eq!(lifetime("2^0"), Ok(1));
        assert_eq!(lifetime("1066"), Ok(1066));
        assert_eq!(lifetime("2^48"), Ok(1 << 48));
        for wrong in
            ["2^49", "2^64", "2^4294967297", "0", "", "2^", "2^-1", "+5", "281474976710657", "x", "3^4"]
        {
            assert_eq!(lifetime(wrong), Err(CryptoFault::Lifetime), "{wrong}");
        }
    }

    #[test]
    fn identifiers_of_keys_are_refused() {
        for key in [
            format!("inline:{KEY}|2^20|1:4"),
            format!("inline:{KEY}|1:4"),
            format!("inline:{KEY}|2^20|1:4|x"),
            format!("inline:{KEY}|2^20|1:4;inline:{KEY}|2^20|2:4"),
        ] {
            assert_eq!(read(&key), Err(CryptoFault::Mki), "{key}");
        }
    }

    #[test]
    fn parameters_that_would_change_srtp_are_refused_and_hints_are_not() {
        let with = |parameters: &str| read(&format!("inline:{KEY} {parameters}")).err();
        for parameter in [
            "UNENCRYPTED_SRTP",
            "UNENCRYPTED_SRTCP",
            "UNAUTHENTICATED_SRTP",
            "KDR=0",
            "FEC_ORDER=FEC_SRTP",
            "FEC_KEY=inline:x",
            "WSH=63",
            "WSH=x",
            "WSH",
            "SOMETHING=NEW",
            "-",
            "WSH=128 UNENCRYPTED_SRTP",
        ] {
            assert_eq!(with(parameter), Some(CryptoFault::Parameter), "{parameter}");
        }
        for parameter in ["", "WSH=64", "wsh=1024", "-ours=1", "WSH=64 -ours"] {
            assert_eq!(with(parameter), None, "{parameter}");
        }
    }

    #[test]
    fn what_is_no_attribute_is_refused() {
        use CryptoFault::{Form, Key, Suite};
        for (value, fault) in [
            (String::new(), Form),
            (format!("1 {CM}"), Form),
            (format!("x {CM} inline:{KEY}"), Form),
            (format!("1234567890 {CM} inline:{KEY}"), Form),
            (format!("1 {CM} {KEY}"), Form),
            (format!("1 {CM} outline:{KEY}"), Form),
            (format!("1 F8_128_HMAC_SHA1_80 inline:{KEY}"), Suite),
            (format!("1 AES_256_CM_HMAC_SHA1_80 inline:{KEY}"), Suite),
            (format!("1 {CM} inline:"), Key),
            (format!("1 {CM} inline:{}", &KEY[4..]), Key),
            (format!("1 {CM} inline:{KEY}AAAA"), Key),
            (format!("1 {CM} inline:{KEY}{KEY}{KEY}"), Key),
            (format!("1 {CM} inline:{}!{}", &KEY[..4], &KEY[5..]), Key),
            (format!("1 AEAD_AES_256_GCM inline:{KEY}"), Key),
        ] {
            assert_eq!(Crypto::read(&value), Err(fault), "{value}");
        }
    }

    #[test]
    fn of_several_the_suite_that_we_like_best_is_taken() {
        let offered: Vec<String> = [
            "1 AES_256_CM_HMAC_SHA1_80 inline:x".to_owned(),
            crypto(2, Suite::AesCm128HmacSha1Tag80, 2).write(),
            crypto(3, Suite::AeadAes256Gcm, 3).write() + " UNENCRYPTED_SRTP",
            crypto(4, Suite::AeadAes128Gcm, 4).write(),
            crypto(5, Suite::AeadAes128Gcm, 5).write(),
        ]
        .into();
        let choose = |order: &[Suite]| Crypto::choose(offered.iter().map(String::as_str), order);
        assert_eq!(choose(&Suite::ALL), Ok(crypto(4, Suite::AeadAes128Gcm, 4)));
        let old = [Suite::AesCm128HmacSha1Tag32, Suite::AesCm128HmacSha1Tag80];
        assert_eq!(choose(&old), Ok(crypto(2, Suite::AesCm128HmacSha1Tag80, 2)));
        assert_eq!(choose(&[]), Err(CryptoFault::Suite));
        assert_eq!(Crypto::choose([], &Suite::ALL), Err(CryptoFault::Missing));
        assert_eq!(Crypto::choose([offered[2].as_str()], &Suite::ALL), Err(CryptoFault::Parameter));
    }

    #[test]
    fn an_answer_takes_one_of_ours_with_a_key_of_its_own() {
        let ours = [crypto(1, Suite::AeadAes128Gcm, 1), crypto(2, Suite::AesCm128HmacSha1Tag80, 2)];
        let take = |answers: &[Crypto]| {
            let values: Vec<String> = answers.iter().map(Crypto::write).collect();
            Crypto::take_answer(&ours, values.iter().map(String::as_str))
                .map(|(ours, theirs)| (ours.tag, theirs))
        };
        let good = crypto(2, Suite::AesCm128HmacSha1Tag80, 9);
        assert_eq!(take(std::slice::from_ref(&good)), Ok((2, good.clone())));
        assert_eq!(take(&[]), Err(CryptoFault::Missing));
        assert_eq!(take(&[good.clone(), good]), Err(CryptoFault::NotOffered));
        assert_eq!(take(&[crypto(3, Suite::AeadAes128Gcm, 9)]), Err(CryptoFault::NotOffered));
        assert_eq!(take(&[crypto(1, Suite::AeadAes256Gcm, 9)]), Err(CryptoFault::NotOffered));
        assert_eq!(take(&[crypto(1, Suite::AeadAes128Gcm, 1)]), Err(CryptoFault::Echo));
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in "\\PC{0,80}", rest in "[|:;^=0-9A-Za-z +/-]{0,60}") {
            let _ = Crypto::read(&text);
            for value in [format!("1 {CM} inline:{KEY}{rest}"), format!("1 {CM} {rest}"), rest] {
                if let Ok(crypto) = Crypto::read(&value) {
                    prop_assert_eq!(Crypto::read(&crypto.write()), Ok(crypto));
                }
            }
        }
    }
}
