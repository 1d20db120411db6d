//! Step by step: a refresh is held still after each of its system calls in turn, one other thing
//! happens, and it goes on. Two ordinary runs later, what must hold is checked.
//!
//! The suite runs a share of the cases. All of them:
//!
//! ```text
//! CODEXLINE_STEPS=all cargo test --test suite recovery::steps::step -- --nocapture
//! ```
//! `all/3/0`, `all/3/1` and `all/3/2` are a third of them each.
//!
//! The random companion stops a refresh at any moment and lets up to three things happen. A round
//! is played again by its seed. Thousands of rounds:
//!
//! ```text
//! CODEXLINE_ROUNDS=3000 CODEXLINE_SEED=1 cargo test --test suite recovery::steps::random --
//! --nocapture
//! ```

use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::crash::{Call, calls, place};
use super::{Issuer, PROGRAM, beside, codex_text, each, fetch, kept, read};
use crate::support::eventually;
use crate::support::home::{ACCOUNT, Home, LIMIT, Login, collect, finish};

/// How many cases the suite runs of each test.
const SHARE: usize = 120;
const ROUNDS: usize = 60;

/// What happens while a refresh is held still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Nothing,
    /// Codex refreshes the login, if the token may still be spent, and commits under its locks.
    Codex,
    SignInAgain,
    SignInElsewhere,
    /// auth.json is moved away, and back after so many milliseconds.
    Away(u64),
    /// auth.json is moved away, and back after the next run.
    AwayForARun,
    RemoveStaged,
    RemoveLedger,
    RemoveLock,
    RemoveSidecars,
    /// Everything of codexline's own, in the state directory too, before a token is recorded there.
    RemoveAll,
    /// The home is copied, and the copy used.
    Copy,
    /// Another codexline with a cache of its own.
    Another,
    /// No file may grow for a third of a second.
    FullDisk,
    Kill,
}

const EVENTS: [Event; 17] = [
    Event::Nothing,
    Event::Codex,
    Event::SignInAgain,
    Event::SignInElsewhere,
    Event::Away(0),
    Event::Away(50),
    Event::Away(500),
    Event::AwayForARun,
    Event::RemoveStaged,
    Event::RemoveLedger,
    Event::RemoveLock,
    Event::RemoveSidecars,
    Event::RemoveAll,
    Event::Copy,
    Event::Another,
    Event::FullDisk,
    Event::Kill,
];

/// Where a refresh is held still.
#[derive(Clone, Debug)]
enum Stop {
    After(Call),
    At(Duration),
}

/// A refresh that is held still.
struct Held {
    began: Instant,
    child: Child,
    /// codexline itself, which strace started or which the child is.
    process: i32,
}

