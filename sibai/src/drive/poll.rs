//! What a media worker sleeps on: its sockets, orders that wait, and one timer.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use base::Mono;
use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use rustix::time::{timerfd_create, timerfd_settime};

use super::clock::Clock;

/// A worker's epoll. Level-triggered: what is not taken this time is told again (media.md 1).
pub(super) struct Poll {
    epoll: OwnedFd,
    /// By the absolute time, so that what the thread did since it woke delays nothing, and no clock has to be read
    /// before it sleeps.
    timer: OwnedFd,
    armed: Option<Mono>,
    bell: Bell,
}

/// What happened, as the kernel tells it.
pub(super) struct Events(Vec<epoll::Event>);

/// Wakes a worker from another thread.
#[derive(Clone, Debug)]
pub(super) struct Bell(Arc<OwnedFd>);

/// Why it woke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Woken {
    /// Somebody rang: there are orders.
    Rung,
    /// It is time.
    Time,
    /// The socket under this token has datagrams.
    Socket(u64),
}

impl Bell {
    /// A bell that nobody has rung.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?)))
    }

    pub(super) fn ring(&self) {
        // Only a full counter can refuse the write, and then the worker is awake anyway.
        let _ = rustix::io::write(&*self.0, &1_u64.to_ne_bytes());
    }

    /// From now on it can be rung again.
    pub(super) fn hush(&self) {
        let mut counter = [0; 8];
        let _ = rustix::io::read(&*self.0, &mut counter);
    }
}

impl Poll {
    /// One without sockets.
    pub(super) fn new(bell: Bell) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let timer =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        let poll = Self { epoll, timer, armed: None, bell };
        poll.add(&*poll.bell.0, RUNG)?;
        poll.add(&poll.timer, TIME)?;
        Ok(poll)
    }

    /// From now on this socket wakes the worker; closing it ends that. Tokens lie below `MOST_TOKEN`.
    pub(super) fn add(&self, socket: impl AsFd, token: u64) -> io::Result<()> {
        let token = epoll::EventData::new_u64(token);
        Ok(epoll::add(&self.epoll, socket, token, epoll::EventFlags::IN)?)
    }

    /// Sleeps until something happens, or until it is time.
    pub(super) fn wait(&mut self, due: Option<Mono>, clock: Clock, events: &mut Events) -> io::Result<()> {
        if due != self.armed {
            let never = Timespec { tv_sec: 0, tv_nsec: 0 };
            let it_value = due.map_or(never, |at| clock.system_time(at));
            let at = Itimerspec { it_interval: never, it_value };
            timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &at)?;
            self.armed = due;
        }
        events.0.clear();
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events.0), None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Events {
    /// Room for all that is taken per wait.
    pub(super) fn new() -> Self {
        Self(Vec::with_capacity(MOST_EVENTS))
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = Woken> {
        self.0.iter().map(|event| match event.data.u64() {
            RUNG => Woken::Rung,
            TIME => Woken::Time,
            token => Woken::Socket(token),
        })
    }
}

/// No socket has these tokens.
const RUNG: u64 = u64::MAX;
const TIME: u64 = u64::MAX - 1;

/// Taken per wait: a stop of some milliseconds at most before orders and timers are looked at again.
const MOST_EVENTS: usize = 512;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn woken(poll: &mut Poll, due: Option<Mono>, clock: Clock) -> Vec<Woken> {
        let mut events = Events::new();
        poll.wait(due, clock, &mut events).unwrap();
        events.iter().collect()
    }

    #[test]
    fn it_wakes_when_it_is_time_and_not_before() {
        let clock = Clock::system();
        let mut poll = Poll::new(Bell::new().unwrap()).unwrap();
        let first = clock.mono() + Duration::from_millis(20);
        assert_eq!(woken(&mut poll, Some(first), clock), [Woken::Time]);
        assert!(clock.mono() >= first);
        // A deadline that has passed wakes at once, a later one when it comes.
        assert_eq!(woken(&mut poll, Some(Mono::from_nanos(1)), clock), [Woken::Time]);
        let second = clock.mono() + Duration::from_millis(5);
        assert_eq!(woken(&mut poll, Some(second), clock), [Woken::Time]);
        assert!(clock.mono() >= second);
    }

    #[test]
    fn a_ring_and_a_datagram_wake_it_until_they_are_taken() {
        let clock = Clock::system();
        let bell = Bell::new().unwrap();
        let mut poll = Poll::new(bell.clone()).unwrap();
        bell.ring();
        bell.ring();
        // A deadline that is taken back wakes nobody.
        woken(&mut poll, Some(clock.mono()), clock);
        assert_eq!(woken(&mut poll, None, clock), [Woken::Rung]);
        bell.hush();
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        poll.add(&socket, 7).unwrap();
        socket.send_to(&[1], socket.local_addr().unwrap()).unwrap();
        for _ in 0..2 {
            assert_eq!(woken(&mut poll, None, clock), [Woken::Socket(7)]);
        }
        drop(socket);
        let due = clock.mono() + Duration::from_millis(1);
        assert_eq!(woken(&mut poll, Some(due), clock), [Woken::Time]);
    }
}
