//! Whom a TLS connection trusts.
//!
//! On Linux the platform's store is one file with everything, and most often a directory with the same again in 150 files. Reading both
//! is two thirds of what a fetch computes, so the file is enough, as it is for curl, unless a server's issuer is not
//! in it: somebody may have put their company's certificate into the directory only.

use crate::io::env::Env;
use crate::io::files;
use crate::model::error::Error;
use std::path::PathBuf;
use ureq::tls::{Certificate, PemItem, RootCerts, parse_pem};

/// A bundle of every root there is has 250 KiB.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// ConnectionProbe in place of the system's store; read by the platform's loader, too.
const IN_PLACE: &str = "SSL_CERT_FILE";
/// Certificates beside those of the store; Codex's own variable.
const BESIDE: &str = "CODEX_CA_CERTIFICATE";
/// A directory for the platform's loader.
const DIRECTORY: &str = "SSL_CERT_DIR";

/// The certificates that were named, and where the others are.
pub struct Trust {
    in_place: Option<Vec<Certificate<'static>>>,
    beside: Vec<Certificate<'static>>,
    /// The system's file of certificates, where there is one and nothing else was asked for.
    bundle: Option<PathBuf>,
}

impl Trust {
    /// Reads the files that are named by variables, and no other.
    ///
    /// # Errors
    /// [`Error::CertificateFile`] if one of them cannot be used; the platform's loader would pass over it.
    pub fn new(env: &Env) -> Result<Trust, Error> {
        let named = |variable| env.variable(variable).map(PathBuf::from);
        let in_place = named(IN_PLACE).map(certificates).transpose()?;
        let beside = named(BESIDE).map(certificates).transpose()?.unwrap_or_default();
        let is_asked_for = in_place.is_some() || named(DIRECTORY).is_some();
        Ok(Trust { in_place, beside, bundle: if is_asked_for { None } else { bundle() } })
    }

    /// Whom the named files and the system's file name; `None` where there is no such file, so that only
    /// [`Trust::everything`] is left.
    pub fn usual(&self) -> Option<RootCerts> {
        let system = certificates(self.bundle.clone()?).ok()?;
        Some(RootCerts::new_with_certs(&[system.as_slice(), &self.beside].concat()))
    }

    /// Whom the named files and the platform's whole store name.
    pub fn everything(&self) -> RootCerts {
        if self.beside.is_empty() {
            return RootCerts::PlatformVerifier;
        }
        let system = rustls_native_certs::load_native_certs().certs;
        let system = system.iter().map(|certificate| Certificate::from_der(certificate).to_owned());
        RootCerts::new_with_certs(&self.beside.iter().cloned().chain(system).collect::<Vec<_>>())
    }

    /// How many certificate authorities are trusted, and where they come from.
    pub fn describe(&self, env: &Env) -> (usize, String) {
        let named = |variable| {
            let path = PathBuf::from(env.variable(variable).unwrap_or_default());
            format!("{} ({variable})", path.display())
        };
        let (mut count, mut sources) = match &self.in_place {
            Some(certificates) => (certificates.len(), vec![named(IN_PLACE)]),
            None => (
                rustls_native_certs::load_native_certs().certs.len(),
                vec!["the system's store".to_string()],
            ),
        };
        if !self.beside.is_empty() {
            count += self.beside.len();
            sources.push(named(BESIDE));
        }
        (count, sources.join(", "))
    }
}

#[cfg(target_os = "linux")]
fn bundle() -> Option<PathBuf> {
    openssl_probe::probe().cert_file
}

/// The others keep certificates in a store of their own.
#[cfg(not(target_os = "linux"))]
fn bundle() -> Option<PathBuf> {
    None
}

fn certificates(path: PathBuf) -> Result<Vec<Certificate<'static>>, Error> {
    let unusable = |reason: String| Error::CertificateFile { path: path.clone(), reason };
    let bytes = files::read_bounded(&path, MAX_BYTES)
        .map_err(|error| unusable(Error::io_reason(&error)))?;
    let certificates: Vec<Certificate<'static>> = parse_pem(&bytes)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(unusable("holds no certificate".into()));
    }
    Ok(certificates)
}
