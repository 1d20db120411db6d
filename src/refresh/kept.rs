//! New tokens whose auth.json is away, or is another account's at the moment:
//! `$XDG_STATE_HOME/codexline/kept`, one file for each refresh.
//!
//! A file that is moved away may come back, and the refresh token in it has been used up by then:
//! what is kept here is the only copy of its successor. It stays until the file that held the used
//! token has been seen with other tokens of the same account, at most [`LONGEST`], and of the last
//! [`MOST`] refreshes.

use super::oauth::NewTokens;
use super::rotation::Rotation;
use crate::io::env::Env;
use crate::io::files::{self, Replacement};
use crate::model::secret::Secret;
use crate::model::time::{DAY, Timestamp};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// Refreshes whose tokens are kept.
const MOST: usize = 8;
/// Seconds. An access token lives about ten days; the refresh token beside it may live longer.
const LONGEST: i64 = 31 * DAY;
const MAX_BYTES: u64 = 1024 * 1024;
const SCHEMA: u32 = 1;

/// All that is kept.
pub struct Kept {
    /// `None` where no home directory is known. Then nothing can be kept.
    directory: Option<PathBuf>,
}

/// New tokens that are kept, and where they belong.
pub struct KeptTokens {
    pub rotation: Rotation,
    /// The login file with which the old token was sent, all links followed.
    pub file: PathBuf,
    pub at: Timestamp,
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct KeptFile {
    schema: u32,
    spent: Option<String>,
    account: Option<String>,
    file: PathBuf,
    at: Timestamp,
    access_token: Option<String>,
    refresh_token: Option<String>,
    id_token: Option<String>,
}

impl Kept {
    pub fn of(env: &Env) -> Kept {
        Kept { directory: env.state_directory().map(|state| state.join("kept")) }
    }

    /// What is kept in this directory.
    #[cfg(test)]
    pub fn for_test(directory: &Path) -> Kept {
        Kept { directory: Some(directory.to_path_buf()) }
    }

    /// Keeps new tokens, synced.
    ///
    /// # Errors
    /// As `mkdir`, `open`, `write`, `fsync` and `rename`.
    pub fn keep(&self, rotation: &Rotation, file: &Path, now: Timestamp) -> io::Result<KeptTokens> {
        let directory = self
            .directory
            .as_ref()
            .ok_or_else(|| io::Error::other("no home directory is known to keep them in"))?;
        files::create_own_directory(directory)?;
        let text = |token: &Option<Secret>| token.as_ref().map(|token| token.expose().to_string());
        let content = KeptFile {
            schema: SCHEMA,
            spent: rotation.spent.clone(),
            account: rotation.account.clone(),
            // As in the user's ledger: only finding them by the file needs it.
            file: PathBuf::from(file.to_string_lossy().into_owned()),
            at: now,
            access_token: text(&rotation.tokens.access_token),
            refresh_token: text(&rotation.tokens.refresh_token),
            id_token: text(&rotation.tokens.id_token),
        };
        let path = directory.join(format!("{}.json", rotation.name()));
        Replacement::beside(&path)?.commit_synced(&serde_json::to_vec(&content)?)?;
        self.prune(now);
        let (rotation, file) = (rotation.clone(), file.to_path_buf());
        Ok(KeptTokens { rotation, file, at: now, path })
    }

    /// What is kept, oldest first. What cannot be read is left out.
    pub fn list(&self) -> Vec<KeptTokens> {
        let entries = self.directory.as_deref().and_then(|path| std::fs::read_dir(path).ok());
        let paths = entries.into_iter().flatten().flatten().map(|entry| entry.path());
        let is_whole = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "json");
        let mut list: Vec<KeptTokens> = paths.filter(is_whole).filter_map(read).collect();
        list.sort_by_key(|kept| kept.at.unix_seconds());
        list
    }

    /// Whether anything is kept: a cheap look.
    pub fn is_empty(&self) -> bool {
        let entries = self.directory.as_deref().and_then(|path| std::fs::read_dir(path).ok());
        entries.into_iter().flatten().next().is_none()
    }

    /// Removes what is too old, and all but the last few.
    pub fn prune(&self, now: Timestamp) {
        self.directory.iter().for_each(|path| files::remove_unfinished(path, now));
        let list = self.list();
        let surplus = list.len().saturating_sub(MOST);
        for (index, kept) in list.into_iter().enumerate() {
            if index < surplus || now.seconds_since(kept.at) > LONGEST {
                kept.remove();
            }
        }
    }
}

impl KeptTokens {
    /// Removes them: auth.json has them now, or other ones of the same account.
    pub fn remove(self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn read(path: PathBuf) -> Option<KeptTokens> {
    let content: KeptFile =
        serde_json::from_slice(&files::read_own(&path, MAX_BYTES).ok()?).ok()?;
    let secret = |token: Option<String>| token.map(Secret::new);
    let tokens = NewTokens {
        access_token: secret(content.access_token),
        refresh_token: secret(content.refresh_token),
        id_token: secret(content.id_token),
    };
    let rotation = Rotation { spent: content.spent, account: content.account, tokens };
    (content.schema == SCHEMA).then_some(KeptTokens {
        rotation,
        file: content.file,
        at: content.at,
        path,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_359_600;

    fn rotation(spent: &str) -> Rotation {
        let secret = |text: &str| Some(Secret::new(format!("{text}-{spent}")));
        let tokens = NewTokens {
            access_token: secret("access"),
            refresh_token: secret("refresh"),
            id_token: None,
        };
        Rotation { spent: Some(spent.into()), account: Some("acc-1".into()), tokens }
    }

    #[test]
    fn the_last_few_of_a_month_are_kept() {
        let name = format!("codexline-kept-{}", std::process::id());
        let state = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&state);
        let kept = Kept::for_test(&state.join("kept"));
        assert!(kept.is_empty() && kept.list().is_empty());
        let at = |seconds: i64| Timestamp::from_unix_seconds(NOW + seconds);
        for number in 0..10 {
            kept.keep(&rotation(&number.to_string()), Path::new("/x"), at(number)).unwrap();
        }
        let spent = |kept: &Kept| -> Vec<String> {
            kept.list().into_iter().filter_map(|kept| kept.rotation.spent).collect()
        };
        assert_eq!(spent(&kept), ["2", "3", "4", "5", "6", "7", "8", "9"]);
        assert_eq!(kept.list()[0].rotation, rotation("2"));
        let month = 31 * 86_400;
        kept.keep(&rotation("late"), Path::new("/x"), at(month + 6)).unwrap();
        assert_eq!(spent(&kept), ["6", "7", "8", "9", "late"]);
        #[cfg(unix)]
        {
            let metadata = std::fs::metadata(&kept.list()[0].path).unwrap();
            assert_eq!(crate::io::platform::mode(&metadata), 0o600);
        }
        std::fs::remove_dir_all(state).unwrap();
    }
}
