//! The config file: what it changes, what takes precedence over it, what is wrong in it; `codexline
//! config`; `--on-fetch`.

use std::path::PathBuf;
use std::time::Duration;

use crate::support::home::{Home, Output};
use crate::support::server::{Answer, Gate};
use crate::support::{
    USAGE, USUAL_LINE, USUAL_LINE_WITH_RESETS, eventually, signed_in, usage, usage_of,
};

/// A home with fresh numbers and a config file. No run in it fetches again.
fn home(config: &str) -> (Home, PathBuf) {
    let (_server, home) = signed_in();
    home.fill();
    let path = write(&home, config);
    (home, path)
}

/// Writes `$XDG_CONFIG_HOME/codexline/config.toml`.
fn write(home: &Home, config: &str) -> PathBuf {
    let directory = home.path().join("config/codexline");
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("config.toml");
    std::fs::write(&path, config).unwrap();
    path
}

#[track_caller]
fn prints(output: &Output, expected: &str) {
    assert_eq!(
        (output.stdout.as_str(), output.stderr.as_str(), output.code),
        (expected, "", Some(0))
    );
}

// --- layers --------------------------------------------------------------------------------------

#[test]
fn every_layer_beats_the_one_below() {
    let (home, _) = home("window = '{label}'\n[tmux]\nwindow = '{used}'\ncolor = 'never'\n");
    prints(&home.run(&[]), "5h · 7d\n");
    prints(&home.run(&["tmux"]), "42% · 17%\n");
    let environment = [("CODEXLINE_WINDOW", "{left}")];
    prints(&home.run_with(&["tmux"], &environment), "58% · 83%\n");
    prints(&home.run_with(&["tmux", "--window", "{label}!"], &environment), "5h! · 7d!\n");
}

#[test]
fn another_file_can_be_named() {
    let (mut home, _) = home("window = '{label}'\n");
    let other = home.path().join("other.toml");
    std::fs::write(&other, "window = '{used}'\n").unwrap();
    home.set("CODEXLINE_CONFIG", &other);
    prints(&home.run(&[]), "42% · 17%\n");
    home.set("CODEXLINE_CONFIG", "/dev/null");
    prints(&home.run(&[]), USUAL_LINE);
    home.set("CODEXLINE_CONFIG", home.path().join("none.toml"));
    let output = home.run(&[]);
    assert_eq!(output.stdout, "Codex 5h 58% left · 7d 83% left (config file)\n");
    assert!(output.stderr.contains("none.toml: cannot be read: no such file"), "{output:?}");
}

#[test]
fn without_xdg_it_lies_in_the_home_directory() {
    let (mut home, path) = home("window = '{label}'\n");
    home.unset("XDG_CONFIG_HOME");
    prints(&home.run(&[]), USUAL_LINE);
    std::fs::create_dir_all(home.path().join("home/.config/codexline")).unwrap();
    std::fs::rename(path, home.path().join("home/.config/codexline/config.toml")).unwrap();
    prints(&home.run(&[]), "5h · 7d\n");
}

#[test]
fn the_worker_and_fetch_go_by_it() {
    let (server, home) = signed_in();
    home.fill();
    write(&home, "max-age = '1h'\n[tmux]\nmax-age = '0s'\n");
    home.age(Duration::from_secs(600));
    prints(&home.run(&[]), USUAL_LINE);
    home.settle();
    assert_eq!(server.count(USAGE), 1, "an hour is not over");
    home.run(&["tmux", "--wait", "10s"]);
    home.settle();
    assert_eq!(server.count(USAGE), 2, "for tmux it is always old, and the worker knows");
    write(&home, "verbose = true\n");
    let output = home.run(&["fetch"]);
    assert!(output.stderr.contains("status 200"), "{output:?}");
}

// --- mistakes ------------------------------------------------------------------------------------

#[test]
fn a_mistake_marks_the_line_and_is_named_with_its_line_number() {
    let (home, path) = home("# mine\nwindow = '{label}'\nmax_age = '5m'\n");
    let output = home.run(&[]);
    assert_eq!((output.stdout.as_str(), output.code), ("5h · 7d (config line 3)\n", Some(0)));
    let expected = format!(
        "codexline: {}:3: unknown key max_age; did you mean max-age?; correct it; see codexline \
         config\n",
        path.display()
    );
    assert_eq!(output.stderr, expected);
    // A bar drops or logs its stderr, each time.
    prints(&home.run(&["tmux", "--color", "never"]), "5h · 7d (config line 3)\n");
    let output = home.run(&["tmux", "--verbose"]);
    assert!(output.stderr.contains(&expected), "{output:?}");
    let json = home.run(&["json"]).json();
    assert_eq!(json["error"]["code"], "config_mistake");
    assert!(
        json["error"]["message"].as_str().unwrap().ends_with("did you mean max-age?"),
        "{json}"
    );
    assert_eq!((&json["stale"], &json["windows"][0]["used_percent"]), (&false.into(), &42.into()));
    let waybar = home.run(&["waybar"]).json();
    assert_eq!(waybar["text"], "5h · 7d (config line 3)");
    assert!(waybar["class"].as_array().unwrap().contains(&"error".into()), "{waybar}");
}

