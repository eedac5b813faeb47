//! Certificates and keys: PEM texts to what rustls works with, or what is wrong with which of them.

mod der;

use std::sync::Arc;

use base::Timestamp;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use thiserror::Error;

/// Which file is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The certificate, with its chain.
    Certificate,
    /// Its private key.
    Key,
    /// The authorities.
    Authorities,
}

/// Why TLS cannot be spoken with these files.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{what}")]
pub struct TlsFault {
    /// Whose fault it is.
    pub part: Part,
    /// What is wrong, as the end of a sentence that begins with the file's name.
    pub what: String,
}

/// A certificate with its chain, and its key, both as PEM.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// Our own certificate first, then those that lead to an authority.
    pub certificate: &'a [u8],
    /// PKCS #8, PKCS #1 or SEC 1.
    pub key: &'a [u8],
}

/// What a TLS listener needs. With `authorities` a peer may prove itself by a certificate that one of them
/// has signed; a peer without a certificate is let in all the same, because phones have passwords.
pub fn server(identity: Identity<'_>, authorities: Option<&[u8]>) -> Result<ServerConfig, TlsFault> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| fault(Part::Certificate, error.to_string()))?;
    let builder = match authorities {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let roots = Arc::new(roots(pem)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider())
                .allow_unauthenticated()
                .build()
                .map_err(|error| fault(Part::Authorities, error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let (chain, key) = read(identity)?;
    builder.with_single_cert(chain, key).map_err(|error| unusable(&error))
}

/// What a connection of ours needs: whom it trusts (the system's authorities without any of its own), and
/// what it proves itself with.
pub fn client(authorities: Option<&[u8]>, identity: Option<Identity<'_>>) -> Result<ClientConfig, TlsFault> {
    let roots = match authorities {
        Some(pem) => roots(pem)?,
        None => system_roots()?,
    };
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| fault(Part::Certificate, error.to_string()))?
        .with_root_certificates(roots);
    match identity {
        None => Ok(builder.with_no_client_auth()),
        Some(identity) => {
            let (chain, key) = read(identity)?;
            builder.with_client_auth_cert(chain, key).map_err(|error| unusable(&error))
        }
    }
}

/// When the first certificate of a PEM text ceases to be valid; `None` when that cannot be read.
pub fn ends(certificate: &[u8]) -> Option<Timestamp> {
    let certificate = CertificateDer::from_pem_slice(certificate).ok()?;
    der::not_after(&certificate)
}

/// Whether a certificate that was verified is for this name.
pub fn is_for(certificate: &CertificateDer<'_>, name: &str) -> bool {
    let (Ok(parsed), Ok(name)) = (ParsedCertificate::try_from(certificate), ServerName::try_from(name))
    else {
        return false;
    };
    rustls::client::verify_server_name(&parsed, &name).is_ok()
}

fn read(identity: Identity<'_>) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsFault> {
    let chain = certificates(identity.certificate, Part::Certificate)?;
    let key = PrivateKeyDer::from_pem_slice(identity.key)
        .map_err(|_| fault(Part::Key, "holds no private key in PEM".to_owned()))?;
    Ok((chain, key))
}

fn certificates(pem: &[u8], part: Part) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(list) if !list.is_empty() => Ok(list),
        _ => Err(fault(part, "holds no certificate in PEM".to_owned())),
    }
}

fn roots(pem: &[u8]) -> Result<RootCertStore, TlsFault> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem, Part::Authorities)? {
        roots.add(certificate).map_err(|error| fault(Part::Authorities, error.to_string()))?;
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, TlsFault> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        return Err(fault(Part::Authorities, "the system has no authorities (ca-certificates)".to_owned()));
    }
    Ok(roots)
}

fn unusable(error: &rustls::Error) -> TlsFault {
    match error {
        rustls::Error::InconsistentKeys(_) => {
            fault(Part::Key, "is not the key of the certificate".to_owned())
        }
        rustls::Error::InvalidCertificate(_) => fault(Part::Certificate, error.to_string()),
        other => fault(Part::Key, other.to_string()),
    }
}

fn fault(part: Part, what: String) -> TlsFault {
    TlsFault { part, what }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(name: &str) -> (String, String) {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    fn part_of<T>(result: Result<T, TlsFault>) -> Part {
        result.map(drop).unwrap_err().part
    }

    #[test]
    fn a_certificate_and_its_key_are_taken_and_others_are_named() {
        let ((certificate, key), (_, other)) = (made("pbx.example"), made("pbx.example"));
        let (good, bad) = (certificate.as_bytes(), key.as_bytes());
        let identity = |certificate, key| Identity { certificate, key };
        assert!(server(identity(good, bad), Some(good)).is_ok());
        assert!(client(Some(good), Some(identity(good, bad))).is_ok());
        assert_eq!(part_of(server(identity(bad, bad), None)), Part::Certificate);
        assert_eq!(part_of(server(identity(good, good), None)), Part::Key);
        assert_eq!(part_of(server(identity(good, other.as_bytes()), None)), Part::Key);
        assert_eq!(part_of(server(identity(good, bad), Some(b"nothing"))), Part::Authorities);
        assert_eq!(part_of(client(Some(b""), None)), Part::Authorities);
        assert_eq!(part_of(client(Some(good), Some(identity(good, other.as_bytes())))), Part::Key);
    }

    #[test]
    fn a_certificate_is_for_its_names_only() {
        let (certificate, _) = made("carrier.example");
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        assert!(is_for(&certificate, "carrier.example"));
        assert!(!is_for(&certificate, "other.example"));
        assert!(!is_for(&certificate, "not a name"));
    }
}
