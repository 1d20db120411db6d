//! The line: when it fetches, what it prints, what each option does, and that it prints something
//! in every state.

use std::collections::BTreeSet;
use std::os::fd::AsRawFd as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use codexline::config::options::OPTIONS;
use serde_json::{Value, json};

use crate::support::home::{ACCOUNT, Home, Login, Output, collect, jwt, set_mode};
use crate::support::server::{Answer, Gate, Server};
use crate::support::{
    TOKEN, USAGE, USUAL_LINE, eventually, fixture, fresh_fixture, now, signed_in, usage, usage_of,
};

const HOSTS: [&str; 6] = ["plain", "starship", "tmux", "waybar", "i3blocks", "json"];

/// Checks that a line was printed, and nothing else.
#[track_caller]
fn prints(output: &Output, expected: &str) {
    assert_eq!(
        (output.stdout.as_str(), output.stderr.as_str(), output.code),
        (expected, "", Some(0))
    );
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

// --- when it asks --------------------------------------------------------------------------------

#[test]
fn cold_it_asks_once_and_prints_the_answer() {
    let (server, home) = signed_in();
    prints(&home.run(&[]), USUAL_LINE);
    assert_eq!(server.total(), 1);
}

#[test]
fn warm_it_asks_nobody() {
    let (server, home) = signed_in();
    home.fill();
    for host in HOSTS {
        assert_eq!(home.run(&[host]).code, Some(0));
    }
    prints(&home.run(&[]), USUAL_LINE);
    home.age(Duration::from_secs(80));
    prints(&home.run(&[]), USUAL_LINE);
    home.settle();
    assert_eq!(server.total(), 1);
}

/// The system calls of a run, without the process ids in front.
fn calls(home: &Home, arguments: &[&str]) -> Vec<String> {
    let log = home.path().join("trace");
    let tracer =
        ["strace", "-f", "-s", "400", "-o", log.to_str().unwrap(), env!("CARGO_BIN_EXE_codexline")];
    let output = crate::support::home::finish(&mut home.wrapped(&[&tracer, arguments].concat()));
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output:?}");
    let log = std::fs::read_to_string(log).unwrap();
    log.lines().filter_map(|line| Some(line.split_once(' ')?.1.trim().to_owned())).collect()
}

/// The calls that are one of `names`.
fn like<'a>(calls: &'a [String], names: &[&str]) -> Vec<&'a str> {
    let is_like = |call: &&String| names.iter().any(|name| call.starts_with(&format!("{name}(")));
    calls.iter().filter(is_like).map(String::as_str).collect()
}

/// Checks a run with fresh numbers: no socket, no other process or thread, no file of Codex's
/// opened, nothing changed, one line in one write.
#[track_caller]
fn check_calls(home: &Home, arguments: &[&str]) -> Vec<String> {
    let calls = calls(home, arguments);
    assert_eq!(like(&calls, &["socket", "connect", "socketpair"]), [""; 0], "{arguments:?}");
    assert_eq!(like(&calls, &["clone", "clone3", "fork", "vfork"]), [""; 0], "{arguments:?}");
    assert_eq!(
        like(&calls, &["rename", "renameat2", "unlink", "mkdir", "flock", "creat"]),
        [""; 0],
        "{arguments:?}"
    );
    let written = like(&calls, &["write", "writev", "pwrite64", "sendto", "sendmsg"]);
    assert!(
        written.len() == 1 && written[0].starts_with("write(1, "),
        "{arguments:?}: {written:?}"
    );
    let opened = like(&calls, &["open", "openat", "openat2"]);
    for call in opened {
        let changes = ["O_WRONLY", "O_RDWR", "O_CREAT"].iter().any(|flag| call.contains(flag));
        assert!(!changes && !call.contains("/codex/"), "{arguments:?}: {call}");
    }
    calls
}

#[test]
fn warm_it_opens_no_socket_no_login_no_config_and_starts_nothing() {
    needs!("strace");
    let (server, home) = signed_in();
    home.fill();
    for host in HOSTS {
        // The first run that shows the counts of today has them counted.
        home.run(&[host]);
        home.settle();
        let calls = check_calls(&home, &[host]);
        let opened = like(&calls, &["open", "openat"]);
        let count = |part: &str| opened.iter().filter(|call| call.contains(part)).count();
        // i3blocks also looks for the state that a click has left, and waybar for the time zone of
        // its tooltip.
        let (ours, zones) = match host {
            "i3blocks" => (2, 0),
            "waybar" => (1, 1),
            _ => (1, 0),
        };
        assert_eq!(count("/cache/codexline/"), ours, "{host}: {opened:?}");
        assert_eq!(count("zoneinfo") + count("localtime"), zones, "{host}: {opened:?}");
    }
    home.age(minutes(60));
    check_calls(&home, &["plain", "--offline"]);
    check_calls(&home, &["demo"]);
    // During a back-off the run is as cheap.
    server.always(Answer::status(500));
    home.run(&["--wait", "20s"]);
    home.settle();
    check_calls(&home, &["plain", "--wait", "20s"]);
    // So it is with numbers from session files, also during a back-off.
    std::fs::create_dir(home.codex_home().join("sessions")).unwrap();
    for with_failure in [true, false] {
        home.patch(|entry| {
            entry["answer"]["source"] = json!("sessions");
            entry["checked_at"] = json!(now());
            if !with_failure {
                entry["failure"] = Value::Null;
            }
        });
        check_calls(&home, &["plain", "--wait", "20s"]);
    }
    assert_eq!(server.total(), 2);
}

#[test]
fn stale_numbers_are_shown_at_once_and_the_next_ones_fetched_behind_them() {
    let (server, home) = signed_in();
    home.fill();
    home.age(minutes(5));
    let gate = Gate::closed();
    server.push(USAGE, Answer::json(200, &usage_of(50, 20)).behind(&gate));
    // The run ends although the server does not answer.
    prints(&home.run(&["starship", "--color", "never"]), USUAL_LINE);
    server.wait_for(USAGE, 2);
    prints(&home.run(&["plain"]), USUAL_LINE);
    gate.open();
    home.settle();
    prints(&home.run(&["plain"]), "Codex 5h 50% left · 7d 80% left\n");
    assert_eq!(server.total(), 2);
}

#[test]
fn with_wait_the_fresh_numbers_are_printed() {
    let (server, home) = signed_in();
    home.fill();
    server.always(Answer::json(200, &usage_of(50, 20)));
    for arguments in [["plain", "--wait", "20s"], ["starship", "--wait=20s", "--color=never"]] {
        home.age(minutes(5));
        prints(&home.run(&arguments), "Codex 5h 50% left · 7d 80% left\n");
    }
    assert_eq!(server.total(), 3);
}

