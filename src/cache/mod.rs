//! The cache: one small file per `CODEX_HOME` with the last answer and the last failure ([`Entry`]), and the rule
//! that tells fresh from stale ([`decide`]).
//!
//! An entry that cannot be used, for whatever reason, is a miss and never an error: the next fetch
//! writes it anew. Entries are replaced in one step, so a reader needs no lock.

mod decision;
mod entry;
mod stays;

pub use self::decision::{Decision, Reason, decide};
pub use self::entry::{Answer, Entry, Failure, Problem, Source};
pub use self::stays::Stays;

use crate::codex::home::Home;
use crate::environment::Surroundings;
use crate::error::Error;
use crate::files::{self, Replacement};
use crate::time::Timestamp;
use serde::Deserialize;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Raised when a field changes its meaning; unknown fields are ignored.
const SCHEMA: u32 = 1;
/// An entry is smaller than this by construction (`codex::answer` bounds every part).
const MAX_BYTES: usize = 8 * 1024;
/// Clocks of one machine may step back a little; beyond that an entry from the future is not believed.
const TOLERATED_FUTURE: i64 = 60;

/// Why there is no entry to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Miss {
    /// There is none: the usual first start.
    Absent,
    Unreadable(String),
    /// Not JSON, half of it, or of another shape.
    Corrupt,
    /// Of another `CODEX_HOME`.
    Foreign,
    /// Written by a later codexline.
    NewerSchema,
    /// Written by a clock that was ahead.
    FutureDated,
}

impl fmt::Display for Miss {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Miss::Absent => write!(out, "there is no cache entry yet"),
            Miss::Unreadable(reason) => write!(out, "the cache entry cannot be read: {reason}"),
            Miss::Corrupt => write!(out, "the cache entry is damaged"),
            Miss::Foreign => write!(out, "the cache entry is of another CODEX_HOME"),
            Miss::NewerSchema => write!(out, "the cache entry is from a newer codexline"),
            Miss::FutureDated => write!(out, "the cache entry is from the future"),
        }
    }
}

/// The files of one `CODEX_HOME`.
#[derive(Clone, Debug)]
pub struct Cache {
    home: Home,
    entry: PathBuf,
}

impl Cache {
    /// The entry for numbers from this source, or from any (`None`). One each: what a bar with `--source sessions` finds must
    /// not take the place of what another fetches, nor must its failures keep that from asking.
    ///
    /// # Errors
    /// [`Error::NoHome`] if there is neither `XDG_CACHE_HOME` nor a home directory.
    pub fn locate(home: &Home, source: Option<Source>, surroundings: &Surroundings) -> Result<Cache, Error> {
        // The XDG specification: a relative path is to be ignored.
        let named =
            surroundings.variable("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let directory = match named {
            Some(directory) => directory,
            None => surroundings.home_directory().ok_or(Error::NoHome)?.join(".cache"),
        };
        let key = hash(home.path().as_os_str().as_encoded_bytes());
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

    /// Where the counts of session files are kept, with a lock of their own; the same for every source.
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
        parse(bytes, &entry::name(&self.home), now)
    }

    /// Makes the directory if need be, and makes sure that files can be made in it.
    ///
    /// # Errors
    /// [`Error::CacheUnwritable`].
    pub fn ensure_writable(&self) -> Result<(), Error> {
        let directory = self.entry.parent().unwrap_or(Path::new("/"));
        if crate::platform::is_foreign_to_root(directory) {
            let reason = "it belongs to another user, who could not replace what root makes there";
            return Err(Error::CacheUnwritable { path: directory.to_path_buf(), reason: reason.into() });
        }
        files::create_private_directory(directory).map_err(|error| unwritable(directory, &error))?;
        if !crate::platform::is_writable_directory(directory) {
            return Err(unwritable(directory, &io::Error::from(io::ErrorKind::PermissionDenied)));
        }
        Ok(())
    }

    /// Takes the room for the next entry. For the holder of the lock.
    ///
    /// # Errors
    /// [`Error::CacheUnwritable`].
    pub fn prepare(&self) -> Result<Slot, Error> {
        let replacement =
            Replacement::prepare(&self.entry, MAX_BYTES).map_err(|error| unwritable(&self.entry, &error))?;
        Ok(Slot { replacement, path: self.entry.clone() })
    }
}

/// Room for an entry.
pub struct Slot {
    replacement: Replacement,
    path: PathBuf,
}

