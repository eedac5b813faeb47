//! The house is tidy.

#[test]
fn the_house_is_tidy() {
    let complaints = xtask::tidy::complaints(&xtask::root());
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