#[test]
fn bars_wait_by_themselves_and_a_prompt_does_not() {
    let check = |host: &str, waits: bool| {
        let (server, home) = signed_in();
        home.fill();
        home.age(minutes(5));
        server.always(Answer::json(200, &usage_of(50, 20)));
        let gate = Gate::closed();
        if !waits {
            server.push(USAGE, Answer::json(200, &usage_of(50, 20)).behind(&gate));
        }
        let output = home.run(&[host, "--color", "never", "--format", "{5h.used}"]);
        let expected = if waits { "50%" } else { "42%" };
        assert!(output.stdout.contains(expected), "{host}: {output:?}");
        gate.open();
    };
    check("plain", false);
    check("starship", false);
    check("tmux", true);
    check("waybar", true);
    check("i3blocks", true);
}

#[test]
fn waiting_ends_without_an_answer_too() {
    let server = Server::usage(usage());
    let gate = Gate::closed();
    let held = gate.clone();
    server.script(move |_| Answer::json(200, &usage()).behind(&held));
    let home = Home::new(&server);
    // tmux calls a command "not ready" after one second.
    let output = home.run(&["tmux", "--color", "never", "--verbose"]);
    assert_eq!((output.stdout.as_str(), output.code), ("Codex: loading\n", Some(0)));
    let waited = output.stderr.split("within ").nth(1).and_then(|rest| rest.split(' ').next());
    let waited: u64 =
        waited.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{output:?}"));
    assert!((100..1000).contains(&waited), "{output:?}");
    prints(&home.run(&["plain", "--wait", "50ms"]), "Codex: loading\n");
    prints(&home.run(&["starship", "--color", "never"]), "Codex: loading\n");
    gate.open();
    home.settle();
    prints(&home.run(&[]), USUAL_LINE);
    assert_eq!(server.total(), 1);
}

#[test]
fn offline_never_asks() {
    let (server, home) = signed_in();
    prints(&home.run(&["--offline"]), "Codex: loading\n");
    prints(&home.run(&["--offline", "--wait", "5s"]), "Codex: loading\n");
    prints(
        &home.run_with(&["tmux", "--color=never"], &[("CODEXLINE_OFFLINE", "1")]),
        "Codex: loading\n",
    );
    assert_eq!((server.connections(), home.processes()), (0, vec![]));
    home.fill();
    home.age(minutes(5));
    prints(&home.run(&["--offline", "--wait", "5s"]), USUAL_LINE);
    home.settle();
    assert_eq!(server.connections(), 1);
}

#[test]
fn max_age_decides_what_is_stale() {
    let (server, home) = signed_in();
    home.fill();
    home.age(Duration::from_secs(90));
    prints(&home.run(&["--wait=20s"]), USUAL_LINE);
    assert_eq!(server.total(), 1);
    prints(&home.run(&["--wait=20s", "--max-age=1m"]), USUAL_LINE);
    assert_eq!(server.total(), 2);
    home.age(minutes(50));
    prints(&home.run(&["--wait=20s", "--max-age=1h", "--format={5h.used}"]), "42% (50m ago)\n");
    assert_eq!(server.total(), 2);
}

// --- what it says --------------------------------------------------------------------------------

#[test]
fn old_numbers_are_marked() {
    let (_server, home) = signed_in();
    home.fill();
    home.age(minutes(14));
    prints(&home.run(&["--offline", "--format", "{5h.used}"]), "42%\n");
    home.age(minutes(9));
    prints(&home.run(&["--offline"]), &USUAL_LINE.replace('\n', " (23m ago)\n"));
    let json = home.run(&["json", "--offline"]).json();
    assert_eq!((&json["stale"], &json["error"]), (&json!(true), &Value::Null));
    assert!((1380..1400).contains(&json["age_seconds"].as_i64().unwrap()), "{json}");
    let waybar = home.run(&["waybar", "--offline"]).json();
    assert!(waybar["class"].as_array().unwrap().contains(&json!("stale")), "{waybar}");
}

#[test]
fn a_window_whose_time_has_passed_is_shown_as_reset() {
    let (_server, home) = signed_in();
    home.fill();
    // As if everything had happened two hours earlier: the five-hour window ended an hour ago.
    let shift = 2 * 3600;
    home.patch(|entry| {
        entry["answer"]["fetched_at"] = json!(now() - shift);
        for window in entry["answer"]["usage"]["windows"].as_array_mut().unwrap() {
            window["resets_at"] = json!(window["resets_at"].as_i64().unwrap() - shift);
        }
    });
    prints(
        &home.run(&["--offline", "--reset", "always"]),
        "Codex 5h 100% left · 7d 83% left, resets in 5d6h (2h00m ago)\n",
    );
    let json = home.run(&["json", "--offline"]).json();
    let window = &json["windows"][0];
    assert_eq!(
        (&window["used_percent"], &window["resets_at"], &window["started"]),
        (&json!(0), &Value::Null, &json!(false))
    );
    assert_eq!((&json["binding"], &json["state"]), (&json!("7d"), &json!("ok")));
}

#[test]
fn a_window_that_ends_makes_young_numbers_stale() {
    let (server, home) = signed_in();
    home.fill();
    home.patch(|entry| {
        entry["answer"]["fetched_at"] = json!(now() - 20);
        entry["answer"]["usage"]["windows"][0]["resets_at"] = json!(now() - 5);
    });
    prints(&home.run(&["--wait", "20s"]), USUAL_LINE);
    assert_eq!(server.total(), 2);
}

#[test]
fn each_state_without_numbers_has_one_word_of_its_own() {
    let server = Server::usage(usage());
    let login = Login::of(ACCOUNT);
    let mut words = BTreeSet::new();
    let mut check = |expected: &str, prepare: &dyn Fn(&mut Home)| {
        let mut home = Home::new(&server);
        prepare(&mut home);
        let before = server.total();
        let output = home.run(&["--wait", "20s"]);
        prints(&output, &format!("Codex: {expected}\n"));
        assert_eq!(server.total(), before, "{expected}: nothing to ask with");
        for host in HOSTS {
            let output = home.run(&[host, "--wait", "20s", "--color", "never"]);
            assert_eq!(output.code, Some(0), "{output:?}");
            let told = match host {
                "json" => output.json()["error"]["code"].as_str().unwrap().to_owned(),
                "waybar" => output.json()["text"].as_str().unwrap().to_owned(),
                _ => output.stdout.lines().next().unwrap().to_owned(),
            };
            assert!(host == "json" || told == format!("Codex: {expected}"), "{host}: {told}");
        }
        assert!(expected.len() <= 16 && !expected.contains('-'), "{expected}");
        words.insert(expected.to_owned());
    };
    check("signed out", &|home| std::fs::remove_file(home.auth_path()).unwrap());
    check("signed out", &|home| {
        home.write_auth(json!({"auth_mode": "chatgpt", "tokens": null}).to_string())
    });
    check("API key login", &|home| home.write_auth(Login::api_key("sk-made-up").to_string()));
    check("login for codex", &|home| home.set("CODEX_ACCESS_TOKEN", "at-made-up"));
    check("login in keyring", &|home| {
        std::fs::remove_file(home.auth_path()).unwrap();
        home.write_config("cli_auth_credentials_store = \"keyring\"\n");
    });
    for mode in ["headers", "agentIdentity", "bedrockApiKey", "bedrockAccessKeys"] {
        let login = Login { mode: Some(mode.into()), ..login.clone() };
        check("no plan login", &move |home| home.sign_in(&login));
    }
    check("login damaged", &|home| home.write_auth("{}x"));
    check("bad codex config", &|home| home.write_config("chatgpt_base_url = \n"));
    check("no home folder", &|home| home.set("CODEX_HOME", home.path().join("nowhere")));
    // A user who has never started Codex has no home for it, and has named none.
    check("signed out", &|home| {
        home.set("CODEX_HOME", "");
        home.set("HOME", home.path().join("newcomer"));
    });
    assert_eq!(words.len(), 8, "{words:?}");
}

