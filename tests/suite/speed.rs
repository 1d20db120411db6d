//! What makes the line fast and can be tested without a clock: which system calls it does not make,
//! how much it reads, and how little many runs at once do. Times are measured by the benchmark,
//! tests/bench.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::home::{Home, collect, finish};
use crate::support::server::{Answer, Authority, Server};
use crate::support::{USAGE, USUAL_LINE, signed_in, usage, usage_of};

/// The system calls that the dynamic loader, the C library and Rust's runtime make before the
/// program's own code runs, and at its end.
const LOADER: [&str; 25] = [
    "execve",
    "brk",
    "mmap",
    "munmap",
    "mprotect",
    "access",
    "newfstatat",
    "fstat",
    "pread64",
    "arch_prctl",
    "set_tid_address",
    "set_robust_list",
    "rseq",
    "prlimit64",
    "getrandom",
    "rt_sigaction",
    "rt_sigprocmask",
    "sigaltstack",
    "poll",
    "ppoll",
    "sched_getaffinity",
    "mremap",
    "exit_group",
    "fcntl",
    "gettid",
];

/// The system calls of the line itself: whether stdout is a terminal, where a linked CODEX_HOME
/// leads, what auth.json looks like, reading the entry, writing the line.
const LINE: [&str; 8] = ["ioctl", "readlink", "statx", "stat", "openat", "read", "close", "write"];

/// Every system call of a run: its name and the rest of its line.
fn calls(home: &Home, program: &str, arguments: &[&str]) -> Vec<(String, String)> {
    let log = home.path().join("trace");
    let tracer = ["strace", "-f", "-s", "400", "-o", log.to_str().unwrap(), program];
    let output = finish(&mut home.wrapped(&[&tracer, arguments].concat()));
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output:?}");
    let log = std::fs::read_to_string(log).unwrap();
    let call = |line: &str| {
        // `1234 read(3, …) = 5`; signals and exits stand between `---` and `+++`.
        let (name, rest) = line.split_once(' ')?.1.trim().split_once('(')?;
        name.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            .then(|| (name.into(), rest.into()))
    };
    log.lines().filter_map(call).collect()
}

/// Whether the dynamic loader looks for a library at this path, or Rust's runtime for the end of
/// the stack.
fn is_library(call: &str) -> bool {
    ["ld.so.cache", "libc.so", "libgcc_s.so", "libm.so", "/proc/self/maps"]
        .iter()
        .any(|name| call.contains(name))
}

#[track_caller]
fn check_warm(home: &Home, program: &str, arguments: &[&str]) {
    let calls = calls(home, program, arguments);
    for (name, rest) in &calls {
        let known = LOADER.iter().chain(&LINE).any(|known| known == name) || name == "open";
        assert!(known, "{arguments:?}: {name}({rest}");
    }
    let of = |wanted: &'static [&str]| {
        calls
            .iter()
            .filter(|(name, _)| wanted.contains(&name.as_str()))
            .map(|(_, rest)| rest.as_str())
    };
    assert_eq!(of(&["write"]).find(|rest| !rest.starts_with("1, ")), None, "written elsewhere");
    assert_eq!(of(&["write"]).count(), 1, "{arguments:?}: the line is one write");
    let opened: Vec<&str> = of(&["open", "openat"]).filter(|rest| !is_library(rest)).collect();
    // The entry, and at most one look for a config file of codexline's own.
    let (entry, other): (Vec<&str>, Vec<&str>) =
        opened.iter().partition(|rest| rest.contains("/cache/codexline/"));
    assert_eq!(entry.len(), 1, "{arguments:?}: {opened:?}");
    assert!(
        other.len() <= 1 && other.iter().all(|rest| rest.contains("/config/codexline/config.toml")),
        "{arguments:?}: {opened:?}"
    );
    for rest in &opened {
        let changes =
            ["O_WRONLY", "O_RDWR", "O_CREAT", "O_DIRECTORY"].iter().any(|flag| rest.contains(flag));
        assert!(!changes, "{arguments:?}: {rest}");
    }
    let place = calls.iter().position(|(_, rest)| rest.contains("/cache/codexline/")).unwrap();
    let descriptor = calls[place].1.rsplit_once("= ").unwrap().1.to_owned();
    let until_closed = calls[place + 1..]
        .iter()
        .take_while(|(name, rest)| name != "close" || !rest.starts_with(&descriptor));
    let reads = until_closed.filter(|(name, _)| name.contains("read")).count();
    assert_eq!(reads, 1, "{arguments:?}: the entry is read in one call");
    // Beside its libraries a run maps a handful of pages.
    let private =
        of(&["mmap", "brk"]).filter(|rest| !rest.contains("MAP_PRIVATE|MAP_FIXED")).count();
    assert!(private < 40, "{arguments:?}: {private} times asked for memory");
}

