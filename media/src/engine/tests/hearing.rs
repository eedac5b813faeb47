//! Legs that are not alike, and more than two: what is decoded, mixed and coded anew.

use std::f64::consts::TAU;

use codecs::{Coding, Decoder, Encoder, MOST_PAYLOAD, MOST_SAMPLES, Rate};

use super::*;
use crate::engine::wiring::Source;
use crate::reception::Reported;
use crate::rtcp::{Block, Compound};

const THIRD: LegId = LegId::placed(2);

/// A phone that speaks one tone and listens.
struct Singer {
    phone: Phone,
    hertz: f64,
    encoder: Encoder,
    at: usize,
}

impl Singer {
    fn new(leg: LegId, address: &str, coding: Coding, hertz: f64) -> Self {
        let mut phone = Phone::new(leg, address, Law::A);
        phone.stream.coding = coding;
        phone.stream.payload_type = coding.payload_type().unwrap_or(111);
        phone.stream.events = Some(Events { payload_type: 101, clock: coding.clock() });
        Self { phone, hertz, encoder: Encoder::new(coding, Rate::Narrow), at: 0 }
    }

    fn packet(&mut self) -> Vec<u8> {
        let Stream { coding, payload_type, .. } = self.phone.stream;
        self.packet_as(coding, payload_type)
    }

    /// The next packet in a codec of its own choice.
    fn packet_as(&mut self, coding: Coding, payload_type: u8) -> Vec<u8> {
        if self.encoder.coding() != coding {
            self.encoder = Encoder::new(coding, Rate::Narrow);
        }
        let pcm: Vec<i16> = (self.at..self.at + 160)
            .map(|n| (9000.0 * (TAU * self.hertz * n as f64 / 8000.0).sin()) as i16)
            .collect();
        self.at += 160;
        let mut payload = vec![0; MOST_PAYLOAD];
        let len = self.encoder.encode(&pcm, &mut payload);
        let timestamp = self.phone.timestamp;
        self.phone.timestamp = timestamp.wrapping_add(coding.clock() / 50);
        self.phone.packet(payload_type, false, timestamp, &payload[..len])
    }
}

/// Everybody sings for so many packet times.
fn sing(bed: &mut Bed, singers: &mut [&mut Singer], packets: usize) {
    for _ in 0..packets {
        for singer in singers.iter_mut() {
            let bytes = singer.packet();
            bed.receive(singer.phone.leg, Port::Rtp, singer.phone.address, &bytes);
        }
        bed.pass(FRAME);
    }
}

/// What a leg's peer hears, at 8 kHz; every packet follows the one before it.
fn heard(bed: &mut Bed, singer: &Singer) -> Vec<i16> {
    let coding = singer.phone.stream.coding;
    let mut decoder = Decoder::new(coding, Rate::Narrow);
    let mut audio = Vec::new();
    let packets = bed.rtp(singer.phone.leg);
    for pair in packets.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
        assert_eq!(pair[1].timestamp, pair[0].timestamp.wrapping_add(coding.clock() / 50));
        assert_eq!(pair[1].at.since(pair[0].at), FRAME);
    }
    for packet in packets {
        assert_eq!(packet.payload_type, singer.phone.stream.payload_type);
        let mut samples = vec![0; MOST_SAMPLES];
        let len = decoder.decode(Some(&packet.payload), &mut samples);
        assert_eq!(len, 160);
        audio.extend_from_slice(&samples[..len]);
    }
    audio
}

/// How loud a tone is in the second half of it, 9000 being as it was sung.
fn level(audio: &[i16], hertz: f64) -> f64 {
    let audio = &audio[audio.len() / 2..];
    let (mut re, mut im) = (0.0, 0.0);
    for (n, sample) in audio.iter().enumerate() {
        let phase = TAU * hertz * n as f64 / 8000.0;
        re += f64::from(*sample) * phase.cos();
        im += f64::from(*sample) * phase.sin();
    }
    2.0 * (re * re + im * im).sqrt() / audio.len() as f64
}

