//! SIP over streams: the table of accepted and opened connections, bounded in number, time and queue.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base::Mono;
use bytes::Bytes;
use sip::seam::{Flow, Input as SipInput, Transport};
use sip::websocket::Origins;
use sip::{Carriage, Message};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::connection::Connection;
use super::control;
use super::inbox::Admitted;
use super::tls::Tls;
use crate::metrics::Metrics;
use crate::node;

/// All stream connections; cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Streams(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    table: Mutex<Table>,
    numbers: AtomicU64,
    control: control::Sender,
    runtime: Handle,
    tls: Arc<Tls>,
    origins: Origins,
    metrics: Arc<Metrics>,
    start: std::time::Instant,
}

#[derive(Debug, Default)]
struct Table {
    streams: HashMap<u64, Stream>,
    /// The newest connection to a peer, for reuse (RFC 3261 §18.1.1).
    newest: HashMap<Way, u64>,
    sources: HashMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Stream {
    way: Way,
    /// `None` once it took nothing for a whole queue: it is being closed.
    letters: Option<mpsc::Sender<Bytes>>,
}

/// What a new message may share a connection by: over TLS also the certificates that were agreed on.
type Way = (Transport, SocketAddr, u16);

fn way(flow: &Flow) -> Way {
    let number = if flow.transport == Transport::Tls { flow.listener } else { 0 };
    (flow.transport, flow.remote, number)
}

/// Accepts connections on a bound listener until the runtime ends.
pub(super) fn listen(
    number: u16,
    transport: Transport,
    socket: std::net::TcpListener,
    streams: &Streams,
) -> io::Result<()> {
    let _guard = streams.0.runtime.enter();
    let listener = TcpListener::from_std(socket)?;
    let streams = streams.clone();
    streams.0.runtime.clone().spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, remote)) => streams.accept(number, transport, stream, remote),
                // Out of descriptors, as a rule: give the others time to close.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    });
    Ok(())
}

impl Streams {
    /// None yet.
    pub(super) fn new(
        control: control::Sender,
        runtime: Handle,
        tls: Arc<Tls>,
        origins: Origins,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self(Arc::new(Inner {
            table: Mutex::default(),
            numbers: AtomicU64::new(1),
            control,
            runtime,
            tls,
            origins,
            metrics,
            start: std::time::Instant::now(),
        }))
    }

    /// Queues a message on its connection, on the one to that peer, or on a new one.
    pub(super) fn send(&self, flow: Flow, bytes: Bytes) {
        let found = {
            let mut table = self.table();
            let number = flow.connection.or_else(|| table.newest.get(&way(&flow)).copied());
            number.and_then(|number| table.streams.get_mut(&number)).map(|stream| {
                let taken =
                    stream.letters.as_ref().is_some_and(|letters| letters.try_send(bytes.clone()).is_ok());
                if !taken {
                    // Without its sender the connection ends: one that takes nothing for a whole queue is dead.
                    stream.letters = None;
                }
                taken
            })
        };
        match found {
            Some(true) => {}
            None if flow.connection.is_none() => self.open(flow, bytes),
            Some(false) | None => self.unreachable(flow),
        }
    }

    fn unreachable(&self, flow: Flow) {
        let input = control::Input::Node(node::Input::Sip(SipInput::Unreachable { flow }));
        // Called from the control thread: waiting for room in its own queue would be for ever.
        if let Err(error) = self.0.control.try_send(input) {
            let control = self.0.control.clone();
            let (std::sync::mpsc::TrySendError::Full(input)
            | std::sync::mpsc::TrySendError::Disconnected(input)) = error;
            self.0.runtime.spawn_blocking(move || control.send(input));
        }
    }

    fn accept(&self, listener: u16, transport: Transport, stream: TcpStream, remote: SocketAddr) {
        let Ok(local) = stream.local_addr() else { return };
        let flow = Flow { transport, local, remote, connection: None, listener };
        // Before the handshake: whoever is over the bound costs no cryptography.
        let Some((number, letters)) = self.enter(&flow) else { return };
        let flow = Flow { connection: Some(number), ..flow };
        let connection = Connection { streams: self.clone(), flow, letters, is_ours: false };
        let streams = self.clone();
        self.0.runtime.spawn(async move {
            streams.receive(stream, connection).await;
            streams.end(number).await;
        });
    }

    async fn receive(&self, stream: TcpStream, connection: Connection) {
        prepare(&stream);
        if !connection.flow.transport.is_secure() {
            return connection.talk(stream).await;
        }
        let Some(acceptor) = self.0.tls.acceptor(connection.flow.transport) else { return };
        match tokio::time::timeout(HANDSHAKE_WITHIN, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => {
                let names = self.0.tls.proved(stream.get_ref().1.peer_certificates());
                let Flow { transport, remote, connection: Some(number), .. } = connection.flow else {
                    return;
                };
                if names.is_empty() {
                    return connection.talk(stream).await;
                }
                // A trunk, and so admitted as one, whatever else its address has done.
                self.0.control.teach(|admission| admission.know(transport, remote, true));
                self.tell(SipInput::Proved { connection: number, names }).await;
                connection.talk(stream).await;
                self.0.control.teach(|admission| admission.know(transport, remote, false));
            }
            Ok(Err(error)) => {
                tracing::debug!(remote = %connection.flow.remote, %error, "TLS handshake");
            }
            Err(_) => tracing::debug!(remote = %connection.flow.remote, "TLS handshake took too long"),
        }
    }

