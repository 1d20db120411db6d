//! Codex itself, by `codex app-server`. That takes 0.2 s and 117 MB, so `auto` asks it only where
//! it may succeed after the API has failed:
//!
//! | the API's failure | Codex is asked |
//! |---|---|
//! | the login is in a keyring, or of a kind that only Codex can use | yes |
//! | refused, and the refresh is Codex's affair (store `auto`) | yes, if it can store new tokens |
//! | refused, and auth.json cannot be written | carefully |
//! | a web page with 401 or 403: something on the way refuses codexline | carefully |
//! | 404, 410, or an answer that cannot be read: a newer Codex may know better | carefully |
//! | no network, a time-out, TLS, a portal, 429, 5xx: it would meet the same | no |
//! | not signed in, an API key, another account, a login that has ended | no |
//!
//! **Carefully:** Codex refreshes by itself a token that is about to end. Where that could lose the
//! login, it is asked only while the token has time left, and is not told to refresh. Its numbers
//! count only for the account of auth.json.
//!
//! It is never asked where Codex's own configuration has a `profile`: see
//! [`Config::check_for_codex`].

use super::{FetchContext, Fetched, Provider, SourceError, api};
use crate::codex::app_server;
use crate::codex::config::Config;
use crate::codex::dotenv::with_dotenv;
use crate::codex::login::Login;
use crate::config::settings::Recover;
use crate::io::http::Client;
use crate::model::entry::{Answer, Source};
use crate::model::error::Error;
use crate::model::time::MINUTE;
use crate::refresh::auth_file::AuthFile;
use crate::refresh::ledger::Ledger;
use crate::refresh::token_record::fingerprint;
use crate::refresh::{TokenRefresh, why_not_again};

pub const PROVIDER: Provider = Provider { source: Source::Codex, about: "codex app-server", ask };

/// In seconds. Codex refreshes at its start an access token that ends within 5 minutes (checked by
/// running it). The rest is for a slow network.
const CODEX_NEEDS: i64 = 15 * MINUTE;
/// How the ids of users begin, by which they can be told from those of accounts.
const USER_ID: &str = "user-";

fn ask(context: &FetchContext, earlier: Option<SourceError>) -> Result<Fetched, SourceError> {
    match earlier {
        Some(failed) => after_api_failure(context, failed),
        None => standalone(context),
    }
}

/// After the API. What is said if there are no numbers here either is what the API's failure said.
fn after_api_failure(context: &FetchContext, failed: SourceError) -> Result<Fetched, SourceError> {
    let FetchContext { settings, home, log, .. } = context;
    let SourceError { error, account, login } = failed;
    let Some(login) = login else {
        let may_refresh = match error {
            Error::LoginElsewhere { .. } => settings.recover == Recover::Full,
            Error::LoginForCodex { .. } => false,
            _ => return decline(context, SourceError { error, account, login }),
        };
        return call(context, may_refresh).map_err(|codexs| {
            let codexs = match &error {
                Error::LoginForCodex { place } => of_login_in(place, codexs),
                _ => codexs,
            };
            log.debug(&codexs);
            // What Codex says of a login that only it can see is the better word.
            let is_missing = matches!(codexs, Error::CodexMissing { .. });
            SourceError { error: if is_missing { error } else { codexs }, account, login }
        });
    };
    let store = Config::read(home).map(|config| config.credentials_store().to_string());
    let is_codexs_to_refresh = api::is_refusal(&error)
        && store.is_ok_and(|store| store != "file")
        && api::may_refresh(&error, &login, settings.recover).is_ok();
    if is_codexs_to_refresh {
        // Codex falls back to the file, so what would lose a new token there must not be the case.
        return match AuthFile::locate(home).and_then(|file| file.check_all()) {
            Ok(()) => call(context, true).map_err(|codexs| {
                log.debug(codexs);
                SourceError { error, account, login: Some(login) }
            }),
            Err(check) => carefully(context, check, *login),
        };
    }
    let is_ours = matches!(
        error,
        Error::CheckFailed { .. }
            | Error::Blocked { .. }
            | Error::Unauthorized { is_json: false, .. }
            | Error::Server { status: 404, .. }
            | Error::UnexpectedStatus { status: 404 | 410, .. }
            | Error::BadAnswer { .. }
    );
    if is_ours {
        return carefully(context, error, *login);
    }
    decline(context, SourceError { error, account, login: Some(login) })
}

