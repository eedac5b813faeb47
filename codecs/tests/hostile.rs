//! Whatever comes: no panic, no more than there is room for, and nothing allocated.
#![allow(missing_docs)]

use codecs::{Coding, Decoder, Encoder, MOST_PAYLOAD, MOST_SAMPLES, Rate, Transcoder};
use proptest::prelude::*;

mod signal;

#[derive(Clone, Debug)]
enum Step {
    Payload(Vec<u8>),
    /// A good packet with some bytes changed and its end cut off.
    Spoilt(usize, Vec<(usize, u8)>, usize),
    Lost(usize),
    Recover(Vec<u8>),
    Comfort(Vec<u8>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..300);
    let step = prop_oneof![
        bytes().prop_map(Step::Payload),
        (0..50usize, prop::collection::vec((0..200usize, any::<u8>()), 0..6), 0..200usize)
            .prop_map(|(n, changes, len)| Step::Spoilt(n, changes, len)),
        (0..=MOST_SAMPLES).prop_map(Step::Lost),
        bytes().prop_map(Step::Recover),
        prop::collection::vec(any::<u8>(), 0..30).prop_map(Step::Comfort),
    ];
    prop::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn a_decoder_takes_anything(steps in steps(), wide in any::<bool>()) {
        for &coding in Coding::ALL {
            let rate = if wide { Rate::Wide } else { Rate::Narrow };
            let good = signal::packets(coding, rate, 20, &signal::tone(300.0, 9000.0, rate, rate.hz()));
            let mut decoder = Decoder::new(coding, rate);
            let mut transcoder = Transcoder::new(coding, Coding::Pcma);
            for step in &steps {
                let mut out = [0; MOST_SAMPLES];
                let made = match step {
                    Step::Payload(bytes) => {
                        transcoder.push(Some(bytes));
                        decoder.decode(Some(bytes), &mut out)
                    }
                    Step::Spoilt(n, changes, len) => {
                        let mut packet = good[*n].clone();
                        for &(at, byte) in changes {
                            if let Some(place) = packet.get_mut(at) {
                                *place = byte;
                            }
                        }
                        packet.truncate(*len);
                        decoder.decode(Some(&packet), &mut out)
                    }
                    Step::Lost(room) => {
                        let made = decoder.decode(None, &mut out[..*room]);
                        prop_assert!(made <= *room);
                        made
                    }
                    Step::Recover(next) => decoder.recover(next, &mut out),
                    Step::Comfort(payload) => decoder.comfort(payload, &mut out),
                };
                prop_assert!(made <= MOST_SAMPLES);
                let mut payload = [0; MOST_PAYLOAD];
                prop_assert!(transcoder.pull(&mut payload) <= MOST_PAYLOAD);
            }
        }
    }

    #[test]
    fn an_encoder_takes_anything(audio in prop::collection::vec(any::<i16>(), 0..1000), room in 0..500usize) {
        for &coding in Coding::ALL {
            for rate in [Rate::Narrow, Rate::Wide] {
                let mut encoder = Encoder::new(coding, rate);
                let mut out = [0; MOST_PAYLOAD];
                prop_assert!(encoder.encode(&audio, &mut out[..room]) <= room);
                for ms in [10, 20, 30, 40, 60] {
                    if let Some(frame) = audio.get(..rate.samples(ms)) {
                        prop_assert!(encoder.encode(frame, &mut out[..room]) <= room);
                        prop_assert!(encoder.encode(frame, &mut out) > 0, "{:?} {} ms", coding, ms);
                    }
                }
            }
        }
    }
}

#[test]
fn nothing_is_allocated_for_a_packet() {
    for &coding in Coding::ALL {
        for &to in Coding::ALL {
            let rate = coding.rate();
            let packets = signal::packets(coding, rate, 20, &signal::speech(rate));
            let mut transcoder = Transcoder::new(coding, to);
            transcoder.encoder().set_loss(10);
            let mut out = [0; MOST_PAYLOAD];
            let counted = allocation_counter::measure(|| {
                for (n, packet) in packets.iter().enumerate() {
                    transcoder.push((n % 7 != 0).then_some(packet));
                    transcoder.pull(&mut out);
                }
            });
            assert_eq!(counted.count_total, 0, "{coding:?} to {to:?}");
        }
    }
}

#[test]
fn a_call_that_is_transcoded_has_a_bounded_size() {
    for (one, other, most) in [(Coding::Pcma, Coding::G722, 24), (Coding::Pcma, Coding::Opus, 600)] {
        let mut boxed = 0;
        for (from, to) in [(one, other), (other, one)] {
            let counted = allocation_counter::measure(|| drop(Transcoder::new(from, to)));
            boxed += counted.bytes_max;
        }
        let size = (2 * size_of::<Transcoder>() as u64 + boxed) / 1024;
        println!("{one:?} and {other:?}: {size} KB");
        assert!(size <= most, "{one:?} and {other:?}: {size} KB");
    }
}
