//! Brings a [`Store`] up to date with the files of a home, reading only what is new.
//!
//! A plain file is read on from where its reading ended if it is the same file (device and inode), has not
//! become shorter, and still has the same bytes before that place; else from its beginning. A file whose device,
//! inode, size and time are as they were is not even opened. A compressed file is read whole once: Codex replaces
//! it when it changes. Archiving renames a file and keeps its inode: nothing is read.
//!
//! What a fork repeats may have to be looked up in its parent's file ([`Histories`]); that file is read there and
//! then, so it has all that was copied from it, in whatever order files are read and written. If the parent
//! comes, goes or is rewritten later, the fork is read again: what is counted depends on the files alone, not on
//! when they were read.

use super::hash::{ByHash, Hashes, extend, hash};
use super::line::{self, Record};
use super::lines::{Buffer, read_lines};
use super::sniff::Kind;
use super::store::{Entry, Store};
use super::tally::{Ancestors, Known, Thread};
use super::tree::{Found, State, Tree};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A file that was missing in so many scans in a row is forgotten. Not at once: while Codex moves a file, a
/// listing can miss it, and reading it again may take minutes.
const FORGET_AFTER: u8 = 3;

/// Bytes before the place to read on from that must be as they were.
const CHECKED: usize = 256;

/// How often progress is told while only other threads work.
const TELL_EVERY: Duration = Duration::from_millis(50);

/// Forks of forks of … are looked at again so often when a file they repeat has changed.
const MOST_ROUNDS: usize = 8;

/// How far a scan has come, in bytes on disk. The total can grow: files do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub done: u64,
    pub total: u64,
}

/// What a scan did.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The store is not as it was.
    pub changed: bool,
    /// All that is there was read; `false` if it was broken off.
    pub complete: bool,
    /// Session files found.
    pub files: usize,
    /// Bytes read from them, as they are on disk.
    pub bytes: u64,
    /// What could not be read. It is tried again next time; until then what was known of it counts.
    pub unreadable: Vec<(PathBuf, io::Error)>,
}

/// Reads what is new in the files of `tree` into `store`, with so many threads. `watch` is told how far it is,
/// on the calling thread, and may break it off: what was read until then is kept.
pub fn scan(
    tree: Tree,
    store: &mut Store,
    threads: usize,
    watch: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Outcome {
    let Tree { files, unreadable } = tree;
    let mut outcome = Outcome { files: files.len(), unreadable, ..Outcome::default() };
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
            None => jobs.push(place),
        }
    }
    // Of a directory that cannot be read now, nothing is known to be gone.
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
        // After each round more ids are known than those in the files' names.
        let deferred = run.work(&jobs, Start::WhereItEnded, false, watch);
        if deferred.len() == jobs.len() || deferred.is_empty() {
            run.work(&deferred, Start::WhereItEnded, true, watch);
            break;
        }
        jobs = deferred;
    }
    for _ in 0..MOST_ROUNDS {
        let jobs = run.with_other_ancestors();
        if jobs.is_empty() {
            break;
        }
        run.work(&jobs, Start::Anew, true, watch);
    }
    let Run { mut outcome, stopped, done, .. } = run;
    outcome.complete = !stopped.into_inner();
    outcome.bytes = done.into_inner();
    outcome
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    WhereItEnded,
    Anew,
}

struct Run<'a> {
    files: &'a [Found],
    store: &'a mut Store,
    done: AtomicU64,
    total: AtomicU64,
    stopped: AtomicBool,
    threads: usize,
    outcome: Outcome,
}

