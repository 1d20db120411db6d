//! The usage endpoint, asked with the login's own token: as it is; if that is refused, as it has
//! become meanwhile; if it has not, or is refused as well, refreshed.

use super::{FetchContext, Fetched, Provider, SourceError};
use crate::codex::answer;
use crate::codex::config::Config;
use crate::codex::dotenv::with_dotenv;
use crate::codex::login::Login;
use crate::codex::stamp::stamp;
use crate::config::settings::Recover;
use crate::io::http::{Client, Endpoint, Reply};
use crate::model::entry::{Answer, Source};
use crate::model::error::Error;
use crate::model::time::{HOUR, Timestamp, retry_after};
use crate::model::usage::Usage;
use crate::refresh::TokenRefresh;
use crate::refresh::turn::{self, Turn};
use std::time::Duration;

/// How long a list of banked resets holds, in seconds.
const LIST_HOLDS: i64 = 6 * HOUR;
/// How long such a list may take. The usage numbers wait for it.
const LIST_PATIENCE: Duration = Duration::from_secs(3);

pub const PROVIDER: Provider = Provider { source: Source::Api, about: "the usage endpoint", ask };

fn ask(context: &FetchContext, _: Option<SourceError>) -> Result<Fetched, SourceError> {
    let FetchContext { settings, env, home, log, .. } = *context;
    let config = Config::read(home)?;
    let client = Client::new(&with_dotenv(env, home, log))?;
    let token_refresh = TokenRefresh { env, home, client: &client, log };
    if settings.recover == Recover::Full {
        token_refresh.resume_interrupted()?;
    }
    let login = Login::read(home, &config, env)?;
    let endpoint = match Endpoint::parse(&config.usage_url()) {
        Ok(endpoint) => endpoint,
        Err(error) => return Err(SourceError::with(error, login)),
    };
    Attempt { context, config: &config, token_refresh, endpoint }.ask_as(login)
}

struct Attempt<'a> {
    context: &'a FetchContext<'a>,
    config: &'a Config,
    token_refresh: TokenRefresh<'a>,
    endpoint: Endpoint,
}

impl Attempt<'_> {
    fn ask_as(&self, login: Login) -> Result<Fetched, SourceError> {
        let FetchContext { settings, home, log, .. } = self.context;
        let refusal = match self.request(&login) {
            Err(error) if is_refusal(&error) => error,
            Err(error) => return Err(SourceError::with(error, login)),
            Ok(found) => return Ok(found),
        };
        if settings.recover == Recover::Off {
            return Err(SourceError::with(refusal, login));
        }
        // Codex refreshes its tokens by itself; ours may be the one from before.
        log.debug(format_args!("{refusal}; reading {} again", home.auth_json().display()));
        let account = login.account_id.clone();
        let reloaded = self
            .reload(login)
            .map_err(|error| SourceError { account, ..SourceError::from(error) })?;
        let (login, refusal) = match reloaded {
            Reloaded::Same(login) => (login, refusal),
            Reloaded::Refreshed(login) => match self.request(&login) {
                Err(error) if is_refusal(&error) => (login, error),
                Err(error) => return Err(SourceError::with(error, login)),
                Ok(found) => return Ok(self.stamped(found)),
            },
        };
        if let Err(reason) = may_refresh(&refusal, &login, settings.recover) {
            log.debug(format_args!("the login is not refreshed: {reason}"));
            return Err(SourceError::with(refusal, login));
        }
        if self.config.credentials_store() != "file" {
            log.debug("the login may be stored elsewhere too: codex refreshes it, not we");
            return Err(SourceError::with(refusal, login));
        }
        let FetchContext { previous, is_by_hand, env, .. } = *self.context;
        let stamp = stamp(home, env);
        match turn::decide(is_by_hand, previous, &stamp, env.now(), env.random()) {
            Turn::Ours(reason) => {
                log.debug(format_args!("codexline refreshes the login: {reason}"))
            }
            Turn::Codex { wait, reason } => {
                log.debug(format_args!("codex goes first for {wait} s: {reason}"));
                let url = self.endpoint.shown();
                return Err(SourceError::with(Error::RefreshDue { url, wait }, login));
            }
        }
        match self.token_refresh.refresh(Some(&login)) {
            Ok(refreshed) => match self.request(&refreshed) {
                Ok(found) => Ok(self.stamped(found)),
                Err(error) => Err(SourceError::with(error, refreshed)),
            },
            Err(error) => Err(SourceError::with(error, login)),
        }
    }

    /// The file that the numbers are of is the one that was read last.
    fn stamped(&self, found: Fetched) -> Fetched {
        Fetched { stamp: Some(stamp(self.context.home, self.context.env)), ..found }
    }

    fn reload(&self, login: Login) -> Result<Reloaded, Error> {
        let FetchContext { env, home, log, .. } = self.context;
        let reloaded = Login::read(home, self.config, env)?;
        if reloaded.access_token == login.access_token {
            log.debug("the access token is the same");
            return Ok(Reloaded::Same(login));
        }
        if reloaded.account_id != login.account_id {
            return Err(Error::LoginChanged { path: home.auth_json() });
        }
        log.debug("codex has refreshed the access token");
        Ok(Reloaded::Refreshed(reloaded))
    }

    fn request(&self, login: &Login) -> Result<Fetched, Error> {
        let FetchContext { env, log, .. } = self.context;
        let mut headers = Vec::new();
        if let Some(account) = &login.account_id {
            headers.push(("ChatGPT-Account-Id", account.as_str()));
        }
        if login.is_fedramp {
            headers.push(("x-openai-fedramp", "true"));
        }
        log.debug(format_args!("GET {}", self.endpoint.shown()));
        let reply = self.token_refresh.client.get(&self.endpoint, &login.access_token, &headers)?;
        log.debug(format_args!("status {}, {} bytes", reply.status, reply.body.len()));
        let mut usage = classify(&reply, &self.endpoint, login, env.now())?;
        self.find_expiry(&mut usage, login, &headers);
        let answer = Answer { fetched_at: env.now(), source: Source::Api, asked_at: None, usage };
        Ok(Fetched::of(answer, login.account_id.clone()))
    }
}

