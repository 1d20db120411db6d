//! New tokens in an old auth.json. Works on text only.
//!
//! Only the values that are new change, in place: unknown keys, their order and the layout stay
//! byte for byte, so that whatever else keeps its things in that file keeps them.

use super::oauth::NewTokens;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::ops::Range;

/// The members of an object with the places of their values in the text that was parsed.
type Members<'a> = BTreeMap<String, &'a RawValue>;

/// `base` with new tokens and `last_refresh` (RFC 3339, UTC).
///
/// # Errors
/// What `base` is not. Nothing of it is quoted.
pub fn merge(base: &str, new: &NewTokens, last_refresh: &str) -> Result<String, &'static str> {
    const SHAPE: &str = "is not what codex writes";
    let top: Members = serde_json::from_str(base).map_err(|_| SHAPE)?;
    let tokens_text = top.get("tokens").ok_or(SHAPE)?.get();
    let tokens: Members = serde_json::from_str(tokens_text).map_err(|_| SHAPE)?;

    let new_tokens = [
        ("access_token", &new.access_token),
        ("refresh_token", &new.refresh_token),
        ("id_token", &new.id_token),
    ];
    let new_tokens =
        new_tokens.iter().filter_map(|(name, token)| Some((*name, token.as_ref()?.expose())));
    let mut edits = edits(base, tokens_text, &tokens, new_tokens);
    edits.extend(self::edits(base, base.trim(), &top, [("last_refresh", last_refresh)]));

    // From the end, so that earlier places stay where they are.
    edits.sort_by_key(|(range, _)| range.start);
    let mut merged = base.to_string();
    for (range, text) in edits.into_iter().rev() {
        merged.replace_range(range, &text);
    }
    Ok(merged)
}

/// What to put where, so that these members of `object`, a part of `base`, have these texts.
fn edits<'a>(
    base: &str,
    object: &str,
    members: &Members,
    changes: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Vec<(Range<usize>, String)> {
    let mut edits = Vec::new();
    let mut added = String::new();
    for (name, text) in changes {
        let value = serde_json::Value::from(text).to_string();
        if let Some(old) = members.get(name) {
            let start = offset(base, old.get());
            edits.push((start..start + old.get().len(), value));
        } else {
            let comma = if members.is_empty() && added.is_empty() { "" } else { ", " };
            added.push_str(&format!("{comma}\"{name}\": {value}"));
        }
    }
    if !added.is_empty() {
        // Behind the last member, before the closing brace.
        let inside = object.strip_suffix('}').unwrap_or(object).trim_end();
        let end = offset(base, object) + inside.len();
        edits.push((end..end, added));
    }
    edits
}

/// Where `part`, a slice of `whole`, begins in it.
fn offset(whole: &str, part: &str) -> usize {
    (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::secret::Secret;

    fn new(access: Option<&str>, refresh: Option<&str>, id: Option<&str>) -> NewTokens {
        let secret = |text: Option<&str>| text.map(|text| Secret::new(text.into()));
        NewTokens {
            access_token: secret(access),
            refresh_token: secret(refresh),
            id_token: secret(id),
        }
    }

    const NOW: &str = "2026-11-22T15:00:00Z";

    #[test]
    fn only_the_new_values_change() {
        let base = "{\n  \"z\": 1e400, \"auth_mode\": \"chatgpt\",\n  \"tokens\": {\"id_token\": \
                    \"i\",\n\"access_token\":\"a\", \"x\": [1, {\"refresh_token\": \"no\"}], \
                    \"refresh_token\" : \"r\"},\n\
                    \"last_refresh\": null, \"a\": \"\\u00e9\" }\n";
        let merged = merge(base, &new(Some("A\""), Some("R"), None), NOW).unwrap();
        let expected = base
            .replace("\"access_token\":\"a\"", "\"access_token\":\"A\\\"\"")
            .replace("\"refresh_token\" : \"r\"", "\"refresh_token\" : \"R\"")
            .replace("\"last_refresh\": null", &format!("\"last_refresh\": \"{NOW}\""));
        assert_eq!(merged, expected);
    }

    #[test]
    fn missing_members_are_added() {
        let merged = merge("{\"tokens\":{}}", &new(Some("A"), Some("R"), Some("I")), NOW).unwrap();
        let value: serde_json::Value = serde_json::from_str(&merged).unwrap_or_default();
        assert_eq!(value["last_refresh"], NOW, "{merged}");
        assert_eq!(value["tokens"]["access_token"], "A", "{merged}");
    }

    #[test]
    fn what_is_not_a_login_is_left_alone() {
        for base in ["", "[]", "{}", "{\"tokens\":null}", "{\"tokens\":[]}", "{\"tokens\":{\"a\":1"]
        {
            assert!(merge(base, &new(Some("A"), None, None), NOW).is_err(), "{base}");
        }
    }
}
