//! Adds up the counts of one session file, line by line. Reads no files.
//!
//! # What is counted
//! * **Tokens**: each `token_usage_record` once, by its `response_id`. Codex before 0.15x writes
//!   none, so in such files (or in their older part) the increases of the running total in
//!   `token_count` are counted instead. When an old Codex resumes a session, the total starts
//!   again. It then equals `last_token_usage`, and all of it is new. Any other decrease only sets a
//!   new starting point: Codex sets the total to the size of the context window when that
//!   overflows. A failed turn repeats the total and adds nothing.
//! * **Turns**: each `task_started` once, by its `turn_id`, also if the turn failed. Older files
//!   have none, and there each `user_message` is a turn. The turns of a subagent are not counted,
//!   because they belong to the turn that started it.
//!
//! [`super::fork`] decides which lines repeat those of another file.

use super::buckets::Buckets;
use super::fork::{Ancestors, LineOrigin};
use super::prefilter::RecordKind;
use super::record::{Line, Meta, Record, Tokens};
use super::thread::{Flags, Thread};
use crate::model::hash::extend;

/// The most turns in a row that can wait for a decision whose they are. Real files do not come near
/// this.
const MOST_DOUBTFUL: usize = 1000;

/// The most threads whose history one file may repeat.
const MOST_PARENTS: usize = 8;

impl Thread {
    /// Whether a line of this kind can still change the counts. Others are not parsed.
    pub fn wants(&self, kind: RecordKind) -> bool {
        match kind {
            RecordKind::Other => false,
            RecordKind::TurnContext => self.flags.copying,
            RecordKind::TokenCount => self.flags.copying || !self.flags.records,
            RecordKind::UserMessage => !self.flags.tasks,
            RecordKind::Unsure
            | RecordKind::Meta
            | RecordKind::TokenUsage
            | RecordKind::TaskStarted
            | RecordKind::TaskComplete => true,
        }
    }

    pub fn apply(&mut self, line: &Line, buckets: &mut Buckets, ancestors: &mut dyn Ancestors) {
        if let Record::Meta(meta) = &line.record {
            self.meet(meta, line, buckets.0.is_empty());
            return;
        }
        self.time = line.time.unwrap_or(if self.time == 0 { self.created } else { self.time });
        if self.flags.copying {
            match self.whose(line, ancestors) {
                LineOrigin::Parents => return self.pass_by(line),
                LineOrigin::Unclear => return self.doubt(line),
                LineOrigin::Own => {
                    self.flags.copying = false;
                    for time in std::mem::take(&mut self.doubtful) {
                        self.count_turn(time, buckets);
                    }
                }
            }
        }
        self.count(line, buckets);
    }

    fn meet(&mut self, meta: &Meta, line: &Line, nothing_counted: bool) {
        let time = line.time;
        let identity = meta.thread.map_or(self.identity, |thread| thread.hash);
        if !self.flags.met {
            self.flags = Flags {
                met: true,
                subagent: meta.subagent,
                by_reference: meta.by_reference,
                copying: !meta.parents.is_empty() && !meta.by_reference,
                // The earlier history is in another file, and so is the last running total.
                records: self.flags.records || meta.by_reference && meta.has_records,
                ..self.flags
            };
            self.identity = identity;
            let numbers = [time.unwrap_or(0) as u64, line.ordinal.unwrap_or(0)];
            let begun = |sum, number: u64| extend(sum, &number.to_le_bytes());
            self.origin = numbers.into_iter().fold(identity, begun) | 1;
            self.parents.clone_from(&meta.parents);
            let root = meta.parents.first().filter(|_| meta.subagent).copied();
            self.session = meta.session.or(root).unwrap_or(identity);
            self.created = meta.created.or(time).unwrap_or(0);
            self.history_start = meta.history_start;
            self.copied = time.unwrap_or(self.created);
        } else if identity != self.identity && (self.flags.copying || nothing_counted) {
            // A second `session_meta` names another thread: copies of that thread's lines follow.
            self.flags.copying = true;
            if !self.parents.contains(&identity) && self.parents.len() < MOST_PARENTS {
                self.parents.push(identity);
            }
        }
    }

    /// Handles a line of the parent. Only what is needed to count the fork's own lines is kept.
    fn pass_by(&mut self, line: &Line) {
        self.copied = self.time;
        self.doubtful.clear();
        match &line.record {
            Record::TokenCount { total: Some(total), .. } => self.total = Some(*total),
            Record::TaskStarted { turn, .. } => {
                self.flags.tasks = true;
                self.is_new_turn(turn.map(|turn| turn.hash));
            }
            _ => {}
        }
    }

