//! Beside the real Codex. Each reads what the other wrote, both send the same token at the same
//! moment, each waits for the other's locks, and nobody is logged out.
//!
//! Codex's side is `codex app-server`. codexline's side is `codexline auth refresh`, which
//! refreshes the login, or `codexline fetch`, which does so after a refusal.

#![cfg(target_os = "linux")]

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::codex::{AppServer, Lifetime, LoginServer, Order, Watch, Who};
use crate::support::home::{ACCOUNT, Home, Output, collect, jwt};
use crate::support::server::{Answer, Authority, Gate, Request, Server, dead_port};
use crate::support::{TOKEN, USAGE, eventually, now};

/// `codexline auth refresh`, which must succeed.
fn refresh(home: &Home) {
    let output = home.run(&["auth", "refresh"]);
    assert_eq!(output.code, Some(0), "{output:?}");
}

/// `codexline fetch`, which must succeed.
fn fetch(home: &Home) {
    let output = home.run(&["fetch"]);
    assert_eq!(output.code, Some(0), "{output:?}");
}

/// What Codex made of [`crate::support::usage`].
fn assert_usual(limits: &Value) {
    let used = |window: &str| limits["rateLimits"][window]["usedPercent"].as_f64();
    assert_eq!((used("primary"), used("secondary")), (Some(42.0), Some(17.0)), "{limits}");
    assert_eq!(limits["accountId"], ACCOUNT);
}

/// Checks what is beside auth.json: Codex's two locks, and codexline's lock and ledger. No
/// temporary file and no staged answer is left.
fn assert_tidy(home: &Home) {
    let belongs = |name: &String| {
        let own = ["auth.json.codexline.lock", "auth.json.codexline.ledger"];
        !name.contains("auth")
            || ["auth.json", "auth.json.lock", "auth.lock"].contains(&name.as_str())
            || own.contains(&name.as_str())
    };
    let odd: Vec<String> = std::fs::read_dir(home.codex_home())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !belongs(name))
        .collect();
    assert_eq!(odd, Vec::<String>::new());
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(home.auth_path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
}

fn lock_path(home: &Home, name: &str) -> std::path::PathBuf {
    home.codex_home().join(name)
}

/// Waits for an flock on a lock file. Dropping it releases the lock.
fn hold(path: &Path) -> File {
    let file = File::options().create(true).truncate(false).write(true).open(path).unwrap();
    file.lock().unwrap();
    file
}

/// Whether somebody holds an flock on the file. It reads `/proc/locks`, which names inodes, and
/// does not touch the file. It can miss a line while the list changes, so a single `false` means
/// little.
fn is_held(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(meta) = std::fs::metadata(path) else { return false };
    let inode = format!(":{} ", meta.ino());
    std::fs::read_to_string("/proc/locks")
        .unwrap()
        .lines()
        .any(|line| line.contains(" FLOCK ") && !line.contains("->") && line.contains(&inode))
}

/// The longest that codexline may hold one of Codex's locks.
const HOLD: Duration = Duration::from_millis(50);

/// The longest time without a break for which `path` was held within `span`.
fn longest_hold(path: &Path, span: Duration) -> Duration {
    let start = Instant::now();
    let mut since = None;
    let mut longest = Duration::ZERO;
    while start.elapsed() < span {
        if is_held(path) {
            let since = *since.get_or_insert_with(Instant::now);
            longest = longest.max(since.elapsed());
        } else {
            since = None;
        }
        std::thread::sleep(Duration::from_micros(300));
    }
    longest
}

/// Starts codexline. The returned function waits for its end.
fn spawn(home: &Home, arguments: &[&str]) -> impl FnOnce() -> Output + use<> {
    let start = Instant::now();
    let child =
        home.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    move || collect(child, start)
}

