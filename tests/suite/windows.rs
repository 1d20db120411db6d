//! The Windows build, in wine: what the README claims of it. `.ci/windows` builds it.

use crate::support::double;
use crate::support::home::{ACCOUNT, Login, finish};
use crate::support::server::{Answer, Gate, Server};
use crate::support::windows::{Windows, compile_codex, dos};
use crate::support::{TOKEN, USAGE, USUAL_LINE, eventually_within, usage, usage_of};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// How long what must happen may take. wine needs seconds to start where the machine is busy.
const LATEST: Duration = Duration::from_secs(60);
/// A line that waits for an answer, for longer than it may need.
const PATIENT: [&str; 3] = ["plain", "--wait", "60s"];
const NEW_LINE: &str = "Codex 5h 50% left · 7d 80% left\n";

fn signed_in(program: &Path) -> (Server, Windows) {
    let server = Server::usage(usage());
    let windows = Windows::new(&server, program.to_owned());
    (server, windows)
}

/// A stale entry, and a server that holds the next answer until the gate opens.
fn stale(program: &Path) -> (Server, Windows, Gate) {
    let (server, windows) = signed_in(program);
    prints(&windows, &["fetch"], "");
    windows.home.age(Duration::from_secs(300));
    let gate = Gate::closed();
    let held = gate.clone();
    server.script(move |_| Answer::json(200, &usage_of(50, 20)).behind(&held));
    (server, windows, gate)
}

#[track_caller]
fn prints(windows: &Windows, arguments: &[&str], expected: &str) {
    let output = windows.run(arguments);
    let found = (output.stdout.as_str(), output.stderr.as_str(), output.code);
    assert_eq!(found, (expected, "", Some(0)), "{arguments:?}");
}

#[test]
fn the_first_line_waits_for_the_answer_and_the_next_asks_nobody() {
    let (server, windows) = signed_in(&needs!("wine"));
    prints(&windows, &PATIENT, USUAL_LINE);
    prints(&windows, &["plain", "--max-age", "1h"], USUAL_LINE);
    let value = windows.run(&["json", "--max-age", "1h"]).json();
    assert_eq!(value["windows"][0]["left_percent"], 58.0, "{value}");
    let page = windows.run(&["status", "--max-age", "1h"]);
    assert!(page.stdout.contains("58% left") && page.code == Some(0), "{page:?}");
    assert_eq!(server.count(USAGE), 1);
}

#[test]
fn the_wait_is_over_when_the_worker_has_ended() {
    let (server, windows) = signed_in(&needs!("wine"));
    server.always(Answer::status(503));
    let output = windows.run(&["plain", "--wait", "10m"]);
    assert_eq!((output.stdout.as_str(), output.code), ("Codex: outage\n", Some(0)), "{output:?}");
}

#[test]
fn a_stale_line_waits_for_nobody_and_its_worker_holds_no_handle_of_the_hosts() {
    let (server, windows, gate) = stale(&needs!("wine"));
    for _ in 0..3 {
        let mut command = windows.command(&["starship", "--color", "never"]);
        // This waits for the end of its output while the server still holds its answer. wine's own
        // processes keep the other pipe open, so that is not looked at.
        let output = command.stderr(Stdio::null()).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), USUAL_LINE);
    }
    server.wait_for(USAGE, 2);
    gate.open();
    eventually_within(LATEST, "the worker's answer", || {
        windows.run(&["starship", "--color", "never", "--offline"]).stdout == NEW_LINE
    });
    assert_eq!(server.count(USAGE), 2, "all of them asked once");
}

#[test]
fn a_worker_outlives_its_console() {
    let (server, windows, gate) = stale(&needs!("script", "wine"));
    // The console is open until somebody types.
    let mut terminal = windows.console(&["plain", "--wait", "0s"], "read -r line");
    let mut terminal =
        terminal.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    server.wait_for(USAGE, 2);
    terminal.kill().unwrap();
    terminal.wait().unwrap();
    gate.open();
    eventually_within(LATEST, "the worker's answer", || {
        windows.run(&["plain", "--offline", "--color", "never"]).stdout == NEW_LINE
    });
}

