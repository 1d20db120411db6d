//! OAuth's refresh: check everything → record → POST → put the answer on disk → commit.
//!
//! A refresh token is single-use. If it is sent twice, or if the answer to it is lost, the user is
//! logged out of Codex. So:
//! * Nothing is sent before it is as certain as can be that the answer can be stored
//!   ([`auth_file`], [`staged`]).
//! * One process at a time refreshes a login, whichever cache and user it has: its lock lies beside
//!   auth.json.
//! * A token is recorded before its first byte is sent ([`ledger`], [`user_ledger`]). It is never
//!   sent again, unless it is certain that it was not used up.
//! * The answer is on disk before anything else happens ([`commit`]). The next run ends what an
//!   interrupted one has begun ([`resume`]).
//! * If auth.json has other tokens of the same account by then, disk wins. If it is away, or
//!   another account's, the new tokens are kept until it is back ([`kept`]).

pub(crate) mod auth_file;
mod commit;
pub(crate) mod kept;
pub(crate) mod ledger;
mod loose_json;
pub mod merge;
pub mod oauth;
#[cfg(test)]
mod properties;
mod resume;
mod rotation;
mod staged;
pub(crate) mod token_record;
pub(crate) mod turn;
mod user_ledger;

use self::auth_file::AuthFile;
use self::commit::{Commit, LOOK_INTERVAL, Stored, compose, store};
use self::ledger::Ledger;
use self::oauth::{NewTokens, TokenReply};
use self::rotation::Rotation;
use self::staged::{Room, StagedAuth};
pub use self::token_record::fingerprint;
use self::token_record::{LedgerRecord, TokenState};
use crate::codex::home::Home;
use crate::codex::login::{Login, read_whole};
use crate::io::env::Env;
use crate::io::files::Lock;
use crate::io::http::{Client, Endpoint, SendError};
use crate::io::output::Log;
use crate::model::error::{Check, Error};
use crate::model::secret::Secret;
use std::io;
use std::time::{Duration, Instant};

/// Overrides the token endpoint, in Codex too.
const URL_VARIABLE: &str = "CODEX_REFRESH_TOKEN_URL_OVERRIDE";
/// How long to wait for another codexline that refreshes: its POST may take 2 minutes, its commit
/// 20 s.
const REFRESHER_PATIENCE: Duration = Duration::from_secs(180);
const LOCK_PACE: Duration = Duration::from_millis(10);
/// After `reused`, Codex may have sent the token a moment earlier. It writes its new tokens a few
/// milliseconds after its answer, which may be on its way.
const CONCURRENT_PATIENCE: Duration = Duration::from_secs(5);
/// The longest reason that is recorded.
const MAX_REASON: usize = 200;

/// What a refresh works with.
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

/// What is refreshed: auth.json as it was read, and the token in it.
struct Subject<'a> {
    file: &'a AuthFile,
    base: Vec<u8>,
    login: Login,
    token: Secret,
    /// The token's fingerprint.
    spent: String,
}

