//! A job for a worker behind a prompt: how it is started, and how the worker takes it over.
//!
//! The process that the host waits for takes the job's lock and hands it to the worker as standard
//! input. An open file keeps its `flock` until the last process that has it closes it. So the lock
//! is held from the decision to start a worker until that worker ends: of a hundred prompts at
//! once, one starts a worker and the others start nothing.

use crate::activity::lock_path;
use crate::cache::Cache;
use crate::config::options::{self, Worker};
use crate::config::settings::Settings;
use crate::io::env::{Env, LOGIN_VARIABLES};
use crate::io::files::{self, Lock};
use crate::io::platform;
use crate::model::asking::Shows;
use crate::model::decision::Trigger;
use crate::model::error::Error;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The longest time that a fetch can take.
pub(crate) const LONGEST_FETCH: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Work of one kind for one login.
pub(crate) struct Job<'a> {
    pub(crate) worker: Worker,
    pub(crate) cache: &'a Cache,
}

/// What came of starting a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Launch {
    Started,
    AlreadyRunning,
    /// Another process has just done the work.
    NotNeeded,
}

/// What came of taking a job's lock.
enum Claim {
    /// The lock is ours, to be handed over.
    Taken(File),
    AlreadyRunning,
    NotNeeded,
}

impl Job<'_> {
    /// The lock that is held while the job is done.
    pub(crate) fn lock_path(&self) -> PathBuf {
        match self.worker {
            Worker::Fetch => self.cache.lock_path(),
            Worker::Count => lock_path(&self.cache.activity_path()),
        }
    }

    /// Starts a worker, unless one is running. `is_done` is asked under the lock, and says whether
    /// there is nothing left to do.
    ///
    /// # Errors
    /// [`Error::CacheUnwritable`], [`Error::WorkerFailed`].
    pub(crate) fn start(
        &self,
        settings: &Settings,
        env: &Env,
        trigger: Trigger,
        is_done: impl FnOnce() -> bool,
    ) -> Result<Launch, Error> {
        let held = match self.claim(is_done)? {
            Claim::Taken(held) => held,
            Claim::AlreadyRunning => return Ok(Launch::AlreadyRunning),
            Claim::NotNeeded => return Ok(Launch::NotNeeded),
        };
        if self.worker == Worker::Fetch {
            // Nobody sees what a worker prints. What would keep it from storing an answer has to be
            // found here.
            drop(self.cache.prepare()?);
        }
        tell_hooks(&held, settings).map_err(|error| unwritable(&self.lock_path(), &error))?;
        let command = self.command(settings, env, trigger);
        let failed = |error| Error::WorkerFailed { reason: Error::io_reason(&error) };
        platform::spawn_with_lock(command, held, &self.lock_path()).map_err(failed)?;
        Ok(Launch::Started)
    }

    fn claim(&self, is_done: impl FnOnce() -> bool) -> Result<Claim, Error> {
        self.cache.ensure_writable()?;
        let path = self.lock_path();
        let held = Lock::open(&path).and_then(Lock::try_take);
        Ok(match held.map_err(|error| unwritable(&path, &error))? {
            None => Claim::AlreadyRunning,
            Some(_) if is_done() => Claim::NotNeeded,
            Some(held) => Claim::Taken(held),
        })
    }

    /// The command line of the worker: for this one login, with what is in force here.
    fn command(&self, settings: &Settings, env: &Env, trigger: Trigger) -> Command {
        let mut command = Command::new(own_path());
        let verb = match self.worker {
            Worker::Fetch => "fetch",
            Worker::Count => "activity",
        };
        command
            .args([verb, "--worker"])
            .args(options::forwarded(self.worker, settings))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A worker must not keep a file system busy that the user wants to unmount.
            .current_dir("/")
            .env_remove("CODEXLINE_ACCOUNT");
        if self.worker == Worker::Fetch {
            let Shows { pools, budget } = settings.shows();
            command.args(pools.then_some("--shows-pools"));
            command.args(budget.then_some("--shows-budget"));
        }
        if trigger == Trigger::Click {
            command.arg("--force");
        }
        // A default home that does not exist means that nobody is signed in, a named one is a
        // mistake. The worker has to see the same of the two as this process.
        match self.cache.home().is_named() {
            true => command.env("CODEX_HOME", self.cache.home().path()),
            false => command.env_remove("CODEX_HOME"),
        };
        for name in LOGIN_VARIABLES {
            if env.variable(name).is_none() {
                command.env_remove(name);
            }
        }
        command
    }
}

/// The commands of the hooks. They reach a worker by its lock file, which only the user may read:
/// the arguments of a process are shown to everybody, and such a command can hold a secret.
#[derive(Default, Serialize, Deserialize)]
struct HookCommands {
    on_fetch: Option<String>,
    on_change: Option<String>,
}

/// The most bytes that such commands may have.
const MAX_HOOKS: u64 = 1024 * 1024;

/// Writes the hooks' commands into a lock that is about to be handed over. A lock without any stays
/// empty.
fn tell_hooks(mut lock: &File, settings: &Settings) -> io::Result<()> {
    let Settings { on_fetch, on_change, .. } = settings;
    if on_fetch.is_none() && on_change.is_none() && lock.metadata()?.len() == 0 {
        return Ok(());
    }
    let hooks = HookCommands { on_fetch: on_fetch.clone(), on_change: on_change.clone() };
    lock.set_len(0)?;
    lock.write_all(&serde_json::to_vec(&hooks)?)
}

/// A worker's settings, with the commands that its lock holds. To be read before [`under_lock`],
/// which empties it.
pub(crate) fn with_told_hooks(settings: &Settings, lock: &Path) -> Settings {
    let told = files::read_own(lock, MAX_HOOKS).ok();
    let told = told.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    let HookCommands { on_fetch, on_change } = told;
    Settings { on_fetch, on_change, ..settings.clone() }
}

/// The file of the running program. An upgrade may have replaced it.
fn own_path() -> PathBuf {
    match std::env::current_exe() {
        Ok(path) if path.exists() => path,
        _ => PathBuf::from("/proc/self/exe"),
    }
}

/// Does `work` under a lock, and waits for the lock at most for `patience`. `is_handed`: this is a
/// worker, whose standard input is the lock, already taken.
///
/// # Errors
/// [`Error::Busy`] if another process holds the lock, [`Error::CacheUnwritable`].
pub(crate) fn under_lock<T>(
    path: &Path,
    is_handed: bool,
    patience: Duration,
    work: impl FnOnce() -> T,
) -> Result<T, Error> {
    // A worker that somebody started by hand has another standard input.
    let handed = || platform::standard_input().ok().and_then(|file| Lock::inherited(file, path));
    let mut lock = match is_handed.then(handed).flatten() {
        Some(lock) => lock,
        None => Lock::open(path).map_err(|error| unwritable(path, &error))?,
    };
    let work = || {
        // The file's time tells since when the lock is held. Nothing depends on it.
        let _ = files::touch_empty(path);
        work()
    };
    let done = lock.hold_within(patience, LOOK_AGAIN, work);
    match done.map_err(|error| unwritable(path, &error))? {
        Some(result) => Ok(result),
        None => Err(Error::Busy { path: path.to_path_buf() }),
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Error {
    Error::CacheUnwritable { path: path.to_path_buf(), reason: Error::io_reason(error) }
}
