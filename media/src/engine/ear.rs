//! What a leg says as linear audio, ten milliseconds at a time: for those who cannot be given its packets as they are.

use base::Mono;
use codecs::{Coding, Decoder, MOST_SAMPLES, Rate, stretch};

use crate::jitter::{Buffer, Pace, Packet, Take};
use crate::rtp::Header;
use crate::seam::COMFORT;

/// One leg's packets, put in order, waited for and decoded.
#[derive(Clone, Debug)]
pub(super) struct Ear {
    buffer: Buffer,
    decoder: Decoder,
    /// The sender said how its silence sounds.
    comforted: bool,
    /// Decoded, the next ten milliseconds and what comes after them.
    ahead: [i16; MOST_AHEAD],
    len: usize,
}

impl Ear {
    /// An ear that has heard nothing.
    pub(super) fn new(coding: Coding, rate: Rate) -> Self {
        Self {
            buffer: Buffer::new(coding.clock()),
            decoder: Decoder::new(coding, rate),
            comforted: false,
            ahead: [0; MOST_AHEAD],
            len: 0,
        }
    }

    /// Whether this is what it makes of that.
    pub(super) fn makes(&self, rate: Rate, coding: Coding) -> bool {
        self.decoder.coding() == coding && self.decoder.rate() == rate
    }

    /// A packet of audio or of comfort noise reached us.
    pub(super) fn put(&mut self, now: Mono, header: Header, payload: &[u8]) {
        let ticks = match header.payload_type {
            COMFORT => Some(0),
            _ => self.decoder.coding().ticks(payload),
        };
        let Some(ticks) = ticks else { return };
        let Header { ssrc, sequence, timestamp, payload_type, .. } = header;
        self.buffer.put(now, &Packet { ssrc, sequence, timestamp, payload_type, ticks, payload });
    }

    /// A packet of the stream that carries no audio.
    pub(super) fn pass(&mut self, header: Header) {
        self.buffer.pass(header.ssrc, header.sequence);
    }

    /// Goes on by ten milliseconds.
    pub(super) fn pull(&mut self, now: Mono) {
        let frame = self.decoder.rate().samples(10);
        self.ahead.copy_within(frame.min(self.len)..self.len, 0);
        self.len -= frame.min(self.len);
        while self.len < frame {
            let Self { buffer, decoder, comforted, ahead, len } = self;
            let (coding, rate) = (decoder.coding(), decoder.rate());
            // At least one: of a clock of 48 kHz a few ticks are none, and what waits for them would wait forever.
            let samples = |ticks: u32| (ticks as usize * rate.hz() / coding.clock() as usize).max(1);
            let room = &mut ahead[*len..];
            *len += match buffer.take(now) {
                Take::Audio(audio) if audio.payload_type == COMFORT => {
                    *comforted = true;
                    decoder.comfort(audio.payload, clip(room, samples(audio.ticks)))
                }
                Take::Audio(audio) => {
                    *comforted = false;
                    let made = decoder.decode(Some(audio.payload), room);
                    match audio.pace {
                        Pace::Steady => made,
                        Pace::Faster => stretch::shorten(&mut room[..made], rate),
                        Pace::Slower => stretch::lengthen(room, made, rate),
                    }
                }
                Take::Lost { ticks, next } => conceal(decoder, next, clip(room, samples(ticks))),
                Take::Wait { ticks } if *comforted => conceal(decoder, None, clip(room, samples(ticks))),
                Take::Wait { ticks } => {
                    let room = clip(room, samples(ticks));
                    room.fill(0);
                    room.len()
                }
            };
        }
    }

    /// The ten milliseconds that it has come to.
    pub(super) fn frame(&self) -> &[i16] {
        &self.ahead[..self.decoder.rate().samples(10)]
    }
}

/// Makes up all of `out`: the packet before `next` from what that tells of it, the rest from what was heard.
fn conceal(decoder: &mut Decoder, next: Option<&[u8]>, out: &mut [i16]) -> usize {
    let mut made = 0;
    while made < out.len() {
        let room = &mut out[made..];
        let more = match next {
            Some(next) if made == 0 => decoder.recover(next, room),
            _ => decoder.decode(None, room),
        };
        if more == 0 {
            room.fill(0);
            break;
        }
        made += more;
    }
    out.len()
}

fn clip(room: &mut [i16], len: usize) -> &mut [i16] {
    let len = len.min(room.len());
    &mut room[..len]
}

/// The longest packet behind less than ten milliseconds of wide audio.
const MOST_AHEAD: usize = MOST_SAMPLES + 160;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// The time that is left before a stream's first packet is due may be less than a sample.
    #[test]
    fn a_stream_may_begin_at_any_tick_of_its_clock() {
        // 20 ms of Opus (RFC 6716 section 3.1), of no meaning.
        let payload = [0xfc, 0xff, 0xfe];
        for tick in 0..480 {
            let mut now = Mono::from_nanos(1_000_000_000);
            let mut ear = Ear::new(Coding::Opus, Rate::Narrow);
            let arrived = now + Duration::from_nanos(tick * 1_000_000_000 / 48_000);
            let header = Header { marker: true, payload_type: 111, sequence: 1, timestamp: 960, ssrc: 7 };
            ear.put(arrived, header, &payload);
            for _ in 0..20 {
                now = now + Duration::from_millis(10);
                ear.pull(now);
            }
        }
    }
}
