//! The fetch, behind a prompt or as `codexline fetch`: take the lock → read the cache again → read auth.json → ask
//! → recover if refused → store the answer or the failure → release → tell the bar (`--on-fetch`), and whoever wants
//! to know of a change (`--on-change`).

use crate::cache::{Answer, Cache, Decision, Entry, Source, decide};
use crate::change::{self, Change};
use crate::codex::answer;
use crate::codex::app_server;
use crate::codex::auth::{self, Login};
use crate::codex::config::Config;
use crate::codex::home::Home;
use crate::codex::login_file::LoginFile;
use crate::count;
use crate::environment::Surroundings;
use crate::error::Error;
use crate::files::{self, Lock};
use crate::http::{Client, Endpoint, Reply};
use crate::output::{self, Notes};
use crate::push;
use crate::recovery::Recovery;
use crate::settings::{Recover, Settings};
use crate::time::{MINUTE, Timestamp, retry_after};
use crate::usage::Usage;
use std::io;
use std::path::Path;
use std::time::Duration;

/// How long `codexline fetch` waits for another one that is at it: as long as that can take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// An access token that ends sooner is renewed by Codex at its start (5 minutes before the end, checked by running it);
/// the rest is for a slow network. In seconds.
const CODEX_NEEDS: i64 = 15 * MINUTE;
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What a fetch is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// Asked for by hand, as `codexline fetch`.
    ByHand,
    /// Behind a prompt, and only if the entry is still stale.
    Stale,
    /// Behind a bar, by a click: whatever the entry's age.
    Click,
}

/// Fetches and stores.
///
/// # Errors
/// What went wrong; it is stored in the cache too, wherever that is possible.
pub fn run(settings: &Settings, surroundings: &Surroundings, errand: Errand) -> Result<(), Error> {
    let notes = Notes::new(settings.verbose);
    for mistake in &settings.mistakes {
        output::complain(mistake);
    }
    // A worker is for one login, which is its CODEX_HOME; what is counted, another one counts.
    if errand != Errand::ByHand {
        return run_one(settings, surroundings, errand, &notes);
    }
    let by_hand = |surroundings: &Surroundings| {
        let result = run_one(settings, surroundings, errand, &notes);
        count::where_shown(settings, surroundings, &notes);
        result
    };
    if settings.accounts.is_empty() {
        return by_hand(surroundings);
    }
    let mut result = Ok(());
    for account in &settings.accounts {
        // One account's failure is no reason not to ask for the next.
        if let Err(error) = by_hand(&surroundings.of_account(&account.home)) {
            output::complain(format_args!("{}: {error}; {}", account.name, error.hint()));
            result = Err(Error::AccountFailed { name: account.name.clone() });
        }
    }
    result
}

fn run_one(
    settings: &Settings,
    surroundings: &Surroundings,
    errand: Errand,
    notes: &Notes,
) -> Result<(), Error> {
    let begun = surroundings.now();
    let home = Home::locate(surroundings)?;
    let cache = Cache::locate(&home, surroundings)?;
    cache.ensure_writable()?;

    let is_done = || match (errand, cache.read(surroundings.now())) {
        (Errand::Stale, entry) => {
            let login = auth::stamp(&home, surroundings);
            let max_age = settings.max_age.as_secs() as i64;
            let decision = decide(entry.as_ref(), &login, max_age, surroundings.now());
            !matches!(decision, Decision::Stale(_))
        }
        // Asked for: only an answer that came since counts.
        (Errand::ByHand | Errand::Click, Ok(entry)) => {
            entry.failure.is_none() && entry.is_from(begun.plus(1))
        }
        (Errand::ByHand | Errand::Click, Err(_)) => false,
    };
    let work = || {
        if is_done() {
            notes.tell("another codexline has just fetched");
            return Ok(None);
        }
        Fetch { settings, surroundings, home: &home, notes }.store(&cache).map(Some)
    };
    let is_worker = errand != Errand::ByHand;
    let patience = if is_worker { Duration::ZERO } else { PATIENCE };
    let Some(changes) = under_lock(&cache.lock_path(), is_worker, patience, work)?? else { return Ok(()) };
    let wanted = settings.on_fetch.is_some() || settings.on_change.is_some();
    if wanted && push::is_within_one(surroundings) {
        notes.tell("this is a fetch in --on-fetch or --on-change, which are not run once more");
        return Ok(());
    }
    if let Some(command) = &settings.on_fetch {
        push::run("--on-fetch", command, &[], surroundings, notes);
    }
    if let Some(command) = &settings.on_change {
        for change in changes {
            push::run("--on-change", command, &change.facts(surroundings.now()), surroundings, notes);
        }
    }
    Ok(())
}

