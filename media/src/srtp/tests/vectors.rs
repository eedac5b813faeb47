//! The published examples, bit for bit.

use super::super::cipher::{Cipher, Place};
use super::super::cm::Cm;
use super::super::gcm::Gcm;
use super::super::{Keying, Opener, Sealer, Suite};
use super::{sealed, sealed_control};

fn bytes(hex: &str) -> Vec<u8> {
    hex::decode(hex.replace([' ', '\n'], "")).unwrap()
}

/// RFC 3711 appendix B.3.
fn appendix_b3() -> Keying {
    let bytes = bytes("E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6");
    Keying::new(Suite::AesCm128HmacSha1Tag80, &bytes).unwrap()
}

#[test]
fn the_keystream_of_rfc_3711_b2() {
    let key = bytes("2B7E151628AED2A6ABF7158809CF4F3C");
    let mut salt = [0; 16];
    salt[..14].copy_from_slice(&bytes("F0F1F2F3F4F5F6F7F8F9FAFBFCFD"));
    let cm = Cm::from_session(key.first_chunk().unwrap(), &[0; 20], salt, 10).unwrap();
    let mut stream = vec![0; 0xff02 * 16];
    cm.encrypt(&mut stream, Place { ssrc: 0, index: 0 });
    let first = bytes("E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB");
    let last = bytes("EC8CDF7398607CB0F2D21675EA9EA1E4 362B7C3C6773516318A077D7FC5073AE");
    assert_eq!(stream[..32], first);
    assert_eq!(stream[0xfeff * 16..][..32], last);
}

#[test]
fn the_session_keys_of_rfc_3711_b3() {
    let derive = |label, len| {
        let mut key = vec![0; len];
        appendix_b3().derive(label, &mut key).unwrap();
        hex::encode_upper(key)
    };
    assert_eq!(derive(0, 16), "C61E7A93744F39EE10734AFE3FF7A087");
    assert_eq!(derive(2, 14), "30CBBC08863D8C85D49DB34A9AE1");
    let authentication = "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA48F0A0ACF3C34E2359E6CDBCEE049646C43D9327A\
        D175578EF72270986371C10C9A369AC2F94A8C5FBCDDDC256D6E919A48B610EF17C2041E474035766B68642C59BBFC2F34DB60DBDFB2";
    assert_eq!(derive(1, 94), authentication);
}

/// What libsrtp's own test expects of its packets under the keying of appendix B.3.
#[test]
fn the_packets_of_another_stack_in_counter_mode() {
    let plain = [bytes("800f1234decafbadcafebabe"), vec![0xab; 16]].concat();
    let expected = bytes("800f1234decafbadcafebabe 4e55dc4ce79978d88ca4d215949d2402 b78d6acc99ea179b8dbb");
    assert_eq!(sealed(&mut Sealer::new(appendix_b3()).unwrap(), &plain), expected);
    let plain = [bytes("81c8000bcafebabe"), vec![0xab; 16]].concat();
    let expected = bytes("81c8000bcafebabe 7128035be487b9bdbef89041f977a5a8 80000001 993e08cd54d6c1230798");
    assert_eq!(sealed_control(&mut Sealer::new(appendix_b3()).unwrap(), &plain), expected);
}

/// RFC 7714 §16 and §17 give session keys: both ends of them.
fn of_session(suite: Suite) -> (Sealer, Opener) {
    let key: Vec<u8> = (0..suite.key_len() as u8).collect();
    let cipher = || Cipher::Gcm(Box::new(Gcm::from_session(suite, &key, *b"Quid pro quo").unwrap()));
    let keying = super::keying(suite, 0);
    (Sealer::of(keying.clone(), cipher(), cipher()), Opener::of(keying, cipher(), cipher()))
}

#[test]
fn the_packets_of_rfc_7714_16() {
    let plain =
        [bytes("8040f17b8041f8d35501a0b2"), b"Gallia est omnis divisa in partes tres".to_vec()].concat();
    let head = "8040f17b8041f8d35501a0b2";
    let cases = [
        (
            Suite::AeadAes128Gcm,
            "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833
             899d7f27beb16a9152cf765ee4390cce",
        ),
        (
            Suite::AeadAes256Gcm,
            "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b
             7aa3db36dfffd6b0f9bb7878d7a76c13",
        ),
    ];
    for (suite, rest) in cases {
        let (mut sealer, mut opener) = of_session(suite);
        let mut packet = sealed(&mut sealer, &plain);
        assert_eq!(packet, [bytes(head), bytes(rest)].concat(), "{suite:?}");
        let len = opener.unprotect(&mut packet).unwrap();
        assert_eq!(packet[..len], plain, "{suite:?}");
    }
}

/// The sender report of RFC 7714 §17.
const REPORT: &str = "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61
    deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";

#[test]
fn the_control_packets_of_rfc_7714_17() {
    let plain = bytes(REPORT);
    let cases = [
        (
            Suite::AeadAes128Gcm,
            "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b468630
             3ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4",
        ),
        (
            Suite::AeadAes256Gcm,
            "81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61d
             e0476f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4",
        ),
    ];
    for (suite, expected) in cases {
        let (mut sealer, mut opener) = of_session(suite);
        for _ in 1..0x5d4 {
            sealed_control(&mut sealer, &plain);
        }
        let mut packet = sealed_control(&mut sealer, &plain);
        assert_eq!(packet, bytes(expected), "{suite:?}");
        let len = opener.unprotect_rtcp(&mut packet).unwrap();
        assert_eq!(packet[..len], plain, "{suite:?}");
    }
}

#[test]
fn a_control_packet_that_is_only_authenticated_is_the_one_of_rfc_7714_17_3() {
    let (_, mut opener) = of_session(Suite::AeadAes128Gcm);
    let mut packet = [bytes(REPORT), bytes("841dd9683dd78ec92ae58790125f62b3000005d4")].concat();
    let mut changed = packet.clone();
    changed[20] ^= 1;
    assert!(opener.unprotect_rtcp(&mut changed).is_err());
    let len = opener.unprotect_rtcp(&mut packet).unwrap();
    assert_eq!(packet[..len], bytes(REPORT));
}
