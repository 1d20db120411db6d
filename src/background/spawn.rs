//! Starting the fetch, or the count, behind a prompt; and what it finds there: the lock that it was started with.
//!
//! The lock is taken here, in the process that the host waits for, and handed to the worker as its
//! standard input: an open file keeps its `flock` until the last process that has it closes it. So there is
//! no moment between "nobody is fetching" and "the worker holds the lock", and of a hundred prompts
//! at once one starts a worker and the others start nothing.

use crate::activity::lock_path;
use crate::cache::Cache;
use crate::config::settings::{self, Settings};
use crate::io::env::{Env, LOGIN_VARIABLES};
use crate::io::files::{self, Lock};
use crate::model::decision::Trigger;
use crate::model::error::Error;
use crate::model::usage::Thresholds;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// How long to wait for a fetch that is under way: as long as one can take.
pub(crate) const LONGEST_FETCH: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How starting one went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Launch {
    Started,
    /// Somebody is at it.
    AlreadyRunning,
    /// Somebody has just done it.
    NotNeeded,
}

/// Starts a fetch unless one is running, or `is_done` says under the lock that there is nothing left to do.
///
/// # Errors
/// [`Error::CacheUnwritable`], [`Error::WorkerFailed`].
pub fn start_fetch(
    cache: &Cache,
    settings: &Settings,
    env: &Env,
    trigger: Trigger,
    is_done: impl FnOnce() -> bool,
) -> Result<Launch, Error> {
    let held = match take(cache, &cache.lock_path(), is_done)? {
        Ok(held) => held,
        Err(nothing_to_do) => return Ok(nothing_to_do),
    };
    // The worker has no voice: what would keep it from storing an answer is found out here.
    drop(cache.prepare()?);
    let mut command = worker("fetch", cache, settings, env);
    command.args(["--recover", settings.recover.name()]);
    command.arg("--on-change").arg(settings.on_change.as_deref().unwrap_or_default());
    if settings.on_change.is_some() {
        let Thresholds { warn, critical } = settings.thresholds;
        command.args(["--warn", &warn.to_string(), "--critical", &critical.to_string()]);
    }
    if trigger == Trigger::Click {
        command.arg("--force");
    }
    if let Some(codex) = &settings.codex_bin {
        // The worker runs in another directory; a bare name is looked up on PATH.
        let is_path = codex.components().count() > 1;
        let named = if is_path {
            std::path::absolute(codex).unwrap_or(codex.clone())
        } else {
            codex.clone()
        };
        command.arg("--codex-bin").arg(named);
    }
    spawn(command, held)
}

/// Starts a count of what was done today unless one is running, or `is_done` says under its lock that there is nothing left
/// to do.
///
/// # Errors
/// [`Error::CacheUnwritable`], [`Error::WorkerFailed`].
pub fn start_count(
    cache: &Cache,
    settings: &Settings,
    env: &Env,
    is_done: impl FnOnce() -> bool,
) -> Result<Launch, Error> {
    match take(cache, &lock_path(&cache.activity_path()), is_done)? {
        Ok(held) => spawn(worker("activity", cache, settings, env), held),
        Err(nothing_to_do) => Ok(nothing_to_do),
    }
}

/// Takes a lock to hand it over; why there is nothing to do, if there is not.
fn take(
    cache: &Cache,
    path: &Path,
    is_done: impl FnOnce() -> bool,
) -> Result<Result<File, Launch>, Error> {
    cache.ensure_writable()?;
    let unwritable = |error: io::Error| Error::CacheUnwritable {
        path: path.to_path_buf(),
        reason: Error::io_reason(&error),
    };
    Ok(match Lock::open(path).and_then(Lock::try_take).map_err(unwritable)? {
        None => Err(Launch::AlreadyRunning),
        Some(_) if is_done() => Err(Launch::NotNeeded),
        Some(held) => Ok(held),
    })
}

/// The command of a worker: for this one login, as this run sees it.
fn worker(trigger: &str, cache: &Cache, settings: &Settings, env: &Env) -> Command {
    let mut command = Command::new(own_path());
    command
        .args([trigger, "--worker"])
        .args(["--source", settings::source_name(settings.source)])
        .args(["--max-age", &format!("{}s", settings.max_age.as_secs())])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // A worker must not keep a file system busy that the user wants to unmount.
        .current_dir("/")
        .env_remove("CODEXLINE_ACCOUNT");
    // A default home that is not there is nobody signed in, a named one a mistake: to the worker it is what it is here.
    match cache.home().is_named() {
        true => command.env("CODEX_HOME", cache.home().path()),
        false => command.env_remove("CODEX_HOME"),
    };
    for name in LOGIN_VARIABLES {
        if env.variable(name).is_none() {
            command.env_remove(name);
        }
    }
    // Also the empty one: it stands for none, whatever the environment says.
    command.arg("--on-fetch").arg(settings.on_fetch.as_deref().unwrap_or_default());
    command
}

fn spawn(mut command: Command, held: File) -> Result<Launch, Error> {
    command.stdin(crate::io::platform::hand_over(held));
    crate::io::platform::detach(&mut command);
    command.spawn().map_err(|error| Error::WorkerFailed { reason: Error::io_reason(&error) })?;
    Ok(Launch::Started)
}

/// The running program's file, also after an upgrade has replaced it.
fn own_path() -> PathBuf {
    match std::env::current_exe() {
        Ok(path) if path.exists() => path,
        _ => PathBuf::from("/proc/self/exe"),
    }
}

/// Does `work` under a lock, waiting for whoever holds it; `is_handed`: a worker finds it, taken, as its standard input.
pub(crate) fn under_lock<T>(
    path: &Path,
    is_handed: bool,
    patience: Duration,
    work: impl FnOnce() -> T,
) -> Result<T, Error> {
    let path = path.to_path_buf();
    let unwritable = |error: io::Error| Error::CacheUnwritable {
        path: path.clone(),
        reason: Error::io_reason(&error),
    };
    // One that was started by hand does not.
    let handed =
        || crate::io::platform::standard_input().ok().and_then(|file| Lock::inherited(file, &path));
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
