//! Properties of all that a refresh reads: whatever is in it, nothing panics, and no half of
//! anything is taken for the whole. With more cases: `PROPTEST_CASES=100000 cargo test --lib
//! properties`.

use super::kept::Kept;
use super::ledger::FileLedger;
use super::loose_json;
use super::merge::merge;
use super::oauth::{NewTokens, TokenReply, classify, is_whole};
use super::rotation::Rotation;
use super::token_record::{TokenState, fingerprint};
use super::user_ledger::UserLedger;
use crate::codex::login::Login;
use crate::io::answer::RawAnswer;
use crate::io::files::Replacement;
use crate::io::http::Reply;
use crate::model::secret::Secret;
use crate::model::time::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use std::path::{Path, PathBuf};

const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_359_600);

// --- what inputs look like -----------------------------------------------------------------------

/// A token of letters that a header can carry.
fn token() -> impl Strategy<Value = String> {
    "[!-~]{1,24}"
}

/// The value of a key that nobody asked for, well formed or loosely so.
fn odd_value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(b"1e999".to_vec()),
        Just(b"null".to_vec()),
        Just(b"\"\\ud800\"".to_vec()),
        Just(b"\"\xff\xfe\"".to_vec()),
        (1..200_usize).prop_map(|deep| ["[".repeat(deep), "]".repeat(deep)].concat().into_bytes()),
        any::<String>().prop_map(|text| serde_json::Value::from(text).to_string().into_bytes()),
        any::<i64>().prop_map(|number| format!("{{\"refresh_token\": {number}}}").into_bytes()),
    ]
}

/// Members of an object, each with its comma in front.
fn odd_members() -> impl Strategy<Value = Vec<u8>> {
    let member = ("[a-d]{1,3}", odd_value())
        .prop_map(|(name, value)| [b", \"", name.as_bytes(), b"\": ", &value].concat());
    vec(member, 0..3).prop_map(|members| members.concat())
}

/// An answer of the token endpoint, and the access and the refresh token in it.
fn answer() -> impl Strategy<Value = (Vec<u8>, String, String)> {
    let marks = prop_oneof![Just(&b""[..]), Just(&b"\xef\xbb\xbf"[..]), Just(&b" \r\n"[..])];
    (marks, token(), any::<String>(), odd_members(), odd_members()).prop_map(
        |(mark, access, refresh, first, second)| {
            let refresh = format!("r{refresh}");
            let text = |text: &str| serde_json::Value::from(text).to_string().into_bytes();
            let body = [
                mark,
                b"{\"access_token\": ",
                &text(&access),
                &first,
                b", \"refresh_token\":",
                &text(&refresh),
                &second,
                b"}",
            ];
            (body.concat(), access, refresh)
        },
    )
}

/// Bytes with some of them changed, and cut.
fn damaged(bytes: &[u8], damage: &[(Index, u8)], cut: Option<Index>) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (place, byte) in damage {
        let place = place.index(bytes.len());
        bytes[place] = *byte;
    }
    bytes.truncate(cut.map_or(bytes.len(), |cut| cut.index(bytes.len())));
    bytes
}

fn damage() -> impl Strategy<Value = (Vec<(Index, u8)>, Option<Index>)> {
    (vec((any::<Index>(), any::<u8>()), 0..6), any::<Option<Index>>())
}

fn auth_json(access: &str, refresh: &str, account: &str) -> String {
    let tokens = serde_json::json!({
        "access_token": access, "refresh_token": refresh, "account_id": account,
    });
    let top = serde_json::json!({"auth_mode": "chatgpt", "tokens": tokens, "last_refresh": "x"});
    serde_json::to_string_pretty(&top).unwrap()
}

fn new_tokens(access: &str, refresh: &str) -> NewTokens {
    let secret = |text: &str| Some(Secret::new(text.into()));
    NewTokens { access_token: secret(access), refresh_token: secret(refresh), id_token: None }
}

fn login(text: &[u8]) -> Option<Login> {
    Login::of_file(Path::new("/x/auth.json"), text).ok()
}

/// A file of this process in a directory of its own.
fn scratch(name: &str) -> PathBuf {
    let directory = format!("codexline-properties-{name}-{}", std::process::id());
    let directory = std::env::temp_dir().join(directory);
    crate::io::files::create_private_directory(&directory).unwrap();
    directory.join(name)
}

fn write(path: &Path, content: &[u8]) {
    Replacement::beside(path).unwrap().commit(content).unwrap();
}

/// How a body is sent.
#[derive(Clone, Debug)]
enum Framing {
    Length,
    TooLong(usize),
    Unbounded,
    Chunks(Vec<usize>),
    /// Without the last, empty one.
    UnendedChunks(Vec<usize>),
    Gzip,
}

