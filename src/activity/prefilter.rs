//! Tells from the first bytes of a line which kind of record it holds.
//!
//! Session files are mostly prompts, tool output and reasoning: lines of up to megabytes in which
//! nothing is counted. Codex writes `{"timestamp":…,"ordinal":…,"type":…,"payload":{"type":…`, so a
//! few dozen bytes decide whether a line must be parsed as JSON. White space, and other keys with
//! scalar values before `type`, are allowed. If the first [`WINDOW`] bytes do not tell, the line is
//! [`RecordKind::Unsure`] and is left to the parser.

/// How many bytes of a line are looked at.
pub const WINDOW: usize = 512;

/// The kind of a line, as far as its first bytes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// Nothing that is counted. Such lines are not parsed.
    Other,
    /// The first bytes do not tell.
    Unsure,
    /// `session_meta`: which session this is, and what it was forked from.
    Meta,
    /// `turn_context`: names the turn that the following lines belong to.
    TurnContext,
    /// `token_usage_record`: the tokens of one response.
    TokenUsage,
    /// `event_msg` / `token_count`: the running total, and the rate limits.
    TokenCount,
    /// `event_msg` / `task_started`.
    TaskStarted,
    /// `event_msg` / `task_complete`.
    TaskComplete,
    /// `event_msg` / `user_message`.
    UserMessage,
}

/// The kind of the line that begins with `line` (all of it, or at least [`WINDOW`] bytes).
#[must_use]
pub fn sniff(line: &[u8]) -> RecordKind {
    let mut cursor = Cursor { rest: &line[..line.len().min(WINDOW)] };
    if !cursor.eat(b'{') {
        return RecordKind::Other;
    }
    cursor.record().unwrap_or(RecordKind::Unsure)
}

