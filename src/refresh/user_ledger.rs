//! The user's own record of refresh tokens: one small file for each token that was sent, whichever
//! auth.json it came from, in `$XDG_STATE_HOME/codexline/tokens`.
//!
//! A token does not belong to a path: a copied CODEX_HOME holds the same one. And a lock can be
//! worth nothing on a network mount. So a token is claimed here by creating the file that bears its
//! fingerprint, which succeeds for one process only, with or without a lock.

use super::auth_file::AuthFile;
use super::token_record::{LedgerRecord, MAX_BYTES, SCHEMA, TokenState, failed};
use crate::io::env::Env;
use crate::io::files::{self, Replacement};
use crate::model::error::Error;
use crate::model::time::{DAY, Timestamp};
use serde::{Deserialize, Serialize};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A token lives about ten days; a record that is a year old says nothing any more.
const LONGEST: i64 = 365 * DAY;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct UserRecord {
    schema: u32,
    #[serde(flatten)]
    pub record: LedgerRecord,
    /// The login file with which it was sent, all links followed.
    file: PathBuf,
}

#[derive(Debug)]
pub(super) struct UserLedger {
    /// `None` where no home directory is known. Then the record beside auth.json is all there is.
    directory: Option<PathBuf>,
    /// The login file that this run works on.
    file: PathBuf,
}

impl UserLedger {
    pub fn of(file: &AuthFile, env: &Env) -> UserLedger {
        UserLedger {
            directory: env.state_directory().map(|state| state.join("tokens")),
            file: file.target().to_path_buf(),
        }
    }

    /// Records in this directory.
    #[cfg(test)]
    pub fn for_test(directory: &Path) -> UserLedger {
        UserLedger { directory: Some(directory.to_path_buf()), file: "/x/auth.json".into() }
    }

    fn path(&self, token: &str) -> Option<PathBuf> {
        Some(self.directory.as_ref()?.join(token))
    }

    /// What is known of a token.
    ///
    /// # Errors
    /// [`Error::CheckFailed`] if there is a record that cannot be read.
    pub fn find(&self, token: &str) -> Result<Option<UserRecord>, Error> {
        let Some(path) = self.path(token) else { return Ok(None) };
        match files::read_own(&path, MAX_BYTES) {
            // Created and not yet filled: its process was ended at that moment, or is at it now.
            Ok(bytes) if bytes.is_empty() => Ok(Some(UserRecord {
                schema: SCHEMA,
                record: LedgerRecord {
                    token: token.into(),
                    state: TokenState::Sent,
                    at: Timestamp::from_unix_seconds(0),
                    code: None,
                },
                file: self.file.clone(),
            })),
            Ok(bytes) => match serde_json::from_slice::<UserRecord>(&bytes) {
                Ok(record) if record.schema == SCHEMA => Ok(Some(record)),
                _ => Err(failed(path, "is damaged or from a newer codexline".into())),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(path, Error::io_reason(&error))),
        }
    }

    /// The token that was sent last with this login file, if nobody has recorded what became of it.
    pub fn pending(&self) -> Option<String> {
        let is_pending =
            |found: &UserRecord| found.record.state == TokenState::Sent && found.file == self.file;
        let pending = self.names().into_iter().filter_map(|token| {
            self.find(&token).ok().flatten().filter(is_pending).map(|found| found.record)
        });
        pending.max_by_key(|record| record.at.unix_seconds()).map(|record| record.token)
    }

    /// The login file with which a token was sent, if it is another one and nobody has recorded
    /// what became of the token.
    ///
    /// # Errors
    /// As [`UserLedger::find`].
    pub fn pending_elsewhere(&self, token: &str) -> Result<Option<PathBuf>, Error> {
        let found = self.find(token)?.filter(|found| found.record.state == TokenState::Sent);
        Ok(found.map(|found| found.file).filter(|file| *file != self.file))
    }

