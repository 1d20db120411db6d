//! New tokens take the place of the old ones: read auth.json and prepare the new file → take
//! Codex's locks → compare and rename → release the locks → sync.
//!
//! Everything that can wait for a disk is done before the locks are taken, or after. While they are
//! held, only two `stat` and one `rename` run: a Codex that has to wait for too long loses the
//! tokens that it wants to store.
//!
//! If the same account has other tokens on disk by then, disk wins. If there is no file, or another
//! account's, the new tokens are kept (see [`super::kept`]): nobody else has them.

use super::auth_file::{AuthFile, CodexLocks};
use super::kept::Kept;
use super::merge::merge;
use super::oauth::NewTokens;
use super::rotation::{Against, Rotation};
use super::staged::{Placed, Room, StagedAuth};
use crate::codex::login::Login;
use crate::io::env::Env;
use crate::io::output::Log;
use crate::model::error::Error;
use std::io;
use std::time::{Duration, Instant};

/// How long we try to get Codex's locks before the commit is left to the next run.
const LOCK_PATIENCE: Duration = Duration::from_secs(20);
/// How long to wait between two tries. Codex does the same.
const LOCK_PACE: Duration = Duration::from_millis(10);
/// How long we try to write new tokens if the disk refuses them although room was taken for them.
const WRITE_PATIENCE: Duration = Duration::from_secs(60);
const WRITE_PACE: Duration = Duration::from_millis(250);
/// How long a commit takes at most while auth.json keeps changing.
const COMMIT_PATIENCE: Duration = Duration::from_secs(60);
/// An auth.json that is unreadable or missing counts as such only at the last of so many looks.
/// Another program may be rewriting it in place, or be about to put a new one in its place.
pub(super) const MAX_LOOKS: u32 = 4;
pub(super) const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// How a commit ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// auth.json has the new tokens.
    Stored,
    /// auth.json has other tokens of the same account.
    DiskWins,
    /// There is no auth.json, or another account's: the new tokens are kept.
    Kept,
}

/// One commit, with all that it needs.
pub struct Commit<'a> {
    pub file: &'a AuthFile,
    pub locks: CodexLocks,
    pub staged: StagedAuth,
    pub rotation: &'a Rotation,
    /// The content of auth.json from which `staged` was made. `None` if an earlier run made it.
    pub base: Option<Vec<u8>>,
    pub env: &'a Env,
    pub log: &'a Log,
}

/// What a look at auth.json found.
enum Look {
    /// The staged content is based on the present auth.json, whose identity this is.
    Ready(String),
    DiskWins,
    /// Another account's login, or one without tokens, such as an API key.
    OtherLogin,
    Absent,
    /// It cannot be read, or the new content cannot be written.
    Failed(io::Error),
}