fn trio(bed: &mut Bed, codings: [Coding; 3]) -> [Singer; 3] {
    let singers = [
        Singer::new(CALLER, "198.51.100.1:4000", codings[0], 500.0),
        Singer::new(SEAT, "203.0.113.2:6000", codings[1], 1000.0),
        Singer::new(THIRD, "203.0.113.3:6000", codings[2], 1600.0),
    ];
    for singer in &singers {
        bed.agree(&singer.phone);
    }
    singers
}

#[test]
fn every_codec_hears_every_other() {
    for &one in Coding::ALL {
        for &other in Coding::ALL {
            let mut bed = Bed::new();
            let [mut a, mut b, _] = trio(&mut bed, [one, other, Coding::Pcma]);
            bed.command(Command::Bridge { a: CALLER, b: SEAT });
            sing(&mut bed, &mut [&mut a, &mut b], 100);
            bed.rtp(THIRD);
            for (listener, tone, own) in [(&a, 1000.0, 500.0), (&b, 500.0, 1000.0)] {
                let audio = heard(&mut bed, listener);
                // What the jitter buffer holds is not heard yet.
                assert!(audio.len() > 160 * 90, "{one:?} {other:?}: {} samples", audio.len());
                let (loud, echo) = (level(&audio, tone), level(&audio, own));
                // Two coders of voices, one behind the other, take up to 2.5 dB of a tone that stays.
                assert!((6700.0..10_500.0).contains(&loud), "{one:?} {other:?}: {loud}");
                assert!(echo < 150.0, "{one:?} {other:?}: {echo}");
            }
        }
    }
}

#[test]
fn in_a_conference_of_three_everybody_hears_the_two_others_and_not_itself() {
    // The last two at 16 kHz: all are wideband.
    for codings in [
        [Coding::Pcma, Coding::Pcmu, Coding::Pcma],
        [Coding::Pcma, Coding::G722, Coding::Opus],
        [Coding::G722, Coding::Opus, Coding::G722],
        [Coding::Opus; 3],
    ] {
        let mut bed = Bed::new();
        let [mut a, mut b, mut c] = trio(&mut bed, codings);
        for (leg, of) in [(CALLER, [SEAT, THIRD]), (SEAT, [CALLER, THIRD]), (THIRD, [CALLER, SEAT])] {
            bed.command(Command::Hear { leg, of: of.to_vec() });
        }
        sing(&mut bed, &mut [&mut a, &mut b, &mut c], 100);
        for (listener, tones, own) in
            [(&a, [1000.0, 1600.0], 500.0), (&b, [500.0, 1600.0], 1000.0), (&c, [500.0, 1000.0], 1600.0)]
        {
            let audio = heard(&mut bed, listener);
            for tone in tones {
                let loud = level(&audio, tone);
                assert!((7000.0..11_000.0).contains(&loud), "{codings:?} {tone}: {loud}");
            }
            assert!(level(&audio, own) < 200.0, "{codings:?}: an echo of {}", level(&audio, own));
        }
    }
}

#[test]
fn a_loud_conference_is_turned_down_and_does_not_clip_at_8_and_at_16_khz() {
    for coding in [Coding::Pcma, Coding::G722] {
        is_turned_down(coding);
    }
}

fn is_turned_down(coding: Coding) {
    let mut bed = Bed::new();
    let mut singers: Vec<Singer> = (1..=5)
        .map(|n| {
            Singer::new(LegId::placed(n), &format!("203.0.113.9:{}", 6000 + 2 * n), coding, 300.0 * n as f64)
        })
        .collect();
    for singer in &singers {
        bed.agree(&singer.phone);
    }
    let listener = LegId::placed(1);
    bed.command(Command::Hear { leg: listener, of: (2..=5).map(LegId::placed).collect() });
    sing(&mut bed, &mut singers.iter_mut().collect::<Vec<_>>(), 100);
    let rate = if coding == Coding::Pcma { Rate::Narrow } else { Rate::Wide };
    assert_eq!(bed.engine.channels[&listener].source, Source::Mix(rate));
    let audio = heard(&mut bed, &singers[0]);
    // Four tones of 9000 make 36,000: what clips has tones that nobody sang.
    for tone in [600.0, 900.0, 1200.0, 1500.0] {
        assert!(level(&audio, tone) > 6000.0, "{coding:?} {tone}: {}", level(&audio, tone));
    }
    for tone in [300.0, 1800.0, 2100.0, 2400.0, 2700.0, 3000.0] {
        assert!(level(&audio, tone) < 700.0, "{coding:?} {tone}: {}", level(&audio, tone));
    }
}

