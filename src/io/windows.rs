//! The same functions as in `unix`, for Windows. Modes and owners are access lists there, which a
//! user's own directories already set as they should be, so questions about them are answered
//! "all right".

use crate::io::files::Lock;
use crate::model::time::Timestamp;
use std::ffi::OsString;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, IsTerminal};
use std::os::windows::fs::MetadataExt;
use std::os::windows::io::{AsHandle, AsRawHandle};
use std::os::windows::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION, HANDLE_FLAG_INHERIT, SetHandleInformation,
};
use windows_sys::Win32::System::Console::{
    CONSOLE_SCREEN_BUFFER_INFO, CTRL_BREAK_EVENT, ENABLE_VIRTUAL_TERMINAL_PROCESSING,
    GetConsoleMode, GetConsoleScreenBufferInfo, SetConsoleCtrlHandler, SetConsoleMode,
};
use windows_sys::Win32::System::Threading::{CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW};

/// Whether codexline may replace auth.json. Not here: its promise to lose no login was not proved
/// on the locks and links of Windows. Codex itself refreshes the login.
pub const MAY_REPLACE_LOGIN: bool = false;

/// Whether the system keeps its time zones in files.
pub const HAS_ZONE_FILES: bool = false;

/// The variable with the user's home directory. `HOME` may be that of another system's shell.
pub const HOME: &str = "USERPROFILE";

/// How long another program, such as a virus scanner, may hold a file that is to be replaced.
const HELD: Duration = Duration::from_secs(1);
/// How long a worker may take until it has its lock.
const TAKEOVER: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

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
/// see [`spawn_with_lock`].
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

/// Starts a worker that takes over a lock. A lock belongs to its process here, so `lock` is
/// released, and the worker takes it itself. Returns when it has done so, or has ended.
///
/// # Errors
/// As `spawn`.
pub fn spawn_with_lock(mut command: Command, lock: File, path: &Path) -> io::Result<()> {
    drop(lock);
    command.stdin(Stdio::null());
    detach(&mut command);
    let mut child = command.spawn()?;
    let begun = Instant::now();
    let is_taken = || Lock::open(path).is_ok_and(|mut lock| !lock.is_free());
    while child.try_wait()?.is_none() && !is_taken() && begun.elapsed() < TAKEOVER {
        std::thread::sleep(LOOK_AGAIN);
    }
    Ok(())
}

/// Renames a file over another one, and tries again for a moment if some program holds that open.
///
/// # Errors
/// As `rename`.
pub fn replace(from: &Path, to: &Path) -> io::Result<()> {
    let begun = Instant::now();
    loop {
        match std::fs::rename(from, to) {
            Err(error) if is_held(&error) && begun.elapsed() < HELD => {
                std::thread::sleep(LOOK_AGAIN);
            }
            result => return result,
        }
    }
}

fn is_held(error: &io::Error) -> bool {
    let codes = [ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION];
    codes.iter().any(|code| error.raw_os_error() == Some(code.cast_signed()))
}

/// The files that a program of this name may be, in the order in which they are looked for. npm
/// installs a `.cmd` file, and beside it a script of the plain name, for shells of Unix only.
pub fn program_names(name: &Path) -> Vec<OsString> {
    if name.extension().is_some() {
        return vec![name.into()];
    }
    let named = |end| name.with_extension(end).into_os_string();
    ["exe", "cmd"].map(named).to_vec()
}

/// Longer paths, in bytes, must begin with [`VERBATIM`].
const LONGEST_PLAIN: usize = 259;
/// How the system begins a path that is to be taken as it is. Many programs refuse such a one.
const VERBATIM: &str = r"\\?\";