impl Held {
    /// `None` if it has ended before it could be stopped.
    fn new(home: &Home, stop: &Stop) -> Result<Held, Child> {
        let began = Instant::now();
        let piped = |command: &mut Command| {
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        match stop {
            Stop::At(delay) => {
                let mut child = piped(&mut home.command(&["fetch"]));
                std::thread::sleep(*delay);
                let process = child.id() as i32;
                if child.try_wait().unwrap().is_some() {
                    return Err(child);
                }
                signal(process, libc::SIGSTOP);
                Ok(Held { began, child, process })
            }
            Stop::After(call) => {
                let log = home.path().join("steps-log");
                let inject = format!("inject={}:signal=SIGSTOP:when={}", call.name, call.number);
                let trace = format!("trace={}", call.name);
                let line = ["strace", "-f", "-o", log.to_str().unwrap(), "-e", &trace];
                let rest = ["-e", &inject, PROGRAM, "fetch"];
                let mut child = piped(&mut home.wrapped(&[&line[..], &rest].concat()));
                loop {
                    let text = std::fs::read_to_string(&log).unwrap_or_default();
                    let stopped = text.lines().find(|line| line.contains("stopped by SIGSTOP"));
                    if let Some(line) = stopped {
                        let thread: i32 = line.split_whitespace().next().unwrap().parse().unwrap();
                        return Ok(Held { began, child, process: group_of(thread) });
                    }
                    if child.try_wait().unwrap().is_some() {
                        return Err(child);
                    }
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
        }
    }

    fn go_on(&self) {
        signal(self.process, libc::SIGCONT);
    }

    fn end(mut self) {
        // A thread may come to its stop only now.
        while self.child.try_wait().unwrap().is_none() && self.began.elapsed() < LIMIT {
            self.go_on();
            std::thread::sleep(Duration::from_millis(10));
        }
        collect(self.child, self.began);
    }
}

fn signal(process: i32, signal: i32) {
    // SAFETY: no memory is involved; the process is this test's own.
    unsafe { libc::kill(process, signal) };
}

/// The process of a thread.
fn group_of(thread: i32) -> i32 {
    let status = read(format!("/proc/{thread}/status").as_ref());
    let group = status.lines().find_map(|line| line.strip_prefix("Tgid:")).unwrap();
    group.trim().parse().unwrap()
}

fn flock(path: &Path, patience: Duration) -> Option<std::fs::File> {
    let file = std::fs::File::options().create(true).truncate(false).write(true).open(path).ok()?;
    let began = Instant::now();
    loop {
        // SAFETY: the descriptor is open.
        if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0 {
            return Some(file);
        }
        if began.elapsed() > patience {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A case as it goes on.
struct Case {
    issuer: Issuer,
    home: Home,
    old: Login,
    /// Logins that somebody else has written, in order.
    written: Vec<Login>,
    /// What was in auth.json when the last of them was written.
    replaced: Vec<String>,
    /// How many exchanges there had been when it was killed without an answer on disk.
    killed_after: Option<usize>,
    copy: Option<PathBuf>,
    /// A sign-in that waits for Codex's locks, which codexline is held still with.
    waiting: Option<Login>,
}

fn refresh_token(path: &Path) -> Option<String> {
    let value: Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    value["tokens"]["refresh_token"].as_str().map(String::from)
}

impl Case {
    fn new() -> Case {
        let issuer = Issuer::new();
        let old = issuer.expired();
        let home = issuer.home_of(&old);
        Case {
            issuer,
            home,
            old,
            written: Vec::new(),
            replaced: Vec::new(),
            killed_after: None,
            copy: None,
            waiting: None,
        }
    }

    /// Codex's locks, asked for in its order. It waits for 5 s.
    fn locks(&self, patience: Duration) -> Option<[std::fs::File; 2]> {
        let lock = |name: &str| {
            let path = self.home.codex_home().join(name);
            let existed = path.exists();
            let lock = flock(&path, patience)?;
            if !existed {
                crate::support::home::set_mode(&path, 0o600);
            }
            Some(lock)
        };
        Some([lock("auth.lock")?, lock("auth.json.lock")?])
    }

    /// Writes a login as `codex login` does: under Codex's locks, which it waits for.
    fn sign_in(&mut self, login: Login, patience: Duration) {
        let Some(_locks) = self.locks(patience) else {
            self.waiting = Some(login);
            return;
        };
        self.replaced.extend(refresh_token(&self.home.auth_path()));
        self.home.write_auth(codex_text(&login));
        self.written.push(login);
    }

    /// What Codex does: exchange, lock, compare, replace. Not if it would lose its token: codexline
    /// is held still with the locks, which no program can keep from happening.
    fn codex(&mut self) {
        let Some(token) = refresh_token(&self.home.auth_path()) else { return };
        if self.locks(Duration::from_millis(50)).is_none() {
            return;
        }
        let Some(new) = self.issuer.exchange_elsewhere(&token) else { return };
        self.sign_in(new, Duration::from_secs(5));
    }

    /// Does it; the result is what is to be done after the refresh has gone on.
    fn happen(&mut self, event: Event, held: &Held) -> Option<Child> {
        let auth = self.home.auth_path();
        let aside = self.home.path().join("aside");
        let remove = |home: &Home, endings: &[&str]| {
            for ending in endings {
                let _ = std::fs::remove_file(beside(home, ending));
            }
        };
        match event {
            Event::Nothing => {}
            Event::Codex => self.codex(),
            Event::SignInAgain => {
                let login = self.issuer.good();
                self.sign_in(login, Duration::from_millis(50));
            }
            Event::SignInElsewhere => {
                let login = Login { account: Some("acc-2".into()), ..self.issuer.good() };
                self.sign_in(login, Duration::from_millis(50));
            }
            Event::Away(_) | Event::AwayForARun => {
                let _ = std::fs::rename(auth, aside);
            }
            Event::RemoveStaged => remove(&self.home, &[".new"]),
            Event::RemoveLedger => remove(&self.home, &[".ledger"]),
            Event::RemoveLock => remove(&self.home, &[".lock"]),
            Event::RemoveSidecars => {
                remove(&self.home, &[".new", ".new.new", ".ledger", ".ledger.new", ".lock"]);
            }
            Event::RemoveAll => {
                // Once it is recorded nowhere that a token is about to be sent, nobody can know.
                let state = self.home.path().join("home/.local/state/codexline");
                let tokens = std::fs::read_dir(state.join("tokens"));
                if tokens.is_err() || tokens.is_ok_and(|mut tokens| tokens.next().is_none()) {
                    remove(&self.home, &[".new", ".ledger", ".lock"]);
                    let _ = std::fs::remove_dir_all(state);
                }
            }
            Event::Copy => {
                let copy = self.home.path().join("copy");
                let status =
                    Command::new("cp").arg("-r").arg(self.home.codex_home()).arg(&copy).status();
                assert!(status.unwrap().success());
                let mut command = self.home.command(&["fetch"]);
                command.env("CODEX_HOME", &copy).env("XDG_CACHE_HOME", copy.join("cache"));
                self.copy = Some(copy);
                return Some(
                    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap(),
                );
            }
            Event::Another => {
                let mut command = self.home.command(&["fetch"]);
                command.env("XDG_CACHE_HOME", self.home.path().join("cache-2"));
                let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
                std::thread::sleep(Duration::from_millis(30));
                return Some(child);
            }
            Event::FullDisk => file_size_limit(held.process, 0),
            Event::Kill => {
                signal(held.process, libc::SIGKILL);
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        None
    }

    /// What is left of an event when the refresh goes on.
    fn undo(&mut self, event: Event, held: &Held) {
        if let Some(login) = self.waiting.take() {
            self.sign_in(login, Duration::from_secs(5));
        }
        let back = || {
            let aside = self.home.path().join("aside");
            if aside.exists() && !self.home.auth_path().exists() {
                std::fs::rename(aside, self.home.auth_path()).unwrap();
            }
        };
        match event {
            Event::Away(milliseconds) => {
                std::thread::sleep(Duration::from_millis(milliseconds));
                back();
            }
            Event::FullDisk => {
                std::thread::sleep(Duration::from_millis(300));
                file_size_limit(held.process, libc::RLIM_INFINITY);
            }
            _ => {}
        }
    }

    /// Whether new tokens are on disk.
    fn stored(&self) -> bool {
        let Some(new) = self.issuer.all_minted().pop() else { return false };
        let places = [self.home.auth_path(), beside(&self.home, ".new")];
        let is_in = |path: &PathBuf| {
            std::fs::read_to_string(path).is_ok_and(|text| text.contains(&new.refresh_token))
        };
        places.iter().any(is_in) || kept(&self.home).iter().any(is_in)
    }

    /// All that must hold at the end.
    fn check(&self, name: &str) {
        self.issuer.check();
        let value: Value = serde_json::from_str(&read(&self.home.auth_path()))
            .unwrap_or_else(|error| panic!("{name}: auth.json: {error}"));
        let tokens = &value["tokens"];
        let minted = self.issuer.all_minted();
        let logins = minted.iter().chain(&self.written).chain([&self.old]);
        let whole = logins.clone().find(|login| {
            tokens["refresh_token"] == login.refresh_token
                && tokens["access_token"] == login.access_token
                && tokens["account_id"] == login.account.clone().unwrap_or_default()
        });
        let Some(there) = whole else { panic!("{name}: a mixture: {tokens}") };

        let is_in_kept = |login: &Login| {
            kept(&self.home).iter().any(|path| read(path).contains(&login.refresh_token))
        };
        // Of two copies, one is refreshed; the other is not sent again.
        let in_copy = self.copy.as_ref().map(|copy| copy.join("auth.json"));
        // And a file that was moved away and not back still has what it had.
        let others = [in_copy, Some(self.home.path().join("aside"))].map(|path| {
            let path = path?;
            refresh_token(&path)
        });
        let is_copys = |new: &Login| others.contains(&Some(new.refresh_token.clone()));
        // The newest tokens that reached us are there, unless somebody has signed in since.
        let reached = self.killed_after.is_none_or(|before| minted.len() > before);
        match (self.written.last(), minted.last().filter(|_| reached)) {
            (Some(login), new) => {
                let of_it = there.refresh_token == login.refresh_token;
                let ours = new.is_some_and(|new| there.refresh_token == new.refresh_token);
                let is_same = login.account.as_deref() == Some(ACCOUNT);
                assert!(of_it || ours, "{name}: neither theirs nor ours");
                let is_ours_kept = |new: &Login| {
                    self.replaced.contains(&new.refresh_token)
                        || is_in_kept(new)
                        || is_copys(new)
                        || ours
                };
                if !is_same {
                    assert!(of_it, "{name}: another account's file has been written to");
                    assert!(new.is_none_or(is_ours_kept), "{name}: our tokens are not kept");
                }
            }
            (None, Some(new)) => {
                let is_there = there.refresh_token == new.refresh_token;
                assert!(is_there || is_copys(new), "{name}: the new one is lost");
            }
            // The answer was in the memory of a process that is no more.
            (None, None) => {}
        }
        self.check_places(name);
    }

    /// No token elsewhere, modes as they must be, and Codex's locks are what they were.
    fn check_places(&self, name: &str) {
        let mut folders = vec![self.home.path().to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).unwrap().flatten() {
                let (path, metadata) = (entry.path(), entry.metadata().unwrap());
                if metadata.is_dir() {
                    folders.push(path);
                    continue;
                }
                let file = path.file_name().unwrap().to_string_lossy().into_owned();
                let is_kept = folder.ends_with("kept");
                if file.starts_with("auth") || folder.ends_with("tokens") || is_kept {
                    assert_eq!(metadata.mode() & 0o7777, 0o600, "{name}: {}", path.display());
                }
                let may_hold = is_kept
                    || ["auth.json", "aside", "auth.json.codexline.new"].contains(&file.as_str())
                    || file == "steps-log";
                if !may_hold {
                    let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
                    self.issuer.check_text(&format!("{name}: {}", path.display()), &text);
                }
            }
        }
        for ending in [".new", ".new.new", ".ledger.new"] {
            assert!(!beside(&self.home, ending).exists(), "{name}: {ending} is left");
        }
    }
}

/// The largest file that a process may write.
fn file_size_limit(process: i32, bytes: libc::rlim_t) {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the call reads the structure that it is given.
    unsafe {
        libc::prlimit(process, libc::RLIMIT_FSIZE, &raw const limit, std::ptr::null_mut());
    }
}

/// The cases that failed, one of which does not end the others.
#[derive(Default)]
struct Failed(std::sync::Mutex<Vec<String>>);

impl Failed {
    fn play(&self, stop: &Stop, events: &[Event], name: &str) {
        let played = std::panic::AssertUnwindSafe(|| play(stop, events, name));
        if std::panic::catch_unwind(played).is_err() {
            self.0.lock().unwrap().push(name.to_owned());
        }
    }

    #[track_caller]
    fn check(self, played: &str) {
        let failed = self.0.into_inner().unwrap();
        eprintln!("{played}: {} failed", failed.len());
        assert!(failed.is_empty(), "{failed:#?}");
    }
}

/// One case: held still, one or more things happen, it goes on, and so do two ordinary runs.
fn play(stop: &Stop, events: &[Event], name: &str) {
    let mut case = Case::new();
    let held = match Held::new(&case.home, stop) {
        Ok(held) => held,
        Err(child) => {
            collect(child, Instant::now());
            return case.check(name);
        }
    };
    let others: Vec<Child> = events.iter().filter_map(|event| case.happen(*event, &held)).collect();
    held.go_on();
    events.iter().for_each(|event| case.undo(*event, &held));
    if events.contains(&Event::Kill) {
        // The server has read the request and not yet made up its mind.
        let posts = case.issuer.posts();
        eventually("the exchange", || posts == 0 || !case.issuer.all_minted().is_empty());
        let before = case.issuer.all_minted().len();
        case.killed_after = (!case.stored()).then_some(before);
    }
    held.end();
    for other in others {
        collect(other, Instant::now());
    }
    let first = fetch(&case.issuer, &case.home);
    if events.contains(&Event::AwayForARun) {
        let aside = case.home.path().join("aside");
        if !case.home.auth_path().exists() {
            std::fs::rename(aside, case.home.auth_path()).unwrap();
        }
    }
    let second = fetch(&case.issuer, &case.home);
    if events.contains(&Event::AwayForARun) {
        fetch(&case.issuer, &case.home);
    }
    // A file was never closed half, an answer was never thrown away: all is told by the end.
    let told = format!("{name}\n1: {}\n2: {}\n", first.stderr, second.stderr);
    case.check(&told);
    if let Some(copy) = &case.copy {
        let mut command = case.home.command(&["fetch"]);
        command.env("CODEX_HOME", copy).env("XDG_CACHE_HOME", copy.join("cache"));
        finish(&mut command);
        case.issuer.check();
    }
}

/// Numbers by a seed: what cases are played, and when a refresh is stopped.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((value ^ (value >> 31)) % below as u64) as usize
    }
}

fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn step_by_step_nothing_that_happens_costs_a_login() {
    needs!("strace");
    let issuer = Issuer::new();
    let calls = calls(&issuer, &issuer.home());
    let first = place(&calls, &["openat(", "/auth.json.codexline.lock\""]);
    // Calls that neither wait for anything nor change anything outside of the process.
    let idle = ["futex", "rt_sigaction", "rt_sigprocmask", "brk", "mmap", "munmap", "mprotect"];
    let steps: Vec<&Call> =
        calls[first..].iter().filter(|call| !idle.contains(&call.name.as_str())).collect();
    let mut cases: Vec<(&Call, Event)> =
        steps.iter().flat_map(|call| EVENTS.map(|event| (*call, event))).collect();
    let all = cases.len();
    let wanted = std::env::var("CODEXLINE_STEPS").unwrap_or_default();
    if let Some(part) = wanted.strip_prefix("all") {
        // "/parts/number": every so many, from that one on.
        let mut numbers = part.split('/').skip(1).map(|number| number.parse().unwrap());
        if let (Some(parts), Some(first)) = (numbers.next(), numbers.next()) {
            cases = cases.into_iter().skip(first).step_by(parts).collect();
        }
    } else {
        let mut dice = Dice(number("CODEXLINE_SEED", 1) as u64);
        let share = wanted.parse().unwrap_or(SHARE);
        for index in 0..share.min(all) {
            let other = index + dice.roll(all - index);
            cases.swap(index, other);
        }
        cases.truncate(share);
    }
    let (began, failed) = (Instant::now(), Failed::default());
    each(&cases, 3, |(call, event)| {
        let line: String = call.line.chars().take(160).collect();
        let stop = Stop::After((*call).clone());
        failed.play(&stop, &[*event], &format!("{event:?} after {line}"));
    });
    let (played, steps, took) = (cases.len(), steps.len(), began.elapsed());
    failed.check(&format!("{played} of {all} cases ({steps} steps) in {took:?}"));
}

#[test]
fn a_file_that_is_emptied_right_after_the_rename_gets_its_tokens_again() {
    needs!("strace");
    // A Codex that rewrites in place has begun to write what it knew.
    let issuer = Issuer::new();
    let calls = calls(&issuer, &issuer.home());
    let rename = place(&calls, &["rename(", "/auth.json.codexline.new\"", "/auth.json\")"]);
    let issuer = Issuer::new();
    let old = issuer.expired();
    let home = issuer.home_of(&old);
    let Ok(held) = Held::new(&home, &Stop::After(calls[rename].clone())) else {
        panic!("it was not stopped");
    };
    std::fs::write(home.auth_path(), "").unwrap();
    held.go_on();
    held.end();
    assert!(read(&beside(&home, ".new")).contains(&issuer.minted().refresh_token));
    home.write_auth(codex_text(&old));
    super::succeeds(&fetch(&issuer, &home));
    super::holds(&home, &issuer.minted());
    issuer.check();
}

#[test]
fn random_moments_cost_no_login_either() {
    let (rounds, seed) = (number("CODEXLINE_ROUNDS", ROUNDS), number("CODEXLINE_SEED", 1));
    let seeds: Vec<usize> = (seed..seed + rounds).collect();
    let failed = Failed::default();
    each(&seeds, 3, |seed| {
        let mut dice = Dice(*seed as u64);
        let delay = Duration::from_micros(dice.roll(60_000) as u64);
        let events: Vec<Event> = (0..=dice.roll(3)).map(|_| EVENTS[dice.roll(17)]).collect();
        let name = format!("CODEXLINE_SEED={seed}: {events:?} after {delay:?}");
        failed.play(&Stop::At(delay), &events, &name);
    });
    failed.check(&format!("{rounds} rounds from seed {seed}"));
}
