//! Packets of every length that telephones use, between legs of other lengths and other codecs.

use std::f64::consts::TAU;

use codecs::{Coding, Decoder, Encoder, MOST_PAYLOAD, MOST_SAMPLES, Rate};

use super::*;

const TONE: f64 = 800.0;

/// A phone that wants packets of `hears` milliseconds.
fn phone(leg: LegId, coding: Coding, hears: u32) -> Phone {
    let at = if leg == CALLER { "198.51.100.1:4000" } else { "203.0.113.2:6000" };
    let mut phone = Phone::new(leg, at, Law::A);
    phone.stream.coding = coding;
    phone.stream.payload_type = coding.payload_type().unwrap_or(111);
    phone.stream.ptime = hears;
    phone
}

/// The packets of a second's tone.
fn spoken(phone: &mut Phone, ms: usize) -> Vec<Vec<u8>> {
    let coding = phone.stream.coding;
    let mut encoder = Encoder::new(coding, Rate::Narrow);
    let second: Vec<i16> =
        (0..8400).map(|n| (9000.0 * (TAU * TONE * f64::from(n) / 8000.0).sin()) as i16).collect();
    let mut packets = Vec::new();
    for piece in second.chunks_exact(ms * 8).take(1000 / ms) {
        let mut payload = vec![0; MOST_PAYLOAD];
        let len = encoder.encode(piece, &mut payload);
        let timestamp = phone.timestamp;
        phone.timestamp = timestamp.wrapping_add(ms as u32 * (coding.clock() / 1000));
        packets.push(phone.packet(phone.stream.payload_type, false, timestamp, &payload[..len]));
    }
    packets
}

/// Speaks them at their pace.
fn speak(bed: &mut Bed, phone: &Phone, packets: &[Vec<u8>], ms: usize) {
    for packet in packets {
        bed.receive(phone.leg, Port::Rtp, phone.address, packet);
        bed.pass(Duration::from_millis(ms as u64));
    }
}

#[test]
fn between_legs_alike_packets_of_every_length_are_passed_on_as_they_come() {
    for says in LENGTHS {
        for hears in LENGTHS {
            let mut bed = Bed::new();
            let (mut caller, seat) =
                (phone(CALLER, Coding::Pcma, 20), phone(SEAT, Coding::Pcma, hears as u32));
            bed.agree(&caller);
            bed.agree(&seat);
            bed.command(Command::Bridge { a: CALLER, b: SEAT });
            let said = spoken(&mut caller, says);
            speak(&mut bed, &caller, &said, says);
            let heard: Vec<_> = bed.rtp(SEAT).into_iter().map(|packet| packet.payload).collect();
            let payloads: Vec<_> = said.iter().map(|packet| packet[HEADER..].to_vec()).collect();
            assert_eq!(heard, payloads, "{says} ms for {hears}");
        }
    }
}

#[test]
fn between_codecs_each_leg_gets_packets_of_the_length_that_it_wants() {
    let pairs = [
        (Coding::Pcma, Coding::G722),
        (Coding::G722, Coding::Pcmu),
        (Coding::Pcmu, Coding::Opus),
        (Coding::Opus, Coding::Pcma),
        (Coding::G722, Coding::Opus),
    ];
    for (one, other) in pairs {
        for says in LENGTHS.into_iter().filter(|ms| one != Coding::Opus || *ms != 50) {
            for hears in LENGTHS {
                let mut bed = Bed::new();
                let (mut caller, seat) = (phone(CALLER, one, 20), phone(SEAT, other, hears as u32));
                bed.agree(&caller);
                bed.agree(&seat);
                bed.command(Command::Bridge { a: CALLER, b: SEAT });
                let said = spoken(&mut caller, says);
                speak(&mut bed, &caller, &said, says);
                let which = format!("{one:?} of {says} ms for {other:?} of {hears}");
                let packets = bed.rtp(SEAT);
                // Opus has no frames of 50 ms.
                let length = if other == Coding::Opus && hears == 50 { 40 } else { hears };
                let loud = judge(&packets, other, length, &which);
                assert!((5000.0..11_500.0).contains(&loud), "{which}: {loud}");
            }
        }
    }
}

/// Every packet has this length and follows the one before it; how loud the tone is in the second half.
fn judge(packets: &[Rtp], coding: Coding, ms: usize, which: &str) -> f64 {
    let mut decoder = Decoder::new(coding, Rate::Narrow);
    let mut audio = Vec::new();
    for pair in packets.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1), "{which}");
        let ticks = ms as u32 * (coding.clock() / 1000);
        assert_eq!(pair[1].timestamp, pair[0].timestamp.wrapping_add(ticks), "{which}");
    }
    for packet in packets {
        let mut samples = vec![0; MOST_SAMPLES];
        let len = decoder.decode(Some(&packet.payload), &mut samples);
        assert_eq!(len, ms * 8, "{which}");
        audio.extend_from_slice(&samples[..len]);
    }
    assert!(audio.len() > 8 * 700, "{which}: {} samples", audio.len());
    let audio = &audio[audio.len() / 2..];
    let (mut re, mut im) = (0.0, 0.0);
    for (n, sample) in audio.iter().enumerate() {
        let phase = TAU * TONE * n as f64 / 8000.0;
        re += f64::from(*sample) * phase.cos();
        im += f64::from(*sample) * phase.sin();
    }
    2.0 * (re * re + im * im).sqrt() / audio.len() as f64
}

/// The peer falls silent and says how that sounds (RFC 3389), whether or not that was agreed on.
#[test]
fn comfort_noise_is_taken_and_heard_by_who_hears_a_mix() {
    for other in [Coding::G722, Coding::Opus, Coding::Pcma] {
        let mut bed = Bed::new();
        let (mut caller, seat) = (phone(CALLER, Coding::Pcma, 20), phone(SEAT, other, 20));
        bed.agree(&caller);
        bed.agree(&seat);
        bed.command(Command::Bridge { a: CALLER, b: SEAT });
        let said = spoken(&mut caller, 20);
        speak(&mut bed, &caller, &said, 20);
        bed.rtp(SEAT);
        let began = caller.timestamp;
        for n in 0..5 {
            // 50 dB below the loudest, every 200 ms.
            let packet = caller.packet(13, false, began.wrapping_add(n * 1600), &[50]);
            bed.receive(CALLER, Port::Rtp, caller.address, &packet);
            bed.pass(Duration::from_millis(200));
        }
        let packets = bed.rtp(SEAT);
        if other == Coding::Pcma {
            // Its own noise is the phone's business: it did not ask for ours.
            assert!(packets.is_empty());
        } else {
            let mut decoder = Decoder::new(other, Rate::Narrow);
            let mut audio = Vec::new();
            for packet in &packets {
                let mut samples = vec![0; MOST_SAMPLES];
                let len = decoder.decode(Some(&packet.payload), &mut samples);
                audio.extend_from_slice(&samples[..len]);
            }
            let audio = &audio[audio.len() / 3..];
            let power: f64 = audio.iter().map(|sample| f64::from(*sample).powi(2)).sum();
            let level = (power / audio.len() as f64).sqrt();
            // 50 dB below a sine of full scale is 73 of 32,768.
            assert!((20.0..200.0).contains(&level), "{other:?}: {level}");
        }
        assert_eq!(bed.close(CALLER).dropped, 0);
    }
}

/// In milliseconds.
const LENGTHS: [usize; 6] = [10, 20, 30, 40, 50, 60];
