//! LineOrigin a line is, in the file of a fork. Pure: what other files hold is asked of
//! [`Ancestors`].
//!
//! A fork begins with its parent's history: by reference (`history_base`: nothing is repeated), or
//! as a copy in which every line carries the time of the fork, or (older) its own time. Copied
//! lines come first, in one piece; the first line that is surely the fork's own ends them. For each
//! line, the first of these that has an answer decides:
//! 1. it is older than the thread → the parent's;
//! 2. `subagent_history_start_ordinal` is known: lines with a lower ordinal are the parent's;
//! 3. `thread_id` of a `token_usage_record` names its thread;
//! 4. a turn's identifier (a UUID that holds its time, else `started_at`) is older than the thread
//!    → the parent's, and so is what follows up to the next turn; younger → own;
//! 5. the parent's file (or that of a thread that it repeats itself), as far as it is older than
//!    the fork, has the same response, running total or turn → the parent's; none has → own;
//! 6. one of these files is not there: within a second of the line before → the parent's (a copy is
//!    written in one go), after a pause → own.

use super::record::{Line, Record};
use super::thread::Thread;

/// Pause between two lines that ends a copy whose original is not there, in milliseconds. Copies
/// are written within tens of milliseconds; a model takes seconds.
const COPY_PAUSE: i64 = 1000;

/// What another file says about a line that may be copied from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// It has that line, from before the given time.
    Yes,
    /// It has not.
    No,
    /// It has not, as far as it is there.
    NoFile,
}

/// The histories that a fork may repeat.
pub trait Ancestors {
    /// Whether one of `threads`, or one of theirs, has a line with this [`Record::key`] that is not
    /// younger than `until` (unix milliseconds).
    fn know(&mut self, threads: &[u64], key: u64, until: i64) -> Known;
}

/// Who wrote a line.
pub enum LineOrigin {
    Own,
    Parents,
    Unclear,
}

impl Thread {
    /// LineOrigin line it is: see the module's rules.
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
        // `started_at` has whole seconds: within the second of the fork it says nothing.
        let started = started.filter(|started| started / 1000 != self.created / 1000);
        if let Some(made) = turn.and_then(|turn| turn.made).or(started).filter(|_| dated) {
            self.flags.parents_turn = made < self.created;
            return if self.flags.parents_turn { LineOrigin::Parents } else { LineOrigin::Own };
        }
        if turn.is_none() && self.flags.parents_turn {
            return LineOrigin::Parents;
        }
        match line.record {
            // A repeated total is no evidence: a turn begins with the total of the one before.
            Record::TokenCount { total, .. } if total == self.total => return LineOrigin::Unclear,
            // Not every version writes every turn's start, so only its presence would tell.
            Record::TurnContext { .. } => return LineOrigin::Unclear,
            _ => {}
        }
        let Some(key) = line.record.key() else { return LineOrigin::Unclear };
        // Turns that are only numbered begin anew at 1: the same number for the second time is a
        // new turn.
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
