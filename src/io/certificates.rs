//! The certificate authorities that a TLS connection trusts.
//!
//! On Linux the system's store is one file with all certificates, and usually also a directory with
//! the same certificates in 150 files. Reading both takes two thirds of the CPU time of a fetch. So
//! the file is used first, as curl does. Only if it lacks a server's issuer, the directory is read
//! as well: it may hold a company's own certificate.

use crate::io::env::Env;
use crate::io::files;
use crate::model::error::Error;
use std::path::PathBuf;
use ureq::tls::{Certificate, PemItem, RootCerts, parse_pem};

/// A file with all public authorities has 250 KiB.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// Names a file to use instead of the system's store.
const INSTEAD: &str = "SSL_CERT_FILE";
/// Names a file with further certificates. Codex's own variable.
const FURTHER: &str = "CODEX_CA_CERTIFICATE";
/// Names a directory to use instead of the system's store.
const DIRECTORY: &str = "SSL_CERT_DIR";

/// The certificates that variables name, and the system's file.
pub struct Trust {
    instead: Option<Vec<Certificate<'static>>>,
    further: Vec<Certificate<'static>>,
    /// The directories to use instead of the system's store.
    directories: Vec<PathBuf>,
    /// The system's file, if there is one and no variable replaces it.
    bundle: Option<PathBuf>,
}

impl Trust {
    /// Reads only the files that variables name.
    ///
    /// # Errors
    /// [`Error::CertificateFile`] if one of them cannot be used. The system's loader would silently
    /// ignore it.
    pub fn new(env: &Env) -> Result<Trust, Error> {
        let named = |variable| env.variable(variable).map(PathBuf::from);
        let instead = named(INSTEAD).map(certificates).transpose()?;
        let further = named(FURTHER).map(certificates).transpose()?.unwrap_or_default();
        let list = env.variable(DIRECTORY).unwrap_or_default();
        let directories: Vec<PathBuf> =
            std::env::split_paths(&list).filter(|path| !path.as_os_str().is_empty()).collect();
        let is_replaced = instead.is_some() || !directories.is_empty();
        let bundle = if is_replaced { None } else { bundle() };
        Ok(Trust { instead, further, directories, bundle })
    }

    /// The authorities of the system's file and of the further one; `None` if there is no such
    /// file, so that only [`Trust::everything`] is left.
    pub fn usual(&self) -> Option<RootCerts> {
        let system = certificates(self.bundle.clone()?).ok()?;
        Some(RootCerts::new_with_certs(&[system.as_slice(), &self.further].concat()))
    }

    /// The authorities of the system's whole store, or of what replaces it, and of the further
    /// file.
    pub fn everything(&self) -> RootCerts {
        // Only the platform's verifier knows all settings of the system. But on macOS and Windows
        // it reads no variable.
        if self.instead.is_none() && self.directories.is_empty() && self.further.is_empty() {
            return RootCerts::PlatformVerifier;
        }
        RootCerts::new_with_certs(&[self.store(), self.further.clone()].concat())
    }

    /// The system's whole store, or what replaces it.
    fn store(&self) -> Vec<Certificate<'static>> {
        let owned = |found: rustls_native_certs::CertificateResult| -> Vec<_> {
            let certs = found.certs.iter();
            certs.map(|certificate| Certificate::from_der(certificate).to_owned()).collect()
        };
        if self.instead.is_none() && self.directories.is_empty() {
            return owned(rustls_native_certs::load_native_certs());
        }
        let mut store = self.instead.clone().unwrap_or_default();
        for directory in &self.directories {
            store.extend(owned(rustls_native_certs::load_certs_from_paths(None, Some(directory))));
        }
        store
    }

    /// The number of trusted authorities, and where they come from.
    pub fn describe(&self, env: &Env) -> (usize, String) {
        let named = |variable| {
            let path = PathBuf::from(env.variable(variable).unwrap_or_default());
            format!("{} ({variable})", path.display())
        };
        let mut count = self.store().len();
        let mut sources = Vec::new();
        if self.instead.is_some() {
            sources.push(named(INSTEAD));
        }
        if !self.directories.is_empty() {
            sources.push(named(DIRECTORY));
        }
        if sources.is_empty() {
            sources.push("the system's store".to_string());
        }
        if !self.further.is_empty() {
            count += self.further.len();
            sources.push(named(FURTHER));
        }
        (count, sources.join(", "))
    }
}

#[cfg(target_os = "linux")]
fn bundle() -> Option<PathBuf> {
    openssl_probe::probe().cert_file
}

/// Other systems keep certificates in a store of their own.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The platform's verifier, which is in charge on macOS and Windows, reads no variable.
    #[test]
    fn a_file_named_by_a_variable_replaces_the_store_on_every_system() {
        let name = format!("codexline-certificates-{}.pem", std::process::id());
        let path = std::env::temp_dir().join(name);
        let certificate = rcgen::generate_simple_self_signed(["localhost".into()]).unwrap();
        let mut file = crate::io::platform::create_private(&path).unwrap();
        std::io::Write::write_all(&mut file, certificate.cert.pem().as_bytes()).unwrap();
        let variables = [(INSTEAD, path.to_str().unwrap())];
        let trust = Trust::new(&Env::for_test(&variables, crate::io::env::system_clock));
        std::fs::remove_file(&path).unwrap();
        let RootCerts::Specific(trusted) = trust.unwrap().everything() else {
            panic!("the store is trusted as well");
        };
        assert_eq!(trusted.len(), 1);
    }
}