impl Slot {
    /// # Errors
    /// [`Error::CacheUnwritable`]; the old entry is still there.
    pub fn store(self, entry: &Entry) -> Result<(), Error> {
        let failed = |error: serde_json::Error| unwritable(&self.path, &error.into());
        let mut bytes = serde_json::to_vec(entry).map_err(failed)?;
        if bytes.len() >= MAX_BYTES {
            // Names at their longest, in the widest letters. A reader would take it for damaged and ask again, at every
            // prompt: the numbers of the plan matter more than the rest.
            let mut smaller = Entry { history: None, ..entry.clone() };
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

fn parse(bytes: &[u8], home: &str, now: Timestamp) -> Result<Entry, Miss> {
    #[derive(Deserialize)]
    struct Version {
        schema: u32,
    }
    let entry: Entry = match serde_json::from_slice(bytes) {
        Ok(entry) => entry,
        Err(_) => {
            // A later schema may have another shape altogether.
            let version = serde_json::from_slice::<Version>(bytes).map_or(0, |version| version.schema);
            return Err(if version > SCHEMA { Miss::NewerSchema } else { Miss::Corrupt });
        }
    };
    if entry.schema > SCHEMA {
        return Err(Miss::NewerSchema);
    }
    if entry.schema < SCHEMA {
        return Err(Miss::Corrupt);
    }
    if entry.home != home {
        return Err(Miss::Foreign);
    }
    if entry.attempted_at().is_some_and(|at| at.seconds_since(now) > TOLERATED_FUTURE) {
        return Err(Miss::FutureDated);
    }
    Ok(entry)
}

/// FNV-1a, 64 bits: the same in every version of every compiler, which the standard hasher is not.
fn hash(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::{Usage, Window};

    pub(super) const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_359_600);
    pub(super) const MAX_AGE: i64 = 120;

    pub(super) fn home() -> Home {
        Home::at("/home/someone/.codex".into())
    }

    pub(super) fn answered(age: i64) -> Entry {
        let window =
            Window { seconds: Some(18_000), used: 42.0, resets_at: Some(NOW.plus(60)), started: true };
        let usage = Usage { windows: vec![window], ..Usage::default() };
        let answer = Answer { fetched_at: NOW.plus(-age), source: Source::Api, usage };
        Entry::answered(&home(), "login".into(), Some("acc-1".into()), answer)
    }

    pub(super) fn outage() -> Error {
        Error::Server { url: "https://example.invalid".into(), status: 500, retry_after: None }
    }

    #[test]
    fn the_largest_entry_is_one_that_can_be_read() {
        let wide = |count: usize| "\u{1f600}".repeat(count);
        let window =
            Window { seconds: Some(u32::MAX), used: 100.0 / 3.0, resets_at: Some(NOW), started: true };
        let pool = crate::usage::Pool { name: wide(48), windows: vec![window.clone(), window] };
        let mut entry = answered(0).following(None, NOW);
        entry.home = wide(entry::MAX_HOME);
        entry.answer.as_mut().unwrap().usage.pools = vec![pool; 12];
        let directory = std::env::temp_dir().join(format!("codexline-entry-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("entry.json");
        let replacement = Replacement::prepare(&path, MAX_BYTES).unwrap();
        Slot { replacement, path: path.clone() }.store(&entry).unwrap();
        let bytes = files::read_bounded(&path, MAX_BYTES as u64 - 1).unwrap();
        let _ = std::fs::remove_dir_all(&directory);
        let stored = parse(&bytes, &entry.home, NOW).unwrap();
        assert_eq!(stored.answer.unwrap().usage.windows, answered(0).answer.unwrap().usage.windows);
    }

    #[test]
    fn what_cannot_be_used_is_a_miss() {
        let good = serde_json::to_string(&answered(0)).unwrap();
        let home = entry::name(&home());
        let check = |text: &str, expected: Miss| {
            assert_eq!(parse(text.as_bytes(), &home, NOW), Err(expected), "{text}");
        };
        assert_eq!(parse(good.as_bytes(), &home, NOW), Ok(answered(0)));
        check("", Miss::Corrupt);
        check(&good[..good.len() / 2], Miss::Corrupt);
        check("[]", Miss::Corrupt);
        check(&good.replace("\"schema\":1", "\"schema\":0"), Miss::Corrupt);
        check(&good.replace("\"schema\":1", "\"schema\":2"), Miss::NewerSchema);
        check("{\"schema\":9,\"entries\":[]}", Miss::NewerSchema);
        check(&good.replace("/home/someone", "/home/other"), Miss::Foreign);
        assert_eq!(parse(good.as_bytes(), &home, NOW.plus(-61)), Err(Miss::FutureDated));
        assert!(parse(good.as_bytes(), &home, NOW.plus(-60)).is_ok());
    }

    #[test]
    fn the_hash_is_fnv_1a() {
        assert_eq!(hash(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