#[test]
fn wrong_values_leave_defaults_and_other_hosts_alone() {
    let (home, _) = home("warn = 'much'\n[tmux]\nwindow = '{usd}'\n");
    let output = home.run(&[]);
    assert_eq!(output.stdout, USUAL_LINE.replace('\n', " (config line 1)\n"));
    assert!(output.stderr.contains(":1: warn = \"much\": is not a percentage"), "{output:?}");
    assert!(!output.stderr.contains("usd"), "{output:?}");
    prints(
        &home.run(&["tmux", "--color", "never", "--warn", "3"]),
        &USUAL_LINE_WITH_RESETS.replace('\n', " (config line 3)\n"),
    );
    prints(&home.run(&["--warn", "3"]), USUAL_LINE_WITH_RESETS);
}

#[test]
fn a_broken_file_of_any_kind_still_gives_a_line() {
    let texts: [&[u8]; 7] = [
        b"window = '{label}'\nmax-age = \n",
        b"[tmux\n",
        b"\xff\xfe\n",
        b"\0\0\0\0",
        b"window = '{label}'\nwindow = '{label}'\n",
        b"[[[[[[[[[[[[[[[[",
        b"a.b.c.d.e.f = { x = [ [ [ { } ] ] ] }\n",
    ];
    let (home, path) = home("");
    for text in texts {
        std::fs::write(&path, text).unwrap();
        for host in ["plain", "tmux", "json", "waybar", "i3blocks", "starship"] {
            let output = home.run(&[host]);
            assert_eq!(output.code, Some(0), "{output:?}");
            assert!(output.stdout.contains("5h"), "{output:?}");
        }
        assert!(home.run(&[]).stdout.contains(" (config"), "{:?}", String::from_utf8_lossy(text));
        let output = home.run(&["config"]);
        assert!(output.code == Some(1) && output.stderr.contains("config.toml:"), "{output:?}");
    }
    std::fs::write(&path, vec![b'#'; 1024 * 1024]).unwrap();
    assert!(home.run(&[]).stdout.ends_with(" (config file)\n"));
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(home.run(&[]).stdout.ends_with(" (config file)\n"));
}

#[test]
fn what_is_worse_than_a_mistake_is_the_error() {
    let home = Home::signed_out();
    write(&home, "wran = 1\n");
    let output = home.run(&["--wait", "10s"]);
    assert_eq!(output.stdout, "Codex: signed out (config line 1)\n");
    assert_eq!(home.run(&["json"]).json()["error"]["code"], "not_signed_in");
    // Nothing has been fetched yet, and nothing else is wrong.
    let home = Home::signed_out();
    write(&home, "wran = 1\n");
    assert_eq!(home.run(&["--offline"]).stdout, "Codex: loading (config line 1)\n");
    assert_eq!(home.run(&["json", "--offline"]).json()["error"]["code"], "config_mistake");
}

#[test]
fn old_numbers_keep_their_age_beside_the_mark() {
    let (home, _) = home("wran = 1\n");
    home.age(Duration::from_secs(23 * 60));
    assert_eq!(
        home.run(&["--offline"]).stdout,
        USUAL_LINE.replace('\n', " (23m ago, config line 1)\n")
    );
}

// --- codexline config ----------------------------------------------------------------------------

#[test]
fn config_shows_what_is_in_force_and_where_it_comes_from() {
    let (home, path) = home("warn = 60\n[tmux]\nwindow = '{used}'\n");
    let output =
        home.run_with(&["config", "tmux", "--critical", "95"], &[("CODEXLINE_COLOR", "never")]);
    assert_eq!((output.stderr.as_str(), output.code), ("", Some(0)));
    let lines: Vec<(&str, &str)> = output
        .stdout
        .lines()
        .filter_map(|line| line.split_once("  # "))
        .map(|(left, right)| (left.trim(), right))
        .collect();
    for expected in [
        ("warn = 60", "line 1"),
        ("window = \"{used}\"", "line 3, [tmux]"),
        ("color = \"never\"", "CODEXLINE_COLOR"),
        ("critical = 95", "command line"),
        ("max-age = \"2m\"", "default"),
    ] {
        assert!(lines.contains(&expected), "{expected:?}: {}", output.stdout);
    }
    assert!(output.stdout.contains(path.to_str().unwrap()));
    assert!(!home.run(&["config"]).stdout.contains("[tmux]"));

    let output = Home::signed_out().run(&["config"]);
    assert!(output.stdout.contains("there is no ") && output.code == Some(0), "{output:?}");
}

#[test]
fn config_tells_of_every_mistake_also_for_other_hosts() {
    let (home, _) = home("wran = 60\n[tmux]\nwindow = '{usd}'\n[wayba]\n");
    let output = home.run(&["config", "json"]);
    assert_eq!(output.code, Some(1));
    for text in [
        ":1: unknown key wran; did you mean warn?",
        "did you mean {used}?",
        "did you mean [waybar]?",
    ] {
        assert!(output.stderr.contains(text), "{text}: {output:?}");
    }
    assert_eq!(output.stderr.lines().count(), 3, "{output:?}");
}

