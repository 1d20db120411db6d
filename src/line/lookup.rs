//! What the cache says of each login that is shown, and the jobs that a lookup starts and waits
//! for.

use super::ttl::Jobs;
use crate::background::freshness::decide_now;
use crate::background::job::{Job, Launch};
use crate::cache::Cache;
use crate::codex::config::Config;
use crate::codex::home::Home;
use crate::codex::stamp::stamp;
use crate::config::options::Worker;
use crate::config::settings::{LoginEnv, Settings};
use crate::hosts::Wait;
use crate::io::env::Env;
use crate::io::files::Lock;
use crate::io::output::{Log, Notice};
use crate::model::asking::{look_again, may_have_moved};
use crate::model::decision::{Decision, Reason, Trigger, decide};
use crate::model::entry::{Entry, Miss, Problem, Source};
use crate::model::text::plain;
use crate::model::time::Timestamp;
use crate::model::today::Today;
use crate::model::usage::Usage;
use crate::model::view::View;
use std::time::{Duration, Instant};

/// How long a run without counts waits for them, if `--wait` does not say it. They take a moment,
/// unless today's session files have gigabytes.
const PATIENCE_FOR_COUNTS: Duration = Duration::from_secs(1);
/// How often a waiting run looks at the entry.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// At most this many characters of a host's name are shown, so that the notice stays on one line.
const LONGEST_HOST: usize = 40;

/// The jobs that a lookup can start, in the order in which it waits for them.
const JOBS: [Worker; 2] = [Worker::Fetch, Worker::Count];

/// The longest waits, one for each of [`JOBS`].
pub(super) struct Patience([Duration; 2]);

impl Patience {
    /// For each job, the longest wait of any lookup that wants it.
    pub(super) fn of(lookups: &[Lookup], settings: &Settings) -> Patience {
        Patience(JOBS.map(|worker| {
            let each = lookups.iter().map(|lookup| lookup.patience(worker, settings));
            each.max().unwrap_or_default()
        }))
    }

    /// For a run that waits for numbers as long as `wait`. For counts it waits at most as long as
    /// `--wait` says, or [`PATIENCE_FOR_COUNTS`].
    pub(super) fn for_wait(wait: Duration, settings: &Settings) -> Patience {
        Patience([wait, wait.min(settings.wait.unwrap_or(PATIENCE_FOR_COUNTS))])
    }

    pub(super) fn is_none(&self) -> bool {
        self.0.iter().all(Duration::is_zero)
    }
}

/// One login, and what its cache entry says.
pub(super) struct Lookup {
    account: Option<String>,
    env: Env,
    /// `None` if the cache directory is not known.
    pub(super) cache: Option<Cache>,
    login_stamp: String,
    entry: Result<Entry, Miss>,
    decision: Decision,
    fetch: Task,
    count: Task,
    /// What went wrong in this run.
    problem: Option<Problem>,
}

/// How far a job is.
#[derive(Default)]
struct Task {
    wanted: Option<Trigger>,
    /// This run or another one has started it, or another one has just done it.
    should_wait: bool,
    /// Tells [`super::ttl`] how soon the line can change.
    progress: Jobs,
}

/// Looks up every login that is shown.
pub(super) fn look_up(settings: &Settings, env: &Env, log: &Log) -> Vec<Lookup> {
    let logins = settings.logins(env).into_iter();
    logins.map(|login| Lookup::of(login, settings, log)).collect()
}

/// Starts the jobs that are wanted.
pub(super) fn start_jobs(lookups: &mut [Lookup], settings: &Settings, log: &Log) {
    for lookup in lookups {
        for worker in JOBS {
            lookup.start(worker, settings, log);
        }
    }
}

/// Waits for the jobs that run: first for all fetches, then for all counts. All limits count from
/// the same start. A person in front of a terminal is told what is being waited for, unless
/// `--verbose` tells everything.
pub(super) fn wait_for_jobs(
    lookups: &mut [Lookup],
    patience: &Patience,
    settings: &Settings,
    log: &Log,
) {
    let begun = Instant::now();
    let is_watched = lookups.iter().any(|lookup| lookup.env.stdout_is_terminal);
    let mut notice = Notice::new(is_watched && !settings.verbose);
    for (worker, wait) in JOBS.into_iter().zip(patience.0) {
        for lookup in &mut *lookups {
            lookup.wait(worker, begun, wait, settings.source, &mut notice, log);
        }
    }
}

