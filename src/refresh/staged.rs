//! The file in which new tokens wait until auth.json is replaced by it: `auth.json.codexline.new`.
//!
//! Room for it is taken before the refresh token is sent ([`Room`]), so that a full disk is noticed
//! in time. Only a file that holds an answer ([`StagedAuth`]) can be put in the place of auth.json.
//! It stays until it is put in place or discarded, also if this process ends: then the next run
//! goes on with it.
//!
//! A name proves nothing. Somebody may have removed the file, and another codexline may have made
//! its own under that name. So device and inode are compared before the file is put in place, and
//! after.

use crate::io::files::{self, Replacement};
use crate::model::error::{Check, Error};
use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

/// The room that is taken for new content, beyond the size of the old: tokens grow, but not by this
/// much.
const MARGIN: usize = 32 * 1024;
/// An auth.json of the greatest size that is read, with its room.
const MAX_BYTES: u64 = super::auth_file::MAX_BYTES + 2 * MARGIN as u64;

/// Room for an answer, filled with blanks.
pub struct Room {
    file: File,
    path: PathBuf,
}

impl Room {
    /// Takes room for content of `size` bytes and some more, synced.
    ///
    /// # Errors
    /// [`Error::CheckFailed`]; nothing is left behind.
    pub fn prepare(path: PathBuf, size: usize) -> Result<Room, Error> {
        let failed = |check, error: io::Error| Error::CheckFailed {
            check,
            path: path.clone(),
            reason: Error::io_reason(&error),
        };
        let mut file = crate::io::platform::create_private(&path)
            .map_err(|error| failed(Check::Directory, error))?;
        let taken = file.write_all(&vec![b' '; size + MARGIN]).and_then(|()| file.sync_all());
        let room = Room { file, path: path.clone() };
        match taken {
            Ok(()) => Ok(room),
            Err(error) => {
                room.discard();
                Err(failed(Check::Room, error))
            }
        }
    }

    /// Writes the answer, synced. In one piece and over the blanks: at any moment the file holds
    /// blanks, or the content with blanks behind it. After an error it can be tried again.
    ///
    /// # Errors
    /// As `write` and `fsync`.
    pub fn fill(&mut self, content: &[u8]) -> io::Result<StagedAuth> {
        self.file.rewind()?;
        self.file.write_all(content)?;
        self.file.set_len(content.len() as u64)?;
        self.file.sync_all()?;
        let (file, path) = (self.file.try_clone()?, self.path.clone());
        Ok(StagedAuth { file, path, content: content.to_vec() })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the room back.
    pub fn discard(self) {
        discard(&self.file, &self.path);
    }
}

/// An answer that waits: a whole new auth.json.
pub struct StagedAuth {
    file: File,
    path: PathBuf,
    /// What was written. Whatever becomes of the file, this process still has it.
    content: Vec<u8>,
}

impl StagedAuth {
    /// What an interrupted run left, opened again.
    ///
    /// # Errors
    /// As `open` and `read`; `PermissionDenied` if it belongs to another user.
    pub fn reopen(path: PathBuf) -> io::Result<StagedAuth> {
        let mut file = crate::io::platform::open_own(&path)?;
        let content = files::read_open(file.try_clone()?, MAX_BYTES)?;
        file.rewind()?;
        Ok(StagedAuth { file, path, content })
    }

    /// Makes one of content that is nowhere else.
    ///
    /// # Errors
    /// As `open`, `write` and `fsync`.
    pub fn create(path: PathBuf, content: &[u8]) -> io::Result<StagedAuth> {
        let file = Replacement::beside(&path)?.commit_synced(content)?;
        Ok(StagedAuth { file, path, content: content.to_vec() })
    }

    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// Puts other content in the place of that which is there, in one step: the tokens are in it,
    /// so it must not be half written at any moment.
    ///
    /// # Errors
    /// As `open`, `write`, `fsync` and `rename`; it holds what it held.
    pub fn replace(&mut self, content: &[u8]) -> io::Result<()> {
        *self = StagedAuth::create(self.path.clone(), content)?;
        Ok(())
    }

    /// Makes sure that the file under its name is the one that was written here; writes it anew if
    /// it is not.
    ///
    /// # Errors
    /// As [`StagedAuth::replace`].
    pub fn ensure(&mut self) -> io::Result<()> {
        if crate::io::platform::is_at(&self.file, &self.path) {
            return Ok(());
        }
        let content = std::mem::take(&mut self.content);
        let written = self.replace(&content);
        if written.is_err() {
            self.content = content;
        }
        written
    }

    /// Puts it in the place of `target`. Only `stat` and `rename` are called, so that it can be
    /// done under Codex's locks.
    ///
    /// # Errors
    /// As `rename`; it is still there then.
    pub fn put_in_place(&self, target: &Path) -> io::Result<Placed> {
        if !crate::io::platform::is_at(&self.file, &self.path) {
            return Ok(Placed::NotOurs);
        }
        std::fs::rename(&self.path, target)?;
        let is_ours = crate::io::platform::is_at(&self.file, target);
        Ok(if is_ours { Placed::Done } else { Placed::Mistaken })
    }

    /// Removes it.
    pub fn discard(self) {
        let _ = std::fs::remove_file(files::with_ending(&self.path, ".new"));
        discard(&self.file, &self.path);
    }
}

/// What became of an attempt to put a file in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    Done,
    /// The name is that of another file by now; nothing was done.
    NotOurs,
    /// The name became that of another file in the very moment of the rename: auth.json is that
    /// file now.
    Mistaken,
}

/// Removes a file if the name is still its own. Should that fail, nothing is left in it that
/// could be taken for an answer.
fn discard(file: &File, path: &Path) {
    if crate::io::platform::is_at(file, path) && std::fs::remove_file(path).is_err() {
        let _ = file.set_len(0);
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn directory(name: &str) -> PathBuf {
        let directory =
            std::env::temp_dir().join(format!("codexline-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&directory).unwrap();
        directory
    }

    fn write(path: &Path, content: &[u8]) {
        let _ = std::fs::remove_file(path);
        crate::io::platform::create_private(path).unwrap().write_all(content).unwrap();
    }

    fn staged(directory: &Path) -> StagedAuth {
        let mut room = Room::prepare(directory.join("auth.json.codexline.new"), 10).unwrap();
        room.fill(b"{\"answer\":1}").unwrap()
    }

    #[test]
    fn another_file_under_its_name_is_not_put_in_place() {
        let directory = directory("staged-name");
        let target = directory.join("auth.json");
        write(&target, b"old");
        let mut staged = staged(&directory);
        std::fs::remove_file(&staged.path).unwrap();
        assert_eq!(staged.put_in_place(&target).unwrap(), Placed::NotOurs);
        write(&staged.path, b"    ");
        assert_eq!(staged.put_in_place(&target).unwrap(), Placed::NotOurs);
        assert_eq!(files::read_bounded(&target, 99).unwrap(), b"old");
        staged.ensure().unwrap();
        assert_eq!(staged.put_in_place(&target).unwrap(), Placed::Done);
        assert_eq!(files::read_bounded(&target, 99).unwrap(), b"{\"answer\":1}");
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn what_is_discarded_is_not_somebody_else_s() {
        let directory = directory("staged-discard");
        let first = staged(&directory);
        let path = first.path.clone();
        std::fs::remove_file(&path).unwrap();
        write(&path, b"somebody else's");
        first.discard();
        assert_eq!(files::read_bounded(&path, 99).unwrap(), b"somebody else's");
        std::fs::remove_dir_all(directory).unwrap();
    }
}
