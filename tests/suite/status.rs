//! Pace, `status`, `check`, `--on-change` and `doctor`: what is more than a line.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::home::{ACCOUNT, Home, Login, Output, set_mode};
use crate::support::server::{Answer, Gate, Server, dead_port};
use crate::support::{USAGE, eventually, fresh_fixture, now, signed_in, usage, usage_of};

/// A window of 5 hours that resets in `resets_in` seconds, and a week at its beginning.
fn five_hours(used: f64, resets_in: i64) -> Value {
    let mut value = usage();
    let window = &mut value["rate_limit"]["primary_window"];
    window["used_percent"] = json!(used);
    window["reset_after_seconds"] = json!(resets_in);
    window["reset_at"] = json!(now() + resets_in);
    value
}

/// Gives the entry these samples of the 5-hour window: seconds ago and percent.
fn remember(home: &Home, samples: &[(i64, i64)]) {
    home.patch(|entry| {
        let track: Vec<Value> =
            samples.iter().map(|(ago, used)| json!([now() - ago, used * 10])).collect();
        entry["history"] = json!({"5h": track});
    });
}

// --- pace ----------------------------------------------------------------------------------------

#[test]
fn pace_and_running_out_stand_in_line_window_and_json() {
    // 2 of 5 hours are left: 60 % would be even, and 75 % last for one hour more.
    let server = Server::usage(five_hours(75.0, 7230));
    let home = Home::new(&server);
    home.fill();
    let line = |format: &str| home.run(&["--format", format]).stdout;
    assert_eq!(
        line("{binding.label} {binding.pace} {5h.runs_out} {7d.pace}[ {7d.runs_out}]"),
        "5h +15 59m -7\n"
    );
    let output = home.run(&["--window", "{label} {pace}[ empty in {runs_out}]"]);
    assert_eq!(output.stdout, "5h +15 empty in 59m · 7d -7\n");
    let json = home.run(&["json"]).json();
    let window = &json["windows"][0];
    assert!((14.9..=15.5).contains(&window["pace"].as_f64().unwrap()), "{json}");
    assert!((3500..=3600).contains(&window["runs_out_seconds"].as_i64().unwrap()), "{json}");
    assert_eq!(json["windows"][1]["runs_out_seconds"], Value::Null);
    let tooltip = home.run(&["waybar"]).json()["tooltip"].as_str().unwrap().replace('\n', " ");
    assert!(
        tooltip.contains("pace     5h runs out in 59m, 1h00m          before its reset"),
        "{tooltip}"
    );
}

#[test]
fn the_rate_is_the_present_one_if_samples_tell_it() {
    let server = Server::usage(five_hours(75.0, 7230));
    let home = Home::new(&server);
    home.fill();
    remember(&home, &[(2400, 75), (1200, 75)]);
    let out = |home: &Home| home.run(&["--format", "[{5h.runs_out}]"]).stdout;
    assert_eq!(out(&home), "\n", "nothing was used for 40 minutes");
    remember(&home, &[(2400, 55), (1200, 65)]);
    assert!(
        ["49m\n", "50m\n"].contains(&out(&home).as_str()),
        "20 points in 40 minutes: 25 more in 50"
    );
    // The next answer adds to the samples instead of replacing them.
    home.fill();
    let samples = home.entry().unwrap()["history"]["5h"].as_array().unwrap().len();
    assert_eq!(samples, 3);
    assert!(["49m\n", "50m\n"].contains(&out(&home).as_str()));
}

#[test]
fn samples_end_with_the_account_and_outlive_a_failure_and_a_new_token() {
    let server = Server::usage(five_hours(75.0, 7230));
    let home = Home::new(&server);
    home.fill();
    remember(&home, &[(2400, 55), (1200, 65)]);
    let samples =
        |home: &Home| home.entry().unwrap()["history"]["5h"].as_array().map_or(0, Vec::len);
    server.push(USAGE, Answer::status(500));
    assert_eq!(home.run(&["fetch"]).code, Some(1));
    assert_eq!(samples(&home), 2);
    home.sign_in(&Login::of(ACCOUNT));
    home.fill();
    assert_eq!(samples(&home), 3);
    let mut other = five_hours(5.0, 7230);
    other["account_id"] = json!("acc-2");
    server.push(USAGE, Answer::json(200, &other));
    home.sign_in(&Login::of("acc-2"));
    home.fill();
    assert_eq!(samples(&home), 1, "{:?}", home.entry());
}

