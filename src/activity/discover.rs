//! Finds the session files of a Codex home. They are `sessions/YYYY/MM/DD/rollout-*.jsonl` and,
//! without folders for the days, `archived_sessions/rollout-*.jsonl`. Each is plain or compressed
//! (`.zst`).

use crate::model::hash::{ByHash, extend, hash};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs::{self, DirEntry, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::SystemTime;

/// How many levels of directories below `sessions/` are listed.
const DEEPEST: usize = 4;

/// The most threads that list directories, and the number of directories from which on more than
/// one thread is used.
const MOST_LISTERS: usize = 4;
const WORTH_A_THREAD: usize = 64;

/// How many files [`Tree::recent`] collects before it stops. That is about a month of use.
const RECENT: usize = 1000;

/// A session file, as the listing found it.
#[derive(Clone, Debug)]
pub struct SessionFile {
    /// The hash of the file's name without `.zst`. It stays the same when Codex archives or
    /// compresses the file.
    pub name: u64,
    /// The hash of the thread id in the file's name.
    pub thread: u64,
    pub directory: Arc<Path>,
    pub file: OsString,
    pub compressed: bool,
    pub state: FileState,
}

impl SessionFile {
    pub fn path(&self) -> PathBuf {
        self.directory.join(&self.file)
    }
}

/// The metadata that shows whether a file has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileState {
    pub device: u64,
    pub inode: u64,
    pub size: u64,
    /// Nanoseconds since 1970.
    pub modified: i64,
}

impl FileState {
    pub fn of(metadata: &Metadata) -> FileState {
        let (device, inode) = numbers(metadata);
        FileState {
            device,
            inode,
            size: metadata.len(),
            modified: nanoseconds(metadata.modified()),
        }
    }

