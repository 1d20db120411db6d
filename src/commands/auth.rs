//! `codexline auth`: what the login looks like, and renewing it by hand. No secret is shown.

use crate::codex::config::Config;
use crate::codex::dotenv::with_dotenv;
use crate::codex::home::Home;
use crate::codex::login::Login;
use crate::io::env::Env;
use crate::io::http::Client;
use crate::io::output::{self, Log};
use crate::model::error::Error;
use crate::model::secret::Secret;
use crate::model::text::{fit, one_line, plain, width};
use crate::model::time::{Timestamp, age, countdown};
use crate::refresh::TokenRefresh;
use crate::refresh::auth_file::AuthFile;
use crate::refresh::ledger::Ledger;
use crate::refresh::oauth;
use crate::refresh::token_record::fingerprint;
use serde_json::Value;

/// `codexline auth refresh`.
pub struct RefreshArgs {
    /// Show the request and send nothing.
    pub print_only: bool,
    /// Ask the issuer for its token endpoint.
    pub discover: bool,
    pub verbose: bool,
}

/// `codexline auth`.
///
/// # Errors
/// Why there is no login to speak of.
pub fn show(env: &Env) -> Result<(), Error> {
    let home = Home::locate(env)?;
    let config = Config::read(&home)?;
    let login = Login::read(&home, &config, env)?;
    let now = env.now();
    let mut page = Page::on(env);
    let file = AuthFile::locate(&home)?;
    describe_file(&mut page, &home, &file, &config);
    describe_renewal(&mut page, &file, &login, env, now);
    describe_tokens(&mut page, &login, now);
    output::print(&page.text);
    Ok(())
}

fn describe_file(page: &mut Page, home: &Home, file: &AuthFile, config: &Config) {
    let path = home.auth_json();
    let link = if file.target() == path {
        String::new()
    } else {
        format!(" -> {}", file.target().display())
    };
    page.row("file", format!("{}{link}", path.display()));
    page.row("store", config.credentials_store());
    let content = file.read().ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let content = content.unwrap_or_default();
    let text = |value: &Value, missing: &str| plain(value.as_str().unwrap_or(missing), 60);
    page.row("mode", text(&content["auth_mode"], "chatgpt (not named)"));
    if let Ok(metadata) = std::fs::metadata(file.target()) {
        let owner =
            if crate::io::platform::is_ours(&metadata) { "yours" } else { "another user's" };
        page.row("permissions", format!("{:04o}, {owner}", crate::io::platform::mode(&metadata)));
    }
    let refreshed = &content["last_refresh"];
    // Codex writes nanoseconds.
    let time = refreshed.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    page.row(
        "last refresh",
        time.map_or_else(|| text(refreshed, "never"), |time| Timestamp::from(time).rfc3339()),
    );
}

fn describe_tokens(page: &mut Page, login: &Login, now: Timestamp) {
    let claims = &login.claims;
    let plan = claims.codex.chatgpt_plan_type.as_deref();
    page.row("account", login.account_id.as_deref().unwrap_or("not named"));
    page.row("plan", plain(plan.unwrap_or("not named"), 60));
    page.row("issuer", plain(claims.iss.as_deref().unwrap_or("not named"), 100));
    let scopes = claims.scopes();
    let offline = if scopes.contains(&"offline_access") { "" } else { " (no offline_access)" };
    page.row("scopes", format!("{}{offline}", plain(&scopes.join(" "), 200)).trim());
    page.row(
        "access token",
        match claims.expires_at() {
            Some(end) if end > now => {
                format!("ends in {} ({})", countdown(end.seconds_since(now)), end.rfc3339())
            }
            Some(end) => format!("ended {} ({})", age(now.seconds_since(end)), end.rfc3339()),
            None => "does not say when it ends".to_string(),
        },
    );
}

fn describe_renewal(page: &mut Page, file: &AuthFile, login: &Login, env: &Env, now: Timestamp) {
    let renewal = match (&login.refresh_token, file.check()) {
        (None, _) => "not by us: there is no refresh token of Codex's own".to_string(),
        (Some(_), Ok(())) => "possible".to_string(),
        (Some(_), Err(error)) => format!("not by us: {error}; {}", error.hint()),
    };
    page.row("renewal", renewal);
    let record = Ledger::read(file, env).and_then(|ledger| match &login.refresh_token {
        Some(token) => ledger.find(&fingerprint(token)),
        None => Ok(None),
    });
    page.row(
        "refresh token",
        match record {
            Ok(Some(record)) => {
                let code =
                    record.code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
                format!("{}{code} {}", record.state.name(), age(now.seconds_since(record.at)))
            }
            Ok(None) => "not sent by codexline".to_string(),
            Err(error) => error.to_string(),
        },
    );
    let rescue = file.staged();
    page.row(
        "pending rescue",
        if rescue.exists() { rescue.display().to_string() } else { "none".to_string() },
    );
}

