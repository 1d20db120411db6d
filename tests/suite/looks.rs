//! How a line looks: glyphs, icon, colours, the short form. Also i3blocks' clicks, which change
//! what is shown.

use serde_json::{Value, json};

use codexline::hosts::HOSTS;

use crate::support::home::{Home, Output};
use crate::support::server::{Answer, Gate, Server};
use crate::support::{USAGE, USUAL_LINE, USUAL_LINE_WITH_RESETS, fresh_fixture, usage, usage_of};

/// A home whose entry is fresh.
fn warm(answer: Value) -> (Home, Server) {
    let server = Server::usage(answer);
    let home = Home::new(&server);
    home.fill();
    (home, server)
}

#[track_caller]
fn first_line(output: &Output) -> &str {
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output:?}");
    output.stdout.lines().next().unwrap_or_default()
}

#[test]
fn every_look_can_be_asked_for() {
    let (home, _server) = warm(usage());
    let check = |arguments: &[&str], expected: &str| {
        assert_eq!(first_line(&home.run(arguments)), expected, "{arguments:?}");
        // The same from the environment.
        let variables: Vec<(String, &str)> = arguments
            .iter()
            .filter_map(|argument| argument.strip_prefix("--"))
            .map(|option| option.split_once('=').unwrap_or((option, "1")))
            .map(|(name, value)| {
                (format!("CODEXLINE_{}", name.to_uppercase().replace('-', "_")), value)
            })
            .collect();
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let host = arguments.first().filter(|argument| !argument.starts_with("--"));
        assert_eq!(
            first_line(&home.run_with(&[*host.unwrap_or(&"plain")], &variables)),
            expected,
            "{variables:?}"
        );
    };
    check(&["--short"], "Codex 5h 58% left");
    check(&["--glyphs=ascii"], "Codex 5h 58% left | 7d 83% left");
    check(&["--glyphs=ascii", "--separator=/"], "Codex 5h 58% left/7d 83% left");
    check(&["--glyphs=ascii", "--window={used} {bar:4}"], "42% ==-- | 17% ===-");
    check(&["--glyphs=nerd", "--window={bar:2}"], "▰▱ \u{e0b1} ▰▱");
    check(&["--icon=⚡", "--short"], "⚡ 5h 58% left");
    check(&["--icon=auto", "--glyphs=ascii", "--short"], "codex 5h 58% left");
    check(&["--format={5h.used} {icon}"], "42% ⌬");
    check(&["--format={5h.used} {icon}", "--icon=X"], "42% X");
    check(&["--show=used"], "Codex 5h 42% used · 7d 17% used");
    check(&["--show=used", "--window={bar:4}"], "██░░ · █░░░");
    check(&["--reset=always"], USUAL_LINE_WITH_RESETS.trim_end());
    check(&["--icon=none", "--short"], "Codex 5h 58% left");
    check(&["tmux", "--colors=ok=208", "--short"], "Codex #[fg=colour208]5h 58% left#[default]");
    check(
        &["zsh", "--colors=ok=#ff8700", "--short"],
        "Codex %{\u{1b}[38;2;255;135;0m%}5h 58%% left%{\u{1b}[0m%}",
    );
    check(
        &["--color=always", "--colors=ok=bright-blue", "--short"],
        "Codex \u{1b}[94m5h 58% left\u{1b}[0m",
    );
}

#[test]
fn a_word_and_an_old_line_have_their_icon_too() {
    let home = Home::signed_out();
    for (arguments, expected) in [
        (&["--icon", "X"][..], "X: signed out"),
        (&["--icon", "X", "--short"], "X: signed out"),
        (&["--format", "{windows} {icon}", "--glyphs=ascii"], "codex: signed out"),
        (&["--glyphs=ascii"], "Codex: signed out"),
    ] {
        assert_eq!(first_line(&home.run(arguments)), expected, "{arguments:?}");
    }
    let (home, _server) = warm(usage());
    home.age(std::time::Duration::from_secs(23 * 60 + 20));
    let line = |arguments: &[&str]| {
        first_line(&home.run(&[&["--offline"], arguments].concat())).to_owned()
    };
    assert_eq!(line(&["--format", "{5h.used}"]), "42% (23m ago)");
    assert_eq!(line(&["--format", "{5h.used}", "--glyphs", "nerd"]), "42% \u{f017} 23m ago");
    assert_eq!(line(&["--short"]), "Codex 5h 58% left*");
}

