//! `application/dialog-info+xml`: the calls of a user, all of them each time (RFC 4235).

use std::fmt::Write;

use crate::header::uri::Uri;
use crate::seam::{Lamp, LampCall, LampDialog};

/// Writes what a watcher is shown. Calls that it was `shown` before and that are not there any more are shown
/// once again as terminated: many phones put a lamp out by nothing else.
pub(super) fn write(realm: &str, user: &str, version: u32, lamp: &Lamp, shown: &[LampCall]) -> String {
    let entity = address(user, realm);
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" \
         version=\"{version}\" state=\"full\" entity=\"{}\">\r\n",
        Escaped(&entity)
    );
    let over = shown.iter().filter(|call| !lamp.calls.iter().any(|now| now.leg == call.leg));
    let gone = over.map(|call| (call, "terminated"));
    let there = lamp.calls.iter().map(|call| (call, if call.is_confirmed { "confirmed" } else { "early" }));
    for (call, state) in there.chain(gone) {
        let direction = if call.is_caller { "initiator" } else { "recipient" };
        // Writing into a string cannot fail.
        let _ = write!(xml, "<dialog id=\"{}\" direction=\"{direction}\"", call.leg);
        if let Some(LampDialog { call_id, local_tag, remote_tag }) = &call.dialog {
            for (name, value) in [("call-id", call_id), ("local-tag", local_tag), ("remote-tag", remote_tag)]
            {
                let _ = write!(xml, " {name}=\"{}\"", Escaped(value));
            }
        }
        let _ = write!(xml, "><state>{state}</state>");
        let _ = write!(xml, "<local><identity>{0}</identity><target uri=\"{0}\"/></local>", Escaped(&entity));
        if let Some(remote) = &call.remote {
            let remote = address(remote, realm);
            let _ = write!(
                xml,
                "<remote><identity>{0}</identity><target uri=\"{0}\"/></remote>",
                Escaped(&remote)
            );
        }
        xml.push_str("</dialog>\r\n");
    }
    xml.push_str("</dialog-info>\r\n");
    xml
}

/// The address of record of a user.
pub(super) fn address(user: &str, realm: &str) -> String {
    Uri::sip(Some(user), realm, None).map_or_else(|_| format!("sip:{realm}"), |uri| uri.to_string())
}

/// Text as it may stand between tags and in attributes. What XML 1.0 cannot hold at all is replaced.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&apos;")?,
                '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => f.write_char(char::REPLACEMENT_CHARACTER)?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use base::LegId;
    use proptest::prelude::*;

    use super::*;

    fn call(leg: u64, is_confirmed: bool, remote: Option<&str>) -> LampCall {
        let remote = remote.map(str::to_owned);
        LampCall {
            leg: LegId::placed(leg),
            is_caller: leg.is_multiple_of(2),
            is_confirmed,
            remote,
            dialog: None,
        }
    }

    /// Each dialog as an XML reader finds it: id, direction, state, remote identity.
    fn read(xml: &str) -> Vec<(String, String, String, Option<String>)> {
        let document = roxmltree::Document::parse(xml).expect("well-formed");
        let root = document.root_element();
        assert_eq!(root.tag_name().namespace(), Some("urn:ietf:params:xml:ns:dialog-info"));
        let text = |node: roxmltree::Node, name: &str| {
            node.descendants().find(|n| n.tag_name().name() == name).and_then(|n| n.text()).map(str::to_owned)
        };
        root.children()
            .filter(roxmltree::Node::is_element)
            .map(|dialog| {
                let remote = dialog.children().find(|n| n.tag_name().name() == "remote");
                (
                    dialog.attribute("id").unwrap().to_owned(),
                    dialog.attribute("direction").unwrap().to_owned(),
                    text(dialog, "state").unwrap(),
                    remote.and_then(|remote| text(remote, "identity")),
                )
            })
            .collect()
    }

    #[test]
    fn calls_are_shown_early_and_confirmed_and_once_more_when_they_are_over() {
        let lamp = Lamp { calls: vec![call(1, false, Some("138****8000")), call(2, true, None)] };
        let shown = [call(2, false, None), call(4, true, Some("802"))];
        let xml = write("sibai.test", "801", 7, &lamp, &shown);
        assert!(xml.contains("version=\"7\" state=\"full\" entity=\"sip:801@sibai.test\""));
        let own = |id: &str, direction: &str, state: &str, remote: Option<&str>| {
            (id.to_owned(), direction.to_owned(), state.to_owned(), remote.map(str::to_owned))
        };
        let expected = [
            own("out1", "recipient", "early", Some("sip:138****8000@sibai.test")),
            own("out2", "initiator", "confirmed", None),
            own("out4", "initiator", "terminated", Some("sip:802@sibai.test")),
        ];
        assert_eq!(read(&xml), expected);
        assert!(read(&write("sibai.test", "801", 0, &Lamp::default(), &[])).is_empty());
    }

    proptest! {
        #[test]
        fn whatever_stands_in_it_an_xml_reader_reads_it(
            realm in "\\PC{1,20}",
            user in ".{0,20}",
            remotes in prop::collection::vec(proptest::option::of(".{0,20}"), 0..5),
        ) {
            let calls: Vec<LampCall> =
                (1..).zip(&remotes).map(|(leg, remote)| call(leg, true, remote.as_deref())).collect();
            let count = calls.len();
            let xml = write(&realm, &user, u32::MAX, &Lamp { calls }, &[]);
            prop_assert_eq!(read(&xml).len(), count);
        }

        #[test]
        fn what_is_escaped_is_read_back_as_it_was(text in "[ -~äöü张三]{0,40}") {
            let xml = format!("<a b=\"{0}\">{0}</a>", Escaped(&text));
            let document = roxmltree::Document::parse(&xml).unwrap();
            prop_assert_eq!(document.root_element().attribute("b"), Some(text.as_str()));
            prop_assert_eq!(document.root_element().text().unwrap_or(""), text.as_str());
        }
    }
}
