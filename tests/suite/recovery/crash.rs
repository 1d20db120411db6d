//! Death and bad luck at every step: killed before each system call in turn, an error in each call
//! that touches the login, signals, the death of the parent. Whatever happens: auth.json always
//! parses, no token is sent twice, and an answer that had been written is in auth.json after the
//! next run.

use std::collections::HashMap;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde_json::Value;

use super::{
    Issuer, PROGRAM, beside, each, fails, fetch, holds, ledger, no_rescue, read, run_command,
    succeeds,
};
use crate::support::home::{Home, Login, collect, finish};
use crate::support::server::{Answer, Gate};
use crate::support::{TOKEN, USAGE, eventually};

/// A system call of a run: the `number`-th of its name.
#[derive(Clone, Debug)]
pub struct Call {
    pub name: String,
    pub number: usize,
    /// As strace shows it, with the paths of descriptors.
    pub line: String,
}

/// The calls of one whole `fetch`, which succeeds.
pub fn calls(issuer: &Issuer, home: &Home) -> Vec<Call> {
    let calls = every_call(issuer, home);
    assert!(home.entry().expect("an entry")["failure"].is_null());
    calls
}

/// The calls of one whole `fetch`, however it ends.
pub fn every_call(issuer: &Issuer, home: &Home) -> Vec<Call> {
    let log = home.path().join("trace");
    let line = ["strace", "-f", "-y", "-s", "40", "-o", log.to_str().unwrap(), PROGRAM, "fetch"];
    run_command(issuer, home, &mut home.wrapped(&line));
    let mut numbers = HashMap::<String, usize>::new();
    let text = read(&log);
    let begun = text.lines().filter_map(|line| {
        let (process, rest) = line.split_once(' ')?;
        let name = rest.trim_start().split_once('(')?.0;
        let is_call = name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        is_call.then(|| (process.to_owned(), name.to_owned(), line.to_owned()))
    });
    let mut calls = Vec::new();
    for (process, name, line) in begun {
        let number = numbers.entry(format!("{process} {name}")).or_default();
        *number += 1;
        calls.push(Call { name, number: *number, line });
    }
    calls
}

#[track_caller]
pub fn place(calls: &[Call], parts: &[&str]) -> usize {
    let found = calls.iter().position(|call| parts.iter().all(|part| call.line.contains(part)));
    found.unwrap_or_else(|| panic!("no call with {parts:?}"))
}

/// `codexline fetch` in which something happens at one call: see strace(1), "inject".
fn injected(home: &Home, name: &str, what: &str) -> Command {
    let (trace, inject) = (format!("trace={name}"), format!("inject={name}:{what}"));
    // Without --seccomp-bpf, which is faster and silently injects nothing.
    home.wrapped(&[
        "strace",
        "-f",
        "-o",
        "/dev/null",
        "-e",
        &trace,
        "-e",
        &inject,
        PROGRAM,
        "fetch",
    ])
}

/// auth.json parses and holds a login.
#[track_caller]
fn refresh_token(home: &Home, place: &str) -> String {
    let value: Value = serde_json::from_str(&read(&home.auth_path()))
        .unwrap_or_else(|error| panic!("{place}: {error}"));
    value["tokens"]["refresh_token"]
        .as_str()
        .unwrap_or_else(|| panic!("{place}: no token"))
        .to_owned()
}

/// Whether the new tokens are on disk, whole.
fn is_stored(home: &Home, new: &Login) -> bool {
    [home.auth_path(), beside(home, ".new")].iter().any(|path| {
        let value: Option<Value> =
            std::fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        value.is_some_and(|value| value["tokens"]["refresh_token"] == new.refresh_token)
    })
}

