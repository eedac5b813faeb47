//! What the stories share: connections of every kind, and messages that are written by hand.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use integration_tests::wire::pki::{Issued, Pki};
use rustls::client::ResolvesClientCert;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SignatureScheme};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Runs a story on a runtime of its own; nothing in it may take longer than a minute.
pub(super) fn story<T>(tale: impl Future<Output = Result<T>>) -> Result<T> {
    long_story(Duration::from_secs(60), tale)
}

/// A story that has to wait for something.
pub(super) fn long_story<T>(within: Duration, tale: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { tokio::time::timeout(within, tale).await.context("too long")? })
}

fn trusting(pki: &Pki) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pki.authority().as_bytes())?)?;
    Ok(roots)
}

fn identity(issued: &Issued) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let certificate = CertificateDer::from_pem_slice(issued.certificate.as_bytes())?;
    Ok((vec![certificate], PrivateKeyDer::from_pem_slice(issued.key.as_bytes())?))
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A client of rustls; with a certificate it proves itself.
pub(super) fn connector(pki: &Pki, issued: Option<&Issued>) -> Result<TlsConnector> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(trusting(pki)?);
    let config = match issued {
        None => builder.with_no_client_auth(),
        Some(issued) => {
            let (chain, key) = identity(issued)?;
            builder.with_client_auth_cert(chain, key)?
        }
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

/// A carrier's server: it lets nobody in without a certificate.
pub(super) fn acceptor(pki: &Pki, issued: &Issued) -> Result<TlsAcceptor> {
    let verifier =
        rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(trusting(pki)?), provider())
            .build()?;
    let (chain, key) = identity(issued)?;
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

pub(super) async fn tls(to: SocketAddr, pki: &Pki, issued: Option<&Issued>) -> Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from("pbx.example")?;
    Ok(connector(pki, issued)?.connect(name, TcpStream::connect(to).await?).await?)
}

/// Whether a server asks its peer for a certificate while they shake hands.
pub(super) async fn is_asked(to: SocketAddr, pki: &Pki) -> Result<bool> {
    let asked = Arc::new(Asked::default());
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(trusting(pki)?)
        .with_client_cert_resolver(Arc::clone(&asked) as Arc<dyn ResolvesClientCert>);
    let name = ServerName::try_from("pbx.example")?;
    TlsConnector::from(Arc::new(config)).connect(name, TcpStream::connect(to).await?).await?;
    Ok(asked.0.load(Ordering::Relaxed))
}

/// Has no certificate, and remembers whether one was wanted.
#[derive(Debug, Default)]
struct Asked(AtomicBool);

impl ResolvesClientCert for Asked {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.store(true, Ordering::Relaxed);
        None
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// The certificate that the server showed.
pub(super) fn shown(stream: &TlsStream<TcpStream>) -> Vec<u8> {
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    chain.first().map(|certificate| certificate.to_vec()).unwrap_or_default()
}

pub(super) fn der(issued: &Issued) -> Result<Vec<u8>> {
    Ok(CertificateDer::from_pem_slice(issued.certificate.as_bytes())?.to_vec())
}

/// A request, complete but for what a test adds.
pub(super) fn request(method: &str, to: &str, transport: &str, number: u32, body: &str) -> String {
    let sdp = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{method} sip:{to}@pbx.example SIP/2.0\r\nVia: SIP/2.0/{transport} df7jal23ls0d.invalid;branch=z9hG4bK{number}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:13900139000@pbx.example>;tag=t{number}\r\nTo: <sip:{to}@pbx.example>\r\n\
         Call-ID: {number}@{transport}\r\nCSeq: {number} {method}\r\n\
         Contact: <sip:me@df7jal23ls0d.invalid;transport={transport}>\r\n{sdp}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

pub(super) const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                              m=audio 9 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n";

/// Writes, and reads until the answer holds `wanted`.
pub(super) async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    text: &str,
    wanted: &str,
) -> Result<String> {
    stream.write_all(text.as_bytes()).await?;
    stream.flush().await?;
    hear(stream, wanted).await
}

/// Reads until it holds `wanted`.
pub(super) async fn hear<S: AsyncRead + Unpin>(stream: &mut S, wanted: &str) -> Result<String> {
    let mut heard = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut piece)).await;
        let text = String::from_utf8_lossy(&heard).into_owned();
        match read {
            Ok(Ok(length @ 1..)) => heard.extend_from_slice(&piece[..length]),
            Ok(Ok(0)) => bail!("closed without {wanted:?}, after {text:?}"),
            Ok(Err(error)) => bail!("{error} without {wanted:?}, after {text:?}"),
            Err(_) => bail!("no {wanted:?}, only {text:?}"),
        }
        let text = String::from_utf8_lossy(&heard);
        if text.contains(wanted) {
            return Ok(text.into_owned());
        }
    }
}

/// Waits until the other side has closed; what it said before.
pub(super) async fn closed<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Vec<u8>> {
    let mut heard = Vec::new();
    let mut piece = [0; 4096];
    loop {
        match tokio::time::timeout(Duration::from_secs(20), stream.read(&mut piece)).await {
            Ok(Ok(0) | Err(_)) => return Ok(heard),
            Ok(Ok(length)) => heard.extend_from_slice(&piece[..length]),
            Err(_) => bail!("not closed after {:?}", String::from_utf8_lossy(&heard)),
        }
    }
}