#[test]
fn a_refused_login_is_read_again_and_never_refreshed() {
    let (server, windows) = signed_in(&needs!("wine"));
    let before = std::fs::read(windows.home.auth_path()).unwrap();
    server.always(Answer::status(401));
    let output = windows.run(&["fetch"]);
    assert_eq!(output.code, Some(1), "{output:?}");
    let auth_json = dos(&windows.home.auth_path());
    let refused = format!("only codex can refresh the login in {auth_json}; start codex once");
    let output = windows.run(&["auth", "refresh"]);
    assert!(output.code == Some(1) && output.stderr.contains(&refused), "{output:?}");
    let page = windows.run(&["auth"]);
    assert!(page.code == Some(0) && page.stdout.contains(&refused), "{page:?}");
    for recover in [["fetch", "--recover", "full"], ["config", "--recover", "full"]] {
        let output = windows.run(&recover);
        assert_eq!(output.code, Some(2), "{output:?}");
        assert!(output.stderr.contains("on Windows only codex refreshes"), "{output:?}");
    }
    assert_eq!(std::fs::read(windows.home.auth_path()).unwrap(), before);
    // Codex refreshes it while the answer is on its way.
    let newer = Login::of(ACCOUNT);
    let (bearer, old) = (newer.access_token.clone(), windows.home.read_auth());
    let path = windows.home.auth_path();
    server.script(move |request| {
        if request.bearer() == Some(&bearer) {
            return Answer::json(200, &usage());
        }
        std::fs::write(&path, newer.json().to_string()).unwrap();
        Answer::status(401)
    });
    prints(&windows, &["fetch"], "");
    assert_ne!(windows.home.read_auth(), old);
    assert_eq!(server.count(TOKEN), 0);
}

#[test]
fn hooks_are_lines_of_cmd_with_blanks_and_quotes() {
    let (_server, windows) = signed_in(&needs!("wine"));
    let directory = windows.home.path().join("with a blank");
    std::fs::create_dir(&directory).unwrap();
    let file = dos(&directory.join("out.txt"));
    let hook = format!("echo \"a  b\" ^& %CODEX_HOME%>\"{file}\" && echo c>>\"{file}\"");
    prints(&windows, &["fetch", "--on-fetch", &hook], "");
    let written = std::fs::read_to_string(directory.join("out.txt")).unwrap();
    let home = dos(&windows.home.codex_home());
    let lines: Vec<&str> = written.lines().map(str::trim_end).collect();
    assert_eq!(lines, [&format!("\"a  b\" & {home}"), "c"]);
}

/// Codex as npm installs it: a `.cmd` file that starts the program, and beside it a script of the
/// same name for a Unix shell.
#[test]
fn codex_is_found_and_asked_as_it_is_installed() {
    let (server, mut windows) = signed_in(&needs!("wine"));
    let directory = windows.home.path().join("npm of mine");
    let package = directory.join("node_modules/@openai/codex/bin");
    std::fs::create_dir_all(&package).unwrap();
    compile_codex(&package.join("codex.exe"));
    std::fs::write(directory.join("codex"), "#!/bin/sh\nexit 1\n").unwrap();
    let shim = "@echo off\r\n\"%~dp0node_modules\\@openai\\codex\\bin\\codex.exe\" %*\r\n";
    std::fs::write(directory.join("codex.cmd"), shim).unwrap();
    windows.home.set("MADE_UP_ANSWER", double::limits(ACCOUNT).to_string());
    for (place, name) in [(&directory, "codex.cmd"), (&package, "codex.exe")] {
        windows.home.set("WINEPATH", dos(place));
        let page = windows.run(&["doctor"]);
        let found = format!("codex-cli 0.169.0, {}", dos(&place.join(name)));
        assert!(page.stdout.contains(&found), "{found}: {page:?}");
        prints(&windows, &["fetch", "--source", "codex"], "");
        let value = windows.run(&["json", "--offline", "--source", "codex"]).json();
        assert_eq!(value["windows"][0]["left_percent"], 58.0, "{value}");
        assert_eq!(value["source"], "codex", "{value}");
    }
    // By its own path, as --codex-bin names it.
    let named = dos(&directory.join("codex.cmd"));
    prints(&windows, &["fetch", "--source", "codex", "--codex-bin", &named], "");
    // A login in the system's store is Codex's to use.
    let base = server.base();
    windows.home.write_config(&format!(
        "chatgpt_base_url = '{base}'\ncli_auth_credentials_store = 'keyring'\n"
    ));
    std::fs::remove_file(windows.home.auth_path()).unwrap();
    let mut words = PATIENT.to_vec();
    words.extend(["--codex-bin", &named]);
    prints(&windows, &words, USUAL_LINE);
    // doctor looks whether the server is there.
    assert!(server.requests().iter().all(|request| request.bearer().is_none()));
}

