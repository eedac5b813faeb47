//! SIPp against the real process: what carriers and phones do to it, one story a test.

mod sipp {
    mod crossing;
    mod house;
    mod races;
    mod referring;
    mod refusals;
    mod ringing;
    mod seats;
    mod talking;
    mod watching;
}
