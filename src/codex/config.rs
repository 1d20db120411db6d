//! Codex's `config.toml`: the few keys that decide where and how to ask. Read by the fetch only.

use super::home::Home;
use crate::io::files;
use crate::model::error::Error;
use serde::Deserialize;
use std::collections::BTreeMap;

const DEFAULT_BASE_URL: &str = "https://chatgpt.com/backend-api";
/// Real files have a few KiB.
const MAX_BYTES: u64 = 1024 * 1024;

/// What of `config.toml` matters here; the rest is Codex's own affair.
#[derive(Debug, Default, Deserialize)]
pub struct Config {
    chatgpt_base_url: Option<String>,
    cli_auth_credentials_store: Option<String>,
    profile: Option<String>,
    #[serde(default)]
    profiles: BTreeMap<String, Profile>,
}

#[derive(Debug, Default, Deserialize)]
struct Profile {
    chatgpt_base_url: Option<String>,
}

impl Config {
    /// A missing file means defaults.
    ///
    /// # Errors
    /// [`Error::HomeMissing`]; [`Error::ConfigInvalid`] if it is there and cannot be used: asking a default endpoint instead
    /// of the company's would send the token to the wrong place.
    pub fn read(home: &Home) -> Result<Config, Error> {
        home.check()?;
        let path = home.config_toml();
        let invalid = |reason: String| Error::ConfigInvalid { path: path.clone(), reason };
        let bytes = match files::read_bounded(&path, MAX_BYTES) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Config::default());
            }
            Err(error) => return Err(invalid(Error::io_reason(&error))),
        };
        let text = String::from_utf8(bytes).map_err(|_| invalid("is not UTF-8".into()))?;
        Config::parse(&text).map_err(invalid)
    }

    /// # Errors
    /// What is wrong and in which line, without quoting it.
    pub fn parse(text: &str) -> Result<Config, String> {
        toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start.min(text.len()));
            let line = text.as_bytes()[..start].iter().filter(|byte| **byte == b'\n').count() + 1;
            format!("line {line} is not valid")
        })
    }

    /// Where the login is stored: `file` unless said otherwise.
    pub fn credentials_store(&self) -> &str {
        self.cli_auth_credentials_store.as_deref().unwrap_or("file")
    }

    /// The URL of the usage request, made as Codex makes it.
    pub fn usage_url(&self) -> String {
        let of_profile = self.profile.as_ref().and_then(|name| self.profiles.get(name));
        let base = of_profile.and_then(|profile| profile.chatgpt_base_url.as_deref());
        let base = base.or(self.chatgpt_base_url.as_deref()).unwrap_or(DEFAULT_BASE_URL);
        usage_url(base)
    }
}

fn usage_url(base: &str) -> String {
    let mut base = base.trim().trim_end_matches('/').to_string();
    let is_chatgpt =
        base.starts_with("https://chatgpt.com") || base.starts_with("https://chat.openai.com");
    if is_chatgpt && !base.contains("/backend-api") {
        base.push_str("/backend-api");
    }
    let path = if base.contains("/backend-api") { "/wham/usage" } else { "/api/codex/usage" };
    base + path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usage_url_is_made_as_codex_makes_it() {
        let check = |config: &str, expected: &str| {
            assert_eq!(Config::parse(config).unwrap().usage_url(), expected, "{config}");
        };
        check("", "https://chatgpt.com/backend-api/wham/usage");
        check(
            "chatgpt_base_url = 'https://chatgpt.com/'",
            "https://chatgpt.com/backend-api/wham/usage",
        );
        check(
            "chatgpt_base_url = 'https://chat.openai.com'",
            "https://chat.openai.com/backend-api/wham/usage",
        );
        check(
            "chatgpt_base_url = 'https://gate.example/backend-api//'",
            "https://gate.example/backend-api/wham/usage",
        );
        check("chatgpt_base_url = 'http://127.0.0.1:80'", "http://127.0.0.1:80/api/codex/usage");
        check(
            "profile = 'work'\nchatgpt_base_url = 'https://a.example'\n[profiles.work]\nchatgpt_base_url = 'https://b.example'\nmodel = 'x'",
            "https://b.example/api/codex/usage",
        );
    }

    #[test]
    fn a_broken_file_is_named_by_line_and_not_quoted() {
        let reason = Config::parse("model = 'x'\nsecret = sk-made-up\n").unwrap_err();
        assert_eq!(reason, "line 2 is not valid");
        assert_eq!(Config::parse("chatgpt_base_url = 5").unwrap_err(), "line 1 is not valid");
    }
}