impl Lookup {
    fn of(login: LoginEnv, settings: &Settings, log: &Log) -> Lookup {
        let LoginEnv { account, env } = login;
        let mut lookup = Lookup {
            account,
            cache: None,
            login_stamp: String::new(),
            entry: Err(Miss::Absent),
            decision: Decision::Stale(Reason::Missing(Miss::Absent)),
            fetch: Task::default(),
            count: Task::default(),
            problem: None,
            env,
        };
        let env = &lookup.env;
        let located = Home::locate(env)
            .and_then(|home| Cache::locate(&home, settings.source, env).map(|cache| (home, cache)));
        match located {
            Ok((home, cache)) => {
                let now = env.now();
                lookup.login_stamp = stamp(&home, env);
                lookup.entry = cache.read(now);
                let entry = lookup.entry.as_ref();
                lookup.decision = decide_now(entry, &lookup.login_stamp, settings, &home, now);
                log.debug(format_args!("{}: {}", cache.entry_path().display(), lookup.decision));
                if let Some(look) = entry.ok().and_then(|entry| entry.asking.as_ref()) {
                    log.debug(format_args!("at the last look: {look}"));
                }
                lookup.cache = Some(cache);
            }
            Err(error) => {
                log.debug(&error);
                lookup.problem = Some(Problem::from(&error));
            }
        }
        lookup
    }

    /// The numbers that may be shown for the login.
    pub(super) fn usage(&self) -> Option<&Usage> {
        let entry =
            self.entry.as_ref().ok().filter(|entry| entry.login_stamp == self.login_stamp)?;
        let answer = entry.answer.as_ref().filter(|answer| answer.holds(self.env.now()))?;
        Some(&answer.usage)
    }

    /// Today's counts, as far as they are known.
    fn today(&self) -> Option<Today> {
        self.entry.as_ref().ok().and_then(|entry| entry.today)
    }

    /// Decides which jobs are wanted. `is_clicked`: the user has asked for new numbers.
    /// `shows_today`: today's counts are shown.
    pub(super) fn want_jobs(&mut self, is_clicked: bool, shows_today: bool, settings: &Settings) {
        if self.cache.is_none() {
            return;
        }
        let now = self.env.now();
        // Numbers of this very second are new enough, so a double click starts one fetch.
        let is_newest =
            self.entry.as_ref().is_ok_and(|entry| entry.failure.is_none() && entry.is_from(now));
        self.fetch.wanted = match &self.decision {
            _ if is_clicked && !is_newest => Some(Trigger::Click),
            Decision::Stale(_) => Some(Trigger::Stale),
            _ => None,
        };
        let is_stale = |today: Today| today.is_stale(settings.max_age_seconds(), now);
        let is_due = shows_today && self.today().is_none_or(is_stale);
        self.count.wanted = is_due.then_some(Trigger::Stale);
        for task in [&mut self.fetch, &mut self.count] {
            if task.wanted.is_some() {
                task.progress = Jobs::Started;
            }
        }
    }

    /// Whether any job is wanted.
    pub(super) fn wants_job(&self) -> bool {
        JOBS.iter().any(|worker| self.task(*worker).wanted.is_some())
    }

    /// Whether a fetch is wanted, and the entry cannot be read.
    pub(super) fn needs_entry(&self) -> bool {
        self.fetch.wanted.is_some() && self.entry.is_err()
    }

    fn task(&self, worker: Worker) -> &Task {
        match worker {
            Worker::Fetch => &self.fetch,
            Worker::Count => &self.count,
        }
    }

    fn task_mut(&mut self, worker: Worker) -> &mut Task {
        match worker {
            Worker::Fetch => &mut self.fetch,
            Worker::Count => &mut self.count,
        }
    }

    /// How long this run may wait for a job.
    fn patience(&self, worker: Worker, settings: &Settings) -> Duration {
        if self.task(worker).wanted.is_none() {
            return Duration::ZERO;
        }
        match (settings.wait, settings.host.wait, worker) {
            (Some(wait), _, _) => wait,
            (None, Wait::Always(wait), Worker::Fetch) => wait,
            (None, Wait::WhenEmpty(wait), Worker::Fetch) if self.usage().is_none() => wait,
            (None, Wait::WhenEmpty(wait), Worker::Count)
                if !self.today().is_some_and(|today| today.holds(self.env.now())) =>
            {
                wait.min(PATIENCE_FOR_COUNTS)
            }
            _ => Duration::ZERO,
        }
    }

    /// Starts a worker for a job that is wanted.
    fn start(&mut self, worker: Worker, settings: &Settings, log: &Log) {
        let (Some(trigger), Some(cache)) = (self.task(worker).wanted, &self.cache) else { return };
        let is_done = || self.is_news(worker, &cache.read(self.env.now()));
        let launched = Job { worker, cache }.start(settings, &self.env, trigger, is_done);
        let name = name(worker);
        let task = self.task_mut(worker);
        task.should_wait = launched.is_ok();
        if !matches!(launched, Ok(Launch::Started)) {
            task.progress = Jobs::Pending;
        }
        match launched {
            Ok(Launch::Started) => log.debug(format_args!("a {name} has been started")),
            Ok(Launch::AlreadyRunning) => {
                log.debug(format_args!("a {name} of another codexline is running"));
            }
            Ok(Launch::NotNeeded) => {
                log.debug(format_args!("another codexline has just done the {name}"));
            }
            Err(error) => {
                log.debug(&error);
                // What keeps a count from starting keeps a fetch from starting, too. The fetch's
                // error is shown.
                if worker == Worker::Fetch {
                    self.problem = Some(Problem::from(&error));
                }
            }
        }
    }

