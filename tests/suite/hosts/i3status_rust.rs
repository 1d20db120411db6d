//! i3status-rust: what it tells its bar, without the bar.

use super::{HOSTILE, LINE, Scene, WINDOWS, plan, second_home};
use crate::support::hosts::status_command::StatusCommand;
use crate::support::hosts::{Stage, quoted, until};
use crate::support::server::Answer;
use crate::support::{usage, usage_of};
use std::time::{Duration, Instant};

const SNIPPET: &str = include_str!("../../../integrations/i3status-rust/config.toml");

/// A theme that gives each state a colour of its own.
const THEME: &str = "idle_fg = \"#00ff00\"\nwarning_fg = \"#ffff00\"\n\
                     critical_fg = \"#ff0000\"\n";

/// The blocks in the order of the file.
const FIRST: &str = "0:";
const SECOND: &str = "1:";
const THIRD: &str = "2:";

/// The snippet with some words replaced.
fn changed(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(SNIPPET.to_owned(), |text, (old, new)| {
        assert!(text.contains(old), "the snippet has another form: {text}");
        text.replace(old, new)
    })
}

#[test]
fn the_number_is_in_the_block_and_the_state_colours_it() {
    needs!("i3status-rs");
    let scene = Scene::warm(Stage::new(), usage());
    let (exhausted, _server) = second_home(&scene, usage_of(100, 17));
    let home = format!("\"CODEX_HOME={} codexline", quoted(exhausted.codex_home()));
    let theme = scene.stage.write("theme.toml", THEME);
    let mut config = format!("theme.theme = {theme:?}\n{SNIPPET}");
    config += &changed(&[("codexline i3status-rust", "codexline i3status-rust --warn 40")]);
    config += &changed(&[("\"codexline", &home)]);
    let mut bar = StatusCommand::i3status_rust(&scene.stage, &config);
    for (name, text, colour) in [
        (FIRST, LINE, "#00FF00FF"),
        (SECOND, "Codex 5h 58% left, resets in 1h03m · 7d 83% left", "#FFFF00FF"),
        (THIRD, "Codex 5h 0% left", "#FF0000FF"),
    ] {
        let block = bar.wait_for_text(name, text);
        assert_eq!(
            (&block["color"], &block["markup"]),
            (&colour.into(), &"pango".into()),
            "{block}"
        );
        let blocks = bar.blocks();
        let short = match name {
            THIRD => " Codex 5h 0% left, back in 1h03m ",
            SECOND => " Codex 5h 58% left, resets in 1h03m ",
            _ => " Codex 5h 58% left ",
        };
        assert!(
            blocks.iter().any(|block| block["instance"] == name && block["short_text"] == short),
            "{blocks:?}"
        );
    }
    assert!(bar.alive());
    assert_eq!(scene.requests(), 1, "the numbers were fresh");
}

#[test]
fn hostile_names_are_text() {
    needs!("i3status-rs");
    let scene = Scene::warm(Stage::new(), plan(HOSTILE));
    let arguments = "i3status-rust --format '{plan} {windows}'";
    let bar = StatusCommand::i3status_rust(
        &scene.stage,
        &changed(&[("i3status-rust\"\n", &format!("{arguments}\"\n"))]),
    );
    let block = bar.wait_for_text(FIRST, WINDOWS);
    // It parses the markup and writes it again, with quotes escaped too.
    let escaped = [("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("'", "&#39;"), ("\"", "&quot;")]
        .iter()
        .fold(HOSTILE.to_owned(), |text, (plain, escaped)| text.replace(plain, escaped));
    assert_eq!(block["full_text"], format!(" {escaped} {WINDOWS} "));
    assert!(!scene.was_tricked());
}

#[test]
fn signed_out_is_a_word() {
    needs!("i3status-rs");
    let scene = Scene::signed_out(Stage::new());
    let bar =
        StatusCommand::i3status_rust(&scene.stage, &changed(&[("interval = 15", "interval = 1")]));
    bar.wait_for_text(FIRST, "Codex: signed out");
}

#[test]
fn a_hanging_network_does_not_hold_the_other_blocks() {
    needs!("i3status-rs");
    let (scene, gate) = Scene::hanging(Stage::new());
    let clock = "[[block]]\nblock = \"custom\"\ncommand = \"date +%s%N\"\ninterval = 1\n";
    let config = format!("{}{clock}", changed(&[("interval = 15", "interval = 1")]));
    let mut bar = StatusCommand::i3status_rust(&scene.stage, &config);
    scene.server.wait_for(crate::support::USAGE, 1);
    let mut seen = std::collections::BTreeSet::new();
    until("four ticks of the clock", || {
        seen.extend(bar.block(SECOND).map(|block| block["full_text"].to_string()));
        (seen.len() >= 4).then_some(())
    });
    bar.wait_for_text(FIRST, "Codex: loading");
    gate.open();
    bar.wait_for_text(FIRST, LINE);
    assert!(bar.alive());
    assert_eq!(scene.requests(), 1);
}

#[test]
fn a_click_fetches_and_a_signal_repaints() {
    needs!("i3status-rs");
    let mut scene = Scene::warm(Stage::new(), usage());
    // The README's line would also repaint the bars of other tests.
    scene.stage.set("PKILLED", scene.stage.path("pkilled"));
    scene.stage.install("pkill", &scene.stage.script("pkill", "echo \"$@\" >> \"$PKILLED\""));
    let mut bar = StatusCommand::i3status_rust(
        &scene.stage,
        &changed(&[("interval = 15", "interval = 86400")]),
    );
    bar.wait_for_text(FIRST, LINE);
    let answer = usage_of(70, 17);
    scene.server.script(move |_| Answer::json(200, &answer));
    let mut clicked = None::<Instant>;
    until("the click to fetch", || {
        // Numbers from this very second are not fetched again.
        if clicked.is_none_or(|at| at.elapsed() > Duration::from_secs(2)) {
            bar.click(FIRST, 1);
            clicked = Some(Instant::now());
        }
        (scene.requests() > 1).then_some(())
    });
    until("the click's command to be done", || {
        let asked = std::fs::read_to_string(scene.stage.path("pkilled")).unwrap_or_default();
        asked.contains("-RTMIN+8 i3status-rs").then_some(())
    });
    bar.signal(8);
    bar.wait_for_text(FIRST, "Codex 5h 30% left");
    assert!(bar.alive());
}

/// During the test only a signal can repaint this block.
#[test]
fn a_fetch_pushes_the_number_into_the_block() {
    needs!("i3status-rs", "pkill");
    let scene = Scene::warm(Stage::new(), usage());
    let mut bar = StatusCommand::i3status_rust(
        &scene.stage,
        &changed(&[("interval = 15", "interval = 86400")]),
    );
    bar.wait_for_text(FIRST, LINE);
    let answer = usage_of(100, 17);
    scene.server.script(move |_| Answer::json(200, &answer));
    scene.prompt_that_pushes("i3status-rs", 8, bar.id());
    bar.wait_for_text(FIRST, "Codex 5h 0% left");
    assert!(bar.alive());
}