    /// Takes a token for this process, synced.
    ///
    /// # Errors
    /// [`Error::Busy`] if it is taken; [`Error::CheckFailed`] if it cannot be written down.
    pub fn claim(&self, token: &str, now: Timestamp) -> Result<(), Error> {
        let (Some(path), Some(directory)) = (self.path(token), &self.directory) else {
            return Ok(());
        };
        files::create_own_directory(directory)
            .map_err(|error| failed(directory.clone(), Error::io_reason(&error)))?;
        self.prune(now);
        let mut file = match crate::io::platform::create_private(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(Error::Busy { path });
            }
            Err(error) => return Err(failed(path, Error::io_reason(&error))),
        };
        let written = self
            .content(token, TokenState::Sent, None, now)
            .and_then(|bytes| file.write_all(&bytes))
            .and_then(|()| file.sync_all())
            .and_then(|()| crate::io::platform::sync_directory_of(&path));
        written.map_err(|error| {
            let _ = std::fs::remove_file(&path);
            failed(path, Error::io_reason(&error))
        })
    }

    /// Records what became of a token.
    ///
    /// # Errors
    /// [`Error::CheckFailed`]; the record is as it was.
    pub fn settle(
        &self,
        token: &str,
        state: TokenState,
        code: Option<&str>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let (Some(path), Some(directory)) = (self.path(token), &self.directory) else {
            return Ok(());
        };
        let stored = files::create_own_directory(directory)
            .and_then(|()| self.content(token, state, code, now))
            .and_then(|bytes| Replacement::beside(&path)?.commit_synced(&bytes));
        stored.map(drop).map_err(|error| failed(path, Error::io_reason(&error)))
    }

    /// Removes a record.
    ///
    /// # Errors
    /// [`Error::CheckFailed`]; it is still there.
    pub fn forget(&self, token: &str) -> Result<(), Error> {
        let Some(path) = self.path(token) else { return Ok(()) };
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed(path, Error::io_reason(&error)))
            }
            _ => Ok(()),
        }
    }

    fn content(
        &self,
        token: &str,
        state: TokenState,
        code: Option<&str>,
        at: Timestamp,
    ) -> io::Result<Vec<u8>> {
        let record = LedgerRecord { token: token.into(), state, at, code: code.map(String::from) };
        // Paths that are not UTF-8 cannot be written in JSON. Only finding an answer elsewhere
        // needs it.
        let file = PathBuf::from(self.file.to_string_lossy().into_owned());
        Ok(serde_json::to_vec(&UserRecord { schema: SCHEMA, record, file })?)
    }

    /// The fingerprints of all tokens.
    fn names(&self) -> Vec<String> {
        let entries = self.directory.as_deref().and_then(|path| std::fs::read_dir(path).ok());
        let names = entries.into_iter().flatten().flatten();
        names.filter_map(|entry| entry.file_name().into_string().ok()).filter(is_token).collect()
    }

    /// Removes what is too old to say anything.
    fn prune(&self, now: Timestamp) {
        self.directory.iter().for_each(|path| files::remove_unfinished(path, now));
        for token in self.names() {
            let is_old = self.find(&token).ok().flatten().is_some_and(|found| {
                let at = found.record.at;
                at.unix_seconds() > 0 && now.seconds_since(at) > LONGEST
            });
            if is_old {
                let _ = self.forget(&token);
            }
        }
    }
}

/// Whether it is the name of a record, and not of one that is about to take another's place.
fn is_token(name: &String) -> bool {
    Path::new(name).extension().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_359_600;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(seconds)
    }

    /// Records in a directory of their own, which is empty.
    fn ledger(name: &str) -> UserLedger {
        let name = format!("codexline-user-ledger-{name}-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&directory);
        UserLedger::for_test(&directory)
    }

    fn remove(ledger: &UserLedger) {
        std::fs::remove_dir_all(ledger.directory.as_ref().unwrap()).unwrap();
    }

    #[test]
    fn a_record_is_removed_after_a_year() {
        let ledger = ledger("year");
        let year = 365 * 86_400;
        ledger.claim("old", at(NOW - year - 1)).unwrap();
        ledger.claim("young", at(NOW - year)).unwrap();
        // Whoever was ended while it wrote one: nobody knows how old it is.
        drop(crate::io::platform::create_private(&ledger.path("empty").unwrap()).unwrap());
        ledger.claim("new", at(NOW)).unwrap();
        assert_eq!(ledger.find("empty").unwrap().unwrap().record.state, TokenState::Sent);
        // A record that is about to take another's place is none.
        drop(crate::io::platform::create_private(&ledger.path("new.new").unwrap()).unwrap());
        let mut names = ledger.names();
        names.sort();
        assert_eq!(names, ["empty", "new", "young"]);
        remove(&ledger);
    }

    #[test]
    fn a_token_is_claimed_once_and_its_record_says_what_became_of_it() {
        let ledger = ledger("once");
        assert!(ledger.find("a").unwrap().is_none() && ledger.pending().is_none());
        ledger.claim("a", at(NOW)).unwrap();
        assert!(matches!(ledger.claim("a", at(NOW)), Err(Error::Busy { .. })));
        ledger.claim("b", at(NOW + 1)).unwrap();
        assert_eq!(ledger.pending().as_deref(), Some("b"), "the last one");
        ledger.settle("b", TokenState::Refused, Some("why"), at(NOW + 2)).unwrap();
        let found = ledger.find("b").unwrap().unwrap().record;
        assert_eq!((found.state, found.code.as_deref()), (TokenState::Refused, Some("why")));
        assert_eq!(ledger.pending().as_deref(), Some("a"));
        // With another login file, only what was sent with this one is pending elsewhere.
        let other = UserLedger { file: "/y/auth.json".into(), ..ledger };
        assert_eq!(other.pending(), None);
        assert_eq!(other.pending_elsewhere("a").unwrap(), Some("/x/auth.json".into()));
        assert_eq!(other.pending_elsewhere("b").unwrap(), None);
        other.forget("a").unwrap();
        other.forget("a").unwrap();
        assert!(other.find("a").unwrap().is_none());
        remove(&other);
    }

    #[test]
    fn a_record_that_cannot_be_read_is_not_taken_for_none() {
        let ledger = ledger("damaged");
        ledger.claim("a", at(NOW)).unwrap();
        let path = ledger.path("a").unwrap();
        let text = String::from_utf8(files::read_bounded(&path, MAX_BYTES).unwrap()).unwrap();
        for damaged in ["{", "null", &text[..text.len() - 1], &text.replace(":1,", ":2,")] {
            Replacement::beside(&path).unwrap().commit(damaged.as_bytes()).unwrap();
            assert!(ledger.find("a").is_err(), "{damaged}");
        }
        // Nor is one that cannot be opened, made or removed.
        files::create_own_directory(&ledger.path("b").unwrap()).unwrap();
        assert!(ledger.find("b").is_err() && ledger.forget("b").is_err());
        assert!(matches!(ledger.claim("none/c", at(NOW)), Err(Error::CheckFailed { .. })));
        remove(&ledger);
    }
}
