//! The Windows build in wine, in a home of its own. The server, the files and the tests are this
//! machine's: wine shows the root directory as the drive `Z:`.

use super::home::{Home, Output, finish};
use super::server::Server;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// `.ci/wine`, which runs a program in the prefix that all these tests share.
const WINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/.ci/wine");
/// The drive `C:` of that prefix.
const DRIVE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/cross/wine/drive_c");

/// A home whose program is the Windows build.
pub struct Windows {
    pub home: Home,
    program: PathBuf,
}

impl Windows {
    /// Signed in, with a config.toml that points at `server`. `program`: the Windows build.
    pub fn new(server: &Server, program: PathBuf) -> Self {
        keep_running();
        let mut home = Home::new(server);
        for (name, directory) in [
            ("CODEX_HOME", "codex"),
            ("XDG_CACHE_HOME", "cache"),
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_STATE_HOME", "state"),
        ] {
            home.set(name, dos(&home.path().join(directory)));
        }
        Self { home, program }
    }

    /// Any Windows program in this home's environment, with the drive `C:` as the current one. So
    /// nothing of this machine's, such as its time zones, is found by a path of Unix.
    pub fn wine(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = self.home.wrapped(&[WINE, program]);
        command.args(arguments).current_dir(DRIVE);
        command
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        self.wine(&self.program(), arguments)
    }

    /// The Windows build in a console, which stays open until the command `then` has ended.
    pub fn console(&self, arguments: &[&str], then: &str) -> Command {
        let command = self.command(arguments);
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let words: Vec<String> =
            words.map(|word| format!("'{}'", word.to_str().expect("a test's words"))).collect();
        let line = format!("cd '{DRIVE}'; {}; {then}", words.join(" "));
        self.home.wrapped(&["script", "-qec", &line, "/dev/null"])
    }

    /// The path of the Windows build, in the words of Windows.
    pub fn program(&self) -> String {
        dos(&self.program)
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        finish(&mut self.command(arguments))
    }

    /// What `cmd` prints for a file of these lines. Only so a variable gets a value that wine
    /// would not take over from its own environment, `HOME` among them.
    pub fn batch(&self, lines: &[&str]) -> Output {
        let file = self.home.path().join("batch.cmd");
        std::fs::write(&file, format!("@echo off\r\n{}\r\n", lines.join("\r\n"))).unwrap();
        finish(&mut self.wine("cmd", &["/D", "/C", &dos(&file)]))
    }
}

/// A path in the words of Windows.
pub fn dos(path: &Path) -> String {
    format!("Z:{}", path.to_str().expect("a test's path is text").replace('/', "\\"))
}

/// Compiles the made-up codex to that file.
pub fn compile_codex(to: &Path) {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/support/windows.c");
    let compiled =
        Command::new("x86_64-w64-mingw32-gcc-posix").arg("-o").arg(to).arg(source).status();
    assert!(compiled.is_ok_and(|status| status.success()));
}

/// Keeps wine's services running until this process ends. Otherwise a test would start them, and
/// they would hold the pipes on which it waits for the end of a program's output.
fn keep_running() {
    static SESSION: OnceLock<Child> = OnceLock::new();
    SESSION.get_or_init(|| {
        // It waits for a line that never comes, until the pipe is closed with this process.
        let mut session = Command::new(WINE)
            .args(["cmd", "/D", "/C", "echo ready& set /p line="])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("needs!(\"wine\") has looked");
        let mut ready = String::new();
        let output = session.stdout.take().expect("a pipe");
        BufReader::new(output).read_line(&mut ready).expect("a line");
        assert_eq!(ready.trim_end(), "ready");
        session
    });
}
