//! The fetch, behind a prompt or as `codexline fetch`: take the lock → read the cache again → ask
//! the sources, one after the other, until one has numbers → store the answer or the failure →
//! release → tell the bar (`--on-fetch`), and whoever wants to know of a change (`--on-change`).
//!
//! How a source is asked is its own affair: for the API, read auth.json → ask → recover if refused
//! ([`sources::api`]).

use crate::background::count;
use crate::background::hooks;
use crate::background::spawn::{LONGEST_FETCH, under_lock};
use crate::cache::Cache;
use crate::codex::home::Home;
use crate::codex::stamp::stamp;
use crate::config::settings::Settings;
use crate::io::env::Env;
use crate::io::output::{self, Log};
use crate::model::change::{self, Change};
use crate::model::decision::{Decision, Trigger, decide};
use crate::model::entry::{Answer, Entry, Problem, Source};
use crate::model::error::Error;
use crate::sources::{self, FetchContext, Fetched, SourceError, sessions};
use std::time::Duration;

/// Fetches and stores.
///
/// # Errors
/// What went wrong; it is stored in the cache too, wherever that is possible.
pub fn run(settings: &Settings, env: &Env, trigger: Trigger) -> Result<(), Error> {
    let log = Log::new(settings.verbose);
    for mistake in &settings.mistakes {
        output::warn(mistake);
    }
    // A worker is for one login, which is its CODEX_HOME; what is counted, another one counts.
    if trigger != Trigger::Manual {
        return run_one(settings, env, trigger, &log);
    }
    let by_hand = |env: &Env| {
        let result = run_one(settings, env, trigger, &log);
        count::where_shown(settings, env, &log);
        result
    };
    if settings.accounts.is_empty() {
        return by_hand(env);
    }
    let mut result = Ok(());
    for account in &settings.accounts {
        // One account's failure is no reason not to ask for the next.
        if let Err(error) = by_hand(&env.for_account(&account.home)) {
            output::warn(format_args!("{}: {error}; {}", account.name, error.hint()));
            result = Err(Error::AccountFailed { name: account.name.clone() });
        }
    }
    result
}

fn run_one(settings: &Settings, env: &Env, trigger: Trigger, log: &Log) -> Result<(), Error> {
    let begun = env.now();
    let home = Home::locate(env)?;
    let cache = Cache::locate(&home, settings.source, env)?;
    cache.ensure_writable()?;

    let is_done = || match (trigger, cache.read(env.now())) {
        (Trigger::Stale, entry) => {
            let login = stamp(&home, env);
            let max_age = settings.max_age.as_secs() as i64;
            let decision = decide(entry.as_ref(), &login, max_age, env.now());
            !matches!(decision, Decision::Stale(_))
        }
        // Asked for: only an answer that came since counts.
        (Trigger::Manual | Trigger::Click, Ok(entry)) => {
            entry.failure.is_none() && entry.is_from(begun.plus(1))
        }
        (Trigger::Manual | Trigger::Click, Err(_)) => false,
    };
    let work = || {
        if is_done() {
            log.debug("another codexline has just fetched");
            return Ok(None);
        }
        Fetch { settings, env, home: &home, log, trigger }.store(&cache).map(Some)
    };
    let is_worker = trigger != Trigger::Manual;
    let patience = if is_worker { Duration::ZERO } else { LONGEST_FETCH };
    let outcome = under_lock(&cache.lock_path(), is_worker, patience, work)??;
    let Some(FetchOutcome { has_news, changes, result }) = outcome else { return Ok(()) };
    let wanted = settings.on_fetch.is_some() || settings.on_change.is_some();
    if has_news && wanted && hooks::in_hook(env) {
        log.debug("this is a fetch in --on-fetch or --on-change, which are not run once more");
        return result;
    }
    if let Some(command) = settings.on_fetch.as_ref().filter(|_| has_news) {
        hooks::run("--on-fetch", command, &[], env, log);
    }
    if let Some(command) = &settings.on_change {
        for change in changes {
            hooks::run("--on-change", command, &change.env_vars(env.now()), env, log);
        }
    }
    result
}

/// One fetch: what it works with, beside the cache.
struct Fetch<'a> {
    settings: &'a Settings,
    env: &'a Env,
    home: &'a Home,
    log: &'a Log,
    trigger: Trigger,
}

/// What a fetch has come to.
struct FetchOutcome {
    /// There are new numbers in the cache.
    has_news: bool,
    /// What they change, if anybody wants to know.
    changes: Vec<Change>,
    result: Result<(), Error>,
}

