//! Every transport against the real process: TLS and its certificates, WebSockets and a browser, IPv6, and
//! connections that only want to hold a place.

mod transports {
    mod browser;
    mod browser_calls;
    mod browser_talks;
    mod house;
    mod page;
    mod pings;
    mod places;
    mod secure;
    mod v6;
    mod web;
}
