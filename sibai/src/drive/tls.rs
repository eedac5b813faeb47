//! TLS as it is now: certificates of the listeners and of each trunk, loaded, watched, and exchanged while
//! calls are up. A connection that has shaken hands keeps what it began with; the next one gets the new.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use rustls::pki_types::{CertificateDer, ServerName};
use sip::seam::Transport;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::config::{Engine, Folder};
use crate::tls::{self, Identity, Part, TlsFault};

/// What the listeners and the trunks speak TLS with.
#[derive(Debug)]
pub struct Tls {
    files: Files,
    /// Names by which a peer may prove to be a trunk.
    names: Vec<String>,
    loaded: RwLock<Loaded>,
    seen: Mutex<Vec<Stamp>>,
}

#[derive(Debug, Default)]
struct Files {
    server: Option<Set>,
    clients: Vec<(u16, String, Set)>,
}

/// The files of one listener or trunk.
#[derive(Debug, Default)]
struct Set {
    identity: Option<(PathBuf, PathBuf)>,
    authorities: Option<PathBuf>,
}

#[derive(Clone, Default)]
struct Loaded {
    /// For phones and trunks, who may show a certificate.
    server: Option<TlsAcceptor>,
    /// For browsers. Chromium gives a WebSocket up, with code 1006, when it is only asked for a certificate.
    pages: Option<TlsAcceptor>,
    clients: HashMap<u16, (TlsConnector, ServerName<'static>)>,
}

/// When a file was changed last, and its length: enough to notice a new one.
type Stamp = Option<(SystemTime, u64)>;

/// The number that stands for a trunk's own connections in `Flow::listener`: after those of the listeners.
/// The endpoint only carries it; here it finds the trunk's certificates.
pub fn number_of_trunk(listeners: usize, trunk: usize) -> u16 {
    u16::try_from(listeners + trunk).unwrap_or(u16::MAX)
}

impl Tls {
    /// Loads what the configuration names, or says which file stands in the way.
    pub fn load(engine: &Engine, folder: &Folder) -> Result<Self, String> {
        let place = |path: &str| folder.place(path).unwrap_or_else(|| PathBuf::from(path));
        let server = engine.sip.tls.as_ref().map(|files| Set {
            identity: Some((place(&files.certificate), place(&files.key))),
            authorities: files.client_ca.as_deref().map(place),
        });
        let clients = engine.trunks.iter().enumerate().filter_map(|(at, trunk)| {
            let (tls, host) = (trunk.tls.as_ref()?, trunk.host.as_deref()?);
            let name = tls.name.clone().unwrap_or_else(|| crate::config::host_name(host).to_owned());
            let identity = tls.identity.as_ref().map(|(certificate, key)| (place(certificate), place(key)));
            let set = Set { identity, authorities: tls.ca.as_deref().map(place) };
            Some((number_of_trunk(engine.sip.listen.len(), at), name, set))
        });
        let files = Files { server, clients: clients.collect() };
        let names = engine.trunks.iter().filter_map(|trunk| trunk.tls_client.clone()).collect();
        let seen = Mutex::new(files.stamps());
        let loaded = RwLock::new(files.load()?);
        Ok(Self { files, names, loaded, seen })
    }

    /// For the next handshake of a listener of this transport; `None` without `sip.tls`.
    pub(super) fn acceptor(&self, transport: Transport) -> Option<TlsAcceptor> {
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        if transport == Transport::Wss { loaded.pages.clone() } else { loaded.server.clone() }
    }

    /// For the next handshake toward a trunk, by its number.
    pub(super) fn connector(&self, number: u16) -> Option<(TlsConnector, ServerName<'static>)> {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner).clients.get(&number).cloned()
    }

    /// The names of trunks that a peer has proved by its certificate, which the handshake has verified.
    pub(super) fn proved(&self, chain: Option<&[CertificateDer<'_>]>) -> Vec<String> {
        let Some(certificate) = chain.and_then(<[_]>::first) else { return Vec::new() };
        self.names.iter().filter(|name| tls::is_for(certificate, name)).cloned().collect()
    }

    /// Loads everything again. On an error everything stays as it was.
    pub fn reload(&self) -> Result<(), String> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = self.files.stamps();
        let loaded = self.files.load()?;
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = loaded;
        Ok(())
    }

    /// Whether a file has changed since it was looked at last.
    pub fn has_changed(&self) -> bool {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) != self.files.stamps()
    }

    /// Whether there is anything to be loaded.
    pub fn is_used(&self) -> bool {
        self.files.server.is_some() || !self.files.clients.is_empty()
    }
}

impl Files {
    fn load(&self) -> Result<Loaded, String> {
        let mut loaded = Loaded::default();
        if let Some(set) = &self.server {
            let (server, pages) = set.read(|identity, authorities| {
                let missing = || TlsFault { part: Part::Certificate, what: "is missing".to_owned() };
                let identity = identity.ok_or_else(missing)?;
                Ok((tls::server(identity, authorities)?, tls::server(identity, None)?))
            })?;
            loaded.server = Some(TlsAcceptor::from(Arc::new(server)));
            loaded.pages = Some(TlsAcceptor::from(Arc::new(pages)));
        }
        for (number, name, set) in &self.clients {
            let config = set.read(|identity, authorities| tls::client(authorities, identity))?;
            let name =
                ServerName::try_from(name.clone()).map_err(|_| format!("{name} is no name for TLS"))?;
            loaded.clients.insert(*number, (TlsConnector::from(Arc::new(config)), name));
        }
        Ok(loaded)
    }

    fn stamps(&self) -> Vec<Stamp> {
        let sets = self.server.iter().chain(self.clients.iter().map(|(_, _, set)| set));
        sets.flat_map(Set::paths).map(stamp).collect()
    }
}

impl Set {
    fn paths(&self) -> impl Iterator<Item = &Path> {
        let identity = self.identity.iter().flat_map(|(certificate, key)| [certificate, key]);
        identity.chain(&self.authorities).map(PathBuf::as_path)
    }

    /// Reads the files, and names the one that is at fault.
    fn read<T>(
        &self,
        make: impl FnOnce(Option<Identity<'_>>, Option<&[u8]>) -> Result<T, TlsFault>,
    ) -> Result<T, String> {
        let file =
            |path: &PathBuf| std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
        let pair = match &self.identity {
            Some((certificate, key)) => Some((file(certificate)?, file(key)?)),
            None => None,
        };
        let authorities = self.authorities.as_ref().map(file).transpose()?;
        let identity = pair.as_ref().map(|(certificate, key)| Identity { certificate, key });
        make(identity, authorities.as_deref()).map_err(|fault| {
            let path = match fault.part {
                Part::Certificate => self.identity.as_ref().map(|(certificate, _)| certificate),
                Part::Key => self.identity.as_ref().map(|(_, key)| key),
                Part::Authorities => self.authorities.as_ref(),
            };
            let path = path.map_or_else(String::new, |path| format!("{} ", path.display()));
            format!("{path}{fault}")
        })
    }
}

fn stamp(path: &Path) -> Stamp {
    let file = std::fs::metadata(path).ok()?;
    Some((file.modified().ok()?, file.len()))
}

impl std::fmt::Debug for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loaded").field("clients", &self.clients.len()).finish_non_exhaustive()
    }
}
