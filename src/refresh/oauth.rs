//! The exchange of a refresh token: what is sent, and what the answer means. Pure.
//!
//! RFC 6749, section 6. Refresh tokens rotate and are single-use: every doubt here counts as "spent".

use crate::codex::jwt::is_readable_by_codex;
use crate::codex::login::Login;
use crate::io::http::{Endpoint, Reply};
use crate::model::secret::Secret;
use serde_json::Value;

/// Where Codex sends it, unless `CODEX_REFRESH_TOKEN_URL_OVERRIDE` says otherwise.
pub const TOKEN_URL: &str = "https://auth.openai.com/oauth/token";
/// Codex's own client id: the refresh token is bound to it.
pub const CLIENT_ID: &str = "app_EMoamEEZ73f0CkXaXp7hrann";

/// New tokens; what is missing or empty stays as it was.
#[derive(Clone, Debug, PartialEq)]
pub struct NewTokens {
    pub access_token: Option<Secret>,
    pub refresh_token: Option<Secret>,
    pub id_token: Option<Secret>,
}

impl NewTokens {
    /// The tokens of a login file that was made by a merge: all of them, whichever were new.
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
    Refreshed(NewTokens),
    /// For good; with the server's code, from the short list that is known.
    Refused(&'static str),
    /// There is no such endpoint, so nothing was spent.
    NoEndpoint,
    /// Anything else: it may have been spent.
    Unknown,
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

/// Errors that are for good, whatever the status.
const PERMANENT: [&str; 3] =
    ["refresh_token_expired", "refresh_token_reused", "refresh_token_invalidated"];

/// What an answer means.
pub fn classify(reply: &Reply) -> TokenReply {
    let body =
        if reply.is_challenge { None } else { serde_json::from_slice::<Value>(&reply.body).ok() };
    let code = body.as_ref().and_then(error_code);
    if let Some(code) = PERMANENT.iter().find(|known| code == Some(**known)) {
        return TokenReply::Refused(code);
    }
    match reply.status {
        200..=299 => {
            body.as_ref().and_then(new_tokens).map_or(TokenReply::Unknown, TokenReply::Refreshed)
        }
        400 if code == Some("invalid_grant") => TokenReply::Refused("invalid_grant"),
        401 => TokenReply::Refused("unauthorized"),
        404 | 410 => TokenReply::NoEndpoint,
        _ => TokenReply::Unknown,
    }
}

/// `error.code`, `error` as a string, or `code`.
fn error_code(body: &Value) -> Option<&str> {
    body["error"]["code"]
        .as_str()
        .or_else(|| body["error"].as_str())
        .or_else(|| body["code"].as_str())
}

/// `None` if there is nothing in it worth storing.
fn new_tokens(body: &Value) -> Option<NewTokens> {
    // What no header can carry is no token.
    let token = |name: &str| {
        let text = body[name].as_str()?;
        let is_token = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_token.then(|| Secret::new(text.to_string()))
    };
    let id_token = token("id_token").filter(|token| is_readable_by_codex(token.expose()));
    let (access_token, refresh_token) = (token("access_token"), token("refresh_token"));
    (access_token.is_some() || refresh_token.is_some()).then_some(NewTokens {
        access_token,
        refresh_token,
        id_token,
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

    fn reply(status: u16, body: &str) -> Reply {
        Reply { status, retry_after: None, date: None, is_challenge: false, body: body.into() }
    }

    fn tokens(access: &str, refresh: &str, id: &str) -> TokenReply {
        let some = |text: &str| (!text.is_empty()).then(|| Secret::new(text.into()));
        TokenReply::Refreshed(NewTokens {
            access_token: some(access),
            refresh_token: some(refresh),
            id_token: some(id),
        })
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
            (200, r#"{"refresh_token":5}"#, TokenReply::Unknown),
            (200, "<html>", TokenReply::Unknown),
            (200, "", TokenReply::Unknown),
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
            (400, r#"{"error":"invalid_request"}"#, TokenReply::Unknown),
            (403, "<html>", TokenReply::Unknown),
            (404, "", TokenReply::NoEndpoint),
            (410, "{}", TokenReply::NoEndpoint),
            (302, "", TokenReply::Unknown),
            (429, "{}", TokenReply::Unknown),
            (503, "{}", TokenReply::Unknown),
        ] {
            assert_eq!(classify(&reply(status, body)), expected, "{status} {body}");
        }
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
