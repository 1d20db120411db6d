//! Claude Code's status line, in a home of its own with a made-up key. It is only started, and
//! sends no request.

use super::{HOSTILE, LINE, Scene, WINDOWS, plan};
use crate::support::hosts::Stage;
use crate::support::hosts::claude_code;

const SNIPPET: &str = include_str!("../../../integrations/claude-code/settings.json");

/// The snippet with arguments behind `codexline claude-code`, run each second.
fn with_arguments(arguments: &str) -> String {
    let changed = SNIPPET
        .replace("codexline claude-code", &format!("codexline claude-code {arguments}"))
        .replace("\"refreshInterval\": 15", "\"refreshInterval\": 1");
    assert!(
        changed.contains(arguments) && changed.contains(": 1\n"),
        "the snippet has another form"
    );
    changed
}

#[test]
fn the_number_is_in_the_status_line_and_names_are_text() {
    needs!("claude", "tmux");
    let scene = Scene::warm(Stage::new(), plan(HOSTILE));
    let hostile = with_arguments("--warn 40 --format '{plan} {windows}'");
    for (name, settings, line) in
        [("usual", SNIPPET, LINE.to_owned()), ("hostile", &hostile, format!("{HOSTILE} {WINDOWS}"))]
    {
        let terminal = claude_code::open(&scene.stage, name, settings);
        terminal.wait_for(&line);
        let is_marked = terminal.coloured().contains("\x1b[38;5;16m\x1b[48;5;220m5h 42% 1h03m");
        assert_eq!(is_marked, name == "hostile", "{:?}", terminal.coloured());
    }
    assert!(!scene.was_tricked());
    assert_eq!(scene.requests(), 1, "the numbers were fresh");
}

#[test]
fn neither_a_missing_login_nor_a_hanging_network_holds_it() {
    needs!("claude", "tmux");
    let signed_out = Scene::signed_out(Stage::new());
    let terminal = claude_code::open(&signed_out.stage, "signed out", &with_arguments(""));
    terminal.wait_for("Codex: signed out");
    drop(terminal);
    let (hanging, gate) = Scene::hanging(Stage::new());
    let terminal = claude_code::open(&hanging.stage, "hanging", &with_arguments(""));
    terminal.wait_for("Codex: loading");
    hanging.server.wait_for(crate::support::USAGE, 1);
    terminal.keys("typed meanwhile");
    terminal.wait_for("typed meanwhile");
    gate.open();
    terminal.wait_for(LINE);
    assert_eq!(hanging.requests(), 1);
}