impl Run<'_> {
    /// Reads these files. Returns those that repeat one that is not known, unless this is the `last` chance.
    fn work(
        &mut self,
        jobs: &[usize],
        start: Start,
        last: bool,
        watch: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Vec<usize> {
        if jobs.is_empty() {
            return Vec::new();
        }
        let histories = Histories::new(self.files, self.store);
        let before = |place: usize| self.store.entries.get(&self.files[place].name);
        let left = |place: usize| {
            let goes_on = |entry: &&Entry| start == Start::WhereItEnded && !entry.compressed;
            let known = before(place).filter(goes_on).map_or(0, |entry| entry.offset);
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
            let (done, total) = (self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed));
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
                    // What it relied on before is compared later; what it relies on newly is as it is now.
                    if relied && entry.ancestry == 0 {
                        relying.push(name);
                    }
                    self.store.entries.insert(name, *entry);
                    self.outcome.changed = true;
                }
                // Gone between listing and reading: the next scan knows more.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => self.outcome.unreadable.push((self.files[place].path(), error)),
            }
        }
        let forks = relying.iter().filter_map(|name| self.store.entries.get(name));
        let threads = self.parents_of(forks.map(|entry| &entry.thread));
        for name in relying {
            if let Some(entry) = self.store.entries.get_mut(&name) {
                entry.ancestry = ancestry(&entry.thread, &threads);
            }
        }
        deferred
    }

    /// The files that were told from their copies by files that have come, gone or been rewritten since.
    fn with_other_ancestors(&self) -> Vec<usize> {
        if self.stopped.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let entry = |found: &Found| self.store.entries.get(&found.name).filter(|entry| entry.ancestry != 0);
        let relying: Vec<(usize, &Entry)> =
            (0..).zip(self.files).filter_map(|(place, found)| Some((place, entry(found)?))).collect();
        let threads = self.parents_of(relying.iter().map(|(_, entry)| &entry.thread));
        let is_other = |entry: &Entry| entry.ancestry != ancestry(&entry.thread, &threads);
        relying.into_iter().filter(|(_, entry)| is_other(entry)).map(|(place, _)| place).collect()
    }

    /// The parents of `forks` that have a file, with the number of times it was read anew and the time of its last
    /// line.
    fn parents_of<'s>(&self, forks: impl Iterator<Item = &'s Thread>) -> ByHash<(u32, i64)> {
        let parents: Hashes = forks.flat_map(|fork| &fork.parents).copied().collect();
        if parents.is_empty() {
            return ByHash::default();
        }
        let entries = self.store.entries.values();
        let there = entries.filter(|entry| entry.missing == 0 && parents.contains(&entry.thread.identity));
        there.map(|entry| (entry.thread.identity, (entry.generation, entry.thread.time))).collect()
    }
}

/// What a fork relies on, as a number that changes when it does; never 0. Of a parent's lines only those count
/// that are older than the fork: it may go on without the fork being read again.
fn ancestry(fork: &Thread, threads: &ByHash<(u32, i64)>) -> u64 {
    let sum = fork.parents.iter().fold(hash(b"ancestry"), |sum, parent| {
        let sum = extend(sum, &parent.to_le_bytes());
        threads.get(parent).map_or(sum, |(generation, time)| {
            let until = (*time).min(fork.created);
            extend(extend(sum, &generation.to_le_bytes()), &until.to_le_bytes())
        })
    });
    sum | 1
}

enum Reading {
    /// `relied`: another file was needed to tell copies.
    Done { entry: Box<Entry>, relied: bool },
    /// It repeats a file that is not known yet.
    Deferred,
    /// Broken off with nothing to keep.
    Stopped,
}

/// Told of bytes that have been read; whether to go on.
type GoesOn<'a> = &'a dyn Fn(u64) -> bool;

