//! The fetch, behind a prompt or as `codexline fetch`: take the lock → read the cache again → ask
//! one source after the other until one has numbers → store the answer or the failure → release the
//! lock → run `--on-fetch` and `--on-change`.

use crate::background::count;
use crate::background::freshness::decide_now;
use crate::background::hooks;
use crate::background::job::{LONGEST_FETCH, under_lock, with_told_hooks};
use crate::cache::Cache;
use crate::codex::home::Home;
use crate::codex::stamp::stamp;
use crate::config::settings::{LoginEnv, Settings};
use crate::io::env::Env;
use crate::io::output::{self, Log};
use crate::model::asking::{AskDecision, AskRules, worth_asking};
use crate::model::change::{self, Change};
use crate::model::decision::{Decision, Trigger};
use crate::model::entry::{Answer, Entry, Problem, Source};
use crate::model::error::Error;
use crate::sources::{self, FetchContext, Fetched, SourceError, freshen, sessions};
use std::time::Duration;

/// `codexline fetch`.
pub struct FetchArgs {
    pub(crate) settings: Settings,
    pub(crate) trigger: Trigger,
}

/// Fetches, and stores what came of it.
///
/// # Errors
/// What went wrong. It is also in the cache, if that could be written.
pub fn run(args: &FetchArgs, env: &Env) -> Result<(), Error> {
    let FetchArgs { settings, trigger } = args;
    let trigger = *trigger;
    let log = Log::new(settings.verbose);
    for mistake in &settings.mistakes {
        output::warn(mistake);
    }
    // A worker is for the login in its CODEX_HOME. Another worker counts.
    if trigger != Trigger::Manual {
        return run_one(settings, env, trigger, &log);
    }
    let mut result = Ok(());
    // After a failure the other accounts are still asked.
    for LoginEnv { account, env } in settings.logins(env) {
        let fetched = run_one(settings, &env, trigger, &log);
        count::where_shown(settings, &env, &log);
        match (fetched, account) {
            (Err(error), Some(name)) => {
                output::warn(format_args!("{name}: {error}; {}", error.hint()));
                result = Err(Error::AccountFailed { name });
            }
            (Err(error), None) => result = Err(error),
            (Ok(()), _) => {}
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
            let decision = decide_now(entry.as_ref(), &login, settings, &home, env.now());
            !matches!(decision, Decision::Stale(_))
        }
        // The user wants an answer that came after the request.
        (Trigger::Manual | Trigger::Click, Ok(entry)) => {
            entry.failure.is_none() && entry.is_from(begun.plus(1))
        }
        (Trigger::Manual | Trigger::Click, Err(_)) => false,
    };
    let is_worker = trigger != Trigger::Manual;
    let told = is_worker.then(|| with_told_hooks(settings, &cache.lock_path()));
    let settings = told.as_ref().unwrap_or(settings);
    let work = || {
        if is_done() {
            log.debug("another codexline has just fetched");
            return Ok(None);
        }
        Fetch { settings, env, home: &home, log, trigger }.store(&cache).map(Some)
    };
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

/// One fetch, and what it works with besides the cache.
struct Fetch<'a> {
    settings: &'a Settings,
    env: &'a Env,
    home: &'a Home,
    log: &'a Log,
    trigger: Trigger,
}

/// What came of a fetch.
struct FetchOutcome {
    /// There are new numbers in the cache.
    has_news: bool,
    /// What they change. Empty without `--on-change`.
    changes: Vec<Change>,
    result: Result<(), Error>,
}

