//! What the other side's description says, reduced to what we can use of it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use codecs::Coding;
use sdp_types::{Connection, Media, Session};

use super::web::Said;
use super::{Profile, Protection, SdpFault, Terms};
use crate::seam::{Direction, Events};

/// The other side's description.
pub(super) struct Described {
    /// One entry for each `m=` line, in order.
    pub(super) shapes: Vec<Shape>,
    /// Which of them is the audio that we use.
    pub(super) chosen: usize,
    /// That audio.
    pub(super) audio: Audio,
}

/// An `m=` line as we have to repeat it (RFC 3264 §6: same number, same order).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) media: String,
    pub(super) proto: String,
    pub(super) format: String,
    /// Its name in the session (RFC 5888): what has one keeps it.
    pub(super) mid: Option<String>,
}

/// One usable audio stream.
pub(super) struct Audio {
    /// Our codecs in it with their payload types, in its order.
    pub(super) codecs: Vec<(Coding, u8)>,
    /// Every telephone-event, in its order.
    pub(super) events: Vec<Events>,
    pub(super) ptime: u32,
    pub(super) rtp: SocketAddr,
    pub(super) rtcp: SocketAddr,
    pub(super) mux: bool,
    pub(super) profile: Profile,
    /// What its `a=crypto` say.
    pub(super) crypto: Vec<String>,
    /// What it says of DTLS, when its keys come from there.
    pub(super) web: Option<Said>,
    /// Seen from us, `c=0.0.0.0` included.
    pub(super) direction: Direction,
}

/// Reads a description; `local` decides the address family, `terms` which of several audio streams is ours.
pub(super) fn read(text: &str, local: IpAddr, terms: &Terms) -> Result<Described, SdpFault> {
    if text.len() > LONGEST {
        return Err(SdpFault::TooLong(text.len()));
    }
    // Counted before parsing, so that a hostile list of streams costs no memory.
    let streams = text.lines().filter(|line| line.starts_with("m=")).count();
    if streams > MOST_STREAMS {
        return Err(SdpFault::TooManyStreams(streams));
    }
    let session = Session::parse(text.as_bytes()).map_err(|fault| SdpFault::Unreadable(fault.to_string()))?;
    let shapes = session.medias.iter().map(shape).collect::<Result<Vec<_>, _>>()?;
    let (mut refusal, protection) = (SdpFault::NoAudio, terms.protection);
    let mut plain = None;
    for (chosen, media) in session.medias.iter().enumerate() {
        if !media.media.eq_ignore_ascii_case("audio") || media.port == 0 {
            continue;
        }
        match audio(&session, media, local) {
            Ok(audio)
                if (protection == Protection::Off && audio.profile.is_secure())
                    || (audio.web.is_some() && !terms.takes_dtls()) =>
            {
                refusal = SdpFault::Profile(media.proto.clone());
            }
            Ok(audio) if protection != Protection::Off && audio.has_keys() => {
                return Ok(Described { shapes, chosen, audio });
            }
            Ok(audio) => plain = plain.or(Some((chosen, audio))),
            Err(fault) => refusal = fault,
        }
    }
    let (chosen, audio) = plain.ok_or(refusal)?;
    Ok(Described { shapes, chosen, audio })
}

/// The codecs that an offer's audio names, in its order; none where it cannot be read.
pub fn offered_codecs(offer: &str) -> Vec<Coding> {
    if offer.len() > LONGEST {
        return Vec::new();
    }
    let Ok(session) = Session::parse(offer.as_bytes()) else { return Vec::new() };
    let is_audio = |media: &&Media| media.media.eq_ignore_ascii_case("audio") && media.port != 0;
    let audio = session.medias.iter().find(is_audio);
    audio.map(|media| codecs(media).0.into_iter().map(|(coding, _)| coding).collect()).unwrap_or_default()
}

impl Audio {
    fn has_keys(&self) -> bool {
        self.profile.is_secure() || !self.crypto.is_empty()
    }
}

