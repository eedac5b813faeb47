//! Pings of ours over streams: who shows that it answers them and then does not is gone, FIN or not.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use futures_util::{SinkExt, StreamExt};
use integration_tests::wire::pki::Pki;
use integration_tests::wire::{Setup, Sibai};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::house::{ask, long_story, request};
use super::web::{options, upgrade};

/// docs/transports.md: two pings, 30 s apart, and as long again.
#[test]
fn who_answers_no_ping_any_more_is_given_up_and_who_does_is_kept() -> Result<()> {
    let sibai = Sibai::start(Setup::default().with_every_transport(&Pki::new()?))?;
    long_story(Duration::from_secs(170), async {
        // A WebSocket must answer pings (RFC 6455 section 5.5.2), over TCP nobody must (RFC 5626 section 4.4.1).
        let (deaf, mut kept, mut tired, mut mute) =
            (web(&sibai).await?.into_inner(), web(&sibai).await?, plain(&sibai).await?, plain(&sibai).await?);
        let given_up = async {
            let begin = Instant::now();
            let (deaf, tired) = tokio::join!(end_of(deaf, false), end_of(&mut tired, true));
            let (deaf, tired) = ((deaf? - begin).as_secs(), (tired? - begin).as_secs());
            ensure!((85..100).contains(&deaf), "the WebSocket ended after {deaf} s");
            ensure!((115..130).contains(&tired), "the stream ended after {tired} s");
            anyhow::Ok(())
        };
        tokio::select! {
            heard = listens(&mut kept) => return heard,
            ended = given_up => ended?,
        }
        sibai.metric_becomes("pbx_sip_connections", 2.0, Duration::from_secs(5))?;
        let answer = options(&mut kept, Message::text(request("REGISTER", "8001", "WS", 8, ""))).await?;
        ensure!(answer.starts_with("SIP/2.0 401 "), "{answer}");
        let heard = ask(&mut mute, &request("REGISTER", "8001", "TCP", 9, ""), "SIP/2.0 401 ").await?;
        ensure!(heard.starts_with("\r\n\r\n\r\n\r\n"), "it was not pinged: {heard:?}");
        Ok(())
    })
}

/// Reading answers each ping; it ends only when the other side does.
async fn listens(socket: &mut WebSocketStream<TcpStream>) -> Result<()> {
    while let Some(heard) = socket.next().await {
        heard?;
        socket.flush().await?;
    }
    bail!("who answered was given up too")
}

/// A WebSocket over which somebody has spoken.
async fn web(sibai: &Sibai) -> Result<WebSocketStream<TcpStream>> {
    let stream = TcpStream::connect(sibai.ws()).await?;
    let (mut socket, _) = client_async(upgrade("ws", "sip", "")?, stream).await?;
    options(&mut socket, Message::text(request("REGISTER", "8001", "WS", 1, ""))).await?;
    Ok(socket)
}

/// A TCP connection over which somebody has spoken.
async fn plain(sibai: &Sibai) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(sibai.sip()).await?;
    ask(&mut stream, &request("REGISTER", "8001", "TCP", 1, ""), "Content-Length: 0\r\n\r\n").await?;
    Ok(stream)
}

/// When the other side closes; the first of its pings is answered, if so wished, and no other.
async fn end_of(
    mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin,
    answers_once: bool,
) -> Result<Instant> {
    let mut piece = [0; 4096];
    let mut is_answered = !answers_once;
    loop {
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return Ok(Instant::now()),
            Ok(_) if is_answered => {}
            Ok(_) => {
                stream.write_all(b"\r\n").await?;
                is_answered = true;
            }
        }
    }
}
