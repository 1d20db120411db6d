//! auth.json as a file to be written: what must hold before a token may be spent, and Codex's own way to
//! commit.
//!
//! Codex 0.169 commits under two locks: `$CODEX_HOME/auth.lock`, then `<target of auth.json>.lock`. It waits
//! for the first without limit and for the second 5 s, after which it loses the token that it has just
//! renewed. So both are held here only to compare and rename, never across the network, and while one is
//! busy the other is given back.
//!
//! codexline's own three files lie beside the target, because they belong to this login, whichever cache
//! directory a process has: `.codexline.lock`, `.codexline.ledger`, `.codexline.new`.

use crate::codex::home::Home;
use crate::io::files::{self, Lock};
use crate::model::error::{Check, Error};
use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

/// Real files have about 5 KiB.
pub const MAX_BYTES: u64 = 1024 * 1024;
/// What is mounted, on Linux; a line has some hundred bytes.
const MOUNTS: &str = "/proc/self/mountinfo";
const MOST_MOUNTS: u64 = 16 * 1024 * 1024;
/// The room that is taken for new content, beyond the size of the old: tokens grow, but not by this much.
const MARGIN: usize = 32 * 1024;

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
        match std::fs::canonicalize(&path) {
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
        let mut path = self.target.clone().into_os_string();
        path.push(ending);
        path.into()
    }

    /// codexline's own lock: whoever holds it may spend this login's token.
    pub fn own_lock(&self) -> PathBuf {
        self.beside(".codexline.lock")
    }

    pub fn ledger(&self) -> PathBuf {
        self.beside(".codexline.ledger")
    }

    /// Where an answer waits for its commit.
    pub fn staged(&self) -> PathBuf {
        self.beside(".codexline.new")
    }

    /// # Errors
    /// As `open` and `read`.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        files::read_bounded(&self.target, MAX_BYTES)
    }

    /// Whether the file is one that Codex's commit works on. Looks only.
    ///
    /// Each of these lost the rotated token in Codex itself: it finds out after it has spent.
    ///
    /// # Errors
    /// [`Error::CheckFailed`].
    pub fn check(&self) -> Result<(), Error> {
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
        // Codex tries this too, but after it has spent. An immutable file cannot be replaced either.
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
    /// Does `work` under both, in Codex's order; `None` without doing it if one is busy. Does not wait.
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

/// The file in which an answer waits for its commit: made, with its room, before the token is spent.
///
/// It stays until it is committed or discarded by name, also if this process ends: then the next run
/// finishes.
pub struct StagedAuth {
    file: File,
    path: PathBuf,
}

impl StagedAuth {
    /// Takes room for content of `size` bytes and some more, synced.
    ///
    /// # Errors
    /// [`Error::CheckFailed`]; nothing is left behind.
    pub fn prepare(path: PathBuf, size: usize) -> Result<StagedAuth, Error> {
        let failed = |check, error: io::Error| Error::CheckFailed {
            check,
            path: path.clone(),
            reason: Error::io_reason(&error),
        };
        // Holds tokens if a run was interrupted while it wrote there.
        let _ = std::fs::remove_file(Self::staged(&path));
        let mut file = crate::io::platform::create_private(&path)
            .map_err(|error| failed(Check::Directory, error))?;
        let taken = file.write_all(&vec![b' '; size + MARGIN]).and_then(|()| file.sync_all());
        if let Err(error) = taken {
            let _ = std::fs::remove_file(&path);
            return Err(failed(Check::Room, error));
        }
        Ok(StagedAuth { file, path })
    }

    /// The one that an interrupted run left, opened again.
    ///
    /// # Errors
    /// As `open`.
    pub fn reopen(path: PathBuf) -> io::Result<StagedAuth> {
        Ok(StagedAuth { file: File::options().read(true).write(true).open(&path)?, path })
    }

    /// What it holds.
    ///
    /// # Errors
    /// As `open` and `read`.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        // The room beyond a login file of the greatest size belongs to it.
        files::read_bounded(&self.path, MAX_BYTES + 2 * MARGIN as u64)
    }

    /// Writes the answer, synced. In one piece and over the blanks: at any moment the file holds blanks or
    /// the content with blanks behind it. For the first content only; after that see [`StagedAuth::refill`].
    ///
    /// # Errors
    /// As `write` and `fsync`.
    pub fn fill(&mut self, content: &[u8]) -> io::Result<()> {
        self.file.rewind()?;
        self.file.write_all(content)?;
        self.file.set_len(content.len() as u64)?;
        self.file.sync_all()
    }

    /// Puts other content in the place of that which is there, in one step: the tokens are in it, and nowhere else, so it
    /// must not be half written at any moment, nor be lost to a full disk.
    ///
    /// # Errors
    /// As `open`, `write`, `fsync` and `rename`; it holds what it held.
    pub fn refill(&mut self, content: &[u8]) -> io::Result<()> {
        let staged = Self::staged(&self.path);
        match std::fs::remove_file(&staged) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = crate::io::platform::create_private(&staged)?;
        let written = file
            .write_all(content)
            .and_then(|()| file.sync_all())
            .and_then(|()| std::fs::rename(&staged, &self.path));
        match written {
            Ok(()) => self.file = file,
            Err(_) => drop(std::fs::remove_file(&staged)),
        }
        written
    }

    fn staged(path: &Path) -> PathBuf {
        let mut staged = path.to_path_buf().into_os_string();
        staged.push(".new");
        staged.into()
    }

    /// Puts it in the place of `target`.
    ///
    /// # Errors
    /// As `rename`; it is still there then.
    pub fn rename(&self, target: &Path) -> io::Result<()> {
        std::fs::rename(&self.path, target)
    }

    /// Removes it.
    pub fn discard(self) {
        let _ = std::fs::remove_file(Self::staged(&self.path));
        let _ = std::fs::remove_file(&self.path);
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}
