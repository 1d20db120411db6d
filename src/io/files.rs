//! Bounded reads, replacing a file in one step, and locks.

use crate::model::time::{DAY, Timestamp};
use fd_lock::RwLock;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, UNIX_EPOCH};

/// Reads a regular file of at most `most` bytes. Never blocks, because a FIFO or device is refused.
///
/// # Errors
/// As `open` and `read`; `InvalidInput` if it is not a regular file; `FileTooLarge` if it is
/// larger.
pub fn read_bounded(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    read_open(crate::io::platform::open_without_waiting(path)?, most)
}

/// As [`read_bounded`], of a file that is open already; from where it was read last.
///
/// # Errors
/// As [`read_bounded`].
pub fn read_open(file: File, most: u64) -> io::Result<Vec<u8>> {
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let too_large =
        || io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {} KiB", most / 1024));
    if metadata.len() > most {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(metadata.len() as usize);
    // One byte more than allowed tells whether the file has grown meanwhile.
    if file.take(most + 1).read_to_end(&mut bytes)? as u64 > most {
        return Err(too_large());
    }
    Ok(bytes)
}

/// As [`read_bounded`], of a file of this user: in a directory that others may write to, another
/// user could have put one there.
///
/// # Errors
/// As [`read_bounded`]; `PermissionDenied` for another owner.
pub fn read_own(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = crate::io::platform::open_without_waiting(path)?;
    if !crate::io::platform::is_ours(&file.metadata()?) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "belongs to another user"));
    }
    read_open(file, most)
}

/// A text that changes whenever the file is written or replaced: see
/// [`crate::io::platform::identity`]. The file is not opened.
///
/// # Errors
/// As `stat`.
pub fn identity(path: &Path) -> io::Result<String> {
    std::fs::metadata(path).map(|metadata| crate::io::platform::identity(&metadata))
}

/// Creates a directory that only its owner may enter, and the missing ones above it.
///
/// # Errors
/// As `mkdir`.
pub fn create_private_directory(path: &Path) -> io::Result<()> {
    let made = match crate::io::platform::make_private_directory(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(parent) = path.parent() {
                create_private_directory(parent)?;
            }
            crate::io::platform::make_private_directory(path)
        }
        result => result,
    };
    match made {
        // Another process may have created it a moment ago.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        result => result,
    }
}

/// As [`create_private_directory`], and makes sure that it belongs to this user.
///
/// # Errors
/// As `mkdir`; `PermissionDenied` for another owner.
pub fn create_own_directory(path: &Path) -> io::Result<()> {
    create_private_directory(path)?;
    if !crate::io::platform::is_ours(&std::fs::metadata(path)?) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "belongs to another user"));
    }
    Ok(())
}

/// A file beside the target that will replace it. It takes the room before the content is known,
/// because a fetch whose answer cannot be stored is not worth its request.
///
/// Callers hold a lock, so that there is one writer at a time. Should the lock be worth nothing, as
/// on some network mounts, a file that is not the one made here is never put in place.
pub struct Replacement {
    staged: PathBuf,
    target: PathBuf,
    file: File,
}

impl Replacement {
    /// Creates the new file with `room` bytes, named as the target with the extension `new`.
    ///
    /// # Errors
    /// As `open` and `write`, such as no permission or no space left; `IsADirectory` if `target` is
    /// a directory.
    pub fn prepare(target: &Path, room: usize) -> io::Result<Replacement> {
        Replacement::at(target.with_extension("new"), target, room)
    }

    /// As [`Replacement::prepare`] without room, under the whole name followed by `.new`.
    ///
    /// # Errors
    /// As [`Replacement::prepare`].
    pub fn beside(target: &Path) -> io::Result<Replacement> {
        Replacement::at(with_ending(target, ".new"), target, 0)
    }

    fn at(staged: PathBuf, target: &Path, room: usize) -> io::Result<Replacement> {
        if std::fs::symlink_metadata(target).is_ok_and(|metadata| metadata.is_dir()) {
            return Err(io::Error::from(io::ErrorKind::IsADirectory));
        }
        // An interrupted run may have left it there. It could also be a link that leads elsewhere.
        match std::fs::remove_file(&staged) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = crate::io::platform::create_private(&staged)?;
        let taken = file.write_all(&vec![b' '; room]);
        let replacement = Replacement { staged, target: target.to_path_buf(), file };
        taken.map(|()| replacement)
    }

