//! One connection's life: handshakes, messages both ways, keep-alives, and every reason to end it.
//!
//! Whatever a peer begins it must finish in time: the handshake of TLS, the upgrade of a WebSocket, its first
//! message, and each message whose first bytes have come. A byte a second holds nobody's place (B9).

use std::time::Duration;

use base::Mono;
use bytes::Bytes;
use sip::Carriage;
use sip::framer::{Frame, Framer, PING, PONG, Unframeable};
use sip::seam::{Flow, Transport};
use sip::websocket::{self, Origins, Told, WebSocket};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, WriteHalf};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::stream::Streams;

/// How a connection is cut into messages.
enum Framing {
    Plain(Framer),
    Web(Box<WebSocket>),
}

/// What the bytes of a connection mean.
enum Heard {
    Message(Bytes, Carriage),
    /// The peer answered our ping, or keeps its own NAT open.
    Alive,
    /// To be written at once.
    Answer(Bytes),
    /// A WebSocket is open: its first message is now due.
    Opened(Bytes),
    /// To be written, then it is over.
    Last(Bytes),
}

impl Framing {
    fn of(flow: &Flow, origins: &Origins) -> Self {
        match flow.transport {
            Transport::Ws | Transport::Wss => Self::Web(Box::new(WebSocket::new(origins.clone()))),
            Transport::Udp | Transport::Tcp | Transport::Tls => Self::Plain(Framer::new()),
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        match self {
            Self::Plain(framer) => framer.push(bytes),
            Self::Web(socket) => socket.push(bytes),
        }
    }

    fn next_heard(&mut self, now: Mono, flow: &Flow) -> Option<Heard> {
        match self {
            Self::Plain(framer) => {
                Some(match framer.next_frame().or_else(|| framer.flush_pong().map(Ok))? {
                    Ok(Frame::Message(bytes)) => Heard::Message(bytes, Carriage::Stream),
                    // RFC 5626 §4.4.1: a double CRLF is answered with a single one.
                    Ok(Frame::Ping) => Heard::Answer(Bytes::from_static(PONG)),
                    Ok(Frame::Pong) => Heard::Alive,
                    Err(unframeable) => Heard::Last(last_words(unframeable, flow)),
                })
            }
            Self::Web(socket) => Some(match socket.next_told(now)? {
                // RFC 7118 section 5.3: the frame is the message, whatever Content-Length says or does not.
                Told::Message(bytes) => Heard::Message(bytes, Carriage::Datagram),
                Told::Opened(answer) => Heard::Opened(answer),
                Told::Write(answer) => Heard::Answer(answer),
                Told::Alive => Heard::Alive,
                Told::Over(last) => Heard::Last(last),
            }),
        }
    }

    fn pending(&self) -> usize {
        match self {
            Self::Plain(framer) => framer.pending(),
            Self::Web(socket) => socket.pending(),
        }
    }

    fn write(&self, message: Bytes) -> Bytes {
        match self {
            Self::Plain(_) => message,
            Self::Web(_) => websocket::write(&message),
        }
    }

    fn ping(&self) -> Bytes {
        match self {
            Self::Plain(_) => Bytes::from_static(PING),
            Self::Web(_) => websocket::ping(),
        }
    }

    /// Whether every peer must answer a ping of ours (RFC 6455 section 5.5.2); over plain streams only those
    /// that have shown that they do.
    const fn pings_are_answered(&self) -> bool {
        matches!(self, Self::Web(_))
    }
}

/// Where the next message begins nobody can tell any more: say so, then close.
fn last_words(unframeable: Unframeable, flow: &Flow) -> Bytes {
    let reply = unframeable.refusal().and_then(|bad| bad.reply(flow.remote, LAST_TAG));
    reply.map_or_else(Bytes::new, |reply| reply.as_bytes().clone())
}

/// When a silent or slow peer is given up.
struct Patience {
    /// Whether a whole message ever came.
    has_spoken: bool,
    /// A message or handshake that has begun must be whole by then.
    due: Option<Instant>,
    heard: Instant,
    said: Instant,
    /// Pings of ours since the peer was heard.
    pings: u32,
    answers_pings: bool,
}

impl Patience {
    fn new(is_ours: bool, answers_pings: bool) -> Self {
        let now = Instant::now();
        // Toward a trunk that we called the first message is its answer: timer F decides on that.
        let first = if is_ours { ANSWER_WITHIN } else { MESSAGE_WITHIN };
        Self { has_spoken: false, due: Some(now + first), heard: now, said: now, pings: 0, answers_pings }
    }

    /// When to look again: the first of what is due.
    fn wakes(&self) -> Instant {
        let idle = self.heard + IDLE;
        let first = self.due.map_or(idle, |due| due.min(idle));
        if self.has_spoken { first.min(self.ping_at()) } else { first }
    }

    fn ping_at(&self) -> Instant {
        self.heard.max(self.said) + PING_EVERY
    }

