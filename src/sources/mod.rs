//! Where numbers come from: one file each, one row each in [`SOURCES`].
//!
//! `--source auto` asks them in this order until one has numbers. Each is told what failed before
//! it, and gives that failure back where it cannot help or could do harm: the head of each file
//! says when it is worth asking. A source that is named is the only one asked.

pub(crate) mod api;
pub(crate) mod codex;
pub(crate) mod freshen;
pub(crate) mod sessions;

use crate::codex::home::Home;
use crate::codex::login::Login;
use crate::config::settings::Settings;
use crate::io::env::Env;
use crate::io::output::Log;
use crate::model::entry::{Answer, Entry, Source};
use crate::model::error::Error;

/// A row of the table.
pub struct Provider {
    pub source: Source,
    /// For `doctor`.
    pub about: &'static str,
    /// Asks it; with the failure of the one before it, if there was one.
    pub ask: fn(&FetchContext, Option<SourceError>) -> Result<Fetched, SourceError>,
}

/// In the order of `auto`: the cheapest that tells everything first.
pub const SOURCES: &[Provider] = &[api::PROVIDER, codex::PROVIDER, sessions::PROVIDER];

/// Those that may be asked: all for `auto`, else the named one.
pub fn wanted(named: Option<Source>) -> impl Iterator<Item = &'static Provider> {
    SOURCES.iter().filter(move |provider| named.is_none_or(|named| named == provider.source))
}

/// What sources work with.
pub struct FetchContext<'a> {
    pub settings: &'a Settings,
    pub env: &'a Env,
    pub home: &'a Home,
    /// What is in the cache, of whichever login.
    pub previous: Option<&'a Entry>,
    /// Whether somebody waits for the numbers; else they are fetched behind a prompt.
    pub is_by_hand: bool,
    pub log: &'a Log,
}

/// Numbers, whose they are, and the state of the login that they were asked with, if that has
/// changed on the way.
#[derive(Debug)]
pub struct Fetched {
    pub answer: Answer,
    pub account: Option<String>,
    pub stamp: Option<String>,
    /// Why those before it had none: to be kept beside the numbers, with its back-off.
    pub earlier_failure: Option<SourceError>,
}

impl Fetched {
    fn of(answer: Answer, account: Option<String>) -> Fetched {
        Fetched { answer, account, stamp: None, earlier_failure: None }
    }
}

/// Why a source has none.
#[derive(Debug)]
pub struct SourceError {
    pub error: Error,
    /// The account that is signed in, as far as that could be found out.
    pub account: Option<String>,
    /// What it was asked with.
    login: Option<Box<Login>>,
}

impl From<Error> for SourceError {
    fn from(error: Error) -> SourceError {
        SourceError { error, account: None, login: None }
    }
}

impl SourceError {
    fn with(error: Error, login: Login) -> SourceError {
        SourceError { error, account: login.account_id.clone(), login: Some(Box::new(login)) }
    }
}
