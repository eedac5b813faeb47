//! Session descriptions (RFC 8866), read and written by hand: the engine uses a library, its judge does not.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use crate::g711::Codec;

/// Which way sound flows, as its writer sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Direction {
    /// Both ways.
    #[default]
    SendRecv,
    /// From the writer only: hold.
    SendOnly,
    /// To the writer only: the answer to a hold.
    RecvOnly,
    /// Neither.
    Inactive,
}

/// What a description says, as far as a telephone minds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Sdp {
    pub(crate) session: u64,
    pub(crate) version: u64,
    pub(crate) address: Option<IpAddr>,
    pub(crate) port: u16,
    /// Payload type and `NAME/rate` in capitals, in the order of the m-line.
    pub(crate) payloads: Vec<(u8, String)>,
    pub(crate) direction: Direction,
    /// The m-lines that are not the first audio: position, and kind, protocol and formats to refuse with.
    pub(crate) others: Vec<(usize, String)>,
    pub(crate) faults: Vec<String>,
}

impl Sdp {
    /// Reads a description; faults are collected, not fatal, except that there is no audio at all.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let mut sdp = Self::default();
        let mut maps: Vec<(u8, String)> = Vec::new();
        let (mut audio_seen, mut in_audio, mut sections) = (false, false, 0);
        let mut order = String::new();
        for line in text.lines().filter(|line| !line.is_empty()) {
            let Some((kind, value)) = line.split_once('=') else {
                sdp.faults.push(format!("SDP line {line:?} has no '='"));
                continue;
            };
            if sections == 0 {
                order.push_str(kind);
            }
            match kind {
                "o" => sdp.read_origin(value),
                "c" if sections == 0 || in_audio => sdp.read_address(value),
                "m" => {
                    in_audio = value.starts_with("audio ") && !audio_seen;
                    audio_seen |= in_audio;
                    sdp.read_media(value, in_audio, sections);
                    sections += 1;
                }
                "a" if sections == 0 || in_audio => sdp.read_attribute(value, &mut maps),
                _ => {}
            }
        }
        if !audio_seen {
            return Err("the SDP has no audio".into());
        }
        if !order.starts_with("vos") || !order.contains('t') {
            sdp.faults.push(format!("SDP session lines stand as {order:?}: v, o, s and t are due"));
        }
        if sdp.address.is_none() {
            sdp.faults.push("SDP without a readable c= for the audio".into());
        }
        sdp.name_payloads(&maps);
        Ok(sdp)
    }

    /// Where its writer wants RTP; `None` when refused or held by 0.0.0.0.
    pub(crate) fn target(&self) -> Option<SocketAddr> {
        let address = self.address.filter(|address| !address.is_unspecified())?;
        (self.port != 0).then(|| SocketAddr::new(address, self.port))
    }

    /// The G.711 codecs that it names, in its order.
    pub(crate) fn codecs(&self) -> impl Iterator<Item = Codec> + '_ {
        self.payloads.iter().filter_map(|(_, name)| match name.as_str() {
            "PCMA/8000" => Some(Codec::Pcma),
            "PCMU/8000" => Some(Codec::Pcmu),
            _ => None,
        })
    }

    /// The payload type of its telephone-event at 8 kHz.
    pub(crate) fn dtmf(&self) -> Option<u8> {
        self.payloads.iter().find(|(_, name)| name == "TELEPHONE-EVENT/8000").map(|(pt, _)| *pt)
    }

    /// Whether its writer holds the call.
    pub(crate) fn holds(&self) -> bool {
        matches!(self.direction, Direction::SendOnly | Direction::Inactive)
            || self.address.is_some_and(|address| address.is_unspecified())
    }

    fn read_origin(&mut self, value: &str) {
        let words: Vec<&str> = value.split(' ').collect();
        match words.as_slice() {
            [_, session, version, "IN", "IP4" | "IP6", _] => {
                let numbers = session.parse().ok().zip(version.parse().ok());
                match numbers {
                    Some((session, version)) => (self.session, self.version) = (session, version),
                    None => self.faults.push(format!("SDP o={value:?}: id and version are numbers")),
                }
            }
            _ => self.faults.push(format!("SDP o={value:?}: six words are due")),
        }
    }

    fn read_address(&mut self, value: &str) {
        let word = value.split(' ').nth(2).unwrap_or_default();
        self.address = word.split('/').next().unwrap_or_default().parse().ok();
    }

    fn read_media(&mut self, value: &str, audio: bool, position: usize) {
        let words: Vec<&str> = value.split(' ').collect();
        let &[kind, port, protocol, ref formats @ ..] = words.as_slice() else {
            self.faults.push(format!("SDP m={value:?} is too short"));
            return;
        };
        if !audio {
            self.others.push((position, format!("{kind} 0 {protocol} {}", formats.join(" "))));
            return;
        }
        if protocol != "RTP/AVP" {
            self.faults.push(format!("SDP audio over {protocol:?}, not RTP/AVP"));
        }
        match port.split('/').next().unwrap_or_default().parse() {
            Ok(port) => self.port = port,
            Err(_) => self.faults.push(format!("SDP port {port:?}")),
        }
        for format in formats {
            match format.parse::<u8>() {
                Ok(pt) if pt < 128 => self.payloads.push((pt, String::new())),
                _ => self.faults.push(format!("SDP payload type {format:?}")),
            }
        }
    }

    fn read_attribute(&mut self, value: &str, maps: &mut Vec<(u8, String)>) {
        match value {
            "sendrecv" => self.direction = Direction::SendRecv,
            "sendonly" => self.direction = Direction::SendOnly,
            "recvonly" => self.direction = Direction::RecvOnly,
            "inactive" => self.direction = Direction::Inactive,
            _ => {
                if let Some((pt, name)) = value.strip_prefix("rtpmap:").and_then(|rest| rest.split_once(' '))
                    && let Ok(pt) = pt.parse()
                {
                    let name = name.trim().to_ascii_uppercase();
                    maps.push((pt, name.strip_suffix("/1").map_or(name.clone(), String::from)));
                }
            }
        }
    }

    fn name_payloads(&mut self, maps: &[(u8, String)]) {
        for (pt, name) in &mut self.payloads {
            *name = match (maps.iter().find(|(mapped, _)| mapped == pt), *pt) {
                (Some((_, name)), _) => name.clone(),
                // RFC 3551 table 4: these need no rtpmap.
                (None, 8) => "PCMA/8000".into(),
                (None, 0) => "PCMU/8000".into(),
                (None, 1..96) => format!("STATIC {pt}"),
                (None, _) => {
                    self.faults.push(format!("SDP payload type {pt} has no rtpmap"));
                    String::new()
                }
            };
        }
    }
}