    /// Bytes came; `pending` of them are no whole message yet, and `spoke` says whether one came.
    fn heard(&mut self, pending: usize, spoke: bool) {
        self.heard = Instant::now();
        self.pings = 0;
        self.has_spoken |= spoke;
        if !self.has_spoken {
            return;
        }
        if pending == 0 {
            self.due = None;
        } else if spoke || self.due.is_none() {
            self.due = Some(self.heard + MESSAGE_WITHIN);
        }
    }
}

/// The driver's half of one connection.
pub(super) struct Connection {
    pub(super) streams: Streams,
    pub(super) flow: Flow,
    pub(super) letters: mpsc::Receiver<Bytes>,
    /// Whether we opened it.
    pub(super) is_ours: bool,
}

impl Connection {
    /// Lives until somebody ends it.
    pub(super) async fn talk<S>(mut self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let mut framing = Framing::of(&self.flow, self.streams.origins());
        let mut patience = Patience::new(self.is_ours, framing.pings_are_answered());
        let mut buffer = vec![0; READ_BUFFER];
        loop {
            tokio::select! {
                letter = self.letters.recv() => {
                    let Some(letter) = letter else { break };
                    if !write(&mut writer, &framing.write(letter)).await {
                        break;
                    }
                    patience.said = Instant::now();
                }
                read = reader.read(&mut buffer) => {
                    let Ok(length @ 1..) = read else { break };
                    framing.push(&buffer[..length]);
                    if !self.hear(&mut framing, &mut patience, &mut writer).await {
                        break;
                    }
                }
                () = tokio::time::sleep_until(patience.wakes()) => {
                    if !self.wait_on(&framing, &mut patience, &mut writer).await {
                        break;
                    }
                }
            }
        }
        if framing.pings_are_answered() {
            write(&mut writer, &websocket::going_away()).await;
        }
        let _ = tokio::time::timeout(LAST_WORDS, writer.shutdown()).await;
    }

    /// Passes on what came; whether the connection goes on.
    async fn hear<S: AsyncWrite>(
        &self,
        framing: &mut Framing,
        patience: &mut Patience,
        writer: &mut WriteHalf<S>,
    ) -> bool {
        let mut spoke = false;
        while let Some(heard) = framing.next_heard(self.streams.now(), &self.flow) {
            match heard {
                Heard::Message(bytes, carriage) => {
                    spoke = true;
                    let refusal = self.streams.received(self.flow, bytes, carriage).await;
                    if let Some(refusal) = refusal
                        && !write(writer, &framing.write(refusal)).await
                    {
                        return false;
                    }
                }
                Heard::Alive => patience.answers_pings |= patience.pings > 0,
                Heard::Answer(answer) => {
                    if !write(writer, &answer).await {
                        return false;
                    }
                }
                Heard::Opened(answer) => {
                    patience.due = Some(Instant::now() + MESSAGE_WITHIN);
                    if !write(writer, &answer).await {
                        return false;
                    }
                }
                Heard::Last(words) => {
                    write(writer, &words).await;
                    return false;
                }
            }
        }
        patience.heard(framing.pending(), spoke);
        true
    }

    /// Something is due: a message that is not whole, the longest silence, or a ping.
    async fn wait_on<S: AsyncWrite>(
        &self,
        framing: &Framing,
        patience: &mut Patience,
        writer: &mut WriteHalf<S>,
    ) -> bool {
        let now = Instant::now();
        let overdue = patience.due.is_some_and(|due| due <= now) || patience.heard + IDLE <= now;
        let is_dead = patience.answers_pings && patience.pings >= MISSES_UNTIL_DEAD;
        if overdue || is_dead {
            tracing::debug!(remote = %self.flow.remote, overdue, is_dead, "connection given up");
            return false;
        }
        if patience.has_spoken && patience.ping_at() <= now {
            patience.pings += 1;
            patience.said = now;
            return write(writer, &framing.ping()).await;
        }
        true
    }
}

/// Writes within the time that a living peer needs.
async fn write<S: AsyncWrite>(writer: &mut WriteHalf<S>, bytes: &[u8]) -> bool {
    let written = async {
        writer.write_all(bytes).await?;
        // TLS keeps back what does not fill a record.
        writer.flush().await
    };
    matches!(tokio::time::timeout(WRITE_WITHIN, written).await, Ok(Ok(())))
}

/// The To tag of a refusal that no dialog follows.
const LAST_TAG: &str = "unframeable";

/// The first message, an upgrade, and each message from its first byte to its last.
const MESSAGE_WITHIN: Duration = Duration::from_secs(10);

/// RFC 3261 timer F, and a little: no answer comes later.
const ANSWER_WITHIN: Duration = Duration::from_secs(35);

/// A connection that has spoken may be silent for as long as the longest registration, and a little.
const IDLE: Duration = Duration::from_secs(3_900);

/// NATs and middleboxes forget streams, some after a minute.
const PING_EVERY: Duration = Duration::from_secs(30);

/// A peer that answers pings and leaves two in a row unanswered is gone, FIN or not (reliability 5.19).
const MISSES_UNTIL_DEAD: u32 = 2;

/// A peer that does not read for this long is dead.
const WRITE_WITHIN: Duration = Duration::from_secs(10);

/// For the end of TLS.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Read at once.
const READ_BUFFER: usize = 16_384;