impl Commit<'_> {
    /// # Errors
    /// [`Error::CommitPending`] if it is left to the next run; [`Error::NewTokensLost`].
    pub fn run(mut self) -> Result<Committed, Error> {
        let begun = Instant::now();
        let mut looks = 0;
        let mut identity = None;
        loop {
            let Some(expected) = &identity else {
                looks += 1;
                match self.look() {
                    Look::Ready(found) => identity = Some(found),
                    Look::DiskWins => {
                        self.log.debug("somebody else has refreshed the login; theirs stays");
                        self.staged.discard();
                        return Ok(Committed::DiskWins);
                    }
                    Look::OtherLogin => return self.keep(),
                    Look::Absent if looks >= MAX_LOOKS => return self.keep(),
                    Look::Failed(error) if looks >= MAX_LOOKS => return Err(self.give_up(&error)),
                    Look::Absent | Look::Failed(_) => std::thread::sleep(LOOK_INTERVAL),
                }
                continue;
            };
            if let Err(error) = self.staged.ensure() {
                return Err(self.give_up(&error));
            }
            match self.swap(expected) {
                Err(error) => return Err(self.give_up(&error)),
                Ok(Swap::Busy) if begun.elapsed() > LOCK_PATIENCE => {
                    return Err(self.give_up(&io::Error::other("codex holds its locks")));
                }
                Ok(Swap::Busy) => std::thread::sleep(LOCK_PACE),
                Ok(Swap::Changed) => identity = None,
                Ok(Swap::Placed(Placed::Done)) => {
                    // The tokens are safe, whatever comes of this: the next run reads the file.
                    let _ = crate::io::platform::sync_directory_of(self.file.target());
                    if self.holds_login() {
                        let path = self.file.target().display();
                        self.log.debug(format_args!("{path} has the new tokens"));
                        return Ok(Committed::Stored);
                    }
                    identity = None;
                }
                Ok(Swap::Placed(Placed::NotOurs)) => {
                    self.log.debug("the staged file is not ours; writing it again");
                }
                Ok(Swap::Placed(Placed::Mistaken)) => {
                    // Somebody had replaced the staged file, so a foreign file became auth.json.
                    // If it is a login, look again; if not, ours takes its place.
                    identity = if self.holds_login() { None } else { self.file.identity().ok() };
                }
            }
            if begun.elapsed() > COMMIT_PATIENCE {
                return Err(self.give_up(&io::Error::other("it keeps changing")));
            }
        }
    }

    /// Reads auth.json, and makes the new content from it if it is not made from that already.
    fn look(&mut self) -> Look {
        // The identity is taken before the content, so that a later change is noticed.
        let read = self.file.identity().and_then(|identity| Ok((identity, self.file.read()?)));
        let (identity, content) = match read {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Look::Absent,
            Err(error) => return Look::Failed(error),
        };
        if self.base.as_ref() == Some(&content) {
            return Look::Ready(identity);
        }
        match Login::of_file(self.file.target(), &content) {
            Err(Error::AuthInvalid { reason, .. }) => {
                Look::Failed(io::Error::other(format!("it {reason}")))
            }
            Err(_) => Look::OtherLogin,
            Ok(login) => match self.rotation.against(&login) {
                Against::SameAccount => Look::DiskWins,
                Against::OtherAccount => Look::OtherLogin,
                Against::Predecessor => {
                    let merged = compose(&content, &self.rotation.tokens, self.env)
                        .and_then(|merged| self.staged.replace(merged.as_bytes()));
                    match merged {
                        Ok(()) => {
                            self.base = Some(content);
                            Look::Ready(identity)
                        }
                        Err(error) => Look::Failed(error),
                    }
                }
            },
        }
    }

    /// What is done under Codex's locks, and nothing else.
    fn swap(&mut self, expected: &str) -> io::Result<Swap> {
        let (file, staged) = (self.file, &self.staged);
        let held = self.locks.try_hold(|| match file.identity() {
            Ok(identity) if identity == expected => {
                staged.put_in_place(file.target()).map(Swap::Placed)
            }
            _ => Ok(Swap::Changed),
        });
        held?.unwrap_or(Ok(Swap::Busy))
    }

    fn holds_login(&self) -> bool {
        let content = self.file.read();
        content.is_ok_and(|content| Login::of_file(self.file.target(), &content).is_ok())
    }

    fn keep(self) -> Result<Committed, Error> {
        let kept = Kept::of(self.env).keep(self.rotation, self.file.target(), self.env.now());
        match kept {
            Ok(_) => {
                self.log
                    .debug("auth.json is missing or has another login; the new tokens are kept");
                self.staged.discard();
                Ok(Committed::Kept)
            }
            Err(error) => Err(self.give_up(&error)),
        }
    }

    /// Makes sure that the tokens are on disk, staged or in [`Kept`], and leaves the commit to the
    /// next run.
    fn give_up(mut self, reason: &io::Error) -> Error {
        let path = self.file.target().to_path_buf();
        let kept = retry_write(self.log, || {
            self.staged.ensure().or_else(|error| {
                let now = self.env.now();
                let kept = Kept::of(self.env).keep(self.rotation, self.file.target(), now);
                kept.map(drop).map_err(|_| error)
            })
        });
        match kept {
            Ok(()) => Error::CommitPending { path, reason: Error::io_reason(reason) },
            Err(error) => Error::NewTokensLost { path, reason: Error::io_reason(&error) },
        }
    }
}

/// What an attempt to take the place of auth.json came to.
enum Swap {
    /// Codex holds one of its locks.
    Busy,
    /// auth.json is not what it was when it was looked at.
    Changed,
    Placed(Placed),
}

/// Where new tokens are on disk now.
pub enum Stored {
    Staged(StagedAuth),
    /// Only in [`Kept`].
    Kept,
}

/// Puts an answer on disk, into the room that was taken for it. Some file systems need more room
/// even so. Then it is tried for up to [`WRITE_PATIENCE`], with the tokens in [`Kept`] if possible.
///
/// # Errors
/// Why the disk refused it all the time.
pub fn store(
    room: &mut Room,
    content: &str,
    rotation: &Rotation,
    file: &AuthFile,
    env: &Env,
    log: &Log,
) -> io::Result<Stored> {
    let mut kept = None;
    let stored = retry_write(log, || match (room.fill(content.as_bytes()), &kept) {
        (Ok(staged), _) => Ok(Stored::Staged(staged)),
        (Err(error), None) => {
            kept = Kept::of(env).keep(rotation, file.target(), env.now()).ok();
            Err(error)
        }
        (Err(error), Some(_)) => Err(error),
    });
    match (stored, kept) {
        (Ok(stored), Some(kept)) => {
            kept.remove();
            Ok(stored)
        }
        (Err(_), Some(_)) => Ok(Stored::Kept),
        (stored, None) => stored,
    }
}

/// Tries again for up to [`WRITE_PATIENCE`].
fn retry_write<T>(log: &Log, mut work: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let begun = Instant::now();
    loop {
        match work() {
            Err(error) if begun.elapsed() < WRITE_PATIENCE => {
                let reason = Error::io_reason(&error);
                log.debug(format_args!("cannot write the new tokens: {reason}"));
                std::thread::sleep(WRITE_PACE);
            }
            result => return result,
        }
    }
}

/// `base`, the content of auth.json, with new tokens.
///
/// # Errors
/// Why `base` cannot be merged with them.
pub fn compose(base: &[u8], tokens: &NewTokens, env: &Env) -> io::Result<String> {
    let base = std::str::from_utf8(base).map_err(|_| io::Error::other("it is not UTF-8"))?;
    merge(base, tokens, &env.now().rfc3339())
        .map_err(|reason| io::Error::other(format!("it {reason}")))
}
