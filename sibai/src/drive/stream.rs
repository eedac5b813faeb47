//! SIP over streams: accepted and opened connections, one task each, bounded in number, time and queue.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use sip::framer::{Frame, Framer};
use sip::seam::{Flow, Input as SipInput, Transport};
use sip::{Carriage, Message};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::control;
use super::inbox::Admitted;
use crate::node;

/// All stream connections; cheap to clone.
#[derive(Clone, Debug)]
pub struct Streams {
    table: Arc<Mutex<Table>>,
    numbers: Arc<AtomicU64>,
    control: control::Sender,
    runtime: Handle,
}

#[derive(Debug, Default)]
struct Table {
    streams: HashMap<u64, Stream>,
    /// The newest connection to a peer, for reuse (RFC 3261 §18.1.1).
    newest: HashMap<SocketAddr, u64>,
    sources: HashMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Stream {
    remote: SocketAddr,
    letters: mpsc::Sender<Bytes>,
}

/// Accepts connections on a bound listener until the runtime ends.
pub fn listen(
    number: u16,
    socket: std::net::TcpListener,
    streams: &Streams,
    runtime: &Handle,
) -> io::Result<()> {
    let _guard = runtime.enter();
    let listener = TcpListener::from_std(socket)?;
    let streams = streams.clone();
    runtime.spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, remote)) => streams.accept(number, stream, remote),
                // Out of descriptors, as a rule: give the others time to close.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    });
    Ok(())
}

impl Streams {
    /// None yet.
    pub fn new(control: control::Sender, runtime: Handle) -> Self {
        Self { table: Arc::default(), numbers: Arc::new(AtomicU64::new(1)), control, runtime }
    }

    /// Queues a message on its connection, on the one to that peer, or on a new one.
    pub fn send(&self, flow: Flow, bytes: Bytes) {
        let letters = {
            let table = self.table();
            let number = flow.connection.or_else(|| table.newest.get(&flow.remote).copied());
            number.and_then(|number| table.streams.get(&number)).map(|stream| stream.letters.clone())
        };
        match letters {
            // A connection that takes nothing for this long a queue is dead; so is one that is gone.
            Some(letters) => {
                if letters.try_send(bytes).is_err() {
                    self.unreachable(flow);
                }
            }
            None if flow.connection.is_some() => self.unreachable(flow),
            None => self.open(flow, bytes),
        }
    }

    fn unreachable(&self, flow: Flow) {
        let input = control::Input::Node(node::Input::Sip(SipInput::Unreachable { flow }));
        // Called from the control thread: waiting for room in its own queue would be for ever.
        if let Err(error) = self.control.try_send(input) {
            let control = self.control.clone();
            let (std::sync::mpsc::TrySendError::Full(input)
            | std::sync::mpsc::TrySendError::Disconnected(input)) = error;
            self.runtime.spawn_blocking(move || control.send(input));
        }
    }

    fn accept(&self, listener: u16, stream: TcpStream, remote: SocketAddr) {
        let Ok(local) = stream.local_addr() else { return };
        let Some((number, letters)) = self.enter(remote) else { return };
        let flow = Flow { transport: Transport::Tcp, local, remote, connection: Some(number), listener };
        self.runtime.spawn(self.clone().talk(stream, flow, letters));
    }

    fn open(&self, flow: Flow, bytes: Bytes) {
        let Some((number, letters)) = self.enter(flow.remote) else { return self.unreachable(flow) };
        let streams = self.clone();
        if let Some(stream) = self.table().streams.get(&number) {
            let _ = stream.letters.try_send(bytes);
        }
        self.runtime.spawn(async move {
            let connected = tokio::time::timeout(CONNECT_WITHIN, TcpStream::connect(flow.remote)).await;
            if let Ok(Ok(stream)) = connected {
                let local = stream.local_addr().unwrap_or(flow.local);
                let flow = Flow { local, connection: Some(number), ..flow };
                streams.talk(stream, flow, letters).await;
            } else {
                streams.leave(number);
                streams.unreachable(flow);
            }
        });
    }

    /// Enters a connection into the table, unless there are too many.
    fn enter(&self, remote: SocketAddr) -> Option<(u64, mpsc::Receiver<Bytes>)> {
        let mut table = self.table();
        let from_there = table.sources.get(&remote.ip()).copied().unwrap_or(0);
        if table.streams.len() >= MOST_STREAMS || from_there >= MOST_PER_SOURCE {
            return None;
        }
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let (letters, queue) = mpsc::channel(MOST_LETTERS);
        table.streams.insert(number, Stream { remote, letters });
        table.newest.insert(remote, number);
        *table.sources.entry(remote.ip()).or_default() += 1;
        Some((number, queue))
    }

