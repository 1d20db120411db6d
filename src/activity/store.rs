//! What is known of each session file, kept between runs: how far it has been read, and its counts.
//!
//! The file begins with a line that names the format, then come the entries as [`postcard`] writes
//! them, then a checksum. An entry takes some 200 bytes, so 10,000 session files are read in a few
//! milliseconds. A store that cannot be read counts as empty, and the next scan makes a new one.

use super::buckets::Buckets;
use super::discover::FileState;
use super::thread::Thread;
use crate::io::files::{self, Replacement};
use crate::model::hash::{ByHash, checksum};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

/// Changed whenever the meaning of an entry changes, and whenever the rules of counting do.
const FORMAT: &[u8] = b"codexline activity 2\n";

/// A larger file is not read: it would be the store of a million session files.
const MOST_BYTES: u64 = 256 * 1024 * 1024;

/// A session file that has been read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

    /// The bytes of the file. Equal stores give equal bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_unstable_by_key(|(name, _)| **name);
        let encoded = postcard::to_extend(&entries, FORMAT.to_vec());
        // Writing to memory does not fail; a store without entries would be read again as empty.
        let mut bytes = encoded.unwrap_or_default();
        bytes.extend(checksum(&bytes).to_le_bytes());
        bytes
    }

    /// `None` for bytes that no [`Store::encode`] of this version made.
    pub fn decode(bytes: &[u8]) -> Option<Store> {
        let (content, sum) = bytes.split_last_chunk::<8>()?;
        if checksum(content) != u64::from_le_bytes(*sum) {
            return None;
        }
        let (entries, rest): (Vec<(u64, FileEntry)>, _) =
            postcard::take_from_bytes(content.strip_prefix(FORMAT)?).ok()?;
        rest.is_empty().then(|| Store { entries: entries.into_iter().collect() })
    }
}
