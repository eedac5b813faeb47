//! A phone on real UDP sockets: threads, the real clock, and a deadline on everything.
//!
//! The only module that knows sockets and clocks: the machine inside is the same as in virtual time.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use base::{Machine, Mono, Now, Timestamp};

use crate::call::CallNo;
use crate::events::{Action, Event, Input, Output};
use crate::phone::{Phone, PhoneSetup};
use crate::script::Script;

/// The sockets of a phone, bound before the phone is made so that its setup can name them.
#[derive(Debug)]
pub struct Sockets {
    sip: UdpSocket,
    rtp: BTreeMap<SocketAddr, UdpSocket>,
}

/// Something that a live phone saw.
#[derive(Clone, PartialEq, Debug)]
pub struct Sighting {
    /// The call it happened to; `None` for the phone itself.
    pub call: Option<CallNo>,
    /// What it was.
    pub event: Event,
    /// When, since the phone came to life.
    pub at: Duration,
}

/// A phone that lives in threads of its own.
#[derive(Debug)]
pub struct LivePhone {
    orders: SyncSender<Order>,
    sightings: Receiver<Sighting>,
    seen: Vec<Sighting>,
    control: Option<JoinHandle<Phone>>,
    ended: Arc<AtomicBool>,
    local_sip: SocketAddr,
    /// Its RTP addresses, and the end of whoever reads there.
    rtp: BTreeMap<SocketAddr, Arc<AtomicBool>>,
}

enum Order {
    Input(Input),
    /// From now on what this address sends leaves by another socket.
    Move(SocketAddr, UdpSocket),
    Finish,
}

impl Sockets {
    /// Free ports on `ip`: one for SIP, and `rtp_ports` even ones, two apart, for RTP.
    pub fn free(ip: IpAddr, rtp_ports: u16) -> io::Result<Self> {
        let sip = UdpSocket::bind((ip, 0))?;
        for _ in 0..PORT_TRIES {
            if let Ok(rtp) = free_rtp(ip, rtp_ports) {
                return Ok(Self { sip, rtp });
            }
        }
        Err(io::Error::new(io::ErrorKind::AddrInUse, "no free run of RTP ports"))
    }

    /// The same, with SIP on exactly this address: a trunk is known by it.
    pub fn at(sip: SocketAddr, rtp_ports: u16) -> io::Result<Self> {
        let mut sockets = Self::free(sip.ip(), rtp_ports)?;
        sockets.sip = UdpSocket::bind(sip)?;
        Ok(sockets)
    }

    /// Our SIP address.
    pub fn sip(&self) -> io::Result<SocketAddr> {
        self.sip.local_addr()
    }

    /// Our first RTP address.
    pub fn rtp(&self) -> SocketAddr {
        self.rtp.keys().next().copied().unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// A plain setup of a phone with these sockets.
    pub fn setup(&self, name: &str, proxy: SocketAddr) -> io::Result<PhoneSetup> {
        let mut setup = PhoneSetup::new(name, proxy, self.sip()?, self.rtp());
        setup.rtp_ports = self.rtp.len() as u16;
        Ok(setup)
    }
}

/// Brings `phone` to life on `sockets`.
pub fn run(phone: Phone, sockets: Sockets) -> io::Result<LivePhone> {
    let local_sip = sockets.sip()?;
    let (orders, inbox) = mpsc::sync_channel(INBOX);
    let (told, sightings) = mpsc::channel();
    let ended = Arc::new(AtomicBool::new(false));
    let mut readers = vec![reader(sockets.sip.try_clone()?, None, &orders, [&ended, &ended])?];
    let mut rtp = BTreeMap::new();
    for (at, socket) in &sockets.rtp {
        let moved = Arc::new(AtomicBool::new(false));
        readers.push(reader(socket.try_clone()?, Some(*at), &orders, [&ended, &moved])?);
        rtp.insert(*at, moved);
    }
    let living = Living { phone, sockets, born: Instant::now(), told };
    let ended_too = Arc::clone(&ended);
    let control = thread::Builder::new().name("phone".into()).spawn(move || {
        let phone = living.live(&inbox);
        // Readers blocked on a full inbox would never see the flag.
        ended_too.store(true, Ordering::Relaxed);
        drop(inbox);
        for reader in readers {
            let _ = reader.join();
        }
        phone
    })?;
    Ok(LivePhone { orders, sightings, seen: Vec::new(), control: Some(control), ended, local_sip, rtp })
}

impl LivePhone {
    /// Asks the newest call, or the phone, for something.
    pub fn order(&self, action: Action) {
        self.input(Input::Do(action));
    }

