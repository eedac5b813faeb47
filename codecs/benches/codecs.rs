//! What 20 ms cost in each coding, in each direction, and in each pair that calls are made of: the time
//! that the processor worked, whatever else it had to do.
#![allow(missing_docs)]

use std::hint::black_box;

use codecs::resample::{Down, Up};
use codecs::{Coding, Decoder, Encoder, MOST_PAYLOAD, MOST_SAMPLES, Rate, Transcoder};
use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rustix::time::{ClockId, clock_gettime};

#[path = "../tests/signal/mod.rs"]
mod signal;

/// Time of this thread on the processor, in nanoseconds.
struct Cpu;

impl Measurement for Cpu {
    type Intermediate = u64;
    type Value = u64;

    fn start(&self) -> u64 {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
    }

    fn end(&self, start: u64) -> u64 {
        self.start() - start
    }

    fn add(&self, one: &u64, other: &u64) -> u64 {
        one + other
    }

    fn zero(&self) -> u64 {
        0
    }

    fn to_f64(&self, value: &u64) -> f64 {
        *value as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        &Nanoseconds
    }
}

struct Nanoseconds;

impl ValueFormatter for Nanoseconds {
    fn scale_values(&self, typical: f64, values: &mut [f64]) -> &'static str {
        WallTime.formatter().scale_values(typical, values)
    }

    fn scale_throughputs(&self, typical: f64, throughput: &Throughput, values: &mut [f64]) -> &'static str {
        WallTime.formatter().scale_throughputs(typical, throughput, values)
    }

    fn scale_for_machines(&self, values: &mut [f64]) -> &'static str {
        WallTime.formatter().scale_for_machines(values)
    }
}

fn coding(c: &mut Criterion<Cpu>) {
    for &coding in Coding::ALL {
        let rates = if coding == Coding::Opus { vec![Rate::Narrow, Rate::Wide] } else { vec![coding.rate()] };
        for rate in rates {
            let audio = signal::speech(rate);
            let name = format!("{} {} kHz", coding.name(), rate.hz() / 1000);
            let packets = signal::packets(coding, rate, 20, &audio);
            let mut encoder = Encoder::new(coding, rate);
            let mut frames = audio.chunks_exact(rate.samples(20)).cycle();
            let mut out = [0; MOST_PAYLOAD];
            c.bench_function(&format!("encode {name}"), |b| {
                b.iter(|| encoder.encode(black_box(frames.next().unwrap_or_default()), &mut out));
            });
            let mut decoder = Decoder::new(coding, rate);
            let mut pcm = [0; MOST_SAMPLES];
            let mut come = packets.iter().cycle();
            c.bench_function(&format!("decode {name}"), |b| {
                b.iter(|| decoder.decode(black_box(come.next().map(Vec::as_slice)), &mut pcm));
            });
            let mut come = packets.iter().cycle();
            let mut turn = 0;
            c.bench_function(&format!("decode {name}, one of five lost"), |b| {
                b.iter(|| {
                    turn = (turn + 1) % 5;
                    let packet = come.next().map(Vec::as_slice);
                    decoder.decode(black_box(packet.filter(|_| turn > 0)), &mut pcm)
                });
            });
        }
    }
}

/// Both directions of one call, 20 ms: a thousand such calls take fifty of these a second each.
fn pairs(c: &mut Criterion<Cpu>) {
    for &coding in Coding::ALL {
        for other in [Coding::Pcma, Coding::G722] {
            let packets = |of: Coding| signal::packets(of, of.rate(), 20, &signal::speech(of.rate()));
            let (mut there, mut back) = (Transcoder::new(coding, other), Transcoder::new(other, coding));
            let (from_one, from_other) = (packets(coding), packets(other));
            let mut both = from_one.iter().zip(&from_other).cycle();
            let mut out = [0; MOST_PAYLOAD];
            c.bench_function(&format!("call {} and {}", coding.name(), other.name()), |b| {
                b.iter(|| {
                    let one = both.next();
                    there.push(one.map(|(one, _)| one.as_slice()));
                    back.push(one.map(|(_, other)| other.as_slice()));
                    black_box(there.pull(&mut out) + back.pull(&mut out))
                });
            });
        }
    }
}

fn rates(c: &mut Criterion<Cpu>) {
    let audio = signal::speech(Rate::Wide);
    let (mut up, mut down, mut out) = (Up::new(), Down::new(), [0; 320]);
    c.bench_function("8 to 16 kHz", |b| b.iter(|| up.process(black_box(&audio[..160]), &mut out)));
    c.bench_function("16 to 8 kHz", |b| b.iter(|| down.process(black_box(&audio[..320]), &mut out)));
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(Cpu);
    targets = coding, pairs, rates
}
criterion_main!(benches);
