//! Codex's login: `auth.json`, and the variable that beats it.

use super::config::Config;
use super::home::Home;
use super::jwt::Claims;
use crate::io::env::{ACCESS_TOKEN, Env};
use crate::io::files;
use crate::model::error::Error;
use crate::model::secret::Secret;
use serde::Deserialize;
use std::io;
use std::path::Path;
use std::time::Duration;

/// Real files have about 5 KiB.
const MAX_BYTES: u64 = 1024 * 1024;
/// How often a file that cannot be used is read before it counts as broken, and how long apart.
const READS: u32 = 4;
const BETWEEN_READS: Duration = Duration::from_millis(50);

/// Reads auth.json until it is whole. Codex up to about 0.14 rewrites it in place, so a reader can
/// meet it empty or half written.
///
/// # Errors
/// Those of `read`: [`Error::AuthInvalid`] only if the file stays like that.
pub(crate) fn read_whole<T>(mut read: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    for _ in 1..READS {
        match read() {
            Err(Error::AuthInvalid { .. }) => std::thread::sleep(BETWEEN_READS),
            result => return result,
        }
    }
    read()
}

/// A ChatGPT login, as far as asking needs it.
#[derive(Debug)]
pub struct Login {
    pub access_token: Secret,
    /// The account that the usage request names; `None` sends no header, as Codex does.
    pub account_id: Option<String>,
    /// Sends `x-openai-fedramp: true`.
    pub is_fedramp: bool,
    /// What refreshes the access token; `None` if that is not for us to do: the tokens are lent to
    /// Codex by another program, or there is none in the file.
    pub refresh_token: Option<Secret>,
    /// Says who somebody is; `None` if there is none in the file.
    pub id_token: Option<Secret>,
    /// The claims of the access token.
    pub claims: Claims,
    /// Every id under which an answer may speak of this login.
    known_ids: Vec<String>,
    has_user_ids: bool,
}

/// `auth.json`; keys that are not named here are not looked at.
#[derive(Deserialize)]
struct AuthJson {
    auth_mode: Option<String>,
    #[serde(rename = "OPENAI_API_KEY")]
    api_key: Option<serde::de::IgnoredAny>,
    tokens: Option<TokensJson>,
}

#[derive(Deserialize)]
struct TokensJson {
    #[serde(default)]
    id_token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    refresh_token: Option<String>,
    #[serde(default)]
    account_id: Option<String>,
}

impl Login {
    /// The login that Codex would use now.
    ///
    /// # Errors
    /// Not signed in, a login without plan limits, or a file that cannot be used; see [`Error`].
    pub fn read(home: &Home, config: &Config, env: &Env) -> Result<Login, Error> {
        env.protect_memory();
        if env.variable(ACCESS_TOKEN).is_some() {
            return Err(Error::LoginForCodex { place: ACCESS_TOKEN.into() });
        }
        let store = config.credentials_store();
        // With `auto`, Codex removes the file when it could use the keyring; with the others, a
        // file that is there is left over from another time.
        let is_in_file = store == "file" || (store == "auto" && home.auth_json().exists());
        if !is_in_file {
            return Err(config.login_elsewhere());
        }
        read_whole(|| Login::read_once(home))
    }

