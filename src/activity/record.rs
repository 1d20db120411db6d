//! Parses one line of a session file, as far as it matters for the counts.
//!
//! The formats are those of Codex 0.36 to 0.169, checked by running 0.64, 0.120 and 0.169. A field
//! of an unexpected type counts as absent. A line that is not a JSON object with a `type` is
//! ignored.

use super::lenient::{count, milliseconds, read, text};
use super::prefilter::{RecordKind, kind_of};
use crate::model::hash::{extend, hash, tagged};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Tokens as Codex counts them. `input` includes `cached_input`, and `output` includes
/// `reasoning_output`. `total` is the sum of `input` and `output`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    pub input: u64,
    pub cached_input: u64,
    pub output: u64,
    pub reasoning_output: u64,
    pub total: u64,
}

impl Tokens {
    pub fn is_zero(&self) -> bool {
        *self == Tokens::default()
    }

    /// Adds `other`. Sums stop at the largest `u64`.
    pub fn add(&mut self, other: &Tokens) {
        for (ours, theirs) in self.each_mut().into_iter().zip(other.each()) {
            *ours = ours.saturating_add(theirs);
        }
    }

    /// The difference to `before`; `None` if any field except the total has decreased.
    pub fn since(&self, before: &Tokens) -> Option<Tokens> {
        Some(Tokens {
            input: self.input.checked_sub(before.input)?,
            cached_input: self.cached_input.checked_sub(before.cached_input)?,
            output: self.output.checked_sub(before.output)?,
            reasoning_output: self.reasoning_output.checked_sub(before.reasoning_output)?,
            total: self.total.saturating_sub(before.total),
        })
    }

    /// Every field, in the order of declaration.
    pub fn each(&self) -> [u64; 5] {
        [self.input, self.cached_input, self.output, self.reasoning_output, self.total]
    }

    /// Every field, in the order of declaration.
    pub fn each_mut(&mut self) -> [&mut u64; 5] {
        [
            &mut self.input,
            &mut self.cached_input,
            &mut self.output,
            &mut self.reasoning_output,
            &mut self.total,
        ]
    }

    /// The hash of the five numbers, by which a copied running total is recognised.
    fn key(&self) -> u64 {
        self.each().iter().fold(hash(b"t"), |sum, field| extend(sum, &field.to_le_bytes()))
    }
}

/// The hash of an identifier, and when the identifier was made (unix milliseconds), which a UUID of
/// version 7 tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    pub hash: u64,
    pub made: Option<i64>,
}

impl Identity {
    /// The identity of a thread or a turn.
    pub fn of(text: &str) -> Identity {
        Identity { hash: hash(text.as_bytes()), made: made(text) }
    }
}

/// A line that is counted, or that helps to tell copies from a fork's own lines.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Unix milliseconds. Lines that were copied from a parent carry the time of the fork.
    pub time: Option<i64>,
    /// The position in the thread's history. Only newer formats number their lines.
    pub ordinal: Option<u64>,
    pub record: Record,
}

/// The content of a line, by its [`RecordKind`].
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    Meta(Meta),
    TurnContext {
        turn: Option<Identity>,
    },
    TaskStarted {
        turn: Option<Identity>,
        started: Option<i64>,
    },
    TaskComplete {
        turn: Option<Identity>,
    },
    UserMessage,
    TokenCount {
        total: Option<Tokens>,
        last: Option<Tokens>,
    },
    TokenUsage {
        response: Option<u64>,
        thread: Option<u64>,
        turn: Option<Identity>,
        tokens: Tokens,
    },
}