#[test]
fn a_warm_line_asks_the_system_for_a_short_list_of_things() {
    needs!("strace");
    let (_server, home) = signed_in();
    home.fill();
    for arguments in [
        &[][..],
        &["starship"],
        &["tmux"],
        &["json"],
        &["--format", "{5h.left}", "--warn=50"],
        &["--format", "{5h.left} {tokens_today}"],
    ] {
        // The first run that shows the counts of today has them counted.
        home.run(arguments);
        home.settle();
        check_warm(&home, env!("CARGO_BIN_EXE_codexline"), arguments);
    }
}

#[test]
fn the_time_zone_is_read_only_for_a_template_that_asks() {
    needs!("strace");
    let (_server, home) = signed_in();
    home.fill();
    let zone = |arguments: &[&str]| {
        home.run(arguments);
        home.settle();
        let calls = calls(&home, env!("CARGO_BIN_EXE_codexline"), arguments);
        assert!(
            calls.iter().all(|(name, _)| !name.starts_with("getdents")),
            "no directory is scanned"
        );
        calls
            .iter()
            .filter(|(_, rest)| rest.contains("zoneinfo") || rest.contains("localtime"))
            .count()
    };
    assert_eq!(zone(&["--window", "{label} {reset}"]), 0);
    assert_eq!(zone(&["tmux"]), 0);
    // One file and no more, for a template with local times and for waybar's tooltip, which has
    // some.
    for arguments in [&["--window", "{label} {reset_at}"][..], &["waybar"]] {
        assert!(zone(arguments) <= 2, "{arguments:?}");
    }
}

#[test]
fn stale_the_line_is_out_and_the_output_ended_before_a_worker_is_started() {
    needs!("strace");
    let (server, home) = signed_in();
    home.fill();
    home.age(Duration::from_secs(300));
    let calls = calls(&home, env!("CARGO_BIN_EXE_codexline"), &["starship"]);
    let place = |wanted: &[&str], rest: &str| {
        calls
            .iter()
            .position(|(name, line)| wanted.contains(&name.as_str()) && line.contains(rest))
            .unwrap()
    };
    let line = place(&["write"], "58% left");
    let end = place(&["dup2", "dup3"], ", 1");
    let worker = place(&["clone", "clone3", "fork", "vfork"], "");
    assert!(line < end && end < worker, "{line} {end} {worker}");
    home.settle();
    assert_eq!(server.total(), 2);
}

#[test]
fn other_accounts_caches_and_sessions_change_nothing() {
    needs!("strace");
    let (_server, home) = signed_in();
    home.fill();
    let names = || -> Vec<String> {
        let calls = calls(&home, env!("CARGO_BIN_EXE_codexline"), &[]);
        calls.into_iter().map(|(name, _)| name).collect()
    };
    let alone = names();
    let entry = std::fs::read(home.entry_path()).unwrap();
    for number in 0..300 {
        let path = home.cache_directory().join(format!("{number:016x}.json"));
        std::fs::write(path, &entry).unwrap();
        let day = home.codex_home().join(format!("sessions/2026/11/{:02}", number % 28 + 1));
        std::fs::create_dir_all(&day).unwrap();
        std::fs::write(day.join(format!("rollout-{number}.jsonl")), "{}\n").unwrap();
    }
    assert_eq!(names(), alone);
}

// --- many at once --------------------------------------------------------------------------------