    /// Asks this call for something.
    pub fn order_on(&self, call: CallNo, action: Action) {
        self.input(Input::DoOn(call, action));
    }

    /// Begins a story.
    pub fn play(&self, script: Script) {
        self.input(Input::Play(script));
    }

    /// Its SIP address.
    pub fn local_sip(&self) -> SocketAddr {
        self.local_sip
    }

    /// Its NAT forgets it: from now on its RTP leaves from other ports, of this address, and what is sent to the old ones
    /// is lost. The phone itself notices nothing.
    pub fn rebind(&mut self, to: IpAddr) -> io::Result<()> {
        for (at, moved) in &mut self.rtp {
            let socket = UdpSocket::bind((to, 0))?;
            moved.store(true, Ordering::Relaxed);
            *moved = Arc::default();
            reader(socket.try_clone()?, Some(*at), &self.orders, [&self.ended, moved])?;
            let _ = self.orders.send(Order::Move(*at, socket));
        }
        Ok(())
    }

    /// The next thing that it sees, if something comes within `patience`.
    pub fn next(&mut self, patience: Duration) -> Option<Sighting> {
        let sighting = self.sightings.recv_timeout(patience).ok()?;
        self.seen.push(sighting.clone());
        Some(sighting)
    }

    /// Waits until it sees what `wanted` wants; `None` when that does not come within `patience`.
    pub fn wait_for(&mut self, patience: Duration, wanted: impl Fn(&Event) -> bool) -> Option<Sighting> {
        let end = Instant::now() + patience;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let sighting = self.next(left)?;
            if wanted(&sighting.event) {
                return Some(sighting);
            }
        }
    }

    /// Everything that `next` and `wait_for` have returned or passed over, in order.
    pub fn seen(&self) -> &[Sighting] {
        &self.seen
    }

    /// Ends its life; the phone with all it heard. `None` only if its thread panicked.
    pub fn finish(mut self) -> Option<Phone> {
        self.stop()
    }

    fn input(&self, input: Input) {
        // A phone whose thread has ended takes no orders: `finish` tells.
        let _ = self.orders.send(Order::Input(input));
    }

    fn stop(&mut self) -> Option<Phone> {
        let control = self.control.take()?;
        self.ended.store(true, Ordering::Relaxed);
        let _ = self.orders.send(Order::Finish);
        control.join().ok()
    }
}

