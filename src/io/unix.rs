//! Everything that only Unix has, in one place: modes, sessions, descriptors.

use crate::model::time::Timestamp;
use std::ffi::{CStr, OsStr, OsString};
use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicI32, Ordering};

unsafe extern "C" {
    static environ: *const *const libc::c_char;
}

/// Whether a variable is set whose name begins so: one pass over the environment, without a copy of it. Only before there
/// is a second thread.
pub fn has_variable_with(beginning: &str) -> bool {
    // SAFETY: environ(7): null, or a list of strings that ends with null; nobody changes it meanwhile. No more bytes are
    // compared than `beginning` has.
    unsafe {
        let mut next = environ;
        while !next.is_null() && !(*next).is_null() {
            if libc::strncmp(*next, beginning.as_ptr().cast(), beginning.len()) == 0 {
                return true;
            }
            next = next.add(1);
        }
    }
    false
}

/// The process's arguments, from those of `main`: the standard library knows them only with Rust's own entry point, and with glibc.
///
/// # Safety
/// `values` are as many strings as `count` says, and stay as they are.
pub unsafe fn arguments(count: libc::c_int, values: *const *const libc::c_char) -> Vec<OsString> {
    let count = usize::try_from(count).unwrap_or(0);
    // SAFETY: the caller's promise.
    let text = |index| unsafe { CStr::from_ptr(*values.add(index)) };
    (0..count).map(|index| OsStr::from_bytes(text(index).to_bytes()).to_os_string()).collect()
}

/// Lets go of standard output: who reads it to its end has the end now, whatever this process still does.
pub fn end_output() {
    use std::os::fd::AsRawFd;
    if let Ok(nowhere) = OpenOptions::new().write(true).open("/dev/null") {
        // SAFETY: both descriptors are open; 1 stays open, on another file.
        unsafe { libc::dup2(nowhere.as_raw_fd(), libc::STDOUT_FILENO) };
    }
}

/// Opens for reading; a FIFO without a writer does not block.
pub fn open_without_waiting(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)
}

/// Options that both lock and staged files start from.
fn read_write() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    options
}

/// Creates a new file that only its owner may read, whatever the umask.
pub fn create_private(path: &Path) -> io::Result<File> {
    let file = with_plain_umask(|| read_write().create_new(true).mode(0o600).open(path))?;
    // A directory's default ACL can have taken rights away as well.
    if let Err(error) = file.set_permissions(Permissions::from_mode(0o600)) {
        let _ = std::fs::remove_file(path);
        return Err(error);
    }
    Ok(file)
}

/// Opens or creates a lock file. A link is not followed: it would put the lock elsewhere.
pub fn open_lock(path: &Path) -> io::Result<File> {
    let mut options = read_write();
    options.mode(0o600).custom_flags(libc::O_NOFOLLOW);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            with_plain_umask(|| options.create(true).truncate(false).open(path))
        }
        result => result,
    }
}

/// Does `work`, which creates a file, under a umask that leaves the owner's rights alone: under 0777 a lock file would
/// be one that nobody can open again, neither we nor Codex. Setting the mode afterwards leaves a moment in which
/// the process can end.
///
/// The umask is the whole process's; no other thread creates files.
fn with_plain_umask<T>(work: impl FnOnce() -> T) -> T {
    // SAFETY: umask has no preconditions and cannot fail.
    let before = unsafe { libc::umask(0o077) };
    let done = work();
    // SAFETY: as above.
    unsafe { libc::umask(before) };
    done
}

/// Whether the kernel lets this process write a file, without writing: finds what no mode bit tells, as an immutable
/// file, also for root.
///
/// # Errors
/// As `open`.
pub fn open_for_writing(path: &Path) -> io::Result<()> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    OpenOptions::new().write(true).custom_flags(flags).open(path).map(drop)
}

/// Makes one directory with mode 0700.
pub fn make_private_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)?;
    // The umask may have taken bits away.
    std::fs::set_permissions(path, Permissions::from_mode(0o700))
}

/// Modification and change time in nanoseconds, size and inode: no write leaves all four as they were
/// (the change time cannot be set).
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

/// Whether both are the same file, not only alike.
pub fn same_file(left: &Metadata, right: &Metadata) -> bool {
    (left.dev(), left.ino()) == (right.dev(), right.ino())
}

/// What a child gets as its standard input for a lock that this process holds: the lock itself, by the open file.
pub fn hand_over(lock: File) -> Stdio {
    Stdio::from(lock)
}

/// When a file was last written or replaced, whatever its time of modification was set to.
pub fn changed_at(metadata: &Metadata) -> Option<Timestamp> {
    Some(Timestamp::from_unix_seconds(metadata.mtime().max(metadata.ctime())))
}

/// Whether a file belongs to the user that this process acts as.
pub fn is_ours(metadata: &Metadata) -> bool {
    metadata.uid() == effective_user()
}

/// Whether this process is root and the nearest directory that exists there is another user's: what root makes
/// in it, that user can never replace.
pub fn is_foreign_to_root(path: &Path) -> bool {
    let nearest = || path.ancestors().find_map(|path| std::fs::metadata(path).ok());
    effective_user() == 0 && nearest().is_some_and(|metadata| metadata.uid() != 0)
}

fn effective_user() -> u32 {
    // SAFETY: geteuid has no preconditions and cannot fail.
    unsafe { libc::geteuid() }
}

/// By the mode bits, which do not bind root but say what the owner wants.
pub fn owner_may_write(metadata: &Metadata) -> bool {
    metadata.mode() & 0o200 != 0
}

