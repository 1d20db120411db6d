//! Reads the claims of tokens. Signatures are not verified, because anyone who can read the file
//! has the tokens anyway.

use crate::model::time::Timestamp;
use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use serde_json::Value;

/// JWTs usually have no padding, but both forms are accepted.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The claims that codexline uses. All are optional, because a token may be opaque.
#[derive(Debug, Default, Deserialize)]
pub struct Claims {
    /// The issuer, an https URL.
    #[serde(default)]
    pub iss: Option<String>,
    /// When the token expires, in unix seconds.
    #[serde(default)]
    exp: Option<f64>,
    /// The scopes: a list, or one string separated by spaces.
    #[serde(default)]
    scp: Value,
    /// A string, or absent.
    #[serde(default)]
    pub email: Value,
    #[serde(default, rename = "https://api.openai.com/auth")]
    pub codex: CodexClaims,
}

/// The claims in Codex's own object.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct CodexClaims {
    pub chatgpt_account_id: Option<String>,
    pub chatgpt_user_id: Option<String>,
    pub user_id: Option<String>,
    pub chatgpt_plan_type: Option<String>,
    pub chatgpt_account_is_fedramp: bool,
}

impl Claims {
    /// The claims of a token. All are absent if it is not a JWT.
    pub fn of(token: &str) -> Claims {
        payload(token).and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// When the token expires.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.exp.map(|seconds| Timestamp::from_unix_seconds(seconds as i64))
    }

    pub fn scopes(&self) -> Vec<&str> {
        match &self.scp {
            Value::String(text) => text.split_whitespace().collect(),
            Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }
}

fn payload(token: &str) -> Option<Vec<u8>> {
    BASE64.decode(token.split('.').nth(1)?).ok()
}

/// Whether Codex 0.169 can read this id_token. Codex treats an auth.json with an id_token that it
/// cannot read as signed out, so codexline does not store such a token.
///
/// Codex wants three parts that are not empty. The second must be strict base64url without padding,
/// and hold a JSON object in which no known member appears twice or has the wrong type. This was
/// found by giving such tokens to Codex.
pub fn is_readable_by_codex(id_token: &str) -> bool {
    let mut parts = id_token.split('.');
    let (Some(header), Some(middle), Some(signature)) = (parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    if header.is_empty() || middle.is_empty() || signature.is_empty() {
        return false;
    }
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(middle);
    let Ok(payload) = payload else { return false };
    // A derived struct would also accept an array.
    let Ok(Value::Object(claims)) = serde_json::from_slice(&payload) else { return false };
    let is_list = |name: &str| claims.get(name).is_some_and(Value::is_array);
    !is_list("https://api.openai.com/auth")
        && !is_list("https://api.openai.com/profile")
        && serde_json::from_slice::<StrictClaims>(&payload).is_ok()
}

/// The claims of an id_token with the types that Codex declares. Only the types matter.
#[derive(Deserialize)]
#[expect(dead_code, reason = "read for their types")]
struct StrictClaims {
    #[serde(default)]
    email: Option<String>,
    #[serde(default, rename = "https://api.openai.com/profile")]
    profile: Option<StrictProfile>,
    #[serde(default, rename = "https://api.openai.com/auth")]
    auth: Option<StrictAuth>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "read for their types")]
struct StrictProfile {
    #[serde(default)]
    email: Option<String>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "read for their types")]
struct StrictAuth {
    #[serde(default)]
    chatgpt_plan_type: Option<String>,
    #[serde(default)]
    chatgpt_user_id: Option<String>,
    #[serde(default)]
    user_id: Option<String>,
    #[serde(default)]
    chatgpt_account_id: Option<String>,
    #[serde(default)]
    chatgpt_account_is_fedramp: bool,
}

/// A made-up token with these claims, for tests.
#[cfg(test)]
pub(crate) fn for_test(claims: &str) -> String {
    let payload = BASE64.encode(claims);
    format!("e30.{}.c2ln", payload.trim_end_matches('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_read_with_and_without_padding() {
        let bare = for_test(
            r#"{"iss":"https://auth.example","exp":17.5,"scp":["a","offline_access"],
                "https://api.openai.com/auth":{"chatgpt_account_id":"acc-1"}}"#,
        );
        let padded = BASE64
            .encode(BASE64.decode(bare.split('.').nth(1).unwrap()).unwrap() /* as it is */);
        for token in [bare.clone(), format!("e30.{padded}.c2ln")] {
            let claims = Claims::of(&token);
            assert_eq!(claims.codex.chatgpt_account_id.as_deref(), Some("acc-1"));
            assert_eq!(claims.expires_at(), Some(Timestamp::from_unix_seconds(17)));
            assert_eq!(claims.scopes(), ["a", "offline_access"]);
        }
        assert_eq!(Claims::of(&for_test(r#"{"scp":"a b"}"#)).scopes(), ["a", "b"]);
        for opaque in ["", "opaque", "a.####.c", "a.e30", &for_test("[]")] {
            assert!(Claims::of(opaque).iss.is_none());
        }
    }

    #[test]
    fn an_id_token_must_be_one_that_codex_can_read() {
        for (claims, readable) in [
            ("{}", true),
            (r#"{"email":null,"https://api.openai.com/auth":null,"aud":["app"]}"#, true),
            (
                r#"{"email":"a@example.invalid","https://api.openai.com/profile":{"email":"b"}}"#,
                true,
            ),
            (
                r#"{"https://api.openai.com/auth":
                    {"chatgpt_plan_type":"plus","chatgpt_account_is_fedramp":false}}"#,
                true,
            ),
            ("[]", false),
            ("null", false),
            (r#"{"email":5}"#, false),
            (r#"{"https://api.openai.com/auth":5}"#, false),
            (r#"{"https://api.openai.com/auth":{"user_id":5}}"#, false),
            (r#"{"https://api.openai.com/auth":{"chatgpt_account_is_fedramp":null}}"#, false),
            (r#"{"email":"a","email":"b"}"#, false),
            (r#"{"https://api.openai.com/auth":{"user_id":"a","user_id":"b"}}"#, false),
            (r#"{"https://api.openai.com/auth":["plus"]}"#, false),
        ] {
            assert_eq!(is_readable_by_codex(&for_test(claims)), readable, "{claims}");
        }
        for token in ["", "a.b", "a..c", ".e30.c", "a.e30.", "a.e30=.c", "a.e31.c", "a.####.c"] {
            assert!(!is_readable_by_codex(token), "{token}");
        }
        assert!(is_readable_by_codex("a.e30.c.d"));
    }
}
