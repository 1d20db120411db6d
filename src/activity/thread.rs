//! The state of a session file's reading: what the meaning of its next line depends on, and what
//! the store keeps of it.

use super::record::Tokens;
use serde::{Deserialize, Serialize};

/// How many responses, and turns, a file's state remembers to tell repeated ones: Codex writes its
/// last lines again after a failed write.
const REMEMBERED_RESPONSES: usize = 16;
const REMEMBERED_TURNS: usize = 4;

/// The last few of many identifiers, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Last<const MOST: usize>(Vec<u64>);

impl<const MOST: usize> Last<MOST> {
    pub fn as_slice(&self) -> &[u64] {
        &self.0
    }

    /// Adds one; `false` if it is among them.
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

/// How far the reading of a file has come: everything that the next line's meaning depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thread {
    /// The hash of its id; until the first `session_meta`, of the id in the file's name.
    pub identity: u64,
    /// The hash of the session that it is part of.
    pub session: u64,
    /// The hash of what its first `session_meta` says of when and where the file began; 0 before
    /// it. Two files with the same one are copies of each other: segments of a thread differ in it.
    pub origin: u64,
    pub parents: Vec<u64>,
    /// Unix milliseconds; 0 if unknown.
    pub created: i64,
    pub history_start: Option<u64>,
    pub flags: Flags,
    /// The last running total.
    pub total: Option<Tokens>,
    /// The last counted step of it.
    pub step: Tokens,
    pub responses: Last<REMEMBERED_RESPONSES>,
    pub turns: Last<REMEMBERED_TURNS>,
    /// Unix milliseconds of the last line that had a time; 0 if none.
    pub time: i64,
    /// The same for the last copied line.
    pub copied: i64,
    /// Times of turns of which it is open whether they are copied.
    pub doubtful: Vec<i64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flags {
    /// A `session_meta` has been read.
    pub met: bool,
    pub subagent: bool,
    /// Lines may still be the parent's.
    pub copying: bool,
    /// The turn that the last line belongs to is the parent's.
    pub parents_turn: bool,
    /// There are `token_usage_record`s: the running total is not counted any more.
    pub records: bool,
    /// There are `task_started`s: messages are not counted any more.
    pub tasks: bool,
}

impl Thread {
    /// A thread of which only its file's name is known.
    pub fn named(identity: u64) -> Thread {
        Thread { identity, session: identity, ..Thread::default() }
    }
}