impl Drop for LivePhone {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The control thread's own.
struct Living {
    phone: Phone,
    sockets: Sockets,
    born: Instant,
    told: mpsc::Sender<Sighting>,
}

impl Living {
    fn live(mut self, inbox: &Receiver<Order>) -> Phone {
        loop {
            self.drain();
            let now = self.now();
            // Due timers first: a flood must not starve the sound.
            if self.phone.deadline().is_some_and(|deadline| deadline <= now.mono) {
                self.phone.expire(now);
                continue;
            }
            let wait = self.phone.deadline().map_or(LONGEST_WAIT, |deadline| deadline.since(now.mono));
            match inbox.recv_timeout(wait.min(LONGEST_WAIT)) {
                Ok(Order::Input(input)) => {
                    let now = self.now();
                    self.phone.handle(now, input);
                }
                Ok(Order::Move(at, socket)) => {
                    self.sockets.rtp.insert(at, socket);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Order::Finish) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.drain();
        self.phone
    }

    fn now(&self) -> Now {
        let mono = Mono::ZERO + self.born.elapsed();
        Now { mono, wall: Timestamp::now() }
    }

    fn drain(&mut self) {
        while let Some(output) = self.phone.poll() {
            // A datagram that the system does not take is a datagram lost: the timers see to it.
            let _ = match output {
                Output::SendSip { to, bytes } => self.sockets.sip.send_to(&bytes, to),
                Output::SendRtp { from, to, bytes } => {
                    self.sockets.rtp.get(&from).map_or(Ok(0), |socket| socket.send_to(&bytes, to))
                }
                Output::Saw { call, event } => {
                    let _ = self.told.send(Sighting { call, event, at: self.born.elapsed() });
                    Ok(0)
                }
            };
        }
    }
}

/// Reads one socket until one of the ends; `at` is its address when it carries RTP.
fn reader(
    socket: UdpSocket,
    at: Option<SocketAddr>,
    orders: &SyncSender<Order>,
    ends: [&Arc<AtomicBool>; 2],
) -> io::Result<JoinHandle<()>> {
    socket.set_read_timeout(Some(READ_PATIENCE))?;
    let (orders, ends) = (orders.clone(), ends.map(Arc::clone));
    let is_over = move || ends.iter().any(|end| end.load(Ordering::Relaxed));
    thread::Builder::new().name("phone-reader".into()).spawn(move || {
        let mut buffer = vec![0; 65_536];
        while !is_over() {
            // Errors are timeouts and ICMP's news of closed ports: both pass.
            let Ok((length, source)) = socket.recv_from(&mut buffer) else { continue };
            if is_over() {
                break;
            }
            let bytes = buffer.get(..length).unwrap_or_default().to_vec();
            let input = match at {
                Some(at) => Input::Rtp { at, source, bytes },
                None => Input::Sip { source, bytes },
            };
            if orders.send(Order::Input(input)).is_err() {
                break;
            }
        }
    })
}

fn free_rtp(ip: IpAddr, ports: u16) -> io::Result<BTreeMap<SocketAddr, UdpSocket>> {
    let first = UdpSocket::bind((ip, 0))?.local_addr()?.port() & !1;
    let mut sockets = BTreeMap::new();
    for n in 0..ports.max(1) {
        let port = n.checked_mul(2).and_then(|offset| first.checked_add(offset));
        let port = port.ok_or_else(|| io::Error::from(io::ErrorKind::AddrInUse))?;
        let at = SocketAddr::new(ip, port);
        sockets.insert(at, UdpSocket::bind(at)?);
    }
    Ok(sockets)
}

/// Inputs waiting for the control thread: a second of many calls; more wait in the sockets.
const INBOX: usize = 4096;
/// The control thread wakes at least so often.
const LONGEST_WAIT: Duration = Duration::from_millis(200);
/// A reader looks so often whether it should end.
const READ_PATIENCE: Duration = Duration::from_millis(50);
/// Random starts for a run of free RTP ports.
const PORT_TRIES: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{Audio, tones_in};
    use crate::events::{Behaviour, Dial};
    use crate::script::Cue;

    #[test]
    fn two_live_phones_talk_over_loopback() {
        let ip = "127.0.0.1".parse().unwrap();
        let second = Duration::from_secs(1);
        let (left, right) = (Sockets::free(ip, 1).unwrap(), Sockets::free(ip, 1).unwrap());
        let first = left.setup("a", right.sip().unwrap()).unwrap();
        let mut other = right.setup("b", left.sip().unwrap()).unwrap();
        other.behaviour = Behaviour::answers(Duration::ZERO)
            .with(Script::new().on(Cue::Answered, Action::Say(Audio::tone(700.0, second))));
        let mut first = run(Phone::new(first), left).unwrap();
        let other = run(Phone::new(other), right).unwrap();
        let script = Script::new().on(Cue::Answered, Action::Press('5')).on_after(
            Cue::AudioBegan,
            second,
            Action::HangUp,
        );
        first.order(Action::Call(Dial { script, ..Dial::to("b") }));
        assert!(first.wait_for(second * 15, |event| *event == Event::Gone).is_some());
        let (first, other) = (first.finish().unwrap(), other.finish().unwrap());
        assert!(tones_in(first.heard()).contains(&Some(700)));
        assert_eq!(other.calls().next().unwrap().1.digits(), "5");
        assert_eq!(first.faults().chain(other.faults()).collect::<Vec<_>>(), Vec::<&str>::new());
    }
}
