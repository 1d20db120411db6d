//! Codex's configuration: the few keys that decide where and how to ask. Read by the fetch only.
//!
//! Three files hold it, each above the one before: the system's, the user's, and the one that an
//! administrator manages (checked by running Codex 0.169).

use super::home::Home;
use crate::io::files;
use crate::model::error::Error;
use serde::Deserialize;
use std::path::{Path, PathBuf};

const DEFAULT_BASE_URL: &str = "https://chatgpt.com/backend-api";
/// In bytes. Real files have a few KiB.
const MAX_BYTES: u64 = 1024 * 1024;
/// The folder of the system's configuration and of the managed one.
const SYSTEM: &str = "/etc/codex";
/// Where the login is stored if no file says it.
const DEFAULT_STORE: &str = "file";

/// What all files say together.
#[derive(Debug, Default)]
pub struct Config {
    chatgpt_base_url: Option<String>,
    /// The value of `cli_auth_credentials_store`, and the file that sets it.
    credentials_store: Option<(String, PathBuf)>,
    /// A file that has `profile` or `profiles`.
    with_profile: Option<PathBuf>,
}

/// What of one file matters here.
#[derive(Debug, Default, Deserialize)]
struct Layer {
    chatgpt_base_url: Option<String>,
    cli_auth_credentials_store: Option<String>,
    profile: Option<toml::Value>,
    profiles: Option<toml::Value>,
}

impl Config {
    /// The configuration of this home and of the system. A missing file means defaults.
    ///
    /// # Errors
    /// [`Error::HomeMissing`]. [`Error::ConfigInvalid`] if a file is there and cannot be used: to
    /// ask the default endpoint instead of a company's would send the token to the wrong place.
    pub fn read(home: &Home) -> Result<Config, Error> {
        Config::read_layers(home, Path::new(SYSTEM))
    }

    /// As [`Config::read`], with another folder for the system's files.
    ///
    /// # Errors
    /// As there.
    pub fn read_layers(home: &Home, system: &Path) -> Result<Config, Error> {
        home.check()?;
        let mut config = Config::default();
        let managed = system.join("managed_config.toml");
        for path in [system.join("config.toml"), home.config_toml(), managed] {
            config.add(&path)?;
        }
        Ok(config)
    }

    /// Puts one file above what is known so far.
    fn add(&mut self, path: &Path) -> Result<(), Error> {
        let invalid = |reason: String| Error::ConfigInvalid { path: path.to_path_buf(), reason };
        let bytes = match files::read_bounded(path, MAX_BYTES) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(invalid(Error::io_reason(&error))),
        };
        let text = String::from_utf8(bytes).map_err(|_| invalid("is not UTF-8".into()))?;
        self.add_text(&text, path).map_err(invalid)
    }

    fn add_text(&mut self, text: &str, path: &Path) -> Result<(), String> {
        let layer: Layer = toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start.min(text.len()));
            let line = text.as_bytes()[..start].iter().filter(|byte| **byte == b'\n').count() + 1;
            format!("line {line} is not valid")
        })?;
        self.chatgpt_base_url = layer.chatgpt_base_url.or(self.chatgpt_base_url.take());
        let store = layer.cli_auth_credentials_store.map(|store| (store, path.to_path_buf()));
        self.credentials_store = store.or(self.credentials_store.take());
        if layer.profile.is_some() || layer.profiles.is_some() {
            self.with_profile = Some(path.to_path_buf());
        }
        Ok(())
    }

    /// The configuration that one file with this text makes.
    ///
    /// # Errors
    /// What is wrong and in which line, without quoting it.
    pub fn parse(text: &str) -> Result<Config, String> {
        let mut config = Config::default();
        config.add_text(text, Path::new(""))?;
        Ok(config)
    }

    /// Where the login is stored: `file` unless said otherwise.
    pub fn credentials_store(&self) -> &str {
        self.credentials_store.as_ref().map_or(DEFAULT_STORE, |(store, _)| store)
    }

    /// The error for a login that is stored elsewhere: it names the file that says so.
    pub(crate) fn login_elsewhere(&self) -> Error {
        let path = self.credentials_store.as_ref().map(|(_, path)| path.clone());
        Error::LoginElsewhere {
            path: path.unwrap_or_default(),
            store: self.credentials_store().to_string(),
        }
    }

    /// Whether Codex itself can be asked with this configuration.
    ///
    /// # Errors
    /// [`Error::ConfigInvalid`] if a file has a `profile`. Codex does not know them since 0.134,
    /// and its app-server then runs with defaults: it would send the token to chatgpt.com, whatever
    /// `chatgpt_base_url` says.
    pub(crate) fn check_for_codex(&self) -> Result<(), Error> {
        self.with_profile.as_ref().map_or(Ok(()), |path| {
            let reason = "codex refuses profile and profiles since 0.134".into();
            Err(Error::ConfigInvalid { path: path.clone(), reason })
        })
    }

    /// The URL of the usage request, made as Codex makes it.
    pub fn usage_url(&self) -> String {
        self.url("usage")
    }

    /// The URL of the list of banked resets.
    pub(crate) fn banked_resets_url(&self) -> String {
        self.url("rate-limit-reset-credits")
    }

    fn url(&self, what: &str) -> String {
        url(self.chatgpt_base_url.as_deref().unwrap_or(DEFAULT_BASE_URL), what)
    }
}

fn url(base: &str, what: &str) -> String {
    let mut base = base.trim().trim_end_matches('/').to_string();
    let is_chatgpt =
        base.starts_with("https://chatgpt.com") || base.starts_with("https://chat.openai.com");
    if is_chatgpt && !base.contains("/backend-api") {
        base.push_str("/backend-api");
    }
    let path = if base.contains("/backend-api") { "/wham/" } else { "/api/codex/" };
    base + path + what
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
            "profile = 'work'\nchatgpt_base_url = 'https://a.example'\n\
             [profiles.work]\nchatgpt_base_url = 'https://b.example'\nmodel = 'x'",
            "https://a.example/api/codex/usage",
        );
    }

    #[test]
    fn codex_is_not_asked_where_a_file_has_a_profile() {
        for text in ["profile = 'work'", "[profiles.work]\nmodel = 'x'"] {
            let error = Config::parse(text).unwrap().check_for_codex().unwrap_err();
            assert!(error.to_string().contains("profile"), "{error}");
        }
        assert!(Config::parse("model = 'x'").unwrap().check_for_codex().is_ok());
    }

    #[test]
    fn a_broken_file_is_named_by_line_and_not_quoted() {
        let reason = Config::parse("model = 'x'\nsecret = sk-made-up\n").unwrap_err();
        assert_eq!(reason, "line 2 is not valid");
        assert_eq!(Config::parse("chatgpt_base_url = 5").unwrap_err(), "line 1 is not valid");
    }
}
