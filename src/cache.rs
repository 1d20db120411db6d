//! The cache: one small file per `CODEX_HOME` with the last answer and the last failure
//! ([`Entry`]).
//!
//! An entry that cannot be used is a [`Miss`] and never an error: the next fetch writes a new one.
//! Entries are replaced in one step, so a reader needs no lock.

use crate::codex::home::Home;
use crate::io::env::{ACCESS_TOKEN, Env};
use crate::io::files::{self, Replacement};
use crate::model::entry::{Entry, Miss, Source};
use crate::model::error::Error;
use crate::model::hash::{extend, hash};
use crate::model::time::Timestamp;
use std::io;
use std::path::{Path, PathBuf};

/// An entry is smaller than this, because `codex::answer` bounds every part of it.
const MAX_BYTES: usize = 8 * 1024;
/// The files of one `CODEX_HOME`.
#[derive(Clone, Debug)]
pub struct Cache {
    home: Home,
    entry: PathBuf,
}

impl Cache {
    /// The entry for numbers from this source, or from any (`None`). Each source has its own. So
    /// the numbers and failures of a bar with `--source sessions` do not disturb another bar. A
    /// login in the environment has its own too: another terminal may have another login.
    ///
    /// # Errors
    /// [`Error::NoHome`] if there is neither `XDG_CACHE_HOME` nor a home directory.
    pub fn locate(home: &Home, source: Option<Source>, env: &Env) -> Result<Cache, Error> {
        // The XDG specification says that a relative path is ignored.
        let named =
            env.variable("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let directory = match named {
            Some(directory) => directory,
            None => env.home_directory().ok_or(Error::NoHome)?.join(".cache"),
        };
        let mut key = hash(home.path().as_os_str().as_encoded_bytes());
        // Only 64 bits of a long random text: nobody finds the token from the file's name.
        if let Some(token) = env.variable(ACCESS_TOKEN) {
            key = extend(key, token.as_encoded_bytes());
        }
        let name = match source {
            None => format!("{key:016x}.json"),
            Some(source) => format!("{key:016x}-{}.json", source.name()),
        };
        Ok(Cache { home: home.clone(), entry: directory.join("codexline").join(name) })
    }

    pub fn home(&self) -> &Home {
        &self.home
    }

    pub fn entry_path(&self) -> &Path {
        &self.entry
    }

    pub fn lock_path(&self) -> PathBuf {
        self.entry.with_extension("lock")
    }

    /// The file for the counts of session files, the same for every source. It has its own lock.
    pub fn activity_path(&self) -> PathBuf {
        let key = hash(self.home.path().as_os_str().as_encoded_bytes());
        self.entry.with_file_name(format!("{key:016x}-activity.bin"))
    }

    /// # Errors
    /// Why there is nothing to use: a [`Miss`].
    pub fn read(&self, now: Timestamp) -> Result<Entry, Miss> {
        let mut buffer = [0; MAX_BYTES];
        let bytes = match files::read_once(&self.entry, &mut buffer) {
            Ok(bytes) => bytes,
            Err(error) => {
                return Err(match error.kind() {
                    io::ErrorKind::NotFound => Miss::Absent,
                    io::ErrorKind::FileTooLarge => Miss::Corrupt,
                    _ => Miss::Unreadable(Error::io_reason(&error)),
                });
            }
        };
        Entry::parse(bytes, self.home.path(), now)
    }

    /// Makes the directory if there is none, and checks that files can be made in it.
    ///
    /// # Errors
    /// [`Error::CacheUnwritable`].
    pub fn ensure_writable(&self) -> Result<(), Error> {
        let directory = self.entry.parent().unwrap_or(Path::new("/"));
        if crate::io::platform::is_foreign_to_root(directory) {
            let reason = "it belongs to another user, who could not replace what root makes there";
            return Err(Error::CacheUnwritable {
                path: directory.to_path_buf(),
                reason: reason.into(),
            });
        }
        files::create_private_directory(directory)
            .map_err(|error| unwritable(directory, &error))?;
        if !crate::io::platform::is_writable_directory(directory) {
            return Err(unwritable(directory, &io::Error::from(io::ErrorKind::PermissionDenied)));
        }
        Ok(())
    }

    /// Takes disk space for the next entry. Only the holder of the lock may call this.
    ///
    /// # Errors
    /// [`Error::CacheUnwritable`].
    pub fn prepare(&self) -> Result<ReservedEntry, Error> {
        let replacement = Replacement::prepare(&self.entry, MAX_BYTES)
            .map_err(|error| unwritable(&self.entry, &error))?;
        Ok(ReservedEntry { replacement, path: self.entry.clone() })
    }
}

/// Disk space for an entry.
pub struct ReservedEntry {
    replacement: Replacement,
    path: PathBuf,
}

impl ReservedEntry {
    /// # Errors
    /// [`Error::CacheUnwritable`]. The old entry is then still there.
    pub fn store(self, entry: &Entry) -> Result<(), Error> {
        let failed = |error: serde_json::Error| unwritable(&self.path, &error.into());
        let mut bytes = serde_json::to_vec(entry).map_err(failed)?;
        if bytes.len() >= MAX_BYTES {
            // The names are as long as they can be, in the widest letters. A reader would take the
            // entry for damaged, and ask again at every prompt. So what matters less is left out.
            let mut smaller = entry.clone();
            smaller.history = None;
            bytes = serde_json::to_vec(&smaller).map_err(failed)?;
            if let Some(answer) = smaller.answer.as_mut().filter(|_| bytes.len() >= MAX_BYTES) {
                answer.usage.pools.clear();
                bytes = serde_json::to_vec(&smaller).map_err(failed)?;
            }
        }
        self.replacement.commit(&bytes).map_err(|error| unwritable(&self.path, &error))
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Error {
    Error::CacheUnwritable { path: path.to_path_buf(), reason: Error::io_reason(error) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::entry::MAX_HOME;
    use crate::model::entry::tests::{NOW, answered};
    use crate::model::usage::Window;

    #[test]
    fn the_largest_entry_is_one_that_can_be_read() {
        let wide = |count: usize| "\u{1f600}".repeat(count);
        let window = Window {
            slot: None,
            seconds: Some(u32::MAX),
            used: 100.0 / 3.0,
            resets_at: Some(NOW),
            started: true,
        };
        let pool =
            crate::model::usage::Pool { name: wide(48), windows: vec![window.clone(), window] };
        let mut entry = answered(0).following(None, NOW);
        entry.home = wide(MAX_HOME);
        entry.answer.as_mut().unwrap().usage.pools = vec![pool; 12];
        let directory =
            std::env::temp_dir().join(format!("codexline-entry-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("entry.json");
        let replacement = Replacement::prepare(&path, MAX_BYTES).unwrap();
        ReservedEntry { replacement, path: path.clone() }.store(&entry).unwrap();
        let bytes = files::read_bounded(&path, MAX_BYTES as u64 - 1).unwrap();
        let _ = std::fs::remove_dir_all(&directory);
        let stored: Entry = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(stored.answer.unwrap().usage.windows, answered(0).answer.unwrap().usage.windows);
    }
}
