//! What is written down about a refresh token: its fingerprint and what became of it, never the
//! token. The record beside auth.json and the one of the user have it in common.

use crate::model::error::{Check, Error};
use crate::model::secret::Secret;
use crate::model::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

pub(super) const MAX_BYTES: u64 = 64 * 1024;
pub(super) const SCHEMA: u32 = 1;

/// What became of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenState {
    /// It is on its way. If no codexline waits for the answer any more, nobody knows what became of
    /// it.
    Sent,
    /// New tokens came, and auth.json has them, or other ones of the same account.
    Committed,
    /// New tokens came. auth.json was away or another account's, so they are kept until it is back.
    Kept,
    /// The server refused it for good.
    Refused,
    /// It was sent, and no answer told what became of it.
    Unknown,
}

impl TokenState {
    pub const fn name(self) -> &'static str {
        match self {
            TokenState::Sent => "sent",
            TokenState::Committed => "committed",
            TokenState::Kept => "kept",
            TokenState::Refused => "refused",
            TokenState::Unknown => "unknown",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LedgerRecord {
    /// [`fingerprint`] of the token.
    pub token: String,
    pub state: TokenState,
    pub at: Timestamp,
    /// The server's reason for a refusal, or why nothing is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

pub(super) fn failed(path: PathBuf, reason: String) -> Error {
    Error::CheckFailed { check: Check::Ledger, path, reason }
}

/// Tells tokens apart without telling them: the first half of a SHA-256, in 32 hexadecimal digits.
pub fn fingerprint(token: &Secret) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, token.expose().as_bytes());
    digest.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}
