//! Our SRTP and one that we did not write (webrtc-srtp, on another implementation of AES-GCM) read each other,
//! over losses and wraps.

#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

use media::rtp::{self, HEADER, Header};
use media::srtp::{Keying, Opener, Sealer, Suite};
use webrtc_srtp::context::Context as Theirs;
use webrtc_srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use webrtc_srtp::protection_profile::ProtectionProfile;

fn secret(suite: Suite) -> Vec<u8> {
    (0..suite.key_len() + suite.salt_len()).map(|at| 0xc3 ^ (at as u8).wrapping_mul(11)).collect()
}

fn keying(suite: Suite) -> Keying {
    Keying::new(suite, &secret(suite)).unwrap()
}

fn theirs(suite: Suite) -> Theirs {
    let profile = match suite {
        Suite::AesCm128HmacSha1Tag80 => ProtectionProfile::Aes128CmHmacSha1_80,
        Suite::AesCm128HmacSha1Tag32 => ProtectionProfile::Aes128CmHmacSha1_32,
        Suite::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
        Suite::AeadAes256Gcm => ProtectionProfile::AeadAes256Gcm,
    };
    let secret = secret(suite);
    let (key, salt) = secret.split_at(suite.key_len());
    let (rtp, rtcp) = (srtp_replay_protection(128), srtcp_replay_protection(128));
    Theirs::new(key, salt, profile, Some(rtp), Some(rtcp)).unwrap()
}

/// Sources and an extension, some of the time; payloads of all lengths.
fn packet(ssrc: u32, index: u64) -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    let (sequence, timestamp) = (index as u16, (index * 160) as u32);
    let header = Header { marker: false, payload_type: 8, sequence, timestamp, ssrc };
    rtp::write(header, bytes.first_chunk_mut().unwrap());
    if index.is_multiple_of(3) {
        bytes[0] |= 2;
        bytes.extend([9; 8]);
    }
    if index.is_multiple_of(5) {
        bytes[0] |= 0x10;
        bytes.extend([0xbe, 0xde, 0, 1, 0x10, 5, 0, 0]);
    }
    bytes.extend((0..=index % 480).map(|at| (at ^ index) as u8));
    bytes
}

/// 300 packets round each of three wraps, a fifth of them lost and every tenth two places late.
fn numbers() -> Vec<u64> {
    let mut numbers: Vec<u64> = vec![20_000, 50_000];
    for wrap in [1u64 << 16, 2 << 16, 3 << 16] {
        let mut near: Vec<u64> = (wrap - 150..wrap + 150).filter(|n| n % 5 != 2).collect();
        for at in (0..near.len() - 2).step_by(10) {
            near.swap(at, at + 2);
        }
        numbers.extend(near);
        numbers.extend([wrap + 20_000, wrap + 45_000]);
    }
    numbers
}

fn report(ssrc: u32, n: u32) -> Vec<u8> {
    let mut bytes = vec![0x80, 200, 0, 6];
    for word in [ssrc, 1, 2, 3, n, 160 * n] {
        bytes.extend(word.to_be_bytes());
    }
    bytes
}

#[test]
fn they_open_what_we_seal() {
    for suite in Suite::ALL {
        let (mut ours, mut theirs) = (Sealer::new(keying(suite)).unwrap(), theirs(suite));
        for number in numbers() {
            let plain = packet(0xdead_beef, number);
            let mut bytes = plain.clone();
            bytes.resize(plain.len() + suite.overhead(), 0);
            let len = ours.protect(&mut bytes, plain.len()).unwrap();
            let opened = theirs.decrypt_rtp(&bytes[..len]).unwrap();
            assert_eq!(opened, plain, "{suite:?} {number}");
        }
        for n in 0..300 {
            let plain = report(0xdead_beef, n);
            let mut bytes = plain.clone();
            bytes.resize(plain.len() + suite.control_overhead(), 0);
            let len = ours.protect_rtcp(&mut bytes, plain.len()).unwrap();
            let opened = theirs.decrypt_rtcp(&bytes[..len]).unwrap();
            assert_eq!(opened, plain, "{suite:?} {n}");
        }
    }
}

#[test]
fn we_open_what_they_seal() {
    for suite in Suite::ALL {
        let (mut ours, mut theirs) = (Opener::new(keying(suite)).unwrap(), theirs(suite));
        for number in numbers() {
            let plain = packet(0xdead_beef, number);
            let mut bytes = theirs.encrypt_rtp(&plain).unwrap().to_vec();
            let len = ours.unprotect(&mut bytes).unwrap();
            assert_eq!(bytes[..len], plain, "{suite:?} {number}");
        }
        for n in 0..300 {
            let plain = report(0xdead_beef, n);
            let mut bytes = theirs.encrypt_rtcp(&plain).unwrap().to_vec();
            let len = ours.unprotect_rtcp(&mut bytes).unwrap();
            assert_eq!(bytes[..len], plain, "{suite:?} {n}");
        }
    }
}