#[test]
fn a_mistake_names_the_nearest() {
    let home = Home::signed_out();
    for (arguments, expected) in [
        (
            &["--glyphs", "nrd"][..],
            "--glyphs 'nrd': is not unicode, nerd or ascii; did you mean nerd?",
        ),
        (
            &["--colors", "warnin=red"],
            "--colors 'warnin=red': warnin is not a severity: unknown, ok, warning, critical, \
             exhausted; did you mean warning?",
        ),
        (&["--colors", "ok=gren"], "--colors 'ok=gren': unknown colour gren; did you mean green?"),
        (&["--colors", "ok=300"], "--colors 'ok=300': 300 is not a colour: 0 to 255, or #rrggbb"),
        (&["--format", "{icn}"], "--format '{icn}': unknown name {icn}; did you mean {icon}?"),
        (&["polbar"], "polybar"),
        // Nothing is near: no name is better than a wrong one.
        (&["xyzzy"], "unknown host or command 'xyzzy'; see"),
        (&["--foo"], "there is no option --foo; see"),
        (&["check"], "check: --left <PERCENT> was expected: what must be left, such as 10%; see"),
        // A mere beginning is not near enough.
        (&["claude"], "unknown host or command 'claude'; see"),
        (&["claude-cod"], "claude-code"),
    ] {
        let output = home.run(arguments);
        assert_eq!((output.code, output.stdout.as_str()), (Some(2), ""), "{output:?}");
        assert!(output.stderr.contains(expected), "{output:?}");
    }
}

#[test]
fn no_host_waits_for_its_stdin() {
    let (home, _server) = warm(usage());
    for host in HOSTS {
        // A pipe that nobody writes to or closes, as a bar may hand it over.
        let mut child = home
            .command(&[host.name])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let held = child.stdin.take();
        let output = crate::support::home::collect(child, std::time::Instant::now());
        assert!(
            ["42", "58"].iter().any(|part| first_line(&output).contains(part)),
            "{}: {output:?}",
            host.name
        );
        drop(held);
    }
}

#[test]
fn the_tooltip_tells_all_there_is() {
    let check = |fixture: &str, parts: &[&str]| {
        let (mut home, _server) = warm(fresh_fixture(fixture));
        home.set("TZ", "UTC");
        let block = home.run(&["waybar"]).json();
        let tooltip = block["tooltip"].as_str().unwrap();
        for part in parts {
            assert!(tooltip.contains(part), "{fixture}: no {part:?} in\n{tooltip}");
        }
        // The columns of all rows with a bar begin at the same place.
        let bars: Vec<usize> = tooltip
            .lines()
            .filter_map(|line| line.chars().position(|character| "━─".contains(character)))
            .collect();
        assert!(bars.windows(2).all(|pair| pair[0] == pair[1]), "{tooltip}");
    };
    check(
        "plus-5h-and-weekly-2026-05",
        &[
            "<tt><b>Codex Plus</b>\n",
            "\n5h  ",
            "\n7d  ",
            "% left\n         resets in ",
            "\nupdated  just now",
        ],
    );
    check("business-spend-control-2026-07", &["\nbudget", "94.48 of 12500 used"]);
    check("model-unavailable-reserve-pool-2026-09", &["Codex"]);
    let (home, server) = warm(usage());
    home.age(std::time::Duration::from_secs(600));
    server.always(Answer::status(500));
    let block = home.run(&["waybar", "--wait", "20s"]).json();
    assert_eq!(block["class"], json!(["ok", "stale", "error"]));
    assert!(block["tooltip"].as_str().unwrap().contains("500"), "{block}");
}

// --- i3blocks ------------------------------------------------------------------------------------

/// The full text of a block that is run with this button and for this instance.
#[track_caller]
fn block(home: &Home, button: &str, instance: &str) -> String {
    let variables = [("BLOCK_BUTTON", button), ("BLOCK_INSTANCE", instance)];
    first_line(&home.run_with(&["i3blocks"], &variables)).to_owned()
}

const FIVE_HOURS: &str = "Codex 5h 58% left";
const WEEK: &str = "Codex 7d 83% left";

