//! TLS in engine.yaml: which files, for the listeners and for each trunk, and whether they can be used.

use ivr::Faults;
use ivr::shape::View;
use ivr::yaml::{Node, Spot};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use media::sdp::Protection;
use sip::seam::Transport;

use super::engine::Engine;
use super::folder::Folder;
use super::table;
use crate::tls::{self, Identity, Part, TlsFault};

/// The files of the listeners; paths are relative to the configuration's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerTls {
    /// Our certificate and its chain.
    pub certificate: String,
    /// Its key.
    pub key: String,
    /// Whose signatures we trust on certificates of trunks.
    pub client_ca: Option<String>,
}

/// How TLS is spoken toward a trunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrunkTls {
    /// The name that its certificate must be for; its host without one.
    pub name: Option<String>,
    /// Whose signatures we trust on it; the system's authorities without one.
    pub ca: Option<String>,
    /// Our certificate and its key, where the carrier wants one.
    pub identity: Option<(String, String)>,
}

/// Reads `sip.tls`.
pub(super) fn of_listeners(sip: View<'_>) -> Option<ListenerTls> {
    sip.node("tls")?;
    let view = sip.part("tls", &table::TLS);
    Some(ListenerTls {
        certificate: view.text("certificate")?.to_owned(),
        key: view.text("key")?.to_owned(),
        client_ca: view.text("client_ca").map(str::to_owned),
    })
}

/// What `srtp` says.
pub(super) fn protection(view: View<'_>) -> Option<Protection> {
    Some(match view.text("srtp")? {
        "off" => Protection::Off,
        "require" => Protection::Require,
        _ => Protection::Prefer,
    })
}

/// Reads the TLS keys of a trunk; they mean something only with `transport: tls`.
pub(super) fn of_trunk(trunk: View<'_>, transport: Transport, faults: &mut Faults<'_>) -> Option<TrunkTls> {
    if transport != Transport::Tls {
        for key in ["tls_name", "ca", "certificate", "key"] {
            if let Some(node) = trunk.node(key) {
                let message = format!("`{key}` is for a trunk over TLS");
                faults.add(node.at, "E190", message, "write transport: tls, or remove it");
            }
        }
        return None;
    }
    let text = |key| trunk.text(key).map(str::to_owned);
    let (certificate, key) = (text("certificate"), text("key"));
    if certificate.is_some() != key.is_some()
        && let Some(node) = trunk.node("certificate").or_else(|| trunk.node("key"))
    {
        faults.add(node.at, "E013", "a trunk has only one of `certificate` and `key`", "write both or none");
    }
    if let Some(name) = trunk.text("tls_name")
        && rustls::pki_types::ServerName::try_from(name).is_err()
    {
        let at = trunk.node("tls_name").map_or(START, |node| node.at);
        faults.add(at, "E182", format!("{name:?} is no name"), "write it as it stands in the certificate");
    }
    Some(TrunkTls { name: text("tls_name"), ca: text("ca"), identity: certificate.zip(key) })
}

/// Whether every file can be used, and how long.
pub(super) fn check(folder: &Folder, engine: &Engine, tree: &Node, today: Date, faults: &mut Faults<'_>) {
    let mut checking = Checking { folder, today, faults };
    let sip = tree.child("sip");
    let tls = sip.and_then(|sip| sip.child("tls"));
    if let (Some(files), Some(node)) = (&engine.sip.tls, tls) {
        checking.listeners(files, node);
    }
    if engine.sip.tls.is_none() {
        for item in sip.map_or(&[][..], |sip| sip.items_of("listen")) {
            let on = item.child("on").unwrap_or(item);
            let secure = on.text().and_then(|text| Transport::from_name(text.split_once("://")?.0));
            if secure.is_some_and(Transport::is_secure) {
                let message = "a listener over TLS needs a certificate";
                checking.faults.add(
                    on.at,
                    "E190",
                    message,
                    "write sip.tls: { certificate: FILE, key: FILE }",
                );
            }
        }
    }
    for node in tree.items_of("trunks") {
        let name = node.child("name").and_then(Node::text);
        let trunk = engine.trunks.iter().find(|trunk| name == Some(trunk.name.as_str()));
        if let Some(tls) = trunk.and_then(|trunk| trunk.tls.as_ref()) {
            checking.trunk(tls, node);
        }
        if let Some(client) = node.child("tls_client")
            && engine.sip.tls.as_ref().is_none_or(|tls| tls.client_ca.is_none())
        {
            let message = "no certificate of a trunk can be trusted without `sip.tls.client_ca`";
            checking.faults.add(client.at, "E190", message, "name the file of who signs it");
        }
    }
}

