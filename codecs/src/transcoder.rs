//! One coding in, another out, in packets of whatever length the receiver asked for.

use crate::coding::{Coding, MOST_SAMPLES, Rate};
use crate::decoder::Decoder;
use crate::encoder::Encoder;

/// A one-way transcoder between two streams: push what came, then pull until nothing is ready.
#[derive(Clone, Debug)]
pub struct Transcoder {
    decoder: Decoder,
    encoder: Encoder,
    /// Audio that is decoded and not yet sent: less than a packet, but for a moment.
    waiting: [i16; WAITING],
    len: usize,
    /// Samples of a packet that goes out.
    packet: usize,
    dropped: u64,
}

impl Transcoder {
    /// A transcoder to packets of 20 ms. Between two wide codings it works at 16 kHz; where one side is
    /// a telephone line nothing above 4 kHz could be heard, and it works at 8 kHz, which halves Opus' cost.
    pub fn new(from: Coding, to: Coding) -> Self {
        let rate = from.rate().min(to.rate());
        Self {
            decoder: Decoder::new(from, rate),
            encoder: Encoder::new(to, rate),
            waiting: [0; WAITING],
            len: 0,
            packet: rate.samples(20),
            dropped: 0,
        }
    }

    /// The length of what goes out: 10, 20, 30, 40 or 60 ms. Another one changes nothing and is `false`.
    pub fn set_ptime(&mut self, ms: usize) -> bool {
        let possible = matches!(ms, 10 | 20 | 30 | 40 | 60);
        if possible {
            self.packet = self.rate().samples(ms);
        }
        possible
    }

    /// The rate that it works at.
    pub fn rate(&self) -> Rate {
        self.decoder.rate()
    }

    /// The encoder, to be told of loss and effort.
    pub fn encoder(&mut self) -> &mut Encoder {
        &mut self.encoder
    }

    /// Ticks of the outgoing RTP clock in a packet.
    pub fn ticks(&self) -> u32 {
        let ticks = self.packet as u64 * u64::from(self.encoder.coding().clock());
        (ticks / self.rate().hz() as u64) as u32
    }

    /// Samples that were thrown away because nobody pulled.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// A payload came; `None`: one is missing.
    pub fn push(&mut self, payload: Option<&[u8]>) {
        let mut pcm = [0; MOST_SAMPLES];
        let len = self.decoder.decode(payload, &mut pcm);
        self.take(&pcm[..len]);
    }

    /// A payload is missing, and this is the one after it, which is to be pushed next.
    pub fn recover(&mut self, next: &[u8]) {
        let mut pcm = [0; MOST_SAMPLES];
        let len = self.decoder.recover(next, &mut pcm);
        self.take(&pcm[..len]);
    }

    /// A payload of comfort noise came.
    pub fn comfort(&mut self, payload: &[u8]) {
        let mut pcm = [0; MOST_SAMPLES];
        let len = self.decoder.comfort(payload, &mut pcm);
        self.take(&pcm[..len]);
    }

    /// The next payload that is ready, into `out` (`MOST_PAYLOAD` is room for all); 0 when there is none.
    pub fn pull(&mut self, out: &mut [u8]) -> usize {
        if self.len < self.packet {
            return 0;
        }
        let made = self.encoder.encode(&self.waiting[..self.packet], out);
        self.waiting.copy_within(self.packet..self.len, 0);
        self.len -= self.packet;
        made
    }

    fn take(&mut self, pcm: &[i16]) {
        let room = WAITING - self.len;
        let taken = pcm.len().min(room);
        self.dropped += (pcm.len() - taken) as u64;
        self.waiting[self.len..self.len + taken].copy_from_slice(&pcm[..taken]);
        self.len += taken;
    }
}

/// The longest packet in, and just less than the longest out (60 ms).
const WAITING: usize = MOST_SAMPLES + MOST_SAMPLES / 2;
