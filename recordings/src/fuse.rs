//! A kill-point counter: lets a test cut the power between any two steps of sealing, sweeping and recovery.

use std::io;

/// Burns after a number of steps; in production it never does.
#[derive(Clone, Debug)]
pub(crate) struct Fuse {
    left: Option<u32>,
    /// Steps passed so far.
    pub(crate) passed: u32,
}

impl Fuse {
    /// Never burns.
    pub(crate) const fn never() -> Self {
        Self { left: None, passed: 0 }
    }

    /// Lets `steps` steps pass and fails at the next one and at all later ones.
    #[cfg(test)]
    pub(crate) const fn after(steps: u32) -> Self {
        Self { left: Some(steps), passed: 0 }
    }

    /// A point at which the process could die.
    pub(crate) fn step(&mut self) -> io::Result<()> {
        if let Some(left) = &mut self.left {
            let Some(fewer) = left.checked_sub(1) else {
                return Err(io::Error::other("killed here by the test"));
            };
            *left = fewer;
        }
        self.passed += 1;
        Ok(())
    }
}
