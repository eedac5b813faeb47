//! The session description in a message: its own body, or one part of several (RFC 5621). Not its meaning.

use crate::lex;
use crate::message::Message;
use crate::message::name::Header;

/// What a body holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// None.
    Empty,
    /// A session description.
    Sdp(String),
    /// Something that we do not read: 415.
    Unknown,
}

impl Body {
    /// Reads the body of `message`.
    pub(crate) fn of(message: &Message) -> Self {
        if message.body().is_empty() {
            return Self::Empty;
        }
        if message
            .header(Header::ContentEncoding)
            .is_some_and(|value| !value.text().eq_ignore_ascii_case("identity"))
        {
            return Self::Unknown;
        }
        match message.content_type().as_deref() {
            // A body without a type: what else would it be.
            None | Some("application/sdp") => Self::Sdp(text(message.body())),
            Some(kind) if kind.starts_with("multipart/") => part(message).map_or(Self::Unknown, Self::Sdp),
            Some(_) => Self::Unknown,
        }
    }

    /// The description, if there is one.
    pub(crate) fn sdp(self) -> Option<String> {
        match self {
            Self::Sdp(sdp) => Some(sdp),
            Self::Empty | Self::Unknown => None,
        }
    }
}

/// The SDP of a multipart body: carriers send ISUP beside it.
fn part(message: &Message) -> Option<String> {
    let value = message.header(Header::ContentType)?.text().into_owned();
    let start = value.find(';')?;
    let params = crate::header::params::Params::parse(value.get(start..)?)?;
    let delimiter = format!("--{}", params.value("boundary")?);
    let body = text(message.body());
    body.split(delimiter.as_str()).skip(1).find_map(|piece| {
        let piece = piece.strip_prefix("\r\n").or_else(|| piece.strip_prefix('\n'))?;
        let (head, content) = piece.split_once("\r\n\r\n").or_else(|| piece.split_once("\n\n"))?;
        head.lines().any(is_sdp_type).then(|| format!("{}\r\n", lex::trim(content)))
    })
}

fn is_sdp_type(line: &str) -> bool {
    line.split_once(':').is_some_and(|(name, value)| {
        let kind = value.split(';').next().unwrap_or("");
        lex::trim(name).eq_ignore_ascii_case("Content-Type")
            && lex::trim(kind).eq_ignore_ascii_case("application/sdp")
    })
}

/// A name in GBK in a session line must not cost the call: other bytes than UTF-8 are replaced.
fn text(body: &[u8]) -> String {
    String::from_utf8_lossy(body).into_owned()
}