/// Of a login that it cannot use Codex says that there is none. Here it is known where it is.
fn of_login_in(place: &str, error: Error) -> Error {
    match error {
        Error::NotSignedIn { .. } => Error::CodexSignedOut { place: place.to_string() },
        error => error,
    }
}

fn decline(context: &FetchContext, failed: SourceError) -> Result<Fetched, SourceError> {
    context.log.debug("codex is not asked: it has no better answer to that");
    Err(failed)
}

/// Alone, as `--source codex`: also where the API could be asked.
fn standalone(context: &FetchContext) -> Result<Fetched, SourceError> {
    let FetchContext { settings, env, home, log, .. } = *context;
    let config = Config::read(home)?;
    let refreshes = settings.recover == Recover::Full;
    if refreshes {
        // If new tokens wait beside auth.json, those in it are spent. Codex must not spend them
        // again.
        let client = Client::new(&with_dotenv(env, home, log))?;
        TokenRefresh { env, home, client: &client, log }.resume_interrupted()?;
    }
    let login = match Login::read(home, &config, env) {
        Err(Error::LoginElsewhere { .. }) => return Ok(call(context, refreshes)?),
        Err(Error::LoginForCodex { place }) => {
            return Ok(call(context, false).map_err(|error| of_login_in(&place, error))?);
        }
        login => login?,
    };
    if let Err(error) = may_refresh_by_itself(context, &login) {
        return carefully(context, error, login);
    }
    call(context, refreshes)
        .and_then(|found| of_same_account(context, found, &login))
        .map_err(|error| SourceError { error, account: login.account_id.clone(), login: None })
}

/// Whether Codex may refresh the login in the file without losing it: it can store the new tokens,
/// and the old one has not been sent yet.
fn may_refresh_by_itself(context: &FetchContext, login: &Login) -> Result<(), Error> {
    let file = AuthFile::locate(context.home)?;
    file.check_all()?;
    let path = file.target().to_path_buf();
    if file.staged().exists() {
        return Err(Error::CommitPending {
            path,
            reason: "--recover says not to store them".into(),
        });
    }
    let Some(token) = &login.refresh_token else { return Ok(()) };
    match Ledger::read(&file, context.env)?.find(&fingerprint(token))? {
        Some(record) => Err(why_not_again(&file, &record)),
        None => Ok(()),
    }
}

/// See the head of this file. `refusal` is what is said if Codex is not asked, or has no numbers.
fn carefully(context: &FetchContext, refusal: Error, login: Login) -> Result<Fetched, SourceError> {
    let FetchContext { env, log, .. } = context;
    let left = login.claims.expires_at().map(|end| end.seconds_since(env.now()));
    if left.is_none_or(|left| left < CODEX_NEEDS) {
        log.debug("codex is not asked either: it might refresh the login and lose it");
        return Err(SourceError::with(refusal, login));
    }
    match call(context, false) {
        Ok(found) => match of_same_account(context, found, &login) {
            Ok(found) => Ok(found),
            Err(error) => {
                Err(SourceError { account: login.account_id, ..SourceError::from(error) })
            }
        },
        Err(error) => {
            log.debug(error);
            Err(SourceError::with(refusal, login))
        }
    }
}

/// Codex's numbers, if they are of this login's account: it names the account's id, none, or, on
/// personal plans, the user's.
fn of_same_account(
    context: &FetchContext,
    found: Fetched,
    login: &Login,
) -> Result<Fetched, Error> {
    let named = found.account.as_deref();
    if !login.owns_answer(named, named.filter(|id| id.starts_with(USER_ID))) {
        return Err(Error::LoginChanged { path: context.home.auth_json() });
    }
    Ok(Fetched { account: login.account_id.clone().or(found.account), ..found })
}

/// `may_refresh`: whether Codex may be told to refresh the login if it is refused.
fn call(context: &FetchContext, may_refresh: bool) -> Result<Fetched, Error> {
    let FetchContext { settings, env, home, log, .. } = context;
    Config::read(home)?.check_for_codex()?;
    let named = settings.codex_bin.as_deref();
    let codex = app_server::find(named, env).ok_or_else(|| Error::CodexMissing {
        name: named.unwrap_or("codex".as_ref()).to_path_buf(),
    })?;
    log.debug(format_args!("asking {} app-server", codex.display()));
    let answer = app_server::ask(&codex, home, may_refresh, env)?;
    let found = Answer {
        fetched_at: env.now(),
        source: Source::Codex,
        asked_at: None,
        usage: answer.usage,
    };
    Ok(Fetched::of(found, answer.account_id))
}