#[test]
fn samples_that_make_no_sense_do_not_matter() {
    let (_server, home) = signed_in();
    home.fill();
    for history in
        [json!(5), json!({"5h": "x"}), json!({"5h": [[1, 2, 3]]}), json!({"5h": [[-1, 70_000]]})]
    {
        home.patch(|entry| entry["history"] = history.clone());
        assert_eq!(home.run(&["--format", "{5h.used} {5h.pace}"]).stdout, "42% -37\n", "{history}");
    }
}

#[test]
fn the_entry_stays_small_however_often_is_asked() {
    let server = Server::usage(fresh_fixture("model-unavailable-reserve-pool-2026-09"));
    let home = Home::new(&server);
    home.fill();
    for turn in 0..30 {
        home.patch(|entry| {
            let history = entry["history"].to_string();
            let mut history: Value = serde_json::from_str(&history).unwrap();
            for track in history.as_object_mut().unwrap().values_mut() {
                for sample in track.as_array_mut().unwrap() {
                    sample[0] = json!(sample[0].as_i64().unwrap() - 900);
                }
            }
            entry["history"] = history;
            entry["answer"]["fetched_at"] = json!(now() - 900);
        });
        if turn % 3 == 0 {
            home.fill();
        }
    }
    let entry = home.entry().unwrap();
    assert!(entry.to_string().len() < 8192);
    let tracks = entry["history"].as_object().unwrap();
    assert!(
        !tracks.is_empty() && tracks.values().all(|track| track.as_array().unwrap().len() <= 24)
    );
}

#[test]
fn severity_may_follow_the_pace() {
    let state = |used: f64, resets_in: i64, severity: &str| {
        let server = Server::usage(five_hours(used, resets_in));
        let home = Home::new(&server);
        home.fill();
        let output = home.run(&["json", "--severity", severity]);
        output.json()["state"].as_str().unwrap().to_string()
    };
    // One is nearly full, but its reset is near. The other is nearly empty, but used too fast.
    assert_eq!(
        (state(92.0, 600, "used"), state(92.0, 600, "pace")),
        ("critical".into(), "ok".into())
    );
    assert_eq!(
        (state(40.0, 15_000, "used"), state(40.0, 15_000, "pace")),
        ("ok".into(), "warning".into())
    );
    assert_eq!(state(92.0, 7200, "pace"), "critical");
    assert_eq!(state(100.0, 7200, "pace"), "exhausted");
    let home = Home::signed_out();
    let output = home.run(&["--severity", "speed"]);
    assert_eq!(
        (output.code, output.stderr.as_str()),
        (Some(2), "codexline: --severity 'speed': is not used or pace; see codexline --help\n")
    );
}

#[test]
fn colour_follows_the_pace_too() {
    let server = Server::usage(five_hours(40.0, 15_000));
    let home = Home::new(&server);
    home.fill();
    let line = |severity: &str| {
        home.run(&["--color", "always", "--severity", severity, "--window", "{label}"]).stdout
    };
    assert_eq!(line("used"), "5h · 7d\n");
    assert_eq!(line("pace"), "\u{1b}[38;5;16;48;5;220m5h\u{1b}[0m · 7d\n");
}

// --- status --------------------------------------------------------------------------------------

const WIDE: [(&str, &str); 2] = [("COLUMNS", "80"), ("LANG", "C.UTF-8")];

