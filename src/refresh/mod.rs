//! TokenRefresh from a refused access token by spending the refresh token: check everything → record → POST → keep
//! the answer → commit as Codex does.
//!
//! A refresh token is single-use. Spent twice, or rotated and not stored, it logs the user out of Codex. So:
//! * nothing is sent before it is certain, as far as anything is, that the answer can be stored;
//! * one process at a time, across all caches and users of this login file (its own lock lies beside it);
//! * the ledger knows a token before its first byte leaves, and no token is ever sent again, except where
//!   the connection did not even stand;
//! * the answer is on disk before anything else happens, and a run that was interrupted is finished by the next;
//! * if the token on disk is no longer the one that was spent, disk wins.

pub mod auth_file;
pub mod ledger;
pub mod merge;
pub mod oauth;

use self::auth_file::{AuthFile, CodexLocks, StagedAuth};
use self::ledger::{Ledger, TokenState, fingerprint};
use self::merge::merge;
use self::oauth::{NewTokens, TokenReply};
use crate::codex::home::Home;
use crate::codex::login::Login;
use crate::io::env::Env;
use crate::io::files::Lock;
use crate::io::http::{Client, Endpoint, SendError};
use crate::io::output::Log;
use crate::model::error::{Check, Error};
use crate::model::secret::Secret;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// Overrides the token endpoint, in Codex too.
const URL_VARIABLE: &str = "CODEX_REFRESH_TOKEN_URL_OVERRIDE";
/// How long to wait for another codexline that is spending: its POST may take 2 minutes, its commit
/// [`COMMIT_PATIENCE`].
const REFRESHER_PATIENCE: Duration = Duration::from_secs(180);
/// How long Codex's locks are asked for before the commit is left to the next run.
const COMMIT_PATIENCE: Duration = Duration::from_secs(20);
/// Codex asks at this pace too.
const LOCK_PACE: Duration = Duration::from_millis(10);
/// After `reused`, Codex may have won the race and be about to commit: it does so a few milliseconds after its
/// answer, which may be on its way.
const CONCURRENT_PATIENCE: Duration = Duration::from_secs(5);
/// How long new tokens are tried to be written, should the disk refuse them in spite of the room taken.
const KEEP_PATIENCE: Duration = Duration::from_secs(60);
const KEEP_PACE: Duration = Duration::from_millis(250);
/// A file that is being rewritten in place can be read half: again this often before it counts.
const HALF_READS: u32 = 4;
const BETWEEN_READS: Duration = Duration::from_millis(50);

/// What a recovery works with.
pub struct TokenRefresh<'a> {
    pub env: &'a Env,
    pub home: &'a Home,
    pub client: &'a Client,
    pub log: &'a Log,
}

/// What would be sent, for `auth refresh --print-only`.
pub struct Planned {
    pub endpoint: Endpoint,
    pub is_override: bool,
}

