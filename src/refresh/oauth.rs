//! The refresh request of OAuth: what is sent, and what the answer means. Works on data only.
//!
//! RFC 6749, section 6. Refresh tokens rotate and are single-use, so every doubt here counts as
//! "used up".

use super::loose_json::{self, Member};
use crate::codex::jwt::is_readable_by_codex;
use crate::codex::login::Login;
use crate::io::http::{Endpoint, Reply};
use crate::model::secret::Secret;
use crate::model::time::{Timestamp, retry_after};
use serde_json::Value;

/// Where Codex sends it, unless `CODEX_REFRESH_TOKEN_URL_OVERRIDE` says otherwise.
pub const TOKEN_URL: &str = "https://auth.openai.com/oauth/token";
/// Codex's own client id, to which its refresh tokens are bound.
pub const CLIENT_ID: &str = "app_EMoamEEZ73f0CkXaXp7hrann";

/// New tokens. `None`: the old one stays as it was.
#[derive(Clone, Debug, PartialEq)]
pub struct NewTokens {
    pub access_token: Option<Secret>,
    pub refresh_token: Option<Secret>,
    pub id_token: Option<Secret>,
}

impl NewTokens {
    /// All tokens of a login file that was made by a merge, whichever were new.
    pub fn of(login: &Login) -> NewTokens {
        let id_token = login.id_token.clone().filter(|token| is_readable_by_codex(token.expose()));
        NewTokens {
            access_token: Some(login.access_token.clone()),
            refresh_token: login.refresh_token.clone(),
            id_token,
        }
    }
}

