//! What an interrupted run left is brought to its end by the next one. New tokens can wait in three
//! places: staged beside auth.json, staged beside another login file (auth.json was a link, or has
//! been moved), and among those that are kept.

use super::TokenRefresh;
use super::auth_file::AuthFile;
use super::commit::{Commit, Committed, compose};
use super::kept::Kept;
use super::ledger::Ledger;
use super::oauth::NewTokens;
use super::rotation::{Against, Rotation};
use super::staged::StagedAuth;
use super::token_record::{TokenState, fingerprint};
use crate::codex::login::Login;
use crate::io::files::{self, Lock};
use crate::model::error::{Check, Error};
use crate::model::time::Timestamp;
use std::io;
use std::path::{Path, PathBuf};

/// What becomes of a token whose process was ended before its answer was on disk.
const INTERRUPTED: &str = "codexline was ended";

impl TokenRefresh<'_> {
    /// Brings what an interrupted run left to its end, if there is anything.
    ///
    /// # Errors
    /// [`Error::CommitPending`] if that is still not possible.
    pub fn resume_interrupted(&self) -> Result<(), Error> {
        self.env.protect_memory();
        let file = match AuthFile::locate(self.home) {
            Ok(file) => file,
            // Nobody is signed in. What waits beside the place of auth.json may be needed again.
            Err(Error::NotSignedIn { .. }) => AuthFile::absent(self.home),
            // What cannot be read just now says nothing.
            Err(error) => return Err(error),
        };
        if !self.may_have_left(&file) {
            return Ok(());
        }
        if file.target().exists() {
            file.check()?;
        } else {
            file.check_directories()?;
        }
        self.as_only_refresher(&file, || self.resume(&file))?
    }

    /// A cheap look: whether there can be anything to bring to its end.
    fn may_have_left(&self, file: &AuthFile) -> bool {
        let is_elsewhere = || {
            let token = self.read(file).ok().and_then(|(_, login)| login.refresh_token)?;
            let ledger = Ledger::read(file, self.env).ok()?;
            ledger.pending_elsewhere(&fingerprint(&token)).ok().flatten()
        };
        let [ledger, staged] = file.unfinished();
        let is_there = |path: PathBuf| std::fs::symlink_metadata(path).is_ok();
        [file.staged(), ledger, staged].into_iter().any(is_there)
            || !Kept::of(self.env).is_empty()
            || is_elsewhere().is_some()
    }

    /// All three places. Under our own lock.
    pub(super) fn resume(&self, file: &AuthFile) -> Result<(), Error> {
        for path in file.unfinished() {
            let _ = std::fs::remove_file(path);
        }
        let mut ledger = Ledger::read(file, self.env)?;
        if std::fs::symlink_metadata(file.staged()).is_ok() {
            self.resume_staged(file, &mut ledger)?;
        }
        self.adopt(file, &mut ledger)?;
        self.resume_kept(file, &mut ledger)
    }

    /// The answer that waits beside auth.json.
    fn resume_staged(&self, file: &AuthFile, ledger: &mut Ledger) -> Result<(), Error> {
        let path = file.staged();
        let staged = self.reopen(&path, file)?;
        let spent = ledger.pending();
        let Ok(waiting) = Login::of_file(&path, staged.content()) else {
            self.log.debug("an interrupted run left no answer behind");
            staged.discard();
            return match spent {
                Some(spent) => {
                    let now = self.env.now();
                    ledger.settle(&spent, TokenState::Unknown, Some(INTERRUPTED), now)
                }
                // Nothing was sent: the record comes first.
                None => Ok(()),
            };
        };
        self.log.debug("an interrupted run left new tokens behind; storing them");
        let mut rotation = Rotation {
            spent,
            account: waiting.account().map(String::from),
            tokens: NewTokens::of(&waiting),
        };
        if rotation.spent.is_none() {
            let since = files::modified_at(&path);
            rotation.spent = self.spent_without_record(file, ledger, &rotation, since);
        }
        self.finish(file, ledger, staged, &rotation).map(drop)
    }

    fn reopen(&self, path: &Path, file: &AuthFile) -> Result<StagedAuth, Error> {
        StagedAuth::reopen(path.to_path_buf()).map_err(|error| match error.kind() {
            // Somebody else's file: never used, and never removed.
            io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput => Error::CheckFailed {
                check: Check::Staged,
                path: path.to_path_buf(),
                reason: Error::io_reason(&error),
            },
            _ => Error::CommitPending {
                path: file.target().to_path_buf(),
                reason: Error::io_reason(&error),
            },
        })
    }

    /// The token that new tokens are for if all records of it are gone: the one in auth.json, if
    /// that is the same account's, was written before them, and was never sent as far as is known.
    fn spent_without_record(
        &self,
        file: &AuthFile,
        ledger: &Ledger,
        rotation: &Rotation,
        since: Option<Timestamp>,
    ) -> Option<String> {
        let login = self.read(file).ok()?.1;
        let token = fingerprint(login.refresh_token.as_ref()?);
        let is_same = rotation.account.is_some() && rotation.account.as_deref() == login.account();
        // What was written in the same second counts as younger.
        let is_older = files::modified_at(file.target())? < since?;
        let is_unknown = ledger.find(&token).ok()?.is_none();
        (is_same && is_older && is_unknown).then_some(token)
    }

    /// An answer that waits beside another login file, for the token that is in this one.
    fn adopt(&self, file: &AuthFile, ledger: &mut Ledger) -> Result<(), Error> {
        let Ok((base, login)) = self.read(file) else { return Ok(()) };
        let Some(spent) = login.refresh_token.as_ref().map(fingerprint) else { return Ok(()) };
        let Some(other) = ledger.pending_elsewhere(&spent)? else { return Ok(()) };
        let other = file.at(other);
        let path = other.staged();
        if !path.exists() {
            return Ok(());
        }
        let Ok(mut lock) = Lock::open(&other.own_lock()) else { return Ok(()) };
        // If it is held, the run that sent the token is still at it, and stores the answer itself.
        let adopted = lock.try_hold(|| {
            let Ok(staged) = StagedAuth::reopen(path.clone()) else { return Ok(()) };
            let Ok(waiting) = Login::of_file(&path, staged.content()) else { return Ok(()) };
            self.log.debug(format_args!("{} holds the new tokens", path.display()));
            let rotation = Rotation {
                spent: Some(spent.clone()),
                account: waiting.account().map(String::from),
                tokens: NewTokens::of(&waiting),
            };
            let content = compose(&base, &rotation.tokens, self.env)
                .map_err(|error| self.pending(file, &error))?;
            let here = StagedAuth::create(file.staged(), content.as_bytes())
                .map_err(|error| self.pending(file, &error))?;
            self.finish(file, ledger, here, &rotation)?;
            staged.discard();
            Ok(())
        });
        adopted.ok().flatten().unwrap_or(Ok(()))
    }

    /// New tokens that are kept: stored if the token that they are for is back, removed if the same
    /// account has other ones.
    fn resume_kept(&self, file: &AuthFile, ledger: &mut Ledger) -> Result<(), Error> {
        let kept = Kept::of(self.env);
        kept.prune(self.env.now());
        for kept in kept.list() {
            let Ok((base, login)) = self.read(file) else { return Ok(()) };
            let mut rotation = kept.rotation.clone();
            if rotation.spent.is_none() {
                let since = Some(kept.at);
                rotation.spent = self.spent_without_record(file, ledger, &rotation, since);
            }
            match rotation.against(&login) {
                Against::Predecessor => {
                    self.log.debug("the login is back for which new tokens are kept");
                    let content = compose(&base, &rotation.tokens, self.env)
                        .map_err(|error| self.pending(file, &error))?;
                    let staged = StagedAuth::create(file.staged(), content.as_bytes())
                        .map_err(|error| self.pending(file, &error))?;
                    if self.finish(file, ledger, staged, &rotation)? != Committed::Kept {
                        kept.remove();
                    }
                }
                Against::SameAccount if kept.file == file.target() => kept.remove(),
                Against::SameAccount | Against::OtherAccount => {}
            }
        }
        Ok(())
    }

    /// Commits what was staged, and records it.
    fn finish(
        &self,
        file: &AuthFile,
        ledger: &mut Ledger,
        staged: StagedAuth,
        rotation: &Rotation,
    ) -> Result<Committed, Error> {
        let locks = file.open_codex_locks()?;
        let (env, log) = (self.env, self.log);
        // Made from content that is not known: the first look merges the tokens into what is there.
        let commit = Commit { file, locks, staged, rotation, base: None, env, log };
        let committed = commit.run()?;
        self.record(ledger, rotation, committed);
        Ok(committed)
    }

    /// Records the end of a commit. If that fails, the record stays `sent`, which forbids as much.
    pub(super) fn record(&self, ledger: &mut Ledger, rotation: &Rotation, committed: Committed) {
        let Some(spent) = &rotation.spent else { return };
        let new = rotation.tokens.refresh_token.as_ref().map(fingerprint);
        let is_same_token = new.is_none_or(|new| new == *spent);
        if is_same_token && ledger.find(spent).is_ok_and(|record| record.is_none()) {
            // Its record was removed because the answer left it valid.
            return;
        }
        let state = match committed {
            Committed::Stored | Committed::DiskWins => TokenState::Committed,
            Committed::Kept => TokenState::Kept,
        };
        if let Err(error) = ledger.settle(spent, state, None, self.env.now()) {
            self.log.debug(error);
        }
    }
}
