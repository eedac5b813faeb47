//! An authority of a test, and the certificates that it signs.

use std::path::Path;

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// An authority that lives as long as the test.
pub struct Pki {
    issuer: Issuer<'static, KeyPair>,
    authority: String,
}

/// A certificate and its key, both as PEM.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

impl Pki {
    /// A new authority.
    pub fn new() -> Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let authority = params.self_signed(&key)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), authority })
    }

    /// A certificate for these names; some stacks look at DNS names only.
    pub fn issue(&self, names: &[&str]) -> Result<Issued> {
        let key = KeyPair::generate()?;
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let certificate = CertificateParams::new(names)?.signed_by(&key, &self.issuer)?;
        Ok(Issued { certificate: certificate.pem(), key: key.serialize_pem() })
    }

    /// The authority's own certificate.
    pub fn authority(&self) -> &str {
        &self.authority
    }
}

impl Issued {
    /// Writes both into a folder, as `NAME.pem` and `NAME.key`; the key first, as a careful operator does.
    pub fn write(&self, folder: &Path, name: &str) -> Result<()> {
        std::fs::write(folder.join(format!("{name}.key")), &self.key)?;
        Ok(std::fs::write(folder.join(format!("{name}.pem")), &self.certificate)?)
    }
}

impl std::fmt::Debug for Pki {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pki").finish_non_exhaustive()
    }
}
