//! Keeps between runs what is known of each session file: how far it was read, and its counts.
//!
//! The store's file has a line that names the format, then the entries as [`postcard`] writes them,
//! then a checksum. An entry takes about 200 bytes, so the entries of 10,000 session files are read
//! in a few milliseconds. A store that cannot be read counts as empty, and the next scan makes a
//! new one.

use super::buckets::Buckets;
use super::discover::FileState;
use super::thread::Thread;
use crate::io::files::{self, Replacement};
use crate::model::hash::{ByHash, checksum};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

/// Must change whenever the meaning of an entry or the rules of counting change.
const FORMAT: &[u8] = b"codexline activity 3\n";

/// A larger file is not read. It would be the store of a million session files.
const MOST_BYTES: u64 = 256 * 1024 * 1024;

/// What is known of one session file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// The file's state when its reading began.
    pub state: FileState,
    pub compressed: bool,
    /// The number of bytes read, up to the end of a line. For a compressed file, the bytes of its
    /// content.
    pub offset: u64,
    /// The hash of the last bytes that were read, which shows whether the file was rewritten.
    pub check: u64,
    /// How many times the file was read again from its beginning.
    pub generation: u32,
    /// In how many scans in a row the file was missing. A listing can miss a file while Codex moves
    /// it.
    pub missing: u8,
    /// Changes when the files that this fork copied from change: see [`mod@super::scan`]. 0 if no
    /// other file was needed.
    pub ancestry: u64,
    pub thread: Thread,
    pub buckets: Buckets,
}

/// The entries, by [`super::discover::SessionFile::name`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Store {
    pub entries: ByHash<FileEntry>,
}

impl Store {
    /// Loads the store at `place`. It is empty if the file is missing or cannot be read.
    pub fn load(place: &Path) -> Store {
        let bytes = files::read_bounded(place, MOST_BYTES).unwrap_or_default();
        Store::decode(&bytes).unwrap_or_default()
    }

    /// Replaces the store at `place`. The caller must hold the lock, so that there is only one
    /// writer.
    ///
    /// # Errors
    /// Those of [`Replacement`].
    pub fn save(&self, place: &Path) -> io::Result<()> {
        Replacement::prepare(place, 0)?.commit(&self.encode())
    }

    /// The bytes of the file. Equal stores give equal bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_unstable_by_key(|(name, _)| **name);
        let encoded = postcard::to_extend(&entries, FORMAT.to_vec());
        // Writing to memory does not fail. If it did, the result would be read as an empty store.
        let mut bytes = encoded.unwrap_or_default();
        bytes.extend(checksum(&bytes).to_le_bytes());
        bytes
    }

    /// Decodes a store; `None` if the bytes are not from [`Store::encode`] of this version.
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
