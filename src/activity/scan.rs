//! Brings a [`Store`] up to date with the files of a home, and reads only what is new.
//!
//! A file whose device, inode, size and modification time are unchanged is not opened. A plain file
//! is read from where the last reading ended if it is still the same file (device and inode), is
//! not shorter, and has the same bytes before that position. Otherwise it is read from its
//! beginning. A compressed file is read once as a whole, because Codex replaces it when it changes.
//! Archiving renames a file and keeps its inode, so the file is not read again.
//!
//! To recognise the copies in a fork, the file of its parent may be needed ([`Histories`]). It is
//! read at that moment, so it already has every line that was copied from it, in whatever order the
//! files are read. If the parent appears, disappears or is rewritten later, the fork is read again.
//! The counts therefore depend only on the files, and not on when they were read.

use super::ancestors::{Asking, Histories, lock};
use super::discover::{FileState, SessionFile, Tree, nanoseconds};
use super::prefilter::RecordKind;
use super::reader::{Buffer, GoesOn, Watched, read_lines};
use super::record;
use super::store::{FileEntry, Store};
use super::thread::Thread;
use crate::model::hash::{ByHash, Hashes, extend, hash};
use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// A file is forgotten after it was missing in this many scans in a row. One scan is not enough: a
/// listing can miss a file while Codex moves it, and reading it again may take minutes.
const FORGET_AFTER: u8 = 3;

/// How many bytes before the position must be unchanged, so that reading can continue there.
const CHECKED: usize = 256;

/// How often progress is reported while only other threads work.
const TELL_EVERY: Duration = Duration::from_millis(50);

/// At most this many rounds read forks, and forks of forks, again after a parent has changed.
const MOST_ROUNDS: usize = 8;

/// How far a scan has come, in bytes on disk. The total can grow, because files grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub done: u64,
    pub total: u64,
}

/// What a scan did.
#[derive(Debug, Default)]
pub struct ScanSummary {
    /// Whether the scan changed the store.
    pub changed: bool,
    /// Whether everything was read. `false` if the scan was interrupted.
    pub complete: bool,
    /// The number of session files found.
    pub files: usize,
    /// Bytes read from them, counted as they are on disk.
    pub bytes: u64,
    /// Files and directories that could not be read. The next scan tries them again. Until then
    /// their last known counts stay.
    pub unreadable: Vec<(PathBuf, io::Error)>,
}