#[test]
fn the_page_shows_what_there_is() {
    let server = Server::usage(five_hours(75.0, 7230));
    let home = Home::new(&server);
    let page = home.run_with(&["status"], &[WIDE[0], WIDE[1], ("TZ", "UTC0")]);
    assert_eq!((page.code, page.stderr.as_str()), (Some(0), ""), "{page:?}");
    assert_eq!(server.total(), 1, "it asks and waits");
    let lines: Vec<&str> = page.stdout.lines().collect();
    assert_eq!(lines[0], format!("Codex Plus{}updated just now", " ".repeat(54)));
    assert_eq!(lines[1], "");
    let row = "5h       ━━━━━━━━──────────────────────   25% left  resets in 2h00m (";
    assert!(lines[2].starts_with(row), "{page:?}");
    assert!(lines[3].starts_with("7d       ━━━━━━━"), "{page:?}");
    assert_eq!(lines[5], "pace     5h runs out in 59m, 1h00m before its reset");
    assert!(!page.stdout.contains('\u{1b}'));
    assert!(!page.stdout.contains("since"), "one sample is no course");
    remember(&home, &[(7200, 20), (3600, 40), (1200, 60)]);
    let page = home.run_with(&["status"], &WIDE);
    assert!(page.stdout.contains(", % left     ⠒⠒ left   ⠂⠂ an even pace\n100% │"), "{page:?}");
    assert!(home.run(&["status"]).stdout.is_ascii(), "no locale: letters only");
    let painted = home.run_with(&["status", "--color", "always"], &WIDE);
    assert!(painted.stdout.contains("\u{1b}[38;5;16;48;5;220m25% left\u{1b}[0m"), "{painted:?}");
}

#[test]
fn every_answer_fits_every_width() {
    for name in [
        "plus-5h-and-weekly-2026-05",
        "business-spend-control-2026-07",
        "model-unavailable-reserve-pool-2026-09",
        "team-2026-02-code-review-window",
        "pro-weekly-only-2026-09",
        "business-usage-based-depleted",
        "unstarted-window-reset_after-equals-window",
    ] {
        let server = Server::usage(fresh_fixture(name));
        let mut login = Login::of(ACCOUNT);
        login.account = None;
        let home = Home::at(&server, &login);
        for columns in ["80", "47", "30", "20", "0"] {
            let page =
                home.run_with(&["status", "--max-age", "1h"], &[("COLUMNS", columns), WIDE[1]]);
            let widest =
                page.stdout.lines().map(|line| line.chars().count()).max().unwrap_or_default();
            let most = columns
                .parse()
                .map_or(80, |columns: usize| if columns == 0 { 80 } else { columns });
            assert!(
                page.code == Some(0) && widest <= most,
                "{name} {columns} {widest}: {}",
                page.stdout
            );
        }
    }
}

#[test]
fn banked_resets_and_credits_are_told() {
    let mut answer = usage();
    answer["rate_limit_reset_credits"] = json!({"available_count": 2});
    answer["credits"] = json!({"has_credits": true, "unlimited": false, "balance": "12.50"});
    let server = Server::usage(answer);
    let home = Home::new(&server);
    let page = home.run(&["status"]).stdout;
    assert!(page.contains("\nbanked   2 resets\n") && page.contains("\ncredits  12.5\n"), "{page}");
    assert_eq!(home.run(&["json"]).json()["banked_resets"], 2);
}

#[test]
fn without_numbers_the_page_says_why_and_what_to_do() {
    let page = Home::signed_out().run(&["status"]);
    assert_eq!(page.code, Some(0));
    assert!(
        page.stdout.starts_with("Codex  signed out\n\nThere is no ChatGPT login to ask with.\n"),
        "{page:?}"
    );
    assert!(page.stdout.ends_with("Run codex login.\n"), "{page:?}");
    let offline = Home::signed_out().run(&["status", "--offline"]);
    assert_eq!(offline.stdout, "Codex  loading\n");
}

#[test]
fn watched_it_shows_news_and_ends_with_its_reader() {
    let server = Server::usage(usage_of(10, 17));
    let home = Home::new(&server);
    home.fill();
    let log = home.path().join("pages");
    let file = std::fs::File::create(&log).unwrap();
    let mut command = home.command(&["status", "--watch", "--max-age", "1h"]);
    let mut child = command.stdout(file).spawn().unwrap();
    let text = || std::fs::read_to_string(&log).unwrap_or_default();
    eventually("the first page", || text().contains("90% left"));
    server.always(Answer::json(200, &usage_of(55, 17)));
    home.fill();
    eventually("the next page", || text().contains("45% left"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!text().contains('\u{1b}'), "no terminal, no sequences");

    let mut command = home.command(&["status", "--watch", "--max-age", "1h"]);
    let mut child = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let begun = Instant::now();
    home.patch_while_running(|entry| entry["answer"]["usage"]["windows"][0]["used"] = json!(77));
    while child.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(15), "it goes on for nobody");
        std::thread::sleep(Duration::from_millis(20));
    }
}

