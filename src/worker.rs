//! Starting the fetch behind a prompt.
//!
//! The lock is taken here, in the process that the host waits for, and handed to the worker as its
//! standard input: an open file keeps its `flock` until the last process that has it closes it. So there is
//! no moment between "nobody is fetching" and "the worker holds the lock", and of a hundred prompts
//! at once one starts a worker and the others start nothing.

use crate::cache::Cache;
use crate::environment::{LOGIN_VARIABLES, Surroundings};
use crate::error::Error;
use crate::files::Lock;
use crate::settings::{self, Settings};
use crate::usage::Thresholds;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// How starting one went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    Started,
    /// Somebody is at it.
    Busy,
    /// Somebody has just done it.
    Done,
}

/// Whether a worker fetches only what is still stale when its turn comes, or anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urge {
    IfStale,
    Anyway,
}

/// Starts a worker unless one is running, or `is_done` says under the lock that there is nothing left to do.
///
/// # Errors
/// [`Error::CacheUnwritable`], [`Error::WorkerFailed`].
pub fn start(
    cache: &Cache,
    settings: &Settings,
    surroundings: &Surroundings,
    urge: Urge,
    is_done: impl FnOnce() -> bool,
) -> Result<Start, Error> {
    cache.ensure_writable()?;
    let path = cache.lock_path();
    let unwritable =
        |error: io::Error| Error::CacheUnwritable { path: path.clone(), reason: Error::io_reason(&error) };
    let Some(held) = Lock::open(&path).and_then(Lock::try_take).map_err(unwritable)? else {
        return Ok(Start::Busy);
    };
    if is_done() {
        return Ok(Start::Done);
    }
    // The worker has no voice: what would keep it from storing an answer is found out here.
    drop(cache.prepare()?);
    let mut command = Command::new(own_path());
    command
        .args(["fetch", "--worker", "--recover", settings.recover.name()])
        .args(["--source", settings::source_name(settings.source)])
        .args(["--max-age", &format!("{}s", settings.max_age.as_secs())])
        .stdin(crate::platform::hand_over(held))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // A worker must not keep a file system busy that the user wants to unmount.
        .current_dir("/")
        .env("CODEX_HOME", cache.home().path());
    // It is for this one login, as this run sees it.
    command.env_remove("CODEXLINE_ACCOUNT");
    for name in LOGIN_VARIABLES {
        if surroundings.variable(name).is_none() {
            command.env_remove(name);
        }
    }
    // Also the empty one: it stands for none, whatever the environment says.
    command.arg("--on-fetch").arg(settings.on_fetch.as_deref().unwrap_or_default());
    command.arg("--on-change").arg(settings.on_change.as_deref().unwrap_or_default());
    if settings.on_change.is_some() {
        let Thresholds { warn, critical } = settings.thresholds;
        command.args(["--warn", &warn.to_string(), "--critical", &critical.to_string()]);
    }
    if urge == Urge::Anyway {
        command.arg("--force");
    }
    if let Some(codex) = &settings.codex_bin {
        // The worker runs in another directory; a bare name is looked up on PATH.
        let is_path = codex.components().count() > 1;
        let named = if is_path { std::path::absolute(codex).unwrap_or(codex.clone()) } else { codex.clone() };
        command.arg("--codex-bin").arg(named);
    }
    crate::platform::detach(&mut command);
    command.spawn().map_err(|error| Error::WorkerFailed { reason: Error::io_reason(&error) })?;
    Ok(Start::Started)
}

/// The running program's file, also after an upgrade has replaced it.
fn own_path() -> PathBuf {
    match std::env::current_exe() {
        Ok(path) if path.exists() => path,
        _ => PathBuf::from("/proc/self/exe"),
    }
}
