//! The real hosts, driven without a screen. Text or configuration goes in, text or a [`Picture`]
//! comes out. Every wait has a deadline.
//!
//! Each scenario sets up a [`Stage`]: a temporary directory, and a mark in the environment of
//! everything that is started for it. Dropping the stage kills everything with the mark and removes
//! the directory. That includes grandchildren in sessions of their own, which bars make.

pub mod claude_code;
pub mod picture;
pub mod scene;
pub mod starship;
pub mod status_command;
pub mod terminal;
pub mod tmux;
pub mod wayland;
pub mod x11;

pub use picture::Picture;

pub use crate::support::needs::{is_root, program};

use crate::support::home::kill;
use crate::support::needs::directories;
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a host may take for anything. Some start slowly on a busy machine; a test that passes
/// never waits this long.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The variable that marks what belongs to a stage.
const MARK: &str = "CODEXLINE_TEST_STAGE";

/// The user `nobody`, for programs that refuse to run as root (sway).
const NOBODY: u32 = 65_534;

/// Asks `probe` until it has a value. Panics with `what` when it has none within [`PATIENCE`].
pub fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain for: {what}");
        std::thread::sleep(Duration::from_millis(15));
    }
}

/// Checks that `condition` holds during `span`: for what must not happen, where there is no event
/// to wait for.
pub fn throughout(span: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while start.elapsed() < span {
        assert!(condition(), "{what}: {:?} after the start", start.elapsed());
        std::thread::sleep(Duration::from_millis(15));
    }
}

