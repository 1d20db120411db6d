//! `codexline uninstall`: takes every snippet out, and with `--purge` removes what codexline keeps.

use super::snippets::{INTEGRATIONS, Snippet, Way};
use super::{remove, write};
use crate::cache::Cache;
use crate::codex::home::Home;
use crate::config::file::{self, ConfigFile};
use crate::config::layers::Layers;
use crate::config::settings::Settings;
use crate::hosts;
use crate::io::env::Env;
use crate::io::files::{self, Lock};
use crate::io::output;
use crate::model::error::Error;
use crate::refresh::auth_file::AuthFile;
use std::fs::File;
use std::path::{Path, PathBuf};

/// What was typed behind `uninstall`.
#[derive(Debug)]
pub struct UninstallArgs {
    /// Remove cache, config file and what lies beside auth.json as well.
    pub purge: bool,
    pub dry_run: bool,
}

/// Does it; the exit status.
///
/// # Errors
/// [`Error::NoHome`]; [`Error::Usage`] for accounts that are not defined.
pub fn uninstall(args: &UninstallArgs, env: &Env) -> Result<u8, Error> {
    let snippets: Vec<&'static Snippet> = INTEGRATIONS
        .iter()
        // swaybar's second snippet is i3blocks' own.
        .flat_map(|integration| {
            let others = integration.snippets.iter();
            others.filter(|snippet| integration.name != "swaybar" || snippet.file == "sway.conf")
        })
        .collect();
    let mut status = remove(&snippets, args.dry_run, env);
    let places = Places::find(env)?;
    if !args.purge {
        output::print(&places.left(env));
        return Ok(status);
    }
    if args.dry_run {
        places.all().for_each(|path| {
            output::print(&format!("{}: would be removed\n", write::shown(path, env)));
        });
        return Ok(status);
    }
    match places.purge(env) {
        Ok(text) => output::print(&text),
        Err(reason) => {
            output::warn(reason);
            status = 1;
        }
    }
    Ok(status)
}

/// Where a person has put codexline by hand into a snippet's files, as `FILE:LINE`.
pub(super) fn named_in(snippet: &Snippet, env: &Env) -> Vec<String> {
    let Way::Paste { .. } = snippet.way else { return Vec::new() };
    let mut found = Vec::new();
    for path in write::candidates(snippet, env) {
        let Ok(text) = files::read_bounded(&path, 4 * 1024 * 1024) else { continue };
        let lines = text.split(|byte| *byte == b'\n').enumerate();
        for (number, line) in lines {
            if memchr::memmem::find(line, b"codexline").is_some() {
                found.push(format!("{}:{}", write::shown(&path, env), number + 1));
            }
        }
    }
    found
}

/// What codexline keeps, apart from snippets. Everything in here is there.
struct Places {
    cache: Option<PathBuf>,
    config: Option<PathBuf>,
    /// The user's record of refreshes, and the tokens that are kept.
    state: Option<PathBuf>,
    /// A login file, and codexline's own files beside it.
    logins: Vec<(AuthFile, Vec<PathBuf>)>,
}

impl Places {
    fn find(env: &Env) -> Result<Places, Error> {
        let file = ConfigFile::read(env);
        let layers = Layers { file: file.as_ref(), section: None, env, typed: &[] };
        let accounts = Settings::resolve(hosts::DEFAULT, &layers)?.accounts;
        let mut homes = vec![Home::locate(env)?];
        for account in accounts {
            homes.push(Home::locate(&env.for_account(&account.home))?);
        }
        let cache = Cache::locate(&homes[0], None, env)?;
        let cache = cache.entry_path().parent().map(Path::to_path_buf);
        // A file that CODEXLINE_CONFIG names may hold something of somebody else's.
        let config = file::locate(env).filter(|(_, is_named)| !is_named).map(|(path, _)| path);
        let mut logins = Vec::new();
        for home in homes {
            let auth = AuthFile::locate(&home).unwrap_or_else(|_| AuthFile::absent(&home));
            let own = [auth.ledger(), auth.staged(), auth.own_lock()];
            let own: Vec<_> = own.into_iter().filter(|path| path.exists()).collect();
            logins.push((auth, own));
        }
        Ok(Places {
            cache: cache.filter(|path| path.exists()),
            config: config.filter(|path| path.exists()),
            state: env.state_directory().filter(|path| path.exists()),
            logins,
        })
    }

    fn all(&self) -> impl Iterator<Item = &PathBuf> {
        let beside = self.logins.iter().flat_map(|(_, own)| own);
        self.cache.iter().chain(&self.config).chain(&self.state).chain(beside)
    }

    /// What is left when only the snippets are gone.
    fn left(&self, env: &Env) -> String {
        let mut out = String::from("left:\n");
        for path in self.all() {
            out.push_str(&format!("  {}\n", write::shown(path, env)));
        }
        if self.all().next().is_some() {
            out.push_str("  codexline uninstall --purge removes these\n");
        }
        if let Ok(program) = std::env::current_exe() {
            out.push_str(&format!("  the program: {}\n", write::shown(&program, env)));
        }
        out
    }

    /// Removes all of it, or nothing.
    ///
    /// # Errors
    /// Why nothing was removed, or what could not be.
    fn purge(&self, env: &Env) -> Result<String, String> {
        let show = |path: &Path| write::shown(path, env);
        let staged = self.logins.iter().map(|(auth, _)| auth.staged()).find(|path| path.exists());
        if let Some(path) = staged {
            return Err(format!(
                "{}: new tokens wait here; nothing was purged; run codexline fetch, which puts \
                 them into auth.json, then purge again",
                show(&path)
            ));
        }
        let kept = self.state.as_deref().map(|state| state.join("kept"));
        if let Some(path) = kept.filter(|path| has_entries(path)) {
            return Err(format!(
                "{}: new tokens wait here for an auth.json that is away; nothing was purged; put \
                 that file back and run codexline fetch, or run codex login and remove this folder",
                show(&path)
            ));
        }
        // Held until everything is gone.
        let mut held: Vec<File> = Vec::new();
        let own_locks = self.logins.iter().map(|(auth, _)| auth.own_lock());
        let in_cache = self.cache.iter().flat_map(|cache| lock_files(cache));
        for path in own_locks.chain(in_cache).filter(|path| path.exists()) {
            match Lock::open(&path).and_then(Lock::try_take) {
                Ok(Some(lock)) => held.push(lock),
                Ok(None) => {
                    return Err(format!(
                        "{}: a codexline is running; nothing was purged; try again in a moment",
                        show(&path)
                    ));
                }
                Err(error) => {
                    return Err(format!("{}: {}", show(&path), Error::io_reason(&error)));
                }
            }
        }
        let mut out = String::new();
        for path in self.all() {
            files::remove(path)
                .map_err(|error| format!("{}: {}", show(path), Error::io_reason(&error)))?;
            out.push_str(&format!("{}: removed\n", show(path)));
        }
        if let Some(folder) = self.config.as_deref().and_then(Path::parent) {
            // Something else may be in there.
            let _ = files::remove_empty_directory(folder);
        }
        drop(held);
        Ok(out)
    }
}

fn has_entries(directory: &Path) -> bool {
    std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some())
}

fn lock_files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths.filter(|path| path.extension().is_some_and(|end| end == "lock")).collect()
}