pub fn mode(metadata: &Metadata) -> u32 {
    metadata.mode() & 0o7777
}

/// How many names a file has.
pub fn links(metadata: &Metadata) -> u64 {
    metadata.nlink()
}

/// Whether something is mounted at this very path, as containers do with single files: such a name cannot be
/// replaced. `table` is Linux's `mountinfo`.
pub fn is_mount_point(path: &Path, table: &[u8]) -> bool {
    table.split(|byte| *byte == b'\n').any(|line| {
        // proc(5): the fifth field, with blanks and the like as octal escapes.
        let field = line.split(|byte| *byte == b' ').nth(4).unwrap_or_default();
        unescape_octal(field) == path.as_os_str().as_bytes()
    })
}

fn unescape_octal(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, tail)) = rest.split_first() {
        let digits =
            tail.get(..3).filter(|digits| digits.iter().all(|digit| (b'0'..=b'7').contains(digit)));
        match digits.filter(|_| *byte == b'\\') {
            Some(digits) => {
                let value =
                    digits.iter().fold(0_u32, |value, digit| value * 8 + u32::from(digit - b'0'));
                out.push(value as u8);
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

/// Syncs the directory that holds `path`: a rename is durable only then.
pub fn sync_directory_of(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

/// From now on HUP, INT and TERM do nothing: what has begun must be finished. Nor does a terminal stop it (`^Z`): an answer
/// that comes meanwhile would be too late when it goes on.
pub fn ignore_requests_to_end() {
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGTERM, libc::SIGTSTP, libc::SIGTTOU] {
        // SAFETY: ignoring a signal installs no handler.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// The signal that asked this process to end; 0 while none has.
static REQUEST: AtomicI32 = AtomicI32::new(0);

/// From now on the first HUP, INT or TERM is only noted, for [`request_to_end`]; the second ends the process as ever. One that
/// is ignored, as by nohup, stays so.
pub fn note_requests_to_end() {
    extern "C" fn note(signal: libc::c_int) {
        REQUEST.store(signal, Ordering::Relaxed);
    }
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGTERM] {
        // SAFETY: the handler only stores into an atomic; zeroed is a valid sigaction, of the default action.
        unsafe {
            let mut before: libc::sigaction = std::mem::zeroed();
            let known = libc::sigaction(signal, std::ptr::null(), &raw mut before) == 0;
            if known && before.sa_sigaction != libc::SIG_IGN {
                let mut action: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = note as *const () as usize;
                action.sa_flags = libc::SA_RESTART | libc::SA_RESETHAND;
                libc::sigaction(signal, &raw const action, std::ptr::null_mut());
            }
        }
    }
}

/// Whether this process has been asked to end, and the exit status that says so, as shells have it: 130 after `^C`.
pub fn request_to_end() -> Option<u8> {
    let signal = REQUEST.load(Ordering::Relaxed);
    u8::try_from(signal).ok().filter(|signal| *signal != 0).map(|signal| 128 + signal)
}

/// Standard input as a file of its own.
pub fn standard_input() -> io::Result<File> {
    io::stdin().as_fd().try_clone_to_owned().map(File::from)
}

/// Whether this process may make files in a directory, by the kernel's own answer.
pub fn is_writable_directory(path: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let Ok(path) = std::ffi::CString::new(path.as_os_str().as_bytes()) else { return false };
    // SAFETY: the string ends with NUL and lives through the call.
    unsafe { libc::access(path.as_ptr(), libc::W_OK | libc::X_OK) == 0 }
}

/// Makes `command` start in a session of its own, with none of this process's descriptors beyond 0, 1
/// and 2.
///
/// A host ends its command by signal, or closes the terminal: a session of its own hears neither. And
/// a host waits for the end of its pipes: waybar up to 0.9.17 leaks other modules' pipes into its
/// commands, so the descriptors that we never opened count too.
pub fn detach(command: &mut Command) {
    close_on_exec();
    let start_session = || {
        // SAFETY: setsid is async-signal-safe. It fails only for the leader of a process group, which
        // a process that was just forked is not.
        unsafe { libc::setsid() };
        Ok(())
    };
    // SAFETY: between fork and exec only setsid is called.
    unsafe { command.pre_exec(start_session) };
}

/// A command line for the system's shell.
pub fn shell(command_line: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(command_line);
    command
}

/// Kills a child that was [`detach`]ed, and what it has started and not detached in turn.
pub fn end_session(child: &mut Child) {
    if let Ok(group) = i32::try_from(child.id()) {
        // SAFETY: no memory is involved. The child has not been waited for, so its id is still its own.
        unsafe { libc::kill(-group, libc::SIGKILL) };
    }
}

/// How wide the terminal on standard output is, if it is one that says so.
pub fn terminal_columns() -> Option<usize> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the call fills the structure that it is given; on what is no terminal it fails.
    let done = unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size) };
    (done == 0 && size.ws_col > 0).then_some(usize::from(size.ws_col))
}

/// Marks every descriptor from 3 on to be closed when a program is started.
fn close_on_exec() {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: only flags of descriptors change.
        let done = unsafe {
            libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC)
        };
        if done == 0 {
            return;
        }
    }
    // Kernels before 5.11, and other systems. SAFETY: as above; numbers that are not open give EBADF.
    unsafe {
        let most = libc::sysconf(libc::_SC_OPEN_MAX).clamp(256, 65_536);
        for descriptor in 3..most as i32 {
            libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_tables_escape_blanks() {
        assert_eq!(unescape_octal(br"/a\040b\134c\9"), br"/a b\c\9");
    }
}
