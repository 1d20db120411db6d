//! auth.json as a file to be written: where it is, what must hold before its refresh token may be
//! sent, and Codex's locks.
//!
//! Codex 0.169 replaces auth.json under two locks: `$CODEX_HOME/auth.lock`, then
//! `<target of auth.json>.lock`. It waits for the first without limit, and for the second 5 s.
//! After that it loses the token that it has just been given. So both are held here only to compare
//! and rename: nothing is read, written, synced or asked meanwhile. While one is busy, the other is
//! free.
//!
//! Three files of codexline's own lie beside the target: `.codexline.lock`, `.codexline.ledger` and
//! `.codexline.new`. They belong to the login, whichever cache directory a process has.

use crate::codex::home::Home;
use crate::io::files::{self, Lock};
use crate::model::error::{Check, Error};
use std::io;
use std::path::{Path, PathBuf};

/// Real files have about 5 KiB.
pub const MAX_BYTES: u64 = 1024 * 1024;
/// What is mounted, on Linux; a line has some hundred bytes.
const MOUNTS: &str = "/proc/self/mountinfo";
const MOST_MOUNTS: u64 = 16 * 1024 * 1024;

/// Where auth.json really is, and what lies beside it.
pub struct AuthFile {
    target: PathBuf,
    home: PathBuf,
}

impl AuthFile {
    /// Follows auth.json's links: Codex keeps a link and replaces its target.
    ///
    /// # Errors
    /// [`Error::NotSignedIn`], [`Error::AuthUnreadable`].
    pub fn locate(home: &Home) -> Result<AuthFile, Error> {
        let path = home.auth_json();
        match crate::io::platform::real_path(&path) {
            Ok(target) => Ok(AuthFile { target, home: home.path().to_path_buf() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(Error::NotSignedIn { path })
            }
            Err(error) => Err(Error::AuthUnreadable { path, reason: Error::io_reason(&error) }),
        }
    }

    /// Where auth.json would be if there were one.
    pub fn absent(home: &Home) -> AuthFile {
        AuthFile { target: home.auth_json(), home: home.path().to_path_buf() }
    }

    pub fn target(&self) -> &Path {
        &self.target
    }

    fn directory(&self) -> &Path {
        self.target.parent().unwrap_or(Path::new("/"))
    }

    fn beside(&self, ending: &str) -> PathBuf {
        files::with_ending(&self.target, ending)
    }

    /// codexline's own lock: only its holder refreshes this login.
    pub fn own_lock(&self) -> PathBuf {
        self.beside(".codexline.lock")
    }

    pub fn ledger(&self) -> PathBuf {
        self.beside(".codexline.ledger")
    }

    /// Where new tokens wait until they are put in place.
    pub fn staged(&self) -> PathBuf {
        self.beside(".codexline.new")
    }

    /// What an interrupted run left of a file that was to take the place of one of ours. Both are
    /// written under our own lock only, and what they were made from is still there.
    pub fn unfinished(&self) -> [PathBuf; 2] {
        [self.ledger(), self.staged()].map(|path| files::with_ending(&path, ".new"))
    }

    /// Another login file of the same home: the one at `target`.
    pub fn at(&self, target: PathBuf) -> AuthFile {
        AuthFile { target, home: self.home.clone() }
    }

    /// # Errors
    /// As `open` and `read`.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        files::read_bounded(&self.target, MAX_BYTES)
    }

    /// What tells this state of the file from another one, without reading it.
    ///
    /// # Errors
    /// As `stat`.
    pub fn identity(&self) -> io::Result<String> {
        files::identity(&self.target)
    }

