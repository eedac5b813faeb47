//! The `sibai` command.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    sibai::command::run(sibai::command::Arguments::parse())
}
