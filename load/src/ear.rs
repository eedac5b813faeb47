//! Hears the packets of the first calls the moment that they come, to tell how old they are.

use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use anyhow::Result;
use rustix::event::{Timespec, epoll};

use crate::streams::{Mark, Tally};

/// The thread.
pub struct Ear {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(Vec<Tally>, Vec<u32>)>,
}

impl Ear {
    /// Listens on these; stamps count from `began`.
    pub fn start(sockets: &[Arc<UdpSocket>; 2], began: Instant) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for (n, socket) in (0..).zip(sockets) {
            epoll::add(&epoll, socket.as_fd(), epoll::EventData::new_u64(n), epoll::EventFlags::IN)?;
        }
        let (sockets, stopping) = (sockets.clone(), Arc::clone(&stop));
        let thread = std::thread::Builder::new().name("ear".into()).spawn(move || {
            let (mut tallies, mut ages) = (Vec::new(), Vec::new());
            let (mut events, mut buffer) = (Vec::with_capacity(8), [0; 2_048]);
            while !stopping.load(Ordering::Relaxed) {
                events.clear();
                let timeout = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
                let _ = epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), Some(&timeout));
                for event in &events {
                    let Some(socket) = sockets.get(event.data.u64() as usize) else { continue };
                    let Ok(length) = socket.recv(&mut buffer) else { continue };
                    let Some(mark) = Mark::read(&buffer[..length]) else { continue };
                    let now = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
                    ages.push(u32::try_from(now.saturating_sub(mark.stamp)).unwrap_or(u32::MAX));
                    let stream = (mark.stream as usize).min(MOST_STREAMS);
                    if tallies.len() <= stream {
                        tallies.resize(stream + 1, Tally::default());
                    }
                    tallies[stream].take(mark.number);
                }
            }
            ages.sort_unstable();
            (tallies, ages)
        })?;
        Ok(Self { stop, thread })
    }

    /// What it heard: by stream, and the ages of all packets.
    pub fn stop(self) -> (Vec<Tally>, Vec<u32>) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

/// Nobody else's payload makes the table grow.
const MOST_STREAMS: usize = 1 << 20;