/// What a phone writes.
#[derive(Clone, Debug)]
pub(crate) struct Writing<'a> {
    pub(crate) session: u64,
    pub(crate) version: u64,
    pub(crate) local: SocketAddr,
    pub(crate) codecs: &'a [Codec],
    pub(crate) dtmf: Option<u8>,
    pub(crate) direction: Direction,
    /// Hold in the old way: c=0.0.0.0 (RFC 2543).
    pub(crate) zero: bool,
    /// The other m-lines of the offer that this answers, all refused.
    pub(crate) others: &'a [(usize, String)],
}

impl Writing<'_> {
    pub(crate) fn text(&self) -> String {
        let family = if self.local.is_ipv4() { "IP4" } else { "IP6" };
        let media = if self.zero { "0.0.0.0".to_string() } else { self.local.ip().to_string() };
        let mut text = format!(
            "v=0\r\no=phone {} {} IN {family} {}\r\ns=-\r\nc=IN {family} {media}\r\nt=0 0\r\n",
            self.session,
            self.version,
            self.local.ip()
        );
        let mut sections: Vec<String> = self.others.iter().map(|(_, line)| format!("m={line}\r\n")).collect();
        // The audio stands where it stood in the offer.
        let before = self.others.iter().enumerate().take_while(|(n, (position, _))| n == position).count();
        sections.insert(before, self.audio());
        for section in sections {
            text.push_str(&section);
        }
        text
    }

    fn audio(&self) -> String {
        let mut text = format!("m=audio {} RTP/AVP", self.local.port());
        let types = self.codecs.iter().map(|codec| codec.payload_type()).chain(self.dtmf);
        let _ = types.into_iter().try_for_each(|pt| write!(text, " {pt}"));
        text.push_str("\r\n");
        for codec in self.codecs {
            let _ = write!(text, "a=rtpmap:{} {}/8000\r\n", codec.payload_type(), codec.name());
        }
        if let Some(pt) = self.dtmf {
            let _ = write!(text, "a=rtpmap:{pt} telephone-event/8000\r\na=fmtp:{pt} 0-15\r\n");
        }
        let direction = match self.direction {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        };
        let _ = write!(text, "a=ptime:20\r\na={direction}\r\n");
        text
    }
}