/// Who a session file belongs to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Meta {
    pub thread: Option<Identity>,
    /// The session that the thread is part of. For a subagent this is the session that started it.
    pub session: Option<u64>,
    /// The threads whose lines may be copied into this file.
    pub parents: Vec<u64>,
    /// When the thread was made, in unix milliseconds.
    pub created: Option<i64>,
    pub subagent: bool,
    /// Lines with a lower ordinal are the parent's.
    pub history_start: Option<u64>,
    /// The file refers to earlier history and does not copy it. That history is the parent's, or
    /// that of the same thread before a `thread/revert`.
    pub by_reference: bool,
    /// Codex 0.153 or newer started the file, so each response has a `token_usage_record`.
    pub has_records: bool,
    pub account: Option<String>,
}

impl Record {
    /// The key by which a copy of this record is recognised in another file; `None` if it has none.
    pub fn key(&self) -> Option<u64> {
        match self {
            Record::TokenUsage { response, .. } => *response,
            Record::TokenCount { total, .. } => total.as_ref().map(Tokens::key),
            Record::TaskStarted { turn, .. } | Record::TurnContext { turn } => {
                turn.map(|turn| extend(hash(b"k"), &turn.hash.to_le_bytes()))
            }
            Record::Meta(_) | Record::TaskComplete { .. } | Record::UserMessage => None,
        }
    }
}

/// Parses a line; `None` if it is of no use for the counts.
pub fn parse(line: &[u8]) -> Option<Line> {
    let raw: RawLine = serde_json::from_slice(line).ok()?;
    let payload = raw.payload;
    let event = payload.kind.as_deref().unwrap_or_default();
    let record = match kind_of(raw.kind.as_deref()?.as_bytes(), Some(event.as_bytes())) {
        RecordKind::Meta => Record::Meta(payload.meta()),
        RecordKind::TurnContext => Record::TurnContext { turn: payload.turn() },
        RecordKind::TaskStarted => Record::TaskStarted {
            turn: payload.turn(),
            started: payload.started_at.map(|seconds| (seconds as i64).saturating_mul(1000)),
        },
        RecordKind::TaskComplete => Record::TaskComplete { turn: payload.turn() },
        RecordKind::UserMessage => Record::UserMessage,
        RecordKind::TokenCount => {
            let info: RawInfo = read(payload.info).unwrap_or_default();
            Record::TokenCount {
                total: tokens(info.total_token_usage),
                last: tokens(info.last_token_usage),
            }
        }
        RecordKind::TokenUsage => Record::TokenUsage {
            response: payload.response_id.as_deref().map(|id| tagged(b'r', id.as_bytes())),
            thread: payload.thread_id.as_deref().map(|id| hash(id.as_bytes())),
            turn: payload.turn(),
            tokens: tokens(payload.usage)?,
        },
        RecordKind::Other | RecordKind::Unsure => return None,
    };
    Some(Line { time: milliseconds(raw.timestamp.as_deref()), ordinal: raw.ordinal, record })
}

/// Whether this version of Codex (`0.169.0`) writes a `token_usage_record` for each response.
fn has_records(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
    (parts.next().flatten(), parts.next().flatten()) >= (Some(0), Some(153))
}

/// When a UUID of version 7 was made, in unix milliseconds.
fn made(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let well_formed = bytes.len() == 36
        && bytes[14] == b'7'
        && [8, 13, 18, 23].iter().all(|at| bytes[*at] == b'-');
    if !well_formed {
        return None;
    }
    let high = i64::from_str_radix(text.get(..8)?, 16).ok()?;
    let low = i64::from_str_radix(text.get(9..13)?, 16).ok()?;
    Some(high << 16 | low)
}

#[derive(Deserialize)]
struct RawLine<'a> {
    #[serde(default, borrow, deserialize_with = "text")]
    timestamp: Option<Cow<'a, str>>,
    #[serde(default, deserialize_with = "count")]
    ordinal: Option<u64>,
    #[serde(rename = "type", default, borrow, deserialize_with = "text")]
    kind: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    payload: RawPayload<'a>,
}