// --- check ---------------------------------------------------------------------------------------

#[track_caller]
fn judges(output: &Output, code: i32, stderr: &str) {
    assert_eq!(
        (output.code, output.stdout.as_str(), output.stderr.as_str()),
        (Some(code), "", stderr)
    );
}

#[test]
fn check_guards_scripts() {
    let server = Server::usage(usage_of(92, 17));
    let home = Home::new(&server);
    judges(&home.run(&["check", "--left", "8%"]), 0, "");
    assert_eq!(server.total(), 1, "it asks for what it does not know");
    let lacks = "codexline: 5h: 8% left, less than 10%; resets in 1h03m\n";
    judges(&home.run(&["check", "--left", "10%"]), 1, lacks);
    judges(&home.run(&["check", "--left", "10", "--window", "5h"]), 1, lacks);
    judges(&home.run(&["check", "--left", "10%", "--window", "7d"]), 0, "");
    // The variable for a name that another option has belongs to that option.
    judges(
        &home.run_with(&["check", "--left", "10%"], &[("CODEXLINE_WINDOW", "{used}")]),
        1,
        lacks,
    );
    judges(
        &home.run(&["check", "--left", "10%", "--window", "30d"]),
        1,
        "codexline: what is left is not known: there is no window 30d (there is: 5h, 7d)\n",
    );
}

#[test]
fn check_says_so_when_nobody_knows() {
    let out = Home::signed_out();
    let unknown = out.run(&["check", "--left", "10%"]);
    assert_eq!((unknown.code, unknown.stdout.as_str()), (Some(1), ""));
    assert!(
        unknown.stderr.starts_with("codexline: what is left is not known: not signed in"),
        "{unknown:?}"
    );
    assert_eq!(unknown.stderr.lines().count(), 1);
    // Old numbers do not count. Those whose refresh has just failed still do.
    let (server, home) = signed_in();
    home.fill();
    server.always(Answer::status(500));
    home.age(Duration::from_secs(300));
    judges(&home.run(&["check", "--left", "10%"]), 0, "");
    home.age(Duration::from_secs(900));
    let old = home.run(&["check", "--left", "10%"]);
    assert_eq!(old.code, Some(1));
    assert!(old.stderr.contains("the last answer is 20m old"), "{old:?}");
}

#[test]
fn check_is_strict_about_what_is_asked() {
    let home = Home::signed_out();
    for (arguments, part) in [
        (vec!["check"], "--left"),
        (vec!["check", "--left", "lots"], "--left 'lots': is not a percentage from 0 to 100"),
        (vec!["check", "--left", "101%"], "is not a percentage"),
        (
            vec!["check", "--left", "5%", "--window", "weekly"],
            "--window 'weekly': is not a window's name",
        ),
        (vec!["check", "--left", "5%", "--nonsense"], "--nonsense"),
    ] {
        let output = home.run(&arguments);
        assert_eq!((output.code, output.stdout.as_str()), (Some(2), ""), "{output:?}");
        assert!(output.stderr.contains(part) && output.stderr.lines().count() == 1, "{output:?}");
    }
}

// --- on a change ---------------------------------------------------------------------------------

/// A command that writes down its variables.
fn recorder(home: &Home) -> (std::path::PathBuf, String) {
    let log = home.path().join("changes");
    let facts = "$CODEXLINE_EVENT $CODEXLINE_WINDOW $CODEXLINE_USED $CODEXLINE_LEFT \
                 $CODEXLINE_STATE $CODEXLINE_PREVIOUS_STATE";
    let command =
        format!("echo \"{facts} ${{CODEXLINE_RESETS_AT:+known}}\" >> '{}'", log.display());
    (log, command)
}