impl Fetch<'_> {
    /// Asks, and stores what came of it: an answer, a failure, or the one beside the other.
    fn store(&self, cache: &Cache) -> Result<FetchOutcome, Error> {
        let previous = cache.read(self.env.now()).ok();
        // Before asking: an answer that cannot be stored would be asked for again at every prompt.
        let slot = cache.prepare()?;
        // The login as it is before reading it. A change in between is seen at the next prompt.
        let stamp = stamp(self.home, self.env);
        let context = FetchContext {
            settings: self.settings,
            env: self.env,
            home: self.home,
            previous: previous.as_ref(),
            is_by_hand: self.trigger != Trigger::Stale,
            log: self.log,
        };
        if let Some(previous) =
            previous.as_ref().filter(|previous| self.may_only_look(previous, &stamp))
        {
            let entry = self.look(&context, previous);
            slot.store(&entry)?;
            return Ok(self.outcome(Some(previous), &entry, Ok(())));
        }
        let found = self.ask(&context);
        let now = self.env.now();
        let failed = |SourceError { error, account, .. }: &SourceError| {
            self.log.debug(format_args!("{error}; {}", error.hint()));
            Entry::failed(
                previous.clone(),
                self.home.path(),
                stamp.clone(),
                account.as_deref(),
                error,
                now,
            )
        };
        let (entry, result) = match found {
            Ok(Fetched { answer, account, earlier_failure: Some(failure), .. }) => {
                (failed(&failure).or_newer(answer, account, now), Err(failure.error))
            }
            Ok(Fetched { answer, account, stamp: renewed, .. }) => {
                match Problem::of_loss(answer.usage.lost_windows) {
                    None => self.log.debug("the answer is good"),
                    Some(loss) => self.log.debug(format_args!("{}; {}", loss.message, loss.hint)),
                }
                let is_found = answer.source == Source::Sessions;
                // Our own renewal changed the file: what was read last is what the numbers are of.
                let stamp = renewed.unwrap_or(stamp.clone());
                let entry = Entry::answered(self.home.path(), stamp, account, answer);
                let entry = entry.following(previous.as_ref(), now);
                (if is_found { entry.checked(now) } else { entry }, Ok(()))
            }
            Err(failure) => (failed(&failure), Err(failure.error)),
        };
        slot.store(&entry)?;
        Ok(self.outcome(previous.as_ref(), &entry, result))
    }

    /// Asks one source after the other until one has numbers. Each knows what failed before it, and
    /// gives that back if it cannot help.
    fn ask(&self, context: &FetchContext) -> Result<Fetched, SourceError> {
        let mut failed: Option<SourceError> = None;
        for provider in sources::wanted(self.settings.source) {
            if let Some(SourceError { error, .. }) = &failed {
                self.log.debug(format_args!(
                    "no numbers ({}); next: {}",
                    error.code(),
                    provider.about
                ));
            }
            match (provider.ask)(context, failed.take()) {
                Ok(found) => return Ok(found),
                Err(failure) => failed = Some(failure),
            }
        }
        Err(failed.unwrap_or_else(|| unreachable!("there is a source of every name")))
    }

    /// Behind a prompt, while it is not time to ask again: only what can be found without asking.
    fn may_only_look(&self, previous: &Entry, stamp: &str) -> bool {
        let is_due = self.trigger == Trigger::Stale && self.settings.source.is_none();
        is_due && previous.login_stamp == stamp && previous.is_backing_off(self.env.now())
    }

    fn look(&self, context: &FetchContext, previous: &Entry) -> Entry {
        let now = self.env.now();
        match sessions::look(context) {
            Ok(found) => previous.clone().or_newer(found.answer, found.account, now),
            Err(failed) => {
                self.log.debug(failed.error);
                previous.clone().checked(now)
            }
        }
    }

    fn outcome(
        &self,
        previous: Option<&Entry>,
        entry: &Entry,
        result: Result<(), Error>,
    ) -> FetchOutcome {
        let before = previous.and_then(|previous| previous.answer.as_ref());
        let is_fetched = |answer: &Answer| answer.source != Source::Sessions && result.is_ok();
        let after = entry.answer.as_ref();
        let has_news = after.is_some_and(|after| is_fetched(after) || Some(after) != before);
        let same = previous.filter(|previous| entry.is_of_same_account(previous));
        let changes = match (same, before, after) {
            (Some(previous), Some(before), Some(after))
                if self.settings.on_change.is_some() && has_news =>
            {
                change::changes(before, previous.history.as_ref(), after, self.settings.thresholds)
            }
            _ => Vec::new(),
        };
        FetchOutcome { has_news, changes, result }
    }
}
