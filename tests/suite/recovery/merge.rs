//! Properties of the merge: whatever an auth.json holds, only four values change, and what is not
//! one is left alone.

use codexline::model::secret::Secret;
use codexline::refresh::merge::merge;
use codexline::refresh::oauth::NewTokens;
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW: &str = "2026-11-22T15:00:00Z";

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        // With digits that a reader does not lose.
        (-9999..9999_i32).prop_map(|number| Value::from(f64::from(number) / 8.0)),
        ".{0,12}".prop_map(Value::from),
        "[\\\\\"\u{7f}\u{0}é]{0,5}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Any key, often one that matters, also where it does not.
fn key() -> impl Strategy<Value = String> {
    let known = [
        "tokens",
        "access_token",
        "refresh_token",
        "id_token",
        "last_refresh",
        "account_id",
        "auth_mode",
    ];
    prop_oneof![
        3 => prop::sample::select(known.to_vec()).prop_map(String::from),
        2 => ".{0,6}",
        1 => "[\"\\\\/]{1,3}",
    ]
}

fn object() -> impl Strategy<Value = Value> {
    prop::collection::btree_map(key(), anything(), 0..6)
        .prop_map(|map| Value::Object(map.into_iter().collect()))
}

/// An object with an object as its `tokens`.
fn login() -> impl Strategy<Value = Value> {
    (object(), object()).prop_map(|(mut login, tokens)| {
        login["tokens"] = tokens;
        login
    })
}

fn new_tokens() -> impl Strategy<Value = NewTokens> {
    let token = || prop::option::of("[!-~]{1,20}".prop_map(Secret::new));
    (token(), token(), token()).prop_map(|(access_token, refresh_token, id_token)| NewTokens {
        access_token,
        refresh_token,
        id_token,
    })
}

/// The same value in other layouts.
fn layouts(value: &Value, blanks: &str) -> Vec<String> {
    let spread = |text: String| -> String {
        // Blanks around structure, which is outside of strings only.
        let (mut out, mut quoted, mut escaped) = (String::new(), false, false);
        for letter in text.chars() {
            let is_structure = !quoted && "{}[],:".contains(letter);
            if is_structure {
                out.push_str(blanks);
            }
            out.push(letter);
            if is_structure {
                out.push_str(blanks);
            }
            (quoted, escaped) = match letter {
                '"' if !escaped => (!quoted, false),
                '\\' => (quoted, !escaped),
                _ => (quoted, false),
            };
        }
        out
    };
    vec![value.to_string(), serde_json::to_string_pretty(value).unwrap(), spread(value.to_string())]
}

proptest! {
    #![proptest_config(crate::support::cases(128))]

    #[test]
    fn only_four_values_differ(login in login(), new in new_tokens(), blanks in "[ \t\r\n]{0,3}") {
        for text in layouts(&login, &blanks) {
            let merged = merge(&text, &new, NOW).unwrap();
            let value: Value = serde_json::from_str(&merged).unwrap();
            let mut expected = login.clone();
            for (name, token) in [
                ("access_token", &new.access_token),
                ("refresh_token", &new.refresh_token),
                ("id_token", &new.id_token),
            ] {
                if let Some(token) = token {
                    expected["tokens"][name] = json!(token.expose());
                }
            }
            expected["last_refresh"] = json!(NOW);
            prop_assert_eq!(&value, &expected, "{}", merged);
            // Again with the same tokens changes nothing at all.
            prop_assert_eq!(merge(&merged, &new, NOW).unwrap(), merged);
        }
    }

    #[test]
    fn outside_of_the_new_values_every_byte_stays(
        login in login(),
        new in new_tokens(),
        blanks in "[ \t\r\n]{0,3}",
    ) {
        let mut login = login;
        let marks =
            [("access_token", "\u{1}a"), ("refresh_token", "\u{1}r"), ("id_token", "\u{1}i")];
        for (name, mark) in marks {
            login["tokens"][name] = json!(mark);
        }
        login["last_refresh"] = json!("\u{1}l");
        for text in layouts(&login, &blanks) {
            let merged = merge(&text, &new, NOW).unwrap();
            let mut expected = text.clone();
            let tokens =
                [("a", &new.access_token), ("r", &new.refresh_token), ("i", &new.id_token)];
            let new = tokens
                .iter()
                .filter_map(|(mark, token)| Some((*mark, token.as_ref()?.expose().to_owned())));
            for (mark, token) in new.chain([("l", NOW.to_owned())]) {
                let marked = format!("\"\\u0001{mark}\"");
                expected = expected.replace(&marked, &json!(token).to_string());
            }
            prop_assert_eq!(merged, expected);
        }
    }

    #[test]
    fn what_has_no_tokens_is_refused(value in anything(), new in new_tokens()) {
        if !value["tokens"].is_object() {
            prop_assert!(merge(&value.to_string(), &new, NOW).is_err());
        }
    }

    #[test]
    fn no_text_panics(text in ".{0,60}", new in new_tokens()) {
        let _ = merge(&text, &new, NOW);
    }

    #[test]
    fn no_half_of_a_login_panics_or_is_taken_for_one(
        login in login(),
        cut in any::<prop::sample::Index>(),
        new in new_tokens(),
    ) {
        let text = login.to_string();
        let cut = cut.index(text.len());
        if text.is_char_boundary(cut) {
            prop_assert!(merge(&text[..cut], &new, NOW).is_err());
        }
    }

    #[test]
    fn a_byte_more_or_less_never_panics(
        login in login(),
        place in any::<prop::sample::Index>(),
        letter in any::<char>(),
        new in new_tokens(),
    ) {
        let mut letters: Vec<char> = login.to_string().chars().collect();
        let place = place.index(letters.len());
        letters[place] = letter;
        if let Ok(merged) = merge(&letters.iter().collect::<String>(), &new, NOW) {
            // Numbers beyond any type stay as they are, so this must not read them.
            let parsed = serde_json::from_str::<serde::de::IgnoredAny>(&merged);
            prop_assert!(parsed.is_ok(), "{}", merged);
        }
    }
}

#[test]
fn a_key_that_comes_twice_is_changed_where_it_counts() {
    // The last one counts, for serde_json and for Codex's reader of maps; ours refuses such a login
    // before it spends.
    let new = NewTokens {
        access_token: Some(Secret::new("new".into())),
        refresh_token: None,
        id_token: None,
    };
    let merged = merge(r#"{"tokens":{"access_token":"a","access_token":"b"}}"#, &new, NOW).unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&merged).unwrap()["tokens"]["access_token"],
        "new",
        "{merged}"
    );
}
