//! Just enough HTTP/1.1 for the demo to fetch from its own API as any program would.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail};

/// Fetches `path` with a bearer token; the body of a 200, or what went wrong.
pub(super) fn fetch(api: SocketAddr, token: &str, path: &str) -> anyhow::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&api, PATIENCE).context("the API does not answer")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // HTTP/1.0 keeps the answer in one piece: no chunks to put together.
    let request = format!("GET {path} HTTP/1.0\r\nHost: {api}\r\nAuthorization: Bearer {token}\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(LONGEST).read_to_end(&mut answer)?;
    let end =
        answer.windows(4).position(|w| w == b"\r\n\r\n").context("an answer without an end of headers")?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split_whitespace().nth(1).unwrap_or_default();
    let body = answer.split_off(end + 4);
    if status != "200" {
        bail!("GET {path} was answered {status}: {}", String::from_utf8_lossy(&body));
    }
    Ok(body)
}

/// The demo's recording is some 300 KB.
const LONGEST: u64 = 64 << 20;

/// It is this same process that answers.
const PATIENCE: Duration = Duration::from_secs(5);