    fn read_once(home: &Home) -> Result<Login, Error> {
        let path = home.auth_json();
        let bytes = match files::read_bounded(&path, MAX_BYTES) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::NotSignedIn { path });
            }
            Err(error) => {
                return Err(Error::AuthUnreadable { path, reason: Error::io_reason(&error) });
            }
        };
        Login::of_file(&path, &bytes)
    }

    /// The login that `bytes`, the content of `path`, hold.
    ///
    /// # Errors
    /// As [`Login::read`].
    pub fn of_file(path: &Path, bytes: &[u8]) -> Result<Login, Error> {
        let path = path.to_path_buf();
        Login::parse(bytes).map_err(|problem| match problem {
            LoginProblem::Invalid(reason) => Error::AuthInvalid { path, reason },
            LoginProblem::NoTokens => Error::NotSignedIn { path },
            LoginProblem::ApiKey => Error::ApiKeyLogin { place: path.display().to_string() },
            LoginProblem::ForCodex => Error::LoginForCodex { place: path.display().to_string() },
            LoginProblem::OtherMode(mode) => Error::UnsupportedLogin { path, mode },
        })
    }

    fn parse(bytes: &[u8]) -> Result<Login, LoginProblem> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(LoginProblem::Invalid("is empty"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| LoginProblem::Invalid("is not UTF-8"))?;
        // The decoder's own words are dropped: they can quote the file.
        let file: AuthJson = serde_json::from_str(text).map_err(|error| {
            LoginProblem::Invalid(if error.is_eof() {
                "is cut short"
            } else {
                "is not what codex writes"
            })
        })?;
        let is_renewable = match file.auth_mode.as_deref() {
            Some("chatgpt") => true,
            Some("apikey") => return Err(LoginProblem::ApiKey),
            // Tokens that another program lends to Codex: they can be used, not refreshed.
            Some("chatgptAuthTokens") => false,
            // Business and Enterprise: it has limits, and how it is sent is Codex's affair.
            Some("personalAccessToken") => return Err(LoginProblem::ForCodex),
            Some(mode) => return Err(LoginProblem::OtherMode(crate::model::text::plain(mode, 40))),
            None if file.api_key.is_some() => return Err(LoginProblem::ApiKey),
            None => true,
        };
        let tokens = file.tokens.ok_or(LoginProblem::NoTokens)?;
        let is_sendable = |value: &Option<String>| {
            value.iter().all(|text| text.bytes().all(|byte| byte.is_ascii_graphic()))
        };
        if !is_sendable(&tokens.access_token) || !is_sendable(&tokens.account_id) {
            return Err(LoginProblem::Invalid("holds a token or account that no header can carry"));
        }
        let access_token = tokens
            .access_token
            .filter(|token| !token.trim().is_empty())
            .ok_or(LoginProblem::NoTokens)?;
        let access_token = Secret::new(access_token);
        let claims = Claims::of(access_token.expose());
        let identity = tokens.id_token.as_deref().map(Claims::of).unwrap_or_default().codex;
        let account_id = tokens.account_id.filter(|id| !id.is_empty());
        // With an id in auth.json that one is the account; the claims stand in where it is missing.
        let mut known_ids: Vec<String> = match &account_id {
            Some(id) => vec![id.clone()],
            None => claims
                .codex
                .chatgpt_account_id
                .iter()
                .chain(&identity.chatgpt_account_id)
                .cloned()
                .collect(),
        };
        let users = [
            &claims.codex.chatgpt_user_id,
            &claims.codex.user_id,
            &identity.chatgpt_user_id,
            &identity.user_id,
        ];
        let has_user_ids = users.iter().any(|id| id.is_some());
        known_ids.extend(users.into_iter().flatten().cloned());
        Ok(Login {
            access_token,
            account_id,
            is_fedramp: claims.codex.chatgpt_account_is_fedramp
                || identity.chatgpt_account_is_fedramp,
            refresh_token: tokens
                .refresh_token
                .filter(|token| is_renewable && !token.is_empty())
                .map(Secret::new),
            id_token: tokens.id_token.map(Secret::new),
            claims,
            known_ids,
            has_user_ids,
        })
    }

    /// The account, also where only the access token names it.
    pub fn account(&self) -> Option<&str> {
        self.account_id.as_deref().or(self.claims.codex.chatgpt_account_id.as_deref())
    }

    /// Whether an answer that names these ids may be shown for this login.
    ///
    /// Personal plans answer with the user's id in the place of the account's; if this login's
    /// tokens do not tell the user's id, that cannot be compared and is accepted.
    pub fn owns_answer(&self, account_id: Option<&str>, user_id: Option<&str>) -> bool {
        let Some(account_id) = account_id.filter(|id| !id.is_empty()) else { return true };
        if self.known_ids.is_empty() || self.known_ids.iter().any(|id| id == account_id) {
            return true;
        }
        Some(account_id) == user_id && !self.has_user_ids
    }
}