impl Fetch<'_> {
    /// Asks, and stores what came of it: an answer, a failure, or an answer beside a failure.
    fn store(&self, cache: &Cache) -> Result<FetchOutcome, Error> {
        let previous = cache.read(self.env.now()).ok();
        // An answer that cannot be stored would be asked for again at every prompt. So this comes
        // before asking.
        let slot = cache.prepare()?;
        // Taken before the login is read. If the login changes in between, the next prompt sees it.
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
        // As it is once newer limits from the session files are in it.
        let mut known = previous.clone();
        let mut asked = None;
        let is_same_login = |entry: &&Entry| entry.login_stamp == stamp;
        if let Some(entry) = previous.as_ref().filter(is_same_login)
            && self.settings.source.is_none()
        {
            let (mut entry, asking) = self.freshen(&context, entry);
            asked = Some(asking.to_string());
            entry.asking.clone_from(&asked);
            if self.trigger == Trigger::Stale
                && let AskDecision::Rest(_) = asking
            {
                slot.store(&entry)?;
                if previous.as_ref().is_some_and(|previous| previous.answer == entry.answer) {
                    return Ok(FetchOutcome {
                        has_news: false,
                        changes: Vec::new(),
                        result: Ok(()),
                    });
                }
                return Ok(self.outcome(previous.as_ref(), &entry, Ok(())));
            }
            known = Some(entry);
        }
        let context = FetchContext { previous: known.as_ref(), ..context };
        let found = self.ask(&context);
        let now = self.env.now();
        let failed = |SourceError { error, account, .. }: &SourceError| {
            self.log.debug(format_args!("{error}; {}", error.hint()));
            Entry::failed(
                known.clone(),
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
            Ok(Fetched { answer, account, stamp: refreshed, .. }) => {
                match Problem::of_loss(answer.usage.lost_windows) {
                    None => self.log.debug("the answer is good"),
                    Some(loss) => self.log.debug(format_args!("{}; {}", loss.message, loss.hint)),
                }
                let is_found = answer.source == Source::Sessions;
                // A refresh changed the file. The numbers are of the login that was read last.
                let stamp = refreshed.unwrap_or(stamp.clone());
                let entry = Entry::answered(self.home.path(), stamp, account, answer);
                let entry = entry.following(known.as_ref(), now);
                (if is_found { entry.checked(now) } else { entry }, Ok(()))
            }
            Err(failure) => (failed(&failure), Err(failure.error)),
        };
        let mut entry = entry;
        entry.asking = asked.filter(|_| self.trigger == Trigger::Stale);
        if self.settings.source.is_none() && entry.watched.is_none() {
            entry.watched = freshen::watch(&context);
        }
        slot.store(&entry)?;
        Ok(self.outcome(previous.as_ref(), &entry, result))
    }

    /// The entry with what the session files tell since, and whether a request is worth it.
    fn freshen(&self, context: &FetchContext, previous: &Entry) -> (Entry, AskDecision) {
        let seconds = |duration: Duration| duration.as_secs() as i64;
        let rules = AskRules {
            max_age: seconds(self.settings.max_age),
            max_idle: seconds(self.settings.max_idle),
            thresholds: self.settings.thresholds,
            shows: self.settings.shows,
        };
        let look = |thorough: bool| {
            let freshen::Glance { entry, seen } = freshen::look(context, previous, thorough);
            let asking = worth_asking(&entry, seen, rules, self.env.now());
            (entry, asking)
        };
        let (entry, asking) = look(false);
        // Beside a request it does not matter how long it takes to look everywhere.
        let (entry, asking) = match asking {
            AskDecision::Ask(_) => look(true),
            AskDecision::Rest(_) => (entry, asking),
        };
        if self.trigger == Trigger::Stale {
            self.log.debug(asking);
        }
        (entry, asking)
    }

    /// Asks one source after the other until one has numbers. A source is told what failed before
    /// it, and gives that back if it has no numbers either.
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

    /// Whether a back-off still lasts. Then a worker only looks for numbers in files.
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
        let wanted = after.filter(|_| self.settings.on_change.is_some() && has_news);
        let changes = wanted.map_or_else(Vec::new, |after| {
            let history = same.and_then(|previous| previous.history.as_ref());
            let before = same.and(before);
            change::changes(before, history, after, self.settings.thresholds)
        });
        FetchOutcome { has_news, changes, result }
    }
}