/// Reads what is new in one file.
fn read(
    found: &Found,
    before: Option<&Entry>,
    start: Start,
    asking: &mut Asking<'_>,
    buffer: &mut Buffer,
    advance: GoesOn,
) -> io::Result<Reading> {
    let mut file = crate::platform::open_without_waiting(&found.path())?;
    let state = State::of(&file.metadata()?);
    let mut entry = match before {
        Some(before) if start == Start::WhereItEnded && goes_on(before, found, &mut file, &state)? => {
            before.clone()
        }
        _ => Entry {
            thread: Thread::named(found.thread),
            generation: before.map_or(0, |before| before.generation.wrapping_add(1)),
            ..Entry::default()
        },
    };
    (entry.state, entry.compressed) = (state, found.compressed);
    // A file just opened is at its beginning; its check has moved one that goes on.
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
    // What is added meanwhile is read next time: the state is that of now.
    let new = (&file).take(state.size.saturating_sub(entry.offset));
    let mut source = Watched { file: new, advance: &watched };
    let Entry { thread, slots, .. } = &mut entry;
    let mut take = |kind: Kind, text: &[u8]| {
        if thread.wants(kind)
            && let Some(line) = line::parse(text)
        {
            thread.apply(&line, slots, asking);
        }
        if asking.deferred { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    if found.compressed {
        let mut source = zstd::stream::read::Decoder::new(&mut source)?;
        // A damaged file counts as far as it can be read: it gets no better.
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
            // Not what it will be found as: the next scan goes on.
            entry.state.size = entry.offset;
        }
    }
    Ok(if asking.deferred {
        Reading::Deferred
    } else {
        Reading::Done { entry: Box::new(entry), relied: asking.relied }
    })
}

/// Whether the reading of a file can go on where it ended.
fn goes_on(before: &Entry, found: &Found, file: &mut File, state: &State) -> io::Result<bool> {
    Ok(!before.compressed
        && !found.compressed
        && before.state.is_same_file(state)
        && before.offset <= state.size
        && before.check == check(file, before.offset)?)
}

/// The hash of the last few of `offset` bytes. Moves the file's position.
fn check(file: &mut File, offset: u64) -> io::Result<u64> {
    let mut bytes = [0; CHECKED];
    let length = CHECKED.min(usize::try_from(offset).unwrap_or(CHECKED));
    let bytes = &mut bytes[..length];
    let sum = hash(&offset.to_le_bytes());
    file.seek(SeekFrom::Start(offset - length as u64))?;
    match file.read_exact(bytes) {
        Ok(()) => Ok(extend(sum, bytes)),
        // It became shorter meanwhile: not what it was.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(!sum),
        Err(error) => Err(error),
    }
}

/// A file whose reading is watched, and ends early when the watcher says so.
struct Watched<'a> {
    file: io::Take<&'a File>,
    advance: GoesOn<'a>,
}

impl Read for Watched<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(into)?;
        Ok(if (self.advance)(count as u64) { count } else { 0 })
    }
}

/// What files hold that others may repeat, read when it is asked for.
struct Histories<'a> {
    files: &'a [Found],
    places: ByHash<usize>,
    read: Mutex<HashMap<usize, Arc<Mutex<History>>>>,
}

/// One file's part of it.
#[derive(Default)]
struct History {
    offset: u64,
    /// When each key ([`Record::key`]) came first, in unix milliseconds.
    keys: ByHash<i64>,
    parents: Vec<u64>,
}