fn framing() -> impl Strategy<Value = Framing> {
    let sizes = || vec(1..40_usize, 1..6);
    prop_oneof![
        Just(Framing::Length),
        (1..9999_usize).prop_map(Framing::TooLong),
        Just(Framing::Unbounded),
        sizes().prop_map(Framing::Chunks),
        sizes().prop_map(Framing::UnendedChunks),
        Just(Framing::Gzip),
    ]
}

impl Framing {
    fn send(&self, body: &[u8], interim: usize) -> Vec<u8> {
        let mut sent = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(interim);
        sent.extend(b"HTTP/1.1 200 OK\r\n");
        let length = |length: usize| format!("Content-Length: {length}\r\n\r\n").into_bytes();
        match self {
            Framing::Length => sent.extend([&length(body.len()), body].concat()),
            Framing::TooLong(more) => sent.extend([&length(body.len() + more), body].concat()),
            Framing::Unbounded => sent.extend([b"\r\n", body].concat()),
            Framing::Gzip => {
                let packed = miniz_oxide::deflate::compress_to_vec(body, 6);
                let packed = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3], &packed[..]].concat();
                sent.extend([length(packed.len()), packed].concat());
            }
            Framing::Chunks(sizes) | Framing::UnendedChunks(sizes) => {
                sent.extend(b"Transfer-Encoding: chunked\r\n\r\n");
                let (mut rest, mut sizes) = (body, sizes.iter().cycle());
                while !rest.is_empty() {
                    let (chunk, after) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
                    sent.extend(format!("{:x}\r\n", chunk.len()).bytes());
                    sent.extend([chunk, b"\r\n"].concat());
                    rest = after;
                }
                if matches!(self, Framing::Chunks(_)) {
                    sent.extend(b"0\r\n\r\n");
                }
            }
        }
        sent
    }
}

/// The access and the refresh token that an answer brings.
fn tokens_in(status: u16, body: Vec<u8>) -> Option<(String, String)> {
    let reply = Reply { status, retry_after: None, date: None, is_challenge: false, body };
    let TokenReply::Refreshed { tokens, .. } = classify(&reply, "host", NOW) else { return None };
    let text = |token: Option<Secret>| token.map(|token| token.expose().to_string());
    Some((text(tokens.access_token)?, text(tokens.refresh_token)?))
}

proptest! {
    // --- the answer ------------------------------------------------------------------------------

    #[test]
    fn tokens_are_found_whatever_is_beside_them((body, access, refresh) in answer()) {
        prop_assert!(is_whole(&body));
        prop_assert_eq!(tokens_in(200, body), Some((access, refresh)));
    }

    #[test]
    fn no_half_of_an_answer_is_a_whole_one((body, ..) in answer(), cut in any::<Index>()) {
        prop_assert!(!is_whole(&body[..cut.index(body.len())]));
    }

    #[test]
    fn no_answer_panics(
        (body, ..) in answer(),
        (damage, cut) in damage(),
        status in any::<u16>(),
    ) {
        let body = damaged(&body, &damage, cut);
        let _ = loose_json::object(&body);
        let _ = tokens_in(status, body);
    }

    #[test]
    fn an_answer_is_whole_however_it_is_sent_and_not_before(
        (body, access, refresh) in answer(),
        framing in framing(),
        interim in 0..3_usize,
        cut in any::<Index>(),
    ) {
        let sent = framing.send(&body, interim);
        let whole = RawAnswer::read(&sent, false, is_whole).unwrap();
        prop_assert!(whole.is_complete && whole.status == 200);
        let expected = Some((access, refresh));
        prop_assert_eq!(tokens_in(200, whole.body), expected.clone());
        // As it grows: complete only if all of it is there.
        let begun = RawAnswer::read(&sent[..cut.index(sent.len())], false, is_whole);
        if let Some(begun) = begun.filter(|begun| begun.is_complete) {
            prop_assert_eq!(tokens_in(200, begun.body), expected);
        }
    }

    #[test]
    fn no_framing_panics(
        (body, ..) in answer(),
        framing in framing(),
        (damage, cut) in damage(),
        is_ended in any::<bool>(),
    ) {
        let sent = damaged(&framing.send(&body, 1), &damage, cut);
        let _ = RawAnswer::read(&sent, is_ended, is_whole);
    }

    // --- auth.json, and what is staged beside it -------------------------------------------------

    #[test]
    fn a_login_with_new_tokens_is_the_same_login(
        access in token(), refresh in any::<String>(), account in "[a-z0-9-]{1,12}",
        (damage, cut) in damage(),
        new_access in token(), new_refresh in token(),
    ) {
        let base = damaged(auth_json(&access, &refresh, &account).as_bytes(), &damage, cut);
        // What is left of it is a login that can be refreshed, or it is left alone.
        let Some(old) = login(&base).filter(|old| old.refresh_token.is_some()) else {
            return Ok(());
        };
        let text = std::str::from_utf8(&base).unwrap();
        let new = new_tokens(&new_access, &new_refresh);
        // What can be sent can be stored.
        let merged = merge(text, &new, "2026-11-22T15:00:00Z").unwrap();
        let merged = login(merged.as_bytes());
        prop_assert!(merged.is_some());
        let merged = merged.unwrap();
        prop_assert_eq!(merged.access_token.expose(), new_access);
        prop_assert_eq!(merged.refresh_token.map(|token| token.expose().to_string()),
            Some(new_refresh));
        prop_assert_eq!(merged.account_id, old.account_id);
    }

    #[test]
    fn what_is_staged_is_an_answer_with_blanks_behind_it_or_none(
        access in token(), refresh in token(), blanks in 0..200_usize, cut in any::<Index>(),
    ) {
        let text = auth_json(&access, &refresh, "acc-1");
        let filled = login((text.clone() + &" ".repeat(blanks)).as_bytes()).unwrap();
        prop_assert_eq!(filled.access_token.expose(), access);
        prop_assert!(login(&text.as_bytes()[..cut.index(text.len())]).is_none());
        prop_assert!(login(" ".repeat(blanks).as_bytes()).is_none());
    }

}