    fn doubt(&mut self, line: &Line) {
        let is_turn = match &line.record {
            Record::TaskStarted { turn, .. } => {
                self.flags.tasks = true;
                self.is_new_turn(turn.map(|turn| turn.hash));
                true
            }
            Record::UserMessage => !self.flags.tasks,
            _ => false,
        };
        if is_turn && self.doubtful.len() < MOST_DOUBTFUL {
            self.doubtful.push(self.time);
        }
    }

    fn count(&mut self, line: &Line, buckets: &mut Buckets) {
        match &line.record {
            Record::TokenUsage { response, tokens, .. } => {
                // A file can change from running totals to records. The first record may be of a
                // response that the running total has already counted.
                let counted =
                    !std::mem::replace(&mut self.flags.records, true) && self.step == *tokens;
                let new = response.is_none_or(|id| self.responses.remember(id));
                if new && !counted {
                    self.count_tokens(tokens, buckets);
                }
            }
            Record::TokenCount { total, last } => {
                let step = self.step(*total, *last);
                if !self.flags.records && !step.is_zero() {
                    self.step = step;
                    self.count_tokens(&step, buckets);
                }
            }
            Record::TaskStarted { turn, .. } => {
                self.flags.tasks = true;
                if self.is_new_turn(turn.map(|turn| turn.hash)) {
                    self.count_turn(self.time, buckets);
                }
            }
            Record::TaskComplete { turn: Some(turn) } => {
                if self.is_new_turn(Some(turn.hash)) {
                    self.count_turn(self.time, buckets);
                }
            }
            Record::UserMessage if !self.flags.tasks => self.count_turn(self.time, buckets),
            Record::UserMessage
            | Record::TaskComplete { turn: None }
            | Record::TurnContext { .. }
            | Record::Meta(_) => {}
        }
    }

    fn count_tokens(&self, tokens: &Tokens, buckets: &mut Buckets) {
        if !tokens.is_zero()
            && let Some(bucket) = buckets.at(self.time)
        {
            bucket.tokens.add(tokens);
        }
    }

    fn count_turn(&self, time: i64, buckets: &mut Buckets) {
        if !self.flags.subagent
            && let Some(bucket) = buckets.at(time)
        {
            bucket.turns = bucket.turns.saturating_add(1);
        }
    }

    /// The tokens used between the last running total and this one.
    fn step(&mut self, total: Option<Tokens>, last: Option<Tokens>) -> Tokens {
        let Some(total) = total else { return last.unwrap_or_default() };
        let step = match self.total.replace(total) {
            // The total goes on from the parent's, or from that of the segment before.
            None if self.flags.by_reference || !self.parents.is_empty() => last.unwrap_or(total),
            None => total,
            Some(before) if before == total => Tokens::default(),
            // The total started again, and may by now be larger than the one before.
            Some(_) if last == Some(total) => total,
            Some(before) => total.since(&before).unwrap_or_default(),
        };
        // A total that changes without input or output is a correction, and not a response.
        if step.input == 0 && step.output == 0 { Tokens::default() } else { step }
    }

    fn is_new_turn(&mut self, turn: Option<u64>) -> bool {
        turn.is_none_or(|turn| self.turns.remember(turn))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::fork::Known;
    use crate::activity::record::parse;
    use crate::model::hash::hash;
    use proptest::prelude::*;

    /// The lines of the parent's file; `None` if the file is missing.
    struct Parent<'a>(Option<&'a [String]>);

