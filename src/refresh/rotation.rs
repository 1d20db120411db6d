//! The new tokens of one refresh, and whose they are: before they are put anywhere, they are held
//! against the login that is there.

use super::oauth::NewTokens;
use super::token_record::fingerprint;
use crate::codex::login::Login;

/// The new tokens that one refresh gave, and what they are for.
#[derive(Clone, Debug, PartialEq)]
pub struct Rotation {
    /// [`fingerprint`] of the refresh token that they take the place of; `None` where all records
    /// of it are gone.
    pub spent: Option<String>,
    pub account: Option<String>,
    pub tokens: NewTokens,
}

impl Rotation {
    /// A name that tells it from every other one.
    pub fn name(&self) -> String {
        let tokens = &self.tokens;
        let token = tokens.refresh_token.as_ref().or(tokens.access_token.as_ref());
        token.map(fingerprint).unwrap_or_default()
    }

    /// What the login that is there means for these tokens.
    pub fn against(&self, login: &Login) -> Against {
        let there = login.refresh_token.as_ref().map(fingerprint);
        if self.spent.is_some() && there == self.spent {
            return Against::Predecessor;
        }
        let is_same = self.account.as_deref() == login.account();
        match is_same && (self.account.is_some() || self.spent.is_some()) {
            true => Against::SameAccount,
            false => Against::OtherAccount,
        }
    }
}

/// What a login is to a [`Rotation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// It holds the token that was sent: these are its successors.
    Predecessor,
    /// It holds other tokens of the same account: somebody else has refreshed it.
    SameAccount,
    OtherAccount,
}
