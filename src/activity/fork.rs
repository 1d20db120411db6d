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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::record::{Identity, Tokens};

    /// When the fork was made, in unix milliseconds.
    const MADE: i64 = 1_795_168_800_500;
    const FORK: u64 = 1;
    const PARENT: u64 = 2;
    const EARLIER: i64 = MADE - 60_000;
    const LATER: i64 = MADE + 60_000;

    /// Other files that have one answer to everything, and the questions that they were asked.
    struct Files(Known, Vec<i64>);

    impl Ancestors for Files {
        fn know(&mut self, threads: &[u64], _: u64, until: i64) -> Known {
            assert_eq!(threads, [PARENT]);
            self.1.push(until);
            self.0
        }
    }

    fn fork() -> Thread {
        Thread {
            parents: vec![PARENT],
            created: MADE,
            time: MADE,
            copied: MADE,
            ..Thread::named(1)
        }
    }

    fn line(record: Record) -> Line {
        Line { time: Some(LATER), ordinal: None, record }
    }

    fn turn(made: Option<i64>) -> Option<Identity> {
        Some(Identity { hash: 7, made })
    }

    fn started(made: Option<i64>, started: Option<i64>) -> Line {
        line(Record::TaskStarted { turn: turn(made), started })
    }

    fn used(thread: Option<u64>) -> Line {
        let tokens = Tokens::default();
        line(Record::TokenUsage { response: Some(5), thread, turn: None, tokens })
    }

    fn count(total: u64) -> Line {
        let tokens = |total| Some(Tokens { total, ..Tokens::default() });
        line(Record::TokenCount { total: tokens(total), last: None })
    }

    /// Who wrote the line: (o)wn, (p)arent's or (u)nclear; and how often the files were asked.
    fn whose(thread: &mut Thread, line: &Line, known: Known) -> (char, usize) {
        let mut files = Files(known, Vec::new());
        let origin = match thread.whose(line, &mut files) {
            LineOrigin::Own => 'o',
            LineOrigin::Parents => 'p',
            LineOrigin::Unclear => 'u',
        };
        (origin, files.1.len())
    }

    #[test]
    fn rule_1_a_line_older_than_the_thread_is_the_parents() {
        let at = |time: i64| Line { time: Some(time), ..used(Some(FORK)) };
        assert_eq!(whose(&mut fork(), &at(MADE - 1), Known::No), ('p', 0));
        assert_eq!(whose(&mut fork(), &at(MADE), Known::No), ('o', 0));
        // Where it is not known when the thread was made, no line is older.
        let mut undated = Thread { created: 0, ..fork() };
        assert_eq!(whose(&mut undated, &at(-5), Known::Yes), ('o', 0));
    }

    #[test]
    fn rule_2_ordinals_tell_where_the_history_ends() {
        let mut thread = Thread { history_start: Some(12), ..fork() };
        let numbered = |ordinal| Line { ordinal: Some(ordinal), ..used(Some(PARENT)) };
        assert_eq!(whose(&mut thread, &numbered(11), Known::No), ('p', 0));
        // Before what the line says of its thread.
        assert_eq!(whose(&mut thread, &numbered(12), Known::Yes), ('o', 0));
        assert_eq!(whose(&mut thread, &used(Some(PARENT)), Known::No), ('p', 0));
    }

    #[test]
    fn rule_3_a_response_names_its_thread() {
        assert_eq!(whose(&mut fork(), &used(Some(FORK)), Known::Yes), ('o', 0));
        assert_eq!(whose(&mut fork(), &used(Some(PARENT)), Known::No), ('p', 0));
        assert_eq!(whose(&mut fork(), &used(None), Known::Yes), ('p', 1));
        // One that does not may still name its turn.
        let mut of_turn = used(None);
        if let Record::TokenUsage { turn: named, .. } = &mut of_turn.record {
            *named = turn(Some(EARLIER));
        }
        assert_eq!(whose(&mut fork(), &of_turn, Known::No), ('p', 0));
    }

    #[test]
    fn rule_4_a_turn_is_as_old_as_its_identifier_or_its_start_says() {
        for (line, expected) in [
            (started(Some(EARLIER), None), 'p'),
            (started(Some(MADE - 1), Some(LATER)), 'p'),
            (started(Some(MADE), Some(EARLIER)), 'o'),
            (started(None, Some(EARLIER)), 'p'),
            (started(None, Some(LATER)), 'o'),
            (line(Record::TurnContext { turn: turn(Some(EARLIER)) }), 'p'),
            (line(Record::TaskComplete { turn: turn(Some(LATER)) }), 'o'),
        ] {
            let known = if expected == 'p' { Known::No } else { Known::Yes };
            assert_eq!(whose(&mut fork(), &line, known), (expected, 0), "{line:?}");
        }
        // Within the second of the fork, whole seconds tell nothing.
        for start in [MADE - 500, MADE + 499] {
            assert_eq!(whose(&mut fork(), &started(None, Some(start)), Known::Yes), ('p', 1));
        }
        for start in [MADE - 501, MADE + 500] {
            let expected = if start < MADE { 'p' } else { 'o' };
            let line = started(None, Some(start));
            assert_eq!(whose(&mut fork(), &line, Known::NoFile), (expected, 0), "{start}");
        }
        let mut undated = Thread { created: 0, ..fork() };
        assert_eq!(whose(&mut undated, &started(Some(EARLIER), None), Known::No), ('o', 1));
    }

    #[test]
    fn rule_4_what_follows_a_turn_is_whose_the_turn_is() {
        let mut thread = fork();
        whose(&mut thread, &started(Some(EARLIER), None), Known::No);
        assert_eq!(whose(&mut thread, &count(5), Known::No), ('p', 0));
        assert_eq!(whose(&mut thread, &line(Record::UserMessage), Known::No), ('p', 0));
        // A turn whose age is not known is looked up.
        assert_eq!(whose(&mut thread, &started(None, None), Known::No), ('o', 1));
        whose(&mut thread, &started(Some(LATER), None), Known::No);
        assert_eq!(whose(&mut thread, &count(5), Known::Yes), ('p', 1));
    }

    #[test]
    fn rule_5_the_files_are_asked_for_what_is_from_before_the_fork() {
        for (known, expected) in [(Known::Yes, 'p'), (Known::No, 'o')] {
            assert_eq!(whose(&mut fork(), &count(5), known), (expected, 1));
        }
        let asked = |mut thread: Thread| {
            let mut files = Files(Known::No, Vec::new());
            thread.whose(&count(5), &mut files);
            files.1
        };
        assert_eq!(asked(fork()), [MADE]);
        assert_eq!(asked(Thread { created: 0, ..fork() }), [i64::MAX]);
        // What proves nothing is not looked up: no key, the total of before, a turn's context.
        let same = Thread { total: Some(Tokens { total: 5, ..Tokens::default() }), ..fork() };
        assert_eq!(whose(&mut same.clone(), &count(5), Known::Yes), ('u', 0));
        assert_eq!(whose(&mut same.clone(), &count(6), Known::Yes), ('p', 1));
        let context = line(Record::TurnContext { turn: turn(None) });
        assert_eq!(whose(&mut fork(), &context, Known::Yes), ('u', 0));
        assert_eq!(whose(&mut fork(), &line(Record::UserMessage), Known::Yes), ('u', 0));
        // A number that the fork has used already is a new turn's.
        let mut again = fork();
        again.turns.remember(7);
        assert_eq!(whose(&mut again, &started(None, None), Known::Yes), ('u', 1));
        assert_eq!(whose(&mut again, &used(None), Known::Yes), ('p', 1));
    }

    #[test]
    fn rule_6_without_the_file_a_pause_ends_the_copy() {
        let paused = |pause: i64| Thread { copied: MADE, time: MADE + pause, ..fork() };
        assert_eq!(whose(&mut paused(COPY_PAUSE), &count(5), Known::NoFile), ('p', 1));
        assert_eq!(whose(&mut paused(COPY_PAUSE + 1), &count(5), Known::NoFile), ('o', 1));
    }
}