/// The fields of all payloads in one struct. Which of them are present depends on the payload's
/// type.
#[derive(Default, Deserialize)]
#[serde(default)]
struct RawPayload<'a> {
    #[serde(rename = "type", borrow, deserialize_with = "text")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    session_id: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    forked_from_id: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    parent_thread_id: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    timestamp: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    creator_account_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    source: Option<&'a RawValue>,
    #[serde(deserialize_with = "count")]
    subagent_history_start_ordinal: Option<u64>,
    #[serde(borrow)]
    history_base: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "text")]
    cli_version: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    turn_id: Option<Cow<'a, str>>,
    #[serde(deserialize_with = "count")]
    started_at: Option<u64>,
    #[serde(borrow, deserialize_with = "text")]
    thread_id: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    response_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    info: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawInfo<'a> {
    #[serde(borrow)]
    total_token_usage: Option<&'a RawValue>,
    #[serde(borrow)]
    last_token_usage: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawTokens {
    #[serde(deserialize_with = "count")]
    input_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    cached_input_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    output_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    reasoning_output_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    total_tokens: Option<u64>,
}

/// The `source` of a subagent is `{"subagent": "review"}` or `{"subagent": {"thread_spawn": {…}}}`.
#[derive(Deserialize)]
struct RawSource<'a> {
    #[serde(borrow)]
    subagent: &'a RawValue,
}

#[derive(Deserialize)]
struct RawSubagent<'a> {
    #[serde(borrow)]
    thread_spawn: RawSpawn<'a>,
}

#[derive(Deserialize)]
struct RawSpawn<'a> {
    #[serde(default, borrow, deserialize_with = "text")]
    parent_thread_id: Option<Cow<'a, str>>,
}

impl RawPayload<'_> {
    fn turn(&self) -> Option<Identity> {
        self.turn_id.as_deref().map(Identity::of)
    }

    fn meta(self) -> Meta {
        let source: Option<RawSource> = read(self.source);
        let spawn: Option<RawSubagent> =
            source.as_ref().and_then(|source| read(Some(source.subagent)));
        let spawned_by = spawn.and_then(|spawn| spawn.thread_spawn.parent_thread_id);
        let thread = self.id.as_deref().map(Identity::of);
        let mut parents: Vec<u64> = [&self.forked_from_id, &self.parent_thread_id, &spawned_by]
            .into_iter()
            .filter_map(|id| id.as_deref())
            .filter(|id| !id.is_empty())
            .map(|id| hash(id.as_bytes()))
            // A thread that names itself as its parent would take its own lines for copies.
            .filter(|id| thread.is_none_or(|thread| thread.hash != *id))
            .collect();
        parents.sort_unstable();
        parents.dedup();
        Meta {
            created: thread
                .and_then(|thread| thread.made)
                .or(milliseconds(self.timestamp.as_deref())),
            thread,
            session: self.session_id.as_deref().map(|id| hash(id.as_bytes())),
            parents,
            subagent: source.is_some(),
            history_start: self.subagent_history_start_ordinal,
            by_reference: self.history_base.is_some_and(|base| base.get().starts_with('{')),
            has_records: self.cli_version.as_deref().is_some_and(has_records),
            account: self.creator_account_id.map(Cow::into_owned),
        }
    }
}