/// What an answer of the token endpoint means.
#[derive(Debug, PartialEq)]
pub enum TokenReply {
    /// `is_old_valid`: it came without a new refresh token, so the old one can be used again.
    Refreshed { tokens: NewTokens, is_old_valid: bool },
    /// Refused for good; with the server's code, from the short list that is known.
    Refused(&'static str),
    /// Somebody on the way answered, or the service had no time: the token was surely not used up.
    TurnedAway { reason: String, retry_after: Option<i64> },
    /// There is no token endpoint at this address, so nobody can have used the token up.
    NoEndpoint(String),
    /// Anything else: the token may be used up. With what happened.
    Unknown(String),
}

/// The form fields, in order.
pub fn fields(refresh_token: &Secret) -> [(&'static str, &str); 3] {
    [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh_token.expose()),
        ("client_id", CLIENT_ID),
    ]
}

/// The body as `application/x-www-form-urlencoded`.
pub fn form(refresh_token: &Secret) -> Secret {
    let mut body = String::new();
    for (name, value) in fields(refresh_token) {
        if !body.is_empty() {
            body.push('&');
        }
        body.push_str(name);
        body.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                body.push(char::from(byte));
            } else {
                body.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    Secret::new(body)
}

/// Whether a body is a whole JSON object: an answer, whatever is wrong around it.
pub fn is_whole(body: &[u8]) -> bool {
    loose_json::object(body).is_some()
}

/// Errors that are for good, whatever the status.
const PERMANENT: [&str; 5] = [
    "refresh_token_expired",
    "refresh_token_reused",
    "refresh_token_invalidated",
    // Codex 0.169 tries again after these two. The service means: sign in again.
    "app_session_expired",
    "invalid_refresh_token",
];

/// What an answer of `host` means.
pub fn classify(reply: &Reply, host: &str, now: Timestamp) -> TokenReply {
    let status = reply.status;
    let members = if reply.is_challenge { None } else { loose_json::object(&reply.body) };
    let code = members.as_deref().and_then(error_code);
    if let Some(code) = PERMANENT.iter().find(|known| code.as_deref() == Some(**known)) {
        return TokenReply::Refused(code);
    }
    let turned_away = || TokenReply::TurnedAway {
        reason: format!("{host} answered {status}"),
        retry_after: reply.retry_after.as_deref().and_then(|value| retry_after(value, now)),
    };
    match status {
        200..=299 => members.as_deref().and_then(new_tokens).unwrap_or_else(|| {
            TokenReply::Unknown(format!("{host} answered without new tokens ({status})"))
        }),
        300..=399 | 429 => turned_away(),
        400 if code.as_deref() == Some("invalid_grant") => TokenReply::Refused("invalid_grant"),
        401 => TokenReply::Refused("unauthorized"),
        // A page: a firewall's, or a block of the region.
        403 if !is_json(&reply.body) => turned_away(),
        // An OAuth server would have named an error.
        404 | 410 if code.is_none() => TokenReply::NoEndpoint(format!("{host} answered {status}")),
        500..=599 => TokenReply::Unknown(format!("{host} failed ({status})")),
        _ => TokenReply::Unknown(format!("{host} answered {status}")),
    }
}

/// Whether a body begins as JSON: half of an answer is no page.
fn is_json(body: &[u8]) -> bool {
    body.trim_ascii_start().first().is_some_and(|first| b"{[\"".contains(first))
}

/// `error.code`, `error` as a string, or `code`.
fn error_code(members: &[Member]) -> Option<String> {
    let error = loose_json::find(members, "error");
    let inside = error.and_then(loose_json::object);
    inside
        .as_deref()
        .and_then(|inside| loose_json::text(loose_json::find(inside, "code")?))
        .or_else(|| loose_json::text(error?))
        .or_else(|| loose_json::text(loose_json::find(members, "code")?))
}

/// `None` if there is nothing in it worth storing.
fn new_tokens(members: &[Member]) -> Option<TokenReply> {
    let token = |name: &str| {
        let text = loose_json::text(loose_json::find(members, name)?)?;
        (!text.is_empty()).then_some(text)
    };
    let is_header = |text: &String| text.bytes().all(|byte| byte.is_ascii_graphic());
    // What no header can carry is no access token. A refresh token is sent in a form, which carries
    // everything.
    let access_token = token("access_token").filter(is_header).map(Secret::new);
    let refresh_token = token("refresh_token").map(Secret::new);
    let id_token = token("id_token").filter(|token| is_readable_by_codex(token)).map(Secret::new);
    let is_old_valid = match loose_json::find(members, "refresh_token") {
        None | Some(b"null" | b"\"\"") => true,
        Some(_) => false,
    };
    let is_worth_it = access_token.is_some() || refresh_token.is_some();
    is_worth_it.then_some(TokenReply::Refreshed {
        tokens: NewTokens { access_token, refresh_token, id_token },
        is_old_valid,
    })
}

/// The issuer's discovery document, if its issuer is one that may name a token endpoint.
pub fn discovery_url(issuer: &str) -> Option<String> {
    let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    is_openai(&url).then_some(url)
}

/// The token endpoint that a discovery document names, if it is one that may get a token.
pub fn discovered_endpoint(document: &[u8]) -> Option<String> {
    let document: Value = serde_json::from_slice(document).ok()?;
    let url = document["token_endpoint"].as_str()?;
    is_openai(url).then(|| url.to_string())
}

/// An https URL of an openai.com host.
fn is_openai(url: &str) -> bool {
    let Ok(endpoint) = Endpoint::parse(url) else { return false };
    let host = endpoint.host_and_port().0.to_ascii_lowercase();
    let is_openai = host == "openai.com" || host.ends_with(".openai.com");
    // What stands before an `@` is a user, and could look like the host.
    is_openai && !endpoint.is_plain() && !url.contains('@')
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_359_600);

    fn reply(status: u16, body: &str) -> Reply {
        Reply { status, retry_after: None, date: None, is_challenge: false, body: body.into() }
    }

    fn tokens(access: &str, refresh: &str, id: &str) -> TokenReply {
        let some = |text: &str| (!text.is_empty()).then(|| Secret::new(text.into()));
        let tokens = NewTokens {
            access_token: some(access),
            refresh_token: some(refresh),
            id_token: some(id),
        };
        TokenReply::Refreshed { tokens, is_old_valid: refresh.is_empty() }
    }

    fn unknown(text: &str) -> TokenReply {
        TokenReply::Unknown(format!("host {text}"))
    }

    fn turned_away(status: u16) -> TokenReply {
        TokenReply::TurnedAway { reason: format!("host answered {status}"), retry_after: None }
    }

    fn no_endpoint(status: u16) -> TokenReply {
        TokenReply::NoEndpoint(format!("host answered {status}"))
    }

    #[test]
    fn every_answer_has_its_meaning() {
        let id = crate::codex::jwt::for_test("{}");
        let full = format!(r#"{{"access_token":"a","refresh_token":"r","id_token":"{id}"}}"#);
        for (status, body, expected) in [
            (200, full.as_str(), tokens("a", "r", &id)),
            (200, r#"{"access_token":"a"}"#, tokens("a", "", "")),
            (200, r#"{"access_token":"a","refresh_token":"","id_token":"x"}"#, tokens("a", "", "")),
            (200, r#"{"access_token":"a\n","refresh_token":"r"}"#, tokens("", "r", "")),
            (200, r#"{"refresh_token":5}"#, unknown("answered without new tokens (200)")),
            (200, "<html>", unknown("answered without new tokens (200)")),
            (200, "", unknown("answered without new tokens (200)")),
            (401, "", TokenReply::Refused("unauthorized")),
            (
                401,
                r#"{"error":{"code":"refresh_token_reused"}}"#,
                TokenReply::Refused("refresh_token_reused"),
            ),
            (
                400,
                r#"{"error":"refresh_token_expired"}"#,
                TokenReply::Refused("refresh_token_expired"),
            ),
            (
                500,
                r#"{"code":"refresh_token_invalidated"}"#,
                TokenReply::Refused("refresh_token_invalidated"),
            ),
            (400, r#"{"error":"invalid_grant"}"#, TokenReply::Refused("invalid_grant")),
            (400, r#"{"error":"invalid_request"}"#, unknown("answered 400")),
            (403, "<html>", turned_away(403)),
            (403, "{}", unknown("answered 403")),
            (403, "{\"error\": {\"cod", unknown("answered 403")),
            (404, "", no_endpoint(404)),
            (404, "<html>", no_endpoint(404)),
            (410, "{}", no_endpoint(410)),
            (404, r#"{"error":"invalid_client"}"#, unknown("answered 404")),
            (302, "", turned_away(302)),
            (429, "{}", turned_away(429)),
            (503, "{}", unknown("failed (503)")),
        ] {
            let meaning = classify(&reply(status, body), "host", NOW);
            assert_eq!(meaning, expected, "{status} {body}");
        }
    }

    #[test]
    fn tokens_are_taken_out_of_whatever_is_around_them() {
        let deep = "[".repeat(200) + &"]".repeat(200);
        let inside = [
            "\"n\": 1e999,".as_bytes().to_vec(),
            b"\"s\": \"\\ud800\",".to_vec(),
            b"\"b\": \"\xff\xfe\",".to_vec(),
            format!("\"d\": {deep},").into_bytes(),
        ];
        for further in inside {
            let body =
                [b"\xef\xbb\xbf{", &further[..], br#""access_token":"a","refresh_token":"r"}"#]
                    .concat();
            let reply = Reply { body, ..reply(200, "") };
            let further = String::from_utf8_lossy(&further).into_owned();
            assert_eq!(classify(&reply, "host", NOW), tokens("a", "r", ""), "{further}");
        }
        // A refresh token of whatever letters is the one that there is.
        for text in ["r t", "r\u{fc}", "r\n", "\u{1f600}"] {
            let body = serde_json::json!({"access_token": "a", "refresh_token": text}).to_string();
            assert_eq!(classify(&reply(200, &body), "host", NOW), tokens("a", text, ""));
        }
        // One that cannot be read is not the same as none: the old one is used up.
        let body = r#"{"access_token":"a","refresh_token":"\ud800"}"#;
        let TokenReply::Refreshed { tokens, is_old_valid } =
            classify(&reply(200, body), "host", NOW)
        else {
            panic!("the access token is worth storing");
        };
        assert!(tokens.refresh_token.is_none() && !is_old_valid);
    }

    #[test]
    fn who_asks_to_wait_is_heard() {
        let reply = Reply { retry_after: Some("7200".into()), ..reply(429, "") };
        assert_eq!(
            classify(&reply, "host", NOW),
            TokenReply::TurnedAway { reason: "host answered 429".into(), retry_after: Some(7200) }
        );
    }

    #[test]
    fn the_form_is_encoded() {
        let form = form(&Secret::new("a b+c/=&".into()));
        assert_eq!(
            form.expose(),
            format!(
                "grant_type=refresh_token&refresh_token=a%20b%2Bc%2F%3D%26&client_id={CLIENT_ID}"
            )
        );
    }

    #[test]
    fn only_openai_may_name_an_endpoint() {
        assert_eq!(
            discovery_url("https://auth.openai.com/").as_deref(),
            Some("https://auth.openai.com/.well-known/openid-configuration")
        );
        for issuer in [
            "http://auth.openai.com",
            "https://auth.openai.com.example",
            "https://notopenai.com",
            "https://u@auth.openai.com",
            "",
        ] {
            assert_eq!(discovery_url(issuer), None, "{issuer}");
        }
        let document =
            |url: &str| discovered_endpoint(format!(r#"{{"token_endpoint":"{url}"}}"#).as_bytes());
        assert!(document("https://auth0.openai.com/oauth/token").is_some());
        assert!(document("https://evil.example/oauth/token").is_none());
        assert_eq!(discovered_endpoint(b"<html>"), None);
    }
}