fn shape(media: &Media) -> Result<Shape, SdpFault> {
    let format = media.fmt.split_ascii_whitespace().next().unwrap_or("0");
    for token in [media.media.as_str(), media.proto.as_str(), format] {
        // These go back out in our answer: nothing but a plain token may (RFC 8866 §9).
        if token.is_empty() || token.len() > LONGEST_TOKEN || !token.bytes().all(is_plain) {
            return Err(SdpFault::Unreadable("a media description that is no list of tokens".into()));
        }
    }
    let mid = values(media, "mid").map(str::trim).next();
    if mid.is_some_and(|mid| mid.is_empty() || mid.len() > LONGEST_TOKEN || !mid.bytes().all(is_plain)) {
        return Err(SdpFault::Unreadable("a media description whose name is no token".into()));
    }
    let mid = mid.map(str::to_owned);
    Ok(Shape { media: media.media.clone(), proto: media.proto.clone(), format: format.to_owned(), mid })
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/-._+*".contains(&byte)
}

fn audio(session: &Session, media: &Media, local: IpAddr) -> Result<Audio, SdpFault> {
    let profile = Profile::from_name(&media.proto).ok_or_else(|| SdpFault::Profile(media.proto.clone()))?;
    let (codecs, events) = codecs(media);
    if codecs.is_empty() {
        return Err(SdpFault::NoCommonCodec);
    }
    let crypto: Vec<_> = values(media, "crypto").take(MOST_KEYS).map(str::to_owned).collect();
    let web = Said::read(session, media, profile, !crypto.is_empty())?;
    let has_ice = web.as_ref().is_some_and(|web| web.ice.is_some());
    let connection = media.connections.first().or(session.connection.as_ref());
    let address = match connection.ok_or(SdpFault::Address).and_then(|connection| address(connection, local))
    {
        // Where the peer is will be seen by its checks; a browser that hides its address writes one of zeros.
        Err(_) if has_ice && local.is_ipv4() => Ipv4Addr::UNSPECIFIED.into(),
        Err(_) if has_ice => Ipv6Addr::UNSPECIFIED.into(),
        told => told?,
    };
    let rtp = SocketAddr::new(address, media.port);
    let mux = media.has_attribute("rtcp-mux");
    let control = if mux { rtp } else { control(media, rtp, local) };
    let direction = direction(session, media, address.is_unspecified() && !has_ice);
    let ptime = ptime(media);
    Ok(Audio { codecs, events, ptime, rtp, rtcp: control, mux, profile, crypto, web, direction })
}

fn codecs(media: &Media) -> (Vec<(Coding, u8)>, Vec<Events>) {
    let mut codings = Vec::new();
    let mut events = Vec::new();
    for token in media.fmt.split_ascii_whitespace().take(MOST_FORMATS) {
        let Some(payload_type) = token.parse().ok().filter(|&pt| usable(pt)) else { continue };
        match encoding(media, payload_type) {
            Some(Encoding::Audio(coding)) => codings.push((coding, payload_type)),
            Some(Encoding::Events(clock)) => events.push(Events { payload_type, clock }),
            Some(Encoding::Other) => {}
            // A static type needs no rtpmap (RFC 3551 §6).
            None => {
                codings.extend(Coding::from_payload_type(payload_type).map(|coding| (coding, payload_type)));
            }
        }
    }
    (codings, events)
}

enum Encoding {
    Audio(Coding),
    /// Keys, with their clock.
    Events(u32),
    Other,
}

/// What `a=rtpmap` says of a payload type; `None` when it says nothing.
fn encoding(media: &Media, payload_type: u8) -> Option<Encoding> {
    values(media, "rtpmap").find_map(|value| {
        let (number, mapping) = value.trim().split_once(' ')?;
        if number.parse::<u8>().ok()? != payload_type {
            return None;
        }
        let (name, rate) = mapping.trim().split_once('/').unwrap_or((mapping, ""));
        if name.eq_ignore_ascii_case("telephone-event") {
            let clock = rate.strip_suffix("/1").unwrap_or(rate).parse().ok();
            return Some(
                clock.filter(|clock| EVENT_CLOCKS.contains(clock)).map_or(Encoding::Other, Encoding::Events),
            );
        }
        Some(Coding::from_rtpmap(mapping).map_or(Encoding::Other, Encoding::Audio))
    })
}