    /// Whether the file is one that can be replaced. Looks only.
    ///
    /// Each of these loses the new token in Codex itself, which finds out after it has sent the old
    /// one.
    ///
    /// # Errors
    /// [`Error::CheckFailed`]; [`Error::NotRenewable`] on Windows, where only Codex replaces it.
    pub fn check(&self) -> Result<(), Error> {
        if !crate::io::platform::MAY_REPLACE_LOGIN {
            return Err(Error::NotRenewable { path: self.target.clone() });
        }
        let metadata = std::fs::symlink_metadata(&self.target)
            .map_err(|error| failed(Check::NotRegular, &self.target, &Error::io_reason(&error)))?;
        if !metadata.is_file() {
            return Err(failed(Check::NotRegular, &self.target, "is not a regular file"));
        }
        if !crate::io::platform::is_ours(&metadata) {
            return Err(failed(Check::NotOwned, &self.target, "belongs to another user"));
        }
        self.check_directories()?;
        if !crate::io::platform::owner_may_write(&metadata) {
            return Err(failed(Check::ReadOnly, &self.target, "is not writable by its mode"));
        }
        // Codex tries this too, but after it has sent the token. An immutable file cannot be
        // replaced either.
        crate::io::platform::open_for_writing(&self.target)
            .map_err(|error| failed(Check::ReadOnly, &self.target, &Error::io_reason(&error)))?;
        if crate::io::platform::links(&metadata) != 1 {
            return Err(failed(Check::HardLinks, &self.target, "has more than one hard link"));
        }
        // Where there is none, nothing is mounted over a single file.
        let mounts = files::read_bounded(Path::new(MOUNTS), MOST_MOUNTS).unwrap_or_default();
        if crate::io::platform::is_mount_point(&self.target, &mounts) {
            return Err(failed(Check::MountPoint, &self.target, "is a mount point"));
        }
        if !crate::io::platform::is_writable_directory(self.directory()) {
            return Err(failed(Check::Directory, self.directory(), "takes no new file"));
        }
        Ok(())
    }

    /// Whether what is made here is Codex's user's own. Looks only.
    ///
    /// # Errors
    /// [`Error::CheckFailed`].
    pub fn check_directories(&self) -> Result<(), Error> {
        for directory in [self.directory(), &self.home] {
            if crate::io::platform::is_foreign_to_root(directory) {
                return Err(failed(Check::NotOwned, directory, "belongs to another user"));
            }
        }
        Ok(())
    }

    /// [`AuthFile::check`] and the lock files.
    ///
    /// # Errors
    /// [`Error::CheckFailed`].
    pub fn check_all(&self) -> Result<(), Error> {
        self.check().and_then(|()| self.open_codex_locks().map(drop))
    }

    /// Opens both of Codex's lock files, making them as Codex would if they are missing.
    ///
    /// # Errors
    /// [`Error::CheckFailed`] if one is not a regular file of ours.
    pub fn open_codex_locks(&self) -> Result<CodexLocks, Error> {
        let open = |path: PathBuf| {
            let failed = |reason: String| Error::CheckFailed {
                check: Check::CodexLock,
                path: path.clone(),
                reason,
            };
            let file = crate::io::platform::open_lock(&path)
                .map_err(|error| failed(Error::io_reason(&error)))?;
            let metadata = file.metadata().map_err(|error| failed(Error::io_reason(&error)))?;
            if !metadata.is_file() {
                return Err(failed("is not a regular file".into()));
            }
            if !crate::io::platform::is_ours(&metadata) {
                return Err(failed("belongs to another user".into()));
            }
            Ok(Lock::of(file))
        };
        Ok(CodexLocks {
            home: open(self.home.join("auth.lock"))?,
            target: open(self.beside(".lock"))?,
        })
    }
}

fn failed(check: Check, path: &Path, reason: &str) -> Error {
    Error::CheckFailed { check, path: path.to_path_buf(), reason: reason.into() }
}

/// Codex's two locks, opened and not held.
pub struct CodexLocks {
    home: Lock,
    target: Lock,
}

impl CodexLocks {
    /// Does `work` under both, in Codex's order; `None` without doing it if one is busy. Does not
    /// wait.
    ///
    /// # Errors
    /// As `flock`.
    pub fn try_hold<T>(&mut self, work: impl FnOnce() -> T) -> io::Result<Option<T>> {
        let target = &mut self.target;
        self.home
            .try_hold(|| target.try_hold(work))
            .and_then(|held| held.transpose().map(Option::flatten))
    }
}