    fn open(&self, flow: Flow, bytes: Bytes) {
        // To a browser nobody can connect: its WebSocket is there or the phone is not.
        let is_possible = matches!(flow.transport, Transport::Tcp | Transport::Tls);
        let entered = if is_possible { self.enter(&flow) } else { None };
        let Some((number, letters)) = entered else { return self.unreachable(flow) };
        if let Some(letters) = self.table().streams.get(&number).and_then(|stream| stream.letters.as_ref()) {
            let _ = letters.try_send(bytes);
        }
        let streams = self.clone();
        self.0.runtime.spawn(async move {
            if !streams.connect(flow, number, letters).await {
                streams.unreachable(flow);
            }
            streams.end(number).await;
        });
    }

    /// Connects and talks; `false` when there was nobody, or not who it should be.
    async fn connect(&self, flow: Flow, number: u64, letters: mpsc::Receiver<Bytes>) -> bool {
        let connecting = tokio::time::timeout(CONNECT_WITHIN, TcpStream::connect(flow.remote));
        let Ok(Ok(stream)) = connecting.await else { return false };
        prepare(&stream);
        let local = stream.local_addr().unwrap_or(flow.local);
        let streams = self.clone();
        let ours = Flow { local, connection: Some(number), ..flow };
        let connection = Connection { streams, flow: ours, letters, is_ours: true };
        if flow.transport == Transport::Tcp {
            connection.talk(stream).await;
            return true;
        }
        let Some((connector, name)) = self.0.tls.connector(flow.listener) else { return false };
        match tokio::time::timeout(CONNECT_WITHIN, connector.connect(name, stream)).await {
            Ok(Ok(stream)) => {
                connection.talk(stream).await;
                true
            }
            Ok(Err(error)) => {
                tracing::warn!(remote = %flow.remote, %error, "TLS toward a trunk");
                false
            }
            Err(_) => false,
        }
    }

    /// Enters a connection into the table, unless there are too many.
    fn enter(&self, flow: &Flow) -> Option<(u64, mpsc::Receiver<Bytes>)> {
        let mut table = self.table();
        let source = network(flow.remote.ip());
        let from_there = table.sources.get(&source).copied().unwrap_or(0);
        if table.streams.len() >= MOST_STREAMS || from_there >= MOST_PER_SOURCE {
            return None;
        }
        let number = self.0.numbers.fetch_add(1, Ordering::Relaxed);
        let (letters, queue) = mpsc::channel(MOST_LETTERS);
        table.streams.insert(number, Stream { way: way(flow), letters: Some(letters) });
        table.newest.insert(way(flow), number);
        *table.sources.entry(source).or_default() += 1;
        self.0.metrics.sip_connections.set(table.streams.len() as i64);
        Some((number, queue))
    }

    /// A connection is over: its place is free, and its registrations are gone.
    async fn end(&self, number: u64) {
        self.leave(number);
        self.tell(SipInput::Closed { connection: number }).await;
    }

    fn leave(&self, number: u64) {
        let mut table = self.table();
        let Some(stream) = table.streams.remove(&number) else { return };
        if table.newest.get(&stream.way) == Some(&number) {
            table.newest.remove(&stream.way);
        }
        let source = network(stream.way.1.ip());
        if let Some(count) = table.sources.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                table.sources.remove(&source);
            }
        }
        self.0.metrics.sip_connections.set(table.streams.len() as i64);
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn origins(&self) -> &Origins {
        &self.0.origins
    }

    /// Time for the pace of keep-alives, from any beginning.
    pub(super) fn now(&self) -> Mono {
        let nanos = u64::try_from(self.0.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        Mono::from_nanos(nanos)
    }

    /// Passes a message on, if it is let in; gives back what is to be answered at once to one that is not.
    pub(super) async fn received(&self, flow: Flow, bytes: Bytes, carriage: Carriage) -> Option<Bytes> {
        self.0.metrics.sip_received.add(1);
        // Before anything is parsed: what is dropped must cost next to nothing.
        let admitted = self.0.control.admit(&flow, &bytes);
        if let Admitted::Dropped = admitted {
            return None;
        }
        let message = Message::parse(bytes, carriage);
        if let (Admitted::Busy(retry_after), Ok(message)) = (admitted, &message) {
            return self.0.control.refusal(&flow, message, retry_after);
        }
        self.tell(SipInput::Received { flow, message }).await;
        None
    }

    /// Waits for room: TCP's own flow control then slows the peer down.
    async fn tell(&self, input: SipInput) {
        let mut input = control::Input::Node(node::Input::Sip(input));
        while let Err(std::sync::mpsc::TrySendError::Full(back)) = self.0.control.try_send(input) {
            input = back;
            tokio::time::sleep(FULL_PAUSE).await;
        }
    }
}

/// Small messages go at once, and the kernel notices a peer that is gone without a word, whatever SIP it
/// speaks.
fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let alive = TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EVERY).with_retries(3);
    let _ = SockRef::from(stream).set_tcp_keepalive(&alive);
}

/// An IPv6 host owns its whole /64, so it counts as one source.
fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Connections in all (reliability.md B9).
const MOST_STREAMS: usize = 8_192;

/// Connections from one address: an office behind NAT, not a flood.
const MOST_PER_SOURCE: usize = 1_024;

/// Messages waiting for one connection to take them.
const MOST_LETTERS: usize = 64;

/// TLS takes two round trips; who needs longer wants to hold a place.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// For opening a connection to a trunk: the kernel's second SYN goes out after one second, and a trunk that
/// does not answer must be given up in time for the next one (4 s).
const CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// Silence after which the kernel asks.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(45);

/// Between its questions.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);

/// After a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// While the control thread has no room.
const FULL_PAUSE: Duration = Duration::from_millis(2);
