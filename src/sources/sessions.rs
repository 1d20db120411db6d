//! The newest rate limits in the local session files: what Codex was told of the plan at its last
//! turn. This needs no network, and of auth.json only whose it is.
//!
//! `auto` reads them when no other source has numbers, except where nobody is signed in to a plan.
//!
//! **Never another account's.** A session file names the account that began it. But:
//! * A session that is resumed after somebody else has signed in goes on in its old file. So lines
//!   from a time at which another account was seen signed in do not count
//!   ([`crate::model::sign_ins::SignIns`]).
//! * Files of older versions of Codex name no account, and auth.json may name none. Then a session
//!   counts only if it began after the last change of auth.json.
//! * For a login that only Codex can see, the account is the one of Codex's last answer. It may
//!   have changed since without a trace, so a later session of another account ends that.

use super::{FetchContext, Fetched, Provider, SourceError};
use crate::activity::discover::Tree;
use crate::activity::rate_limits::{Snapshot, SnapshotOrigin, SnapshotWindow, newest};
use crate::cache::Cache;
use crate::codex::answer;
use crate::codex::config::Config;
use crate::codex::login::Login;
use crate::codex::stamp::stamp;
use crate::model::entry::{Answer, Entry, Source};
use crate::model::error::Error;
use crate::model::time::Timestamp;
use serde_json::{Value, json};
use std::cell::Cell;

pub const PROVIDER: Provider =
    Provider { source: Source::Sessions, about: "the local session files", ask };

fn ask(context: &FetchContext, earlier: Option<SourceError>) -> Result<Fetched, SourceError> {
    let Some(failed) = earlier else { return look(context) };
    if !may_stand_in(&failed.error) {
        context.log.debug("the session files are not read: they may be of another account");
        return Err(failed);
    }
    match look(context) {
        Ok(found) => Ok(Fetched { earlier_failure: Some(failed), ..found }),
        Err(none) => {
            context.log.debug(none.error);
            Err(failed)
        }
    }
}

/// Whether the login is, for all that is known, still the one whose session files these are.
fn may_stand_in(error: &Error) -> bool {
    !matches!(
        error,
        Error::NotSignedIn { .. }
            | Error::ApiKeyLogin { .. }
            | Error::UnsupportedLogin { .. }
            | Error::LoginChanged { .. }
            | Error::OtherAccount { .. }
    )
}

/// Reads the files.
pub fn look(context: &FetchContext) -> Result<Fetched, SourceError> {
    look_in(context, &Tree::list(context.home.path()))
}

/// The same with only those of `tree`.
pub(super) fn look_in(context: &FetchContext, tree: &Tree) -> Result<Fetched, SourceError> {
    let FetchContext { env, home, log, .. } = context;
    let whose = Ownership::find_out(context)?;
    log.debug(format_args!("reading the session files in {}", home.path().display()));
    let is_ours = |origin: &SnapshotOrigin| whose.owns(origin);
    let now = env.now();
    let snapshot = newest(tree, &is_ours, now);
    match snapshot.filter(|snapshot| !whose.has_changed_since(snapshot.time)) {
        Some(snapshot) => match answer(snapshot, now) {
            Ok(answer) => Ok(Fetched::of(answer, whose.account)),
            Err(reason) => {
                let url = home.path().join("sessions").display().to_string();
                let error = Error::BadAnswer { url, reason };
                Err(SourceError { account: whose.account, ..SourceError::from(error) })
            }
        },
        None => {
            let error = Error::NoSnapshot { path: home.path().to_path_buf() };
            Err(SourceError { account: whose.account, ..SourceError::from(error) })
        }
    }
}

/// By what a file is known to be of the login in force.
struct Ownership<'a> {
    account: Option<String>,
    /// When auth.json was last written.
    signed_in: Option<Timestamp>,
    previous: Option<&'a Entry>,
    /// For an account that only Codex has told: when the latest session of another one began.
    others: Option<Cell<Timestamp>>,
}