impl TokenRefresh<'_> {
    /// A login whose access token is another than `refused`: one that somebody else has refreshed
    /// meanwhile, or one that is refreshed here. `None` refreshes in any case.
    ///
    /// # Errors
    /// A failed check before anything was sent, or what became of the request; see [`Error`].
    pub fn refresh(&self, refused: Option<&Login>) -> Result<Login, Error> {
        let file = AuthFile::locate(self.home)?;
        file.check()?;
        self.as_only_refresher(&file, || {
            self.resume(&file)?;
            self.refresh_token(&file, refused)
        })?
    }

    /// Where the refresh token goes.
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

    /// The story of one refresh. Under our own lock, with nothing left by an earlier run.
    fn refresh_token(&self, file: &AuthFile, refused: Option<&Login>) -> Result<Login, Error> {
        let (base, login) = self.read(file)?;
        if let Some(refused) = refused
            && login.access_token != refused.access_token
        {
            if login.account_id != refused.account_id {
                return Err(Error::LoginChanged { path: file.target().to_path_buf() });
            }
            self.log.debug("somebody else has refreshed the access token");
            return Ok(login);
        }
        let token = login
            .refresh_token
            .clone()
            .ok_or_else(|| Error::NotRenewable { path: file.target().to_path_buf() })?;
        let subject = Subject { file, base, login, spent: fingerprint(&token), token };

        let mut ledger = Ledger::read(file, self.env)?;
        if let Some(record) = ledger.find(&subject.spent)? {
            return Err(why_not_again(file, &record));
        }
        self.rehearse(&subject)?;
        let planned = self.plan()?;
        // Minutes may have passed in front of our own lock.
        self.check_again(file)?;
        let locks = file.open_codex_locks()?;
        let room = Room::prepare(file.staged(), subject.base.len())?;
        // From here on this process goes on to the end, whoever asks it to stop.
        crate::io::platform::ignore_requests_to_end();
        if let Err(error) = ledger.claim(&subject.spent, self.env.now()) {
            room.discard();
            return Err(error);
        }
        let reply = match self.post(&planned, &subject) {
            Ok(reply) => reply,
            Err(SendError { error, was_sent: false }) => {
                room.discard();
                ledger.forget(&subject.spent)?;
                return Err(error);
            }
            Err(SendError { error, was_sent: true }) => {
                self.log.debug(&error);
                let host = planned.endpoint.host_and_port().0;
                TokenReply::Unknown(match error {
                    Error::TimedOut { .. } => format!("{host} did not answer in time"),
                    _ => format!("the connection to {host} broke"),
                })
            }
        };
        let (tokens, is_old_valid) = match reply {
            TokenReply::Refreshed { tokens, is_old_valid } => (tokens, is_old_valid),
            TokenReply::Refused(code) => {
                room.discard();
                return self.settle_refused(&subject, &mut ledger, code);
            }
            TokenReply::TurnedAway { reason, retry_after } => {
                room.discard();
                ledger.forget(&subject.spent)?;
                let path = file.target().to_path_buf();
                return Err(Error::RefreshPostponed { path, reason, retry_after });
            }
            TokenReply::Unknown(reason) | TokenReply::NoEndpoint(reason) => {
                room.discard();
                return Err(self.settle_unknown(&subject, &mut ledger, &reason));
            }
        };
        let rotation = Rotation {
            spent: Some(subject.spent.clone()),
            account: subject.login.account().map(String::from),
            tokens,
        };
        let staged = self.store(&subject, room, &rotation)?;
        if is_old_valid {
            // RFC 6749, section 6: without a new refresh token, the old one goes on.
            if let Err(error) = ledger.forget(&subject.spent) {
                self.log.debug(error);
            }
        }
        let (base, env, log) = (Some(subject.base), self.env, self.log);
        let rotation = &rotation;
        let committed = Commit { file, locks, staged, rotation, base, env, log }.run()?;
        self.record(&mut ledger, rotation, committed);
        Ok(self.read(file)?.1)
    }

    /// What cannot take new tokens must be known before there are any.
    fn rehearse(&self, subject: &Subject) -> Result<(), Error> {
        let token = Some(subject.token.clone());
        let tokens = NewTokens { access_token: token, refresh_token: None, id_token: None };
        compose(&subject.base, &tokens, self.env).map(drop).map_err(|_| Error::AuthInvalid {
            path: subject.file.target().to_path_buf(),
            reason: "is not what codex writes",
        })
    }

    fn check_again(&self, file: &AuthFile) -> Result<(), Error> {
        if AuthFile::locate(self.home)?.target() != file.target() {
            // A link that leads elsewhere by now: that file has a lock and a ledger of its own.
            return Err(Error::LoginChanged { path: self.home.auth_json() });
        }
        file.check()
    }

    /// One POST. A second one only where there is no token endpoint at the first address: nobody
    /// was there to use the token up.
    fn post(&self, planned: &Planned, subject: &Subject) -> Result<TokenReply, SendError> {
        let form = oauth::form(&subject.token);
        let post = |endpoint: &Endpoint| {
            self.log.debug(format_args!("POST {}", endpoint.shown()));
            let reply = self.client.post_form(endpoint, &form, oauth::is_whole)?;
            self.log.debug(format_args!("status {}, {} bytes", reply.status, reply.body.len()));
            Ok(oauth::classify(&reply, &endpoint.host_and_port().0, self.env.now()))
        };
        match post(&planned.endpoint)? {
            TokenReply::NoEndpoint(reason) if !planned.is_override => {
                match self.discover(&subject.login) {
                    Ok(endpoint) if endpoint.shown() != planned.endpoint.shown() => {
                        // The token has been sent once, so a second failure is not a clean slate.
                        post(&endpoint).map_err(|error| SendError { was_sent: true, ..error })
                    }
                    _ => Ok(TokenReply::NoEndpoint(reason)),
                }
            }
            reply => Ok(reply),
        }
    }

    /// The answer is on disk before anything else happens.
    fn store(
        &self,
        subject: &Subject,
        mut room: Room,
        rotation: &Rotation,
    ) -> Result<StagedAuth, Error> {
        let Subject { file, base, .. } = subject;
        let stored = compose(base, &rotation.tokens, self.env)
            .and_then(|content| store(&mut room, &content, rotation, file, self.env, self.log));
        match stored {
            Ok(Stored::Staged(staged)) => Ok(staged),
            Ok(Stored::Kept) => {
                let reason = format!("cannot write {}", room.path().display());
                room.discard();
                Err(self.pending(file, &io::Error::other(reason)))
            }
            Err(error) => {
                let (path, reason) = (file.target().to_path_buf(), Error::io_reason(&error));
                Err(Error::NewTokensLost { path, reason })
            }
        }
    }

    fn settle_refused(
        &self,
        subject: &Subject,
        ledger: &mut Ledger,
        code: &'static str,
    ) -> Result<Login, Error> {
        self.log.debug(format_args!("the refresh token is refused ({code})"));
        ledger.settle(&subject.spent, TokenState::Refused, Some(code), self.env.now())?;
        self.await_concurrent_refresh(subject.file, &subject.login, code)
            .ok_or_else(|| refused(subject.file, code))
    }

    fn settle_unknown(&self, subject: &Subject, ledger: &mut Ledger, reason: &str) -> Error {
        let reason = crate::model::text::plain(reason, MAX_REASON);
        self.log.debug(&reason);
        let now = self.env.now();
        match ledger.settle(&subject.spent, TokenState::Unknown, Some(&reason), now) {
            Ok(()) => {
                let path = subject.file.target().to_path_buf();
                Error::RefreshUnknown { path, reason }
            }
            Err(error) => error,
        }
    }

    /// Codex, or another program, may have sent the same token a moment earlier. Then its new
    /// tokens are about to be there.
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
                self.log.debug("somebody else has refreshed the access token");
                return Some(login);
            }
            if begun.elapsed() >= patience {
                return None;
            }
            std::thread::sleep(LOOK_INTERVAL);
        }
    }

    /// auth.json and the login in it, also while it is being rewritten in place.
    fn read(&self, file: &AuthFile) -> Result<(Vec<u8>, Login), Error> {
        read_whole(|| {
            let path = file.target();
            let content = file.read().map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => Error::NotSignedIn { path: path.to_path_buf() },
                _ => Error::AuthUnreadable {
                    path: path.to_path_buf(),
                    reason: Error::io_reason(&error),
                },
            })?;
            Login::of_file(path, &content).map(|login| (content, login))
        })
    }

    fn pending(&self, file: &AuthFile, error: &io::Error) -> Error {
        Error::CommitPending { path: file.target().to_path_buf(), reason: Error::io_reason(error) }
    }
}

fn refused(file: &AuthFile, code: &str) -> Error {
    let code = crate::model::text::plain(code, 40);
    Error::RefreshRefused { path: file.target().to_path_buf(), code }
}

/// Why a token that has a record is not sent again.
pub(crate) fn why_not_again(file: &AuthFile, record: &LedgerRecord) -> Error {
    let path = file.target().to_path_buf();
    let code = record.code.as_deref();
    match record.state {
        TokenState::Refused => refused(file, code.unwrap_or("refused")),
        TokenState::Committed | TokenState::Kept => Error::RefreshUsed { path },
        TokenState::Sent | TokenState::Unknown => Error::RefreshUnknown {
            path,
            reason: code.unwrap_or("codexline was ended").to_string(),
        },
    }
}