#[test]
fn a_supervisor_listens_unheard_and_whispers_to_the_seat_alone() {
    let mut bed = Bed::new();
    let [mut caller, mut seat, mut supervisor] = trio(&mut bed, [Coding::Pcma; 3]);
    bed.command(Command::Bridge { a: CALLER, b: SEAT });
    bed.command(Command::Hear { leg: THIRD, of: vec![CALLER, SEAT] });
    sing(&mut bed, &mut [&mut caller, &mut seat, &mut supervisor], 100);
    let audio = heard(&mut bed, &supervisor);
    assert!(level(&audio, 500.0) > 7000.0 && level(&audio, 1000.0) > 7000.0);
    // The two hear each other's packets as they come, as before.
    assert!(bed.rtp(CALLER).iter().zip(0..).all(|(packet, n)| packet.payload.len() == 160 && n < 100));
    assert!(level(&heard(&mut bed, &seat), 1600.0) < 150.0);
    bed.command(Command::Hear { leg: SEAT, of: vec![CALLER, THIRD] });
    sing(&mut bed, &mut [&mut caller, &mut seat, &mut supervisor], 100);
    let audio = heard(&mut bed, &seat);
    assert!(level(&audio, 500.0) > 7000.0 && level(&audio, 1600.0) > 7000.0, "{}", level(&audio, 1600.0));
    let audio = heard(&mut bed, &caller);
    assert!(level(&audio, 1000.0) > 7000.0 && level(&audio, 1600.0) < 150.0);
}

#[test]
fn a_key_is_told_anew_to_a_peer_of_another_codec() {
    let mut bed = Bed::new();
    let [mut caller, mut seat, _] = trio(&mut bed, [Coding::Pcma, Coding::Opus, Coding::Pcma]);
    bed.command(Command::Bridge { a: CALLER, b: SEAT });
    sing(&mut bed, &mut [&mut caller, &mut seat], 20);
    bed.heard.sent.clear();
    let began = seat.phone.timestamp;
    for (n, end) in [(1u16, 0), (2, 0), (3, 0x80)] {
        let duration = (960 * n).to_be_bytes();
        let payload = [7, end | 0x0a, duration[0], duration[1]];
        let bytes = seat.phone.packet(101, n == 1, began, &payload);
        bed.receive(SEAT, Port::Rtp, seat.phone.address, &bytes);
        bed.pass(FRAME);
    }
    bed.pass(Duration::from_millis(400));
    assert_eq!(bed.digits(SEAT), "7");
    let events: Vec<Rtp> = bed.rtp(CALLER).into_iter().filter(|packet| packet.payload_type == 101).collect();
    assert!(events.len() >= 5 && events.iter().all(|event| event.payload[0] == 7));
    assert!(events.iter().all(|event| event.timestamp == events[0].timestamp));
    assert_eq!(u16::from_be_bytes([events[4].payload[2], events[4].payload[3]]), 800);
}

#[test]
fn another_codec_in_the_middle_of_a_call_is_heard_on() {
    let mut bed = Bed::new();
    let [mut caller, mut seat, _] = trio(&mut bed, [Coding::Pcma; 3]);
    bed.command(Command::Bridge { a: CALLER, b: SEAT });
    sing(&mut bed, &mut [&mut caller, &mut seat], 20);
    let mut wide = Singer::new(SEAT, "203.0.113.2:6000", Coding::G722, 1000.0);
    wide.phone.sequence = seat.phone.sequence;
    wide.phone.timestamp = seat.phone.timestamp;
    bed.command(Command::Agree { leg: SEAT, stream: wide.phone.stream.clone() });
    bed.heard.sent.clear();
    sing(&mut bed, &mut [&mut caller, &mut wide], 100);
    assert!(level(&heard(&mut bed, &caller), 1000.0) > 7000.0);
    assert!(level(&heard(&mut bed, &wide), 500.0) > 7000.0);
    // And back: packets are passed on as they come again.
    bed.command(Command::Agree { leg: SEAT, stream: seat.phone.stream.clone() });
    assert!(bed.engine.ears.is_empty() && bed.engine.mixing.is_empty() && bed.engine.pulse.is_none());
}

