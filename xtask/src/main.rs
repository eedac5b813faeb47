//! Chores that are held by tests.
fn main() {}
