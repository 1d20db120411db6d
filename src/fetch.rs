//! The fetch, behind a prompt or as `codexline fetch`: take the lock → read the cache again → read auth.json → ask
//! → recover if refused → store the answer or the failure → release.

use crate::cache::{Cache, Decision, Entry, decide};
use crate::codex::answer;
use crate::codex::auth::{self, Login};
use crate::codex::config::Config;
use crate::codex::home::Home;
use crate::environment::Surroundings;
use crate::error::Error;
use crate::files::Lock;
use crate::http::{Client, Endpoint, Reply};
use crate::output::Notes;
use crate::settings::Settings;
use crate::time::{Timestamp, retry_after};
use crate::usage::Usage;
use std::io;
use std::time::{Duration, Instant};

/// How long `codexline fetch` waits for another one that is at it: as long as that can take.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Fetches and stores. A worker does so only if the entry is still stale.
///
/// # Errors
/// What went wrong; it is stored in the cache too, wherever that is possible.
pub fn run(settings: &Settings, surroundings: &Surroundings, is_worker: bool) -> Result<(), Error> {
    let notes = Notes::new(settings.verbose);
    let begun = surroundings.now();
    let home = Home::locate(surroundings)?;
    let cache = Cache::locate(&home, surroundings)?;
    cache.ensure_writable()?;

    let is_done = || match (is_worker, cache.read(surroundings.now())) {
        (true, entry) => {
            let login = auth::stamp(&home, surroundings);
            let max_age = settings.max_age.as_secs() as i64;
            let decision = decide(entry.as_ref(), &login, max_age, surroundings.now());
            !matches!(decision, Decision::Stale(_))
        }
        // Asked for by hand: only an answer that came since counts.
        (false, Ok(entry)) => entry.failure.is_none() && entry.is_from(begun.plus(1)),
        (false, Err(_)) => false,
    };
    let work = || {
        if is_done() {
            notes.tell("another codexline has just fetched");
            return Ok(());
        }
        fetch(surroundings, &home, &cache, &notes)
    };
    under_lock(&cache, is_worker, &notes, work)?
}

/// Does `work` under the lock of the cache entry, waiting for whoever holds it.
fn under_lock<T>(
    cache: &Cache,
    is_worker: bool,
    notes: &Notes,
    work: impl FnOnce() -> T,
) -> Result<T, Error> {
    let path = cache.lock_path();
    let unwritable =
        |error: io::Error| Error::CacheUnwritable { path: path.clone(), reason: Error::io_reason(&error) };
    // A worker finds the lock, taken, as its standard input; started by hand, it does not.
    let handed = || crate::unix::standard_input().ok().and_then(|file| Lock::inherited(file, &path));
    let mut lock = match is_worker.then(handed).flatten() {
        Some(lock) => lock,
        None => Lock::open(&path).map_err(unwritable)?,
    };
    let begun = Instant::now();
    let mut work = Some(work);
    loop {
        let done = lock.try_hold(|| work.take().map(|work| work())).map_err(unwritable)?;
        match done.flatten() {
            Some(result) => return Ok(result),
            None if is_worker || begun.elapsed() > PATIENCE => return Err(Error::Busy { path }),
            None => notes.tell("waiting for another codexline that is fetching"),
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

fn fetch(surroundings: &Surroundings, home: &Home, cache: &Cache, notes: &Notes) -> Result<(), Error> {
    let previous = cache.read(surroundings.now()).ok();
    // Before asking: an answer that cannot be stored would be asked for again at every prompt.
    let slot = cache.prepare()?;
    // Before reading: if the file changes in between, the entry counts as another login's.
    let stamp = auth::stamp(home, surroundings);
    let mut account = None;
    let result = ask(surroundings, home, &mut account, notes);
    let now = surroundings.now();
    match result {
        Ok(usage) => {
            notes.tell("the answer is good");
            slot.store(&Entry::answered(home, stamp, account, usage, now))
        }
        Err(error) => {
            notes.tell(format_args!("{error}; {}", error.hint()));
            slot.store(&Entry::failed(previous, home, stamp, account.as_deref(), &error, now))?;
            Err(error)
        }
    }
}

/// Asks with the login as it is; if that is refused, with the login as it has become meanwhile.
/// `account` is filled in as soon as it is known, for the failure too.
fn ask(
    surroundings: &Surroundings,
    home: &Home,
    account: &mut Option<String>,
    notes: &Notes,
) -> Result<Usage, Error> {
    let config = Config::read(home)?;
    let login = Login::read(home, &config, surroundings)?;
    account.clone_from(&login.account_id);
    let endpoint = Endpoint::parse(&config.usage_url())?;
    let client = Client::new(surroundings)?;

    let refusal = match request(&client, &endpoint, &login, surroundings, notes) {
        Err(error @ (Error::Unauthorized { .. } | Error::Forbidden { .. })) => error,
        result => return result,
    };
    if login.from_environment {
        return Err(refusal);
    }
    // Codex renews its tokens by itself; ours may be the one from before.
    notes.tell(format_args!("{refusal}; reading {} again", home.auth_json().display()));
    let renewed = Login::read(home, &config, surroundings)?;
    if renewed.access_token == login.access_token {
        notes.tell("the access token is the same");
        return Err(refusal);
    }
    if renewed.account_id != login.account_id {
        return Err(Error::LoginChanged { path: home.auth_json() });
    }
    notes.tell("codex has renewed the access token");
    request(&client, &endpoint, &renewed, surroundings, notes)
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
        401 => Error::Unauthorized { url },
        403 if reply.is_json() => Error::Forbidden { url },
        403 => Error::Blocked { url },
        429 => Error::RateLimited { url, retry_after: wait() },
        500..=599 => Error::Server { url, status, retry_after: wait() },
        _ => Error::UnexpectedStatus { url, status },
    })
}
