//! A fence round decoders that others wrote: what a hostile packet breaks in them ends one decoder's
//! state, not the worker that plays a thousand other calls.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs one step of a foreign decoder; `None` when it panicked, and its state is then to be thrown away.
pub(crate) fn fenced<T>(step: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(step)).ok()
}
