//! The same functions as in `unix`, for Windows. Modes and owners are access lists there, which a
//! user's own directories already set as they should be, so questions about them are answered
//! "all right".

use crate::model::time::Timestamp;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::windows::fs::MetadataExt;
use std::os::windows::io::{AsHandle, AsRawHandle};
use std::os::windows::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use windows_sys::Win32::Foundation::{HANDLE_FLAG_INHERIT, SetHandleInformation};
use windows_sys::Win32::System::Console::{CTRL_BREAK_EVENT, SetConsoleCtrlHandler};
use windows_sys::Win32::System::Threading::{CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW};

/// Does nothing: here the end of the process is the end of its output.
pub fn end_output() {}

/// Opens a file for reading.
///
/// # Errors
/// As `open`.
pub fn open_without_waiting(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Creates a new file. Its directory says who may read it.
///
/// # Errors
/// As `open`; `AlreadyExists` if there is something at this path.
pub fn create_private(path: &Path) -> io::Result<File> {
    read_write().create_new(true).open(path)
}

/// Opens or creates a lock file.
///
/// # Errors
/// As `open`.
pub fn open_lock(path: &Path) -> io::Result<File> {
    read_write().create(true).truncate(false).open(path)
}

fn read_write() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    options
}

/// Creates one directory.
///
/// # Errors
/// As `mkdir`.
pub fn make_private_directory(path: &Path) -> io::Result<()> {
    std::fs::create_dir(path)
}

/// Last write and creation in units of 100 nanoseconds, and the size, as text.
pub fn identity(metadata: &Metadata) -> String {
    format!(
        "file {} {} {}",
        metadata.last_write_time(),
        metadata.creation_time(),
        metadata.file_size()
    )
}

/// Always false, because the standard library does not tell. So no inherited lock is recognised;
/// see [`hand_over`].
pub fn same_file(_left: &Metadata, _right: &Metadata) -> bool {
    false
}

/// Nothing: the system writes core files only where its administrator wants them.
pub fn protect_memory() {}

/// Whether there is a file at `path`: which one it is, the standard library does not tell.
pub fn is_at(_file: &File, path: &Path) -> bool {
    path.exists()
}

/// Opens a file for reading and writing.
pub fn open_own(path: &Path) -> io::Result<File> {
    read_write().open(path)
}

/// What a child gets as its standard input. A lock belongs to its process here, so `lock` is
/// released, and the child takes it itself.
pub fn hand_over(lock: File) -> Stdio {
    drop(lock);
    Stdio::null()
}

/// When a file was last written.
pub fn changed_at(metadata: &Metadata) -> Option<Timestamp> {
    let since = metadata.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Timestamp::from_unix_seconds(i64::try_from(since.as_secs()).ok()?))
}

/// Always true; see the head of this file.
pub fn is_ours(_metadata: &Metadata) -> bool {
    true
}

/// Always false: there is no root.
pub fn is_foreign_to_root(_path: &Path) -> bool {
    false
}

/// Whether the file is not marked read-only.
pub fn owner_may_write(metadata: &Metadata) -> bool {
    !metadata.permissions().readonly()
}

/// Whether the system lets this process write a file. Nothing is written.
///
/// # Errors
/// As `open`.
pub fn open_for_writing(path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).open(path).map(drop)
}

/// The permission bits that a private file would have on Unix.
pub fn mode(metadata: &Metadata) -> u32 {
    if owner_may_write(metadata) { 0o600 } else { 0o400 }
}

/// Always 1: the standard library does not tell the number of hard links.
pub fn links(_metadata: &Metadata) -> u64 {
    1
}

/// Always false: single files are not mounted.
pub fn is_mount_point(_path: &Path, _table: &[u8]) -> bool {
    false
}

/// Does nothing: the file system's journal makes a rename durable.
///
/// # Errors
/// None.
pub fn sync_directory_of(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Makes this process ignore `^C`, because it must finish what it has begun.
pub fn ignore_requests_to_end() {
    // SAFETY: without a handler the call only sets a flag of the process.
    unsafe { SetConsoleCtrlHandler(None, 1) };
}

static IS_REQUESTED: AtomicBool = AtomicBool::new(false);

/// Makes the first `^C` a mere note for [`request_to_end`]; the second ends the process as usual.
pub fn note_requests_to_end() {
    unsafe extern "system" fn note(event: u32) -> i32 {
        // Zero passes the event on to the next handler, which ends the process.
        i32::from(event <= CTRL_BREAK_EVENT && !IS_REQUESTED.swap(true, Ordering::Relaxed))
    }
    // SAFETY: the handler, which runs on a thread of its own, only touches an atomic.
    unsafe { SetConsoleCtrlHandler(Some(note), 1) };
}

/// The exit status for the request to end that came, as on Unix; `None` if none came.
pub fn request_to_end() -> Option<u8> {
    IS_REQUESTED.load(Ordering::Relaxed).then_some(130)
}

/// Standard input as a file.
///
/// # Errors
/// As `DuplicateHandle`.
pub fn standard_input() -> io::Result<File> {
    io::stdin().as_handle().try_clone_to_owned().map(File::from)
}

/// Whether it is a directory. Only creating a file would tell whether that is allowed.
pub fn is_writable_directory(path: &Path) -> bool {
    path.is_dir()
}

/// Makes `command` start without a console, and without the handles that the host gave this
/// process, because the host would wait until they are closed.
pub fn detach(command: &mut Command) {
    let handles =
        [io::stdin().as_raw_handle(), io::stdout().as_raw_handle(), io::stderr().as_raw_handle()];
    for handle in handles {
        // SAFETY: only a flag of the handle changes; one that is not open gives an error.
        unsafe { SetHandleInformation(handle, HANDLE_FLAG_INHERIT, 0) };
    }
    command.creation_flags(CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP);
}

/// A command line for the system's shell.
pub fn shell(command_line: &str) -> Command {
    let mut command = Command::new("cmd");
    // Not quoted: cmd has rules of its own.
    command.raw_arg("/C").raw_arg(command_line);
    command
}

/// Ends a child. What it has started goes on.
pub fn end_session(child: &mut Child) {
    let _ = child.kill();
}

/// Always `None`, so that the usual size counts.
pub fn terminal_size() -> Option<(usize, usize)> {
    None
}

/// Single keys, which are not read here.
pub struct Keys;

impl Keys {
    /// Always `None`: Ctrl-C ends the program.
    pub fn begin() -> Option<Keys> {
        None
    }

    /// Never called.
    ///
    /// # Errors
    /// Never.
    pub fn read(&mut self) -> std::io::Result<Option<u8>> {
        Ok(None)
    }
}