    /// Whether `entry` has a newer result of this job than the entry that was read before.
    fn is_news(&self, worker: Worker, entry: &Result<Entry, Miss>) -> bool {
        match (worker, &self.entry, entry) {
            (Worker::Count, _, entry) => {
                entry.as_ref().is_ok_and(|entry| entry.today != self.today())
            }
            (Worker::Fetch, Ok(seen), Ok(entry)) => !seen.is_same_news(entry),
            (Worker::Fetch, seen, entry) => seen != entry,
        }
    }

    /// Waits until a job that runs has put something new into the entry or has ended. `wait`: how
    /// long at most, from `begun`.
    fn wait(
        &mut self,
        worker: Worker,
        begun: Instant,
        wait: Duration,
        source: Option<Source>,
        notice: &mut Notice,
        log: &Log,
    ) {
        let should_wait = self.task(worker).should_wait;
        let Some(cache) = self.cache.as_ref().filter(|_| should_wait && !wait.is_zero()) else {
            return;
        };
        let mut lock = Lock::open(&Job { worker, cache }.lock_path());
        let (outcome, progress) = loop {
            // Checked before the entry is read: a job stores its result before it ends.
            let has_ended = lock.as_mut().is_ok_and(Lock::is_free);
            let entry = cache.read(self.env.now());
            if self.is_news(worker, &entry) {
                self.entry = entry;
                // The worker may have refreshed the login. Then the news is of the new one.
                self.login_stamp = stamp(cache.home(), &self.env);
                break ("news", Jobs::Idle);
            }
            if has_ended {
                break ("an end without news", Jobs::Pending);
            }
            if begun.elapsed() >= wait {
                break ("no news", Jobs::Started);
            }
            notice.show(|| waiting_for(worker, source, cache.home()));
            std::thread::sleep(LOOK_AGAIN.min(wait));
        };
        self.task_mut(worker).progress = progress;
        let name = name(worker);
        let elapsed = begun.elapsed().min(wait).as_millis();
        log.debug(format_args!("{outcome} of the {name} within {elapsed} ms"));
    }

    /// What the jobs of this lookup are doing.
    pub(super) fn jobs(&self) -> Jobs {
        self.fetch.progress.max(self.count.progress)
    }

    /// Whether a job will be wanted at the time `then`, if the entry stays as it is and Codex does
    /// nothing.
    pub(super) fn will_want_jobs(&self, then: Timestamp, settings: &Settings) -> bool {
        let max_age = settings.max_age_seconds();
        let entry = self.entry.as_ref();
        let mut decision = decide(entry, &self.login_stamp, max_age, then);
        let mut has_moved = false;
        if let (Ok(entry), None) = (entry, settings.source) {
            let max_idle = settings.max_idle.as_secs() as i64;
            decision = look_again(decision, entry, max_idle, |_| false, then);
            has_moved = may_have_moved(entry, max_idle, self.env.now(), then);
        }
        let is_stale = |today: Today| today.is_stale(max_age, then);
        self.cache.is_some()
            && (matches!(decision, Decision::Stale(_))
                || has_moved
                || settings.tells_today() && self.today().is_none_or(is_stale))
    }

    /// What there is to show.
    pub(super) fn view(&self, settings: &Settings) -> View {
        self.view_at(self.env.now(), settings)
    }

    /// What there is to show at a moment, if nothing happens until then.
    pub(super) fn view_at(&self, now: Timestamp, settings: &Settings) -> View {
        let entry = self.entry.as_ref().ok();
        let view =
            View::new(entry, &self.login_stamp, self.problem.clone(), now, settings.thresholds)
                .measured_by(settings.severity, settings.thresholds);
        View { account: self.account.clone(), ..view.with_mistake(settings.mistakes.first()) }
    }
}

/// What a person is told who waits for a job.
fn waiting_for(worker: Worker, source: Option<Source>, home: &Home) -> String {
    let whom = match (worker, source) {
        (Worker::Count, _) => "today's sessions".to_owned(),
        (Worker::Fetch, Some(Source::Sessions)) => "the session files".to_owned(),
        (Worker::Fetch, Some(Source::Codex)) => "codex".to_owned(),
        (Worker::Fetch, _) => match Config::read(home) {
            Ok(config) => host_of(&config.usage_url()),
            Err(_) => "Codex".to_owned(),
        },
    };
    format!("codexline: waiting for {whom} ...")
}

/// The host and port of a URL, without the name and password that may stand before them.
fn host_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    plain(host, LONGEST_HOST)
}

fn name(worker: Worker) -> &'static str {
    match worker {
        Worker::Fetch => "fetch",
        Worker::Count => "count of today's sessions",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_notice_names_the_host_and_no_password() {
        for (url, expected) in [
            ("https://chatgpt.com/backend-api/wham/usage", "chatgpt.com"),
            ("http://127.0.0.1:80/api/codex/usage", "127.0.0.1:80"),
            ("https://me:secret@gate.example/usage", "gate.example"),
        ] {
            assert_eq!(host_of(url), expected);
        }
    }
}
