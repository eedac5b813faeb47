//! The HTTP request that begins a WebSocket (RFC 6455 section 4.2), for the sub-protocol `sip` and pages of
//! known origins only.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use sha1::{Digest as _, Sha1};

/// The origins whose pages may open a WebSocket. A program that is no browser sends no Origin and proves
/// itself as every phone does, by its password.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// Pages of the host that the WebSocket itself is on.
    #[default]
    SameHost,
    /// Pages of these origins, as `https://desk.example.com`.
    Listed(Vec<String>),
    /// Any page.
    Any,
}

impl Origins {
    fn allow(&self, origin: &str, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(list) => list.iter().any(|listed| listed.eq_ignore_ascii_case(origin)),
            Self::SameHost => {
                let authority = origin.split_once("://").map_or("", |(_, authority)| authority);
                !name(authority).is_empty() && name(authority).eq_ignore_ascii_case(name(host))
            }
        }
    }
}

/// A host without its port.
fn name(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => authority,
    }
}

/// Reads the request: its length and our answer, or the refusal to be written before the connection is
/// closed. `None` while it is not whole.
pub(super) fn read(bytes: &[u8], origins: &Origins) -> Option<Result<(usize, Bytes), Bytes>> {
    let window = bytes.get(..bytes.len().min(LONGEST_HEAD))?;
    let Some(end) = memchr::memmem::find(window, b"\r\n\r\n") else {
        // Nothing of HTTP looks like this, or it never ends.
        let is_http = bytes.len() < LONGEST_HEAD
            && bytes.iter().take(4).zip(b"GET ").all(|(got, wanted)| got == wanted);
        return (!is_http).then(|| Err(refuse("400 Bad Request", "")));
    };
    let head = window.get(..end).unwrap_or_default();
    Some(
        judge(head, origins).map(|key| (end + 4, accept(key))).map_err(|(status, more)| refuse(status, more)),
    )
}

/// The key, when everything is as it must be; else the status and headers of the refusal.
fn judge<'h>(head: &'h [u8], origins: &Origins) -> Result<&'h str, (&'static str, &'static str)> {
    const BAD: (&str, &str) = ("400 Bad Request", "");
    let head = std::str::from_utf8(head).map_err(|_| BAD)?;
    let mut lines = head.split("\r\n");
    let mut request = lines.next().unwrap_or_default().split(' ');
    let parts = (request.next(), request.next(), request.next(), request.next());
    let (Some("GET"), Some(target), Some("HTTP/1.1"), None) = parts else { return Err(BAD) };
    if target.is_empty() || lines.clone().count() > MOST_HEADERS {
        return Err(BAD);
    }
    let fields: Vec<(&str, &str)> =
        lines.map(|line| line.split_once(':').ok_or(BAD)).collect::<Result<_, _>>()?;
    let values = |name: &'static str| {
        let mine = move |(key, _): &&(&str, &str)| key.eq_ignore_ascii_case(name);
        fields.iter().filter(mine).map(|(_, value)| value.trim())
    };
    let lists = |name, wanted: &str| {
        values(name).flat_map(|value| value.split(',')).any(|word| word.trim().eq_ignore_ascii_case(wanted))
    };
    let mut hosts = values("host");
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return Err(BAD) };
    if !lists("upgrade", "websocket") || !lists("connection", "upgrade") {
        return Err(("426 Upgrade Required", "Upgrade: websocket\r\n"));
    }
    if values("sec-websocket-version").ne(["13"]) {
        return Err(("426 Upgrade Required", "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"));
    }
    if values("origin").any(|origin| !origins.allow(origin, host)) {
        return Err(("403 Forbidden", ""));
    }
    // Sub-protocol names are compared as they are (RFC 7118 section 4.1: "sip").
    if !values("sec-websocket-protocol").flat_map(|value| value.split(',')).any(|word| word.trim() == "sip") {
        return Err(BAD);
    }
    let mut keys = values("sec-websocket-key");
    let (Some(key), None) = (keys.next(), keys.next()) else { return Err(BAD) };
    let is_key = STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16);
    if is_key { Ok(key) } else { Err(BAD) }
}

fn accept(key: &str) -> Bytes {
    let digest = Sha1::new().chain_update(key).chain_update(SALT).finalize();
    let accept = STANDARD.encode(digest);
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
    )
    .into()
}

fn refuse(status: &str, headers: &str) -> Bytes {
    format!("HTTP/1.1 {status}\r\n{headers}Connection: close\r\nContent-Length: 0\r\n\r\n").into()
}

/// RFC 6455 section 1.3.
const SALT: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// A browser's request is a kilobyte; its cookies may be some more.
const LONGEST_HEAD: usize = 8_192;
const MOST_HEADERS: usize = 64;