/// The kind of record that the two `type` values stand for; `event` is the payload's.
#[must_use]
pub fn kind_of(record: &[u8], event: Option<&[u8]>) -> RecordKind {
    match record {
        b"session_meta" => RecordKind::Meta,
        b"turn_context" => RecordKind::TurnContext,
        b"token_usage_record" => RecordKind::TokenUsage,
        b"event_msg" => match event {
            None => RecordKind::Unsure,
            Some(b"token_count") => RecordKind::TokenCount,
            // Codex itself accepts `turn_started` and `turn_complete` too.
            Some(b"task_started" | b"turn_started") => RecordKind::TaskStarted,
            Some(b"task_complete" | b"turn_complete") => RecordKind::TaskComplete,
            Some(b"user_message") => RecordKind::UserMessage,
            Some(_) => RecordKind::Other,
        },
        _ => RecordKind::Other,
    }
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// The kind, read from after the opening brace. `None` if the window ends first, or if the line
    /// has a form that this reader does not know.
    fn record(&mut self) -> Option<RecordKind> {
        let mut record: Option<&[u8]> = None;
        loop {
            let key = self.key()?;
            match key {
                b"type" => {
                    let value = self.string()?;
                    match kind_of(value, None) {
                        RecordKind::Unsure => record = Some(value),
                        known => return Some(known),
                    }
                }
                b"payload" => {
                    // The payload's own `type` matters only for an event, so the type of the line
                    // must come first.
                    let record = record?;
                    if !self.eat(b'{') {
                        return None;
                    }
                    loop {
                        if self.key()? == b"type" {
                            return Some(kind_of(record, Some(self.string()?)));
                        }
                        self.scalar()?;
                        self.comma()?;
                    }
                }
                _ => self.scalar()?,
            }
            self.comma()?;
        }
    }

    fn skip_space(&mut self) {
        while let [b' ' | b'\t' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        self.skip_space();
        match self.rest {
            [first, rest @ ..] if *first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn comma(&mut self) -> Option<()> {
        self.eat(b',').then_some(())
    }

    fn key(&mut self) -> Option<&'a [u8]> {
        let key = self.string()?;
        self.eat(b':').then_some(key)
    }

    /// The raw bytes of a string. Escapes are not decoded, because the strings that matter have
    /// none.
    fn string(&mut self) -> Option<&'a [u8]> {
        if !self.eat(b'"') {
            return None;
        }
        let rest = self.rest;
        let mut at = 0;
        loop {
            match rest.get(at)? {
                b'"' => {
                    self.rest = &rest[at + 1..];
                    return Some(&rest[..at]);
                }
                b'\\' => at += 2,
                _ => at += 1,
            }
        }
    }

    /// Skips a string, number, `true`, `false` or `null`.
    fn scalar(&mut self) -> Option<()> {
        self.skip_space();
        match self.rest.first()? {
            b'"' => self.string().map(|_| ()),
            b'{' | b'[' => None,
            _ => {
                let end = self.rest.iter().position(|byte| matches!(byte, b',' | b'}'))?;
                self.rest = &self.rest[end..];
                Some(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::record::{Record, parse};
    use proptest::prelude::*;
    use serde_json::Value;

    #[test]
    fn lines_as_codex_writes_them() {
        for (line, kind) in [
            (
                concat!(
                    r#"{"timestamp":"2026-11-22T17:08:34.189Z","ordinal":11,"#,
                    r#""type":"token_usage_record","payload":{"thread_id":"x"#,
                ),
                RecordKind::TokenUsage,
            ),
            (
                concat!(
                    r#"{"timestamp":"2026-11-22T17:08:34.189Z","type":"event_msg","#,
                    r#""payload":{"type":"token_count","info":null}}"#,
                ),
                RecordKind::TokenCount,
            ),
            (
                concat!(
                    r#"{"timestamp":"2026-11-22T17:08:34.189Z","type":"event_msg","#,
                    r#""payload":{"type":"task_started"}}"#,
                ),
                RecordKind::TaskStarted,
            ),
            (
                concat!(
                    r#"{"timestamp":"2026-11-22T17:08:34.189Z","type":"event_msg","#,
                    r#""payload":{"type":"agent_message"}}"#,
                ),
                RecordKind::Other,
            ),
            (r#"{"timestamp":"t","type":"session_meta","payload":{"id":"#, RecordKind::Meta),
            (r#"{"timestamp":"t","type":"turn_context","payload":{"id":"#, RecordKind::TurnContext),
            (
                r#"{"timestamp":"t","type":"response_item","payload":{"type":"token_count""#,
                RecordKind::Other,
            ),
        ] {
            assert_eq!(sniff(line.as_bytes()), kind, "{line}");
        }
    }

    #[test]
    fn other_writers_space_and_order_their_keys() {
        for (line, kind) in [
            (
                concat!(
                    r#" { "type" : "event_msg" , "ordinal" : 1 , "payload" : "#,
                    r#"{ "turn_id" : null , "type" : "task_complete" } }"#,
                ),
                RecordKind::TaskComplete,
            ),
            (r#"{"payload":{"type":"token_count"},"type":"event_msg"}"#, RecordKind::Unsure),
            (
                r#"{"type":"event_msg","payload":{"info":{},"type":"token_count"}}"#,
                RecordKind::Unsure,
            ),
            (r#"{"note":"a \" quote","type":"session_meta"}"#, RecordKind::Meta),
            ("", RecordKind::Other),
            ("[]", RecordKind::Other),
            ("{", RecordKind::Unsure),
            (r#"{"a\"#, RecordKind::Unsure),
        ] {
            assert_eq!(sniff(line.as_bytes()), kind, "{line}");
        }
    }

    #[test]
    fn a_type_behind_the_window_is_unsure() {
        let line = format!(r#"{{"note":"{}","type":"session_meta"}}"#, "x".repeat(WINDOW));
        assert_eq!(sniff(line.as_bytes()), RecordKind::Unsure);
    }

    /// Lines much as Codex writes them, and damaged ones.
    fn lines() -> impl Strategy<Value = Vec<u8>> {
        let key = prop::sample::select(vec!["timestamp", "ordinal", "type", "payload", "x"]);
        let word = prop::sample::select(vec![
            "session_meta",
            "turn_context",
            "token_usage_record",
            "event_msg",
            "token_count",
            "task_started",
            "turn_complete",
            "user_message",
            "response_item",
            "\u{e9}\\\"",
        ]);
        let scalar = prop_oneof![
            word.prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            Just(Value::Null),
            Just(Value::from("2026-11-22T17:08:34.189Z")),
        ];
        let value = scalar.prop_recursive(3, 12, 4, |inner| {
            let keys = prop::sample::select(vec!["type", "info", "usage", "turn_id", "id", "x"]);
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::vec((keys, inner), 0..4).prop_map(|members| {
                    members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
                }),
            ]
        });
        let blank = prop::sample::select(vec!["", " ", "\t", "\r"]);
        let members = prop::collection::vec((key, value, blank), 0..6);
        let damage = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3);
        (members, damage).prop_map(|(members, damage)| {
            let member = |(key, value, blank): &(&str, Value, &str)| {
                format!("{blank}\"{key}\"{blank}:{blank}{value}")
            };
            let members: Vec<String> = members.iter().map(member).collect();
            let mut line = format!("{{{}}}", members.join(",")).into_bytes();
            for (place, byte) in damage {
                let place = place.index(line.len());
                line[place] = byte;
            }
            line
        })
    }

    proptest! {
        #[test]
        fn no_line_that_counts_is_passed_over(line in lines()) {
            let sniffed = sniff(&line);
            let Some(parsed) = parse(&line) else { return Ok(()) };
            let kind = match parsed.record {
                Record::Meta(_) => RecordKind::Meta,
                Record::TurnContext { .. } => RecordKind::TurnContext,
                Record::TaskStarted { .. } => RecordKind::TaskStarted,
                Record::TaskComplete { .. } => RecordKind::TaskComplete,
                Record::UserMessage => RecordKind::UserMessage,
                Record::TokenCount { .. } => RecordKind::TokenCount,
                Record::TokenUsage { .. } => RecordKind::TokenUsage,
            };
            prop_assert!(sniffed == kind || sniffed == RecordKind::Unsure, "{sniffed:?} {kind:?}");
        }
    }
}