#[test]
fn a_right_click_shows_the_next_window_and_it_stays() {
    let (home, server) = warm(usage());
    let both = USUAL_LINE.trim_end().to_string();
    for expected in [FIVE_HOURS, WEEK, &both, FIVE_HOURS] {
        assert_eq!(block(&home, "3", ""), expected);
        assert_eq!(block(&home, "", ""), expected);
        // Other buttons do not change what is shown, and neither do other hosts.
        assert_eq!(block(&home, "4", ""), expected);
        assert_eq!(
            first_line(&home.run_with(&["tmux"], &[("BLOCK_BUTTON", "3")]))
                .matches("% left")
                .count(),
            2
        );
    }
    // The colour and the short text are those of the window.
    let output = home.run_with(&["i3blocks", "--warn", "40"], &[]);
    assert_eq!(
        output.stdout,
        format!("{FIVE_HOURS}, resets in 1h03m\n{FIVE_HOURS}, resets in 1h03m\n#ffd75f\n")
    );
    assert_eq!(block(&home, "3", ""), WEEK);
    let output = home.run_with(&["i3blocks", "--warn", "40"], &[]);
    assert_eq!(output.stdout, format!("{WEEK}\n{WEEK}\n"));
    // A line with a format without windows: the default one stands in for it.
    assert_eq!(first_line(&home.run(&["i3blocks", "--format", "{5h.used}"])), WEEK);
    assert_eq!(server.total(), 1);
}

#[test]
fn an_instance_is_a_window() {
    let (home, server) = warm(usage());
    assert_eq!(block(&home, "", "7d"), WEEK);
    assert_eq!(block(&home, "3", "7d"), WEEK);
    assert_eq!(block(&home, "", "30d"), "Codex: no 30d");
    assert_eq!(block(&home, "", "<b>"), "Codex: no &lt;b&gt;");
    let swaybar = home.run_with(&["swaybar"], &[("BLOCK_INSTANCE", "7d")]).json();
    assert_eq!((&swaybar["full_text"], &swaybar["short_text"]), (&json!(WEEK), &json!(WEEK)));
    // The colour goes by the window that is shown, not by another one.
    server.always(Answer::json(200, &usage_of(100, 17)));
    home.fill();
    let output = home.run_with(&["i3blocks", "--urgent-exit"], &[("BLOCK_INSTANCE", "7d")]);
    assert_eq!((output.stdout.lines().count(), output.code), (2, Some(0)), "{output:?}");
}

#[test]
fn a_left_click_fetches_and_shows_what_came() {
    let (home, server) = warm(usage());
    home.age(std::time::Duration::from_secs(5));
    server.always(Answer::json(200, &usage_of(50, 20)));
    assert_eq!(block(&home, "", ""), USUAL_LINE.trim_end());
    assert_eq!(block(&home, "1", ""), "Codex 5h 50% left · 7d 80% left");
    assert_eq!(server.total(), 2);
    // A click fetches also during a back-off.
    home.age(std::time::Duration::from_secs(5));
    server.always(Answer::status(500));
    block(&home, "1", "");
    home.settle();
    assert_eq!(server.total(), 3);
    block(&home, "", "");
    assert_eq!(server.total(), 3, "a back-off");
    server.always(Answer::json(200, &usage_of(60, 20)));
    assert_eq!(block(&home, "1", ""), "Codex 5h 40% left · 7d 80% left");
    // It does not when offline.
    home.age(std::time::Duration::from_secs(5));
    home.run_with(&["i3blocks", "--offline"], &[("BLOCK_BUTTON", "1")]);
    assert_eq!(server.total(), 4);
}

#[test]
fn a_left_click_does_not_wait_for_ever() {
    let (home, server) = warm(usage());
    home.age(std::time::Duration::from_secs(5));
    let gate = Gate::closed();
    server.push(USAGE, Answer::json(200, &usage_of(50, 20)).behind(&gate));
    let output = home.run_with(&["i3blocks", "--wait", "50ms"], &[("BLOCK_BUTTON", "1")]);
    assert_eq!(first_line(&output), USUAL_LINE.trim_end());
    gate.open();
    home.settle();
    assert_eq!(block(&home, "", ""), "Codex 5h 50% left · 7d 80% left");
}

#[test]
fn exhausted_is_urgent_where_that_is_asked_for() {
    let (home, _server) = warm(usage_of(100, 17));
    let check = |arguments: &[&str], code: i32| {
        assert_eq!(home.run(arguments).code, Some(code), "{arguments:?}");
    };
    check(&["i3blocks"], 0);
    check(&["i3blocks", "--urgent-exit"], 33);
    check(&["swaybar", "--urgent-exit"], 33);
    for host in ["plain", "starship", "tmux", "waybar", "polybar"] {
        check(&[host, "--urgent-exit"], 0);
    }
    assert_eq!(home.run_with(&["i3blocks"], &[("CODEXLINE_URGENT_EXIT", "1")]).code, Some(33));
    let swaybar: Value =
        serde_json::from_str(&home.run(&["swaybar", "--urgent-exit"]).stdout).unwrap();
    assert_eq!(swaybar["urgent"], true);
    assert_eq!(home.run(&["swaybar"]).json()["urgent"], Value::Null);
}
