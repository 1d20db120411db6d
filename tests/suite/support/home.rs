//! A made-up home: `CODEX_HOME` with auth.json and config.toml, and the cache. The program runs in
//! it with an environment that holds nothing of the person who runs the tests.
//!
//! ```ignore
//! let server = Server::usage(usage());
//! let home = Home::new(&server);                     // signed in as ACCOUNT to this server
//! let output = home.run(&["tmux", "--wait", "2s"]);  // killed after LIMIT at the latest
//! assert_eq!((output.stdout.as_str(), output.code), (USUAL_LINE, Some(0)));
//! home.age(Duration::from_secs(300));                // the cache entry is 5 min older now
//! home.sign_in(&Login::of("acc-2"));                 // another account
//! ```
//! Dropping a home kills whatever it started and removes it. Its processes are found by their
//! `CODEX_HOME`, which no other process has.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::{Value, json};

use super::server::Server;
use super::{eventually, now};

/// The account of [`Login::of`]'s tokens and of [`super::usage`] unless said otherwise.
pub const ACCOUNT: &str = "acc-1";

/// A run that takes longer is killed, and the test fails.
pub const LIMIT: Duration = Duration::from_secs(30);

/// A directory of its own under the system's temporary one; removed when dropped.
pub struct TempDir(PathBuf);

impl TempDir {
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!(
            "codexline-test-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::SeqCst)
        );
        let path = std::env::temp_dir().join(name);
        // Process ids are used again: an aborted run may have left a directory of this name.
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a temporary directory");
        Self(path.canonicalize().expect("it was just made"))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        // A worker that was just killed can still be in the middle of creating a file.
        for _ in 0..20 {
            if std::fs::remove_dir_all(&self.0).is_ok() || !self.0.exists() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// A token in the form of a JWT. Header and claims are readable; the signature is the words
/// `made-up`.
pub fn jwt(claims: &Value) -> String {
    jwt_signed(claims, "made-up")
}

/// [`jwt`] with a signature that can be looked for in output.
pub fn jwt_signed(claims: &Value, signature: &str) -> String {
    let encode = |value: &Value| {
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string().as_bytes())
    };
    let header = json!({"alg": "RS256", "typ": "JWT"});
    format!("{}.{}.{signature}", encode(&header), encode(claims))
}

/// What auth.json says; [`Login::json`] is the file.
#[derive(Clone, Debug)]
pub struct Login {
    /// `None` leaves the key out.
    pub mode: Option<String>,
    /// `tokens.account_id`; `None` is null there.
    pub account: Option<String>,
    pub access_token: String,
    pub refresh_token: String,
    pub id_token: String,
    pub api_key: Option<String>,
    pub last_refresh: Option<String>,
}

impl Login {
    /// Signed in with ChatGPT; the access token lives for ten days. Two calls give different
    /// tokens.
    pub fn of(account: &str) -> Self {
        static SERIAL: AtomicUsize = AtomicUsize::new(1);
        let serial = SERIAL.fetch_add(1, Ordering::SeqCst);
        let auth = json!({"chatgpt_account_id": account, "chatgpt_plan_type": "plus"});
        let access = json!({
            "iss": "https://auth.openai.com",
            "exp": now() + 864_000,
            "scp": ["openid", "profile", "email", "offline_access"],
            "jti": format!("access-{serial}"),
            "https://api.openai.com/auth": auth.clone(),
        });
        let id = json!({
            "iss": "https://auth.openai.com",
            "exp": now() + 3600,
            "email": "somebody@example.com",
            "https://api.openai.com/auth": auth,
        });
        Self {
            mode: Some("chatgpt".into()),
            account: Some(account.into()),
            access_token: jwt(&access),
            refresh_token: format!("rt_made-up-{serial}"),
            id_token: jwt(&id),
            api_key: None,
            last_refresh: Some("2026-11-22T14:53:05.872067676Z".into()),
        }
    }

    /// Signed in with an API key: there are no tokens.
    pub fn api_key(key: &str) -> Value {
        json!({"auth_mode": "apikey", "OPENAI_API_KEY": key})
    }