proptest! {
    // Each case is synced to disk.
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases / 8,
        ..ProptestConfig::default()
    })]

    // --- the records -----------------------------------------------------------------------------

    #[test]
    fn no_half_of_a_ledger_is_taken_for_an_empty_one(
        tokens in vec("[0-9a-f]{32}", 1..4),
        (damage, cut) in damage(),
    ) {
        let path = scratch("ledger");
        crate::io::files::remove(&path).unwrap();
        let mut ledger = FileLedger::read(path.clone()).unwrap();
        for token in &tokens {
            ledger.record(token, TokenState::Sent, Some("why"), NOW).unwrap();
        }
        let whole = crate::io::files::read_bounded(&path, 1 << 20).unwrap();
        if let Some(cut) = cut {
            write(&path, &whole[..cut.index(whole.len())]);
            prop_assert!(FileLedger::read(path.clone()).is_err());
        }
        write(&path, &damaged(&whole, &damage, None));
        let _ = FileLedger::read(path.clone());
        write(&path, &whole);
        let read = FileLedger::read(path).unwrap();
        prop_assert!(tokens.iter().all(|token| read.find(token).is_some()));
    }

    #[test]
    fn no_half_of_a_user_s_record_frees_a_token(
        token in "[0-9a-f]{32}",
        (damage, cut) in damage(),
    ) {
        let path = scratch("tokens");
        let ledger = UserLedger::for_test(path.parent().unwrap());
        ledger.settle(&token, TokenState::Unknown, Some("why"), NOW).unwrap();
        let path = path.with_file_name(&token);
        let whole = crate::io::files::read_bounded(&path, 1 << 20).unwrap();
        let damaged = damaged(&whole, &damage, cut);
        write(&path, &damaged);
        // A record, or an error: both forbid to send it.
        prop_assert!(!matches!(ledger.find(&token), Ok(None)));
        ledger.forget(&token).unwrap();
        prop_assert!(matches!(ledger.find(&token), Ok(None)));
    }

    #[test]
    fn what_is_kept_comes_back_whole_or_not_at_all(
        access in token(), refresh in any::<String>(),
        (damage, cut) in damage(),
    ) {
        let path = scratch("kept");
        let kept = Kept::for_test(path.parent().unwrap());
        let rotation = Rotation {
            spent: Some(fingerprint(&Secret::new("old".into()))),
            account: Some("acc-1".into()),
            tokens: new_tokens(&access, &refresh),
        };
        kept.keep(&rotation, Path::new("/x/auth.json"), NOW).unwrap();
        prop_assert_eq!(&kept.list()[0].rotation, &rotation);
        let path = path.with_file_name(format!("{}.json", rotation.name()));
        let whole = crate::io::files::read_bounded(&path, 1 << 20).unwrap();
        if let Some(cut) = cut {
            write(&path, &whole[..cut.index(whole.len())]);
            prop_assert!(kept.list().is_empty());
        }
        write(&path, &damaged(&whole, &damage, None));
        let _ = kept.list();
        prop_assert!(crate::io::files::remove(&path).unwrap());
    }
}
