//! WebSockets, judged by a client that is not ours, and broken on purpose.

use anyhow::{Result, ensure};
use futures_util::{SinkExt, StreamExt};
use integration_tests::wire::pki::Pki;
use integration_tests::wire::{Setup, Sibai};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Request};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::house::{ask, closed, connector, request, story};

pub(super) fn upgrade(scheme: &str, protocol: &'static str, origin: &'static str) -> Result<Request<()>> {
    let mut request = format!("{scheme}://pbx.example/").into_client_request()?;
    let headers = request.headers_mut();
    headers.insert("Sec-WebSocket-Protocol", HeaderValue::from_static(protocol));
    if !origin.is_empty() {
        headers.insert("Origin", HeaderValue::from_static(origin));
    }
    Ok(request)
}

pub(super) async fn options<S>(socket: &mut WebSocketStream<S>, message: Message) -> Result<String>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    socket.send(message).await?;
    while let Some(answer) = socket.next().await {
        if let Message::Text(text) = answer? {
            return Ok(text.to_string());
        }
    }
    anyhow::bail!("closed")
}

#[test]
fn a_message_is_a_frame_over_ws_and_wss() -> Result<()> {
    let pki = Pki::new()?;
    let sibai = Sibai::start(Setup::default().with_every_transport(&pki))?;
    story(async {
        let plain = TcpStream::connect(sibai.ws()).await?;
        let (mut socket, _) = client_async(upgrade("ws", "sip", "")?, plain).await?;
        // No Content-Length: the frame is as long as the message.
        let text = request("REGISTER", "8001", "WS", 1, "").replace("Content-Length: 0\r\n", "");
        for message in [Message::text(text.clone()), Message::binary(text.into_bytes())] {
            let answer = options(&mut socket, message).await?;
            ensure!(answer.starts_with("SIP/2.0 401 "), "{answer}");
            ensure!(answer.contains("Via: SIP/2.0/WS df7jal23ls0d.invalid;"), "{answer}");
        }
        let answer = options(&mut socket, Message::text("\r\n\r\n")).await?;
        ensure!(answer == "\r\n");

        let name = rustls::pki_types::ServerName::try_from("pbx.example")?;
        let secure = connector(&pki, None)?.connect(name, TcpStream::connect(sibai.wss()).await?).await?;
        let (mut socket, _) =
            client_async(upgrade("wss", "sip", "https://pbx.example:8443")?, secure).await?;
        let answer = options(&mut socket, Message::text(request("REGISTER", "8001", "WSS", 2, ""))).await?;
        ensure!(answer.starts_with("SIP/2.0 401 "), "{answer}");
        socket.close(None).await?;
        Ok(())
    })
}

#[test]
fn what_is_not_for_sip_or_from_a_strange_page_is_refused() -> Result<()> {
    let sibai = Sibai::start(Setup::default().with_every_transport(&Pki::new()?))?;
    story(async {
        for (protocol, origin) in [("chat", ""), ("sip", "https://evil.example")] {
            let stream = TcpStream::connect(sibai.ws()).await?;
            ensure!(
                client_async(upgrade("ws", protocol, origin)?, stream).await.is_err(),
                "{protocol} {origin}"
            );
        }
        Ok(())
    })
}

/// Reliability, row B10, beside the frames that the unit tests cover: the process closes and lives on.
#[test]
fn abuse_is_closed_and_the_next_one_is_served() -> Result<()> {
    let sibai = Sibai::start(Setup::default().with_every_transport(&Pki::new()?))?;
    let hello = "GET / HTTP/1.1\r\nHost: pbx.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Protocol: sip\r\n\r\n";
    let unmasked = vec![0x81, 1, b'x'];
    let huge = [&[0x82, 0xff][..], &(1_u64 << 40).to_be_bytes(), &[1, 2, 3, 4]].concat();
    let pings = [0x89, 0x80, 1, 2, 3, 4].repeat(200);
    let pieces = [[0x01, 0x80, 1, 2, 3, 4], [0x00, 0x80, 1, 2, 3, 4]].concat();
    let pieces = [&pieces[..6], &pieces[6..].repeat(100)].concat();
    story(async {
        for round in 0..10 {
            for (frames, code) in [(&unmasked, 1002_u16), (&huge, 1009), (&pings, 1008), (&pieces, 1009)] {
                let mut stream = TcpStream::connect(sibai.ws()).await?;
                ask(&mut stream, hello, "\r\n\r\n").await?;
                stream.write_all(frames).await?;
                let heard = closed(&mut stream).await?;
                let close = [&[0x88, 2][..], &code.to_be_bytes()].concat();
                let told = heard.windows(4).any(|window| window == close);
                ensure!(told, "round {round}: {heard:?} is not closed by {code}");
            }
        }
        let stream = TcpStream::connect(sibai.ws()).await?;
        let (mut socket, _) = client_async(upgrade("ws", "sip", "")?, stream).await?;
        let answer = options(&mut socket, Message::text(request("REGISTER", "8001", "WS", 9, ""))).await?;
        ensure!(answer.starts_with("SIP/2.0 401 "));
        Ok(())
    })
}