    /// Replaces the target in one step: readers see either the old or the new content.
    ///
    /// # Errors
    /// As `write` and `rename`. Then the target is unchanged.
    pub fn commit(mut self, content: &[u8]) -> io::Result<()> {
        self.write(content)?;
        self.rename()
    }

    /// As [`Replacement::commit`], synced: the content before it is put in place, the directory
    /// after. Gives the file.
    ///
    /// # Errors
    /// As `write`, `fsync` and `rename`. Only when syncing the directory fails is it in place
    /// already.
    pub fn commit_synced(mut self, content: &[u8]) -> io::Result<File> {
        self.write(content)?;
        self.file.sync_all()?;
        self.rename()?;
        crate::io::platform::sync_directory_of(&self.target)?;
        self.file.try_clone()
    }

    fn write(&mut self, content: &[u8]) -> io::Result<()> {
        use std::io::Seek;
        self.file.rewind()?;
        self.file.write_all(content)?;
        self.file.set_len(content.len() as u64)
    }

    fn rename(&self) -> io::Result<()> {
        if !crate::io::platform::is_at(&self.file, &self.staged) {
            return Err(io::Error::other("somebody else has replaced the file to be put in place"));
        }
        crate::io::platform::replace(&self.staged, &self.target)
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        // After a commit this name no longer exists, or is somebody else's.
        if crate::io::platform::is_at(&self.file, &self.staged) {
            let _ = std::fs::remove_file(&self.staged);
        }
    }
}

/// `path` with `ending` behind its whole name.
pub fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut path = path.to_path_buf().into_os_string();
    path.push(ending);
    path.into()
}

/// When a file was last written, in whole seconds. `None` if it cannot be told.
pub fn modified_at(path: &Path) -> Option<Timestamp> {
    let modified = std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok()?;
    let seconds = modified.duration_since(UNIX_EPOCH).ok()?.as_secs();
    Some(Timestamp::from_unix_seconds(i64::try_from(seconds).ok()?))
}