enum LoginProblem {
    Invalid(&'static str),
    NoTokens,
    ApiKey,
    ForCodex,
    OtherMode(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str) -> &'static str {
        match Login::parse(text.as_bytes()) {
            Ok(_) => "login",
            Err(LoginProblem::Invalid(reason)) => reason,
            Err(LoginProblem::NoTokens) => "no tokens",
            Err(LoginProblem::ApiKey) => "api key",
            Err(LoginProblem::ForCodex) => "for codex",
            Err(LoginProblem::OtherMode(_)) => "other mode",
        }
    }

    #[test]
    fn kinds_of_login() {
        for (text, expected) in [
            (r#"{"auth_mode":"chatgpt","tokens":{"access_token":"a"}}"#, "login"),
            (r#"{"tokens":{"access_token":"a"},"OPENAI_API_KEY":null,"new":[1]}"#, "login"),
            (r#"{"OPENAI_API_KEY":"sk-made-up"}"#, "api key"),
            (
                r#"{"OPENAI_API_KEY":"sk-made-up","auth_mode":"chatgpt",
                    "tokens":{"access_token":"a"}}"#,
                "login",
            ),
            (r#"{"auth_mode":"apikey"}"#, "api key"),
            (r#"{"auth_mode":"bedrockApiKey"}"#, "other mode"),
            (r#"{"auth_mode":"personalAccessToken"}"#, "for codex"),
            (r#"{"tokens":{"access_token":""}}"#, "no tokens"),
            (r#"{"tokens":null}"#, "no tokens"),
            ("{}", "no tokens"),
            ("", "is empty"),
            (" \n", "is empty"),
            (r#"{"tokens":{"access_tok"#, "is cut short"),
            ("[]", "is not what codex writes"),
            (r#"{"tokens":{"access_token":5}}"#, "is not what codex writes"),
        ] {
            assert_eq!(word(text), expected, "{text}");
        }
    }

    #[test]
    fn an_answer_for_another_account_is_not_ours() {
        let check = |claims: &str,
                     account: Option<&str>,
                     answer: (Option<&str>, Option<&str>),
                     expected: bool| {
            let token = crate::codex::jwt::for_test(&format!(
                "{{\"https://api.openai.com/auth\":{claims}}}"
            ));
            let file =
                serde_json::json!({"tokens": {"access_token": token, "account_id": account}});
            let login = Login::of_file(Path::new("x"), file.to_string().as_bytes()).unwrap();
            assert_eq!(
                login.owns_answer(answer.0, answer.1),
                expected,
                "{claims} {account:?} {answer:?}"
            );
        };
        check("{}", Some("acc-1"), (None, None), true);
        check("{}", Some("acc-1"), (Some("acc-1"), None), true);
        check("{}", Some("acc-1"), (Some("acc-2"), None), false);
        check("{}", Some("acc-1"), (Some("acc-2"), Some("user-9")), false);
        check("{}", Some("acc-1"), (Some("user-9"), Some("user-9")), true);
        check(
            r#"{"chatgpt_user_id":"user-9"}"#,
            Some("acc-1"),
            (Some("user-9"), Some("user-9")),
            true,
        );
        check(
            r#"{"chatgpt_user_id":"user-9"}"#,
            Some("acc-1"),
            (Some("user-8"), Some("user-8")),
            false,
        );
        check(r#"{"chatgpt_account_id":"acc-1"}"#, None, (Some("acc-2"), None), false);
        check("{}", None, (Some("acc-2"), None), true);
    }
}
