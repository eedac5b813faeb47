//! SIP sockets: a thread per UDP listener, a task per stream connection. Parsing happens here, where the
//! bytes arrive, never in the control thread.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use sip::seam::{Flow, Input as SipInput, Listener, Transport};
use sip::websocket::Origins;
use sip::{Carriage, Message, stun};
use socket2::{Domain, Protocol, Socket, Type};

use super::control;
use super::inbox::Admitted;
use super::stream::{Streams, listen};
use super::tls::Tls;
use crate::metrics::Metrics;
use crate::node;

/// Sockets that are bound but not yet read: binding fails before anything else has begun.
#[derive(Debug)]
pub struct Bound {
    udp: Vec<(u16, UdpSocket)>,
    streams: Vec<(u16, Transport, std::net::TcpListener)>,
    /// What was bound, in the order of the listeners.
    pub addresses: Vec<Listener>,
}

/// The control thread's hand on all SIP sockets.
#[derive(Debug)]
pub struct Net {
    udp: HashMap<u16, UdpSocket>,
    streams: Streams,
    metrics: Arc<Metrics>,
}

/// The threads that receive; they end when told.
#[derive(Debug)]
pub struct Receivers {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Bound {
    /// Binds every listener, or says which one cannot be bound and why.
    pub fn bind(listeners: &[Listener]) -> Result<Self, (Listener, io::Error)> {
        let mut bound = Self { udp: Vec::new(), streams: Vec::new(), addresses: Vec::new() };
        for (number, listener) in (0..).zip(listeners) {
            let address = bound.bind_one(number, *listener).map_err(|error| (*listener, error))?;
            bound.addresses.push(Listener { address, ..*listener });
        }
        Ok(bound)
    }

    fn bind_one(&mut self, number: u16, listener: Listener) -> io::Result<SocketAddr> {
        match listener.transport {
            Transport::Udp => {
                let socket = open(listener.address, Type::DGRAM, Protocol::UDP)?;
                // Room for a burst of some thousand datagrams; the kernel may grant less.
                let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
                let socket = UdpSocket::from(socket);
                socket.set_read_timeout(Some(LOOK_ROUND))?;
                let address = socket.local_addr()?;
                self.udp.push((number, socket));
                Ok(address)
            }
            Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => {
                let socket = open(listener.address, Type::STREAM, Protocol::TCP)?;
                socket.listen(BACKLOG)?;
                socket.set_nonblocking(true)?;
                let socket = std::net::TcpListener::from(socket);
                let address = socket.local_addr()?;
                self.streams.push((number, listener.transport, socket));
                Ok(address)
            }
        }
    }

    /// Begins to receive.
    pub fn start(
        self,
        control: &control::Sender,
        runtime: &tokio::runtime::Handle,
        metrics: &Arc<Metrics>,
        tls: &Arc<Tls>,
        origins: Origins,
    ) -> io::Result<(Net, Receivers)> {
        let stop = Arc::new(AtomicBool::new(false));
        let (control_of_streams, tls) = (control.clone(), Arc::clone(tls));
        let streams = Streams::new(control_of_streams, runtime.clone(), tls, origins, Arc::clone(metrics));
        let mut udp = HashMap::new();
        let mut threads = Vec::new();
        for (number, socket) in self.udp {
            udp.insert(number, socket.try_clone()?);
            let ear = Ear {
                number,
                local: socket.local_addr()?,
                socket,
                control: control.clone(),
                stop: Arc::clone(&stop),
                routes: Routes::default(),
                metrics: Arc::clone(metrics),
            };
            threads.push(
                std::thread::Builder::new().name(format!("sip-udp-{number}")).spawn(move || ear.listen())?,
            );
        }
        for (number, transport, socket) in self.streams {
            listen(number, transport, socket, &streams)?;
        }
        Ok((Net { udp, streams, metrics: Arc::clone(metrics) }, Receivers { stop, threads }))
    }
}

impl Net {
    /// Writes a message on its way; what cannot be written is counted and, for streams, told to the node.
    pub fn send(&self, flow: Flow, bytes: Bytes) {
        match flow.transport {
            Transport::Udp => {
                let sent = self.udp.get(&flow.listener).map(|socket| socket.send_to(&bytes, flow.remote));
                if !matches!(sent, Some(Ok(_))) {
                    // RFC 3261 §17: over UDP the retransmission, then the timer, takes care of it.
                    self.metrics.sip_unsent.add(1);
                    tracing::debug!(remote = %flow.remote, ?sent, "not sent");
                }
            }
            _ => self.streams.send(flow, bytes),
        }
    }
}

impl Receivers {
    /// Ends the threads and waits for them.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            let _ = thread.join();
        }
    }
}