/// After a run that ended badly at `place`: two ordinary ones, and what must hold.
/// `must_be_stored`: even if the answer was not on disk at the end of the bad one.
#[track_caller]
fn recovers(issuer: &Issuer, home: &Home, old: &Login, place: &str, must_be_stored: bool) {
    let token = refresh_token(home, place);
    let posts = issuer.posts();
    assert!(posts <= 1, "{place}");
    // Who is killed right after sending leaves a server that has read the request and not yet made
    // up its mind.
    eventually("the exchange to be done", || posts == 0 || issuer.has_minted());
    let stored = posts == 1 && (must_be_stored || is_stored(home, &issuer.minted()));
    let first = fetch(issuer, home);
    let after = refresh_token(home, place);
    issuer.check();
    if stored {
        assert_eq!(
            after,
            issuer.minted().refresh_token,
            "{place}: the rotated token is lost: {first:?}"
        );
    } else if posts == 1 {
        // The answer was in the memory of a process that is no more.
        assert_eq!(after, old.refresh_token, "{place}: {first:?}");
        fails(home, &first, "refresh_unknown");
    } else if issuer.posts() == 0 {
        // Written down as sent, and killed before it was: nobody can tell, and the login is what it
        // was.
        assert_eq!(
            (token.as_str(), after),
            (old.refresh_token.as_str(), old.refresh_token.clone()),
            "{place}"
        );
        fails(home, &first, "refresh_unknown");
    }
    let intact = after_is_good(issuer, home);
    if intact {
        succeeds(&fetch(issuer, home));
        holds(home, &issuer.minted());
    }
    issuer.check();
    no_rescue(home);
}

fn after_is_good(issuer: &Issuer, home: &Home) -> bool {
    issuer.posts() > 0 && refresh_token(home, "the end") == issuer.minted().refresh_token
}

#[test]
fn killed_before_every_system_call() {
    needs!("strace");
    let issuer = Issuer::new();
    let home = issuer.home();
    let calls = calls(&issuer, &home);
    let first = place(&calls, &["openat(", "/auth.json\"", "O_RDONLY"]);
    let post = place(&calls, &["sendto(", "POST /oauth"]);
    let sent = place(&calls, &["openat(", ".codexline.new\"", "O_CREAT"]);
    assert!(first < sent && sent < post && post < calls.len());
    // From the preparations on every one, before that every few.
    let points: Vec<Call> = (first..sent)
        .step_by(7)
        .chain(sent..calls.len())
        .map(|index| calls[index].clone())
        .filter(|call| call.name != "futex")
        .collect();
    let kills = AtomicUsize::new(0);
    each(&points, 3, |call| {
        let issuer = Issuer::new();
        let old = issuer.expired();
        let home = issuer.home_of(&old);
        let killed = finish(&mut injected(
            &home,
            &call.name,
            &format!("signal=SIGKILL:when={}", call.number),
        ));
        kills.fetch_add(usize::from(killed.code.is_none()), Ordering::SeqCst);
        recovers(&issuer, &home, &old, &call.line, false);
    });
    // How often the network is read can differ from one run to another.
    assert!(kills.into_inner() * 10 > points.len() * 8, "it was killed");
}

/// What a run leaves that was killed when it was about to rename, beside an auth.json that has
/// another layout by now: the new tokens must be merged into it, and the result is shorter than
/// what waits.
struct Left {
    issuer: Issuer,
    old: Login,
    home: Home,
}

impl Left {
    fn new() -> Self {
        let issuer = Issuer::new();
        let calls = calls(&issuer, &issuer.home());
        let rename = &calls[place(&calls, &["rename(", "/auth.json.codexline.new\", "])];
        let issuer = Issuer::new();
        let old = issuer.expired();
        let home = issuer.home_of(&old);
        finish(&mut injected(&home, "rename", &format!("signal=SIGKILL:when={}", rename.number)));
        assert!(
            is_stored(&home, &issuer.minted())
                && refresh_token(&home, "at the rename") == old.refresh_token
        );
        Self { issuer, old, home }
    }

    /// Another home in that state.
    fn copy(&self) -> Home {
        let home = self.issuer.home_of(&self.old);
        for ending in [".new", ".ledger"] {
            std::fs::copy(beside(&self.home, ending), beside(&home, ending)).unwrap();
        }
        home.write_auth(home.read_auth().to_string());
        home
    }

    /// The calls of the run that finishes it, from our own lock to the first request.
    fn calls(&self) -> Vec<Call> {
        let calls = calls(&self.issuer, &self.copy());
        let first = place(&calls, &["openat(", ".codexline.lock\""]);
        let last = place(&calls, &["sendto(", "GET /"]);
        // How threads wait for each other differs from one run to another.
        calls[first..last].iter().filter(|call| call.name != "futex").cloned().collect()
    }

    /// It is finished after an ordinary run.
    #[track_caller]
    fn check(&self, home: &Home) {
        succeeds(&fetch(&self.issuer, home));
        holds(home, &self.issuer.minted());
        assert!(!read(&home.auth_path()).contains('\n'), "the new layout");
        assert_eq!(self.issuer.posts(), 1);
    }
}