/// Checks that no token of the login, old or new, was printed.
fn assert_no_secret(home: &Home, output: &Output) {
    let text = format!("{}{}", output.stdout, output.stderr);
    assert!(!text.contains("rt_made-up"), "{output:?}");
    for key in ["access_token", "id_token"] {
        let auth = home.read_auth();
        let token = auth["tokens"][key].as_str().unwrap();
        assert!(!text.contains(&token[token.len() - 40..]), "{output:?}");
    }
}

#[test]
fn codex_reads_what_codexline_wrote_and_codexline_what_codex_wrote() {
    let program = needs!("codex");
    let login = LoginServer::start();
    let home = login.home(Lifetime::Long);
    let mut auth = home.read_auth();
    auth["kept_by_codexline"] = json!({"b": 1, "a": [2]});
    home.write_auth(auth.to_string());

    // The token is refused and the file holds no newer one: codexline refreshes it with one POST,
    // writes it, and asks again.
    login.revoke_access();
    fetch(&home);
    assert_eq!((login.server.count(USAGE), login.server.count(TOKEN)), (2, 1));
    login.assert_signed_in(&home);
    assert_tidy(&home);
    assert_eq!(home.read_auth()["kept_by_codexline"], auth["kept_by_codexline"]);

    // Codex takes that file as it is. It has no reason to refresh, and its request is accepted.
    let mut codex = AppServer::start(&program, &home);
    assert_usual(&codex.rate_limits().unwrap());
    codex.close();
    assert_eq!(login.spends_of(Who::Codex).len(), 0);

    // The refresh token that codexline stored is one that Codex can exchange.
    login.lifetime(Lifetime::Short);
    refresh(&home);
    login.lifetime(Lifetime::Long);
    let mut codex = AppServer::start(&program, &home);
    assert_usual(&codex.rate_limits().unwrap());
    codex.close();
    let spent = login.spends_of(Who::Codex);
    assert!(!spent.is_empty() && spent.iter().all(|spend| spend.given.is_some()), "{spent:?}");
    login.assert_signed_in(&home);

    // The other way round: codexline uses what Codex wrote, and can refresh it.
    fetch(&home);
    assert_eq!(login.spends_of(Who::Codexline).len(), 2);
    refresh(&home);
    login.assert_signed_in(&home);
    login.assert_codexline_spent_nothing_twice();
    assert_tidy(&home);
}

#[test]
fn codex_stays_signed_in_whatever_id_token_the_exchange_brings() {
    let program = needs!("codex");
    let login = LoginServer::start();
    let home = login.home(Lifetime::Long);
    let mut wrong = Vec::new();
    let claims = |claims: Value| json!(jwt(&claims));
    let auth = |auth: Value| json!(jwt(&json!({"https://api.openai.com/auth": auth})));
    let encoded = jwt(&json!({"exp": now() + 3600}));
    let (head, _) = encoded.rsplit_once('.').unwrap();
    // The last letter of `{}` in base64, `0`, with a bit set that no decoder uses.
    let loose_bits = json!(format!("{}.e31.made-up", head.split('.').next().unwrap()));
    let twice = jwt(&json!({})).replace(".e30.", ".eyJlbWFpbCI6ImEiLCJlbWFpbCI6ImIifQ.");
    // With each of these in auth.json, Codex 0.169 says that nobody is signed in.
    for id_token in [
        Value::Null,
        json!(""),
        json!("made-up"),
        json!(17),
        json!(head),
        json!(format!("{head}.")),
        json!(format!("{head}=.made-up")),
        loose_bits,
        json!(twice),
        claims(json!([])),
        claims(json!({"email": 17})),
        claims(json!({"https://api.openai.com/profile": "made-up"})),
        claims(json!({"https://api.openai.com/profile": {"email": 17}})),
        auth(json!("made-up")),
        auth(json!({"chatgpt_plan_type": 17})),
        auth(json!({"chatgpt_user_id": 17})),
        auth(json!({"chatgpt_account_is_fedramp": null})),
        auth(json!({"chatgpt_account_is_fedramp": "made-up"})),
    ] {
        login.change_answers(json!({"id_token": id_token}));
        home.sign_in(&login.login(Lifetime::Long));
        let good = home.read_auth()["tokens"]["id_token"].clone();
        refresh(&home);
        login.assert_signed_in(&home);
        let mut codex = AppServer::start(&program, &home);
        let limits = codex.rate_limits();
        codex.close();
        if limits.is_err() || home.read_auth()["tokens"]["id_token"] != good {
            wrong.push((id_token, limits));
        }
    }
    assert!(wrong.is_empty(), "these were stored: {wrong:#?}");
    assert_eq!(login.spends_of(Who::Codex).len(), 0);

    // An id token that Codex can read is stored.
    let id_token = claims(json!({"email": "new@example.com"}));
    login.change_answers(json!({"id_token": id_token}));
    refresh(&home);
    assert_eq!(home.read_auth()["tokens"]["id_token"], id_token);
    let mut codex = AppServer::start(&program, &home);
    assert_usual(&codex.rate_limits().unwrap());
    codex.close();

    // An answer without a refresh token leaves the old one in place, and so does an empty one.
    for refresh_token in [Value::Null, json!("")] {
        let login = LoginServer::start();
        let home = login.home(Lifetime::Long);
        let before = home.read_auth()["tokens"]["refresh_token"].clone();
        login.change_answers(json!({"refresh_token": refresh_token}));
        refresh(&home);
        assert_eq!(home.read_auth()["tokens"]["refresh_token"], before);
        let mut codex = AppServer::start(&program, &home);
        assert_usual(&codex.rate_limits().unwrap());
        codex.close();
    }
}