/// All that our offer to the seat named, and the one that was agreed on.
fn offered(seat: &mut Singer, agreed: Coding) {
    let number = |coding: Coding| coding.payload_type().unwrap_or(111);
    let others = Coding::ALL.iter().filter(|coding| **coding != agreed);
    let stream = &mut seat.phone.stream;
    stream.also = others.map(|&coding| (number(coding), coding)).collect();
    (stream.coding, stream.payload_type) = (agreed, number(agreed));
}

#[test]
fn a_peer_that_speaks_another_codec_of_our_offer_than_the_agreed_one_is_heard_from_its_first_packet_on() {
    for &caller_coding in Coding::ALL {
        for &spoken in Coding::ALL {
            for &agreed in Coding::ALL {
                let mut bed = Bed::new();
                let mut caller = Singer::new(CALLER, "198.51.100.1:4000", caller_coding, 500.0);
                let mut seat = Singer::new(SEAT, "203.0.113.2:6000", spoken, 1000.0);
                let said = seat.phone.stream.payload_type;
                offered(&mut seat, agreed);
                bed.agree(&caller.phone);
                bed.agree(&seat.phone);
                bed.command(Command::Bridge { a: CALLER, b: SEAT });
                bed.command(Command::Tap { recording: recording(), caller: CALLER, seat: SEAT });
                for _ in 0..60 {
                    let bytes = seat.packet_as(spoken, said);
                    bed.receive(SEAT, Port::Rtp, seat.phone.address, &bytes);
                    sing(&mut bed, &mut [&mut caller], 1);
                }
                let audio = heard(&mut bed, &caller);
                let which = format!("{caller_coding:?} hears {spoken:?} for {agreed:?}");
                assert!(level(&audio, 1000.0) > 7000.0, "{which}: {}", level(&audio, 1000.0));
                let audio = heard(&mut bed, &seat);
                assert!(level(&audio, 500.0) > 7000.0, "{which}: {}", level(&audio, 500.0));
                let taped = bed.heard.tapped.iter().filter(|packet| packet.side == crate::seam::Side::Seat);
                assert!(taped.clone().count() == 60 && taped.clone().all(|packet| packet.coding == spoken));
                let quality = bed.close(SEAT);
                assert_eq!((quality.dropped, quality.lost, quality.received), (0, 0, 60), "{which}");
            }
        }
    }
}

#[test]
fn who_speaks_as_the_listener_does_is_passed_on_bit_by_bit_from_the_first_packet_on() {
    let mut bed = Bed::new();
    let caller = Singer::new(CALLER, "198.51.100.1:4000", Coding::Pcma, 500.0);
    let mut seat = Singer::new(SEAT, "203.0.113.2:6000", Coding::Pcma, 1000.0);
    offered(&mut seat, Coding::Opus);
    bed.agree(&caller.phone);
    bed.agree(&seat.phone);
    bed.command(Command::Bridge { a: CALLER, b: SEAT });
    bed.pass(FRAME);
    bed.heard.sent.clear();
    let mut said = Vec::new();
    for _ in 0..10 {
        let bytes = seat.packet_as(Coding::Pcma, 8);
        said.push(bytes[HEADER..].to_vec());
        bed.receive(SEAT, Port::Rtp, seat.phone.address, &bytes);
        bed.pass(FRAME);
    }
    let heard: Vec<Vec<u8>> = bed.rtp(CALLER).into_iter().map(|packet| packet.payload).collect();
    assert_eq!(heard, said);
}

