//! The state of reading one session file. The meaning of the next line depends on it, and the store
//! keeps it between runs.

use super::record::Tokens;
use serde::{Deserialize, Serialize};

/// How many of the last responses and turns are remembered, to recognise repeated ones. Codex
/// writes its last lines again after a failed write.
const REMEMBERED_RESPONSES: usize = 16;
const REMEMBERED_TURNS: usize = 4;

/// The last few of many identifiers, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Last<const MOST: usize>(Vec<u64>);

impl<const MOST: usize> Last<MOST> {
    pub fn as_slice(&self) -> &[u64] {
        &self.0
    }

    /// Adds an identifier; `false` if it is already there.
    pub fn remember(&mut self, id: u64) -> bool {
        if self.as_slice().contains(&id) {
            return false;
        }
        if self.0.len() == MOST {
            self.0.remove(0);
        }
        self.0.push(id);
        true
    }
}

/// The state of reading one session file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thread {
    /// The hash of the thread's id. Until the first `session_meta`, that of the id in the file's
    /// name.
    pub identity: u64,
    /// The hash of the session that the thread is part of.
    pub session: u64,
    /// The hash of when and where the file began, according to its first `session_meta`; 0 before
    /// that line. Two files with the same value are copies of each other. The segments of one
    /// thread have different values.
    pub origin: u64,
    pub parents: Vec<u64>,
    /// Unix milliseconds; 0 if unknown.
    pub created: i64,
    pub history_start: Option<u64>,
    pub flags: Flags,
    /// The last running total.
    pub total: Option<Tokens>,
    /// The last increase of it that was counted.
    pub step: Tokens,
    pub responses: Last<REMEMBERED_RESPONSES>,
    pub turns: Last<REMEMBERED_TURNS>,
    /// The time of the last line that had one, in unix milliseconds; 0 if none had.
    pub time: i64,
    /// The same for the last copied line.
    pub copied: i64,
    /// The times of turns that may be copies. It is not decided yet.
    pub doubtful: Vec<i64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flags {
    /// A `session_meta` was read.
    pub met: bool,
    pub subagent: bool,
    /// The history before the first line is in another file.
    pub by_reference: bool,
    /// The next lines may still be copies of the parent's.
    pub copying: bool,
    /// The turn of the last line is the parent's.
    pub parents_turn: bool,
    /// There was a `token_usage_record`, so the running total is no longer counted.
    pub records: bool,
    /// There was a `task_started`, so messages are no longer counted as turns.
    pub tasks: bool,
}

impl Thread {
    /// The state before the first line, when only the file's name is known.
    pub fn named(identity: u64) -> Thread {
        Thread { identity, session: identity, ..Thread::default() }
    }
}
