//! The usage endpoint, asked with the login's own token: as it is; if that is refused, as it has become meanwhile; if it has
//! not, or is refused as well, renewed.

use super::{Failed, Found, Inquiry, Provider};
use crate::cache::{Answer, Source};
use crate::codex::answer;
use crate::codex::auth::{self, Login};
use crate::codex::config::Config;
use crate::error::Error;
use crate::http::{Client, Endpoint, Reply};
use crate::recovery::Recovery;
use crate::settings::Recover;
use crate::time::{Timestamp, retry_after};
use crate::usage::Usage;

pub const PROVIDER: Provider = Provider { source: Source::Api, about: "the usage endpoint", ask };

fn ask(inquiry: &Inquiry, _: Option<Failed>) -> Result<Found, Failed> {
    let Inquiry { settings, surroundings, home, notes, .. } = *inquiry;
    let config = Config::read(home)?;
    let client = Client::new(surroundings)?;
    let recovery = Recovery { surroundings, home, client: &client, notes };
    if settings.recover == Recover::Full {
        recovery.finish_interrupted()?;
    }
    let login = Login::read(home, &config, surroundings)?;
    let endpoint = match Endpoint::parse(&config.usage_url()) {
        Ok(endpoint) => endpoint,
        Err(error) => return Err(Failed::with(error, login)),
    };
    Attempt { inquiry, config: &config, recovery, endpoint }.ask_as(login)
}

struct Attempt<'a> {
    inquiry: &'a Inquiry<'a>,
    config: &'a Config,
    recovery: Recovery<'a>,
    endpoint: Endpoint,
}

impl Attempt<'_> {
    fn ask_as(&self, login: Login) -> Result<Found, Failed> {
        let Inquiry { settings, home, notes, .. } = self.inquiry;
        let refusal = match self.request(&login) {
            Err(error) if is_refusal(&error) => error,
            Err(error) => return Err(Failed::with(error, login)),
            Ok(found) => return Ok(found),
        };
        if login.from_environment || settings.recover == Recover::Off {
            return Err(Failed::with(refusal, login));
        }
        // Codex renews its tokens by itself; ours may be the one from before.
        notes.tell(format_args!("{refusal}; reading {} again", home.auth_json().display()));
        let account = login.account_id.clone();
        let reloaded = self.reload(login).map_err(|error| Failed { account, ..Failed::from(error) })?;
        let (login, refusal) = match reloaded {
            Reloaded::Same(login) => (login, refusal),
            Reloaded::Renewed(login) => match self.request(&login) {
                Err(error) if is_refusal(&error) => (login, error),
                Err(error) => return Err(Failed::with(error, login)),
                Ok(found) => return Ok(self.stamped(found)),
            },
        };
        if let Err(reason) = may_renew(&refusal, &login, settings.recover) {
            notes.tell(format_args!("the login is not renewed: {reason}"));
            return Err(Failed::with(refusal, login));
        }
        if self.config.credentials_store() != "file" {
            notes.tell("the login may be stored elsewhere too: codex renews it, not we");
            return Err(Failed::with(refusal, login));
        }
        match self.recovery.renew(Some(&login)) {
            Ok(renewed) => match self.request(&renewed) {
                Ok(found) => Ok(self.stamped(found)),
                Err(error) => Err(Failed::with(error, renewed)),
            },
            Err(error) => Err(Failed::with(error, login)),
        }
    }

    /// The file that the numbers are of is the one that was read last.
    fn stamped(&self, found: Found) -> Found {
        Found { stamp: Some(auth::stamp(self.inquiry.home, self.inquiry.surroundings)), ..found }
    }

    fn reload(&self, login: Login) -> Result<Reloaded, Error> {
        let Inquiry { surroundings, home, notes, .. } = self.inquiry;
        let reloaded = Login::read(home, self.config, surroundings)?;
        if reloaded.access_token == login.access_token {
            notes.tell("the access token is the same");
            return Ok(Reloaded::Same(login));
        }
        if reloaded.account_id != login.account_id {
            return Err(Error::LoginChanged { path: home.auth_json() });
        }
        notes.tell("codex has renewed the access token");
        Ok(Reloaded::Renewed(reloaded))
    }

    fn request(&self, login: &Login) -> Result<Found, Error> {
        let Inquiry { surroundings, notes, .. } = self.inquiry;
        let mut headers = Vec::new();
        if let Some(account) = &login.account_id {
            headers.push(("ChatGPT-Account-Id", account.as_str()));
        }
        if login.is_fedramp {
            headers.push(("x-openai-fedramp", "true"));
        }
        notes.tell(format_args!("GET {}", self.endpoint.shown()));
        let reply = self.recovery.client.get(&self.endpoint, &login.access_token, &headers)?;
        notes.tell(format_args!("status {}, {} bytes", reply.status, reply.body.len()));
        let usage = judge(&reply, &self.endpoint, login, surroundings.now())?;
        let answer = Answer { fetched_at: surroundings.now(), source: Source::Api, usage };
        Ok(Found::of(answer, login.account_id.clone()))
    }
}

enum Reloaded {
    Same(Login),
    Renewed(Login),
}

/// Whether it is the login that is refused.
pub(super) fn is_refusal(error: &Error) -> bool {
    matches!(error, Error::Unauthorized { .. } | Error::Forbidden { .. })
}

/// Whether a refusal is one after which the login may be renewed: one of the API itself, for a login that holds a
/// refresh token. If not, why.
pub(super) fn may_renew(refusal: &Error, login: &Login, recover: Recover) -> Result<(), &'static str> {
    let is_by_api = matches!(refusal, Error::Unauthorized { is_json: true, .. } | Error::Forbidden { .. });
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

/// What an answer means. Pure.
fn judge(reply: &Reply, endpoint: &Endpoint, login: &Login, now: Timestamp) -> Result<Usage, Error> {
    let url = endpoint.shown();
    let status = reply.status;
    let wait = || reply.retry_after.as_deref().and_then(|value| retry_after(value, now));
    Err(match status {
        200..=299 if !reply.is_json() => Error::NotJson { url, status },
        200..=299 => match answer::parse(&reply.body, now) {
            Err(reason) => Error::BadAnswer { url, reason },
            Ok(answer) if !login.owns_answer(answer.account_id.as_deref(), answer.user_id.as_deref()) => {
                Error::OtherAccount { url }
            }
            Ok(answer) => return Ok(answer.usage),
        },
        300..=399 => Error::Redirected { url, status },
        401 => Error::Unauthorized { url, is_json: reply.is_json() },
        403 if reply.is_json() => Error::Forbidden { url },
        403 => Error::Blocked { url },
        429 => Error::RateLimited { url, retry_after: wait() },
        500..=599 => Error::Server { url, status, retry_after: wait() },
        _ => Error::UnexpectedStatus { url, status },
    })
}
