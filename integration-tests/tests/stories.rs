//! The example's callers and seats, told as stories in virtual time.

#[path = "stories/carriers.rs"]
mod carriers;
#[path = "stories/consent.rs"]
mod consent;
#[path = "stories/crossing.rs"]
mod crossing;
#[path = "stories/doors.rs"]
mod doors;
#[path = "stories/hours.rs"]
mod hours;
#[path = "stories/menu.rs"]
mod menu;
#[path = "stories/process.rs"]
mod process;
#[path = "stories/ringing.rs"]
mod ringing;
#[path = "stories/spoken.rs"]
mod spoken;
#[path = "stories/srtp.rs"]
mod srtp;
#[path = "stories/talking.rs"]
mod talking;
#[path = "stories/thieves.rs"]
mod thieves;
#[path = "stories/transfers.rs"]
mod transfers;
#[path = "stories/words.rs"]
mod words;