#[test]
fn a_token_that_both_send_at_the_same_moment() {
    let program = needs!("codex");
    let login = LoginServer::start();
    let home = login.home(Lifetime::Short);
    let mut codex = AppServer::start(&program, &home);
    let watch = Watch::start(home.auth_path());
    let pause = Duration::from_millis(60);
    let orders = [Order::Together, Order::WinnerFirst(pause), Order::LoserFirst(pause)];
    let rounds = 18;
    for round in 0..rounds {
        let winner = [Who::Codexline, Who::Codex][round % 2];
        let order = orders[round / 2 % orders.len()];
        let by_refusal = round >= rounds / 2;
        login.settle();
        let (before, met) = (login.spends().len(), login.met());
        login.duel(winner, order);
        if by_refusal {
            login.revoke_access();
        }
        let arguments: &[&str] = if by_refusal { &["fetch"] } else { &["auth", "refresh"] };
        let (output, limits) = std::thread::scope(|scope| {
            let ours = scope.spawn(|| home.run(arguments));
            let theirs = codex.rate_limits();
            (ours.join().unwrap(), theirs)
        });
        let what = format!(
            "round {round}: {winner:?} wins, {order:?}, {arguments:?}: {output:?}, {limits:?}"
        );
        let met = login.met() > met;
        login.assert_codexline_spent_nothing_twice();
        login.assert_signed_in(&home);
        // Codex looks for the winner's tokens once, and may have to be asked again. codexline waits
        // for them.
        assert_eq!(output.code, Some(0), "{what}");
        assert!(!met || winner == Who::Codexline || limits.is_ok(), "{what}");
        // codexline sends the token once at most, whether it won or lost.
        let spends = login.spends().split_off(before);
        let ours = spends.iter().filter(|spend| spend.who == Who::Codexline);
        assert_eq!(ours.count(), 1, "{what}: {spends:#?}");
        assert_no_secret(&home, &output);

        // The loser goes on with the winner's tokens: Codex at its next request, codexline without
        // a further POST.
        assert_usual(&codex.rate_limits_soon());
        let before = login.spends_of(Who::Codexline).len();
        fetch(&home);
        assert_eq!(login.spends_of(Who::Codexline).len(), before, "{what}");
        login.assert_signed_in(&home);
    }
    codex.close();
    assert!(watch.end() > rounds);
    // Codex also refreshes for reasons of its own, and is then ahead by a token.
    assert!(login.met() >= rounds - 4, "they met {} times only", login.met());
    assert_tidy(&home);
}

