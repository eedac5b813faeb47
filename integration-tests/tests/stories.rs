//! The example's callers and seats, told as stories in virtual time.

#[path = "stories/menu.rs"]
mod menu;
