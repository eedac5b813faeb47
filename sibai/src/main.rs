//! The `sibai` command.

fn main() {}