    /// Whether both describe the same file, at the same time or at different times.
    pub fn is_same_file(&self, other: &FileState) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

/// The number of the device, and the inode.
#[cfg(unix)]
fn numbers(metadata: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

/// The standard library has no inode on this platform. The creation time serves instead, because it
/// does not change either.
#[cfg(not(unix))]
fn numbers(metadata: &Metadata) -> (u64, u64) {
    (0, nanoseconds(metadata.created()) as u64)
}

/// Nanoseconds since 1970. 0 if the time is not known, or is before 1970.
pub fn nanoseconds(time: io::Result<SystemTime>) -> i64 {
    let since = time.ok().and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    since.and_then(|since| i64::try_from(since.as_nanos()).ok()).unwrap_or(0)
}

/// A hash that changes when a file below `home` or its directory changes. This takes two system
/// calls and opens no file.
pub fn state_of(home: &Path, file: &Path) -> u64 {
    let path = home.join(file);
    let mut sum = hash(b"watched");
    for path in [path.parent(), Some(&path)].into_iter().flatten() {
        let state = fs::metadata(path).map(|found| FileState::of(&found)).unwrap_or_default();
        sum = extend(extend(sum, &state.size.to_le_bytes()), &state.modified.to_le_bytes());
    }
    sum
}

/// The session files of a home, and the directories that could not be read.
#[derive(Debug, Default)]
pub struct Tree {
    /// Each session once, even if it has two files: see [`Tree::list`].
    pub files: Vec<SessionFile>,
    pub unreadable: Vec<(PathBuf, io::Error)>,
}

impl Tree {
    /// Lists all session files of a home. A session can have two files while Codex moves or
    /// compresses it: one in each folder, or one plain and one compressed. A plain file is
    /// preferred to a compressed one, then the longer file, then the one in `sessions/`.
    pub fn list(home: &Path) -> Tree {
        // Listing the files takes most of the time, because each needs a `stat`. The directories
        // are collected first, so that threads can share that work.
        let mut tree = Tree::default();
        let mut level = vec![home.join("sessions")];
        let mut directories = Vec::new();
        for _ in 0..DEEPEST {
            let next = level.iter().flat_map(|directory| tree.directories_in(directory)).collect();
            directories.append(&mut level);
            level = next;
        }
        directories.append(&mut level);
        directories.push(home.join("archived_sessions"));
        for part in in_parallel(&directories) {
            tree.files.extend(part.files);
            tree.unreadable.extend(part.unreadable);
        }
        tree.keep_one_of_each();
        tree
    }

    /// Lists the newest directories of a home, until there are `RECENT` files. It also lists the
    /// directory of `in_use`, a file that is known to be in use. This takes a few milliseconds,
    /// however many files there are.
    pub fn recent(home: &Path, in_use: Option<&Path>) -> Tree {
        let mut tree = Tree::default();
        tree.list_newest_first(&home.join("sessions"), DEEPEST);
        if let Some(directory) = in_use.and_then(Path::parent) {
            tree.list_files(&home.join(directory));
        }
        tree.keep_one_of_each();
        tree
    }

    fn list_newest_first(&mut self, directory: &Path, depth: usize) {
        self.list_files(directory);
        let mut below = if depth == 0 { Vec::new() } else { self.directories_in(directory) };
        below.sort_unstable();
        for directory in below.iter().rev() {
            if self.files.len() >= RECENT {
                return;
            }
            self.list_newest_first(directory, depth - 1);
        }
    }

    /// The file that was written last.
    pub fn newest(&self) -> Option<&SessionFile> {
        self.files.iter().max_by_key(|found| (found.state.modified, found.name))
    }

    fn directories_in(&mut self, directory: &Path) -> Vec<PathBuf> {
        // An error here is reported when the files of the same directory are listed.
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        let is_directory = |entry: &DirEntry| match entry.file_type() {
            Ok(kind) if kind.is_symlink() => entry.path().is_dir(),
            Ok(kind) => kind.is_dir(),
            Err(_) => false,
        };
        entries.filter(is_directory).map(|entry| entry.path()).collect()
    }

    fn list_files(&mut self, directory: &Path) {
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            // Codex creates these directories when it needs them, and removes empty ones.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return self.unreadable.push((directory.to_path_buf(), error)),
        };
        let directory: Arc<Path> = directory.into();
        for entry in entries.flatten() {
            let file = entry.file_name();
            let Some((plain, compressed)) = file.to_str().and_then(session_file) else { continue };
            // A symbolic link counts as the file that it points to.
            let metadata = match entry.file_type() {
                Ok(kind) if !kind.is_symlink() => entry.metadata(),
                _ => fs::metadata(entry.path()),
            };
            if let Ok(metadata) = metadata
                && metadata.is_file()
            {
                let state = FileState::of(&metadata);
                let (name, thread) = (hash(plain.as_bytes()), hash(thread_id(plain).as_bytes()));
                let directory = Arc::clone(&directory);
                self.files.push(SessionFile { name, thread, directory, file, compressed, state });
            }
        }
    }

    fn keep_one_of_each(&mut self) {
        let mut places: ByHash<usize> = ByHash::default();
        places.reserve(self.files.len());
        let mut kept: Vec<SessionFile> = Vec::with_capacity(self.files.len());
        for found in self.files.drain(..) {
            match places.get(&found.name).and_then(|place| kept.get_mut(*place)) {
                None => {
                    places.insert(found.name, kept.len());
                    kept.push(found);
                }
                Some(first) => {
                    let worth = |file: &SessionFile| (!file.compressed, file.state.size);
                    if worth(first) < worth(&found) {
                        *first = found;
                    }
                }
            }
        }
        self.files = kept;
    }
}

/// Lists directories and returns the results in the same order. A scan that finds nothing new
/// spends nearly all its time on one `stat` per file. That time is the kernel's, so two processors
/// halve it.
fn in_parallel(directories: &[PathBuf]) -> Vec<Tree> {
    let list = |part: &[PathBuf]| {
        let mut tree = Tree::default();
        part.iter().for_each(|directory| tree.list_files(directory));
        tree
    };
    let processors = thread::available_parallelism().map_or(1, usize::from).min(MOST_LISTERS);
    if processors == 1 || directories.len() < WORTH_A_THREAD {
        return vec![list(directories)];
    }
    // The parts are short because some days have many more files than others. They are put back in
    // order because the first of two equal copies is kept.
    let parts: Vec<&[PathBuf]> =
        directories.chunks(directories.len().div_ceil(8 * processors)).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let Some((number, part)) = {
            let number = next.fetch_add(1, Ordering::Relaxed);
            parts.get(number).map(|part| (number, part))
        } {
            done.push((number, list(part)));
        }
        done
    };
    let mut done = thread::scope(|scope| {
        let helpers: Vec<_> = (1..processors).map(|_| scope.spawn(work)).collect();
        let mut done = work();
        for helper in helpers {
            done.extend(helper.join().unwrap_or_default());
        }
        done
    });
    done.sort_unstable_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, tree)| tree).collect()
}