    impl Ancestors for Parent<'_> {
        fn know(&mut self, threads: &[u64], key: u64, until: i64) -> Known {
            assert!(threads.contains(&hash(b"parent")));
            let Some(lines) = self.0 else { return Known::NoFile };
            let known = lines.iter().filter_map(|line| parse(line.as_bytes()));
            let mut known = known.filter(|line| line.time.is_some_and(|time| time <= until));
            if known.any(|line| line.record.key() == Some(key)) { Known::Yes } else { Known::No }
        }
    }

    /// The number of turns, and all tokens.
    fn tally(lines: &[String], parent: Option<&[String]>) -> (u32, u64) {
        let (mut thread, mut buckets) = (Thread::named(1), Buckets::default());
        for line in lines {
            thread.apply(&parse(line.as_bytes()).expect(line), &mut buckets, &mut Parent(parent));
        }
        assert!(buckets.0.is_sorted_by_key(|bucket| bucket.quarter));
        buckets.0.iter().fold((0, 0), |(turns, tokens), bucket| {
            (turns + bucket.turns, tokens + bucket.tokens.total)
        })
    }

    /// A line written `seconds` after ten o'clock.
    fn line(seconds: f64, kind: &str, payload: &str) -> String {
        let time = jiff::Timestamp::from_millisecond(1_795_168_800_000 + (seconds * 1000.0) as i64)
            .unwrap();
        format!(r#"{{"timestamp":"{time}","type":"{kind}","payload":{{{payload}}}}}"#)
    }

    fn meta(seconds: f64, id: &str, more: &str) -> String {
        line(seconds, "session_meta", &format!(r#""id":"{id}"{more}"#))
    }

    fn fork(seconds: f64) -> String {
        meta(seconds, "fork", r#","forked_from_id":"parent""#)
    }

    fn count(seconds: f64, total: u64, last: Option<u64>) -> String {
        let usage = |tokens: u64| format!(r#"{{"input_tokens":{tokens},"total_tokens":{tokens}}}"#);
        let last = last.map_or("null".to_string(), usage);
        let total = usage(total);
        let info = format!(r#"{{"total_token_usage":{total},"last_token_usage":{last}}}"#);
        line(seconds, "event_msg", &format!(r#""type":"token_count","info":{info}"#))
    }

    fn record(seconds: f64, response: &str, tokens: u64) -> String {
        let usage = format!(r#"{{"input_tokens":{tokens}}}"#);
        line(
            seconds,
            "token_usage_record",
            &format!(r#""response_id":"{response}","usage":{usage}"#),
        )
    }

    fn event(seconds: f64, kind: &str, turn: &str) -> String {
        line(seconds, "event_msg", &format!(r#""type":"{kind}","turn_id":"{turn}""#))
    }

    fn message(seconds: f64) -> String {
        line(seconds, "event_msg", r#""type":"user_message","message":"x""#)
    }

    #[test]
    fn a_running_total_counts_by_its_positive_steps() {
        for (what, totals, sum) in [
            ("steps", vec![(100, None), (250, None), (300, None)], 300),
            ("a repetition", vec![(100, Some(100)), (100, Some(100)), (150, Some(50))], 150),
            ("a fall", vec![(100, None), (80, None), (90, None)], 110),
            ("begun anew", vec![(100, Some(60)), (30, Some(30)), (50, Some(20))], 150),
            ("begun anew with more", vec![(100, Some(100)), (130, Some(130))], 230),
            ("in the middle", vec![(500, Some(20)), (510, Some(10))], 510),
        ] {
            let lines: Vec<String> = (1..)
                .zip(totals)
                .map(|(at, (total, last))| count(f64::from(at), total, last))
                .collect();
            assert_eq!(tally(&lines, None), (0, sum), "{what}");
        }
    }

    #[test]
    fn a_total_that_is_set_to_the_context_window_is_no_use() {
        let full = line(
            2.0,
            "event_msg",
            concat!(
                r#""type":"token_count","info":{"total_token_usage":{"total_tokens":258400},"#,
                r#""last_token_usage":{"total_tokens":258300}}"#,
            ),
        );
        let after = line(
            3.0,
            "event_msg",
            concat!(
                r#""type":"token_count","#,
                r#""info":{"total_token_usage":{"input_tokens":7,"total_tokens":258407}}"#,
            ),
        );
        assert_eq!(tally(&[count(1.0, 100, Some(100)), full, after], None), (0, 107));
    }

    #[test]
    fn responses_count_once_and_the_total_not_beside_them() {
        let lines = [
            record(1.0, "a", 100),
            count(1.0, 100, Some(100)),
            record(2.0, "b", 40),
            record(2.0, "b", 40),
            count(2.0, 140, Some(40)),
            record(3.0, "a", 100),
        ];
        assert_eq!(tally(&lines, None), (0, 140));
    }

    #[test]
    fn a_session_that_a_newer_version_goes_on_with_changes_over() {
        let before = [count(1.0, 100, Some(100)), count(2.0, 150, Some(50))];
        let after = [
            record(3.0, "a", 30),
            count(3.0, 180, Some(30)),
            record(4.0, "b", 7),
            count(4.0, 187, Some(7)),
        ];
        assert_eq!(tally(&[&before[..], &after[..]].concat(), None), (0, 187));
        // The order of the first response's two lines does not matter.
        let after = [
            count(3.0, 180, Some(30)),
            record(3.0, "a", 30),
            count(4.0, 187, Some(7)),
            record(4.0, "b", 7),
        ];
        assert_eq!(tally(&[&before[..], &after[..]].concat(), None), (0, 187));
    }

    #[test]
    fn turns_count_by_their_start_else_their_end_else_by_messages() {
        for (what, lines, turns) in [
            ("messages", vec![message(1.0), message(2.0)], 2),
            (
                "starts",
                vec![
                    event(1.0, "task_started", "1"),
                    message(1.0),
                    event(2.0, "task_complete", "1"),
                ],
                1,
            ),
            (
                "a start twice",
                vec![event(1.0, "task_started", "1"), event(1.0, "task_started", "1")],
                1,
            ),
            (
                "an end without a start",
                vec![event(1.0, "task_started", "1"), event(2.0, "task_complete", "2")],
                2,
            ),
            ("changing over", vec![message(1.0), event(2.0, "task_started", "1"), message(2.0)], 2),
            ("the other name", vec![event(1.0, "turn_started", "1")], 1),
        ] {
            assert_eq!(tally(&lines, None), (turns, 0), "{what}");
        }
    }

    #[test]
    fn a_subagents_tokens_count_and_its_turns_do_not() {
        let lines = [
            meta(1.0, "child", r#","source":{"subagent":"review"}"#),
            event(1.0, "task_started", "1"),
            record(1.0, "a", 5),
        ];
        assert_eq!(tally(&lines, None), (0, 5));
    }

    /// A parent with two turns. `at` gives the times of its lines.
    fn history(at: impl Fn(f64) -> f64) -> Vec<String> {
        vec![
            meta(at(0.0), "parent", ""),
            message(at(1.0)),
            count(at(2.0), 100, Some(100)),
            message(at(60.0)),
            count(at(60.5), 100, Some(100)),
            count(at(61.0), 250, Some(150)),
        ]
    }

    fn parent() -> Vec<String> {
        history(|time| time)
    }

    /// The same lines, copied at the given time.
    fn copy(at: f64) -> Vec<String> {
        history(|_| at)
    }

    /// A turn of the fork's own, with ten tokens. It starts with the total of the turn before.
    fn own(at: f64) -> Vec<String> {
        vec![message(at), count(at + 0.1, 250, Some(150)), count(at + 2.0, 260, Some(10))]
    }

    #[test]
    fn copies_are_told_by_the_parents_file() {
        let parent = parent();
        for own_at in [100.1, 500.0] {
            let child = [vec![fork(100.0)], copy(100.0), own(own_at)].concat();
            assert_eq!(tally(&child, Some(&parent)), (1, 10));
            // What the parent did after the fork is not in the fork.
            let later = [parent.clone(), vec![count(200.0, 260, Some(10))]].concat();
            assert_eq!(tally(&child, Some(&later)), (1, 10));
        }
    }

    #[test]
    fn copies_of_a_missing_file_are_told_by_the_pause_after_them() {
        let child = [vec![fork(100.0)], copy(100.0), own(105.0)].concat();
        assert_eq!(tally(&child, None), (1, 10));
    }

    #[test]
    fn copies_that_keep_their_time_are_older_than_the_fork() {
        assert_eq!(tally(&[vec![fork(100.0)], parent(), own(100.0)].concat(), None), (1, 10));
    }

    #[test]
    fn a_copy_without_a_mark_is_known_by_the_other_threads_beginning() {
        let child = [vec![meta(100.0, "fork", "")], copy(100.0), own(105.0)].concat();
        assert_eq!(tally(&child, None), (1, 10));
        // In the middle of a file, this means nothing.
        let lines =
            [vec![meta(0.0, "a", ""), record(1.0, "r", 5), meta(2.0, "b", "")], own(3.0)].concat();
        assert_eq!(tally(&lines, None), (1, 5));
    }

    #[test]
    fn a_fork_by_reference_begins_with_its_own_lines() {
        let base = r#","forked_from_id":"parent","history_base":{"thread_id":"parent"}"#;
        let lines = [
            meta(100.0, "fork", base),
            message(100.1),
            count(102.0, 1010, Some(10)),
            count(103.0, 1030, Some(20)),
        ];
        assert_eq!(tally(&lines, None), (1, 30));
        // So does the segment that a revert begins, which is of the same thread.
        let segment = meta(100.0, "parent", r#","history_base":{"thread_id":"parent"}"#);
        assert_eq!(tally(&[&[segment], &lines[1..]].concat(), None), (1, 30));
    }

    #[test]
    fn numbered_turns_that_begin_anew_are_the_forks() {
        let started = |at, turn| event(at, "task_started", turn);
        let parent = [meta(0.0, "parent", ""), started(1.0, "1"), record(2.0, "a", 100)];
        let copy = [fork(50.0), started(50.0, "1"), record(50.0, "a", 100)];
        let child = [&copy[..], &[started(50.1, "1"), record(52.0, "b", 7)]].concat();
        assert_eq!(tally(&child, Some(&parent)), (1, 7));
    }

    proptest! {
        #[test]
        fn steps_without_a_fall_add_up_to_the_last_total(
            steps in proptest::collection::vec(0_u64..1000, 1..50),
        ) {
            let mut total = 0;
            let lines: Vec<String> = steps.iter().zip(1..).map(|(step, at)| {
                total += step;
                count(f64::from(at), total, Some(*step))
            }).collect();
            prop_assert_eq!(tally(&lines, None).1, total);
        }
    }
}
