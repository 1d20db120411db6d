//! Where numbers come from: one file each, one row each in [`SOURCES`].
//!
//! `--source auto` asks them in their order until one has numbers. Each is told what went wrong before it, and gives that
//! back where it would meet the same, could do harm, or knows nothing either: each file says for which reasons it is
//! worth asking. A source that is named is the only one asked, without anything before it.

pub mod api;
pub mod codex;
pub mod sessions;

use crate::cache::{Answer, Entry, Source};
use crate::codex::auth::Login;
use crate::codex::home::Home;
use crate::environment::Surroundings;
use crate::error::Error;
use crate::output::Notes;
use crate::settings::Settings;

/// A row of the table.
pub struct Provider {
    pub source: Source,
    /// For `doctor`.
    pub about: &'static str,
    /// Asks it; with the failure of the one before it, if there was one.
    pub ask: fn(&Inquiry, Option<Failed>) -> Result<Found, Failed>,
}

/// In the order of `auto`: the cheapest that tells everything first.
pub const SOURCES: &[Provider] = &[api::PROVIDER, codex::PROVIDER, sessions::PROVIDER];

/// Those that may be asked: all for `auto`, else the named one.
pub fn wanted(named: Option<Source>) -> impl Iterator<Item = &'static Provider> {
    SOURCES.iter().filter(move |provider| named.is_none_or(|named| named == provider.source))
}

/// What sources work with.
pub struct Inquiry<'a> {
    pub settings: &'a Settings,
    pub surroundings: &'a Surroundings,
    pub home: &'a Home,
    /// What is in the cache, of whichever login.
    pub previous: Option<&'a Entry>,
    pub notes: &'a Notes,
}

/// Numbers, whose they are, and the state of the login that they were asked with, if that has changed on the way.
#[derive(Debug)]
pub struct Found {
    pub answer: Answer,
    pub account: Option<String>,
    pub stamp: Option<String>,
    /// Why those before it had none: to be kept beside the numbers, with its back-off.
    pub beside: Option<Failed>,
}

impl Found {
    fn of(answer: Answer, account: Option<String>) -> Found {
        Found { answer, account, stamp: None, beside: None }
    }
}

/// Why a source has none.
#[derive(Debug)]
pub struct Failed {
    pub error: Error,
    /// The account that is signed in, as far as that could be found out.
    pub account: Option<String>,
    /// What it was asked with.
    login: Option<Box<Login>>,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Failed {
        Failed { error, account: None, login: None }
    }
}

impl Failed {
    fn with(error: Error, login: Login) -> Failed {
        Failed { error, account: login.account_id.clone(), login: Some(Box::new(login)) }
    }
}
