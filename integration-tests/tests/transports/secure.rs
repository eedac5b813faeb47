//! TLS: certificates of ours, exchanged while connections are up, and carriers that prove themselves by theirs.

use std::time::Duration;

use anyhow::{Result, ensure};
use integration_tests::wire::pki::Pki;
use integration_tests::wire::{Setup, Sibai};

use super::house::{SDP, acceptor, ask, connector, der, hear, is_asked, request, shown, story, tls};

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_new_certificate_is_taken_up_while_old_connections_go_on() -> Result<()> {
    let pki = Pki::new()?;
    let sibai = Sibai::start(Setup::default().with_every_transport(&pki))?;
    let folder = sibai.configs().join("tls");
    story(async {
        let mut old = tls(sibai.tls(), &pki, None).await?;
        ask(&mut old, &request("REGISTER", "8001", "TLS", 1, ""), "SIP/2.0 401 ").await?;
        let next = pki.issue(&["pbx.example"])?;
        ensure!(shown(&old) != der(&next)?);
        next.write(&folder, "pbx")?;
        // Nobody says so: the files are looked at.
        sibai.wait_for_log("certificates were loaded again", PATIENCE)?;
        let mut new = tls(sibai.tls(), &pki, None).await?;
        ensure!(shown(&new) == der(&next)?, "the new certificate is not shown");
        for stream in [&mut old, &mut new] {
            ask(stream, &request("REGISTER", "8001", "TLS", 2, ""), "SIP/2.0 401 ").await?;
        }
        std::fs::write(folder.join("pbx.pem"), "no certificate")?;
        sibai.hang_up_signal()?;
        sibai.wait_for_log("the old ones stay", PATIENCE)?;
        let third = tls(sibai.tls(), &pki, None).await?;
        ensure!(shown(&third) == der(&next)?, "a broken file has changed something");
        Ok(())
    })
}

#[test]
fn a_peer_is_a_trunk_by_the_name_in_its_certificate() -> Result<()> {
    let pki = Pki::new()?;
    let setup = Setup::default()
        .with_every_transport(&pki)
        .engine("    max_calls: 20", "    max_calls: 20\n  - { name: sbc, tls_client: sbc.carrier.example }");
    let sibai = Sibai::start(setup)?;
    let (sbc, stranger) = (pki.issue(&["sbc.carrier.example"])?, pki.issue(&["sbc.other.example"])?);
    let forged = Pki::new()?.issue(&["sbc.carrier.example"])?;
    story(async {
        let invite = |number| request("INVITE", "057155550100", "TLS", number, SDP);
        let mut trunk = tls(sibai.tls(), &pki, Some(&sbc)).await?;
        ask(&mut trunk, &invite(1), "SIP/2.0 200 ").await?;
        for (number, issued) in [(2, None), (3, Some(&stranger))] {
            let mut stream = tls(sibai.tls(), &pki, issued).await?;
            ask(&mut stream, &invite(number), "SIP/2.0 401 ").await?;
        }
        // In TLS 1.3 the client has shaken hands before the server has looked at its certificate.
        let refused = async {
            let mut stream = tls(sibai.tls(), &pki, Some(&forged)).await?;
            ask(&mut stream, &invite(4), "SIP/2.0 ").await
        };
        ensure!(refused.await.is_err(), "a forged certificate was let in");
        Ok(())
    })
}

#[test]
fn a_trunk_is_called_over_tls_only_when_it_is_who_it_should_be() -> Result<()> {
    let pki = Pki::new()?;
    story(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let trunk = |name: &str| {
            format!(
                "    max_calls: 20\n  - {{ name: over_tls, host: \"{}\", transport: tls, tls_name: {name}, ca: tls/ca.pem, \
                 certificate: tls/pbx.pem, key: tls/pbx.key }}",
                listener.local_addr().map(|address| address.to_string()).unwrap_or_default()
            )
        };
        let start = |name: &str| {
            Sibai::start(
                Setup::default().with_every_transport(&pki).engine("    max_calls: 20", &trunk(name)),
            )
        };
        let acceptor = acceptor(&pki, &pki.issue(&["sip.carrier.example"])?)?;
        let sibai = start("sip.carrier.example")?;
        let (stream, _) = listener.accept().await?;
        let mut stream = acceptor.accept(stream).await?;
        ensure!(stream.get_ref().1.peer_certificates().is_some(), "it did not prove itself");
        let options = hear(&mut stream, "\r\n\r\n").await?;
        ensure!(options.starts_with("OPTIONS ") && options.contains("\r\nVia: SIP/2.0/TLS "), "{options}");
        let copied = |name: &str| {
            let line = options.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            format!("{line}\r\n")
        };
        let headers: String = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"].into_iter().map(copied).collect();
        let answer = format!("SIP/2.0 200 OK\r\n{headers}Content-Length: 0\r\n\r\n");
        tokio::io::AsyncWriteExt::write_all(&mut stream, answer.as_bytes()).await?;
        tokio::io::AsyncWriteExt::flush(&mut stream).await?;
        let up = tokio::task::spawn_blocking(move || {
            sibai.wait_for_log("\"trunk\":\"over_tls\",\"up\":true", PATIENCE).map(|()| sibai)
        });
        drop(up.await??);

        let sibai = start("other.carrier.example")?;
        let (stream, _) = listener.accept().await?;
        ensure!(acceptor.accept(stream).await.is_err(), "the wrong name was good enough");
        sibai.wait_for_log("TLS toward a trunk", PATIENCE)
    })
}

#[test]
fn only_a_client_that_trusts_the_authority_gets_through() -> Result<()> {
    let pki = Pki::new()?;
    let sibai = Sibai::start(Setup::default().with_every_transport(&pki))?;
    story(async {
        let other = Pki::new()?;
        ensure!(tls(sibai.tls(), &other, None).await.is_err());
        let stream = tokio::net::TcpStream::connect(sibai.wss()).await?;
        let name = rustls::pki_types::ServerName::try_from("elsewhere.example")?;
        ensure!(connector(&pki, None)?.connect(name, stream).await.is_err());
        Ok(())
    })
}

/// A trunk is asked who it is; a page is not, because Chromium hangs up when a WebSocket's server asks for a
/// certificate.
#[test]
fn only_over_tls_a_peer_is_asked_for_a_certificate() -> Result<()> {
    let pki = Pki::new()?;
    let sibai = Sibai::start(Setup::default().with_every_transport(&pki))?;
    story(async {
        ensure!(is_asked(sibai.tls(), &pki).await?, "a trunk could not prove itself");
        ensure!(!is_asked(sibai.wss(), &pki).await?, "a browser was asked");
        // After a reload too.
        sibai.hang_up_signal()?;
        sibai.wait_for_log("certificates were loaded again", PATIENCE)?;
        ensure!(is_asked(sibai.tls(), &pki).await? && !is_asked(sibai.wss(), &pki).await?);
        Ok(())
    })
}
