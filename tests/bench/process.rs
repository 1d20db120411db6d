//! Measures a process: wall time, CPU time, instructions, memory.

use std::ffi::{CString, OsStr};
use std::os::fd::{AsRawFd as _, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A command line to be started many times. Everything that starting needs is allocated beforehand.
pub struct Program {
    pub name: String,
    path: PathBuf,
    arguments: Vec<CString>,
    environment: Vec<CString>,
}

/// While it lives, this thread and its children run on one processor, because a move to another
/// takes longer than what is measured. Where that is not allowed, nothing changes.
pub struct Pinned {
    before: Option<libc::cpu_set_t>,
}

impl Pinned {
    /// Uses the last allowed processor, because the first one handles most interrupts.
    pub fn to_one() -> Pinned {
        let size = size_of::<libc::cpu_set_t>();
        // SAFETY: the sets are plain data of the given size, and every number is below that size.
        unsafe {
            let mut before = std::mem::zeroed::<libc::cpu_set_t>();
            if libc::sched_getaffinity(0, size, &mut before) != 0 {
                return Pinned { before: None };
            }
            let all = 0..libc::CPU_SETSIZE as usize;
            let Some(last) = all.rev().find(|cpu| libc::CPU_ISSET(*cpu, &before)) else {
                return Pinned { before: None };
            };
            let mut one = std::mem::zeroed::<libc::cpu_set_t>();
            libc::CPU_SET(last, &mut one);
            libc::sched_setaffinity(0, size, &one);
            Pinned { before: Some(before) }
        }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // SAFETY: the kernel filled this set.
            unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), before) };
        }
    }
}

/// How a process ended.
pub struct Ended {
    pub process: libc::pid_t,
    pub at: Instant,
    /// User and system time.
    pub cpu: Duration,
    /// As `wait4` gives it; 0 is success.
    pub status: i32,
}

impl Program {
    /// The program, arguments and environment of `command`, whose environment must have been
    /// cleared before variables were set.
    pub fn new(name: &str, command: &Command) -> Program {
        let text = |text: &OsStr| CString::new(text.as_bytes()).expect("no NUL in a command line");
        let path = PathBuf::from(command.get_program());
        let arguments =
            std::iter::once(command.get_program()).chain(command.get_args()).map(text).collect();
        let variable = |(name, value): (&OsStr, Option<&OsStr>)| {
            let mut joined = name.to_os_string();
            joined.push("=");
            joined.push(value.unwrap_or_default());
            text(&joined)
        };
        let environment = command.get_envs().map(variable).collect();
        Program { name: name.into(), path, arguments, environment }
    }