    fn leave(&self, number: u64) {
        let mut table = self.table();
        let Some(stream) = table.streams.remove(&number) else { return };
        if table.newest.get(&stream.remote) == Some(&number) {
            table.newest.remove(&stream.remote);
        }
        if let Some(count) = table.sources.get_mut(&stream.remote.ip()) {
            *count -= 1;
            if *count == 0 {
                table.sources.remove(&stream.remote.ip());
            }
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection's life.
    async fn talk(self, stream: TcpStream, flow: Flow, mut letters: mpsc::Receiver<Bytes>) {
        let _ = stream.set_nodelay(true);
        let (mut reader, mut writer) = stream.into_split();
        let mut framer = Framer::new();
        let mut buffer = vec![0; READ_BUFFER];
        let mut patience = FIRST_MESSAGE_WITHIN;
        loop {
            tokio::select! {
                letter = letters.recv() => {
                    let Some(letter) = letter else { break };
                    let written = tokio::time::timeout(WRITE_WITHIN, writer.write_all(&letter)).await;
                    if !matches!(written, Ok(Ok(()))) {
                        break;
                    }
                }
                read = tokio::time::timeout(patience, reader.read(&mut buffer)) => {
                    let Ok(Ok(length @ 1..)) = read else { break };
                    framer.push(&buffer[..length]);
                    let (answers, goes_on) = self.read_frames(&mut framer, flow).await;
                    patience = IDLE;
                    let written = answers.is_empty() || writer.write_all(&answers).await.is_ok();
                    if !written || !goes_on {
                        break;
                    }
                }
            }
        }
        if let Some(connection) = flow.connection {
            self.leave(connection);
            self.tell(SipInput::Closed { connection }).await;
        }
    }

    /// Passes whole messages on; gives back what is to be written at once (pongs, a last refusal), and
    /// whether the connection goes on.
    async fn read_frames(&self, framer: &mut Framer, flow: Flow) -> (Vec<u8>, bool) {
        let mut answers = Vec::new();
        loop {
            match framer.next_frame() {
                Some(Ok(Frame::Message(bytes))) => {
                    let admitted = self.control.admit(&flow, &bytes);
                    if let Admitted::Dropped = admitted {
                        continue;
                    }
                    let message = Message::parse(bytes, Carriage::Stream);
                    match (admitted, message) {
                        (Admitted::Busy(retry_after), Ok(message)) => {
                            let refusal = self.control.refusal(&flow, &message, retry_after);
                            answers.extend_from_slice(&refusal.unwrap_or_default());
                        }
                        (_, message) => self.tell(SipInput::Received { flow, message }).await,
                    }
                }
                // RFC 5626 §4.4.1: a double CRLF is answered with a single one.
                Some(Ok(Frame::Ping)) => answers.extend_from_slice(b"\r\n"),
                Some(Ok(Frame::Pong)) => {}
                None => return (answers, true),
                Some(Err(unframeable)) => {
                    // Where the next message begins nobody can tell any more: say so, then close.
                    let reply = unframeable.refusal().and_then(|bad| bad.reply(flow.remote, LAST_TAG));
                    if let Some(reply) = reply {
                        answers.extend_from_slice(reply.as_bytes());
                    }
                    return (answers, false);
                }
            }
        }
    }

    /// Waits for room: TCP's own flow control then slows the peer down.
    async fn tell(&self, input: SipInput) {
        let mut input = control::Input::Node(node::Input::Sip(input));
        while let Err(std::sync::mpsc::TrySendError::Full(back)) = self.control.try_send(input) {
            input = back;
            tokio::time::sleep(FULL_PAUSE).await;
        }
    }
}

/// The To tag of a refusal that no dialog follows.
const LAST_TAG: &str = "unframeable";

/// Connections in all (reliability.md B9).
const MOST_STREAMS: usize = 8_192;

/// Connections from one address: an office behind NAT, not a flood.
const MOST_PER_SOURCE: usize = 1_024;

/// Messages waiting for one connection to take them.
const MOST_LETTERS: usize = 64;

/// A connection that says nothing at all is closed after this long.
const FIRST_MESSAGE_WITHIN: Duration = Duration::from_secs(10);

/// A connection that has spoken may be silent for as long as the longest registration, and a little.
const IDLE: Duration = Duration::from_secs(3_900);

/// For opening a connection to a trunk or phone.
const CONNECT_WITHIN: Duration = Duration::from_secs(4);

/// A peer that does not read for this long is dead.
const WRITE_WITHIN: Duration = Duration::from_secs(10);

/// Read at once.
const READ_BUFFER: usize = 16_384;

/// After a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// While the control thread has no room.
const FULL_PAUSE: Duration = Duration::from_millis(2);
