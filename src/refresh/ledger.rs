//! Which refresh tokens have been sent, and what became of them: one POST per token, ever.
//!
//! Holds fingerprints, never tokens. A record is synced to disk before the first byte of its token leaves.

use crate::io::files;
use crate::model::error::{Check, Error};
use crate::model::secret::Secret;
use crate::model::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const MAX_BYTES: u64 = 64 * 1024;
/// A token lives about ten days: this many are years.
const MAX_RECORDS: usize = 128;

/// What became of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenState {
    /// On its way; if nobody is at it any more, its fate is unknown.
    Sent,
    /// The answer was good and has been dealt with: stored, or dropped because another login was there by then.
    Committed,
    /// The server refused it for good.
    Refused,
    /// It was sent, and no answer told its fate.
    Unknown,
}

impl TokenState {
    pub const fn name(self) -> &'static str {
        match self {
            TokenState::Sent => "sent",
            TokenState::Committed => "committed",
            TokenState::Refused => "refused",
            TokenState::Unknown => "unknown",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LedgerRecord {
    /// [`fingerprint`] of the token.
    pub token: String,
    pub state: TokenState,
    pub at: Timestamp,
    /// The server's reason for a refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Content {
    schema: u32,
    records: Vec<LedgerRecord>,
}

/// The ledger of one login file. To be used under codexline's own lock.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    records: Vec<LedgerRecord>,
}

const SCHEMA: u32 = 1;

impl Ledger {
    /// None yet is an empty one.
    ///
    /// # Errors
    /// [`Error::CheckFailed`] if there is one that cannot be read: without it nothing may be spent.
    pub fn read(path: PathBuf) -> Result<Ledger, Error> {
        let failed = |reason: String| Error::CheckFailed {
            check: Check::Ledger,
            path: path.clone(),
            reason,
        };
        let bytes = match files::read_bounded(&path, MAX_BYTES) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Ledger { path, records: Vec::new() });
            }
            Err(error) => return Err(failed(Error::io_reason(&error))),
        };
        match serde_json::from_slice::<Content>(&bytes) {
            Ok(content) if content.schema == SCHEMA => {
                Ok(Ledger { path, records: content.records })
            }
            _ => Err(failed("is damaged or from a newer codexline".into())),
        }
    }

    /// What is known of a token.
    pub fn find(&self, token: &str) -> Option<&LedgerRecord> {
        self.records.iter().rev().find(|record| record.token == token)
    }

    /// Whether nothing has been sent, as far as it knows.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The token that was sent last, if its fate has not been recorded.
    pub fn pending(&self) -> Option<&LedgerRecord> {
        self.records.last().filter(|record| record.state == TokenState::Sent)
    }

    /// Records a token's state, synced.
    ///
    /// # Errors
    /// [`Error::CheckFailed`]; the file is as it was.
    pub fn record(
        &mut self,
        token: &str,
        state: TokenState,
        code: Option<&str>,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.records.retain(|record| record.token != token);
        self.records.push(LedgerRecord {
            token: token.into(),
            state,
            at: now,
            code: code.map(String::from),
        });
        let surplus = self.records.len().saturating_sub(MAX_RECORDS);
        self.records.drain(..surplus);
        self.store()
    }

    /// Takes a record back: the token never left.
    ///
    /// # Errors
    /// As [`Ledger::record`].
    pub fn forget(&mut self, token: &str) -> Result<(), Error> {
        self.records.retain(|record| record.token != token);
        self.store()
    }

    fn store(&self) -> Result<(), Error> {
        let content = Content { schema: SCHEMA, records: self.records.clone() };
        let stored = serde_json::to_vec(&content)
            .map_err(io::Error::from)
            .and_then(|bytes| self.replace(&bytes));
        stored.map_err(|error| Error::CheckFailed {
            check: Check::Ledger,
            path: self.path.clone(),
            reason: Error::io_reason(&error),
        })
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let mut staged = self.path.clone().into_os_string();
        staged.push(".new");
        let staged = Path::new(&staged);
        match std::fs::remove_file(staged) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = crate::io::platform::create_private(staged)?;
        let written = file
            .write_all(bytes)
            .and_then(|()| file.sync_all())
            .and_then(|()| std::fs::rename(staged, &self.path))
            .and_then(|()| crate::io::platform::sync_directory_of(&self.path));
        if written.is_err() {
            let _ = std::fs::remove_file(staged);
        }
        written
    }
}

/// Tells tokens apart without telling them: the first half of a SHA-256.
pub fn fingerprint(token: &Secret) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, token.expose().as_bytes());
    digest.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_no_token() {
        let text = fingerprint(&Secret::new("made-up".into()));
        assert_eq!(text.len(), 32);
        assert_ne!(text, fingerprint(&Secret::new("made-up-2".into())));
    }
}