/// Reads what is new in the files of `tree` into `store`, with the given number of threads. `watch`
/// is called with the progress on the calling thread and may interrupt the scan. What was read
/// until then is kept.
pub fn scan(
    tree: Tree,
    store: &mut Store,
    threads: usize,
    watch: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> ScanSummary {
    scan_since(tree, store, None, threads, watch)
}

/// Like [`scan`], but leaves out files that are not in the store and were last written before
/// `since`. A later scan without that limit reads them.
pub fn scan_since(
    tree: Tree,
    store: &mut Store,
    since: Option<SystemTime>,
    threads: usize,
    watch: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> ScanSummary {
    let since = since.map_or(i64::MIN, |since| nanoseconds(Ok(since)));
    let Tree { files, unreadable } = tree;
    let mut outcome = ScanSummary { files: files.len(), unreadable, ..ScanSummary::default() };
    let mut jobs = Vec::new();
    let mut known = 0;
    for (place, found) in files.iter().enumerate() {
        match store.entries.get_mut(&found.name) {
            Some(entry) => {
                known += 1;
                outcome.changed |= std::mem::take(&mut entry.missing) != 0;
                if (entry.state, entry.compressed) != (found.state, found.compressed) {
                    jobs.push(place);
                }
            }
            None if found.state.modified >= since => jobs.push(place),
            None => {}
        }
    }
    // While a directory cannot be read, a file that is missing from the listing may still exist.
    if outcome.unreadable.is_empty() && known < store.entries.len() {
        outcome.changed = true;
        let seen: Hashes = files.iter().map(|found| found.name).collect();
        store.entries.retain(|name, entry| {
            if !seen.contains(name) {
                entry.missing = entry.missing.saturating_add(1);
            }
            entry.missing < FORGET_AFTER
        });
    }
    jobs.sort_unstable_by_key(|place| (&files[*place].directory, &files[*place].file));
    let mut run = Run {
        files: &files,
        store,
        done: AtomicU64::new(0),
        total: AtomicU64::new(0),
        stopped: AtomicBool::new(false),
        threads: threads.max(1),
        outcome,
    };
    loop {
        // Reading a file can reveal a thread id that its name lacks. So a deferred fork may find
        // its parent in the next round.
        let deferred = run.work(&jobs, ReadFrom::LastPosition, false, watch);
        if deferred.len() == jobs.len() || deferred.is_empty() {
            run.work(&deferred, ReadFrom::LastPosition, true, watch);
            break;
        }
        jobs = deferred;
    }
    for _ in 0..MOST_ROUNDS {
        let jobs = run.forks_with_changed_parents();
        if jobs.is_empty() {
            break;
        }
        run.work(&jobs, ReadFrom::Beginning, true, watch);
    }
    let Run { mut outcome, stopped, done, .. } = run;
    outcome.complete = !stopped.into_inner();
    outcome.bytes = done.into_inner();
    outcome
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ReadFrom {
    LastPosition,
    Beginning,
}

struct Run<'a> {
    files: &'a [SessionFile],
    store: &'a mut Store,
    done: AtomicU64,
    total: AtomicU64,
    stopped: AtomicBool,
    threads: usize,
    outcome: ScanSummary,
}

impl Run<'_> {
    /// Reads these files. Returns those that repeat a file which has not been found yet. With
    /// `last` they are read all the same, and nothing is returned.
    fn work(
        &mut self,
        jobs: &[usize],
        start: ReadFrom,
        last: bool,
        watch: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Vec<usize> {
        if jobs.is_empty() {
            return Vec::new();
        }
        let histories = Histories::new(self.files, self.store);
        let before = |place: usize| self.store.entries.get(&self.files[place].name);
        let left = |place: usize| {
            let can_resume =
                |entry: &&FileEntry| start == ReadFrom::LastPosition && !entry.compressed;
            let known = before(place).filter(can_resume).map_or(0, |entry| entry.offset);
            self.files[place].state.size.saturating_sub(known)
        };
        self.total.fetch_add(jobs.iter().map(|place| left(*place)).sum(), Ordering::Relaxed);
        let next = AtomicUsize::new(0);
        let results = Mutex::new(Vec::with_capacity(jobs.len()));
        let work = |tell: &dyn Fn()| {
            let mut buffer = Buffer::default();
            let goes_on = |bytes| {
                self.done.fetch_add(bytes, Ordering::Relaxed);
                tell();
                !self.stopped.load(Ordering::Relaxed)
            };
            while let Some(place) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                if self.stopped.load(Ordering::Relaxed) {
                    break;
                }
                let mut asking = Asking::new(&histories, *place, last, &goes_on);
                let found = &self.files[*place];
                let result = read(found, before(*place), start, &mut asking, &mut buffer, &goes_on);
                lock(&results).push((*place, result));
            }
        };
        let watch = RefCell::new(watch);
        let tell = || {
            let (done, total) =
                (self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed));
            if (watch.borrow_mut())(Progress { done, total: total.max(done) }).is_break() {
                self.stopped.store(true, Ordering::Relaxed);
            }
        };
        let helpers = self.threads.min(jobs.len()).saturating_sub(1);
        if helpers == 0 {
            work(&tell);
        } else {
            let main = std::thread::current();
            let working = AtomicUsize::new(helpers);
            std::thread::scope(|scope| {
                for _ in 0..helpers {
                    scope.spawn(|| {
                        work(&|| {});
                        working.fetch_sub(1, Ordering::Release);
                        main.unpark();
                    });
                }
                work(&tell);
                while working.load(Ordering::Acquire) > 0 {
                    std::thread::park_timeout(TELL_EVERY);
                    tell();
                }
            });
        }
        let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.take_in(results)
    }

    fn take_in(&mut self, results: Vec<(usize, io::Result<Reading>)>) -> Vec<usize> {
        let mut deferred = Vec::new();
        let mut relying = Vec::new();
        for (place, result) in results {
            match result {
                Ok(Reading::Stopped) => {}
                Ok(Reading::Deferred) => deferred.push(place),
                Ok(Reading::Done { entry, relied }) => {
                    let name = self.files[place].name;
                    // A fork that used other files before keeps its old value here, so that
                    // `forks_with_changed_parents` can compare it.
                    if relied && entry.ancestry == 0 {
                        relying.push(name);
                    }
                    self.store.entries.insert(name, *entry);
                    self.outcome.changed = true;
                }
                // The file disappeared between listing and reading. The next scan finds out whether
                // it was moved.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => self.outcome.unreadable.push((self.files[place].path(), error)),
            }
        }
        let forks = relying.iter().filter_map(|name| self.store.entries.get(name));
        let parents = self.parents_of(forks.map(|entry| &entry.thread));
        for name in relying {
            if let Some(entry) = self.store.entries.get_mut(&name) {
                entry.ancestry = ancestry(&entry.thread, &parents);
            }
        }
        deferred
    }

    /// Forks whose copies were recognised with the help of files that have since appeared,
    /// disappeared or been rewritten.
    fn forks_with_changed_parents(&self) -> Vec<usize> {
        if self.stopped.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let entry = |found: &SessionFile| {
            self.store.entries.get(&found.name).filter(|entry| entry.ancestry != 0)
        };
        let relying: Vec<(usize, &FileEntry)> = (0..)
            .zip(self.files)
            .filter_map(|(place, found)| Some((place, entry(found)?)))
            .collect();
        let parents = self.parents_of(relying.iter().map(|(_, entry)| &entry.thread));
        let is_other = |entry: &FileEntry| entry.ancestry != ancestry(&entry.thread, &parents);
        relying.into_iter().filter(|(_, entry)| is_other(entry)).map(|(place, _)| place).collect()
    }

    /// The parents of `forks` that have files: how often these were read from the beginning, and
    /// the time of their last line.
    fn parents_of<'s>(&self, forks: impl Iterator<Item = &'s Thread>) -> ByHash<(u32, i64)> {
        let parents: Hashes = forks.flat_map(|fork| &fork.parents).copied().collect();
        if parents.is_empty() {
            return ByHash::default();
        }
        let entries = self.store.entries.values();
        let there =
            entries.filter(|entry| entry.missing == 0 && parents.contains(&entry.thread.identity));
        let mut found: ByHash<(u32, i64)> = ByHash::default();
        for FileEntry { generation, thread, .. } in there {
            let (generations, time) = found.entry(thread.identity).or_default();
            *generations = generations.wrapping_add(*generation).wrapping_add(1);
            *time = thread.time.max(*time);
        }
        found
    }
}

