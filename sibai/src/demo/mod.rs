//! `sibai demo`: a real call over loopback UDP, shown as it happens, and everything checked at the end.

mod http;
mod proof;
mod story;

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use base::PeerMatch;
use jiff::civil::DateTime;
use phones::live::{self, LivePhone, Sockets};
use phones::{Carrier, CarrierSetup, Phone};

use crate::config;
use crate::process::{Options, Process};

/// The wall clock of the demo: a Monday morning, when the example line is open.
pub const WORKDAY: &str = "2026-10-12T10:00";

/// Starts Sibai on free ports, places the call, shows it, and checks what is left of it.
pub fn run(at: DateTime, data: Option<PathBuf>) -> anyhow::Result<()> {
    let (data, keep) = match data {
        Some(folder) => (folder, true),
        None => (std::env::temp_dir().join(format!("sibai-demo-{}", std::process::id())), false),
    };
    let done = play(at, data.clone());
    if !keep {
        let _ = std::fs::remove_dir_all(&data);
    }
    done
}

fn play(at: DateTime, data: PathBuf) -> anyhow::Result<()> {
    let trunk = Sockets::free(LOOPBACK, 1).context("ports for the carrier")?;
    let mut loaded = config::built_in(at.date());
    if let Some(trunk_plan) = loaded.engine.as_mut().and_then(|engine| engine.trunks.first_mut()) {
        let address = trunk.sip()?;
        trunk_plan.host = Some(address.to_string());
        trunk_plan.allow_from = vec![PeerMatch::Address(address)];
    }
    let folder = data.clone();
    let mut process = Process::start(&loaded, &Options { data, at: Some(at), free_ports: true })?;
    let cast = Cast::gather(&process, trunk)?;
    let (call, cast) = story::tell(&mut process, cast)?;
    let checked = proof::check(&process, &folder, &call, cast);
    process.drain(Duration::from_secs(5))?;
    checked
}

/// Who plays.
struct Cast {
    caller: LivePhone,
    seats: Vec<(String, LivePhone)>,
}

impl Cast {
    fn gather(process: &Process, trunk: Sockets) -> anyhow::Result<Self> {
        let sibai = process
            .listeners()
            .iter()
            .find(|listener| listener.transport == sip::seam::Transport::Udp)
            .context("the demo needs a UDP listener")?
            .address;
        let carrier = Carrier::new(CarrierSetup::new(sibai, trunk.sip()?, trunk.rtp()));
        let caller = live::run(carrier.into_line(), trunk)?;
        let mut seats = Vec::new();
        for (extension, password) in &process.secrets().passwords {
            if !SEATS.contains(&extension.seat.as_str()) {
                continue;
            }
            let sockets = Sockets::free(LOOPBACK, 1).context("ports for a seat")?;
            let mut setup = sockets.setup(&extension.user, sibai)?;
            setup.password = Some(password.clone());
            // Two phones with one seed would use the same Call-ID.
            setup.seed = 10 + seats.len() as u64;
            seats.push((extension.seat.to_string(), live::run(Phone::new(setup), sockets)?));
        }
        if seats.len() != SEATS.len() {
            bail!(
                "the data folder holds the passwords of an earlier run, which nobody can tell any more: choose another one"
            );
        }
        Ok(Self { caller, seats })
    }
}

/// The seats of the after-sales queue.
const SEATS: [&str; 2] = ["zhao_min", "chen_hao"];

/// The one that answers; the other is told "answered elsewhere".
const ANSWERS: &str = "chen_hao";

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