/// The name without `.zst`, and whether the file is compressed. `None` if it is not a session file.
fn session_file(name: &str) -> Option<(&str, bool)> {
    let (plain, compressed) = match name.strip_suffix(".zst") {
        Some(plain) => (plain, true),
        None => (name, false),
    };
    (plain.starts_with("rollout-") && plain.ends_with(".jsonl")).then_some((plain, compressed))
}

/// The thread id in `rollout-2026-11-22T17-08-34-<36 characters>.jsonl`. More may follow the id:
/// `_<36 characters>` for a segment of a reverted thread, or a suffix from a program that copies
/// files. In a name of another form, the last 36 characters count as the id, or else the whole
/// name.
fn thread_id(plain: &str) -> &str {
    let stem = plain.strip_suffix(".jsonl").unwrap_or(plain);
    let is_id = |id: &&str| [8, 13, 18, 23].iter().all(|at| id.as_bytes()[*at] == b'-');
    let last = || stem.len().checked_sub(36).and_then(|start| stem.get(start..));
    stem.get(28..64).filter(is_id).or_else(last).unwrap_or(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_at_the_newest_files_does_not_grow_with_the_tree() {
        let home = std::env::temp_dir().join(format!("codexline-recent-{}", std::process::id()));
        let day = |number: usize| format!("sessions/2026/{:02}/{:02}", number / 28, number % 28);
        for number in 28..28 + 100 {
            let directory = home.join(day(number));
            fs::create_dir_all(&directory).unwrap();
            for file in 0..20 {
                let name = format!("rollout-{number}-{file}.jsonl");
                fs::File::create_new(directory.join(name)).unwrap();
            }
        }
        assert_eq!(Tree::list(&home).files.len(), 2000);
        let days = |tree: &Tree| {
            let mut days: Vec<_> = tree.files.iter().map(|found| found.directory.clone()).collect();
            days.sort_unstable();
            days.dedup();
            days.len()
        };
        let recent = Tree::recent(&home, None);
        assert_eq!((recent.files.len(), days(&recent)), (RECENT, 50));
        assert!(recent.files.iter().any(|found| found.file == "rollout-127-0.jsonl"));
        // A session that was resumed goes on in its old folder.
        let old = Path::new("sessions/2026/01/00/rollout-28-0.jsonl");
        let recent = Tree::recent(&home, Some(old));
        assert_eq!((recent.files.len(), days(&recent)), (RECENT + 20, 51));
        assert!(recent.files.iter().any(|found| found.path().ends_with(old)));
        fs::remove_dir_all(&home).unwrap();
    }

    #[test]
    fn names() {
        let plain = "rollout-2026-11-22T17-08-34-01a2043b-2290-7cc0-977d-072c3c377b99.jsonl";
        assert_eq!(session_file(plain), Some((plain, false)));
        assert_eq!(session_file(&format!("{plain}.zst")), Some((plain, true)));
        assert_eq!(thread_id(plain), "01a2043b-2290-7cc0-977d-072c3c377b99");
        for other in
            ["rollout-a.jsonl.tmp", "a.jsonl", "rollout-a.json", "rollout-a.jsonl.zst.tmp", ""]
        {
            assert_eq!(session_file(other), None, "{other}");
        }
        assert_eq!(thread_id("rollout-é.jsonl"), "rollout-é");
        for more in ["_01a2043b-3000-7cc0-977d-072c3c377b99", ".sync-conflict-20261122-1", " (1)"] {
            let name = plain.replace(".jsonl", &format!("{more}.jsonl"));
            assert_eq!(thread_id(&name), "01a2043b-2290-7cc0-977d-072c3c377b99", "{name}");
        }
    }
}
