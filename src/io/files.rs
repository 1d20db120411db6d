//! Files as codexline needs them: bounded reads, replacement in one step, locks.

use fd_lock::RwLock;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Reads a regular file of at most `most` bytes. Never blocks: a FIFO or device is refused, not waited for.
///
/// # Errors
/// As `open` and `read`; `InvalidInput` for what is not a regular file; `FileTooLarge` beyond `most`.
pub fn read_bounded(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = crate::io::platform::open_without_waiting(path)?;
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
    // One more than allowed tells a file that has grown meanwhile from one that just fits.
    if file.take(most + 1).read_to_end(&mut bytes)? as u64 > most {
        return Err(too_large());
    }
    Ok(bytes)
}

/// What tells a file from an earlier state of it without opening it: see [`crate::io::platform::identity`].
///
/// # Errors
/// As `stat`.
pub fn identity(path: &Path) -> io::Result<String> {
    std::fs::metadata(path).map(|metadata| crate::io::platform::identity(&metadata))
}

/// Makes a directory that only its owner may enter, and those above it that are missing.
///
/// # Errors
/// As `mkdir`.
pub fn create_private_directory(path: &Path) -> io::Result<()> {
    let made = match crate::io::platform::make_private_directory(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            crate::io::platform::make_private_directory(path)
        }
        result => result,
    };
    match made {
        // Also where another process made it a moment ago.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        result => result,
    }
}

/// The place for a file's next content, taken before the content is known: what could not be stored
/// is not worth asking for.
///
/// For one writer at a time: callers hold a lock.
pub struct Replacement {
    staged: PathBuf,
    target: PathBuf,
    file: File,
}

impl Replacement {
    /// Takes `room` bytes beside `target`.
    ///
    /// # Errors
    /// As `open` and `write`: no permission, no space left; `IsADirectory` if `target` is one.
    pub fn prepare(target: &Path, room: usize) -> io::Result<Replacement> {
        if std::fs::symlink_metadata(target).is_ok_and(|metadata| metadata.is_dir()) {
            return Err(io::Error::from(io::ErrorKind::IsADirectory));
        }
        let staged = target.with_extension("new");
        // Whatever an interrupted run left there, also a link that leads elsewhere.
        match std::fs::remove_file(&staged) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = crate::io::platform::create_private(&staged)?;
        let taken = file.write_all(&vec![b' '; room]);
        let replacement = Replacement { staged, target: target.to_path_buf(), file };
        taken.map(|()| replacement)
    }

    /// Puts `content` in the place of the target in one step: readers see the old or the new one.
    ///
    /// # Errors
    /// As `write` and `rename`; the target is as it was.
    pub fn commit(mut self, content: &[u8]) -> io::Result<()> {
        use std::io::Seek;
        self.file.rewind()?;
        self.file.write_all(content)?;
        self.file.set_len(content.len() as u64)?;
        std::fs::rename(&self.staged, &self.target)
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        // After a commit there is nothing under this name any more.
        let _ = std::fs::remove_file(&self.staged);
    }
}

/// Sets a file's time of modification to now, without changing what is in an empty one: says since when a lock is held.
///
/// # Errors
/// As `open` and `truncate`.
pub fn touch_empty(path: &Path) -> io::Result<()> {
    // Linux and the BSDs set the time even if the length stays what it was.
    File::options().read(true).write(true).open(path)?.set_len(0)
}

/// An advisory lock (`flock`) on a file that is made for it and never deleted: deleting would let two
/// hold "the" lock.
pub struct Lock {
    file: RwLock<File>,
}

impl Lock {
    /// # Errors
    /// As `open`.
    pub fn open(path: &Path) -> io::Result<Lock> {
        Ok(Lock { file: RwLock::new(crate::io::platform::open_lock(path)?) })
    }

    /// A lock on a file that is open already.
    pub fn of(file: File) -> Lock {
        Lock { file: RwLock::new(file) }
    }

    /// A lock whose file came from the process that started this one; `None` if `file` is not the one
    /// at `path`.
    pub fn inherited(file: File, path: &Path) -> Option<Lock> {
        let (ours, theirs) = (file.metadata().ok()?, std::fs::metadata(path).ok()?);
        crate::io::platform::same_file(&ours, &theirs).then(|| Lock { file: RwLock::new(file) })
    }

    /// Does `work` under the lock; `None` without doing it if somebody else holds it.
    ///
    /// # Errors
    /// As `flock`, except that it is held.
    pub fn try_hold<T>(&mut self, work: impl FnOnce() -> T) -> io::Result<Option<T>> {
        match self.file.try_write() {
            Ok(_guard) => Ok(Some(work())),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether nobody holds it at this moment.
    pub fn is_free(&mut self) -> bool {
        self.try_hold(|| ()).is_ok_and(|free| free.is_some())
    }

    /// Does `work` under the lock, asking for it every `pace` for at most `patience`; `None` without doing it if
    /// somebody else holds it all that time.
    ///
    /// # Errors
    /// As `flock`, except that it is held.
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

    /// Takes the lock and gives the file that holds it: it stays taken until the last process that has
    /// this open file closes it. `None` if somebody else holds it.
    ///
    /// # Errors
    /// As `flock`, except that it is held.
    pub fn try_take(mut self) -> io::Result<Option<File>> {
        match self.file.try_write() {
            // The guard would unlock for every process that shares the open file.
            Ok(guard) => std::mem::forget(guard),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
        Ok(Some(self.file.into_inner()))
    }
}

/// Reads what is there in one call into `buffer`, without looking at the file first: the one read of
/// the warm path. A file that fills the buffer counts as too large.
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