#[test]
fn a_change_is_told_once_by_the_worker() {
    let server = Server::usage(usage_of(42, 17));
    let mut home = Home::new(&server);
    let (log, command) = recorder(&home);
    home.set("CODEXLINE_ON_CHANGE", &command);
    let told = || std::fs::read_to_string(&log).unwrap_or_default();
    let turn = |used: i64, week: i64| {
        server.always(Answer::json(200, &usage_of(used, week)));
        home.age(Duration::from_secs(300));
        assert_eq!(home.run(&["tmux", "--wait", "20s"]).code, Some(0));
        home.settle();
    };
    // There is nothing to compare the first answer with.
    home.run(&[]);
    home.settle();
    turn(69, 17);
    assert_eq!(told(), "");
    turn(71, 17);
    let mut expected = "warning 5h 71 29 warning ok known\n".to_string();
    assert_eq!(told(), expected);
    turn(72, 17);
    assert_eq!(told(), expected);
    turn(100, 91);
    expected += "exhausted 5h 100 0 exhausted warning known\ncritical 7d 91 9 critical ok known\n";
    assert_eq!(told(), expected);
    // A failure changes nothing. The next answer is compared with the one before it.
    server.always(Answer::status(500));
    home.age(Duration::from_secs(300));
    home.run(&["tmux", "--wait", "20s"]);
    home.settle();
    assert_eq!(told(), expected);
    // The window of 5 hours begins anew.
    let mut anew = five_hours(3.0, 17_000);
    anew["rate_limit"]["secondary_window"]["used_percent"] = json!(91);
    server.always(Answer::json(200, &anew));
    home.age(Duration::from_secs(3600));
    home.run(&["tmux", "--wait", "20s"]);
    home.settle();
    expected += "reset 5h 3 97 ok exhausted known\n";
    assert_eq!(told(), expected);
    // Numbers of another account are no change.
    server.always(Answer::json(200, &{
        let mut other = usage_of(95, 95);
        other["account_id"] = json!("acc-2");
        other
    }));
    home.sign_in(&Login::of("acc-2"));
    home.run(&["tmux", "--wait", "20s"]);
    home.settle();
    assert_eq!(told(), expected);
}

#[test]
fn thresholds_are_the_line_s_and_a_codexline_in_the_command_shows_its_usual_line() {
    let server = Server::usage(usage_of(10, 17));
    let home = Home::new(&server);
    home.fill();
    server.always(Answer::json(200, &usage_of(33, 17)));
    home.age(Duration::from_secs(300));
    let (log, _) = recorder(&home);
    let command =
        format!("{} plain --color never >> '{}'", env!("CARGO_BIN_EXE_codexline"), log.display());
    home.run(&[
        "tmux",
        "--wait",
        "20s",
        "--warn",
        "30",
        "--critical",
        "60",
        "--on-change",
        &command,
    ]);
    home.settle();
    assert_eq!(std::fs::read_to_string(log).unwrap(), "Codex 5h 67% left · 7d 83% left\n");
    assert_eq!(server.total(), 2, "it does not fetch in turn");
}

// --- doctor --------------------------------------------------------------------------------------

/// The finding of that name.
#[track_caller]
fn finding<'a>(report: &'a Value, name: &str) -> &'a Value {
    let checks = report["checks"].as_array().unwrap();
    checks
        .iter()
        .find(|check| check["name"] == name)
        .unwrap_or_else(|| panic!("no {name}: {report:#}"))
}

fn examine(home: &Home, arguments: &[&str]) -> (Option<i32>, Value) {
    let output = home.run(&[&["doctor", "--json"], arguments].concat());
    assert_eq!(output.stderr, "");
    (
        output.code,
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}")),
    )
}

/// Answers `doctor`, which sends no token, as the service does, and a fetch with numbers.
fn service() -> Server {
    Server::start(|request| match request.bearer() {
        Some(_) => Answer::json(200, &usage()),
        None => Answer::json(401, &json!({"error": {"code": "unauthorized"}})),
    })
}

