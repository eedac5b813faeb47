//! Just enough of an HTTP client to ask the API as any program would.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// An API and a token for it.
#[derive(Clone, Debug)]
pub struct Api {
    address: SocketAddr,
    token: String,
}

/// What was answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Names in small letters, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Api {
    /// The API at `address`; an empty token is not sent.
    pub fn new(address: SocketAddr, token: &str) -> Self {
        Self { address, token: token.into() }
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// GET, whatever the status.
    pub fn get(&self, path: &str) -> Result<Answer> {
        self.ask("GET", path, &[], &[])
    }

    /// Any request, whatever the status.
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer> {
        let mut stream =
            TcpStream::connect_timeout(&self.address, PATIENCE).context("the API does not answer")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        // HTTP/1.0 keeps the answer in one piece: no chunks to put together.
        let mut request = format!("{method} {path} HTTP/1.0\r\nHost: {}\r\n", self.address);
        if !self.token.is_empty() {
            write!(request, "Authorization: Bearer {}\r\n", self.token)?;
        }
        if !body.is_empty() {
            write!(request, "Content-Length: {}\r\n", body.len())?;
        }
        for (name, value) in headers {
            write!(request, "{name}: {value}\r\n")?;
        }
        request += "\r\n";
        stream.write_all(&[request.as_bytes(), body].concat())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).with_context(|| format!("{method} {path}"))?;
        Answer::read(&answer).with_context(|| format!("{method} {path}"))
    }
}

impl Answer {
    fn read(bytes: &[u8]) -> Result<Self> {
        let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").context("headers without an end")?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split_whitespace().nth(1)).context("no status")?;
        let headers = lines.filter_map(|line| line.split_once(':'));
        Ok(Self {
            status: status.parse().context("status")?,
            headers: headers.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect(),
            body: bytes[end + 4..].to_vec(),
        })
    }

    /// The body of a 2xx as JSON.
    pub fn json(&self) -> Result<Value> {
        ensure!((200..300).contains(&self.status), "{}: {}", self.status, self.text());
        serde_json::from_slice(&self.body).context("JSON")
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's value; `name` in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// It is on this machine; the rest is for a busy one.
const PATIENCE: Duration = Duration::from_secs(10);
