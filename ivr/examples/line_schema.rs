//! Prints the JSON Schema of line/v1, and with `--reference` the tables of docs/configuration.md.
#![allow(clippy::print_stdout)]

use serde_json::Value;

fn main() {
    if std::env::args().any(|argument| argument == "--reference") {
        for (code, title, meaning) in ivr::fault::CODES {
            println!("| {code} | {title} | {meaning} |");
        }
        return;
    }
    let schema: Value = ivr::line_schema();
    println!("{schema:#}");
}
