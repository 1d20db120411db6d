//! What stands on Windows for what [`crate::io::platform`] is on Unix. There, modes and owners are lists of access rights, which
//! a user's own directories already set as they should be; so what asks for them is content.

use crate::model::time::Timestamp;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::windows::fs::MetadataExt;
use std::os::windows::io::{AsHandle, AsRawHandle, RawHandle};
use std::os::windows::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

// Of kernel32, which the standard library links anyway.
unsafe extern "system" {
    fn SetHandleInformation(handle: RawHandle, mask: u32, flags: u32) -> i32;
    fn SetConsoleCtrlHandler(
        handler: Option<unsafe extern "system" fn(u32) -> i32>,
        add: i32,
    ) -> i32;
}

const HANDLE_FLAG_INHERIT: u32 = 1;
const CREATE_NEW_PROCESS_GROUP: u32 = 0x0000_0200;
const CREATE_NO_WINDOW: u32 = 0x0800_0000;

/// Whether a variable is set whose name begins so.
#[expect(clippy::disallowed_methods, reason = "for the edge")]
pub fn has_variable_with(beginning: &str) -> bool {
    std::env::vars_os().any(|(name, _)| name.to_string_lossy().starts_with(beginning))
}

/// Nothing here: the end of this process is the end of its output.
pub fn end_output() {}

/// Opens for reading.
pub fn open_without_waiting(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Options that both lock and staged files start from.
fn read_write() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    options
}

/// Creates a new file; who may read it is what its directory says.
pub fn create_private(path: &Path) -> io::Result<File> {
    read_write().create_new(true).open(path)
}

/// Opens or creates a lock file.
pub fn open_lock(path: &Path) -> io::Result<File> {
    read_write().create(true).truncate(false).open(path)
}

/// Makes one directory.
pub fn make_private_directory(path: &Path) -> io::Result<()> {
    std::fs::create_dir(path)
}

/// Times of the last write and of creation in units of 100 nanoseconds, and the size.
pub fn identity(metadata: &Metadata) -> String {
    format!(
        "file {} {} {}",
        metadata.last_write_time(),
        metadata.creation_time(),
        metadata.file_size()
    )
}

/// Never known: the standard library does not tell. So no lock is taken for an inherited one; see [`hand_over`].
pub fn same_file(_left: &Metadata, _right: &Metadata) -> bool {
    false
}

/// What a child gets as its standard input for a lock that this process holds. A lock is its process's own here, so it is
/// let go, and the child takes it anew.
pub fn hand_over(lock: File) -> Stdio {
    drop(lock);
    Stdio::null()
}

/// When a file was last written.
pub fn changed_at(metadata: &Metadata) -> Option<Timestamp> {
    let since = metadata.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Timestamp::from_unix_seconds(i64::try_from(since.as_secs()).ok()?))
}

pub fn is_ours(_metadata: &Metadata) -> bool {
    true
}

pub fn is_foreign_to_root(_path: &Path) -> bool {
    false
}

pub fn owner_may_write(metadata: &Metadata) -> bool {
    !metadata.permissions().readonly()
}

/// Whether the system lets this process write a file, without writing.
///
/// # Errors
/// As `open`.
pub fn open_for_writing(path: &Path) -> io::Result<()> {
    std::fs::OpenOptions::new().write(true).open(path).map(drop)
}

/// As Unix would have it for a file of one's own.
pub fn mode(metadata: &Metadata) -> u32 {
    if owner_may_write(metadata) { 0o600 } else { 0o400 }
}

/// Not known; hard links to a login file are not a habit there.
pub fn links(_metadata: &Metadata) -> u64 {
    1
}

pub fn is_mount_point(_path: &Path, _table: &[u8]) -> bool {
    false
}

/// The file system's own journal does it.
pub fn sync_directory_of(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// From now on Ctrl-C does nothing: what has begun must be finished.
pub fn ignore_requests_to_end() {
    // SAFETY: without a handler it only sets a flag of the process.
    unsafe { SetConsoleCtrlHandler(None, 1) };
}

static IS_REQUESTED: AtomicBool = AtomicBool::new(false);

/// From now on the first Ctrl-C is only noted, for [`request_to_end`]; the second ends the process as ever.
pub fn note_requests_to_end() {
    const CTRL_BREAK_EVENT: u32 = 1;
    unsafe extern "system" fn note(event: u32) -> i32 {
        // What is not handled goes to the next handler, which ends the process.
        i32::from(event <= CTRL_BREAK_EVENT && !IS_REQUESTED.swap(true, Ordering::Relaxed))
    }
    // SAFETY: the handler, which runs on a thread of its own, only touches an atomic.
    unsafe { SetConsoleCtrlHandler(Some(note), 1) };
}

/// Whether this process has been asked to end, and the exit status that says so, as on Unix.
pub fn request_to_end() -> Option<u8> {
    IS_REQUESTED.load(Ordering::Relaxed).then_some(130)
}

/// Standard input as a file of its own.
pub fn standard_input() -> io::Result<File> {
    io::stdin().as_handle().try_clone_to_owned().map(File::from)
}

/// Whether it is one; whether files can be made in it is known only by making one.
pub fn is_writable_directory(path: &Path) -> bool {
    path.is_dir()
}

/// Makes `command` start without a console, and with none of the handles that the host gave this process: it would wait
/// for their end.
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
    // As it is: cmd has its own idea of quotes.
    command.raw_arg("/C").raw_arg(command_line);
    command
}

/// Ends a child that was [`detach`]ed; what it has started goes on.
pub fn end_session(child: &mut Child) {
    let _ = child.kill();
}

/// How wide the console is: it says so to nobody here, so the usual width counts.
pub fn terminal_columns() -> Option<usize> {
    None
}