struct Checking<'c, 'f> {
    folder: &'c Folder,
    today: Date,
    faults: &'c mut Faults<'f>,
}

impl Checking<'_, '_> {
    fn listeners(&mut self, files: &ListenerTls, node: &Node) {
        let keys = ["certificate", "key", "client_ca"];
        let certificate = self.file(&files.certificate, node, keys[0]);
        let key = self.file(&files.key, node, keys[1]);
        let authorities = files.client_ca.as_deref().map(|file| self.file(file, node, keys[2]));
        let (Some(certificate), Some(key)) = (certificate, key) else { return };
        let authorities = match &authorities {
            None => None,
            Some(None) => return,
            Some(Some(pem)) => Some(pem.as_slice()),
        };
        let identity = Identity { certificate: &certificate, key: &key };
        match tls::server(identity, authorities) {
            Ok(_) => self.expiry(&certificate, node, keys[0]),
            Err(fault) => self.unusable(&fault, node, keys),
        }
    }

    fn trunk(&mut self, files: &TrunkTls, node: &Node) {
        let keys = ["certificate", "key", "ca"];
        let authorities = files.ca.as_deref().map(|file| self.file(file, node, keys[2]));
        let identity = files
            .identity
            .as_ref()
            .map(|(certificate, key)| (self.file(certificate, node, keys[0]), self.file(key, node, keys[1])));
        let authorities = match &authorities {
            None => None,
            Some(None) => return,
            Some(Some(pem)) => Some(pem.as_slice()),
        };
        let identity = match &identity {
            None => None,
            Some((Some(certificate), Some(key))) => Some(Identity { certificate, key }),
            Some(_) => return,
        };
        match (tls::client(authorities, identity), identity) {
            (Ok(_), Some(identity)) => self.expiry(identity.certificate, node, keys[0]),
            (Ok(_), None) => {}
            (Err(fault), _) => self.unusable(&fault, node, keys),
        }
    }

    fn file(&mut self, path: &str, node: &Node, key: &str) -> Option<Vec<u8>> {
        match self.folder.read(path, LARGEST_PEM) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                let what = match error.kind() {
                    std::io::ErrorKind::NotFound => "is not there".to_owned(),
                    _ => format!("cannot be read: {error}"),
                };
                self.faults.add(at(node, key), "E190", format!("{path} {what}"), PATHS);
                None
            }
        }
    }

    fn unusable(&mut self, fault: &TlsFault, node: &Node, keys: [&str; 3]) {
        let [certificate, key, authorities] = keys;
        let key = match fault.part {
            Part::Certificate => certificate,
            Part::Key => key,
            Part::Authorities => authorities,
        };
        let file = node.child(key).and_then(Node::text).unwrap_or(key);
        self.faults.add(
            at(node, key),
            "E190",
            format!("{file} {}", fault.what),
            "write a PEM file of that kind",
        );
    }

    fn expiry(&mut self, certificate: &[u8], node: &Node, key: &str) {
        let Some(ends) = tls::ends(certificate) else { return };
        let ends = ends.to_zoned(TimeZone::UTC).date();
        let left = self.today.until(ends).map_or(0, |span| span.get_days());
        if left < WARN_BEFORE {
            let verb = if left < 0 { "ended" } else { "ends" };
            let file = node.child(key).and_then(Node::text).unwrap_or(key);
            let message = format!("{file} {verb} on {ends}");
            self.faults.add(
                at(node, key),
                "W190",
                message,
                "put a new one in its place: it is taken up at once",
            );
        }
    }
}

fn at(node: &Node, key: &str) -> Spot {
    node.child(key).map_or(node.at, |child| child.at)
}

const PATHS: &str = "paths begin at the configuration's folder";

/// A chain of certificates is some kilobytes, a file of all authorities half a megabyte.
const LARGEST_PEM: u64 = 1 << 20;

/// Days before its end from which a certificate is spoken of: whoever renews by hand needs a week.
const WARN_BEFORE: i32 = 14;

const START: Spot = Spot { file: 0, line: 1, column: 1 };