    pub fn json(&self) -> Value {
        let mut value = json!({
            "OPENAI_API_KEY": self.api_key,
            "tokens": {
                "id_token": self.id_token,
                "access_token": self.access_token,
                "refresh_token": self.refresh_token,
                "account_id": self.account,
            },
            "last_refresh": self.last_refresh,
        });
        if let Some(mode) = &self.mode {
            value["auth_mode"] = json!(mode);
        }
        value
    }
}

/// What a run left behind.
#[derive(Clone, Debug)]
pub struct Output {
    pub stdout: String,
    pub stderr: String,
    /// `None` when a signal ended it.
    pub code: Option<i32>,
    /// From the start to the end of file on stdout and stderr.
    pub took: Duration,
}

impl Output {
    /// The stdout of a run that must have succeeded, parsed as JSON.
    pub fn json(&self) -> Value {
        assert_eq!(self.code, Some(0), "{self:?}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// The home; see the head of this file.
pub struct Home {
    directory: TempDir,
    environment: BTreeMap<OsString, OsString>,
}

impl Home {
    /// Signed in as [`ACCOUNT`], with a config.toml that points at `server`.
    pub fn new(server: &Server) -> Self {
        Self::at(server, &Login::of(ACCOUNT))
    }

    /// As [`Home::new`] with another login.
    pub fn at(server: &Server, login: &Login) -> Self {
        let mut home = Self::signed_out();
        home.set("CODEX_REFRESH_TOKEN_URL_OVERRIDE", server.url("/oauth/token"));
        home.write_config(&format!("chatgpt_base_url = \"{}\"\n", server.base()));
        home.sign_in(login);
        home
    }

    /// An empty `CODEX_HOME`: no auth.json and no config.toml. No base URL is set either, because
    /// there is no token to send.
    pub fn signed_out() -> Self {
        super::reset_signals();
        let directory = TempDir::new();
        let mut home = Self { environment: BTreeMap::new(), directory };
        for name in ["home", "codex", "cache", "config", "runtime"] {
            std::fs::create_dir(home.path().join(name)).expect("an empty directory to fill");
        }
        // Without the directories that hold a real codex: the program would ask it.
        let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
        let directories =
            std::env::split_paths(&path).filter(|directory| !directory.join("codex").exists());
        home.set("PATH", std::env::join_paths(directories).expect("they came from such a list"));
        for (name, directory) in [
            ("HOME", "home"),
            ("CODEX_HOME", "codex"),
            ("XDG_CACHE_HOME", "cache"),
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_RUNTIME_DIR", "runtime"),
        ] {
            home.set(name, home.path().join(directory));
        }
        // If a test should ever send something elsewhere than to loopback (to the default endpoint,
        // say), it gets no further than this proxy. Plain http to loopback never goes through a
        // proxy, and tests of TLS use `direct`.
        home.set("HTTPS_PROXY", "http://127.0.0.1:1");
        // Every stale line asks; a test of what makes a request worth it says otherwise.
        home.set("CODEXLINE_MAX_IDLE", "0s");
        // A process that may not be dumped shows its environment to root only, by which the
        // processes of a home are found.
        #[cfg(unix)]
        // SAFETY: geteuid has no preconditions.
        if unsafe { libc::geteuid() } != 0 {
            home.set("CODEXLINE_DUMPABLE", "1");
        }
        // For coverage, where the person who runs the tests asks for it.
        if let Some(file) = std::env::var_os("LLVM_PROFILE_FILE") {
            home.set("LLVM_PROFILE_FILE", file);
        }
        home
    }

    /// The temporary directory that holds everything.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn codex_home(&self) -> PathBuf {
        self.path().join("codex")
    }

    pub fn auth_path(&self) -> PathBuf {
        self.codex_home().join("auth.json")
    }

    /// Where the cache entries are, unless `XDG_CACHE_HOME` was changed.
    pub fn cache_directory(&self) -> PathBuf {
        self.path().join("cache/codexline")
    }

    /// Sets a variable for every further run.
    pub fn set(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) {
        self.environment.insert(name.into(), value.into());
    }

    /// Without the proxy of [`Home::signed_out`]: for TLS to a server of the test's own.
    pub fn direct(mut self) -> Self {
        self.unset("HTTPS_PROXY");
        self
    }

    pub fn unset(&mut self, name: &str) {
        self.environment.remove(std::ffi::OsStr::new(name));
    }

    /// Writes auth.json as Codex does (temporary file, then rename).
    pub fn sign_in(&self, login: &Login) {
        self.write_auth(login.json().to_string());
    }

    /// Writes any bytes as auth.json, likewise by rename.
    pub fn write_auth(&self, bytes: impl AsRef<[u8]>) {
        let temporary = self.codex_home().join(".auth-made-up");
        std::fs::write(&temporary, bytes).unwrap();
        set_mode(&temporary, 0o600);
        std::fs::rename(&temporary, self.auth_path()).unwrap();
    }

    pub fn read_auth(&self) -> Value {
        let text = std::fs::read_to_string(self.auth_path()).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    pub fn write_config(&self, text: &str) {
        std::fs::write(self.codex_home().join("config.toml"), text).unwrap();
    }

    /// The program with these arguments and this home's environment; stdin is `/dev/null`.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.wrapped(&[env!("CARGO_BIN_EXE_codexline")]);
        command.args(arguments);
        command
    }

    /// Another program (strace, sh) in the same environment.
    pub fn wrapped(&self, command_line: &[&str]) -> Command {
        let mut command = Command::new(command_line[0]);
        command
            .args(&command_line[1..])
            .env_clear()
            .envs(&self.environment)
            .current_dir(self.path().join("home"))
            .stdin(Stdio::null());
        command
    }

    /// The path of a copy of the program that other users may run. `cp` makes it: if this process
    /// wrote it, a child that another test starts at that moment would inherit the open file, and
    /// the system would refuse to run the copy ("text file busy").
    pub fn copy_of_program(&self) -> String {
        let copy = self.path().join("codexline");
        let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_codexline")).arg(&copy).status();
        assert!(copied.is_ok_and(|status| status.success()));
        copy.to_str().expect("a temporary directory's name is text").to_owned()
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        finish(&mut self.command(arguments))
    }

    /// Runs the program with further variables.
    pub fn run_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        finish(self.command(arguments).envs(environment.iter().copied()))
    }

    /// Makes a cache entry by a successful `fetch`. The server counts its requests.
    pub fn fill(&self) {
        let output = self.run(&["fetch"]);
        assert_eq!((output.code, output.stdout.as_str()), (Some(0), ""), "{output:?}");
    }

    /// The paths of all entries.
    pub fn entries(&self) -> Vec<PathBuf> {
        let Ok(directory) = std::fs::read_dir(self.cache_directory()) else {
            return Vec::new();
        };
        let mut paths: Vec<PathBuf> = directory
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
            .collect();
        paths.sort();
        paths
    }

    /// The path of the only entry. Panics when there is not exactly one.
    pub fn entry_path(&self) -> PathBuf {
        let mut entries = self.entries();
        assert_eq!(entries.len(), 1, "{entries:?}");
        entries.remove(0)
    }

    /// The only entry, or `None` when there is none yet. Entries are replaced by a rename, so this
    /// never reads half a file.
    pub fn entry(&self) -> Option<Value> {
        let path = self.entries().into_iter().next()?;
        let bytes = std::fs::read(&path).ok()?;
        Some(serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{path:?}: {error}")))
    }

    /// Changes the entry, once no worker of this home is left. A worker that has just written it
    /// may still hold the lock, and the next run would think that it is still at work.
    pub fn patch(&self, change: impl FnOnce(&mut Value)) {
        self.settle();
        let mut entry = self.entry().expect("an entry to change");
        change(&mut entry);
        std::fs::write(self.entry_path(), entry.to_string()).unwrap();
    }

    /// As [`Home::patch`] while a process of this home goes on. The entry is replaced in one step,
    /// as the program does it.
    pub fn patch_while_running(&self, change: impl FnOnce(&mut Value)) {
        let mut entry = self.entry().expect("an entry to change");
        change(&mut entry);
        let staged = self.path().join("patched");
        std::fs::write(&staged, entry.to_string()).unwrap();
        std::fs::rename(staged, self.entry_path()).unwrap();
    }

    /// Makes the entry older: every time in it moves into the past, so a back-off ends earlier too.
    /// Only the windows' reset times stay.
    pub fn age(&self, by: Duration) {
        self.patch(|entry| {
            for (part, field) in
                [("answer", "fetched_at"), ("failure", "at"), ("failure", "retry_at")]
            {
                if let Some(time) = entry.get(part).and_then(|part| part[field].as_i64()) {
                    entry[part][field] = json!(time - by.as_secs() as i64);
                }
            }
            if let Some(time) = entry.get("checked_at").and_then(Value::as_i64) {
                entry["checked_at"] = json!(time - by.as_secs() as i64);
            }
        });
    }

    /// The running processes of this home, above all workers, found by their environment.
    pub fn processes(&self) -> Vec<u32> {
        let mut marker = b"CODEX_HOME=".to_vec();
        marker.extend_from_slice(self.codex_home().as_os_str().as_encoded_bytes());
        let Ok(directory) = std::fs::read_dir("/proc") else {
            return Vec::new();
        };
        directory
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter(|process: &u32| {
                std::fs::read(format!("/proc/{process}/environ")).is_ok_and(|environment| {
                    environment.split(|byte| *byte == 0).any(|variable| variable == marker)
                })
            })
            .collect()
    }

    /// Waits until no process of this home is left, so the worker has stored what it learned.
    pub fn settle(&self) {
        eventually("the worker's end", || self.processes().is_empty());
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let start = Instant::now();
        loop {
            let left = self.processes();
            if left.is_empty() || start.elapsed() > Duration::from_secs(2) {
                return;
            }
            for process in left {
                kill(process);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// SIGKILL to one process that a test started.
pub fn kill(process: u32) {
    #[cfg(unix)]
    // SAFETY: no memory is involved. If the process has ended meanwhile, the call fails without
    // harm.
    unsafe {
        libc::kill(process as i32, libc::SIGKILL);
    }
    #[cfg(not(unix))]
    let _ = process;
}

pub fn set_mode(path: &Path, mode: u32) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    #[cfg(not(unix))]
    let _ = (path, mode);
}

/// Starts `command` with its output on pipes. Waits for its end and for the end of file on both
/// pipes, as a host does.
pub fn finish(command: &mut Command) -> Output {
    let start = Instant::now();
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    collect(child, start)
}

/// The second half of [`finish`], for a child that was started by hand with both outputs on pipes.
pub fn collect(mut child: Child, start: Instant) -> Output {
    let (sender, ends) = mpsc::channel();
    let reader = |name: &'static str, mut stream: Box<dyn Read + Send>| {
        let sender = sender.clone();
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = stream.read_to_end(&mut bytes);
            let _ = sender.send((name, bytes));
        });
    };
    reader("stdout", Box::new(child.stdout.take().expect("a pipe")));
    reader("stderr", Box::new(child.stderr.take().expect("a pipe")));
    let mut texts = BTreeMap::new();
    while texts.len() < 2 {
        match ends.recv_timeout(LIMIT.saturating_sub(start.elapsed())) {
            Ok((name, bytes)) => {
                let text = String::from_utf8(bytes).unwrap_or_else(|error| {
                    panic!("{name} is not UTF-8: {:?}", error.into_bytes())
                });
                texts.insert(name, text);
            }
            Err(_) => {
                let ended = child.try_wait();
                let _ = child.kill();
                let _ = child.wait();
                panic!(
                    "no end of file on both outputs within {LIMIT:?} (process: {ended:?}, so far: \
                     {texts:?})"
                );
            }
        }
    }
    let took = start.elapsed();
    let status = child.wait().expect("a child of ours");
    Output {
        stdout: texts.remove("stdout").unwrap_or_default(),
        stderr: texts.remove("stderr").unwrap_or_default(),
        code: status.code(),
        took,
    }
}
