//! Where Codex keeps its things.

use crate::io::env::Env;
use crate::model::error::Error;
use std::path::{Path, PathBuf};

/// `$CODEX_HOME`, else `~/.codex`.
#[derive(Clone, Debug)]
pub struct Home {
    path: PathBuf,
    named: bool,
}

impl Home {
    /// Empty `CODEX_HOME` counts as unset, as in Codex. Does not look whether it is there.
    ///
    /// # Errors
    /// [`Error::NoHome`] if neither it nor a home directory is known.
    pub fn locate(env: &Env) -> Result<Home, Error> {
        if let Some(path) = env.variable("CODEX_HOME") {
            return Ok(Home { path: normal(Path::new(&path)), named: true });
        }
        let home = env.home_directory().ok_or(Error::NoHome)?;
        Ok(Home { path: normal(&home.join(".codex")), named: false })
    }

    /// A home at this path.
    pub fn at(path: PathBuf) -> Home {
        Home { path: normal(&path), named: true }
    }

    /// Whether `CODEX_HOME` or an account names it. The default home need not exist.
    pub fn is_named(&self) -> bool {
        self.named
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn auth_json(&self) -> PathBuf {
        self.path.join("auth.json")
    }

    pub fn config_toml(&self) -> PathBuf {
        self.path.join("config.toml")
    }

    /// The file from which Codex takes environment variables.
    pub(crate) fn dotenv(&self) -> PathBuf {
        self.path.join(".env")
    }

    /// # Errors
    /// [`Error::HomeMissing`] if `CODEX_HOME` is set and is not a directory. Codex refuses that
    /// too.
    pub fn check(&self) -> Result<(), Error> {
        if self.named && !self.path.is_dir() {
            return Err(Error::HomeMissing { path: self.path.clone() });
        }
        Ok(())
    }
}

/// The one path of a directory, however it is written: absolute, because the worker runs in another
/// directory, without links, `.` and `..`. One home then has one cache entry and one lock.
fn normal(path: &Path) -> PathBuf {
    crate::io::platform::real_path(path).unwrap_or_else(|_| {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        absolute.components().collect()
    })
}
