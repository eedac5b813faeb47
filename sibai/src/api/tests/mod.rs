//! The API as a client sees it, without a socket.
#![allow(clippy::needless_pass_by_value, reason = "stories are given away")]

mod audio;
mod calls;
mod house;
mod matrix;
mod recordings;

#[test]
fn the_committed_document_is_the_one_that_the_routes_make() {
    let committed = include_str!("../../../../docs/openapi.json");
    assert!(committed == super::openapi_text(), "docs/openapi.json is stale: cargo xtask openapi");
}
