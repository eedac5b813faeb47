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
    pub(super) fn of(node: &Node, inputs: u32) -> Self {
        Self { node: node.clone(), left: inputs }
    }

    /// Feeds an input (`None`: the deadline) and compares; whether it lives on. At its end it must be in the
    /// same state as the original.
    pub(super) fn follow(
        &mut self,
        now: Now,
        input: Option<Input>,
        outputs: &[Output],
        original: &Node,
    ) -> bool {
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
        if self.left == 0 {
            assert_eq!(
                format!("{original:?}"),
                format!("{:?}", self.node),
                "a clone's state went another way"
            );
        }
        self.left > 0
    }
}
