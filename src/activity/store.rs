//! What is known of each session file, kept between runs: how far it has been read, and its counts.
//!
//! One file, little-endian, replaced in one step: a line that names the format, the number of entries, the
//! entries, a checksum. Numbers are LEB128, so an entry takes some 200 bytes: with 10,000 session files it is
//! read in a few milliseconds. A store that cannot be read, for whatever reason, is an empty one: the next scan makes it anew.

use super::buckets::{Bucket, Buckets};
use super::discover::FileState;
use super::record::Tokens;
use super::thread::{Flags, Last, Thread};
use crate::io::files::{self, Replacement};
use crate::model::hash::{ByHash, checksum};
use std::io;
use std::path::Path;

/// Changed whenever the meaning of an entry does, counting rules included.
const FORMAT: &[u8] = b"codexline activity 1\n";

/// No store is larger: it would be that of a million session files.
const MOST_BYTES: u64 = 256 * 1024 * 1024;

/// A session file that has been read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileEntry {
    /// The file's state when its reading began.
    pub state: FileState,
    pub compressed: bool,
    /// Bytes read, up to a line's end; of a compressed file, of its content.
    pub offset: u64,
    /// [`super::scan::check`] of what was read.
    pub check: u64,
    /// How often it had to be read from its beginning again.
    pub generation: u32,
    /// How many scans in a row did not find it: while Codex moves a file, a listing can miss it.
    pub missing: u8,
    /// What a fork was told from its copies by: [`super::scan`]. 0 if no other file was needed.
    pub ancestry: u64,
    pub thread: Thread,
    pub buckets: Buckets,
}

/// The entries by [`super::discover::SessionFile::name`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Store {
    pub entries: ByHash<FileEntry>,
}

impl Store {
    /// The store at `place`; an empty one if it is not there or not readable.
    pub fn load(place: &Path) -> Store {
        let bytes = files::read_bounded(place, MOST_BYTES).unwrap_or_default();
        Store::decode(&bytes).unwrap_or_default()
    }

    /// Replaces the store at `place`. For one writer at a time: callers hold a lock.
    ///
    /// # Errors
    /// As [`Replacement`].
    pub fn save(&self, place: &Path) -> io::Result<()> {
        Replacement::prepare(place, 0)?.commit(&self.encode())
    }

    /// The bytes of the file.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer(FORMAT.to_vec());
        out.number(self.entries.len() as u64);
        // In a fixed order: equal stores are equal files.
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_unstable_by_key(|(name, _)| **name);
        for (name, entry) in entries {
            out.word(*name);
            out.entry(entry);
        }
        let sum = checksum(&out.0);
        out.word(sum);
        out.0
    }

    /// `None` for bytes that no [`Store::encode`] of this version made.
    pub fn decode(bytes: &[u8]) -> Option<Store> {
        let (content, sum) = bytes.split_last_chunk::<8>()?;
        if checksum(content) != u64::from_le_bytes(*sum) {
            return None;
        }
        let mut reader = Decoder(content.strip_prefix(FORMAT)?);
        let count = reader.length()?;
        let mut entries = ByHash::default();
        entries.reserve(count);
        for _ in 0..count {
            entries.insert(reader.word()?, reader.entry()?);
        }
        reader.0.is_empty().then_some(Store { entries })
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn word(&mut self, word: u64) {
        self.0.extend_from_slice(&word.to_le_bytes());
    }

    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    /// Small values of both signs take few bytes.
    fn signed(&mut self, number: i64) {
        self.number((number << 1 ^ number >> 63) as u64);
    }

    fn words(&mut self, words: &[u64]) {
        self.number(words.len() as u64);
        words.iter().for_each(|word| self.word(*word));
    }

    fn tokens(&mut self, tokens: &Tokens) {
        tokens.each().into_iter().for_each(|number| self.number(number));
    }

    fn entry(&mut self, entry: &FileEntry) {
        let FileEntry {
            state,
            compressed,
            offset,
            check,
            generation,
            missing,
            ancestry,
            thread,
            buckets,
        } = entry;
        self.number(state.device);
        self.number(state.inode);
        self.number(state.size);
        self.signed(state.modified);
        self.number(*offset);
        self.word(*check);
        self.number(u64::from(*generation));
        self.number(u64::from(*missing));
        let Flags { met, subagent, copying, parents_turn, records, tasks } = thread.flags;
        let present = [
            *compressed,
            met,
            subagent,
            copying,
            parents_turn,
            records,
            tasks,
            *ancestry != 0,
            thread.session != thread.identity,
            thread.history_start.is_some(),
            thread.total.is_some(),
            !thread.step.is_zero(),
        ];
        self.number(present.iter().rev().fold(0, |bits, bit| bits << 1 | u64::from(*bit)));
        if *ancestry != 0 {
            self.word(*ancestry);
        }
        self.word(thread.identity);
        if thread.session != thread.identity {
            self.word(thread.session);
        }
        self.words(&thread.parents);
        self.signed(thread.created);
        thread.history_start.into_iter().for_each(|start| self.number(start));
        thread.total.iter().for_each(|total| self.tokens(total));
        if !thread.step.is_zero() {
            self.tokens(&thread.step);
        }
        self.words(thread.responses.as_slice());
        self.words(thread.turns.as_slice());
        // The times of one file lie close together.
        self.signed(thread.time.wrapping_sub(thread.created));
        self.signed(thread.copied.wrapping_sub(thread.created));
        self.number(thread.doubtful.len() as u64);
        for time in &thread.doubtful {
            self.signed(time.wrapping_sub(thread.created));
        }
        self.number(buckets.0.len() as u64);
        let mut before = 0;
        for bucket in &buckets.0 {
            self.number(u64::from(bucket.quarter.wrapping_sub(before)));
            before = bucket.quarter;
            self.number(u64::from(bucket.turns));
            self.tokens(&bucket.tokens);
        }
    }
}