#[test]
fn killed_while_finishing_what_was_left() {
    needs!("strace");
    let left = Left::new();
    let calls = left.calls();
    let kills = AtomicUsize::new(0);
    each(&calls, 3, |call| {
        let home = left.copy();
        let killed = finish(&mut injected(
            &home,
            &call.name,
            &format!("signal=SIGKILL:when={}", call.number),
        ));
        kills.fetch_add(usize::from(killed.code.is_none()), Ordering::SeqCst);
        assert!(is_stored(&home, &left.issuer.minted()), "{}", call.line);
        left.check(&home);
    });
    assert!(kills.into_inner() * 10 > calls.len() * 8, "it was killed");
}

// --- errors --------------------------------------------------------------------------------------

#[test]
fn an_error_in_every_call_that_touches_the_login() {
    needs!("strace");
    let issuer = Issuer::new();
    let home = issuer.home();
    let calls = calls(&issuer, &home);
    let first = place(&calls, &["openat(", "/auth.json.codexline.lock\""]);
    let names = [
        "openat",
        "read",
        "write",
        "lseek",
        "fsync",
        "ftruncate",
        "rename",
        "unlink",
        "flock",
        "fchmod",
        "fstat",
        "statx",
    ];
    let directory = home.codex_home().display().to_string();
    let touching = calls[first..].iter().filter(|call| {
        let touches = ["auth.json", "auth.lock", directory.as_str()];
        names.contains(&call.name.as_str()) && touches.iter().any(|part| call.line.contains(part))
    });
    let mut cases = Vec::new();
    for call in touching {
        cases.push((call.clone(), "EIO"));
        if ["write", "fsync", "openat"].contains(&call.name.as_str()) {
            cases.push((call.clone(), "ENOSPC"));
        }
    }
    assert!(cases.len() > 30, "{cases:?}");
    each(&cases, 3, |(call, error)| {
        let issuer = Issuer::new();
        let old = issuer.expired();
        let home = issuer.home_of(&old);
        let output = finish(&mut injected(
            &home,
            &call.name,
            &format!("error={error}:when={}", call.number),
        ));
        let place = format!("{error} in {}: {output:?}", call.line);
        assert!(output.code == Some(0) || output.stderr.lines().count() == 1, "{place}");
        // The process lives, so what was answered is kept.
        recovers(&issuer, &home, &old, &place, true);
    });
}

#[test]
fn an_error_in_every_call_while_finishing_what_was_left() {
    needs!("strace");
    let left = Left::new();
    let directory = "/codex/";
    let calls = left.calls();
    let cases: Vec<(&Call, &str)> = calls
        .iter()
        .filter(|call| call.line.contains(directory))
        .flat_map(|call| {
            let is_write = ["write", "fsync", "openat", "rename"].contains(&call.name.as_str());
            [(call, "EIO")].into_iter().chain(is_write.then_some((call, "ENOSPC")))
        })
        .collect();
    assert!(cases.len() > 20, "{cases:?}");
    each(&cases, 3, |(call, error)| {
        let home = left.copy();
        finish(&mut injected(&home, &call.name, &format!("error={error}:when={}", call.number)));
        assert!(is_stored(&home, &left.issuer.minted()), "{error} in {}", call.line);
        left.check(&home);
    });
    // A disk that stays full: nothing that is there is damaged, and it is finished when there is
    // room.
    let home = left.copy();
    finish(&mut injected(&home, "write", "error=ENOSPC:when=1+"));
    assert!(is_stored(&home, &left.issuer.minted()));
    left.check(&home);
}

#[test]
fn a_disk_that_refuses_the_answer_for_a_while() {
    needs!("strace");
    let issuer = Issuer::new();
    let calls = calls(&issuer, &issuer.home());
    let after = place(&calls, &["sendto(", "POST /oauth"]);
    let write = &calls[after..][place(&calls[after..], &["write(", "/auth.json.codexline.new>"])];
    for error in ["ENOSPC", "EIO", "EDQUOT"] {
        let issuer = Issuer::new();
        let home = issuer.home();
        let times = format!("error={error}:when={}..{}", write.number, write.number + 2);
        succeeds(&finish(&mut injected(&home, "write", &times)));
        holds(&home, &issuer.minted());
        assert_eq!(issuer.posts(), 1);
    }
}

