//! Looks up in other files what a fork repeats. Each file is read when the first fork asks for it,
//! and its content is kept for the other forks until the scan ends.

use super::discover::SessionFile;
use super::fork::{Ancestors, Known};
use super::prefilter::RecordKind;
use super::reader::{Buffer, GoesOn, Watched, read_lines};
use super::record::{self, Record};
use super::store::Store;
use crate::model::hash::ByHash;
use std::collections::HashMap;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The content of every file that was asked for.
pub struct Histories<'a> {
    files: &'a [SessionFile],
    /// The indexes in `files` of each thread's files. A reverted thread has several.
    places: ByHash<Vec<usize>>,
    read: Mutex<HashMap<usize, Arc<Mutex<AncestorLines>>>>,
}

/// What is kept of one file.
#[derive(Default)]
struct AncestorLines {
    offset: u64,
    /// The time of the first line with each key ([`Record::key`]), in unix milliseconds.
    keys: ByHash<i64>,
    parents: Vec<u64>,
}

impl<'a> Histories<'a> {
    pub fn new(files: &'a [SessionFile], store: &Store) -> Histories<'a> {
        let mut places: ByHash<Vec<usize>> = ByHash::default();
        for (place, found) in files.iter().enumerate() {
            places.entry(found.thread).or_default().push(place);
            if let Some(entry) = store.entries.get(&found.name)
                && entry.thread.identity != found.thread
            {
                places.entry(entry.thread.identity).or_default().push(place);
            }
        }
        Histories { files, places, read: Mutex::default() }
    }

    /// The content of the file at `place`, which is read the first time. `None` if it cannot be
    /// read.
    fn of(&self, place: usize, goes_on: GoesOn) -> Option<Arc<Mutex<AncestorLines>>> {
        if let Some(history) = lock(&self.read).get(&place) {
            return Some(Arc::clone(history));
        }
        let mut history = AncestorLines::default();
        history.extend(&self.files[place], goes_on).ok()?;
        Some(Arc::clone(
            lock(&self.read).entry(place).or_insert_with(|| Arc::new(Mutex::new(history))),
        ))
    }
}

impl AncestorLines {
    /// Reads what was added to the file since the last time. An interrupted scan may read less of
    /// it.
    fn extend(&mut self, found: &SessionFile, goes_on: GoesOn) -> io::Result<()> {
        let mut file = crate::io::platform::open_without_waiting(&found.path())?;
        let mut take = |kind: RecordKind, text: &[u8]| {
            if kind != RecordKind::TurnContext
                && let Some(line) = record::parse(text)
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
        // Bytes that are read here do not count as progress.
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

/// Looks up lines for one file. Implements [`Ancestors`].
pub struct Asking<'a> {
    histories: &'a Histories<'a>,
    own: usize,
    /// `false`: if a file is missing, the question is deferred to the next round. `true`: there is
    /// no next round.
    last: bool,
    goes_on: GoesOn<'a>,
    pub relied: bool,
    /// The answer must wait for the next round. What was read of this file must not be kept.
    pub deferred: bool,
}

impl<'a> Asking<'a> {
    pub fn new(
        histories: &'a Histories<'a>,
        own: usize,
        last: bool,
        goes_on: GoesOn<'a>,
    ) -> Asking<'a> {
        Asking { histories, own, last, goes_on, relied: false, deferred: false }
    }

    /// Whether the scan was interrupted. Then the other files may not have been read completely, so
    /// the answer must wait.
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
        let mut asked: Vec<(usize, Arc<Mutex<AncestorLines>>)> = Vec::new();
        while let Some(thread) = open.pop() {
            let places = self.histories.places.get(&thread).map_or(&[][..], Vec::as_slice);
            all_there &= !places.is_empty();
            for place in places.iter().copied().filter(|place| *place != self.own) {
                if asked.iter().any(|(known, _)| *known == place) {
                    continue;
                }
                let Some(history) = self.histories.of(place, self.goes_on) else {
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
        }
        // The files may have grown since they were read. By now they hold every line that was
        // copied from them.
        for (place, history) in asked {
            let mut history = lock(&history);
            if history.extend(&self.histories.files[place], self.goes_on).is_ok()
                && history.has(key, until)
            {
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

/// A poisoned mutex is used all the same. The panic of the other thread ends the scan anyway.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