#[test]
fn two_hundred_stale_prompts_start_hardly_more_than_one_worker() {
    let (server, home) = signed_in();
    home.fill();
    home.age(Duration::from_secs(300));
    server.always(Answer::json(200, &usage_of(50, 20)));
    let began = Instant::now();
    let start = || -> Child {
        let mut command = home.command(&["starship", "--color", "never", "--verbose"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let children: Vec<Child> = (0..200).map(|_| start()).collect();
    let mut workers = 0;
    for child in children {
        let output = collect(child, began);
        assert_eq!(output.code, Some(0), "{output:?}");
        assert!(
            ["Codex 5h 58% left ", "Codex 5h 50% left "]
                .iter()
                .any(|line| output.stdout.starts_with(line)),
            "{output:?}"
        );
        workers += output.stderr.matches("a fetch has been started").count();
    }
    assert!((1..=3).contains(&workers), "{workers} workers were started");
    home.settle();
    assert_eq!(server.count(USAGE), 2, "one to fill the cache, one for the herd");
}

// --- size ----------------------------------------------------------------------------------------

#[test]
fn the_entry_is_under_8_kib_for_the_largest_answer() {
    // Everything that is kept, as large as it can be: the longest names in the widest characters,
    // numbers with all their digits, and a home and messages of the same kind.
    let wide = "\u{1f680}".repeat(60);
    let number = 33.333_333_333_333_336;
    let window = |seconds: i64, after: i64| {
        json!({"used_percent": number, "limit_window_seconds": seconds,
            "reset_after_seconds": after, "reset_at": 253_402_300_000_i64})
    };
    let rate_limit = json!({"allowed": false, "limit_reached": true,
        "primary_window": window(4_294_967_295, 300_000_000),
        "secondary_window": window(4_294_967_294, 300_000_001)});
    let mut answer = usage();
    answer["plan_type"] = json!(wide);
    answer["rate_limit"] = rate_limit.clone();
    answer["code_review_rate_limit"] = rate_limit.clone();
    answer["additional_rate_limits"] =
        json!(vec![json!({"limit_name": wide, "rate_limit": rate_limit}); 50]);
    let amount = 99_999_999_999_999.98;
    answer["spend_control"] = json!({"reached": true, "individual_limit": {
        "limit": amount, "used": amount, "remaining": -amount,
        "used_percent": number, "reset_after_seconds": 300_000_000}});
    answer["credits"] =
        json!({"has_credits": false, "unlimited": false, "balance": "-99999999999999.98"});
    let server = Server::usage(answer);

    let mut home = Home::new(&server);
    let deep = (0..8).fold(home.path().to_path_buf(), |path, _| path.join(&wide));
    std::fs::create_dir_all(&deep).unwrap();
    let moved = deep.join("codex");
    std::fs::rename(home.codex_home(), &moved).unwrap();
    home.set("CODEX_HOME", &moved);
    let check = |what: &str| {
        let size = std::fs::metadata(home.entry_path()).unwrap().len();
        assert!(size < 8192, "{what}: {size} bytes");
        let entry = home.entry().unwrap();
        assert!(!entry["answer"].is_null(), "{what}: {entry}");
        let json = home.run(&["json", "--offline"]).json();
        assert_eq!(json["state"], "exhausted", "{what}: {json}");
    };
    home.fill();
    check("after an answer");
    // And a failure beside it. Its message names a file in the home.
    std::fs::write(moved.join("config.toml"), "chatgpt_base_url = 5 5\n").unwrap();
    assert_eq!(home.run(&["fetch"]).code, Some(1));
    check("after a failure");
}

// --- the static build ----------------------------------------------------------------------------

#[test]
fn the_static_build_resolves_names_speaks_tls_and_finds_the_certificates() {
    let program = needs!("static-build");
    let program = program.to_str().unwrap();
    let run = |home: &Home, arguments: &[&str]| {
        finish(&mut home.wrapped(&[&[program], arguments].concat()))
    };

    // A name, from /etc/hosts.
    let (server, home) = signed_in();
    home.write_config(&format!(
        "chatgpt_base_url = \"http://localhost:{}/backend-api\"\n",
        server.port()
    ));
    let output = run(&home, &["--wait", "20s"]);
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), (USUAL_LINE, ""));
    assert_eq!(server.total(), 1);

    // TLS: refused with an unknown authority, accepted with a company's file beside the system's
    // certificates.
    let authority = Authority::new();
    let server = Server::tls(&authority, |_| Answer::json(200, &usage()));
    let mut home = Home::new(&server).direct();
    home.write_config(&format!(
        "chatgpt_base_url = \"https://localhost:{}/backend-api\"\n",
        server.port()
    ));
    let refused = run(&home, &["fetch"]);
    assert_eq!((refused.code, server.total()), (Some(1), 0), "{refused:?}");
    let certificate = home.path().join("authority.pem");
    authority.write(&certificate);
    home.set("CODEX_CA_CERTIFICATE", &certificate);
    assert_eq!(run(&home, &["fetch"]).code, Some(0));
    assert_eq!(run(&home, &["--offline"]).stdout, USUAL_LINE);

    if has!("strace") {
        if Path::new("/etc/ssl/certs").is_dir() {
            let calls = calls(&home, program, &["fetch"]);
            let read = calls
                .iter()
                .filter(|(name, rest)| name == "open" && rest.contains("/etc/ssl/cert"))
                .count();
            assert!(read > 0, "the system's certificates are read as well");
        }
        check_warm(&home, program, &[]);
    }
    if has!("readelf") {
        let output = Command::new("readelf").args(["-dW", program]).output().unwrap();
        assert!(
            !String::from_utf8_lossy(&output.stdout).contains("(NEEDED)"),
            "it needs no library"
        );
    }
}