#[test]
fn the_default_file_can_be_used_as_it_stands() {
    let (home, path) = home("");
    let output = home.run(&["config", "--default"]);
    assert_eq!((output.stderr.as_str(), output.code), ("", Some(0)));
    std::fs::write(path, &output.stdout).unwrap();
    prints(&home.run(&[]), USUAL_LINE);
    assert_eq!(home.run(&["config", "--default"]).stdout, output.stdout);
    assert!(home.run(&["config", "tmux"]).stdout.matches("# default").count() > 5);
}

// --- --on-fetch ----------------------------------------------------------------------------------

/// A file, and a command that appends a line to it.
fn noting(home: &Home, words: &str) -> (String, PathBuf) {
    let path = home.path().join("told");
    (format!("echo {words} >> '{}'", path.display()), path)
}

fn told(path: &PathBuf) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn on_fetch_runs_after_new_numbers_were_stored_and_only_then() {
    let (server, home) = signed_in();
    let (command, path) = noting(&home, "new");
    let line = ["--max-age", "1h", "--wait", "20s", "--on-fetch", &command];
    prints(&home.run(&line), USUAL_LINE);
    eventually("the command's note", || told(&path) == "new\n");
    home.settle();
    // A line with fresh numbers fetches nothing, so no command runs.
    prints(&home.run(&line), USUAL_LINE);
    home.settle();
    assert_eq!(told(&path), "new\n");
    // By hand.
    prints(&home.run(&["fetch"]), "");
    assert_eq!(told(&path), "new\n");
    prints(&home.run_with(&["fetch"], &[("CODEXLINE_ON_FETCH", &command)]), "");
    assert_eq!(told(&path), "new\nnew\n");
    // A failure brings no new numbers.
    server.always(Answer::status(500));
    assert_eq!(home.run(&["fetch", "--on-fetch", &command]).code, Some(1));
    assert_eq!(told(&path), "new\nnew\n");
}

#[test]
fn on_fetch_sees_the_new_numbers_and_does_not_start_itself_again() {
    let (server, home) = signed_in();
    home.fill();
    server.always(Answer::json(200, &usage_of(50, 20)));
    let out = home.path().join("line");
    let program = env!("CARGO_BIN_EXE_codexline");
    // As `tmux set -g @codexline "$(codexline tmux)"` would do it. With this age every line is
    // stale and starts a worker.
    let command = format!(
        "'{program}' --max-age 0s > '{0}.new' && '{program}' fetch && mv '{0}.new' '{0}'",
        out.display()
    );
    write(&home, &format!("max-age = '0s'\non-fetch = \"{command}\"\n"));
    home.run(&["--wait", "0s"]);
    eventually("the new line", || told(&out) == "Codex 5h 50% left · 7d 80% left\n");
    home.settle();
    assert_eq!(
        server.count(USAGE),
        3,
        "by hand, behind the line, by the fetch in the command; no more"
    );
}

#[test]
fn on_fetch_that_hangs_holds_no_lock() {
    let (server, home) = signed_in();
    let (note, path) = noting(&home, "begun");
    let command = format!("{note}; exec sleep 1000");
    let begun = std::time::Instant::now();
    prints(&home.run(&["--wait", "20s", "--on-fetch", &command]), USUAL_LINE);
    eventually("the command's start", || told(&path) == "begun\n");
    // The worker waits for the command meanwhile. The next fetch does not wait for the worker.
    prints(&home.run(&["fetch", "--on-fetch", ""]), "");
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
    assert_eq!(server.count(USAGE), 2);
}

#[test]
fn on_fetch_holds_none_of_the_host_s_pipes() {
    let (server, home) = signed_in();
    home.fill();
    let gate = Gate::closed();
    server.push(USAGE, Answer::json(200, &usage()).behind(&gate));
    let (note, path) = noting(&home, "$(ls -l /proc/self/fd | grep -c pipe)");
    // The only pipe of `ls` is the one to grep.
    let output = home.run(&["--max-age", "0s", "--wait", "0s", "--on-fetch", &note]);
    prints(&output, USUAL_LINE);
    gate.open();
    eventually("the note", || told(&path) == "1\n");
}

#[test]
fn an_empty_on_fetch_stands_for_none() {
    let (server, home) = signed_in();
    let (command, path) = noting(&home, "new");
    write(&home, &format!("on-fetch = \"{command}\"\n[tmux]\non-fetch = ''\n"));
    home.run_with(&["tmux", "--wait", "10s"], &[]);
    home.settle();
    assert_eq!((server.count(USAGE), told(&path)), (1, String::new()));
    home.run(&["--max-age", "0s", "--wait", "10s"]);
    home.settle();
    assert_eq!((server.count(USAGE), told(&path)), (2, "new\n".to_owned()));
}
