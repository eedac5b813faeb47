//! A clone of the node that is fed the same inputs: its outputs must be the same.

use base::{Machine, Now};
use sibai::node::{Input, Node, Output};

/// The clone, for as many inputs as it lives.
#[derive(Debug)]
pub(super) struct Shadow {
    node: Node,
    left: u32,
}

impl Shadow {
    pub fn of(node: &Node, inputs: u32) -> Self {
        Self { node: node.clone(), left: inputs }
    }

    /// Feeds an input (`None`: the deadline) and compares; whether it lives on.
    pub fn follow(&mut self, now: Now, input: Option<Input>, outputs: &[Output]) -> bool {
        match input {
            Some(input) => self.node.handle(now, input),
            None => self.node.expire(now),
        }
        let mut mine = Vec::new();
        while let Some(output) = self.node.poll() {
            mine.push(output);
        }
        assert_eq!(format!("{outputs:?}"), format!("{mine:?}"), "a clone of the node went another way");
        self.left -= 1;
        self.left > 0
    }
}
