//! From the media workers to the brain.

use base::Now;
use media::{Event, Lack};

use super::Node;
use super::finish::Sounded;
use super::lapses::LapseKind;

impl Node {
    pub(super) fn media_told(&mut self, now: Now, event: &Event) {
        match *event {
            // A prompt that is missing was found by `check`; should one be, the call goes on in silence.
            Event::Played { leg, token } | Event::PromptMissing { leg, token } => {
                let current = self.channels.get(&leg).is_some_and(|channel| channel.play == token);
                if current {
                    self.think(now, Some(leg), pbx::Input::Played { leg });
                }
            }
            Event::Digit { leg, digit, way } => self.digit(now, leg, digit, way),
            Event::Silent { leg } => self.think(now, Some(leg), pbx::Input::Silent { leg }),
            Event::Unheard { leg, lack: Lack::Packets } => self.missed(now, leg, LapseKind::NoPackets),
            Event::Unheard { leg, lack: Lack::Voice } => self.missed(now, leg, LapseKind::NoVoice),
            Event::HeardAgain { leg } => self.found(now, leg, false),
            Event::DeadAir { leg, over: false } => self.missed(now, leg, LapseKind::DeadAir),
            Event::DeadAir { leg, over: true } => self.found(now, leg, true),
            Event::Closed { leg, quality } => {
                let lapses = self.lapses.take(leg).unwrap_or_default();
                self.finishing.closed(leg, Sounded { quality, lapses }, &mut self.out);
            }
            Event::Latched { .. } => {}
        }
    }
}