    /// The size of the executable in bytes.
    pub fn size(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len())
    }

    /// Starts it with `/dev/null` on descriptors 0, 1 and 2, or with `stdout` on 1.
    ///
    /// Uses `posix_spawn`, as shells and bars do: its cost does not depend on this process's size.
    pub fn start(&self, stdout: Option<RawFd>) -> libc::pid_t {
        let pointers = |texts: &[CString]| -> Vec<*mut libc::c_char> {
            texts
                .iter()
                .map(|text| text.as_ptr().cast_mut())
                .chain(std::iter::once(std::ptr::null_mut()))
                .collect()
        };
        let (arguments, environment) = (pointers(&self.arguments), pointers(&self.environment));
        let mut process = 0;
        // SAFETY: the actions are initialized before use and destroyed afterwards; all strings
        // outlive the call, and both arrays end with NULL.
        let result = unsafe {
            let mut actions = std::mem::zeroed::<libc::posix_spawn_file_actions_t>();
            libc::posix_spawn_file_actions_init(&mut actions);
            let nowhere = c"/dev/null".as_ptr();
            for descriptor in 0..=2 {
                match stdout {
                    Some(pipe) if descriptor == 1 => {
                        libc::posix_spawn_file_actions_adddup2(&mut actions, pipe, 1);
                    }
                    _ => {
                        let flags = if descriptor == 0 { libc::O_RDONLY } else { libc::O_WRONLY };
                        libc::posix_spawn_file_actions_addopen(
                            &mut actions,
                            descriptor,
                            nowhere,
                            flags,
                            0,
                        );
                    }
                }
            }
            let result = libc::posix_spawn(
                &mut process,
                self.arguments[0].as_ptr(),
                &actions,
                std::ptr::null(),
                arguments.as_ptr(),
                environment.as_ptr(),
            );
            libc::posix_spawn_file_actions_destroy(&mut actions);
            result
        };
        assert_eq!(
            result,
            0,
            "{}: {}",
            self.path.display(),
            std::io::Error::from_raw_os_error(result)
        );
        process
    }

    /// The wall time of a whole process, from before its start until it has been waited for.
    pub fn wall(&self) -> Duration {
        let begun = Instant::now();
        let ended = wait(self.start(None));
        assert_eq!(ended.status, 0, "{} failed", self.name);
        ended.at - begun
    }

    /// The same with its output on a pipe: when the line came, when the pipe was closed, and when
    /// the process had been waited for.
    pub fn told(&self) -> [Duration; 3] {
        use std::io::Read as _;
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        let mut buffer = [0; 4096];
        let begun = Instant::now();
        let process = self.start(Some(writer.as_raw_fd()));
        drop(writer);
        let length = reader.read(&mut buffer).expect("a pipe can be read");
        let first = begun.elapsed();
        assert!(buffer[..length].ends_with(b"\n"), "{}: the line comes in one piece", self.name);
        while reader.read(&mut buffer).expect("a pipe can be read") > 0 {}
        let end_of_file = begun.elapsed();
        let ended = wait(process);
        assert_eq!(ended.status, 0, "{} failed", self.name);
        [first, end_of_file, ended.at - begun]
    }

    fn command(&self) -> Command {
        let text = |text: &CString| OsStr::from_bytes(text.as_bytes()).to_os_string();
        let mut command = Command::new(&self.path);
        command.args(self.arguments[1..].iter().map(text)).env_clear();
        for variable in &self.environment {
            let bytes = variable.as_bytes();
            let middle = bytes.iter().position(|byte| *byte == b'=').expect("joined by =");
            command
                .env(OsStr::from_bytes(&bytes[..middle]), OsStr::from_bytes(&bytes[middle + 1..]));
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Instructions in user mode, counted by valgrind's callgrind; `None` if that is not installed.
    /// Virtual machines seldom have the processor's own counter.
    pub fn instructions(&self) -> Option<u64> {
        let plain = self.command();
        let mut command = Command::new("valgrind");
        command
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(plain.get_program())
            .args(plain.get_args())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .stdin(Stdio::null());
        let output = command.output().ok()?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        text.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
    }

    /// The largest resident memory in bytes; `None` where tracing is forbidden.
    ///
    /// `wait4` would count the parent's memory for a process that was started by `posix_spawn`. So
    /// the process is stopped at its exit, and its status read.
    pub fn resident(&self) -> Option<u64> {
        let mut command = self.command();
        // SAFETY: between fork and exec only ptrace is called, which is async-signal-safe.
        unsafe {
            command.pre_exec(|| match libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) {
                -1 => Err(std::io::Error::last_os_error()),
                _ => Ok(()),
            })
        };
        // It is waited for below, by its number.
        let process = command.spawn().ok()?.id() as libc::pid_t;
        let step = |request: libc::c_uint, data: libc::c_int| {
            // SAFETY: the tracee is stopped, and neither request takes memory.
            unsafe { libc::ptrace(request, process, 0, libc::c_long::from(data)) }
        };
        let at_exit = libc::SIGTRAP | (libc::PTRACE_EVENT_EXIT << 8);
        let mut status = wait(process).status;
        step(libc::PTRACE_SETOPTIONS, libc::PTRACE_O_TRACEEXIT);
        let mut resident = None;
        while libc::WIFSTOPPED(status) {
            if status >> 8 == at_exit {
                resident = peak(process);
            }
            step(libc::PTRACE_CONT, 0);
            status = wait(process).status;
        }
        resident
    }
}

fn peak(process: libc::pid_t) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Waits for one child, traced or not.
pub fn wait(process: libc::pid_t) -> Ended {
    wait_for(process, 0).expect("a child of ours")
}

/// Waits for any child; `None` when there is none.
pub fn wait_for_any() -> Option<Ended> {
    wait_for(-1, 0)
}

/// Waits for all remaining children and returns their number.
pub fn wait_for_all() -> usize {
    std::iter::from_fn(wait_for_any).count()
}

fn wait_for(process: libc::pid_t, flags: i32) -> Option<Ended> {
    let mut status = 0;
    // SAFETY: rusage is plain numbers, and both places live through the call.
    let (process, usage) = unsafe {
        let mut usage = std::mem::zeroed::<libc::rusage>();
        (libc::wait4(process, &mut status, flags, &mut usage), usage)
    };
    let at = Instant::now();
    let time = |time: libc::timeval| {
        Duration::from_secs(time.tv_sec as u64) + Duration::from_micros(time.tv_usec as u64)
    };
    (process > 0).then(|| Ended {
        process,
        at,
        cpu: time(usage.ru_utime) + time(usage.ru_stime),
        status,
    })
}

/// Makes this process the parent of each descendant whose own parent has ended, so that it sees
/// every worker end.
pub fn adopt_orphans() {
    // SAFETY: only a flag of this process changes.
    let result = unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

/// Where a program lies on PATH.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|path| Path::new(path).is_file())
}

pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

/// The first and third quartile, as text.
pub fn spread(values: &[f64]) -> String {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let quarter = sorted.len() / 4;
    format!("{:.3}-{:.3}", sorted[quarter], sorted[sorted.len() - 1 - quarter])
}

pub fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