/// The one path of what is there, without links.
///
/// # Errors
/// As `realpath`.
pub fn real_path(path: &Path) -> io::Result<PathBuf> {
    let real = std::fs::canonicalize(path)?;
    let plain = real.to_str().and_then(|text| text.strip_prefix(VERBATIM));
    let is_plain =
        |text: &&str| text.as_bytes().get(1) == Some(&b':') && text.len() <= LONGEST_PLAIN;
    Ok(plain.filter(is_plain).map_or_else(|| real.clone(), PathBuf::from))
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
    // With /S, cmd removes just this pair of quotes and leaves all others alone; /D skips the
    // commands that the registry can name to run first.
    command.raw_arg("/D /S /C").raw_arg(format!("\"{command_line}\""));
    command
}

/// Ends a child. What it has started goes on.
pub fn end_session(child: &mut Child) {
    let _ = child.kill();
}

/// Columns and lines of the console on standard output; `None` if it is not a console.
pub fn terminal_size() -> Option<(usize, usize)> {
    let mut info = CONSOLE_SCREEN_BUFFER_INFO::default();
    // SAFETY: the call fills the structure; on what is not a console it fails.
    let done = unsafe { GetConsoleScreenBufferInfo(io::stdout().as_raw_handle(), &mut info) };
    let shown = info.srWindow;
    let length = |from: i16, to: i16| usize::try_from(i32::from(to) - i32::from(from) + 1).ok();
    let size = (length(shown.Left, shown.Right)?, length(shown.Top, shown.Bottom)?);
    (done != 0 && size.0 > 1 && size.1 > 1).then_some(size)
}

/// Whether standard output is a console that shows colours. Older ones must be told to.
pub fn is_colour_terminal() -> bool {
    let console = io::stdout().as_raw_handle();
    let mut mode = 0;
    // SAFETY: both calls only read and set the console's mode; on what is not a console they fail.
    io::stdout().is_terminal()
        && unsafe {
            GetConsoleMode(console, &mut mode) == 0
                || SetConsoleMode(console, mode | ENABLE_VIRTUAL_TERMINAL_PROCESSING) != 0
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::windows::fs::OpenOptionsExt;
    use std::sync::mpsc::channel;

    /// A directory with the file `old`.
    fn directory(name: &str) -> PathBuf {
        let name = format!("codexline-{name}-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("old"), "old").unwrap();
        directory
    }

    /// A reader shares the file, a virus scanner nothing. Windows itself waits for no reader.
    #[test]
    fn a_file_that_is_held_for_a_moment_is_replaced_after_it() {
        let directory = directory("held");
        let (from, to) = (directory.join("new"), directory.join("old"));
        let read = || File::open(&to).unwrap();
        let scan = || OpenOptions::new().read(true).share_mode(0).open(&to).unwrap();
        let holders: [&dyn Fn() -> File; 2] = [&read, &scan];
        for hold in holders {
            std::fs::write(&from, "new").unwrap();
            let held = hold();
            let (sender, begun) = channel();
            let releaser = std::thread::spawn(move || {
                begun.recv().unwrap();
                std::thread::sleep(LOOK_AGAIN * 4);
                drop(held);
            });
            sender.send(()).unwrap();
            replace(&from, &to).unwrap();
            releaser.join().unwrap();
            assert!(!from.exists());
        }
        // Not for ever: whoever waits for the line would wait as well.
        std::fs::write(&from, "newer").unwrap();
        let held = scan();
        let error = replace(&from, &to).unwrap_err();
        assert!(is_held(&error), "{error:?}");
        drop(held);
        assert_eq!(std::fs::read_to_string(&to).unwrap(), "new");
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_real_path_is_one_that_people_write() {
        let directory = directory("real");
        let real = real_path(&directory.join("..").join(directory.file_name().unwrap())).unwrap();
        assert!(real.to_str().unwrap().as_bytes()[1] == b':', "{}", real.display());
        assert_eq!(std::fs::read_to_string(real.join("old")).unwrap(), "old");
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn codex_is_an_exe_or_npms_cmd_and_never_a_unix_script() {
        assert_eq!(program_names(Path::new("codex")), ["codex.exe", "codex.cmd"]);
        assert_eq!(program_names(Path::new("codex.exe"))[0], "codex.exe");
    }
}