#[test]
fn who_changes_its_codec_with_every_packet_does_not_make_us_do_so() {
    let mut bed = Bed::new();
    let mut caller = Singer::new(CALLER, "198.51.100.1:4000", Coding::Pcma, 500.0);
    let mut seat = Singer::new(SEAT, "203.0.113.2:6000", Coding::G722, 1000.0);
    offered(&mut seat, Coding::Pcma);
    bed.agree(&caller.phone);
    bed.agree(&seat.phone);
    bed.command(Command::Bridge { a: CALLER, b: SEAT });
    for n in 0..40 {
        let (coding, payload_type) = if n % 2 == 0 { (Coding::G722, 9) } else { (Coding::Pcma, 8) };
        let bytes = seat.packet_as(coding, payload_type);
        bed.receive(SEAT, Port::Rtp, seat.phone.address, &bytes);
        sing(&mut bed, &mut [&mut caller], 1);
    }
    // Eight tenths of a second: at most every 200 ms another, and what does not fit is left out.
    let dropped = bed.close(SEAT).dropped;
    assert!((15..=20).contains(&dropped), "{dropped}");
    // A straggler from before a change does not turn it back.
    let mut bed = Bed::new();
    bed.agree(&caller.phone);
    bed.agree(&seat.phone);
    bed.command(Command::Bridge { a: CALLER, b: SEAT });
    let late = seat.packet_as(Coding::Pcma, 8);
    for _ in 0..20 {
        let bytes = seat.packet_as(Coding::G722, 9);
        bed.receive(SEAT, Port::Rtp, seat.phone.address, &bytes);
        bed.pass(FRAME);
    }
    bed.receive(SEAT, Port::Rtp, seat.phone.address, &late);
    assert_eq!(bed.engine.channels[&SEAT].spoken(), Some(Coding::G722));
    assert_eq!(bed.close(SEAT).dropped, 1);
}

#[test]
fn a_prompt_is_heard_in_every_codec() {
    for &coding in Coding::ALL {
        let mut bed = Bed::new();
        let tone: Vec<f32> =
            (0..16_000).map(|n| 0.3 * (TAU as f32 * 1000.0 * n as f32 / 8000.0).sin()).collect();
        let mut prompts = Prompts::default();
        prompts.insert("line".into(), "tone".into(), Prompt::from_linear(&tone));
        bed.command(Command::Prompts(Arc::new(prompts)));
        let singer = Singer::new(CALLER, "198.51.100.1:4000", coding, 500.0);
        bed.agree(&singer.phone);
        bed.play(CALLER, "tone", 1);
        bed.pass(Duration::from_secs(2));
        let audio = heard(&mut bed, &singer);
        assert!((8500.0..10_800.0).contains(&level(&audio, 1000.0)), "{coding:?} {}", level(&audio, 1000.0));
    }
}

/// Whether a packet of 20 ms of Opus speech carries a copy of the one before it (RFC 6716 section 4.2.4).
fn carries_copy(packet: &[u8]) -> bool {
    assert!(packet[0] >> 3 < 12, "speech coding");
    packet[1] & 0x40 != 0
}

#[test]
fn opus_carries_copies_while_the_peer_reports_losses() {
    let mut bed = Bed::new();
    let [mut a, mut b, _] = trio(&mut bed, [Coding::Opus, Coding::Pcma, Coding::Pcma]);
    bed.command(Command::Bridge { a: CALLER, b: SEAT });
    let mut copies = |bed: &mut Bed, lost: Option<u8>| {
        if let Some(fraction) = lost {
            let ours = 0x1000 + CALLER.as_u64() as u32;
            let reported = Reported { ssrc: ours, fraction, lost: 10, highest: 1, jitter: 0 };
            let block = Block { reported, last_report: 0, delay: 0 };
            let report = Compound::report(a.phone.ssrc, "peer", None, Some(block));
            bed.receive(CALLER, Port::Rtcp, a.phone.stream.remote_rtcp, report.as_bytes());
        }
        bed.rtp(CALLER);
        // A tone that stays is noise to Opus, and noise is not worth a copy.
        for hertz in [300.0, 900.0, 1500.0, 500.0, 2000.0, 700.0, 1200.0, 400.0, 1800.0, 600.0] {
            b.hertz = hertz;
            sing(bed, &mut [&mut a, &mut b], 5);
        }
        let packets = bed.rtp(CALLER);
        assert!(packets.len() > 40);
        packets.iter().filter(|packet| carries_copy(&packet.payload)).count()
    };
    assert_eq!(copies(&mut bed, None), 0);
    let lossy = copies(&mut bed, Some(51));
    assert!(lossy > 30, "a fifth is lost: {lossy}");
    assert!(copies(&mut bed, Some(0)) > 30, "one good report is not believed at once");
    for _ in 0..6 {
        copies(&mut bed, Some(0));
    }
    assert_eq!(copies(&mut bed, Some(0)), 0);
}
