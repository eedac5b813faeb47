//! `load`: calls with real audio against a Sibai that it starts and measures, or against any SIP server.
//!
//! `cargo run --release -p load -- --help`

use std::process::ExitCode;

use clap::Parser;
use load::{options, run};

fn main() -> ExitCode {
    match run::run(&options::Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("load: {error:#}");
            ExitCode::FAILURE
        }
    }
}