/// Does `work` under a lock, waiting for whoever holds it; `is_handed`: a worker finds it, taken, as its standard input.
pub(crate) fn under_lock<T>(
    path: &Path,
    is_handed: bool,
    patience: Duration,
    work: impl FnOnce() -> T,
) -> Result<T, Error> {
    let path = path.to_path_buf();
    let unwritable =
        |error: io::Error| Error::CacheUnwritable { path: path.clone(), reason: Error::io_reason(&error) };
    // One that was started by hand does not.
    let handed = || crate::platform::standard_input().ok().and_then(|file| Lock::inherited(file, &path));
    let mut lock = match is_handed.then(handed).flatten() {
        Some(lock) => lock,
        None => Lock::open(&path).map_err(unwritable)?,
    };
    let work = || {
        // For whoever wants to know since when it is held; without that nothing is lost.
        let _ = files::touch_empty(&path);
        work()
    };
    match lock.hold_within(patience, LOOK_AGAIN, work).map_err(unwritable)? {
        Some(result) => Ok(result),
        None => Err(Error::Busy { path }),
    }
}

/// One fetch: what it works with, beside the cache.
struct Fetch<'a> {
    settings: &'a Settings,
    surroundings: &'a Surroundings,
    home: &'a Home,
    notes: &'a Notes,
}

