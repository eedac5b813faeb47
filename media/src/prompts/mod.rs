//! Prompts: decoded, resampled and levelled at load, held as frames of each codec, played by copying.

use std::collections::HashMap;

use base::Name;
use bytes::Bytes;

/// All prompts of all lines, immutable; shared by `Arc`.
#[derive(Clone, Debug, Default)]
pub struct Prompts {
    by_name: HashMap<(Name, Name), Prompt>,
}

/// One prompt at 8 kHz in both laws.
#[derive(Clone, Debug, PartialEq)]
pub struct Prompt {
    /// A-law bytes, 8000 a second.
    pub pcma: Bytes,
    /// µ-law bytes, 8000 a second.
    pub pcmu: Bytes,
}

impl Prompts {
    /// Adds or replaces a prompt of a line.
    pub fn insert(&mut self, line: Name, prompt: Name, audio: Prompt) {
        self.by_name.insert((line, prompt), audio);
    }

    /// The prompt of a line.
    pub fn find(&self, line: &Name, prompt: &Name) -> Option<&Prompt> {
        self.by_name.get(&(line.clone(), prompt.clone()))
    }
}
