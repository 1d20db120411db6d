//! File modes, owners and identities.

use crate::model::time::Timestamp;
use rustix::fs::{Access, Mode, OFlags, access};
use rustix::process::{geteuid, umask};
use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The one path of what is there, without links.
///
/// # Errors
/// As `realpath`.
pub fn real_path(path: &Path) -> io::Result<PathBuf> {
    std::fs::canonicalize(path)
}

/// Opens a file for reading. Does not wait for a writer if it is a FIFO.
///
/// # Errors
/// As `open`.
pub fn open_without_waiting(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(flags(OFlags::NONBLOCK)).open(path)
}

/// Creates a new file that only its owner may read and write, whatever the umask.
///
/// # Errors
/// As `open`; `AlreadyExists` if there is something at this path, also a link.
pub fn create_private(path: &Path) -> io::Result<File> {
    let file = with_plain_umask(|| read_write().create_new(true).mode(0o600).open(path))?;
    // The directory's default ACL may have removed permissions as well.
    if let Err(error) = file.set_permissions(Permissions::from_mode(0o600)) {
        let _ = std::fs::remove_file(path);
        return Err(error);
    }
    Ok(file)
}

/// Opens or creates a lock file. A link is not followed, because it would put the lock elsewhere.
///
/// # Errors
/// As `open`.
pub fn open_lock(path: &Path) -> io::Result<File> {
    let mut options = read_write();
    options.mode(0o600).custom_flags(flags(OFlags::NOFOLLOW));
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            with_plain_umask(|| options.create(true).truncate(false).open(path))
        }
        result => result,
    }
}

fn read_write() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    options
}

/// `open`'s flags as the standard library takes them.
fn flags(flags: OFlags) -> i32 {
    flags.bits().cast_signed()
}

/// Runs `create`, which creates a file, under a umask that leaves the owner's permissions alone.
///
/// Under umask 0777 a new lock file could never be opened again, neither by codexline nor by Codex.
/// Setting the mode afterwards would leave a moment in which the process can be killed.
/// The umask belongs to the whole process; no other thread creates files.
fn with_plain_umask<T>(create: impl FnOnce() -> T) -> T {
    let before = umask(Mode::from_raw_mode(0o077));
    let created = create();
    umask(before);
    created
}

/// Whether the kernel lets this process write a file. Nothing is written. Finds what no mode bit
/// tells, such as an immutable file, for root as well.
///
/// # Errors
/// As `open`.
pub fn open_for_writing(path: &Path) -> io::Result<()> {
    let flags = flags(OFlags::NOFOLLOW | OFlags::NONBLOCK);
    OpenOptions::new().write(true).custom_flags(flags).open(path).map(drop)
}

/// Creates one directory with mode 0700, whatever the umask.
///
/// # Errors
/// As `mkdir` and `chmod`.
pub fn make_private_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o700))
}

/// Modification and change time in nanoseconds, size and inode number as text. Every write changes
/// one of them, because nobody can set the change time.
pub fn identity(metadata: &Metadata) -> String {
    format!(
        "file {}.{:09} {}.{:09} {} {}",
        metadata.mtime(),
        metadata.mtime_nsec(),
        metadata.ctime(),
        metadata.ctime_nsec(),
        metadata.size(),
        metadata.ino()
    )
}

/// Whether both are the same file, by device and inode number.
pub fn same_file(left: &Metadata, right: &Metadata) -> bool {
    (left.dev(), left.ino()) == (right.dev(), right.ino())
}

/// Whether `path` is a name of this very file. A link at `path` is not followed.
pub fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::symlink_metadata(path)) {
        (Ok(ours), Ok(named)) => same_file(&ours, &named),
        _ => false,
    }
}

/// Opens a file of this user for reading and writing. A link is not followed, and a file of another
/// user is refused: in a directory that others may write to, they could have put it there.
///
/// # Errors
/// As `open`; `PermissionDenied` for another owner; `InvalidInput` for what is not a regular file.
pub fn open_own(path: &Path) -> io::Result<File> {
    let mut options = read_write();
    let file = options.custom_flags(flags(OFlags::NOFOLLOW | OFlags::NONBLOCK)).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "is not a regular file"));
    }
    if !is_ours(&metadata) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "belongs to another user"));
    }
    Ok(file)
}

/// When a file was last written or replaced, even if its modification time was set to something
/// earlier.
pub fn changed_at(metadata: &Metadata) -> Option<Timestamp> {
    Some(Timestamp::from_unix_seconds(metadata.mtime().max(metadata.ctime())))
}

/// Whether a file belongs to the user whose rights this process has.
pub fn is_ours(metadata: &Metadata) -> bool {
    metadata.uid() == geteuid().as_raw()
}

/// Whether this process is root and the nearest existing directory belongs to another user, who
/// could never replace what root creates in it.
pub fn is_foreign_to_root(path: &Path) -> bool {
    let nearest = || path.ancestors().find_map(|path| std::fs::metadata(path).ok());
    geteuid().is_root() && nearest().is_some_and(|metadata| metadata.uid() != 0)
}

/// Whether the mode lets the owner write. Root may write anyway, but the mode says what the owner
/// wants.
pub fn owner_may_write(metadata: &Metadata) -> bool {
    metadata.mode() & 0o200 != 0
}

/// The permission bits.
pub fn mode(metadata: &Metadata) -> u32 {
    metadata.mode() & 0o7777
}

/// The number of hard links to a file.
pub fn links(metadata: &Metadata) -> u64 {
    metadata.nlink()
}

/// Whether this process may create files in a directory.
pub fn is_writable_directory(path: &Path) -> bool {
    access(path, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

/// Renames a file over another one.
///
/// # Errors
/// As `rename`.
pub fn replace(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)
}

/// Makes a rename in the directory of `path` durable.
///
/// # Errors
/// As `open` and `fsync`.
pub fn sync_directory_of(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

/// Whether `path` itself is a mount point, as containers mount single files. Such a file cannot be
/// replaced. `table` is the content of Linux's `/proc/self/mountinfo`.
pub fn is_mount_point(path: &Path, table: &[u8]) -> bool {
    table.split(|byte| *byte == b'\n').any(|line| {
        // proc(5): the fifth field is the path, with blanks and the like as octal escapes.
        let field = line.split(|byte| *byte == b' ').nth(4).unwrap_or_default();
        unescape_octal(field) == path.as_os_str().as_bytes()
    })
}

fn unescape_octal(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, tail)) = rest.split_first() {
        let digits = tail.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        let value = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match value.filter(|_| *byte == b'\\') {
            Some(value) => {
                out.push(value);
                rest = &tail[3..];
            }
            None => {
                out.push(*byte);
                rest = tail;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_tables_escape_blanks() {
        assert_eq!(unescape_octal(br"/a\040b\134c\9"), br"/a b\c\9");
    }
}