/// What is wrong with `answer` as an answer to `offer` (RFC 3264 §6).
pub(crate) fn judge_answer(offer: &Sdp, answer: &Sdp) -> Vec<String> {
    let mut faults = answer.faults.clone();
    if offer.others.len() != answer.others.len() {
        faults.push("the SDP answer has another number of m-lines than the offer".into());
    }
    if answer.port == 0 {
        return faults;
    }
    for payload in &answer.payloads {
        if !offer.payloads.contains(payload) {
            faults.push(format!("the SDP answer names {payload:?}, which was not offered"));
        }
    }
    if answer.codecs().next().is_none() {
        faults.push("the SDP answer has no codec of the offer".into());
    }
    let fits = match offer.direction {
        Direction::SendRecv => true,
        Direction::SendOnly => matches!(answer.direction, Direction::RecvOnly | Direction::Inactive),
        Direction::RecvOnly => matches!(answer.direction, Direction::SendOnly | Direction::Inactive),
        Direction::Inactive => answer.direction == Direction::Inactive,
    };
    if !fits {
        faults.push(format!("{:?} was answered by {:?}", offer.direction, answer.direction));
    }
    faults
}

/// What is wrong with `new` after `old` from the same writer in one session, where `refused` is the
/// highest version among offers that were refused unread (RFC 3264 §8).
pub(crate) fn judge_successor(old: &Sdp, new: &Sdp, refused: u64) -> Option<String> {
    let said = |sdp: &Sdp| (sdp.address, sdp.port, sdp.payloads.clone(), sdp.direction);
    let step = new.version.checked_sub(old.version);
    match (old.session == new.session, step, said(old) == said(new)) {
        (false, ..) => Some("the SDP's session id changed within a dialog".into()),
        (_, Some(0), false) => Some("the SDP changed and its version did not".into()),
        // An unchanged SDP may keep its version or not; a changed one steps by one.
        (_, Some(step), _) if step <= 1 + refused.saturating_sub(old.version) => None,
        (_, step, _) => Some(format!("the SDP's version stepped by {step:?}, not by one")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writing<'a>(codecs: &'a [Codec], others: &'a [(usize, String)]) -> Writing<'a> {
        Writing {
            session: 5,
            version: 1,
            local: "127.0.0.1:4000".parse().unwrap(),
            codecs,
            dtmf: Some(101),
            direction: Direction::SendRecv,
            zero: false,
            others,
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let sdp = Sdp::read(&writing(&[Codec::Pcmu, Codec::Pcma], &[]).text()).unwrap();
        assert_eq!(sdp.faults, Vec::<String>::new());
        assert_eq!(sdp.codecs().collect::<Vec<_>>(), [Codec::Pcmu, Codec::Pcma]);
        assert_eq!((sdp.dtmf(), sdp.target()), (Some(101), "127.0.0.1:4000".parse().ok()));
    }

    #[test]
    fn other_media_are_refused_in_their_place() {
        let offer = "v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=-\r\nc=IN IP4 1.2.3.4\r\nt=0 0\r\nm=video 9 RTP/AVP 96\r\n\
            m=audio 7 RTP/AVP 8\r\nm=image 9 udptl t38\r\n";
        let offer = Sdp::read(offer).unwrap();
        let answer = writing(&[Codec::Pcma], &offer.others).text();
        let lines: Vec<&str> = answer.lines().filter(|line| line.starts_with("m=")).collect();
        assert_eq!(lines, ["m=video 0 RTP/AVP 96", "m=audio 4000 RTP/AVP 8 101", "m=image 0 udptl t38"]);
    }

    #[test]
    fn bad_answers_and_successors_are_told() {
        let offer = Sdp::read(&writing(&[Codec::Pcma], &[]).text()).unwrap();
        let answer = Sdp::read(&writing(&[Codec::Pcmu], &[]).text()).unwrap();
        assert_eq!(judge_answer(&offer, &answer).len(), 1);
        assert_eq!(judge_answer(&offer, &offer).len(), 0);
        assert!(judge_successor(&offer, &answer, 0).is_some());
        assert!(judge_successor(&offer, &offer, 0).is_none());
    }
}