/// Removes what interrupted runs left of a [`Replacement`] in this directory. One that is younger
/// than a day may be another process's, which is still at it.
pub fn remove_unfinished(directory: &Path, now: Timestamp) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let is_unfinished = path.extension().is_some_and(|ending| ending == "new");
        if is_unfinished && modified_at(&path).is_some_and(|at| now.seconds_since(at) > DAY) {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Sets the modification time of an empty file to now. A lock file tells so since when it is held.
///
/// # Errors
/// As `open` and `truncate`.
pub fn touch_empty(path: &Path) -> io::Result<()> {
    // Linux and the BSDs set the time even if the length does not change.
    File::options().read(true).write(true).open(path)?.set_len(0)
}

/// An advisory lock (`flock`) on a file of its own. The file is never deleted: otherwise two
/// processes could hold a lock of the same name.
pub struct Lock {
    file: RwLock<File>,
}

impl Lock {
    /// Opens or creates the lock file, without locking it.
    ///
    /// # Errors
    /// As `open`.
    pub fn open(path: &Path) -> io::Result<Lock> {
        Ok(Lock { file: RwLock::new(crate::io::platform::open_lock(path)?) })
    }

    /// A lock on a file that is already open.
    pub fn of(file: File) -> Lock {
        Lock { file: RwLock::new(file) }
    }

    /// The lock that the parent process handed over as an open file; `None` if `file` is not the
    /// one at `path`.
    pub fn inherited(file: File, path: &Path) -> Option<Lock> {
        let (ours, theirs) = (file.metadata().ok()?, std::fs::metadata(path).ok()?);
        crate::io::platform::same_file(&ours, &theirs).then(|| Lock { file: RwLock::new(file) })
    }

    /// Runs `work` under the lock. `None` if somebody else holds the lock; then `work` is not run.
    ///
    /// # Errors
    /// As `flock`.
    pub fn try_hold<T>(&mut self, work: impl FnOnce() -> T) -> io::Result<Option<T>> {
        match self.file.try_write() {
            Ok(_guard) => Ok(Some(work())),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether nobody holds the lock at this moment.
    pub fn is_free(&mut self) -> bool {
        self.try_hold(|| ()).is_ok_and(|free| free.is_some())
    }

    /// Runs `work` under the lock, trying to get it every `pace` for at most `patience`. `None` if
    /// somebody else holds the lock all the time; then `work` is not run.
    ///
    /// # Errors
    /// As `flock`.
    pub fn hold_within<T>(
        &mut self,
        patience: Duration,
        pace: Duration,
        work: impl FnOnce() -> T,
    ) -> io::Result<Option<T>> {
        let begun = Instant::now();
        let mut work = Some(work);
        loop {
            let done = self.try_hold(|| work.take().map(|work| work()))?;
            if done.is_some() || begun.elapsed() >= patience {
                return Ok(done.flatten());
            }
            std::thread::sleep(pace);
        }
    }

    /// Takes the lock and returns the file that holds it. The lock is held until every process that
    /// has this open file has closed it. `None` if somebody else holds the lock.
    ///
    /// # Errors
    /// As `flock`.
    pub fn try_take(mut self) -> io::Result<Option<File>> {
        match self.file.try_write() {
            // Dropping the guard would release the lock for all processes that share the open file.
            Ok(guard) => std::mem::forget(guard),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
        Ok(Some(self.file.into_inner()))
    }
}

/// Reads a file into `buffer` in one call, without looking at its size first. A prompt reads its
/// cache entry this way. A file that fills the buffer counts as too large.
///
/// # Errors
/// As `open` and `read`; `FileTooLarge`.
pub fn read_once<'a>(path: &Path, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
    let mut file = crate::io::platform::open_without_waiting(path)?;
    let length = file.read(buffer)?;
    if length == buffer.len() {
        return Err(io::Error::from(io::ErrorKind::FileTooLarge));
    }
    Ok(&buffer[..length])
}

/// Gives a person's own file another content, in one step, or makes it with its folders. A link
/// stays a link, and the file keeps its mode.
///
/// # Errors
/// `ReadOnlyFilesystem` if the file may not be written; as `open`, `write` and `rename`.
pub fn rewrite(path: &Path, content: &[u8]) -> io::Result<()> {
    let (target, permissions) = match std::fs::symlink_metadata(path) {
        Ok(_) => {
            let target = crate::io::platform::real_path(path)?;
            let permissions = std::fs::metadata(&target)?.permissions();
            // Root may write it all the same, but its owner did not want that.
            if permissions.readonly() {
                return Err(io::Error::from(io::ErrorKind::ReadOnlyFilesystem));
            }
            crate::io::platform::open_for_writing(&target)?;
            (target, Some(permissions))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(directory) = path.parent() {
                std::fs::create_dir_all(directory)?;
            }
            (path.to_path_buf(), None)
        }
        Err(error) => return Err(error),
    };
    let mut staged = target.clone().into_os_string();
    staged.push(".codexline-edit");
    let staged = PathBuf::from(staged);
    // What an interrupted run left there.
    let _ = remove(&staged);
    let write = || {
        let mut file = File::create_new(&staged)?;
        file.write_all(content)?;
        if let Some(permissions) = permissions {
            file.set_permissions(permissions)?;
        }
        file.sync_all()?;
        std::fs::rename(&staged, &target)
    };
    let written = write();
    if written.is_err() {
        let _ = std::fs::remove_file(&staged);
    }
    written
}

/// Writes a private copy under a name that is free; `false` where there is something already.
///
/// # Errors
/// As `open` and `write`.
pub fn keep_copy(content: &[u8], copy: &Path) -> io::Result<bool> {
    match crate::io::platform::create_private(copy) {
        Ok(mut file) => file.write_all(content).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Removes a file, a link, or a directory with everything in it; `false` where there is none.
///
/// # Errors
/// As `unlink` and `rmdir`.
pub fn remove(path: &Path) -> io::Result<bool> {
    let removed = match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Removes a directory if nothing is in it.
///
/// # Errors
/// As `rmdir`.
pub fn remove_empty_directory(path: &Path) -> io::Result<()> {
    std::fs::remove_dir(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_unfinished_goes_after_a_day() {
        let name = format!("codexline-unfinished-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        let names = ["a.json.new", "b.json", "new"].map(|name| directory.join(name));
        for path in &names {
            crate::io::platform::create_private(path).unwrap();
        }
        let written = modified_at(&names[0]).unwrap();
        remove_unfinished(&directory, written.plus(DAY));
        assert!(names.iter().all(|path| path.exists()), "it may be at work still");
        remove_unfinished(&directory, written.plus(DAY + 1));
        assert_eq!(names.map(|path| path.exists()), [false, true, true]);
        std::fs::remove_dir_all(&directory).unwrap();
        remove_unfinished(&directory, written);
        assert!(modified_at(&directory).is_none());
    }
}
