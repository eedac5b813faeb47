//! Connections that only want to hold a place (reliability, rows B8 and B9).

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use integration_tests::wire::pki::Pki;
use integration_tests::wire::{Setup, Sibai, open_many_files};
use phones::Behaviour;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

use super::house::{ask, closed, request, story};

const PATIENCE: Duration = Duration::from_secs(20);
/// What docs/transports.md promises.
const MOST_PER_SOURCE: usize = 1_024;

#[test]
fn three_hundred_idle_and_slow_connections_are_closed_and_harm_nobody() -> Result<()> {
    let sibai = Sibai::start(Setup::default().with_every_transport(&Pki::new()?))?;
    let base = sibai.open_files()?;
    story(async {
        let mut held = Vec::new();
        // Half a TLS record, half an upgrade, half a message, and nothing at all.
        let begun = [
            (sibai.tls(), &b"\x16\x03\x01\x02\x00\x01"[..]),
            (sibai.wss(), b"\x16\x03"),
            (sibai.ws(), b"GET / HTTP/1.1\r\nHost: x\r\n"),
            (sibai.sip(), b"OPTIONS sip:x SIP/2.0\r\nVia: "),
            (sibai.ws(), b""),
            (sibai.sip(), b"\r\n"),
        ];
        for n in 0..300 {
            let (to, bytes) = begun[n % begun.len()];
            let mut stream = TcpStream::connect(to).await?;
            stream.write_all(bytes).await?;
            held.push(stream);
        }
        let begin = Instant::now();
        sibai.metric_becomes("pbx_sip_connections", 300.0, PATIENCE)?;
        let mut slowest = Duration::ZERO;
        while sibai.metric("pbx_sip_connections")? > 0.0 {
            ensure!(begin.elapsed() < PATIENCE, "somebody still holds a place");
            // One byte a second to each of those that write: it must buy them nothing.
            for stream in held.iter_mut().step_by(2) {
                let _ = stream.try_write(b"x");
            }
            let asked = Instant::now();
            let mut stream = TcpStream::connect(sibai.sip()).await?;
            ask(&mut stream, &request("REGISTER", "8001", "TCP", 1, ""), "SIP/2.0 401 ").await?;
            slowest = slowest.max(asked.elapsed());
            drop(stream);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        eprintln!("closed after {:?}; the slowest answer meanwhile took {slowest:?}", begin.elapsed());
        ensure!(slowest < Duration::from_millis(300), "an honest client waited {slowest:?}");
        Ok(())
    })?;
    let end = Instant::now() + PATIENCE;
    while sibai.open_files()? > base {
        ensure!(Instant::now() < end, "{} files are open, not {base}", sibai.open_files()?);
        std::thread::sleep(Duration::from_millis(50));
    }
    sibai.seat("8001", Behaviour::waits())?;
    Ok(())
}

/// 1,024 from one address (docs/transports.md): whoever takes them all takes nothing of a neighbour's.
#[test]
fn a_source_has_so_many_connections_and_its_neighbour_his_own() -> Result<()> {
    open_many_files()?;
    // Fewer than it needs, as from a shell: it asks for more.
    let sibai = Sibai::start(Setup::default().files(600))?;
    let to = sibai.sip();
    let connect = async |source: &str| {
        let socket = TcpSocket::new_v4()?;
        socket.bind(source.parse()?)?;
        anyhow::Ok(socket.connect(to).await?)
    };
    story(async {
        let mut held = Vec::new();
        for _ in 0..MOST_PER_SOURCE {
            held.push(connect("127.0.0.77:0").await?);
        }
        sibai.metric_becomes("pbx_sip_connections", MOST_PER_SOURCE as f64, PATIENCE)?;
        for _ in 0..10 {
            let mut refused = connect("127.0.0.77:0").await?;
            ensure!(closed(&mut refused).await?.is_empty(), "one more was let in");
        }
        let mut neighbour = connect("127.0.0.78:0").await?;
        ask(&mut neighbour, &request("REGISTER", "8001", "TCP", 1, ""), "SIP/2.0 401 ").await?;
        drop(held);
        sibai.metric_becomes("pbx_sip_connections", 1.0, PATIENCE)?;
        let mut again = connect("127.0.0.77:0").await?;
        ask(&mut again, &request("REGISTER", "8001", "TCP", 2, ""), "SIP/2.0 401 ").await?;
        Ok(())
    })
}

#[test]
fn what_is_too_large_is_refused_or_closed_and_the_process_lives() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    story(async {
        let head =
            |more: &str| request("REGISTER", "8001", "TCP", 1, "").replace("Content-Length: 0\r\n", more);
        let long = format!("X: {}\r\nContent-Length: 0\r\n", "y".repeat(64 << 10));
        let many = format!("{}Content-Length: 0\r\n", "X: y\r\n".repeat(10_000));
        let vias = format!("{}Content-Length: 0\r\n", "Via: SIP/2.0/TCP a;branch=z9hG4bKv\r\n".repeat(1_000));
        for more in ["Content-Length: 10000000\r\n", &long, &many, &vias] {
            let mut stream = TcpStream::connect(sibai.sip()).await?;
            // It may be closed before all is written.
            let _ = stream.write_all(head(more).as_bytes()).await;
            let _ = stream.shutdown().await;
            let heard = closed(&mut stream).await?;
            let text = String::from_utf8_lossy(&heard);
            ensure!(
                text.is_empty() || text.starts_with("SIP/2.0 4") || text.starts_with("SIP/2.0 513"),
                "{text}"
            );
        }
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await?;
        for byte in [b'x', 0, b'\n', 1] {
            socket.send_to(&vec![byte; 65_507], sibai.sip()).await?;
        }
        let mut stream = TcpStream::connect(sibai.sip()).await?;
        ask(&mut stream, &request("REGISTER", "8001", "TCP", 2, ""), "SIP/2.0 401 ").await?;
        Ok(())
    })
}

#[test]
fn keep_alives_are_answered_over_tcp_and_udp() -> Result<()> {
    let sibai = Sibai::start(Setup::default())?;
    story(async {
        let mut stream = TcpStream::connect(sibai.sip()).await?;
        ask(&mut stream, &request("REGISTER", "8001", "TCP", 1, ""), "SIP/2.0 401 ").await?;
        ask(&mut stream, "\r\n\r\n", "\r\n").await?;
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await?;
        let mut binding = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        binding.extend(*b"transaction!");
        socket.send_to(&binding, sibai.sip()).await?;
        let mut answer = [0; 100];
        let (length, _) = tokio::time::timeout(PATIENCE, socket.recv_from(&mut answer)).await??;
        let port = u16::from_be_bytes([answer[26], answer[27]]) ^ 0x2112;
        ensure!(length == 32 && answer[..2] == [1, 1] && answer[8..20] == *b"transaction!");
        ensure!(port == socket.local_addr()?.port());
        Ok(())
    })
}