#[test]
fn a_connection_that_ends_after_the_request_left_is_not_tried_again() {
    needs!("strace");
    // In one piece, so that the number of calls does not depend on how it arrives.
    let refuse = |issuer: &Issuer| {
        let text = "HTTP/1.1 401 Made Up\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
        issuer.server.push(USAGE, Answer::raw(text));
    };
    let issuer = Issuer::new();
    refuse(&issuer);
    let calls = calls(&issuer, &issuer.home());
    let post = place(&calls, &["sendto(", "POST /oauth"]);
    let receive = &calls[post..][place(&calls[post..], &["recvfrom("])];
    // Some of these also say that a connection could not be made: by themselves they prove nothing.
    let errors = [
        "EHOSTUNREACH",
        "ENETUNREACH",
        "EADDRNOTAVAIL",
        "ECONNREFUSED",
        "ECONNRESET",
        "ETIMEDOUT",
        "EPIPE",
        "EIO",
    ];
    each(&errors, 3, |error| {
        let issuer = Issuer::new();
        let old = issuer.expired();
        let home = issuer.home_of(&old);
        refuse(&issuer);
        finish(&mut injected(&home, "recvfrom", &format!("error={error}:when={}", receive.number)));
        issuer.server.wait_for(TOKEN, 1);
        for _ in 0..2 {
            fails(&home, &fetch(&issuer, &home), "refresh_unknown");
        }
        assert_eq!((issuer.posts(), ledger(&home)), (1, vec!["unknown".to_owned()]), "{error}");
    });
    // One that says nothing for too long: that is how the system tells it.
    let issuer = Issuer::new();
    let home = issuer.home();
    refuse(&issuer);
    let late = format!("error=EAGAIN:when={}", receive.number);
    finish(&mut injected(&home, "recvfrom", &late));
    let message = home.entry().expect("an entry")["failure"].to_string();
    assert!(message.contains("127.0.0.1 did not answer in time"), "{message}");
    fails(&home, &fetch(&issuer, &home), "refresh_unknown");
    assert_eq!(issuer.posts(), 1);
    // Whereas one that was never made spends nothing.
    let connect = calls[..post].iter().rfind(|call| call.name == "connect").unwrap();
    for error in ["EHOSTUNREACH", "ENETUNREACH", "ECONNREFUSED"] {
        let issuer = Issuer::new();
        let home = issuer.home();
        let output = finish(&mut injected(
            &home,
            "connect",
            &format!("error={error}:when={}", connect.number),
        ));
        fails(&home, &output, "network");
        assert_eq!(issuer.posts(), 0);
        succeeds(&fetch(&issuer, &home));
        holds(&home, &issuer.minted());
    }
}

// --- signals -------------------------------------------------------------------------------------

fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn signals_do_not_end_an_exchange() {
    for arguments in [&["fetch"][..], &["auth", "refresh"]] {
        let issuer = Issuer::new();
        let home = issuer.home();
        let gate = issuer.hold();
        let began = Instant::now();
        let child = start(home.command(arguments).process_group(0));
        eventually("the POST", || issuer.posts() == 1);
        let signals = [
            libc::SIGHUP,
            libc::SIGINT,
            libc::SIGTERM,
            libc::SIGTSTP,
            libc::SIGTTIN,
            libc::SIGTTOU,
            libc::SIGQUIT,
            libc::SIGUSR1,
            libc::SIGUSR2,
            libc::SIGALRM,
            libc::SIGVTALRM,
            libc::SIGPROF,
            libc::SIGXCPU,
            libc::SIGXFSZ,
            libc::SIGPIPE,
            libc::SIGIO,
            #[cfg(target_os = "linux")]
            libc::SIGPWR,
            #[cfg(target_os = "linux")]
            libc::SIGSTKFLT,
            #[cfg(target_os = "linux")]
            libc::SIGRTMIN(),
            #[cfg(target_os = "linux")]
            libc::SIGRTMAX(),
            libc::SIGHUP,
        ];
        for signal in signals {
            // SAFETY: no memory is involved; the group is this test's own.
            assert_eq!(unsafe { libc::kill(-(child.id() as i32), signal) }, 0);
        }
        gate.open();
        succeeds(&collect(child, began));
        holds(&home, &issuer.minted());
        assert_eq!(issuer.posts(), 1);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn no_core_file_can_hold_a_token() {
    use std::os::unix::process::ExitStatusExt as _;
    let issuer = Issuer::new();
    let mut home = issuer.home();
    home.unset("CODEXLINE_DUMPABLE");
    let gate = issuer.hold();
    let script = "ulimit -c unlimited 2>/dev/null; exec \"$0\" fetch";
    let mut child = start(&mut home.wrapped(&["sh", "-c", script, PROGRAM]));
    eventually("the POST", || issuer.posts() == 1);
    let limits = read(format!("/proc/{}/limits", child.id()).as_ref());
    let line = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(line.split_whitespace().nth(4), Some("0"), "{line}");
    // A process that may not be dumped belongs to root in /proc, whoever runs it.
    use std::os::unix::fs::MetadataExt as _;
    let owner = std::fs::metadata(format!("/proc/{}/environ", child.id())).unwrap().uid();
    assert_eq!(owner, 0);
    // SAFETY: no memory is involved; the process is this test's own.
    assert_eq!(unsafe { libc::kill(child.id() as i32, libc::SIGABRT) }, 0);
    let status = child.wait().unwrap();
    assert!(status.signal() == Some(libc::SIGABRT) && !status.core_dumped(), "{status:?}");
    gate.open();
}

#[cfg(target_os = "linux")]
#[test]
fn a_hook_after_a_refresh_is_as_a_shell_would_start_it() {
    let issuer = Issuer::new();
    let home = issuer.home();
    let seen = home.path().join("seen");
    let hook = format!("cat /proc/self/status > '{0}'; ulimit -Sc >> '{0}'", seen.display());
    let script = "ulimit -Sc 1 2>/dev/null; exec \"$0\" fetch --on-fetch \"$1\"";
    succeeds(&finish(&mut home.wrapped(&["sh", "-c", script, PROGRAM, &hook])));
    assert_eq!(issuer.posts(), 1);
    let seen = read(&seen);
    for name in ["SigBlk:", "SigIgn:"] {
        let line = seen.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim();
        let signals = u64::from_str_radix(line, 16).unwrap();
        // The C library keeps 32 and 33 for itself.
        assert_eq!(signals & !(0b11 << 31), 0, "{name} {line}");
    }
    assert_eq!(seen.lines().last(), Some("1"), "the limit on core files is the user's again");
}

#[test]
fn signals_before_it_end_the_program_as_usual() {
    let issuer = Issuer::new();
    let home = issuer.home();
    let gate = Gate::closed();
    issuer.server.push(USAGE, Answer::status(401).behind(&gate));
    let began = Instant::now();
    let child = start(&mut home.command(&["fetch"]));
    eventually("the GET", || issuer.gets() == 1);
    // SAFETY: as above.
    assert_eq!(unsafe { libc::kill(child.id() as i32, libc::SIGTERM) }, 0);
    assert_eq!(collect(child, began).code, None);
    gate.open();
    assert_eq!(issuer.posts(), 0);
}

#[test]
fn the_death_of_its_parent_does_not_end_an_exchange() {
    for line in
        [&["sh", "-c", "\"$0\" fetch; :", PROGRAM][..], &[PROGRAM, "plain", "--wait", "20s"]]
    {
        let issuer = Issuer::new();
        let home = issuer.home();
        let gate = issuer.hold();
        // A worker lets Codex go first; this is its second fetch.
        home.run(&["plain", "--wait", "20s"]);
        home.age(std::time::Duration::from_secs(90));
        let began = Instant::now();
        let child = start(home.wrapped(line).process_group(0));
        eventually("the POST", || issuer.posts() == 1);
        // SAFETY: no memory is involved; the process is this test's own, and the group is its
        // children's.
        unsafe {
            assert_eq!(libc::kill(child.id() as i32, libc::SIGKILL), 0);
            libc::kill(-(child.id() as i32), libc::SIGHUP);
        }
        gate.open();
        collect(child, began);
        home.settle();
        holds(&home, &issuer.minted());
        assert_eq!((issuer.posts(), ledger(&home)), (1, vec!["committed".to_owned()]));
    }
}

#[test]
fn a_killed_exchange_is_unknown_to_the_next_run() {
    let issuer = Issuer::new();
    let old = issuer.expired();
    let home = issuer.home_of(&old);
    let gate = issuer.hold();
    let child = start(&mut home.command(&["fetch"]));
    eventually("the POST", || issuer.posts() == 1);
    crate::support::home::kill(child.id());
    assert_eq!(collect(child, Instant::now()).code, None);
    gate.open();
    for _ in 0..3 {
        fails(&home, &fetch(&issuer, &home), "refresh_unknown");
    }
    assert_eq!((issuer.posts(), ledger(&home)), (1, vec!["unknown".to_owned()]));
    assert_eq!(refresh_token(&home, "after"), old.refresh_token);
    no_rescue(&home);
}
