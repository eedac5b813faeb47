//! The program itself, from outside. That this test exists also makes cargo build it for the integration tests.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::process::{Command, Output};

#[test]
fn a_wrong_option_is_exit_code_2_and_names_it() {
    let output = sibai(&["serve", "--verbosely"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--verbosely"));
}

#[test]
fn a_folder_without_configuration_is_one_sentence() {
    let output = sibai(&["check", "there/is/none"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(said.trim_end().lines().count(), 1, "{said}");
    assert!(said.contains("there/is/none"), "{said}");
}

fn sibai(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sibai")).args(arguments).output().unwrap()
}