#[test]
fn both_refresh_again_and_again_in_no_order_at_all() {
    let program = needs!("codex");
    let login = LoginServer::start();
    let home = login.home(Lifetime::Short);
    let mut codex = AppServer::start(&program, &home);
    let watch = Watch::start(home.auth_path());
    let over = Instant::now() + Duration::from_secs(3);
    std::thread::scope(|scope| {
        // Two runs of codexline, so that its own lock takes part too.
        for _ in 0..2 {
            scope.spawn(|| {
                while Instant::now() < over {
                    let output = home.run(&["auth", "refresh"]);
                    assert_no_secret(&home, &output);
                }
            });
        }
        while Instant::now() < over {
            let _ = codex.rate_limits();
        }
    });
    login.assert_codexline_spent_nothing_twice();
    login.assert_signed_in(&home);
    assert_usual(&codex.rate_limits_soon());
    codex.close();
    fetch(&home);
    login.assert_signed_in(&home);
    watch.end();
    assert_tidy(&home);
    for who in [Who::Codexline, Who::Codex] {
        let exchanged = login.spends_of(who);
        let exchanged = exchanged.iter().filter(|spend| spend.given.is_some());
        assert!(exchanged.count() > 3, "{who:?} hardly took part: {:#?}", login.spends());
    }
}

#[test]
fn a_running_codex_takes_over_what_codexline_exchanged() {
    let program = needs!("codex");
    let login = LoginServer::start();
    let home = login.home(Lifetime::Long);
    let mut codex = AppServer::start(&program, &home);
    assert_usual(&codex.rate_limits().unwrap());
    refresh(&home);
    login.revoke_older_access();
    // Its own access token is refused from now on. Told to refresh, it finds codexline's in the
    // file and sends nothing.
    assert!(codex.rate_limits().unwrap_err().contains("401"));
    let parameters = json!({"includeToken": false, "refreshToken": true});
    codex.ask("getAuthStatus", Some(parameters)).unwrap();
    assert_usual(&codex.rate_limits().unwrap());
    codex.close();
    assert_eq!(login.spends_of(Who::Codex).len(), 0);
    login.assert_signed_in(&home);
}

#[test]
fn codex_holds_its_locks_while_codexline_has_a_token_to_commit() {
    let program = needs!("codex");
    let login = LoginServer::start();
    login.lenient();
    let home = login.home(Lifetime::Short);
    let watch = Watch::start(home.auth_path());
    // Codex has its answer, holds auth.lock, and cannot go on.
    let held = hold(&lock_path(&home, "auth.json.lock"));
    let mut codex = AppServer::start_only(&program, &home);
    eventually("Codex in the middle of its commit", || {
        login.spends_of(Who::Codex).len() == 1 && is_held(&lock_path(&home, "auth.lock"))
    });
    login.lifetime(Lifetime::Long);
    let ours = spawn(&home, &["auth", "refresh"]);
    eventually("codexline's exchange", || login.spends_of(Who::Codexline).len() == 1);
    let before = home.read_auth();
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(300) {
        assert_eq!(home.read_auth(), before, "written in spite of Codex's lock");
    }
    eventually("Codex still in the middle of its commit", || {
        is_held(&lock_path(&home, "auth.lock"))
    });
    drop(held);
    codex.initialise();
    let output = ours();
    // Codex was first. The file wins, and codexline drops its own token.
    let theirs = login.spends_of(Who::Codex);
    assert_eq!(
        home.read_auth()["tokens"]["refresh_token"].as_str(),
        theirs.last().unwrap().given.as_deref(),
        "{output:?}"
    );
    assert_eq!(login.spends_of(Who::Codexline).len(), 1);
    assert_usual(&codex.rate_limits_soon());
    codex.close();
    fetch(&home);
    login.assert_signed_in(&home);
    watch.end();
    assert_tidy(&home);
}