impl Attempt<'_> {
    /// Adds when the next banked reset lapses. The list is asked for only if there are resets, and
    /// the last list is old or of another count. Only GET: nothing is ever redeemed.
    fn find_expiry(&self, usage: &mut Usage, login: &Login, headers: &[(&str, &str)]) {
        let FetchContext { env, log, previous, .. } = self.context;
        let now = env.now();
        let Some(banked) = usage.banked_resets.as_mut() else { return };
        if banked.count == 0 || banked.next_expires_at.is_some() {
            return;
        }
        let known = previous
            .filter(|entry| entry.account == login.account_id)
            .and_then(|entry| entry.answer.as_ref())
            .map(|answer| &answer.usage)
            .filter(|known| known.banked_resets.is_some_and(|known| known.count == banked.count));
        if let Some(known) = known {
            // One that has lapsed has changed the count, or is not the next any more.
            let expiry = known.banked_resets.and_then(|known| known.next_expires_at);
            banked.next_expires_at = expiry.filter(|at| *at > now);
            let is_passed = expiry.is_some() && banked.next_expires_at.is_none();
            let is_new =
                |at: &Timestamp| (0..LIST_HOLDS).contains(&now.seconds_since(*at)) && !is_passed;
            usage.resets_listed_at = known.resets_listed_at.filter(is_new);
            if usage.resets_listed_at.is_some() {
                return;
            }
        }
        // A list that fails is left alone as long as one that came.
        usage.resets_listed_at = Some(now);
        let listed = Endpoint::parse(&self.config.banked_resets_url()).and_then(|endpoint| {
            log.debug(format_args!("GET {}", endpoint.shown()));
            let client = self.token_refresh.client;
            client.get_within(LIST_PATIENCE, &endpoint, &login.access_token, headers)
        });
        match listed {
            Ok(reply) if reply.status == 200 => {
                banked.next_expires_at = answer::next_expiry_in(&reply.body, now);
            }
            Ok(reply) => log.debug(format_args!("no list of banked resets: {}", reply.status)),
            Err(error) => log.debug(format_args!("no list of banked resets: {error}")),
        }
    }
}

enum Reloaded {
    Same(Login),
    Refreshed(Login),
}

/// Whether it is the login that is refused.
pub(super) fn is_refusal(error: &Error) -> bool {
    matches!(error, Error::Unauthorized { .. } | Error::Forbidden { .. })
}

/// Whether a refusal is one after which the login may be refreshed: one of the API itself, for a
/// login that holds a refresh token. If not, why.
pub(super) fn may_refresh(
    refusal: &Error,
    login: &Login,
    recover: Recover,
) -> Result<(), &'static str> {
    let is_by_api =
        matches!(refusal, Error::Unauthorized { is_json: true, .. } | Error::Forbidden { .. });
    if recover != Recover::Full {
        Err("--recover says so")
    } else if !is_by_api {
        Err("the refusal is not the API's own")
    } else if login.refresh_token.is_none() {
        Err("it has no refresh token for us")
    } else {
        Ok(())
    }
}

/// What an answer means.
fn classify(
    reply: &Reply,
    endpoint: &Endpoint,
    login: &Login,
    now: Timestamp,
) -> Result<Usage, Error> {
    let url = endpoint.shown();
    let status = reply.status;
    let wait = || reply.retry_after.as_deref().and_then(|value| retry_after(value, now));
    Err(match status {
        200..=299 if !reply.is_json() => Error::NotJson { url, status },
        200..=299 => match answer::parse(&reply.body, now) {
            Err(reason) => Error::BadAnswer { url, reason },
            Ok(answer)
                if !login.owns_answer(answer.account_id.as_deref(), answer.user_id.as_deref()) =>
            {
                Error::OtherAccount { url }
            }
            Ok(answer) => return Ok(answer.usage),
        },
        300..=399 => Error::Redirected { url, status },
        402 if has_text(&reply.body, "deactivated_workspace") => Error::WorkspaceGone { url },
        401 => Error::Unauthorized { url, is_json: reply.is_json() },
        403 if reply.is_json() => Error::Forbidden { url },
        403 => Error::Blocked { url },
        429 => Error::RateLimited { url, retry_after: wait() },
        // The usual endpoint was gone for 40 minutes once, with all of its neighbours.
        404 if is_usual(endpoint) => Error::Server { url, status, retry_after: wait() },
        500..=599 => Error::Server { url, status, retry_after: wait() },
        _ => Error::UnexpectedStatus { url, status },
    })
}

/// Whether this is the path of Codex's own service, not of somebody's gateway.
fn is_usual(endpoint: &Endpoint) -> bool {
    endpoint.shown().ends_with("/backend-api/wham/usage")
}

fn has_text(body: &[u8], text: &str) -> bool {
    body.windows(text.len()).any(|part| part == text.as_bytes())
}