#[test]
fn an_auth_json_that_is_left_over_from_before_the_keyring_is_not_used() {
    let (server, home) = signed_in();
    for store in ["keyring", "ephemeral"] {
        let base = server.base();
        home.write_config(&format!(
            "chatgpt_base_url = \"{base}\"\ncli_auth_credentials_store = \"{store}\"\n"
        ));
        let _ = std::fs::remove_dir_all(home.cache_directory());
        prints(&home.run(&[]), "Codex: login in keyring\n");
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn nobodys_numbers_are_shown_to_somebody_else() {
    let (server, home) = signed_in();
    home.fill();
    home.sign_in(&Login::of("acc-2"));
    prints(&home.run(&["--offline"]), "Codex: loading\n");
    let mut other = usage_of(5, 6);
    other["account_id"] = json!("acc-2");
    server.always(Answer::json(200, &other));
    prints(&home.run(&[]), "Codex 5h 95% left · 7d 94% left\n");
    assert_eq!(server.last(USAGE).header("chatgpt-account-id"), Some("acc-2"));
    std::fs::remove_file(home.auth_path()).unwrap();
    prints(&home.run(&["--wait=20s"]), "Codex: signed out\n");
    prints(&home.run(&["--offline"]), "Codex: signed out\n");
}

#[test]
fn two_homes_share_a_cache_directory_and_nothing_else() {
    let server = Server::start(|request| {
        let account = request.header("chatgpt-account-id").unwrap();
        let mut usage = if account == "acc-1" { usage_of(11, 1) } else { usage_of(22, 2) };
        usage["account_id"] = json!(account);
        Answer::json(200, &usage)
    });
    let one = Home::new(&server);
    let mut two = Home::at(&server, &Login::of("acc-2"));
    two.set("XDG_CACHE_HOME", one.path().join("cache"));
    let arguments = ["--format", "{5h.used}"];
    for _ in 0..2 {
        prints(&one.run(&arguments), "11%\n");
        prints(&two.run(&arguments), "22%\n");
    }
    assert_eq!((one.entries().len(), server.total()), (2, 2));
}

// --- every answer from the wild ------------------------------------------------------------------

/// Runs the real binary on one fixture. Checks the plain line, and in `json` the state, the binding
/// limit and the pools' names.
#[track_caller]
fn check_fixture(
    name: &str,
    line: &str,
    state: &str,
    binding: Option<&str>,
    pools: &[&str],
) -> Value {
    let answer = fresh_fixture(name);
    let account = answer["account_id"].as_str().unwrap_or(ACCOUNT).to_owned();
    let server = Server::usage(answer);
    let home = Home::at(&server, &Login::of(&account));
    prints(&home.run(&["--reset", "always"]), &format!("{line}\n"));
    for host in codexline::hosts::HOSTS {
        let output = home.run(&[host.name]);
        let host = host.name;
        assert_eq!((output.stderr.as_str(), output.code), ("", Some(0)), "{name} {host}");
    }
    let json = home.run(&["json"]).json();
    check_keys(&json);
    assert_eq!(
        (json["state"].as_str(), json["binding"].as_str()),
        (Some(state), binding),
        "{name}: {json}"
    );
    let names: Vec<&str> = json["pools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pool| pool["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, pools, "{name}");
    assert_eq!(
        (&json["source"], &json["error"], &json["stale"]),
        (&json!("api"), &Value::Null, &json!(false))
    );
    assert_eq!(server.count(USAGE), 1, "{name}");
    // Banked resets are listed by a request of their own.
    let lists = usize::from(json["banked_resets"].as_u64().is_some_and(|count| count > 0));
    assert_eq!(server.total(), 1 + lists, "{name}");
    json
}

#[track_caller]
fn check_object(value: &Value, keys: &[&str]) {
    let found: BTreeSet<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(found, keys.iter().copied().collect());
}

/// The key set of `json`, which programs rely on.
#[track_caller]
fn check_keys(json: &Value) {
    let window_keys = [
        "label",
        "minutes",
        "used_percent",
        "left_percent",
        "resets_at",
        "resets_in_seconds",
        "started",
        "pace",
        "runs_out_seconds",
    ];
    check_object(
        json,
        &[
            "state",
            "plan",
            "windows",
            "binding",
            "budget",
            "pools",
            "credits",
            "activity",
            "banked_resets",
            "banked_resets_expire_at",
            "blocked",
            "lost_windows",
            "unavailable_models",
            "source",
            "age_seconds",
            "answer_age_seconds",
            "stale",
            "error",
        ],
    );
    let pools = json["pools"].as_array().unwrap();
    let windows = pools.iter().flat_map(|pool| pool["windows"].as_array().unwrap());
    for window in json["windows"].as_array().unwrap().iter().chain(windows) {
        check_object(window, &window_keys);
        let used = window["used_percent"].as_f64().unwrap();
        assert!((0.0..=100.0).contains(&used), "{window}");
        assert!((used + window["left_percent"].as_f64().unwrap() - 100.0).abs() < 1e-6, "{window}");
    }
    pools.iter().for_each(|pool| check_object(pool, &["name", "windows"]));
    if !json["budget"].is_null() {
        check_object(&json["budget"], &["used_percent", "limit", "used", "remaining", "resets_at"]);
    }
    if !json["credits"].is_null() {
        check_object(&json["credits"], &["available", "unlimited", "balance"]);
    }
    if !json["blocked"].is_null() {
        check_object(&json["blocked"], &["reason", "until"]);
    }
    for model in json["unavailable_models"].as_array().unwrap() {
        check_object(model, &["name", "available_at"]);
    }
    if !json["activity"].is_null() {
        let counts = ["sessions", "turns", "total_tokens", "age_seconds"];
        let tokens =
            ["input_tokens", "cached_input_tokens", "output_tokens", "reasoning_output_tokens"];
        check_object(&json["activity"], &[&counts[..], &tokens].concat());
    }
    if !json["error"].is_null() {
        check_object(&json["error"], &["code", "message", "hint"]);
    }
}

#[test]
fn the_classic_pair() {
    let json = check_fixture(
        "plus-5h-and-weekly-2026-05",
        "Codex 5h 54% left, resets in 1h52m · 7d 85% left, resets in 5d20h",
        "ok",
        Some("5h"),
        &[],
    );
    assert_eq!(json["plan"], "plus");
    assert_eq!(json["credits"], json!({"available": false, "unlimited": false, "balance": 0}));
    assert_eq!(json["windows"][0]["minutes"], 300);
    assert_eq!(json["windows"][1]["minutes"], 10_080);
    assert_eq!(json["windows"][0]["left_percent"], 54);
    let left = json["windows"][0]["resets_in_seconds"].as_i64().unwrap();
    assert!((6700..=6744).contains(&left), "{json}");
    assert_eq!(json["budget"], Value::Null);
}

#[test]
fn a_weekly_window_alone_in_primary() {
    let json = check_fixture(
        "pro-weekly-only-2026-09",
        "Codex 7d 7% left, resets in 2d23h",
        "critical",
        Some("7d"),
        &[],
    );
    assert_eq!((&json["plan"], json["windows"].as_array().unwrap().len()), (&json!("pro"), 1));
}

#[test]
fn windows_that_have_not_started() {
    let json = check_fixture(
        "free-weekly-only-2026-05",
        "Codex 7d 97% left, resets in 7d0h",
        "ok",
        Some("7d"),
        &[],
    );
    assert_eq!(json["windows"][0]["started"], true, "3 % are used");
    let json = check_fixture(
        "unstarted-window-reset_after-equals-window",
        "Codex 5h 100% left · 7d 100% left",
        "ok",
        Some("5h"),
        &[],
    );
    for window in json["windows"].as_array().unwrap() {
        assert_eq!((&window["started"], &window["resets_at"]), (&json!(false), &Value::Null));
    }
}

#[test]
fn further_pools() {
    let json = check_fixture(
        "team-2026-02-code-review-window",
        "Codex 5h 93% left, resets in 1h21m · 7d 98% left, resets in 6d20h",
        "ok",
        Some("5h"),
        &["code review"],
    );
    assert_eq!(json["pools"][0]["windows"][0]["label"], "7d");
    let json = check_fixture(
        "model-unavailable-reserve-pool-2026-09",
        "Codex 7d 95% left, resets in 6d23h",
        "ok",
        Some("7d"),
        &["GPT-5.3-Codex-Spark", "gpt-reserve"],
    );
    let labels: Vec<&Value> = json["pools"][0]["windows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|window| &window["label"])
        .collect();
    assert_eq!(labels, ["5h", "7d"]);
    assert_eq!(json["pools"][1]["windows"][0]["used_percent"], 71);
}

#[test]
fn a_business_plan_has_a_budget_and_no_error() {
    let json = check_fixture(
        "business-spend-control-2026-07",
        "Codex budget 99% left, resets in 15d3h",
        "ok",
        Some("budget"),
        &[],
    );
    let budget = &json["budget"];
    assert_eq!((&budget["used_percent"], &budget["limit"]), (&json!(1), &json!(12500)));
    assert!((budget["used"].as_f64().unwrap() - 94.480_792_522_430_42).abs() < 1e-9);
    assert!((budget["remaining"].as_f64().unwrap() - 12_405.519_207_477_57).abs() < 1e-9);
    assert_eq!(json["windows"], json!([]));
}

#[test]
fn a_business_plan_that_is_used_up() {
    let json =
        check_fixture("business-usage-based-depleted", "Codex used up", "exhausted", None, &[]);
    assert_eq!(json["credits"], json!({"available": false, "unlimited": false, "balance": null}));
}

#[test]
fn an_exhausted_window() {
    check_fixture(
        "plus-5h-exhausted-reached-type-object-2026-05",
        "Codex 5h 0% left, back in 3h59m",
        "exhausted",
        Some("5h"),
        &[],
    );
}

#[test]
fn a_window_is_named_by_its_length_never_by_its_slot() {
    let line = "Codex 7d 39% left, resets in 3d12h · 30d 98% left, resets in 24d0h";
    let json = check_fixture("plus-primary-30d-secondary-7d", line, "ok", Some("7d"), &[]);
    assert_eq!(json["windows"][1]["minutes"], 43_200);
}

#[test]
fn either_reset_gives_the_other() {
    let line = "Codex 5h 63% left, resets in 1h00m · 7d 88% left, resets in 1d0h";
    let json =
        check_fixture("self_serve_business_prolite-no-reset_at", line, "ok", Some("5h"), &[]);
    let at = json["windows"][0]["resets_at"].as_i64().unwrap();
    assert!((now() + 3600..=now() + 3645).contains(&at), "{json}");
}

#[test]
fn numbers_as_strings() {
    let json = check_fixture("used-percent-strings", "Codex 7d 57% left", "ok", Some("7d"), &[]);
    let window = &json["windows"][0];
    assert_eq!((&window["used_percent"], &window["left_percent"]), (&json!(42.7), &json!(57.3)));
    assert_eq!((&window["resets_at"], &window["resets_in_seconds"]), (&Value::Null, &Value::Null));
}

#[test]
fn fixtures_that_are_no_usage_answer_are_not_taken_for_one() {
    for name in [
        "error-401-token_expired",
        "oauth-error-refresh_token_reused",
        "spend-controls-monthly-usage-endpoint",
    ] {
        let server = Server::usage(serde_json::from_str(&fixture(name)).unwrap());
        let home = Home::new(&server);
        prints(&home.run(&[]), "Codex: unknown answer\n");
        let json = home.run(&["json"]).json();
        assert_eq!(
            (&json["error"]["code"], &json["state"]),
            (&json!("bad_answer"), &json!("unknown")),
            "{name}"
        );
    }
}

#[test]
fn every_fixture_is_in_a_test() {
    let source = include_str!("line.rs");
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/usage");
    for file in std::fs::read_dir(directory).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        // The record from a session file belongs to another source.
        let is_answer = name.ends_with(".json") && !name.starts_with("rollout-");
        let quoted = format!("\"{}\"", name.trim_end_matches(".json"));
        assert!(!is_answer || source.contains(&quoted), "{name}");
    }
}

#[test]
fn a_server_with_another_clock_gives_the_right_countdown() {
    let mut answer = usage();
    for (slot, shift) in [("primary_window", 4 * 31_536_000), ("secondary_window", -31_536_000)] {
        let at = &mut answer["rate_limit"][slot]["reset_at"];
        *at = json!(at.as_i64().unwrap() + shift);
    }
    let server = Server::usage(answer);
    prints(&Home::new(&server).run(&[]), USUAL_LINE);
}

#[test]
fn the_json_form_has_the_same_keys_in_every_state() {
    let (server, mut home) = signed_in();
    check_keys(&home.run(&["json", "--offline"]).json());
    check_keys(&home.run(&["json"]).json());
    server.always(Answer::status(500));
    home.age(minutes(5));
    let failed = home.run(&["json", "--wait=20s"]).json();
    check_keys(&failed);
    assert_eq!(
        (&failed["error"]["code"], &failed["stale"]),
        (&json!("server_error"), &json!(true))
    );
    assert_eq!(failed["windows"][0]["used_percent"], 42);
    home.set("CODEX_HOME", "/nowhere/at/all");
    let none = home.run(&["json", "--wait=20s"]).json();
    check_keys(&none);
    assert_eq!(
        (&none["state"], &none["source"], &none["binding"]),
        (&json!("unknown"), &Value::Null, &Value::Null)
    );
}

// --- templates and options -----------------------------------------------------------------------

#[test]
fn templates_and_options_shape_the_line() {
    let mut answer = usage();
    answer["credits"] = json!({"has_credits": true, "unlimited": false, "balance": "12.5"});
    let server = Server::usage(answer);
    let home = Home::new(&server);
    home.fill();
    home.age(Duration::from_secs(20));
    let check =
        |arguments: &[&str], expected: &str| prints(&home.run(arguments), &format!("{expected}\n"));
    check(
        &["--format", "{binding.label} {binding.used} {binding.left} {binding.reset}"],
        "5h 42% 58% 1h03m",
    );
    check(&["--format", "{5h.left}/{7d.left}"], "58%/83%");
    check(&["--format", "{plan} {credits}"], "plus 12.5");
    check(&["--format", "{{x}} [[y]] [{30d.used} never]{plan}"], "{x} [y] plus");
    check(&["--format", "{plan}[ budget {budget}]"], "plus");
    check(&["--format", "[{plan}[[literal]]]"], "plus[literal]");
    check(&["--window", "{label}={left}", "--separator", "|"], "5h=58%|7d=83%");
    check(&["--window", "{bar:10}", "--separator", ""], "██████░░░░████████░░");
    check(&["--window", "{bar}", "--format", "<{windows}>"], "<█████░░░ · ███████░>");
    check(&["plain", "--format", ""], "");
    check(&["--format=% #{plan}"], "% #plus");
    check(&["--format", "-{plan}"], "-plus");
    // Of several values the last one counts.
    check(&["--format", "a", "--format", "b"], "b");
    check(&["--format", "{age}"], "just now");
    home.age(Duration::from_secs(3780));
    check(&["--format", "{age}", "--offline"], "1h03m ago (1h03m ago)");
}

#[test]
fn reset_at_is_local_clock_time() {
    let (_server, mut home) = signed_in();
    home.fill();
    home.patch(|entry| {
        // 2100-01-01T12:34:00Z: far enough away to be shown with its date.
        entry["answer"]["usage"]["windows"][1]["resets_at"] = json!(4_102_490_040_i64);
    });
    home.set("TZ", "UTC");
    prints(&home.run(&["--format", "{7d.reset_at}"]), "1 Jan 12:34\n");
    let at = home.entry().unwrap()["answer"]["usage"]["windows"][0]["resets_at"].as_i64().unwrap();
    let clock = |shift: i64| {
        format!("{:02}:{:02}\n", (at + shift) % 86_400 / 3600, (at + shift) % 3600 / 60)
    };
    let text = home.run(&["--format", "{5h.reset_at}"]).stdout;
    assert!(text.ends_with(&clock(0)), "{text}");
    home.set("TZ", "XXX-5:30");
    let text = home.run(&["--format", "{5h.reset_at}"]).stdout;
    assert!(text.ends_with(&clock(19_800)), "{text}");
}

#[test]
fn thresholds_decide_the_state() {
    let server = Server::usage(usage_of(42, 17));
    let home = Home::new(&server);
    home.fill();
    let check = |arguments: &[&str], expected: &str| {
        let json = home.run(&[&["json"], arguments].concat()).json();
        assert_eq!(json["state"], expected, "{arguments:?}");
        let waybar = home.run(&[&["waybar"], arguments].concat()).json();
        assert_eq!(waybar["class"][0], expected, "{arguments:?}");
    };
    check(&[], "ok");
    check(&["--warn", "42"], "warning");
    check(&["--warn", "42.1"], "ok");
    check(&["--warn", "10", "--critical", "40%"], "critical");
    check(&["--critical", "40"], "critical");
}

/// What begins a warning's colours in a terminal, and those of what is critical.
const WARNING: &str = "\u{1b}[38;5;16;48;5;220m";
const CRITICAL: &str = "\u{1b}[38;5;231;48;5;160m";

/// An option, a value, the arguments to run with, and a check of the output that holds only with
/// that value.
type Case<'a> = (&'a str, &'a str, &'a [&'a str], &'a dyn Fn(&Output) -> bool);

#[test]
fn every_option_can_be_given_in_the_environment() {
    let (server, home) = signed_in();
    home.fill();
    home.age(Duration::from_secs(60));
    let cases: [Case; 14] = [
        ("max-age", "30s", &["--offline", "--verbose"], &|output| output.stderr.contains("stale")),
        ("wait", "1ms", &["--max-age=1s", "--verbose"], &|output| output.stderr.contains("1 ms")),
        ("offline", "1", &["--max-age=1s", "--wait=9s", "--verbose"], &|output| {
            !output.stderr.contains("started")
        }),
        ("format", "{plan}", &["--offline"], &|output| output.stdout == "plus\n"),
        ("window", "{used}", &["--offline"], &|output| output.stdout == "42% · 17%\n"),
        ("separator", "/", &["--offline"], &|output| {
            output.stdout == USUAL_LINE.replace(" · ", "/")
        }),
        ("warn", "40", &["json", "--offline"], &|output| output.json()["state"] == "warning"),
        ("critical", "40", &["json", "--offline"], &|output| output.json()["state"] == "critical"),
        ("severity", "pace", &["json", "--offline", "--warn=40"], &|output| {
            output.json()["state"] == "ok"
        }),
        ("color", "always", &["--offline", "--warn=40"], &|output| output.stdout.contains(WARNING)),
        ("ttl", "1", &["--offline"], &|output| output.stdout.contains('\t')),
        ("show", "used", &["--offline"], &|output| output.stdout.contains("42% used")),
        ("reset", "always", &["--offline"], &|output| output.stdout.contains("resets in 5d8h")),
        ("verbose", "1", &["--offline"], &|output| !output.stderr.is_empty()),
    ];
    for (name, value, arguments, holds) in &cases {
        let variable = format!("CODEXLINE_{}", name.to_uppercase().replace('-', "_"));
        // However slow this machine is, the answer comes after the wait.
        let late = (*name == "wait").then(Gate::closed);
        if let Some(late) = &late {
            server.push(USAGE, Answer::json(200, &usage()).behind(late));
        }
        let output = home.run_with(arguments, &[(&variable, value)]);
        assert!(
            output.code == Some(0) && holds(&output),
            "{variable}={value} {arguments:?}: {output:?}"
        );
        let without = home.run(arguments);
        assert!(*name == "offline" || !holds(&without), "{name} makes no difference: {without:?}");
        if let Some(late) = late {
            late.open();
            home.settle();
        }
    }
    for option in OPTIONS {
        // The looks are in looks.rs, the push is in config.rs, the sources are in sources.rs,
        // what is worth a request is in fresh.rs.
        let looks = ["short", "icon", "glyphs", "colors", "urgent-exit"];
        let elsewhere =
            ["account", "source", "recover", "codex-bin", "on-fetch", "on-change", "max-idle"]
                .into_iter()
                .chain(looks);
        let covered =
            cases.iter().map(|(name, ..)| *name).chain(elsewhere).any(|name| name == option.name);
        assert!(covered, "--{} is not covered here", option.name);
    }
    // The command line wins over the environment, and an empty variable does not count.
    let both = home.run_with(&["--offline", "--format", "b"], &[("CODEXLINE_FORMAT", "a")]);
    prints(&both, "b\n");
    prints(&home.run_with(&["--offline"], &[("CODEXLINE_FORMAT", "")]), USUAL_LINE);
}

#[test]
fn the_options_of_the_fetch_can_be_given_in_the_environment_of_a_line() {
    let server = Server::start(|_| Answer::json(401, &json!({"error": {"code": "token_expired"}})));
    let check = |variable: &str, value: &str, exchanges: usize| {
        let before = server.count(TOKEN);
        let home = Home::new(&server);
        let mut output = home.run_with(&["--wait", "20s"], &[(variable, value)]);
        if exchanges > 0 {
            // Codex goes first: the second fetch refreshes the login.
            home.settle();
            assert_eq!(server.count(TOKEN), before, "{variable}={value}");
            home.age(Duration::from_secs(90));
            output = home.run_with(&["--wait", "20s"], &[(variable, value)]);
        }
        assert_eq!(
            (output.stdout.as_str(), output.code),
            ("Codex: sign in\n", Some(0)),
            "{output:?}"
        );
        home.settle();
        assert_eq!(server.count(TOKEN) - before, exchanges, "{variable}={value}");
    };
    check("CODEXLINE_RECOVER", "off", 0);
    check("CODEXLINE_RECOVER", "reload", 0);
    check("CODEXLINE_RECOVER", "full", 1);
    check("CODEXLINE_RECOVER", "", 1);
    // For a login that is not in auth.json Codex is asked. This one only records that it was
    // started.
    let home = Home::signed_out();
    home.write_config("cli_auth_credentials_store = 'keyring'");
    let (codex, log) = (home.path().join("another-codex"), home.path().join("started"));
    std::fs::write(&codex, format!("#!/bin/sh\necho \"$@\" >'{}'\n", log.display())).unwrap();
    set_mode(&codex, 0o755);
    let output =
        home.run_with(&["--wait", "20s"], &[("CODEXLINE_CODEX_BIN", codex.to_str().unwrap())]);
    assert_eq!(output.code, Some(0), "{output:?}");
    home.settle();
    let arguments = std::fs::read_to_string(log).unwrap();
    // It is asked again in the plain form, in case it is too old for the options of the first.
    assert_eq!(arguments, "app-server\n");
}

#[test]
fn a_misused_command_line_ends_with_2_and_names_the_nearest_name() {
    let home = Home::signed_out();
    let check = |arguments: &[&str], named: &[&str]| {
        let output = home.run(arguments);
        assert_eq!(
            (output.code, output.stdout.as_str()),
            (Some(2), ""),
            "{arguments:?}: {output:?}"
        );
        assert_eq!(output.stderr.lines().count(), 1, "one line: {output:?}");
        for name in named {
            assert!(output.stderr.contains(name), "{arguments:?} should name {name}: {output:?}");
        }
    };
    check(&["--formt", "x"], &["--formt", "--format"]);
    check(&["--format", "{widnows}"], &["--format", "{widnows}", "{windows}"]);
    check(&["--format", "{5h.usd}"], &["usd", "used"]);
    check(&["--format", "{binding.lable}"], &["lable", "label"]);
    check(&["--window", "{usde}"], &["--window", "{usde}", "{used}"]);
    check(&["--window", "{plan}"], &["{plan}"]);
    check(&["--format", "{plan"], &["{{"]);
    check(&["--format", "[x"], &["[["]);
    check(&["tmuxx"], &["tmuxx", "tmux"]);
    check(&["--wait", "soon"], &["--wait", "soon"]);
    check(&["--wait"], &["--wait"]);
    check(&["--max-age", "5"], &["--max-age"]);
    check(&["--warn", "120"], &["--warn", "120"]);
    check(&["--color", "sometimes"], &["auto", "always", "never"]);
    check(&["plain", "tmux"], &["tmux"]);
    check(&["fetch", "--format", "x"], &["--format"]);
    check(&["fetsh"], &["fetsh", "fetch"]);
    let output = home.run_with(&[], &[("CODEXLINE_WARN", "much")]);
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(
        output.stderr.contains("CODEXLINE_WARN") && output.stderr.contains("much"),
        "{output:?}"
    );
    assert!(!home.cache_directory().exists(), "a slip writes nothing");
}

#[test]
fn bytes_that_are_no_text_are_a_slip_too() {
    let home = Home::signed_out();
    use std::os::unix::ffi::OsStrExt as _;
    let bytes = std::ffi::OsStr::from_bytes(b"{\xff}");
    for arguments in [&["--format"][..], &["--window"], &["--wait"], &[]] {
        let output = crate::support::home::finish(home.command(arguments).arg(bytes));
        assert_eq!(
            (output.code, output.stderr.lines().count()),
            (Some(2), 1),
            "{arguments:?}: {output:?}"
        );
    }
    let output = crate::support::home::finish(home.command(&[]).env("CODEXLINE_FORMAT", bytes));
    assert_eq!((output.code, output.stderr.lines().count()), (Some(2), 1), "{output:?}");
}

#[test]
fn help_and_version_are_for_stdout() {
    let home = Home::signed_out();
    let help = home.run(&["--help"]);
    assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
    for option in OPTIONS {
        assert!(help.stdout.contains(&format!("--{}", option.name)), "{}", help.stdout);
    }
    for name in HOSTS.iter().chain(&["fetch", "demo"]) {
        assert!(help.stdout.contains(name), "{name}");
    }
    assert!(!help.stdout.contains("--worker"));
    prints(&home.run(&["--version"]), concat!("codexline ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn verbose_tells_on_stderr_what_was_decided() {
    let (_server, home) = signed_in();
    let cold = home.run(&["--verbose"]);
    assert_eq!(cold.stdout, USUAL_LINE);
    let entry = home.entry_path().display().to_string();
    assert!(cold.stderr.contains(&entry) && cold.stderr.contains("stale"), "{cold:?}");
    let warm = home.run(&["--verbose"]);
    assert_eq!(warm.stdout, USUAL_LINE);
    assert!(warm.stderr.contains("fresh") && !warm.stderr.contains("started"), "{warm:?}");
}

// --- colours, hosts, and text from outside -------------------------------------------------------

#[test]
fn colours_follow_the_host_the_option_and_no_color() {
    let check = |arguments: &[&str], variables: &[(&str, &str)], used: i64, expected: &str| {
        let server = Server::usage(usage_of(used, 17));
        let home = Home::new(&server);
        home.fill();
        let arguments = [arguments, &["--format", "{5h.used}"]].concat();
        prints(&home.run_with(&arguments, variables), expected);
    };
    check(&["plain"], &[], 42, "42%\n");
    check(&["plain", "--color=always"], &[], 42, "42%\n");
    check(&["plain", "--color=always"], &[], 75, &format!("{WARNING}75%\u{1b}[0m\n"));
    check(
        &["plain", "--color=always"],
        &[("NO_COLOR", "1")],
        75,
        &format!("{WARNING}75%\u{1b}[0m\n"),
    );
    check(&["starship"], &[], 95, &format!("{CRITICAL}95%\u{1b}[0m\n"));
    check(&["starship"], &[("NO_COLOR", "1")], 95, "95%\n");
    check(&["starship"], &[("NO_COLOR", "")], 95, &format!("{CRITICAL}95%\u{1b}[0m\n"));
    check(&["starship", "--color", "never"], &[], 95, "95%\n");
    check(&["tmux"], &[], 75, "#[fg=colour16,bg=colour220]75%#[default]\n");
    check(&["tmux"], &[("NO_COLOR", "1")], 75, "75%\n");
    check(&["i3blocks", "--color=never"], &[], 95, "95%\nCodex 5h 5% left, resets in 1h03m\n");
    check(&["i3blocks"], &[], 42, "42%\nCodex 5h 58% left\n");
}

#[test]
fn i3blocks_gets_its_colour_on_the_third_line() {
    let server = Server::usage(usage_of(95, 17));
    let home = Home::new(&server);
    home.fill();
    let output = home.run(&["i3blocks"]);
    let lines: Vec<&str> = output.stdout.lines().collect();
    assert_eq!(
        lines[..2],
        ["Codex 5h 5% left, resets in 1h03m · 7d 83% left", "Codex 5h 5% left, resets in 1h03m",]
    );
    let colour = lines[2].strip_prefix('#').unwrap();
    assert!(colour.len() == 6 && colour.chars().all(|digit| digit.is_ascii_hexdigit()), "{colour}");
    assert!(lines.len() == 3 && output.stdout.ends_with('\n'));
}

#[test]
fn on_a_terminal_plain_is_coloured() {
    needs!("script");
    let (_server, home) = signed_in();
    home.fill();
    let program = format!("{} --warn 40 --format {{5h.used}}", env!("CARGO_BIN_EXE_codexline"));
    let mut command = home.wrapped(&["script", "-qec", &program, "/dev/null"]);
    let output = crate::support::home::finish(&mut command);
    assert!(output.stdout.contains(&format!("{WARNING}42%\u{1b}[0m")), "{output:?}");
    let output = crate::support::home::finish(command.env("NO_COLOR", "1"));
    assert!(output.stdout.contains("42%") && !output.stdout.contains('\u{1b}'), "{output:?}");
}

#[test]
fn waybar_gets_one_object_on_one_line() {
    let server = Server::usage(usage_of(75, 17));
    let home = Home::new(&server);
    home.fill();
    let output = home.run(&["waybar"]);
    assert_eq!(output.stdout.lines().count(), 1);
    let json = output.json();
    check_object(&json, &["text", "alt", "tooltip", "class", "percentage"]);
    assert_eq!((&json["percentage"], json["percentage"].is_i64()), (&json!(25), true));
    assert_eq!(json["class"], json!(["warning"]));
    let tooltip = json["tooltip"].as_str().unwrap();
    assert!(
        tooltip.contains("Plus") && tooltip.contains("7d") && tooltip.contains('\n'),
        "{tooltip}"
    );
}

#[test]
fn text_from_the_server_is_inert_in_every_host() {
    let hostile =
        "a\u{1b}[31m#(touch x)#[fg=red]\r\n\t%{F#f00}<b x='\"'>&\u{7}\u{0}\u{202e}\u{9b}31m";
    let mut answer = usage();
    answer["plan_type"] = json!(hostile);
    answer["additional_rate_limits"] =
        json!([{"limit_name": hostile, "rate_limit": answer["rate_limit"]}]);
    let server = Server::usage(answer);
    let home = Home::new(&server);
    home.fill();
    for host in HOSTS {
        let output = home.run(&[host, "--format", "{plan}", "--color", "never"]);
        let lines = if host == "i3blocks" { 2 } else { 1 };
        assert_eq!(output.stdout.lines().count(), lines, "{output:?}");
        let odd = |character: char| {
            (character.is_control() && character != '\n')
                || ('\u{202a}'..='\u{202e}').contains(&character)
        };
        assert!(!output.stdout.contains(odd), "{host}: {output:?}");
        match host {
            "tmux" => assert!(!output.stdout.replace("##", "").contains('#'), "{output:?}"),
            "i3blocks" => assert!(!output.stdout.contains(['<', '>', '\'', '"']), "{output:?}"),
            "waybar" => {
                let json = output.json();
                for key in ["text", "tooltip"] {
                    let text = json[key].as_str().unwrap();
                    let text = text
                        .strip_prefix("<tt>")
                        .and_then(|text| text.strip_suffix("</tt>"))
                        .unwrap_or(text);
                    // Bold is ours: what came from outside has no tag left.
                    let text = text.replace("<b>", "").replace("</b>", "");
                    assert!(!text.contains(['<', '>', '\'', '"']), "{key}: {text}");
                    assert!(
                        !text.contains(|c: char| c.is_control() && c != '\n'),
                        "{key}: {text:?}"
                    );
                    let entity = |part: &str| {
                        ["amp;", "lt;", "gt;", "#39;", "apos;", "quot;"]
                            .iter()
                            .any(|name| part.starts_with(name))
                    };
                    assert!(text.split('&').skip(1).all(entity), "{key}: {text}");
                }
            }
            "json" => {
                let json = output.json();
                assert!(!json["plan"].as_str().unwrap().contains(odd));
                assert!(!json["pools"][0]["name"].as_str().unwrap().contains(odd));
            }
            _ => {}
        }
    }
}

#[test]
fn the_users_own_template_is_passed_on_as_it_is() {
    let (_server, home) = signed_in();
    home.fill();
    let check = |host: &str, template: &str, expected: &str| {
        let output = home.run(&[host, "--color=never", "--format", template]);
        assert_eq!(output.stdout.lines().next(), Some(expected), "{output:?}");
    };
    check("tmux", "#[[bold]]{plan}#[[default]]", "#[bold]plus#[default]");
    check("i3blocks", "<b>{plan}</b>", "<b>plus</b>");
}

// --- endings -------------------------------------------------------------------------------------

#[test]
fn a_closed_stdout_ends_quietly() {
    let (_server, home) = signed_in();
    home.fill();
    for arguments in [&["plain"][..], &["json"], &["demo"], &["--help"]] {
        // A pipe whose reader has gone.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let start = Instant::now();
        let mut child =
            home.command(arguments).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let mut complaint = String::new();
        std::io::Read::read_to_string(child.stderr.as_mut().unwrap(), &mut complaint).unwrap();
        let status = child.wait().unwrap();
        assert_eq!(
            (complaint.as_str(), status.code()),
            ("", Some(0)),
            "{arguments:?} {:?}",
            start.elapsed()
        );
    }
    // A closed stdout, and one that takes nothing.
    for redirection in [">&-", ">/dev/full", "<&- >&- 2>&-"] {
        let program = env!("CARGO_BIN_EXE_codexline");
        let script = format!("exec {program} plain {redirection}");
        let output = crate::support::home::finish(&mut home.wrapped(&["sh", "-c", &script]));
        prints(&output, "");
    }
}

#[test]
fn closed_standard_descriptors_do_no_harm() {
    // If descriptors 0 to 2 are closed, the next opened files get these numbers. No line or warning
    // may end up in such a file.
    let program = env!("CARGO_BIN_EXE_codexline");
    for redirection in ["<&-", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"] {
        for (arguments, status) in [
            ("plain --wait 20s --verbose", 200),
            ("starship --verbose", 200),
            ("fetch --verbose", 200),
            ("fetch --verbose", 500),
            ("plain --wait 20s --verbose", 500),
        ] {
            let server = Server::start(move |_| Answer::json(status, &usage()));
            let home = Home::new(&server);
            for _ in 0..2 {
                let script = format!("exec {program} {arguments} {redirection}");
                let output =
                    crate::support::home::finish(&mut home.wrapped(&["sh", "-c", &script]));
                let expected = if arguments.starts_with("fetch") && status != 200 { 1 } else { 0 };
                assert_eq!(output.code, Some(expected), "{arguments} {redirection}: {output:?}");
                home.settle();
                let entry = home.entry().expect("an entry, and nothing but an entry");
                assert_eq!(entry["answer"].is_null(), status != 200, "{arguments} {redirection}");
                let lock = home.entry_path().with_extension("lock");
                assert_eq!(std::fs::read_to_string(lock).unwrap(), "", "{arguments} {redirection}");
                home.age(minutes(5));
            }
            assert!(server.total() >= 1);
            assert_eq!(
                server.connections(),
                server.total(),
                "each connection carried a whole request"
            );
        }
    }
}

#[test]
fn stdin_is_never_read() {
    let (_server, home) = signed_in();
    let (reader, writer) = std::io::pipe().unwrap();
    std::io::Write::write_all(&mut &writer, b"click\n").unwrap();
    for arguments in [&["i3blocks"][..], &["plain", "--max-age=0s"], &["fetch"]] {
        let child = home
            .command(arguments)
            .stdin(reader.try_clone().unwrap())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        assert_eq!(collect(child, Instant::now()).code, Some(0));
    }
    home.settle();
    let mut rest = [0; 16];
    // SAFETY: only a flag of the descriptor changes: an empty pipe then answers instead of
    // blocking.
    unsafe { libc::fcntl(reader.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
    assert_eq!(std::io::Read::read(&mut &reader, &mut rest).unwrap(), 6);
}

#[test]
fn the_demo_needs_no_login_no_network_and_leaves_nothing_behind() {
    let mut home = Home::signed_out();
    home.set("CODEX_HOME", "/nowhere/at/all");
    home.set("HOME", "/nowhere");
    let output = home.run(&["demo"]);
    assert_eq!((output.stderr.as_str(), output.code), ("", Some(0)));
    for host in HOSTS {
        assert!(output.stdout.contains(host), "{host}: {output:?}");
    }
    assert!(output.stdout.contains("5h 58% left"), "{output:?}");
    assert!(std::fs::read_dir(home.path().join("cache")).unwrap().next().is_none());
    for name in HOSTS {
        let raw = home.run(&["demo", name]);
        assert_eq!((raw.stderr.as_str(), raw.code), ("", Some(0)));
        let all = home.run(&["demo", "--raw"]).stdout;
        let first = raw.stdout.lines().next().unwrap();
        assert!(
            all.contains(&format!("\n  {}\n", first)) || name.ends_with("json"),
            "{name}: {all}"
        );
    }
    let tmux =
        "Codex 5h 58% left · #[fg=colour16,bg=colour220]7d 23% left#[default], resets in 5d8h\n";
    assert_eq!(home.run(&["demo", "tmux"]).stdout, tmux);
    let formatted = home.run(&["demo", "--format", "{5h.used}", "--color", "never"]);
    assert!(formatted.stdout.contains("  fine                42%\n"), "{formatted:?}");
}

#[test]
fn the_cache_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_server, home) = signed_in();
    let program = env!("CARGO_BIN_EXE_codexline");
    for umask in ["0000", "0777"] {
        let _ = std::fs::remove_dir_all(home.cache_directory());
        let script = format!("umask {umask}; exec {program}");
        let output = crate::support::home::finish(&mut home.wrapped(&["sh", "-c", &script]));
        prints(&output, USUAL_LINE);
        let mode =
            |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&home.cache_directory()), 0o700, "umask {umask}");
        for file in std::fs::read_dir(home.cache_directory()).unwrap() {
            let path = file.unwrap().path();
            assert_eq!(mode(&path), 0o600, "umask {umask}: {}", path.display());
        }
    }
}

#[test]
fn the_entry_stays_small_whatever_the_server_says() {
    let mut answer = usage();
    let long = "long ".repeat(20_000);
    answer["plan_type"] = json!(long);
    let pool = json!({"limit_name": long, "rate_limit": answer["rate_limit"]});
    answer["additional_rate_limits"] = json!(vec![pool; 200].iter().take(5).collect::<Vec<_>>());
    let server = Server::usage(answer);
    let home = Home::new(&server);
    prints(&home.run(&[]), USUAL_LINE);
    let small = json!({"limit_name": "x".repeat(60), "rate_limit": usage()["rate_limit"]});
    let mut answer = usage();
    answer["additional_rate_limits"] = json!(vec![small; 900]);
    server.always(Answer::json(200, &answer));
    home.fill();
    assert!(std::fs::metadata(home.entry_path()).unwrap().len() < 8192);
    prints(&home.run(&[]), USUAL_LINE);
}

#[test]
fn a_token_without_claims_does_as_well() {
    let server = Server::usage(usage());
    for token in
        ["opaque", "a.b.c", &jwt(&json!([1])), &jwt(&json!({"https://api.openai.com/auth": 5}))]
    {
        let login =
            Login { access_token: token.into(), id_token: token.into(), ..Login::of(ACCOUNT) };
        let home = Home::at(&server, &login);
        prints(&home.run(&[]), USUAL_LINE);
        assert_eq!(server.last(USAGE).bearer(), Some(token));
    }
}

#[test]
fn the_environment_of_a_run_without_options_is_enough() {
    // Codex's own defaults: ~/.codex and ~/.cache.
    let (server, mut home) = signed_in();
    let directory = home.path().join("home");
    std::fs::rename(home.codex_home(), directory.join(".codex")).unwrap();
    for value in [None, Some("")] {
        home.unset("CODEX_HOME");
        home.unset("XDG_CACHE_HOME");
        if let Some(value) = value {
            home.set("CODEX_HOME", value);
            home.set("XDG_CACHE_HOME", value);
        }
        prints(&home.run(&[]), USUAL_LINE);
    }
    eventually("the entry", || directory.join(".cache/codexline").is_dir());
    assert_eq!(server.total(), 1);
}