#[test]
fn codexline_waits_for_a_lock_without_keeping_codex_from_its_own() {
    let program = needs!("codex");
    for name in ["auth.lock", "auth.json.lock"] {
        let login = LoginServer::start();
        login.lenient();
        let home = login.home(Lifetime::Long);
        let held = hold(&lock_path(&home, name));
        let ours = spawn(&home, &["auth", "refresh"]);
        eventually("codexline's exchange", || login.spends_of(Who::Codexline).len() == 1);
        let before = home.read_auth();
        let other = ["auth.json.lock", "auth.lock"][usize::from(name == "auth.json.lock")];
        let longest = longest_hold(&lock_path(&home, other), Duration::from_millis(700));
        assert_eq!(home.read_auth(), before, "written in spite of the lock on {name}");
        assert!(longest < HOLD, "{other} was held for {longest:?}");
        drop(held);
        let output = ours();
        // It may have left the new token for the next run. This is the next run.
        fetch(&home);
        login.assert_signed_in(&home);
        assert_eq!(login.spends_of(Who::Codexline).len(), 1, "{output:?}");
        assert_ne!(home.read_auth()["tokens"]["refresh_token"], before["tokens"]["refresh_token"]);
        assert_tidy(&home);
        let mut codex = AppServer::start(&program, &home);
        assert_usual(&codex.rate_limits().unwrap());
        codex.close();
        assert_eq!(login.spends_of(Who::Codex).len(), 0);
    }
}