impl TokenRefresh<'_> {
    /// Finishes what an interrupted run left, if there is anything.
    ///
    /// # Errors
    /// [`Error::CommitPending`] if it still cannot be finished.
    pub fn resume_interrupted(&self) -> Result<(), Error> {
        let file = match AuthFile::locate(self.home) {
            Ok(file) => file,
            // Without auth.json nobody is signed in, and what waits beside it is nobody's.
            Err(Error::NotSignedIn { .. }) => AuthFile::absent(self.home),
            // What cannot be read just now says nothing.
            Err(error) => return Err(error),
        };
        if !file.staged().exists() {
            return Ok(());
        }
        if file.target().exists() {
            file.check()?;
        } else {
            file.check_directories()?;
        }
        self.as_only_refresher(&file, || self.resume(&file))?
    }

    /// A login whose access token is another than `refused`: one that somebody else has renewed meanwhile, or one
    /// that is renewed here. `None` renews in any case.
    ///
    /// # Errors
    /// A failed check before anything was sent, or what became of the exchange; see [`Error`].
    pub fn refresh(&self, refused: Option<&Login>) -> Result<Login, Error> {
        let file = AuthFile::locate(self.home)?;
        file.check()?;
        self.as_only_refresher(&file, || {
            self.resume(&file)?;
            self.refresh_token(&file, refused)
        })?
    }

    /// Where the exchange goes.
    ///
    /// # Errors
    /// [`Error::AddressRefused`].
    pub fn plan(&self) -> Result<Planned, Error> {
        let named = self.env.text(URL_VARIABLE);
        let endpoint = Endpoint::parse(named.as_deref().unwrap_or(oauth::TOKEN_URL))?;
        Ok(Planned { endpoint, is_override: named.is_some() })
    }

    /// The token endpoint that the login's issuer names.
    ///
    /// # Errors
    /// [`Error::NoDiscovery`], or what the request failed with.
    pub fn discover(&self, login: &Login) -> Result<Endpoint, Error> {
        let issuer = login.claims.iss.as_deref().unwrap_or_default();
        let none =
            |reason| Error::NoDiscovery { issuer: crate::model::text::plain(issuer, 100), reason };
        let url = oauth::discovery_url(issuer).ok_or(none("is not an https URL of openai.com"))?;
        let endpoint = Endpoint::parse(&url)?;
        self.log.debug(format_args!("GET {}", endpoint.shown()));
        let reply = self.client.get_public(&endpoint)?;
        let found =
            if reply.status == 200 { oauth::discovered_endpoint(&reply.body) } else { None };
        Endpoint::parse(&found.ok_or(none("names no token endpoint of openai.com"))?)
    }

    fn as_only_refresher<T>(&self, file: &AuthFile, work: impl FnOnce() -> T) -> Result<T, Error> {
        let path = file.own_lock();
        let failed = |error: io::Error| Error::CheckFailed {
            check: Check::Directory,
            path: path.clone(),
            reason: Error::io_reason(&error),
        };
        let mut lock = Lock::open(&path).map_err(failed)?;
        match lock.hold_within(REFRESHER_PATIENCE, LOCK_PACE, work).map_err(failed)? {
            Some(done) => Ok(done),
            None => Err(Error::Busy { path }),
        }
    }

    fn refresh_token(&self, file: &AuthFile, refused: Option<&Login>) -> Result<Login, Error> {
        // The token that is there now is the one to spend.
        let (base, login) = self.read(file)?;
        if let Some(refused) = refused
            && login.access_token != refused.access_token
        {
            if login.account_id != refused.account_id {
                return Err(Error::LoginChanged { path: file.target().to_path_buf() });
            }
            self.log.debug("somebody else has renewed the access token");
            return Ok(login);
        }
        let token = login
            .refresh_token
            .clone()
            .ok_or_else(|| Error::NotRenewable { path: file.target().to_path_buf() })?;
        let spent = fingerprint(&token);
        let mut ledger = Ledger::read(file.ledger())?;
        if let Some(record) = ledger.find(&spent) {
            return Err(match record.state {
                TokenState::Refused => {
                    self.refused(file, record.code.as_deref().unwrap_or("refused"))
                }
                _ => Error::RefreshUnknown { path: file.target().to_path_buf() },
            });
        }
        // What cannot take new tokens must be known before there are any.
        let rehearsal =
            NewTokens { access_token: Some(token.clone()), refresh_token: None, id_token: None };
        self.compose(&base, &rehearsal).map_err(|_| Error::AuthInvalid {
            path: file.target().to_path_buf(),
            reason: "is not what codex writes",
        })?;
        let planned = self.plan()?;
        // Minutes may have passed in front of our own lock.
        self.check_again(file)?;
        let mut locks = file.open_codex_locks()?;
        let mut staged = StagedAuth::prepare(file.staged(), base.len())?;
        // From here on the process sees it through, whoever wants it to end.
        crate::io::platform::ignore_requests_to_end();
        if let Err(error) = ledger.record(&spent, TokenState::Sent, None, self.env.now()) {
            staged.discard();
            // The record may be there in spite of the error; nothing has left.
            let _ = ledger.forget(&spent);
            return Err(error);
        }
        match self.post(&planned, &login, &token) {
            Err(SendError { error, was_sent: false }) => {
                staged.discard();
                ledger.forget(&spent)?;
                Err(error)
            }
            Err(SendError { error, was_sent: true }) => {
                self.log.debug(&error);
                staged.discard();
                ledger.record(&spent, TokenState::Unknown, None, self.env.now())?;
                Err(Error::RefreshUnknown { path: file.target().to_path_buf() })
            }
            Ok(TokenReply::Refreshed(tokens)) => {
                let kept = self
                    .compose(&base, &tokens)
                    .and_then(|content| self.keep(&mut staged, &content));
                kept.map_err(|error| self.pending(file, &error))?;
                self.commit(file, &mut locks, staged, &mut ledger, &spent, Some(base), &tokens)?;
                Ok(self.read(file)?.1)
            }
            Ok(TokenReply::Refused(code)) => {
                self.log.debug(format_args!("the refresh token is refused ({code})"));
                staged.discard();
                ledger.record(&spent, TokenState::Refused, Some(code), self.env.now())?;
                self.await_concurrent_refresh(file, &login, code)
                    .ok_or_else(|| self.refused(file, code))
            }
            Ok(TokenReply::NoEndpoint | TokenReply::Unknown) => {
                staged.discard();
                ledger.record(&spent, TokenState::Unknown, None, self.env.now())?;
                Err(Error::RefreshUnknown { path: file.target().to_path_buf() })
            }
        }
    }

    fn check_again(&self, file: &AuthFile) -> Result<(), Error> {
        if AuthFile::locate(self.home)?.target() != file.target() {
            // A link that leads elsewhere by now: that file has a lock and a ledger of its own.
            return Err(Error::LoginChanged { path: self.home.auth_json() });
        }
        file.check()
    }

    /// One POST; a second one only where the first found no endpoint, which spent nothing.
    fn post(
        &self,
        planned: &Planned,
        login: &Login,
        token: &Secret,
    ) -> Result<TokenReply, SendError> {
        let form = oauth::form(token);
        let post = |endpoint: &Endpoint| {
            self.log.debug(format_args!("POST {}", endpoint.shown()));
            let reply = self.client.post_form(endpoint, &form)?;
            self.log.debug(format_args!("status {}, {} bytes", reply.status, reply.body.len()));
            Ok(oauth::classify(&reply))
        };
        match post(&planned.endpoint)? {
            TokenReply::NoEndpoint if !planned.is_override => match self.discover(login) {
                Ok(endpoint) if endpoint.shown() != planned.endpoint.shown() => {
                    // The first attempt has been out: whatever happens now, this is no clean slate.
                    post(&endpoint).map_err(|error| SendError { was_sent: true, ..error })
                }
                _ => Ok(TokenReply::NoEndpoint),
            },
            outcome => Ok(outcome),
        }
    }

    /// Codex, or another program, may have spent the same token a moment earlier: then its tokens are about to be there.
    fn await_concurrent_refresh(
        &self,
        file: &AuthFile,
        loser: &Login,
        code: &str,
    ) -> Option<Login> {
        let patience =
            if code == "refresh_token_reused" { CONCURRENT_PATIENCE } else { Duration::ZERO };
        let begun = Instant::now();
        loop {
            if let Ok((_, login)) = self.read(file)
                && login.access_token != loser.access_token
                && login.account_id == loser.account_id
            {
                self.log.debug("somebody else has renewed the access token");
                return Some(login);
            }
            if begun.elapsed() >= patience {
                return None;
            }
            std::thread::sleep(BETWEEN_READS);
        }
    }

    /// Finishes what an interrupted run left. Under our own lock.
    fn resume(&self, file: &AuthFile) -> Result<(), Error> {
        let path = file.staged();
        if !path.exists() {
            return Ok(());
        }
        let pending = |error: &io::Error| self.pending(file, error);
        let staged = StagedAuth::reopen(path.clone()).map_err(|error| pending(&error))?;
        let content = staged.read().map_err(|error| pending(&error))?;
        let mut ledger = Ledger::read(file.ledger())?;
        let spent = ledger.pending().map(|record| record.token.clone());
        let spent = spent.or_else(|| self.spent_without_record(file, &ledger));
        let rescued = Login::of_file(&path, &content).ok().map(|login| NewTokens::of(&login));
        let (Some(spent), Some(tokens)) = (&spent, rescued) else {
            self.log.debug("an interrupted run left no answer behind");
            staged.discard();
            return match spent {
                Some(spent) => ledger.record(&spent, TokenState::Unknown, None, self.env.now()),
                None => Ok(()),
            };
        };
        self.log.debug("an interrupted run left new tokens behind; storing them");
        let mut locks = file.open_codex_locks()?;
        // Made from nothing that is known: the first look under the locks sees the file as changed, and merges.
        self.commit(file, &mut locks, staged, &mut ledger, spent, None, &tokens)
    }

    /// What an answer is for whose record somebody has removed: the token that is there, if the file is older than the answer.
    fn spent_without_record(&self, file: &AuthFile, ledger: &Ledger) -> Option<String> {
        let changed =
            |path: &Path| std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        let is_older = changed(file.target())? < changed(&file.staged())?;
        let login = (ledger.is_empty() && is_older).then(|| self.read(file).ok())??.1;
        login.refresh_token.as_ref().map(fingerprint)
    }

    /// Puts the new tokens in the place of the spent ones, in Codex's own way. `base` is what `staged` was made from.
    #[expect(clippy::too_many_arguments, reason = "the parts of one transaction")]
    fn commit(
        &self,
        file: &AuthFile,
        locks: &mut CodexLocks,
        mut staged: StagedAuth,
        ledger: &mut Ledger,
        spent: &str,
        mut base: Option<Vec<u8>>,
        tokens: &NewTokens,
    ) -> Result<(), Error> {
        let begun = Instant::now();
        let mut half_reads = 0;
        let mut is_restored = false;
        loop {
            // Only this is done under Codex's locks: read, compare, rename.
            let seen = locks.try_hold(|| match file.read() {
                Ok(content) if Some(&content) == base.as_ref() => {
                    staged.rename(file.target()).map(|()| None)
                }
                other => Ok(Some(other)),
            });
            let seen = match (seen.and_then(Option::transpose), &base) {
                (Ok(seen), _) => seen,
                // Somebody has tidied up; the tokens are still in memory.
                (Err(_), Some(base)) if !is_restored && !staged.path().exists() => {
                    let again = self
                        .compose(base, tokens)
                        .and_then(|content| staged.refill(content.as_bytes()));
                    again.map_err(|error| self.pending(file, &error))?;
                    is_restored = true;
                    continue;
                }
                (Err(error), _) => return Err(self.pending(file, &error)),
            };
            let Some(seen) = seen else {
                if begun.elapsed() > COMMIT_PATIENCE {
                    return Err(self.pending(file, &io::Error::other("codex holds its locks")));
                }
                std::thread::sleep(LOCK_PACE);
                continue;
            };
            let Some(content) = seen else {
                // Renamed. The tokens are safe even if these last steps fail: the next run reads the file.
                let _ = crate::io::platform::sync_directory_of(file.target());
                self.log.debug(format_args!("{} has the new tokens", file.target().display()));
                self.record_committed(ledger, spent);
                return Ok(());
            };
            match self.look_again(file, content, spent, tokens) {
                Recheck::Merged(content, merged) => {
                    staged.refill(merged.as_bytes()).map_err(|error| self.pending(file, &error))?;
                    base = Some(content);
                }
                // A file that is put in place by two steps is missing in between.
                Recheck::Absent if half_reads + 1 < HALF_READS => {
                    half_reads += 1;
                    std::thread::sleep(BETWEEN_READS);
                }
                Recheck::DiskWins | Recheck::Absent => {
                    self.log.debug(
                        "another login is there by now, or none; the new tokens are dropped",
                    );
                    staged.discard();
                    self.record_committed(ledger, spent);
                    return Ok(());
                }
                Recheck::Unreadable(error) => {
                    half_reads += 1;
                    if half_reads >= HALF_READS {
                        return Err(self.pending(file, &error));
                    }
                    std::thread::sleep(BETWEEN_READS);
                }
            }
        }
    }

    /// A record that cannot be written stays `sent`, which is as good: it is never sent again.
    fn record_committed(&self, ledger: &mut Ledger, spent: &str) {
        if let Err(error) = ledger.record(spent, TokenState::Committed, None, self.env.now()) {
            self.log.debug(error);
        }
    }

    /// What to do about a file that is not as it was.
    fn look_again(
        &self,
        file: &AuthFile,
        content: io::Result<Vec<u8>>,
        spent: &str,
        tokens: &NewTokens,
    ) -> Recheck {
        let content = match content {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Recheck::Absent,
            Err(error) => return Recheck::Unreadable(error),
        };
        match Login::of_file(file.target(), &content) {
            Ok(login)
                if login.refresh_token.as_ref().map(fingerprint).as_deref() == Some(spent) =>
            {
                match self.compose(&content, tokens) {
                    Ok(merged) => Recheck::Merged(content, merged),
                    Err(error) => Recheck::Unreadable(error),
                }
            }
            Err(Error::AuthInvalid { reason, .. }) => {
                Recheck::Unreadable(io::Error::other(format!("it {reason}")))
            }
            _ => Recheck::DiskWins,
        }
    }

    fn compose(&self, base: &[u8], tokens: &NewTokens) -> io::Result<String> {
        let base = std::str::from_utf8(base).map_err(|_| io::Error::other("it is not UTF-8"))?;
        merge(base, tokens, &self.env.now().rfc3339())
            .map_err(|reason| io::Error::other(format!("it {reason}")))
    }

    /// Puts the answer on disk, into the room that was taken for it. Some file systems need more room even so: while
    /// this process lives, the tokens live.
    fn keep(&self, staged: &mut StagedAuth, content: &str) -> io::Result<()> {
        let begun = Instant::now();
        loop {
            match staged.fill(content.as_bytes()) {
                Err(error) if begun.elapsed() < KEEP_PATIENCE => {
                    let reason = Error::io_reason(&error);
                    self.log
                        .debug(format_args!("cannot write {}: {reason}", staged.path().display()));
                    std::thread::sleep(KEEP_PACE);
                }
                result => return result,
            }
        }
    }

    /// auth.json and the login in it, also while it is being rewritten in place.
    fn read(&self, file: &AuthFile) -> Result<(Vec<u8>, Login), Error> {
        let mut left = HALF_READS;
        loop {
            left -= 1;
            let path = file.target();
            let content = file.read().map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => Error::NotSignedIn { path: path.to_path_buf() },
                _ => Error::AuthUnreadable {
                    path: path.to_path_buf(),
                    reason: Error::io_reason(&error),
                },
            })?;
            match Login::of_file(path, &content) {
                Ok(login) => return Ok((content, login)),
                Err(Error::AuthInvalid { .. }) if left > 0 => std::thread::sleep(BETWEEN_READS),
                Err(error) => return Err(error),
            }
        }
    }

    fn refused(&self, file: &AuthFile, code: &str) -> Error {
        Error::RefreshRefused {
            path: file.target().to_path_buf(),
            code: crate::model::text::plain(code, 40),
        }
    }

    fn pending(&self, file: &AuthFile, error: &io::Error) -> Error {
        Error::CommitPending { path: file.target().to_path_buf(), reason: Error::io_reason(error) }
    }
}

/// What [`TokenRefresh::look_again`] found.
enum Recheck {
    /// The spent token is still there, in other env: the content, and what it becomes.
    Merged(Vec<u8>, String),
    /// There is another login, or one that is not for tokens.
    DiskWins,
    /// There is no file.
    Absent,
    Unreadable(io::Error),
}