/// `codexline auth refresh`.
///
/// # Errors
/// See [`TokenRefresh::refresh`].
pub fn refresh(args: &RefreshArgs, env: &Env) -> Result<(), Error> {
    let log = Log::new(args.verbose);
    let home = Home::locate(env)?;
    let config = Config::read(&home)?;
    let login = Login::read(&home, &config, env)?;
    let file = home.auth_json();
    if config.credentials_store() != "file" {
        return Err(config.login_elsewhere());
    }
    let token = login.refresh_token.as_ref().ok_or(Error::NotRenewable { path: file.clone() })?;
    let client = Client::new(&with_dotenv(env, &home, &log))?;
    let token_refresh = TokenRefresh { env, home: &home, client: &client, log: &log };
    // First: it promises to stay off the network, whatever else is asked for.
    if args.print_only {
        return print_request(&token_refresh, token, env);
    }
    if args.discover {
        let endpoint = token_refresh.discover(&login)?;
        output::print(&format!("token endpoint: {}\n", endpoint.shown()));
        return Ok(());
    }
    let refreshed = token_refresh.refresh(None)?;
    let end = refreshed
        .claims
        .expires_at()
        .map(|end| format!("; it ends {}", end.rfc3339()))
        .unwrap_or_default();
    output::print(&format!("{} has a new access token{end}\n", file.display()));
    Ok(())
}

fn print_request(token_refresh: &TokenRefresh, token: &Secret, env: &Env) -> Result<(), Error> {
    let planned = token_refresh.plan()?;
    let mut page = Page::on(env);
    page.row("method", "POST");
    page.row("url", planned.endpoint.shown());
    page.row("header", "Accept: application/json");
    page.row("header", "Content-Type: application/x-www-form-urlencoded");
    page.row("header", format!("User-Agent: {}", crate::io::http::USER_AGENT));
    for (name, value) in oauth::fields(token) {
        page.row(
            "field",
            format!("{name}={}", if name == "refresh_token" { "***" } else { value }),
        );
    }
    output::print(&page.text);
    Ok(())
}

/// The columns of a row's name.
const NAME: usize = 15;

/// Rows of a name and a text.
#[derive(Default)]
struct Page {
    text: String,
    /// Of the terminal. `None`: there is none, and each row is one line.
    columns: Option<usize>,
}

impl Page {
    fn on(env: &Env) -> Page {
        Page { text: String::new(), columns: env.terminal_columns() }
    }

    /// Lines break at blanks. A text with a word that does not fit beside the name begins below it.
    fn row(&mut self, name: &str, text: impl AsRef<str>) {
        let text = one_line(text.as_ref());
        let columns = self.columns.unwrap_or(usize::MAX);
        let beside = columns.saturating_sub(NAME);
        let (first, indent) = if text.split(' ').all(|word| width(word) <= beside) {
            (format!("{name:<NAME$}"), NAME)
        } else {
            (format!("{name}\n  "), 2)
        };
        let lines = match self.columns {
            Some(columns) => fit(&text, columns.saturating_sub(indent).max(1)),
            None => vec![text.to_string()],
        };
        self.text.push_str(&first);
        self.text.push_str(&lines.join(&format!("\n{:indent$}", "")));
        self.text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_fit_a_narrow_terminal_and_break_at_blanks() {
        let mut page = Page { columns: Some(40), ..Page::default() };
        page.row("store", "file");
        page.row("access token", "ends in 9d23h (2026-12-04T14:53:05Z)");
        page.row("account", "6f1b2c3d-1111-4222-8333-944455556666");
        page.row("file", "/home/somebody/with/a/long/name/.codex/auth.json");
        let expected = "\
store          file
access token   ends in 9d23h
               (2026-12-04T14:53:05Z)
account
  6f1b2c3d-1111-4222-8333-944455556666
file
  /home/somebody/with/a/long/name/
  .codex/auth.json
";
        assert_eq!(page.text, expected);
        let mut page = Page::default();
        page.row("scopes", "openid profile email offline_access");
        assert_eq!(page.text, "scopes         openid profile email offline_access\n");
    }
}