/// A number that changes when the files that a fork copied from change. It is never 0, which means
/// that the fork needed no other file. Only lines older
/// than the fork matter, so a parent can grow without its forks being read again.
fn ancestry(fork: &Thread, parents: &ByHash<(u32, i64)>) -> u64 {
    let sum = fork.parents.iter().fold(hash(b"ancestry"), |sum, parent| {
        let sum = extend(sum, &parent.to_le_bytes());
        parents.get(parent).map_or(sum, |(generation, time)| {
            let until = (*time).min(fork.created);
            extend(extend(sum, &generation.to_le_bytes()), &until.to_le_bytes())
        })
    });
    sum | 1
}

enum Reading {
    /// `relied` tells whether another file was needed to recognise copies.
    Done { entry: Box<FileEntry>, relied: bool },
    /// The file repeats another one that has not been found yet.
    Deferred,
    /// Interrupted in a compressed file, which cannot be resumed.
    Stopped,
}

/// Reads the new lines of one file.
fn read(
    found: &SessionFile,
    before: Option<&FileEntry>,
    start: ReadFrom,
    asking: &mut Asking<'_>,
    buffer: &mut Buffer,
    advance: GoesOn,
) -> io::Result<Reading> {
    let mut file = crate::io::platform::open_without_waiting(&found.path())?;
    let state = FileState::of(&file.metadata()?);
    let mut entry = match before {
        Some(before)
            if start == ReadFrom::LastPosition && can_resume(before, found, &mut file, &state)? =>
        {
            before.clone()
        }
        _ => FileEntry {
            thread: Thread::named(found.thread),
            generation: before.map_or(0, |before| before.generation.wrapping_add(1)),
            ..FileEntry::default()
        },
    };
    (entry.state, entry.compressed) = (state, found.compressed);
    // A file that was just opened is at its beginning, but `can_resume` has moved the position.
    if entry.offset > 0 {
        file.seek(SeekFrom::Start(entry.offset))?;
    } else if before.is_some() {
        file.rewind()?;
    }
    let stopped = Cell::new(false);
    let watched = |bytes| {
        stopped.set(stopped.get() || !advance(bytes));
        !stopped.get()
    };
    // Bytes that are added from now on are read the next time, because `state` is the one of now.
    let new = (&file).take(state.size.saturating_sub(entry.offset));
    let mut source = Watched { file: new, advance: &watched };
    let FileEntry { thread, buckets, .. } = &mut entry;
    let mut take = |kind: RecordKind, text: &[u8]| {
        if thread.wants(kind)
            && let Some(line) = record::parse(text)
        {
            thread.apply(&line, buckets, asking);
        }
        if asking.deferred { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    if found.compressed {
        let mut source = zstd::stream::read::Decoder::new(&mut source)?;
        // A damaged file is counted as far as it can be read. It would not help to read it again.
        let (done, _) = read_lines(&mut source, buffer, &mut take);
        entry.offset = done;
        if stopped.get() {
            return Ok(Reading::Stopped);
        }
    } else {
        let (done, result) = read_lines(&mut source, buffer, &mut take);
        result?;
        entry.offset += done;
        entry.check = check(&mut file, entry.offset)?;
        if stopped.get() {
            // This size differs from that on disk, so the next scan continues with this file.
            entry.state.size = entry.offset;
        }
    }
    Ok(if asking.deferred {
        Reading::Deferred
    } else {
        Reading::Done { entry: Box::new(entry), relied: asking.relied }
    })
}

/// Whether reading can continue where it ended.
fn can_resume(
    before: &FileEntry,
    found: &SessionFile,
    file: &mut File,
    state: &FileState,
) -> io::Result<bool> {
    Ok(!before.compressed
        && !found.compressed
        && before.state.is_same_file(state)
        && before.offset <= state.size
        && before.check == check(file, before.offset)?)
}

/// The hash of up to [`CHECKED`] bytes before `offset`, and of `offset`. Moves the position in the
/// file.
fn check(file: &mut File, offset: u64) -> io::Result<u64> {
    let mut bytes = [0; CHECKED];
    let length = CHECKED.min(usize::try_from(offset).unwrap_or(CHECKED));
    let bytes = &mut bytes[..length];
    let sum = hash(&offset.to_le_bytes());
    file.seek(SeekFrom::Start(offset - length as u64))?;
    match file.read_exact(bytes) {
        Ok(()) => Ok(extend(sum, bytes)),
        // The file became shorter just now. A deliberately wrong value makes the next scan read it
        // again.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(!sum),
        Err(error) => Err(error),
    }
}
