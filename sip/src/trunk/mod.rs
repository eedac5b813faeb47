//! Trunks, from our side: how a number stands in their URIs, and our registrations with them.

pub(crate) mod address;
pub(crate) mod enrolment;