fn tokens(raw: Option<&RawValue>) -> Option<Tokens> {
    let raw: RawTokens = read(raw)?;
    let (input, output) = (raw.input_tokens.unwrap_or(0), raw.output_tokens.unwrap_or(0));
    Some(Tokens {
        input,
        cached_input: raw.cached_input_tokens.unwrap_or(0),
        output,
        reasoning_output: raw.reasoning_output_tokens.unwrap_or(0),
        total: raw.total_tokens.unwrap_or_else(|| input.saturating_add(output)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "01a20443-08da-7791-81bf-243c13a7f0b0";
    const CHILD: &str = "01a20443-0972-7490-9006-28cec1a85cc4";

    fn id(text: &str) -> u64 {
        hash(text.as_bytes())
    }

    fn meta(line: &str) -> Meta {
        match parse(line.as_bytes()).unwrap().record {
            Record::Meta(meta) => meta,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_subagent_names_its_parent_and_its_session() {
        let meta = meta(&format!(
            r#"{{"timestamp":"2026-11-22T17:17:11.924Z","ordinal":0,"type":"session_meta",
            "payload":{{"session_id":"{PARENT}","id":"{CHILD}","forked_from_id":"{PARENT}",
            "parent_thread_id":"{PARENT}","timestamp":"2026-11-22T17:17:11.924Z",
            "source":{{"subagent":{{"thread_spawn":{{"parent_thread_id":"{PARENT}","depth":1}}}}}},
            "subagent_history_start_ordinal":12,
            "creator_account_id":"acc-1"}}}}"#
        ));
        assert_eq!(meta.thread.unwrap().hash, id(CHILD));
        assert_eq!(meta.session, Some(id(PARENT)));
        assert_eq!(meta.parents, [id(PARENT)]);
        assert!(meta.subagent && !meta.by_reference);
        assert_eq!(meta.history_start, Some(12));
        assert_eq!(meta.account.as_deref(), Some("acc-1"));
        // The time in the identifier, which is that of the file's name: 17:17:11.
        assert_eq!(meta.created, milliseconds(Some("2026-11-22T17:17:11.922Z")));
    }

    #[test]
    fn a_source_that_is_a_word_is_no_subagent() {
        let meta = meta(
            r#"{"type":"session_meta",
            "payload":{"id":"a","source":"vscode","forked_from_id":null}}"#,
        );
        assert!(!meta.subagent && meta.parents.is_empty());
    }

    #[test]
    fn a_session_that_names_itself_has_no_parent() {
        assert_eq!(
            meta(r#"{"type":"session_meta","payload":{"id":"a","forked_from_id":"a"}}"#).parents,
            Vec::<u64>::new()
        );
    }

    #[test]
    fn numbers_come_in_every_kind() {
        let line = br#"{"type":"token_usage_record","payload":{"response_id":"r","usage":
            {"input_tokens":1e3,"cached_input_tokens":"500","output_tokens":2.9,
            "reasoning_output_tokens":-4}}}"#;
        let Record::TokenUsage { tokens, .. } = parse(line).unwrap().record else { panic!() };
        assert_eq!(tokens.each(), [1000, 500, 2, 0, 1002]);
    }

    #[test]
    fn a_field_of_another_type_is_absent() {
        let line =
            br#"{"timestamp":7,"ordinal":"x","type":"event_msg","payload":{"type":"token_count",
            "turn_id":{"a":[1]},"info":[],"source":3,"history_base":false}}"#;
        assert_eq!(
            parse(line),
            Some(Line {
                time: None,
                ordinal: None,
                record: Record::TokenCount { total: None, last: None }
            })
        );
    }

    #[test]
    fn what_is_not_counted_is_no_line() {
        for line in [
            "",
            "{}",
            "[]",
            "null",
            r#"{"type":"event_msg","payload":null}"#,
            r#"{"type":"event_msg","payload":{"type":"agent_message"}}"#,
            r#"{"type":"response_item","payload":{"type":"token_count"}}"#,
            r#"{"type":"token_usage_record","payload":{"response_id":"r","usage":null}}"#,
            r#"{"type":"event_msg","payload":{"type":"task_started""#,
        ] {
            assert_eq!(parse(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn only_version_7_tells_its_time() {
        assert_eq!(
            made("01a20443-08da-7791-81bf-243c13a7f0b0"),
            milliseconds(Some("2026-11-22T17:17:11.770Z"))
        );
        assert_eq!(made("5973b6c0-94b8-487b-a530-2aeb6098ae0e"), None);
        assert_eq!(made("1"), None);
        assert_eq!(made("éaaaaaa-08da-7791-81bf-243c13a7f0b0"), None);
        assert_eq!(made("zzzzzzzz-08da-7791-81bf-243c13a7f0b0"), None);
    }
}