/// `text` as one word for a POSIX shell.
pub fn quoted(text: impl AsRef<OsStr>) -> String {
    let text = text.as_ref().to_str().expect("paths here are UTF-8");
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// What a program printed, and how long it took.
#[derive(Debug)]
pub struct Ran {
    pub stdout: String,
    pub stderr: String,
    pub success: bool,
    pub elapsed: Duration,
}

/// A place for one scenario; see the head of this file.
pub struct Stage {
    directory: PathBuf,
    mark: String,
    environment: Vec<(String, String)>,
    as_nobody: bool,
}

impl Stage {
    /// A stage whose programs run as the user that runs the tests.
    pub fn new() -> Self {
        Self::open(false)
    }

    /// A stage whose programs run as nobody if the tests run as root: sway refuses root.
    pub fn unprivileged() -> Self {
        Self::open(is_root())
    }

    fn open(as_nobody: bool) -> Self {
        crate::support::reset_signals();
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mark = format!("{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(format!("codexline-stage-{mark}"));
        std::fs::create_dir_all(directory.join("run")).expect("temporary directory");
        let stage = Self { directory, mark, environment: Vec::new(), as_nobody };
        stage.permit(&stage.directory, 0o755);
        // Wayland and D-Bus want a directory that only its owner can read.
        stage.permit(&stage.path("run"), 0o700);
        stage
    }

    /// Sets a variable for everything that is started from now on.
    pub fn set(&mut self, name: &str, value: impl AsRef<OsStr>) {
        let value = value.as_ref().to_str().expect("UTF-8").to_owned();
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value));
    }

    /// A path in the stage's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Writes a file that the stage's programs can read.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("write to the stage");
        self.permit(&path, 0o644);
        path
    }

    /// Writes a program for `/bin/sh`; returns its path.
    pub fn script(&self, name: &str, text: &str) -> PathBuf {
        let draft = self.write(&format!("{name}.draft"), &format!("#!/bin/sh\n{text}\n"));
        self.place(&draft, &self.path(name))
    }

    /// Puts a program on the stage's `PATH` under that name. It is copied where nobody might not be
    /// able to read the target directory.
    pub fn install(&self, name: &str, program: &Path) -> PathBuf {
        let directory = self.path("bin");
        std::fs::create_dir_all(&directory).expect("directory on the stage");
        self.permit(&directory, 0o755);
        let path = directory.join(name);
        if self.as_nobody {
            return self.place(program, &path);
        }
        std::os::unix::fs::symlink(program, &path).expect("link on the stage");
        path
    }

    /// Copies a program with another process. If this process had it open for writing, or a child
    /// that another thread is just starting, it could not be run ("text file busy").
    fn place(&self, from: &Path, to: &Path) -> PathBuf {
        let status = Command::new("install").args(["-m", "755"]).args([from, to]).status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "install {} {}",
            from.display(),
            to.display()
        );
        self.permit(to, 0o755);
        to.to_owned()
    }

    /// Gives a directory and all that is in it to the user that the stage's programs run as.
    pub fn hand_over(&self, path: &Path) {
        if !self.as_nobody {
            return;
        }
        std::os::unix::fs::lchown(path, Some(NOBODY), Some(NOBODY)).expect("chown as root");
        if path.is_dir() && !path.is_symlink() {
            for entry in std::fs::read_dir(path).expect("read directory").flatten() {
                self.hand_over(&entry.path());
            }
        }
    }

    fn permit(&self, path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("chmod");
        if self.as_nobody {
            std::os::unix::fs::lchown(path, Some(NOBODY), Some(NOBODY)).expect("chown as root");
        }
    }

    /// A command with the stage's environment and nothing of the caller's but `PATH`. It has no
    /// input and no output.
    pub fn command(&self, name: &str) -> Command {
        let own = Some(self.path("bin").join(name)).filter(|path| path.exists());
        let found =
            own.or_else(|| program(name)).unwrap_or_else(|| panic!("{name} is not installed"));
        let mut command = if self.as_nobody {
            let mut command = Command::new("setpriv");
            command
                .arg(format!("--reuid={NOBODY}"))
                .arg(format!("--regid={NOBODY}"))
                .arg("--clear-groups")
                .arg("--")
                .arg(found);
            command
        } else {
            Command::new(found)
        };
        let mut path = vec![self.path("bin")];
        path.extend(directories());
        command
            .env_clear()
            .env("PATH", std::env::join_paths(path).expect("PATH"))
            .env("HOME", &self.directory)
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("LANG", "C.UTF-8")
            // tmux runs commands with this shell; that of the account may be nologin.
            .env("SHELL", "/bin/sh")
            .env("TZ", "UTC")
            .env(MARK, &self.mark)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A signal to the tests (Ctrl-C) must not reach the hosts.
            .process_group(0);
        command
    }

    /// Runs a command to its end. Past [`PATIENCE`] it is killed and the test fails.
    pub fn run(&self, command: &mut Command) -> Ran {
        let start = Instant::now();
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let id = child.id();
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || sender.send(child.wait_with_output()));
        let output: Output = match receiver.recv_timeout(PATIENCE) {
            Ok(output) => output.expect("read a child's output"),
            Err(_) => {
                kill(id);
                panic!("{command:?} was not done after {PATIENCE:?}");
            }
        };
        Ran {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            success: output.status.success(),
            elapsed: start.elapsed(),
        }
    }

    /// Starts a command in the background. Its stderr goes to `NAME.log` on the stage.
    pub fn start(&self, name: &str, command: &mut Command) -> Running {
        let log = std::fs::File::create(self.path(&format!("{name}.log"))).expect("log file");
        let child =
            command.stderr(log).spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Running { child }
    }

    /// What [`Stage::start`] logged, for a failure's message.
    pub fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(&format!("{name}.log"))).unwrap_or_default()
    }

    /// The processes that bear this stage's mark.
    pub fn processes(&self) -> Vec<u32> {
        let wanted = format!("{MARK}={}", self.mark);
        let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
        processes
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|id| {
                std::fs::read(format!("/proc/{id}/environ")).is_ok_and(|environment| {
                    environment
                        .split(|byte| *byte == 0)
                        .any(|variable| variable == wanted.as_bytes())
                })
            })
            .collect()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // More than once, because a process may start another one while it is being killed.
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let left = self.processes();
            if left.is_empty() {
                break;
            }
            left.into_iter().for_each(kill);
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// A program in the background. Killed on drop; its stage kills what it started.
pub struct Running {
    child: Child,
}

impl Running {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Whether it still runs.
    pub fn alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends `SIGRTMIN+number`, which makes a bar run a module again.
    pub fn realtime_signal(&self, number: u32) {
        let status = Command::new("kill")
            .arg(format!("-RTMIN+{number}"))
            .arg(self.id().to_string())
            .status();
        assert!(status.is_ok_and(|status| status.success()), "kill");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