impl Fetch<'_> {
    /// Stores what came; what has changed by it, if anybody wants to know.
    fn store(&self, cache: &Cache) -> Result<Vec<Change>, Error> {
        let previous = cache.read(self.surroundings.now()).ok();
        // Before asking: an answer that cannot be stored would be asked for again at every prompt.
        let slot = cache.prepare()?;
        // The login as it is before reading it. A change in between is seen at the next prompt.
        let stamp = auth::stamp(self.home, self.surroundings);
        match self.ask() {
            Ok(found) => {
                self.notes.tell("the answer is good");
                // Our own renewal changed the file: what was read last is what the numbers are of.
                let stamp = found.stamp.unwrap_or(stamp);
                let entry = Entry::answered(self.home, stamp, found.account, found.answer);
                let entry = entry.following(previous.as_ref());
                slot.store(&entry)?;
                Ok(previous.map(|previous| self.changes(&previous, &entry)).unwrap_or_default())
            }
            Err(failed) => {
                let error = failed.error;
                self.notes.tell(format_args!("{error}; {}", error.hint()));
                let now = self.surroundings.now();
                slot.store(&Entry::failed(
                    previous,
                    self.home,
                    stamp,
                    failed.account.as_deref(),
                    &error,
                    now,
                ))?;
                Err(error)
            }
        }
    }

    fn changes(&self, previous: &Entry, entry: &Entry) -> Vec<Change> {
        let Some((before, after)) = previous.answer.as_ref().zip(entry.answer.as_ref()) else {
            return Vec::new();
        };
        if self.settings.on_change.is_none() || !entry.is_of_same_account(previous) {
            return Vec::new();
        }
        change::changes(before, previous.history.as_ref(), after, self.settings.thresholds)
    }

    fn ask(&self) -> Result<Found, Failed> {
        let unknown = |error| Failed { error, account: None };
        let config = Config::read(self.home).map_err(unknown)?;
        let client = Client::new(self.surroundings).map_err(unknown)?;
        let Fetch { surroundings, home, notes, .. } = *self;
        let recovery = Recovery { surroundings, home, client: &client, notes };
        if self.settings.recover == Recover::Full {
            recovery.finish_interrupted().map_err(unknown)?;
        }
        let login = match Login::read(home, &config, surroundings) {
            Err(error @ Error::LoginElsewhere { .. }) => {
                let may_renew = self.settings.recover == Recover::Full;
                return self.ask_codex(error, may_renew).map_err(unknown);
            }
            result => result.map_err(unknown)?,
        };
        let account = login.account_id.clone();
        self.ask_as(login, &config, &recovery).map_err(|error| Failed { error, account })
    }

    /// Asks with the login as it is; if that is refused, with the login as it has become meanwhile; if it has not, or is
    /// refused as well, with the login renewed.
    fn ask_as(&self, login: Login, config: &Config, recovery: &Recovery) -> Result<Found, Error> {
        let endpoint = Endpoint::parse(&config.usage_url())?;
        let request = |login: &Login| {
            request(recovery.client, &endpoint, login, self.surroundings, self.notes)
                .map(|usage| Found::by_api(usage, login.account_id.clone(), self.surroundings.now()))
        };
        let refusal = match request(&login) {
            Err(error @ (Error::Unauthorized { .. } | Error::Forbidden { .. })) => error,
            result => return result,
        };
        if login.from_environment || self.settings.recover == Recover::Off {
            return Err(refusal);
        }
        // Codex renews its tokens by itself; ours may be the one from before.
        self.notes.tell(format_args!("{refusal}; reading {} again", self.home.auth_json().display()));
        let (login, refusal) = match self.reload(login, config)? {
            Reloaded::Same(login) => (login, refusal),
            Reloaded::Renewed(login) => match request(&login) {
                Err(error @ (Error::Unauthorized { .. } | Error::Forbidden { .. })) => (login, error),
                result => return result.map(|found| found.stamped(self)),
            },
        };
        if !self.may_renew(&refusal, &login) {
            return Err(refusal);
        }
        if config.credentials_store() != "file" {
            return self.ask_codex_about_auto(refusal, &login);
        }
        match recovery.renew(Some(&login)) {
            Ok(renewed) => request(&renewed).map(|found| found.stamped(self)),
            Err(error @ Error::CheckFailed { .. }) => self.ask_codex_carefully(error, &login),
            Err(error) => Err(error),
        }
    }

    fn reload(&self, login: Login, config: &Config) -> Result<Reloaded, Error> {
        let reloaded = Login::read(self.home, config, self.surroundings)?;
        if reloaded.access_token == login.access_token {
            self.notes.tell("the access token is the same");
            return Ok(Reloaded::Same(login));
        }
        if reloaded.account_id != login.account_id {
            return Err(Error::LoginChanged { path: self.home.auth_json() });
        }
        self.notes.tell("codex has renewed the access token");
        Ok(Reloaded::Renewed(reloaded))
    }

    /// Whether a refusal is one after which the login may be renewed: one of the API itself, for a login that holds a
    /// refresh token.
    fn may_renew(&self, refusal: &Error, login: &Login) -> bool {
        let is_by_api =
            matches!(refusal, Error::Unauthorized { is_json: true, .. } | Error::Forbidden { .. });
        let reason = if self.settings.recover != Recover::Full {
            "--recover says so"
        } else if !is_by_api {
            "the refusal is not the API's own"
        } else if login.refresh_token.is_none() {
            "it has no refresh token for us"
        } else {
            return true;
        };
        self.notes.tell(format_args!("the login is not renewed: {reason}"));
        false
    }

    /// Where we may not write, Codex does it. `refusal` is what is said if that is not possible.
    fn ask_codex(&self, refusal: Error, may_renew: bool) -> Result<Found, Error> {
        let Some(codex) = app_server::find(self.settings.codex_bin.as_deref(), self.surroundings) else {
            self.notes.tell("there is no codex on PATH to ask instead");
            return Err(refusal);
        };
        self.notes.tell(format_args!("asking {} app-server", codex.display()));
        match app_server::ask(&codex, self.home, may_renew, &|| self.surroundings.now()) {
            Ok(answer) => Ok(Found {
                answer: Answer {
                    fetched_at: self.surroundings.now(),
                    source: Source::Codex,
                    usage: answer.usage,
                },
                account: answer.account_id,
                stamp: None,
            }),
            Err(error) => {
                self.notes.tell(&error);
                // What Codex says of a login that only it can see is the better word.
                Err(if matches!(refusal, Error::LoginElsewhere { .. }) { error } else { refusal })
            }
        }
    }

    /// The same for the store `auto`, whose file has been read: Codex falls back to it, so what would lose a new token there
    /// must not be the case.
    fn ask_codex_about_auto(&self, refusal: Error, login: &Login) -> Result<Found, Error> {
        self.notes.tell("the login may be stored elsewhere too: codex renews it, not we");
        match LoginFile::locate(self.home).and_then(|file| file.check_all()) {
            Ok(()) => self.ask_codex(refusal, true),
            Err(error) => self.ask_codex_carefully(error, login),
        }
    }

    /// The same where auth.json cannot be written: Codex renews a token that is about to end by itself, and would
    /// lose it as we would. So it is asked only while the token has time left.
    fn ask_codex_carefully(&self, refusal: Error, login: &Login) -> Result<Found, Error> {
        let left = login.claims.expires_at().map(|end| end.seconds_since(self.surroundings.now()));
        if left.is_none_or(|left| left < CODEX_NEEDS) {
            self.notes.tell("codex is not asked either: it might renew the login and lose it");
            return Err(refusal);
        }
        self.ask_codex(refusal, false).and_then(|found| {
            let is_same = login.account_id.is_none() || found.account == login.account_id;
            if is_same { Ok(found) } else { Err(Error::LoginChanged { path: self.home.auth_json() }) }
        })
    }
}

