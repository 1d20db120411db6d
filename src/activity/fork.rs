//! Decides which lines in the file of a fork are copies from its parent. What other files hold is
//! asked of [`Ancestors`], so nothing here reads a file.
//!
//! A fork starts with the history of its parent. It may only refer to it (`history_base`), and then
//! no line is repeated. Or it starts with copies of the lines. They carry the time of the fork or,
//! in older versions, their own time. Copies come first and without a gap, so the first line that
//! is certainly the fork's own ends them.
//!
//! These rules are tried in order. The first that has an answer decides.
//! 1. The line is older than the thread: it is the parent's.
//! 2. `subagent_history_start_ordinal` is known: lines with a lower ordinal are the parent's.
//! 3. A `token_usage_record` names its thread in `thread_id`.
//! 4. The turn's age is known, from its identifier (a UUID with a time in it) or from `started_at`.
//!    If the turn is older than the thread, it is the parent's, and so are the lines up to the next
//!    turn. If it is younger, it is the fork's own.
//! 5. The parent's file, or a file that the parent copied from, has the same response, running
//!    total or turn from before the fork: the line is the parent's. If none of them has it, the
//!    line is the fork's own.
//! 6. One of these files is missing. A copy is written without a pause, so a line within a second
//!    of the line before is the parent's. A later line is the fork's own.

use super::record::{Line, Record};
use super::thread::Thread;

/// If the original is missing, a pause of this many milliseconds between two lines ends the copy. A
/// copy is written within tens of milliseconds, and a model takes seconds to answer.
const COPY_PAUSE: i64 = 1000;

/// What the other files say about a line that may be a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// One of them has that line, from before the given time.
    Yes,
    /// All of them were read, and none has the line.
    No,
    /// None has the line, but one of them is missing.
    NoFile,
}

/// Looks up lines in the files that a fork may have copied from.
pub trait Ancestors {
    /// Whether one of `threads` or of their ancestors has a line with this [`Record::key`] whose
    /// time is `until` (unix milliseconds) or earlier.
    fn know(&mut self, threads: &[u64], key: u64, until: i64) -> Known;
}

/// Who wrote a line.
pub enum LineOrigin {
    Own,
    Parents,
    Unclear,
}

impl Thread {
    /// Who wrote this line, by the rules at the top of this file.
    pub(super) fn whose(&mut self, line: &Line, ancestors: &mut dyn Ancestors) -> LineOrigin {
        let dated = self.created != 0;
        if dated && line.time.is_some_and(|time| time < self.created) {
            return LineOrigin::Parents;
        }
        if let (Some(start), Some(ordinal)) = (self.history_start, line.ordinal) {
            return if ordinal < start { LineOrigin::Parents } else { LineOrigin::Own };
        }
        if let Record::TokenUsage { thread: Some(thread), .. } = line.record {
            return if thread == self.identity { LineOrigin::Own } else { LineOrigin::Parents };
        }
        let (turn, started) = match line.record {
            Record::TaskStarted { turn, started } => (turn, started),
            Record::TurnContext { turn } | Record::TaskComplete { turn } => (turn, None),
            Record::TokenUsage { turn, .. } => (turn, None),
            _ => (None, None),
        };
        // `started_at` has whole seconds. Within the second of the fork it cannot tell before from
        // after.
        let started = started.filter(|started| started / 1000 != self.created / 1000);
        if let Some(made) = turn.and_then(|turn| turn.made).or(started).filter(|_| dated) {
            self.flags.parents_turn = made < self.created;
            return if self.flags.parents_turn { LineOrigin::Parents } else { LineOrigin::Own };
        }
        if turn.is_none() && self.flags.parents_turn {
            return LineOrigin::Parents;
        }
        match line.record {
            // A repeated total proves nothing, because a turn starts with the total of the turn
            // before.
            Record::TokenCount { total, .. } if total == self.total => return LineOrigin::Unclear,
            // Not every version writes a `turn_context` for every turn, so a missing one proves
            // nothing.
            Record::TurnContext { .. } => return LineOrigin::Unclear,
            _ => {}
        }
        let Some(key) = line.record.key() else { return LineOrigin::Unclear };
        // Some versions number their turns, and a fork starts again at 1. The second turn with the
        // same number is a new turn.
        let repeated_number = matches!(line.record, Record::TaskStarted { .. })
            && turn.is_some_and(|turn| self.turns.as_slice().contains(&turn.hash));
        match ancestors.know(&self.parents, key, if dated { self.created } else { i64::MAX }) {
            Known::Yes if repeated_number => LineOrigin::Unclear,
            Known::Yes => LineOrigin::Parents,
            Known::No => LineOrigin::Own,
            Known::NoFile if self.time.saturating_sub(self.copied) <= COPY_PAUSE => {
                LineOrigin::Parents
            }
            Known::NoFile => LineOrigin::Own,
        }
    }
}