struct Decoder<'a>(&'a [u8]);

impl Decoder<'_> {
    fn word(&mut self) -> Option<u64> {
        let (word, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*word))
    }

    /// Byte by byte, a fifth of all instructions of a scan with nothing new went here; so eight are looked at together where there are
    /// as many.
    fn number(&mut self) -> Option<u64> {
        const LAST: u64 = 0x8080_8080_8080_8080;
        if let Some(bytes) = self.0.first_chunk::<8>() {
            let word = u64::from_le_bytes(*bytes);
            let ends = !word & LAST;
            if ends != 0 {
                let bits = ends.trailing_zeros() + 1;
                self.0 = self.0.get(bits as usize / 8..)?;
                // What is behind its last byte is another number's; the seven bits of each byte move together.
                let word = word & !LAST & (u64::MAX >> (64 - bits));
                let word = (word & 0x007f_007f_007f_007f) | ((word & 0x7f00_7f00_7f00_7f00) >> 1);
                let word = (word & 0x0000_3fff_0000_3fff) | ((word & 0x3fff_0000_3fff_0000) >> 2);
                return Some((word & 0x0fff_ffff) | ((word & 0x0fff_ffff_0000_0000) >> 4));
            }
        }
        self.number_by_bytes()
    }

    fn number_by_bytes(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// A number of things that each take a byte or more: never more than there are bytes.
    fn length(&mut self) -> Option<usize> {
        let length = usize::try_from(self.number()?).ok()?;
        (length <= self.0.len()).then_some(length)
    }

    /// As many as are told, each read by `one`.
    fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.length()?;
        // Of what is told, no more is believed than what real files have.
        let mut list = Vec::with_capacity(count.min(1024));
        for _ in 0..count {
            list.push(one(self)?);
        }
        Some(list)
    }

    fn last<const MOST: usize>(&mut self) -> Option<Last<MOST>> {
        let mut last = Last::default();
        for _ in 0..self.length()? {
            last.remember(self.word()?);
        }
        Some(last)
    }

    fn tokens(&mut self) -> Option<Tokens> {
        let mut tokens = Tokens::default();
        for field in tokens.each_mut() {
            *field = self.number()?;
        }
        Some(tokens)
    }

    fn entry(&mut self) -> Option<FileEntry> {
        let state = FileState {
            device: self.number()?,
            inode: self.number()?,
            size: self.number()?,
            modified: self.signed()?,
        };
        let (offset, check) = (self.number()?, self.word()?);
        let generation = u32::try_from(self.number()?).ok()?;
        let missing = u8::try_from(self.number()?).ok()?;
        let bits = self.number()?;
        let is_set = |bit: u32| bits >> bit & 1 == 1;
        let flags = Flags {
            met: is_set(1),
            subagent: is_set(2),
            copying: is_set(3),
            parents_turn: is_set(4),
            records: is_set(5),
            tasks: is_set(6),
        };
        let ancestry = if is_set(7) { self.word()? } else { 0 };
        let identity = self.word()?;
        let session = if is_set(8) { self.word()? } else { identity };
        let parents = self.list(Decoder::word)?;
        let created = self.signed()?;
        let history_start = if is_set(9) { Some(self.number()?) } else { None };
        let total = if is_set(10) { Some(self.tokens()?) } else { None };
        let step = if is_set(11) { self.tokens()? } else { Tokens::default() };
        let (responses, turns) = (self.last()?, self.last()?);
        let time = self.signed()?.wrapping_add(created);
        let copied = self.signed()?.wrapping_add(created);
        let doubtful = self.list(|reader| Some(reader.signed()?.wrapping_add(created)))?;
        let thread = Thread {
            identity,
            session,
            parents,
            created,
            history_start,
            flags,
            total,
            step,
            responses,
            turns,
            time,
            copied,
            doubtful,
        };
        let mut quarter = 0_u32;
        let buckets = self.list(|reader| {
            quarter = quarter.wrapping_add(u32::try_from(reader.number()?).ok()?);
            let turns = u32::try_from(reader.number()?).ok()?;
            Some(Bucket { quarter, turns, tokens: reader.tokens()? })
        })?;
        let (buckets, compressed) = (Buckets(buckets), is_set(0));
        Some(FileEntry {
            state,
            compressed,
            offset,
            check,
            generation,
            missing,
            ancestry,
            thread,
            buckets,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_are_read_as_they_were_written(
            numbers in proptest::collection::vec((any::<u64>(), 0_u32..64), 0..40),
            behind in proptest::collection::vec(any::<u8>(), 0..10),
        ) {
            let numbers: Vec<u64> = numbers.into_iter().map(|(number, shift)| number >> shift).collect();
            let mut writer = Writer(Vec::new());
            numbers.iter().for_each(|number| writer.number(*number));
            writer.0.extend(&behind);
            let mut reader = Decoder(&writer.0);
            for number in numbers {
                prop_assert_eq!(reader.number(), Some(number));
            }
            prop_assert_eq!(reader.0, &behind[..]);
        }

        #[test]
        fn whatever_the_bytes_both_ways_of_reading_agree(bytes in proptest::collection::vec(any::<u8>(), 0..20)) {
            let (mut one, mut other) = (Decoder(&bytes), Decoder(&bytes));
            prop_assert_eq!(one.number(), other.number_by_bytes());
        }
    }
}