fn address(connection: &Connection, local: IpAddr) -> Result<IpAddr, SdpFault> {
    let ip = connection.try_address().map_err(|_| SdpFault::Address)?.ip.to_canonical();
    let reachable = ip.is_ipv4() == local.to_canonical().is_ipv4();
    let one_host = match ip {
        IpAddr::V4(v4) => !v4.is_multicast() && !v4.is_broadcast(),
        IpAddr::V6(v6) => !v6.is_multicast(),
    };
    if reachable && one_host { Ok(ip) } else { Err(SdpFault::Address) }
}

/// `a=rtcp:PORT [IN IP4 ADDRESS]` (RFC 3605), else the next port.
fn control(media: &Media, rtp: SocketAddr, local: IpAddr) -> SocketAddr {
    let next = SocketAddr::new(rtp.ip(), rtp.port().checked_add(1).unwrap_or(0));
    let Some(value) = values(media, "rtcp").next() else { return next };
    let mut words = value.split_ascii_whitespace();
    let Some(port) = words.next().and_then(|port| port.parse().ok()) else { return next };
    let elsewhere = words.nth(2).and_then(|text| text.parse::<IpAddr>().ok());
    let ip = elsewhere
        .filter(|ip| ip.is_ipv4() == local.to_canonical().is_ipv4() && !ip.is_multicast())
        .unwrap_or(rtp.ip());
    SocketAddr::new(ip, port)
}

fn direction(session: &Session, media: &Media, nowhere: bool) -> Direction {
    let named = |name: &str| match name.to_ascii_lowercase().as_str() {
        "sendrecv" => Some((true, true)),
        "sendonly" => Some((true, false)),
        "recvonly" => Some((false, true)),
        "inactive" => Some((false, false)),
        _ => None,
    };
    let of_media = media.attributes.iter().find_map(|a| named(&a.attribute));
    let of_session = || session.attributes.iter().find_map(|a| named(&a.attribute));
    let (sends, listens) = of_media.or_else(of_session).unwrap_or((true, true));
    // An address of all zeros is the old way to say "I do not listen" (RFC 3264 §8.4).
    match (sends, listens && !nowhere) {
        (true, true) => Direction::Both,
        (true, false) => Direction::ReceiveOnly,
        (false, true) => Direction::SendOnly,
        (false, false) => Direction::Inactive,
    }
}

/// The packet time that the peer wants of us: whole tens of milliseconds that we can send.
fn ptime(media: &Media) -> u32 {
    let number = |name| {
        let value = values(media, name).next()?;
        value.trim().split('.').next()?.parse::<u32>().ok().filter(|&ms| ms > 0)
    };
    let wanted = number("ptime").unwrap_or(DEFAULT_PTIME);
    let most = number("maxptime").unwrap_or(LONGEST_PTIME);
    (wanted.min(most).clamp(SHORTEST_PTIME, LONGEST_PTIME) / 10) * 10
}

fn values<'a>(media: &'a Media, name: &'a str) -> impl Iterator<Item = &'a str> {
    media
        .attributes
        .iter()
        .filter(move |attribute| attribute.attribute.eq_ignore_ascii_case(name))
        .filter_map(|attribute| attribute.value.as_deref())
}

/// Whether RTP may carry this type: 64-95 could not be told from RTCP (RFC 5761 §4).
fn usable(payload_type: u8) -> bool {
    payload_type < 64 || (96..=127).contains(&payload_type)
}

/// The longest description that we read: a browser's with all its candidates stays under 10 KB.
const LONGEST: usize = 16 * 1024;

/// Most `m=` lines: a softphone offers audio, video, screen and messages, twice over with SRTP.
const MOST_STREAMS: usize = 16;

/// Most keys looked at in one `m=` line: one for each suite, twice over.
const MOST_KEYS: usize = 16;

/// Most formats looked at in one `m=` line: there are 128 payload types.
const MOST_FORMATS: usize = 128;

/// The longest token of an `m=` line that is repeated: "UDP/TLS/RTP/SAVPF" has 17 characters.
const LONGEST_TOKEN: usize = 64;

/// The clocks of telephone-event that go with what we speak.
const EVENT_CLOCKS: [u32; 2] = [8000, 48_000];

/// RFC 3551's default for G.711.
const DEFAULT_PTIME: u32 = 20;

/// The shortest packets that we send: the engine's grid.
const SHORTEST_PTIME: u32 = 10;

/// The longest packets that we send: more would cost delay, and the tap holds no more.
pub(super) const LONGEST_PTIME: u32 = 60;
