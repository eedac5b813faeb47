//! Every phone comes back at once (reliability L4).

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use integration_tests::wire::attack::{is_long, prove, request};
use integration_tests::wire::{Setup, Sibai};
use sip::{Carriage, Header, Message};

use crate::cast::Talk;
use crate::{elsewhere, unharmed};

/// A phone that wants to be registered.
struct Phone {
    user: String,
    password: String,
    from: SocketAddr,
    next: Instant,
    tries: u64,
    proof: Option<String>,
    granted: Option<u32>,
}

#[test]
fn all_phones_that_come_back_within_two_seconds_are_registered_within_a_minute() -> Result<()> {
    // A tenth of the storm, at a tenth of the rate, where it must be short. A line has at most a thousand seats, so
    // that some phones of the whole storm share one.
    let (count, seats_in_all, rate) = if is_long() { (5_000, 900, 200) } else { (500, 500, 100) };
    let mut seats = String::from("\nseats:\n");
    for n in 0..seats_in_all {
        writeln!(seats, "  phone_{n}: {{ name: \"{n}\", ext: \"{}\" }}", 20_000 + n)?;
    }
    let setup = Setup::default()
        .line("\nseats:\n", &seats)
        .engine("sip:\n", &format!("sip:\n  limits: {{ registrations_per_second: {rate} }}\n"));
    let sibai = Sibai::start(setup)?;
    let talk = Talk::begin(&sibai)?;
    let mut sockets = Vec::new();
    for n in 0..count / 20 {
        let socket = UdpSocket::bind(elsewhere(n))?;
        socket.set_nonblocking(true)?;
        sockets.push(socket);
    }
    let start = Instant::now();
    let mut phones = Vec::new();
    for n in 0..count {
        let user = (20_000 + n % seats_in_all).to_string();
        phones.push(Phone {
            password: sibai.password(&user)?.to_owned(),
            user,
            from: sockets[usize::from(n / 20)].local_addr()?,
            next: start + Duration::from_micros(2_000_000 * u64::from(n) / u64::from(count)),
            tries: 0,
            proof: None,
            granted: None,
        });
    }
    let mut statuses: BTreeMap<u16, u64> = BTreeMap::new();
    while phones.iter().any(|phone| phone.granted.is_none()) {
        ensure!(start.elapsed() < Duration::from_secs(60), "not all within a minute: {statuses:?}");
        for (n, phone) in phones.iter_mut().enumerate() {
            if phone.granted.is_none() && phone.next <= Instant::now() {
                sockets[n / 20].send_to(phone.text(n).as_bytes(), sibai.sip())?;
                // A lost datagram comes again (timer E).
                phone.next = Instant::now() + Duration::from_secs(4);
                phone.tries += 1;
            }
        }
        for socket in &sockets {
            listen(socket, &mut phones, &mut statuses)?;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let lasted = start.elapsed();
    let granted: Vec<u32> = phones.iter().filter_map(|phone| phone.granted).collect();
    let (least, most) = (granted.iter().min().context("none")?, granted.iter().max().context("none")?);
    println!("L4: {count} phones in {lasted:?}: {statuses:?}; granted {least} to {most} s of 3600");
    ensure!(*most <= 3_600 && *least >= 2_880 && least < most, "granted {least} to {most}");
    // They and the one who talks.
    sibai.metric_becomes("pbx_registrations", f64::from(count) + 1.0, Duration::from_secs(5))?;
    unharmed(&sibai, talk, "L4")
}

impl Phone {
    fn text(&self, n: usize) -> String {
        // The Call-ID says whose answer it is; each try is a new transaction.
        let text = request("REGISTER", n as u64, self.from, &self.user, "");
        let cseq = format!("CSeq: {}", self.tries + 1);
        let branch = format!("branch=z9hG4bK{}.", self.tries);
        let text = text.replace("CSeq: 1", &cseq).replace("branch=z9hG4bK", &branch);
        match &self.proof {
            Some(proof) => text.replace("Max-Forwards", &format!("Authorization: {proof}\r\nMax-Forwards")),
            None => text,
        }
    }
}

fn listen(socket: &UdpSocket, phones: &mut [Phone], statuses: &mut BTreeMap<u16, u64>) -> Result<()> {
    let mut buffer = vec![0; 65_536];
    while let Ok((length, _)) = socket.recv_from(&mut buffer) {
        let Ok(answer) = Message::parse(buffer[..length].to_vec().into(), Carriage::Datagram) else {
            continue;
        };
        let Some(status) = answer.status() else { continue };
        let number = answer.call_id().split('-').next().and_then(|n| n.parse::<usize>().ok());
        let Some(phone) = number.and_then(|n| phones.get_mut(n)) else { continue };
        *statuses.entry(status).or_default() += 1;
        match status {
            401 => {
                let proof = prove(&answer, &phone.user, &phone.password, "REGISTER", "sip:sibai");
                phone.proof = Some(proof.context("a challenge")?);
                phone.next = Instant::now();
            }
            503 => {
                let seconds = answer.number(Header::RetryAfter).unwrap_or(5);
                phone.next = Instant::now() + Duration::from_secs(seconds.into());
            }
            200 => {
                // Other phones of the seat stand there too, with what is left to them.
                let own = format!("@{}", phone.from);
                let contacts = answer.addresses(Header::Contact)?;
                let contact = contacts.iter().find(|contact| contact.uri.to_string().ends_with(&own));
                let granted = contact.and_then(sip::Address::expires);
                phone.granted = Some(granted.context("expires")?);
            }
            _ => {}
        }
    }
    Ok(())
}