/// A good answer, whose it is, and the state of the login that it was asked with, if that has changed on the way.
struct Found {
    answer: Answer,
    account: Option<String>,
    stamp: Option<String>,
}

impl Found {
    fn by_api(usage: Usage, account: Option<String>, now: Timestamp) -> Found {
        Found { answer: Answer { fetched_at: now, source: Source::Api, usage }, account, stamp: None }
    }

    fn stamped(self, fetch: &Fetch) -> Found {
        Found { stamp: Some(auth::stamp(fetch.home, fetch.surroundings)), ..self }
    }
}

/// A failure, and the account that auth.json named, as far as it could be read.
struct Failed {
    error: Error,
    account: Option<String>,
}

enum Reloaded {
    Same(Login),
    Renewed(Login),
}

fn request(
    client: &Client,
    endpoint: &Endpoint,
    login: &Login,
    surroundings: &Surroundings,
    notes: &Notes,
) -> Result<Usage, Error> {
    let mut headers = Vec::new();
    if let Some(account) = &login.account_id {
        headers.push(("ChatGPT-Account-Id", account.as_str()));
    }
    if login.is_fedramp {
        headers.push(("x-openai-fedramp", "true"));
    }
    notes.tell(format_args!("GET {}", endpoint.shown()));
    let reply = client.get(endpoint, &login.access_token, &headers)?;
    notes.tell(format_args!("status {}, {} bytes", reply.status, reply.body.len()));
    judge(&reply, endpoint, login, surroundings.now())
}

/// What an answer means. Pure.
fn judge(reply: &Reply, endpoint: &Endpoint, login: &Login, now: Timestamp) -> Result<Usage, Error> {
    let url = endpoint.shown();
    let status = reply.status;
    let wait = || reply.retry_after.as_deref().and_then(|value| retry_after(value, now));
    Err(match status {
        200..=299 if !reply.is_json() => Error::NotJson { url, status },
        200..=299 => match answer::parse(&reply.body, now) {
            Err(reason) => Error::BadAnswer { url, reason },
            Ok(answer) if !login.owns_answer(answer.account_id.as_deref(), answer.user_id.as_deref()) => {
                Error::OtherAccount { url }
            }
            Ok(answer) => return Ok(answer.usage),
        },
        300..=399 => Error::Redirected { url, status },
        401 => Error::Unauthorized { url, is_json: reply.is_json() },
        403 if reply.is_json() => Error::Forbidden { url },
        403 => Error::Blocked { url },
        429 => Error::RateLimited { url, retry_after: wait() },
        500..=599 => Error::Server { url, status, retry_after: wait() },
        _ => Error::UnexpectedStatus { url, status },
    })
}