/// A UDP listener's thread.
struct Ear {
    number: u16,
    local: SocketAddr,
    socket: UdpSocket,
    control: control::Sender,
    stop: Arc<AtomicBool>,
    routes: Routes,
    metrics: Arc<Metrics>,
}

impl Ear {
    fn listen(self) {
        let mut buffer = vec![0; LONGEST_DATAGRAM];
        while !self.stop.load(Ordering::Relaxed) {
            let Ok((length, remote)) = self.socket.recv_from(&mut buffer) else { continue };
            let bytes = &buffer[..length];
            // Keep-alives of phones behind NAT (RFC 5626 §4.4.1 CRLF, or a few zero bytes): nothing to answer.
            if bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0 | b' ')) {
                continue;
            }
            if stun::is_stun(bytes) {
                if let Some(answer) = stun::answer(bytes, remote) {
                    let _ = self.socket.send_to(&answer, remote);
                }
                continue;
            }
            self.metrics.sip_received.add(1);
            let flow = Flow {
                transport: Transport::Udp,
                local: self.routes.local(self.local, remote),
                remote,
                connection: None,
                listener: self.number,
            };
            // Before anything is copied or parsed: what is dropped must cost next to nothing.
            let admitted = self.control.admit(&flow, bytes);
            if let Admitted::Dropped = admitted {
                continue;
            }
            let message = Message::parse(Bytes::copy_from_slice(bytes), Carriage::Datagram);
            match (admitted, message) {
                (Admitted::Busy(retry_after), Ok(message)) => {
                    let refusal = self.control.refusal(&flow, &message, retry_after);
                    if refusal.is_some_and(|bytes| self.socket.send_to(&bytes, remote).is_err()) {
                        self.metrics.sip_unsent.add(1);
                    }
                }
                (Admitted::Lane(lane), message) => {
                    let input = control::Input::Node(node::Input::Sip(SipInput::Received { flow, message }));
                    if self.control.try_send_in(lane, input).is_err() {
                        self.metrics.sip_dropped.add(1);
                    }
                }
                (Admitted::Dropped | Admitted::Busy(_), _) => {}
            }
        }
    }
}

/// A bound socket. One for IPv6 takes IPv6 only, so that both families can listen on one port.
fn open(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if kind == Type::STREAM {
        // Connections of the process before may still be closing.
        socket.set_reuse_address(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Our address toward a peer, when a listener listens on all of them.
#[derive(Clone, Debug, Default)]
pub struct Routes(Arc<Mutex<HashMap<IpAddr, IpAddr>>>);

impl Routes {
    /// The address from which the kernel would send to `remote`; `bound` itself unless it is unspecified.
    pub fn local(&self, bound: SocketAddr, remote: SocketAddr) -> SocketAddr {
        if !bound.ip().is_unspecified() {
            return bound;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_ROUTES {
            known.clear();
        }
        let ip = *known.entry(remote.ip()).or_insert_with(|| ask_kernel(remote).unwrap_or(bound.ip()));
        SocketAddr::new(ip, bound.port())
    }
}

/// Connecting a UDP socket sends nothing; it only makes the kernel choose a source address.
fn ask_kernel(remote: SocketAddr) -> io::Result<IpAddr> {
    let any: SocketAddr = if remote.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
    let socket = UdpSocket::bind(any)?;
    socket.connect(remote)?;
    Ok(socket.local_addr()?.ip())
}

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1_024;

/// The longest UDP datagram there is.
const LONGEST_DATAGRAM: usize = 65_536;

/// Asked of the kernel for each UDP listener.
const RECEIVE_BUFFER: usize = 4 << 20;

/// How often a receiving thread looks whether it is to stop.
const LOOK_ROUND: Duration = Duration::from_millis(200);

/// Peers whose route is remembered; then the table begins anew.
const MOST_ROUTES: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_route_to_loopback_is_loopback() {
        let routes = Routes::default();
        let local = routes.local("0.0.0.0:5060".parse().unwrap(), "127.0.0.1:9".parse().unwrap());
        assert_eq!(local, "127.0.0.1:5060".parse().unwrap());
    }

    #[test]
    fn a_port_in_use_is_named() {
        let taken =
            Bound::bind(&[Listener { transport: Transport::Udp, address: "127.0.0.1:0".parse().unwrap() }])
                .unwrap();
        let again = taken.addresses[0];
        let (which, _) = Bound::bind(&[again]).unwrap_err();
        assert_eq!(which, again);
    }
}
