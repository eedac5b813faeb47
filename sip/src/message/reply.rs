//! What is written from a request: its responses, its CANCEL, and the ACK of its failure.

use std::net::SocketAddr;

use super::Message;
use super::draft::Draft;
use super::method::Method;
use super::name::Header;
use crate::header::HeaderFault;
use crate::header::address::Address;
use crate::header::cseq::CSeq;
use crate::lex;

impl Message {
    /// A response to this request (RFC 3261 section 8.2.6): Via, From, To, Call-ID and CSeq copied, the top
    /// Via telling where the request came from, Record-Route where a dialog may begin, Timestamp in a 100.
    ///
    /// `to_tag` is added unless the status is 100 or the request is inside a dialog already.
    pub fn reply(&self, status: u16, source: SocketAddr, to_tag: Option<&str>) -> Draft {
        let mut draft = self.reply_vias(Draft::response(status), source);
        draft = draft.copied(self, Header::From);
        let tag = to_tag.filter(|_| status > 100);
        for value in self.headers(Header::To) {
            draft = match tag {
                Some(tag) if !has_tag(&value.text()) => {
                    draft.header_raw(Header::To, &[open_ended(value.raw()), b";tag=", tag.as_bytes()])
                }
                _ => draft.header_raw(Header::To, &[value.raw()]),
            };
        }
        draft = draft.copied(self, Header::CallId).copied(self, Header::CSeq);
        if status == 100 {
            draft = draft.copied(self, Header::Timestamp);
        }
        if begins_dialog(self.method()) && (101..300).contains(&status) {
            draft = draft.copied(self, Header::RecordRoute);
        }
        draft
    }

    fn reply_vias(&self, mut draft: Draft, source: SocketAddr) -> Draft {
        let Ok(top) = self.via() else { return draft.copied(self, Header::Via) };
        draft = draft.header(Header::Via, top.seen_from(source));
        for hop in self.list(Header::Via).into_iter().skip(1) {
            draft = draft.header(Header::Via, hop);
        }
        draft
    }

    /// The CANCEL of this INVITE (RFC 3261 section 9.1): same Request-URI, Call-ID, From, To, CSeq number,
    /// Route and top Via. A Reason may be added before it is finished.
    pub fn cancel(&self) -> Result<Draft, HeaderFault> {
        let cseq = CSeq { number: self.cseq().number, method: Method::Cancel };
        Ok(self.sibling(&cseq)?.copied(self, Header::To))
    }

    /// The ACK of a final response of 300 or above to this INVITE (RFC 3261 section 17.1.1.3): as the
    /// INVITE, with the response's To.
    pub fn ack_failure(&self, response: &Message) -> Result<Message, HeaderFault> {
        let cseq = CSeq { number: self.cseq().number, method: Method::Ack };
        Ok(self.sibling(&cseq)?.copied(response, Header::To).finish())
    }

    /// A request of the same transaction as this one, still without To.
    fn sibling(&self, cseq: &CSeq) -> Result<Draft, HeaderFault> {
        let draft = Draft::request(cseq.method.clone(), &self.uri()?)
            .header(Header::Via, self.via()?)
            .copied(self, Header::Route)
            .header(Header::MaxForwards, MAX_FORWARDS)
            .copied(self, Header::From)
            .copied(self, Header::CallId)
            .header(Header::CSeq, cseq);
        Ok(draft)
    }
}

/// Whether the text of a From or To carries a tag.
pub(super) fn has_tag(text: &str) -> bool {
    Address::parse(lex::trim(text)).is_ok_and(|address| address.tag().is_some())
}

/// The same address ready for one more parameter: without the `;` that some phones let trail.
pub(super) fn open_ended(raw: &[u8]) -> &[u8] {
    let raw = raw.trim_ascii_end();
    raw.strip_suffix(b";").map_or(raw, <[u8]>::trim_ascii_end)
}

const fn begins_dialog(method: &Method) -> bool {
    matches!(method, Method::Invite | Method::Subscribe | Method::Refer | Method::Notify)
}

/// What a new request may pass (RFC 3261 section 8.1.1.6).
pub const MAX_FORWARDS: u32 = 70;
