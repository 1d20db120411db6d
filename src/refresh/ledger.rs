//! Which refresh tokens have been sent, and what became of them: each is sent once.
//!
//! There are two places, and a record in either forbids to send the token again: a file beside
//! auth.json, which moves and is shared with it, and the [`UserLedger`], which also knows the token
//! in a copy of auth.json. Both hold fingerprints, never tokens. Both are synced to disk before the
//! first byte of the token leaves.

use super::auth_file::AuthFile;
use super::token_record::{LedgerRecord, MAX_BYTES, SCHEMA, TokenState, failed};
use super::user_ledger::UserLedger;
use crate::io::env::Env;
use crate::io::files::{self, Replacement};
use crate::model::error::Error;
use crate::model::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;

/// A token lives about ten days: this many are years.
const MAX_RECORDS: usize = 128;

/// Both places, for one login file.
///
/// To be changed under codexline's own lock. Where that lock is worth nothing,
/// [`UserLedger::claim`] still gives a token to one process only.
#[derive(Debug)]
pub struct Ledger {
    file: FileLedger,
    user: UserLedger,
}

impl Ledger {
    /// # Errors
    /// [`Error::CheckFailed`] if the record beside auth.json cannot be read: without it nothing may
    /// be sent.
    pub fn read(file: &AuthFile, env: &Env) -> Result<Ledger, Error> {
        Ok(Ledger { file: FileLedger::read(file.ledger())?, user: UserLedger::of(file, env) })
    }

    /// What is known of a token, by either place.
    ///
    /// # Errors
    /// [`Error::CheckFailed`] if the user's record cannot be read.
    pub fn find(&self, token: &str) -> Result<Option<LedgerRecord>, Error> {
        match self.file.find(token) {
            Some(record) => Ok(Some(record.clone())),
            None => self.user.find(token).map(|found| found.map(|record| record.record)),
        }
    }

    /// The token that was sent last with this login file, if nobody has recorded what became of it.
    pub fn pending(&self) -> Option<String> {
        self.file.pending().map(|record| record.token.clone()).or_else(|| self.user.pending())
    }

    /// The login file with which a token was sent, if it is another one and the answer may lie
    /// there.
    ///
    /// # Errors
    /// As [`Ledger::find`].
    pub fn pending_elsewhere(&self, token: &str) -> Result<Option<PathBuf>, Error> {
        self.user.pending_elsewhere(token)
    }

    /// Takes a token for this process, in both places and synced, before it is sent.
    ///
    /// # Errors
    /// [`Error::CheckFailed`] if it cannot be written down: then it is not. [`Error::Busy`] if
    /// another process has taken it meanwhile.
    pub fn claim(&mut self, token: &str, now: Timestamp) -> Result<(), Error> {
        self.user.claim(token, now)?;
        let recorded = self.file.record(token, TokenState::Sent, None, now);
        if recorded.is_err() {
            // The record may be there in spite of the error. Nothing has been sent.
            let _ = self.forget(token);
        }
        recorded
    }

    /// Records what became of a token.
    ///
    /// # Errors
    /// [`Error::CheckFailed`]; the record is as it was.
    pub fn settle(
        &mut self,
        token: &str,
        state: TokenState,
        code: Option<&str>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let recorded = self.file.record(token, state, code, now);
        self.user.settle(token, state, code, now).and(recorded)
    }

    /// Removes the record of a token that was not used up: it may be sent again.
    ///
    /// # Errors
    /// As [`Ledger::settle`].
    pub fn forget(&mut self, token: &str) -> Result<(), Error> {
        let forgotten = self.file.forget(token);
        self.user.forget(token).and(forgotten)
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Content {
    schema: u32,
    records: Vec<LedgerRecord>,
}

/// The record beside auth.json.
#[derive(Debug)]
pub(super) struct FileLedger {
    path: PathBuf,
    records: Vec<LedgerRecord>,
}

impl FileLedger {
    pub fn read(path: PathBuf) -> Result<FileLedger, Error> {
        let bytes = match files::read_own(&path, MAX_BYTES) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(FileLedger { path, records: Vec::new() });
            }
            Err(error) => return Err(failed(path, Error::io_reason(&error))),
        };
        match serde_json::from_slice::<Content>(&bytes) {
            Ok(content) if content.schema == SCHEMA => {
                Ok(FileLedger { path, records: content.records })
            }
            _ => Err(failed(path, "is damaged or from a newer codexline".into())),
        }
    }

    pub fn find(&self, token: &str) -> Option<&LedgerRecord> {
        self.records.iter().rev().find(|record| record.token == token)
    }

    fn pending(&self) -> Option<&LedgerRecord> {
        self.records.last().filter(|record| record.state == TokenState::Sent)
    }

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

    fn forget(&mut self, token: &str) -> Result<(), Error> {
        self.records.retain(|record| record.token != token);
        self.store()
    }

    fn store(&self) -> Result<(), Error> {
        let content = Content { schema: SCHEMA, records: self.records.clone() };
        let stored = serde_json::to_vec(&content)
            .map_err(io::Error::from)
            .and_then(|bytes| Replacement::beside(&self.path)?.commit_synced(&bytes));
        stored.map(drop).map_err(|error| failed(self.path.clone(), Error::io_reason(&error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::secret::Secret;
    use crate::refresh::token_record::fingerprint;

    #[test]
    fn a_fingerprint_is_no_token() {
        let text = fingerprint(&Secret::new("made-up".into()));
        assert_eq!(text.len(), 32);
        assert_ne!(text, fingerprint(&Secret::new("made-up-2".into())));
    }

    #[test]
    fn the_oldest_records_go_first() {
        let directory =
            std::env::temp_dir().join(format!("codexline-ledger-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("auth.json.codexline.ledger");
        let mut ledger = FileLedger::read(path.clone()).unwrap();
        for number in 0..MAX_RECORDS + 3 {
            let at = Timestamp::from_unix_seconds(number as i64);
            ledger.record(&number.to_string(), TokenState::Committed, None, at).unwrap();
        }
        let ledger = FileLedger::read(path).unwrap();
        let _ = std::fs::remove_dir_all(&directory);
        assert_eq!(ledger.records.len(), MAX_RECORDS);
        assert!(ledger.find("2").is_none() && ledger.find("3").is_some());
    }
}