impl Ownership<'_> {
    fn find_out<'a>(context: &FetchContext<'a>) -> Result<Ownership<'a>, Error> {
        let FetchContext { env, home, previous, .. } = *context;
        let config = Config::read(home)?;
        match Login::read(home, &config, env) {
            Ok(login) => {
                let metadata = std::fs::metadata(home.auth_json()).ok();
                let signed_in =
                    metadata.and_then(|metadata| crate::io::platform::changed_at(&metadata));
                let account = login.account().map(String::from);
                Ok(Ownership { account, signed_in, previous, others: None })
            }
            Err(error @ (Error::LoginElsewhere { .. } | Error::LoginForCodex { .. })) => {
                let account = told_by_codex(context).ok_or(error)?;
                let others = Some(Cell::new(Timestamp::from_unix_seconds(0)));
                Ok(Ownership { account: Some(account), signed_in: None, previous, others })
            }
            Err(error) => Err(error),
        }
    }

    fn owns(&self, origin: &SnapshotOrigin) -> bool {
        if let (Some(account), Some(named)) = (&self.account, origin.account) {
            let is_ours = account == named;
            if let Some(others) = self.others.as_ref().filter(|_| !is_ours) {
                others.set(others.get().max(origin.begun));
            }
            // Since then nobody else has been signed in.
            let is_present = self.signed_in.is_some_and(|signed_in| origin.time > signed_in);
            let is_anothers = |entry: &Entry| entry.sign_ins.is_anothers(account, origin.time);
            return is_ours && (is_present || !self.previous.is_some_and(is_anothers));
        }
        self.signed_in.is_some_and(|signed_in| origin.begun > signed_in)
    }

    fn has_changed_since(&self, time: Timestamp) -> bool {
        self.others.as_ref().is_some_and(|others| others.get() > time)
    }
}

/// The account of Codex's last answer for this login, whichever entry has it.
fn told_by_codex(context: &FetchContext) -> Option<String> {
    let FetchContext { env, home, previous, .. } = *context;
    let stamp = stamp(home, env);
    let of = |entry: &Entry| entry.account.clone().filter(|_| entry.login_stamp == stamp);
    let kept = |source: Option<Source>| Cache::locate(home, source, env).ok()?.read(env.now()).ok();
    let others = [None, Some(Source::Codex)].into_iter().filter_map(kept);
    previous.and_then(of).or_else(|| others.filter_map(|entry| of(&entry)).next())
}

fn answer(snapshot: Snapshot, now: Timestamp) -> Result<Answer, &'static str> {
    // Clocks step back a little.
    let fetched_at = snapshot.time.min(now);
    let usage = answer::parse(as_usage(&snapshot).to_string().as_bytes(), fetched_at)?.usage;
    Ok(Answer { fetched_at, source: Source::Sessions, asked_at: None, usage })
}

/// The limits in the words of the usage endpoint.
fn as_usage(snapshot: &Snapshot) -> Value {
    let limits = &snapshot.limits;
    let window = |window: &SnapshotWindow| {
        json!({
            "used_percent": window.used_percent,
            "limit_window_seconds": window.minutes.map(|minutes| i64::from(minutes) * 60),
            "reset_at": window.resets_at,
        })
    };
    let lost = (0..snapshot.lost).map(|_| json!({}));
    let mut windows = snapshot.windows.iter().map(window).chain(lost);
    json!({
        "plan_type": snapshot.plan,
        "rate_limit": {
            "allowed": limits["ordinary_usage_allowed"],
            "primary_window": windows.next(),
            "secondary_window": windows.next(),
        },
        "credits": limits["credits"],
        "spend_control": {
            "reached": limits["spend_control_reached"],
            "individual_limit": limits["individual_limit"],
        },
        "rate_limit_reached_type": limits["rate_limit_reached_type"],
        "rate_limit_reset_credits": limits["rate_limit_reset_credits"],
    })
}
