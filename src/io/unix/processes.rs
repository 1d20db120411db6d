//! Child processes, and the descriptors that they inherit.

use rustix::process::{
    Pid, Resource, Rlimit, Signal, getrlimit, kill_process_group, setrlimit, setsid,
};
use std::ffi::{OsString, c_int};
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::OnceLock;

/// Points standard output to `/dev/null`: whoever reads it to the end has reached the end now, even
/// though this process goes on.
pub fn end_output() {
    if let Ok(null) = OpenOptions::new().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(null);
    }
}

/// Standard input as a file.
///
/// # Errors
/// As `dup`.
pub fn standard_input() -> io::Result<File> {
    io::stdin().as_fd().try_clone_to_owned().map(File::from)
}

/// Starts a worker that gets `lock` as its standard input. It holds the lock from then on, because
/// a lock lives as long as any process has its open file.
///
/// # Errors
/// As `spawn`.
pub fn spawn_with_lock(mut command: Command, lock: File, _path: &Path) -> io::Result<()> {
    command.stdin(lock);
    detach(&mut command);
    command.spawn().map(drop)
}

/// The files that a program of this name may be: only that one.
pub fn program_names(name: &Path) -> Vec<OsString> {
    vec![name.into()]
}

/// Whether standard output is a terminal.
pub fn is_colour_terminal() -> bool {
    io::stdout().is_terminal()
}

/// A command line for the system's shell.
pub fn shell(command_line: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(command_line);
    command
}

/// Makes `command` start in a session of its own, without any descriptor beyond 0, 1 and 2, and
/// with signals and limits as a shell would give them to it.
///
/// A host stops its command with a signal or by closing the terminal, and neither reaches another
/// session. A host also waits until its pipes are closed. Waybar up to 0.9.17 leaks the pipes of
/// its other modules into each command, so descriptors that codexline never opened are closed as
/// well.
pub fn detach(command: &mut Command) {
    close_on_exec();
    let limit = CORE_LIMIT.get().copied();
    let start_session = move || {
        super::signals::reset_signals();
        if let Some(limit) = &limit {
            let _ = setrlimit(Resource::Core, *limit);
        }
        // It fails only for the leader of a process group, which a new process is not.
        setsid().map(drop).map_err(io::Error::from)
    };
    // SAFETY: between fork and exec only system calls are made, which are async-signal-safe.
    unsafe { command.pre_exec(start_session) };
}

/// The limit on core files before [`protect_memory`].
static CORE_LIMIT: OnceLock<Rlimit> = OnceLock::new();

/// Keeps this process's memory, which holds a token from now on, out of core files, and from other
/// processes of the same user.
pub fn protect_memory() {
    let before = CORE_LIMIT.get_or_init(|| getrlimit(Resource::Core));
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), ..*before });
    // The limit says nothing to a program that core files are piped to.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

/// Kills a child that was [`detach`]ed, together with everything in its session's first process
/// group. The child must not have been waited for.
pub fn end_session(child: &mut Child) {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(group) = group {
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// Marks every open descriptor from 3 on to be closed when a program is started.
fn close_on_exec() {
    for descriptor in open_descriptors() {
        // SAFETY: only a flag changes. A number that is not open gives EBADF.
        unsafe { libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}

/// The numbers of the open descriptors from 3 on. Where the system does not list them, all that may
/// be open by the usual limit.
fn open_descriptors() -> Vec<c_int> {
    let Ok(names) = std::fs::read_dir("/dev/fd") else { return (3..1024).collect() };
    let names = names.filter_map(|name| name.ok()?.file_name().to_str()?.parse().ok());
    names.filter(|descriptor| *descriptor > 2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_open_descriptors_are_marked() {
        let file = File::open("/dev/null").unwrap();
        let copy = rustix::io::fcntl_dupfd_cloexec(&file, 700).unwrap();
        rustix::io::fcntl_setfd(&copy, rustix::io::FdFlags::empty()).unwrap();
        let listed = open_descriptors();
        assert!(listed.contains(&700) && !listed.contains(&699), "{listed:?}");
        close_on_exec();
        let flags = rustix::io::fcntl_getfd(&copy).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
    }
}
