//! From the media workers to the brain.

use base::Now;
use media::Event;

use super::Node;

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
            Event::Closed { leg, quality } => self.finishing.closed(leg, quality, &mut self.out),
            Event::Latched { .. } => {}
        }
    }
}