#[test]
fn codex_commits_while_its_locks_are_taken_for_as_long_as_codexline_may() {
    let program = needs!("codex");
    let login = LoginServer::start();
    let home = login.home(Lifetime::Short);
    let mut codex = AppServer::start(&program, &home);
    let watch = Watch::start(home.auth_path());
    let locks = ["auth.lock", "auth.json.lock"].map(|name| lock_path(&home, name));
    let (until, ended) = std::sync::mpsc::channel::<()>();
    let holder = std::thread::spawn(move || {
        // The thread ends with the test, however it ends: the channel is closed then.
        while let Err(std::sync::mpsc::TryRecvError::Empty) = ended.try_recv() {
            let held = locks.each_ref().map(|path| hold(path));
            std::thread::sleep(HOLD - Duration::from_millis(5));
            drop(held);
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    for _ in 0..5 {
        let before = login.spends_of(Who::Codex).len();
        let limits = codex.rate_limits();
        let spends = login.spends_of(Who::Codex);
        assert!(limits.is_ok(), "{limits:?}: {spends:?}");
        assert!(spends.len() > before && spends.iter().all(|spend| spend.given.is_some()));
        login.assert_signed_in(&home);
    }
    drop(until);
    holder.join().unwrap();
    codex.close();
    watch.end();
}

#[test]
fn codexline_holds_codex_locks_for_milliseconds_and_never_across_the_network() {
    needs!("strace");
    let login = LoginServer::start();
    let home = login.home(Lifetime::Long);
    let trace = home.path().join("trace");
    // A busy machine can stop any program for a while. One that holds the locks too long does so in
    // every run.
    let mut shortest = Duration::MAX;
    for _ in 0..4 {
        let traced = [
            "strace",
            "-f",
            "-ttt",
            "-y",
            "-e",
            "trace=%file,%desc,%network",
            "-o",
            trace.to_str().unwrap(),
            env!("CARGO_BIN_EXE_codexline"),
            "auth",
            "refresh",
        ];
        let output = crate::support::home::finish(&mut home.wrapped(&traced));
        assert_eq!(output.code, Some(0), "{output:?}");
        login.assert_signed_in(&home);
        let trace = std::fs::read_to_string(&trace).unwrap();
        shortest = shortest.min(check_trace(&trace));
    }
    assert!(shortest < HOLD, "the locks were held for {shortest:?}");
}

/// How long the first lock was held, from a trace of one commit. It also checks that the locks are
/// taken in Codex's order and without waiting, that nothing goes over a socket while one is held,
/// and that the rename happens under both.
fn check_trace(trace: &str) -> Duration {
    let mut held: Vec<(&str, f64, usize)> = Vec::new();
    let mut longest: f64 = 0.0;
    let (mut renamed, mut taken) = (false, Vec::new());
    for (number, line) in trace.lines().enumerate() {
        let mut words = line.split_whitespace();
        let _process = words.next();
        let Some(time) = words.next().and_then(|time| time.parse::<f64>().ok()) else { continue };
        let call = words.collect::<Vec<_>>().join(" ");
        let name = ["/auth.lock>", "/auth.json.lock>"].into_iter().find(|name| call.contains(name));
        match name {
            Some(name) if call.starts_with("flock(") && !call.contains("LOCK_UN") => {
                assert!(call.contains("LOCK_NB"), "waits inside flock: {line}");
                if call.ends_with("= 0") {
                    held.push((name, time, number));
                    taken.push(name);
                }
            }
            Some(name) if call.starts_with("close(") || call.starts_with("flock(") => {
                if let Some(at) = held.iter().position(|(held, ..)| *held == name) {
                    longest = longest.max(time - held.remove(at).1);
                }
            }
            _ if !held.is_empty() => {
                let network = call.contains("<socket:")
                    || call.contains("<TCP")
                    || call.starts_with("connect(");
                assert!(!network, "the network under {held:?}: {line}");
                if call.starts_with("rename") && call.contains("/auth.json\"") {
                    assert_eq!(held.len(), 2, "{line}");
                    renamed = true;
                }
            }
            _ => {
                let replaced = call.starts_with("rename") && call.ends_with("/auth.json\") = 0");
                assert!(!replaced, "without the locks: {line}");
            }
        }
    }
    assert!(held.is_empty(), "never let go: {held:?}");
    assert!(renamed, "no rename under the locks:\n{trace}");
    assert_eq!(taken, ["/auth.lock>", "/auth.json.lock>"]);
    Duration::from_secs_f64(longest)
}

/// Where Codex keeps its login. `auto` means auth.json when no keyring is in reach, and codexline
/// does not write it then.
fn set_store(home: &Home, store: &str) {
    let path = home.codex_home().join("config.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    home.write_config(&format!("cli_auth_credentials_store = \"{store}\"\n{config}"));
}

#[test]
fn an_auth_json_that_codex_does_not_use_is_not_used() {
    let program = needs!("codex");
    let login = LoginServer::start();
    let mut home = login.home(Lifetime::Long);
    home.set("CODEXLINE_CODEX_BIN", &program);
    set_store(&home, "keyring");
    let mut codex = AppServer::start(&program, &home);
    assert!(codex.rate_limits().unwrap_err().contains("authentication required"));
    codex.close();
    let output = home.run(&["fetch"]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert_eq!(login.server.count(USAGE), 0);
}

#[test]
fn where_codexline_may_not_write_codex_is_asked() {
    let program = needs!("codex");
    // With a minute left Codex refreshes by itself. With ten days left it has to be told.
    for lifetime in [Lifetime::Short, Lifetime::Long] {
        let login = LoginServer::start();
        let mut home = login.home(lifetime);
        login.lifetime(Lifetime::Long);
        home.set("CODEXLINE_CODEX_BIN", &program);
        set_store(&home, "auto");
        login.revoke_access();
        fetch(&home);
        home.settle();
        assert_eq!(home.run(&[]).stdout, crate::support::USUAL_LINE);
        let by_codex = login.spends_of(Who::Codex).len();
        assert_eq!((login.spends_of(Who::Codexline).len(), by_codex), (0, 1));
        login.assert_signed_in(&home);
    }
}

#[test]
fn a_login_that_cannot_be_written_is_not_given_to_codex_to_lose() {
    let program = needs!("codex");
    for (lifetime, asked) in [(Lifetime::Short, false), (Lifetime::Long, true)] {
        let login = LoginServer::start();
        let mut home = login.home(lifetime);
        home.set("CODEXLINE_CODEX_BIN", &program);
        // Codex sends the token first and then loses the answer.
        std::fs::hard_link(home.auth_path(), home.path().join("another-name")).unwrap();
        login.revoke_access();
        let output = home.run(&["fetch"]);
        assert_eq!(output.code, Some(1), "{output:?}");
        home.settle();
        assert_eq!(login.spends().len(), 0, "{:#?}", login.spends());
        // Codex is asked only where it has no reason of its own to refresh. It has no better answer
        // then.
        let by_codex = login.server.requests();
        let by_codex = by_codex.iter().filter(|request| request.line() == USAGE).count() > 1;
        assert_eq!(by_codex, asked, "{lifetime:?}");
    }
}

/// Codex sends its own, longer name for the client.
fn is_ours(request: &Request) -> bool {
    request.header("user-agent") == Some(concat!("codexline/", env!("CARGO_PKG_VERSION")))
}

#[test]
fn asked_alone_codex_keeps_its_login() {
    let program = needs!("codex");
    for (lifetime, renewals) in [(Lifetime::Long, 0), (Lifetime::Short, 1)] {
        let login = LoginServer::start();
        let mut home = login.home(lifetime);
        login.lifetime(Lifetime::Long);
        home.set("CODEXLINE_CODEX_BIN", &program);
        home.set("CODEXLINE_SOURCE", "codex");
        fetch(&home);
        home.settle();
        assert_eq!(home.run(&[]).stdout, crate::support::USUAL_LINE);
        assert_eq!(home.run(&["json"]).json()["source"], "codex");
        assert_eq!(
            (login.spends_of(Who::Codexline).len(), login.spends_of(Who::Codex).len()),
            (0, renewals)
        );
        login.assert_signed_in(&home);
        assert!(!login.server.requests().iter().any(is_ours), "nothing is asked by us");
    }
}

#[test]
fn what_is_closed_to_us_and_open_to_codex_is_asked_of_codex() {
    let program = needs!("codex");
    let server = Server::start(|request| match request.line().as_str() {
        USAGE if is_ours(request) => {
            Answer::html(403, "<html>Just a moment</html>").header("Cf-Mitigated", "challenge")
        }
        USAGE => Answer::json(200, &crate::support::usage()),
        _ => Answer::status(404),
    });
    let mut home = Home::new(&server);
    home.set("CODEXLINE_CODEX_BIN", &program);
    let before = home.read_auth();
    fetch(&home);
    home.settle();
    assert_eq!(home.run(&[]).stdout, crate::support::USUAL_LINE);
    let shown = home.run(&["json"]).json();
    assert_eq!((&shown["source"], &shown["error"]), (&Value::from("codex"), &Value::Null));
    assert_eq!(home.read_auth(), before);
}

#[test]
fn codex_takes_the_same_variables_from_its_env_file() {
    let program = needs!("codex");
    let authority = Authority::new();
    let server = Server::tls(&authority, |_| Answer::json(200, &crate::support::usage()));
    let mut home = Home::new(&server).direct();
    let file = home.path().join("ca.pem");
    authority.write(&file);
    let proxy = Server::start(|_| Answer::status(500));
    // Whether codexline and Codex get an answer, and whether each comes through the proxy.
    let both = |home: &Home, dotenv: String| {
        std::fs::write(home.codex_home().join(".env"), dotenv).unwrap();
        let tunnel = format!("127.0.0.1:{}", server.port());
        let tunnels = || {
            let requests = proxy.requests();
            requests.iter().filter(|request| request.path == tunnel).count()
        };
        let before = tunnels();
        let ours = home.run(&["fetch"]).code == Some(0);
        let between = tunnels();
        let mut codex = AppServer::start(Path::new(&program), home);
        let theirs = codex.rate_limits().is_ok();
        codex.close();
        ((ours, between > before), (theirs, tunnels() > between))
    };
    let ca = file.display();
    let check = |home: &Home, dotenv: String, expected: (bool, bool)| {
        assert_eq!(both(home, dotenv.clone()), (expected, expected), "{dotenv}");
    };
    let url = proxy.url("");
    check(&home, format!("CODEX_CA_CERTIFICATE={ca}\nHTTPS_PROXY={url}\n"), (false, true));
    check(&home, format!("SSL_CERT_FILE={ca}\nexport https_proxy='{url}' # x\n"), (true, true));
    check(
        &home,
        format!("SSL_CERT_FILE={ca}\nALL_PROXY={url}\nNO_PROXY=127.0.0.1\n"),
        (true, false),
    );
    // Of two, HTTPS_PROXY is used.
    home.set("ALL_PROXY", format!("http://127.0.0.1:{}", dead_port()));
    check(&home, format!("SSL_CERT_FILE={ca}\nHTTPS_PROXY={url}\n"), (true, true));
    // For Codex the file beats the environment; for codexline, which says so, it does not.
    home.set("HTTPS_PROXY", format!("http://127.0.0.1:{}", dead_port()));
    let found = both(&home, format!("SSL_CERT_FILE={ca}\nHTTPS_PROXY={url}\n"));
    assert_eq!(found, ((false, false), (true, true)));
    let told = home.run(&["doctor"]).stdout;
    assert!(told.contains("HTTPS_PROXY: the environment's value is used here"), "{told}");
}

#[test]
fn a_codex_that_was_asked_finishes_its_refresh_when_codexline_is_killed() {
    let program = needs!("codex");
    let login = LoginServer::start();
    let mut home = login.home(Lifetime::Short);
    // Codex's new tokens live long, so it ends without waiting for a refresh that no request
    // needed.
    login.lifetime(Lifetime::Long);
    home.set("CODEXLINE_CODEX_BIN", &program);
    set_store(&home, "auto");
    login.revoke_access();
    let gate = Gate::closed();
    login.hold(Who::Codex, &gate);
    let mut child = home.command(&["fetch"]).stderr(Stdio::null()).spawn().unwrap();
    eventually("Codex's exchange", || login.spends_of(Who::Codex).len() == 1);
    child.kill().unwrap();
    child.wait().unwrap();
    gate.open();
    home.settle();
    login.assert_signed_in(&home);
}

#[test]
fn a_codex_whose_answer_is_late_is_not_raced_again() {
    let program = needs!("codex");
    let login = LoginServer::start();
    let home = login.home(Lifetime::Short);
    let gate = Gate::closed();
    login.hold(Who::Codex, &gate);
    let mut codex = AppServer::start_only(&program, &home);
    eventually("Codex's exchange", || login.spends_of(Who::Codex).len() == 1);
    // Codex has sent the token and does not have its answer yet. The file still holds the old
    // token.
    login.revoke_older_access();
    let runs = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..3).map(|_| scope.spawn(|| home.run(&["fetch"]))).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(login.spends_of(Who::Codexline).len(), 1, "{runs:?}");
    assert!(runs.iter().all(|run| run.code == Some(1)), "{runs:?}");
    let again = home.run(&["auth", "refresh"]);
    assert_eq!((login.spends_of(Who::Codexline).len(), again.code), (1, Some(1)), "{again:?}");
    gate.open();
    codex.initialise();
    assert_usual(&codex.rate_limits_soon());
    codex.close();
    fetch(&home);
    assert_eq!(login.spends_of(Who::Codexline).len(), 1);
    login.assert_signed_in(&home);
    assert_tidy(&home);
}