#[test]
fn a_sound_home_is_found_sound() {
    let server = service();
    let mut home = Home::new(&server);
    home.set("PATH", home.path().join("runtime"));
    set_mode(&home.auth_path(), 0o600);
    home.fill();
    let output = home.run(&["doctor"]);
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{}", output.stdout);
    let names: Vec<&str> = output
        .stdout
        .lines()
        .map(|line| line[8..22].trim())
        .filter(|name| *name != "host")
        .collect();
    assert_eq!(
        names,
        [
            "binary",
            "system",
            "installed",
            "source",
            "CODEX_HOME",
            "login",
            "renewal",
            "store",
            "config.toml",
            "base URL",
            "proxy",
            "certificates",
            "DNS",
            "server",
            "clock",
            "cache",
            "lock",
            "back-off",
            "ledger",
            "rescue",
            "codex",
            "hosts"
        ]
    );
    assert!(
        output.stdout.contains("ok      login         ~")
            || output.stdout.contains("ok      login         /")
    );
    assert!(server.last(USAGE).bearer().is_none(), "the way is looked at without a login");
    let (code, report) = examine(&home, &[]);
    assert_eq!((code, &report["broken"]), (Some(0), &json!(0)), "{report:#}");
    for (name, part) in [
        ("binary", "codexline "),
        ("system", std::env::consts::OS),
        ("installed", "by cargo build"),
        ("login", "a ChatGPT login, mode 0600, access token ends in "),
        ("store", "in a file"),
        ("proxy", "not used for loopback"),
        ("DNS", "127.0.0.1"),
        ("server", "answers 401 with JSON"),
        ("cache", "old, source api"),
        ("lock", ": free"),
        ("back-off", "none"),
        ("rescue", "none pending"),
        ("hosts", "none found"),
    ] {
        assert!(
            finding(&report, name)["found"].as_str().unwrap().contains(part),
            "{name}: {report:#}"
        );
    }
}

#[test]
fn the_doctor_tells_no_secret_and_an_e_mail_only_if_asked() {
    let server = service();
    let home = Home::new(&server);
    home.fill();
    let login = home.read_auth();
    let tokens = login["tokens"].as_object().unwrap();
    for arguments in [vec!["doctor"], vec!["doctor", "--json"], vec!["doctor", "--email"]] {
        let output = home.run(&arguments);
        for secret in tokens.values().filter_map(Value::as_str) {
            assert!(!output.stdout.contains(secret), "{arguments:?}: {}", output.stdout);
        }
        let told = output.stdout.contains("somebody@example.com");
        assert_eq!(told, arguments.contains(&"--email"), "{}", output.stdout);
    }
    let secret = [("HTTPS_PROXY", "http://user:made-up@proxy.invalid:3128")];
    assert!(!home.run_with(&["doctor"], &secret).stdout.contains("made-up"));
}

#[test]
fn what_is_broken_is_told_with_what_to_do() {
    let check = |home: &Home, name: &str, state: &str, found: &str, advice: &str| {
        let (code, report) = examine(home, &[]);
        let finding = finding(&report, name);
        assert_eq!(finding["state"], state, "{report:#}");
        assert!(finding["found"].as_str().unwrap().contains(found), "{finding}");
        assert!(finding["advice"].as_str().unwrap_or_default().contains(advice), "{finding}");
        let broken = report["broken"].as_u64().unwrap();
        assert_eq!(code, Some(i32::from(broken > 0)), "{report:#}");
        assert!(state != "broken" || broken > 0);
    };
    let server = service();
    let home = Home::new(&server);
    home.write_auth("{");
    check(&home, "login", "broken", "is cut short", "codex login");
    home.sign_in(&Login::of(ACCOUNT));
    set_mode(&home.auth_path(), 0o644);
    check(&home, "login", "note", "others may read it", "chmod 600");
    set_mode(&home.auth_path(), 0o400);
    check(&home, "renewal", "note", "not writable", "chmod u+w");
    set_mode(&home.auth_path(), 0o600);
    check(&home, "cache", "note", "no cache entry yet", "fetch");
    server.push(USAGE, Answer::status(500));
    assert_eq!(home.run(&["fetch"]).code, Some(1));
    check(&home, "back-off", "broken", "next try in ", "tries again later");
    home.fill();
    server.push(USAGE, Answer::html(200, "<html>sign in</html>"));
    check(&home, "server", "broken", "answers 200 with a page", "sign in to the network");
    server
        .push(USAGE, Answer::json(401, &json!({})).header("Date", "Sun, 06 Nov 1994 08:49:37 GMT"));
    check(&home, "clock", "broken", "ahead of the server's", "set the clock");
    std::fs::write(home.codex_home().join("auth.json.codexline.new"), "{}").unwrap();
    check(&home, "rescue", "broken", "new tokens wait", "codexline fetch");
    std::fs::remove_file(home.codex_home().join("auth.json.codexline.new")).unwrap();
    std::fs::write(home.codex_home().join("auth.json.codexline.ledger"), "{").unwrap();
    check(&home, "ledger", "broken", "damaged", "codex login");
    home.write_config("chatgpt_base_url = 5");
    check(&home, "config.toml", "broken", "line 1", "codex reads it too");
    home.write_config("chatgpt_base_url = 'http://10.0.0.1/backend-api'");
    check(&home, "base URL", "broken", "is not encrypted", "https");
    home.write_config(&format!(
        "chatgpt_base_url = 'http://127.0.0.1:{}/backend-api'",
        dead_port()
    ));
    check(&home, "server", "broken", "cannot reach", "network");
    let signed_out = Home::signed_out();
    assert_eq!(signed_out.run(&["fetch"]).code, Some(1));
    check(&signed_out, "login", "broken", "not signed in", "codex login");
    // It is told once.
    check(&signed_out, "back-off", "note", "for want of that login", "");
}

