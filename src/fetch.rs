//! The fetch, behind a prompt or as `codexline fetch`: take the lock → read the cache again → ask the sources, one after
//! the other, until one has numbers → store the answer or the failure → release → tell the bar (`--on-fetch`), and
//! whoever wants to know of a change (`--on-change`).
//!
//! How a source is asked is its own affair: for the API, read auth.json → ask → recover if refused ([`sources::api`]).

use crate::cache::{Answer, Cache, Decision, Entry, Source, decide};
use crate::change::{self, Change};
use crate::codex::auth;
use crate::codex::home::Home;
use crate::count;
use crate::environment::Surroundings;
use crate::error::Error;
use crate::output::{self, Notes};
use crate::push;
use crate::settings::Settings;
use crate::sources::{self, Failed, Found, Inquiry, sessions};
use crate::worker::{LONGEST_FETCH, under_lock};
use std::time::Duration;

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
    let cache = Cache::locate(&home, settings.source, surroundings)?;
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
        Fetch { settings, surroundings, home: &home, notes, errand }.store(&cache).map(Some)
    };
    let is_worker = errand != Errand::ByHand;
    let patience = if is_worker { Duration::ZERO } else { LONGEST_FETCH };
    let outcome = under_lock(&cache.lock_path(), is_worker, patience, work)??;
    let Some(Outcome { has_news, changes, result }) = outcome else { return Ok(()) };
    let wanted = settings.on_fetch.is_some() || settings.on_change.is_some();
    if has_news && wanted && push::is_within_one(surroundings) {
        notes.tell("this is a fetch in --on-fetch or --on-change, which are not run once more");
        return result;
    }
    if let Some(command) = settings.on_fetch.as_ref().filter(|_| has_news) {
        push::run("--on-fetch", command, &[], surroundings, notes);
    }
    if let Some(command) = &settings.on_change {
        for change in changes {
            push::run("--on-change", command, &change.facts(surroundings.now()), surroundings, notes);
        }
    }
    result
}

/// One fetch: what it works with, beside the cache.
struct Fetch<'a> {
    settings: &'a Settings,
    surroundings: &'a Surroundings,
    home: &'a Home,
    notes: &'a Notes,
    errand: Errand,
}

/// What a fetch has come to.
struct Outcome {
    /// There are new numbers in the cache.
    has_news: bool,
    /// What they change, if anybody wants to know.
    changes: Vec<Change>,
    result: Result<(), Error>,
}

impl Fetch<'_> {
    /// Asks, and stores what came of it: an answer, a failure, or the one beside the other.
    fn store(&self, cache: &Cache) -> Result<Outcome, Error> {
        let previous = cache.read(self.surroundings.now()).ok();
        // Before asking: an answer that cannot be stored would be asked for again at every prompt.
        let slot = cache.prepare()?;
        // The login as it is before reading it. A change in between is seen at the next prompt.
        let stamp = auth::stamp(self.home, self.surroundings);
        let inquiry = Inquiry {
            settings: self.settings,
            surroundings: self.surroundings,
            home: self.home,
            previous: previous.as_ref(),
            notes: self.notes,
        };
        if let Some(previous) = previous.as_ref().filter(|previous| self.may_only_look(previous, &stamp)) {
            let entry = self.look(&inquiry, previous);
            slot.store(&entry)?;
            return Ok(self.outcome(Some(previous), &entry, Ok(())));
        }
        let found = self.ask(&inquiry);
        let now = self.surroundings.now();
        let failed = |Failed { error, account, .. }: &Failed| {
            self.notes.tell(format_args!("{error}; {}", error.hint()));
            Entry::failed(previous.clone(), self.home, stamp.clone(), account.as_deref(), error, now)
        };
        let (entry, result) = match found {
            Ok(Found { answer, account, beside: Some(failure), .. }) => {
                (failed(&failure).or_newer(answer, account, now), Err(failure.error))
            }
            Ok(Found { answer, account, stamp: renewed, .. }) => {
                self.notes.tell("the answer is good");
                let is_found = answer.source == Source::Sessions;
                // Our own renewal changed the file: what was read last is what the numbers are of.
                let stamp = renewed.unwrap_or(stamp.clone());
                let entry = Entry::answered(self.home, stamp, account, answer);
                let entry = entry.following(previous.as_ref(), now);
                (if is_found { entry.checked(now) } else { entry }, Ok(()))
            }
            Err(failure) => (failed(&failure), Err(failure.error)),
        };
        slot.store(&entry)?;
        Ok(self.outcome(previous.as_ref(), &entry, result))
    }

    /// Asks one source after the other until one has numbers. Each knows what failed before it, and gives that back if it
    /// cannot help.
    fn ask(&self, inquiry: &Inquiry) -> Result<Found, Failed> {
        let mut failed: Option<Failed> = None;
        for provider in sources::wanted(self.settings.source) {
            if let Some(Failed { error, .. }) = &failed {
                self.notes.tell(format_args!("no numbers ({}); next: {}", error.code(), provider.about));
            }
            match (provider.ask)(inquiry, failed.take()) {
                Ok(found) => return Ok(found),
                Err(failure) => failed = Some(failure),
            }
        }
        Err(failed.unwrap_or_else(|| unreachable!("there is a source of every name")))
    }

    /// Behind a prompt, while it is not time to ask again: only what can be found without asking.
    fn may_only_look(&self, previous: &Entry, stamp: &str) -> bool {
        let is_due = self.errand == Errand::Stale && self.settings.source.is_none();
        is_due && previous.login == stamp && previous.is_backing_off(self.surroundings.now())
    }

    fn look(&self, inquiry: &Inquiry, previous: &Entry) -> Entry {
        let now = self.surroundings.now();
        match sessions::look(inquiry) {
            Ok(found) => previous.clone().or_newer(found.answer, found.account, now),
            Err(failed) => {
                self.notes.tell(failed.error);
                previous.clone().checked(now)
            }
        }
    }

    fn outcome(&self, previous: Option<&Entry>, entry: &Entry, result: Result<(), Error>) -> Outcome {
        let before = previous.and_then(|previous| previous.answer.as_ref());
        let is_fetched = |answer: &Answer| answer.source != Source::Sessions && result.is_ok();
        let after = entry.answer.as_ref();
        let has_news = after.is_some_and(|after| is_fetched(after) || Some(after) != before);
        let same = previous.filter(|previous| entry.is_of_same_account(previous));
        let changes = match (same, before, after) {
            (Some(previous), Some(before), Some(after)) if self.settings.on_change.is_some() && has_news => {
                change::changes(before, previous.history.as_ref(), after, self.settings.thresholds)
            }
            _ => Vec::new(),
        };
        Outcome { has_news, changes, result }
    }
}