#[test]
fn the_home_is_that_of_windows_before_that_of_a_unix_shell() {
    let (_server, windows) = signed_in(&needs!("wine"));
    let (profile, home) = (windows.home.path().join("profile"), windows.home.path().join("home"));
    for directory in [&profile, &home] {
        std::fs::create_dir_all(directory.join(".codex")).unwrap();
        std::fs::copy(windows.home.auth_path(), directory.join(".codex/auth.json")).unwrap();
    }
    let output = windows.batch(&[
        "set CODEX_HOME=",
        &format!("set USERPROFILE={}", dos(&profile)),
        &format!("set HOME={}", dos(&home)),
        &format!("{} auth", windows.program()),
    ]);
    let file = dos(&profile.join(".codex"));
    assert!(output.stdout.contains(&file), "{file}: {output:?}");
    assert!(!output.stdout.contains(&dos(&home.join(".codex"))), "{output:?}");
}

#[test]
fn local_times_are_those_of_the_zone_that_is_set() {
    let (_server, mut windows) = signed_in(&needs!("wine"));
    prints(&windows, &["fetch"], "");
    let reset = windows.home.entry().unwrap()["answer"]["usage"]["windows"][0]["resets_at"]
        .as_i64()
        .unwrap();
    let clock = |offset: i64| {
        let minutes = (reset + offset).rem_euclid(86_400) / 60;
        format!("{:02}:{:02}", minutes / 60, minutes % 60)
    };
    let words = ["plain", "--offline", "--color", "never", "--window", "{label} {reset_at}"];
    // Neither has summer time. The first is known by its name, from the zones in the program.
    for (name, offset) in [("Asia/Kolkata", 19_800), ("Asia/Tokyo", 32_400)] {
        windows.home.set("TZ", name);
        let line = windows.run(&words).stdout;
        assert!(line.contains(&clock(offset)), "{name}: {line}, not {}", clock(offset));
        // wine takes the system's zone from the variable, and the program gets none.
        let output = windows.batch(&[
            "set TZ=",
            &format!("{} --offline --color never --window \"{{reset_at}}\"", windows.program()),
        ]);
        assert!(output.stdout.contains(&clock(offset)), "{name}: {output:?}");
    }
}

#[test]
fn doctor_names_the_system() {
    let (_server, windows) = signed_in(&needs!("wine"));
    let page = windows.run(&["doctor"]);
    assert!(page.stdout.contains("windows") && page.stdout.contains("x86_64"), "{page:?}");
    assert!(page.stdout.contains(&windows.program()), "{page:?}");
}

#[test]
fn colours_come_only_where_a_console_shows_them() {
    let (_server, windows) = signed_in(&needs!("script", "wine"));
    let plain = finish(&mut windows.command(&["demo"]));
    assert!(plain.stdout.contains("58%") && !plain.stdout.contains('\x1b'), "{plain:?}");
    let coloured = finish(&mut windows.command(&["demo", "--color", "always"]));
    assert!(coloured.stdout.contains("\x1b[1m"), "{coloured:?}");
    let console = finish(&mut windows.console(&["demo"], "true"));
    assert!(console.stdout.contains("\x1b[1m"), "{console:?}");
}