#[test]
fn hosts_and_codex_are_found_and_a_held_lock_is_told() {
    let server = service();
    let mut home = Home::new(&server);
    let person = home.path().join("home");
    std::fs::write(person.join(".tmux.conf"), "set -g status-right '#(codexline tmux)'\n").unwrap();
    std::fs::create_dir_all(person.join(".config/waybar")).unwrap();
    std::fs::write(person.join(".config/waybar/config"), "{}\n").unwrap();
    let programs = home.path().join("programs");
    std::fs::create_dir(&programs).unwrap();
    std::fs::write(programs.join("codex"), "#!/bin/sh\necho codex-cli 9.8.7\n").unwrap();
    set_mode(&programs.join("codex"), 0o755);
    home.set("PATH", format!("{}:/usr/bin:/bin", programs.display()));
    let gate = Gate::closed();
    server.push(USAGE, Answer::json(200, &usage()).behind(&gate));
    home.run(&["plain", "--wait", "1ms"]);
    server.wait_for(USAGE, 1);
    let output = home.run(&["doctor"]);
    gate.open();
    assert!(output.stdout.contains("codex         codex-cli 9.8.7, "), "{}", output.stdout);
    assert!(
        output.stdout.contains("host          tmux: ~/.tmux.conf names codexline\n"),
        "{}",
        output.stdout
    );
    let advice = "host          waybar: ~/.config/waybar/config does not name codexline; to set it \
                  up: codexline init waybar --write\n";
    assert!(output.stdout.contains(advice), "{}", output.stdout);
    let lock = output.stdout.lines().find(|line| line.contains(" lock ")).unwrap();
    assert!(lock.starts_with("note") && lock.contains(": held for <1m"), "{lock}");
}

// --- several accounts ----------------------------------------------------------------------------

#[test]
fn every_account_has_its_page_its_guard_and_its_examination() {
    let (sound, full) = (service(), Server::usage(usage_of(95, 17)));
    let (home, other) = (Home::new(&sound), Home::new(&full));
    let work = format!("work={}", home.codex_home().display());
    let play = format!("play={}", other.codex_home().display());
    let accounts = ["--account", &work, "--account", &play];
    let page = home.run(&[&["status"], &accounts[..]].concat()).stdout;
    assert!(page.starts_with("Codex work · Plus  "), "{page}");
    assert!(page.contains("\n\nCodex play · Plus  ") && page.contains("5% left"), "{page}");
    judges(
        &home.run(&[&["check", "--left", "10%"], &accounts[..]].concat()),
        1,
        "codexline: play: 5h: 5% left, less than 10%; resets in 1h03m\n",
    );
    judges(&home.run(&["check", "--left", "10%", "--account", &work]), 0, "");
    other.write_auth("{");
    let (code, report) = examine(&home, &accounts);
    assert_eq!((code, &report["broken"]), (Some(1), &json!(1)), "{report:#}");
}