impl<'a> Histories<'a> {
    fn new(files: &'a [Found], store: &Store) -> Histories<'a> {
        let mut places = ByHash::default();
        places.reserve(files.len());
        for (place, found) in files.iter().enumerate() {
            places.entry(found.thread).or_insert(place);
            if let Some(entry) = store.entries.get(&found.name)
                && entry.thread.identity != found.thread
            {
                places.insert(entry.thread.identity, place);
            }
        }
        Histories { files, places, read: Mutex::default() }
    }

    /// The history in a thread's file, read if it is not yet; `None` if there is no readable one.
    fn of(&self, place: usize, goes_on: GoesOn) -> Option<Arc<Mutex<History>>> {
        if let Some(history) = lock(&self.read).get(&place) {
            return Some(Arc::clone(history));
        }
        let mut history = History::default();
        history.extend(&self.files[place], goes_on).ok()?;
        Some(Arc::clone(lock(&self.read).entry(place).or_insert_with(|| Arc::new(Mutex::new(history)))))
    }
}

impl History {
    /// Reads what has been added to the file, or less of it if that is broken off.
    fn extend(&mut self, found: &Found, goes_on: GoesOn) -> io::Result<()> {
        let mut file = crate::platform::open_without_waiting(&found.path())?;
        let mut take = |kind: Kind, text: &[u8]| {
            if kind != Kind::TurnContext
                && let Some(line) = line::parse(text)
            {
                if let Record::Meta(meta) = &line.record {
                    self.parents.extend(&meta.parents);
                }
                if let Some(key) = line.record.key() {
                    self.keys.entry(key).or_insert(line.time.unwrap_or(i64::MIN));
                }
            }
            ControlFlow::Continue(())
        };
        // What is read here is no progress.
        let goes_on = |_| goes_on(0);
        if found.compressed {
            if self.offset == 0 {
                let source = Watched { file: (&file).take(u64::MAX), advance: &goes_on };
                let mut source = zstd::stream::read::Decoder::new(source)?;
                (self.offset, _) = read_lines(&mut source, &mut Buffer::default(), &mut take);
            }
            return Ok(());
        }
        file.seek(SeekFrom::Start(self.offset))?;
        let mut source = Watched { file: (&file).take(u64::MAX), advance: &goes_on };
        let (done, result) = read_lines(&mut source, &mut Buffer::default(), &mut take);
        self.offset += done;
        result
    }

    fn has(&self, key: u64, until: i64) -> bool {
        self.keys.get(&key).is_some_and(|time| *time <= until)
    }
}

/// One file's questions to the histories of others.
struct Asking<'a> {
    histories: &'a Histories<'a>,
    own: usize,
    /// Whether to answer that a file is not there, instead of putting the question off.
    last: bool,
    goes_on: GoesOn<'a>,
    relied: bool,
    deferred: bool,
}

impl<'a> Asking<'a> {
    fn new(histories: &'a Histories<'a>, own: usize, last: bool, goes_on: GoesOn<'a>) -> Asking<'a> {
        Asking { histories, own, last, goes_on, relied: false, deferred: false }
    }

    /// Whether the scan has been broken off: then the files that were asked may not have been read to their ends, and the
    /// answer waits.
    fn is_broken_off(&mut self) -> bool {
        let broken_off = !(self.goes_on)(0);
        self.deferred |= broken_off;
        broken_off
    }
}

impl Ancestors for Asking<'_> {
    fn know(&mut self, threads: &[u64], key: u64, until: i64) -> Known {
        self.relied = true;
        let mut open: Vec<u64> = threads.to_vec();
        let mut all_there = true;
        let mut asked: Vec<(usize, Arc<Mutex<History>>)> = Vec::new();
        while let Some(thread) = open.pop() {
            let place = self.histories.places.get(&thread).copied();
            if place.is_some_and(|place| place == self.own || asked.iter().any(|(known, _)| *known == place))
            {
                continue;
            }
            let Some((place, history)) =
                place.and_then(|place| Some((place, self.histories.of(place, self.goes_on)?)))
            else {
                all_there = false;
                continue;
            };
            {
                let history = lock(&history);
                if history.has(key, until) {
                    return Known::Yes;
                }
                open.extend(&history.parents);
            }
            asked.push((place, history));
        }
        // A file may have grown since it was read; what was copied from it is in it by now.
        for (place, history) in asked {
            let mut history = lock(&history);
            if history.extend(&self.histories.files[place], self.goes_on).is_ok() && history.has(key, until) {
                return Known::Yes;
            }
        }
        if self.is_broken_off() {
            return Known::NoFile;
        }
        if all_there {
            return Known::No;
        }
        self.deferred = !self.last;
        Known::NoFile
    }
}

/// A panic in another thread ends the scan anyway: what it held is not worse for it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
