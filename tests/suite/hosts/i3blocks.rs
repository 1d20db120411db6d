//! i3blocks' own protocol, without a bar: version 1.4 as Debian has it, and 1.5 from `.ci/hosts`.

use super::{HOSTILE, LINE, Scene, WINDOWS, plan, second_home};
use crate::support::hosts::status_command::StatusCommand;
use crate::support::hosts::{Stage, program, quoted, until};
use crate::support::{usage, usage_of};
use std::time::{Duration, Instant};

const SNIPPET: &str = include_str!("../../../integrations/i3blocks/i3blocks.conf");

/// The installed versions. A test that needs 1.5 says so itself.
fn versions() -> Vec<&'static str> {
    ["i3blocks", "i3blocks-1.5"].into_iter().filter(|name| program(name).is_some()).collect()
}

/// The snippet with arguments behind `codexline i3blocks`, run each second.
fn with_arguments(arguments: &str) -> String {
    let changed = SNIPPET
        .replace("codexline i3blocks", &format!("codexline i3blocks {arguments}"))
        .replace("interval=15", "interval=1");
    assert!(
        changed.contains(arguments) && changed.contains("interval=1\n"),
        "the snippet has another form"
    );
    changed
}

#[test]
fn the_number_is_in_the_block() {
    needs!("i3blocks");
    let scene = Scene::warm(Stage::new(), usage());
    let (exhausted, _server) = second_home(&scene, usage_of(100, 17));
    let mut config = SNIPPET.to_owned();
    config += "\n[urgent]\nmarkup=pango\ninterval=15\n";
    config +=
        &format!("command=CODEX_HOME={} exec codexline i3blocks\n", quoted(exhausted.codex_home()));
    for version in versions() {
        let mut i3blocks = StatusCommand::i3blocks(&scene.stage, version, &config);
        let block = i3blocks.wait_for_text("codexline", LINE);
        assert_eq!(
            (&block["short_text"], &block["markup"]),
            (&"Codex 5h 58% left".into(), &"pango".into())
        );
        let block = i3blocks.wait_for_text("urgent", "5h 0% left");
        let colour = block["color"].as_str().unwrap_or_default();
        assert!(colour.starts_with('#') && colour.len() == 7, "{block}");
        assert!(i3blocks.alive());
    }
    assert_eq!(scene.requests(), 1, "the numbers were fresh");
}

#[test]
fn hostile_names_are_text() {
    needs!("i3blocks");
    let scene = Scene::warm(Stage::new(), plan(HOSTILE));
    for version in versions() {
        let config = with_arguments("--format \"{plan} {windows}\"");
        let i3blocks = StatusCommand::i3blocks(&scene.stage, version, &config);
        let block = i3blocks.wait_for_text("codexline", WINDOWS);
        let shown = block["full_text"].as_str().expect("text");
        assert!(!shown.contains('<') && shown.contains("&lt;b&gt;&amp;amp;"), "{shown}");
    }
    assert!(!scene.was_tricked());
}

#[test]
fn signed_out_is_a_word() {
    needs!("i3blocks");
    let scene = Scene::signed_out(Stage::new());
    let i3blocks = StatusCommand::i3blocks(&scene.stage, "i3blocks", &with_arguments(""));
    i3blocks.wait_for_text("codexline", "Codex: signed out");
}

#[test]
fn a_hanging_network_does_not_hold_the_other_blocks() {
    needs!("i3blocks");
    for version in versions() {
        let (scene, gate) = Scene::hanging(Stage::new());
        let config = format!("{}\n[clock]\ncommand=date +%s%N\ninterval=1\n", with_arguments(""));
        let mut i3blocks = StatusCommand::i3blocks(&scene.stage, version, &config);
        scene.server.wait_for(crate::support::USAGE, 1);
        let mut seen = std::collections::BTreeSet::new();
        until("four ticks of the clock", || {
            seen.extend(i3blocks.block("clock").map(|block| block["full_text"].to_string()));
            (seen.len() >= 4).then_some(())
        });
        i3blocks.wait_for_text("codexline", "Codex: loading");
        gate.open();
        i3blocks.wait_for_text("codexline", LINE);
        assert!(i3blocks.alive());
        assert_eq!(scene.requests(), 1);
    }
}

#[test]
fn a_signal_repaints_and_a_click_leaves_the_block_whole() {
    needs!("i3blocks");
    let scene = Scene::warm(Stage::new(), usage());
    let mut i3blocks = StatusCommand::i3blocks(&scene.stage, "i3blocks", SNIPPET);
    i3blocks.wait_for_text("codexline", LINE);
    let answer = usage_of(100, 17);
    scene.server.script(move |_| crate::support::server::Answer::json(200, &answer));
    scene.fetch(&scene.home);
    i3blocks.signal(10);
    i3blocks.wait_for_text("codexline", "5h 0% left");
    for button in [2, 4, 5] {
        let repaints = i3blocks.repaints();
        i3blocks.click("codexline", button);
        until("the block to be drawn again", || (i3blocks.repaints() > repaints).then_some(()));
        i3blocks.wait_for_text("codexline", "5h 0% left");
    }
    assert!(i3blocks.alive());
}

/// During the test only a signal can repaint this block.
#[test]
fn a_fetch_pushes_the_number_into_the_block() {
    needs!("i3blocks", "pkill");
    for version in versions() {
        let scene = Scene::warm(Stage::new(), usage());
        let config = SNIPPET.replace("interval=15", "interval=86400");
        assert_ne!(config, SNIPPET, "the snippet has another form");
        let mut i3blocks = StatusCommand::i3blocks(&scene.stage, version, &config);
        i3blocks.wait_for_text("codexline", LINE);
        let answer = usage_of(100, 17);
        scene.server.script(move |_| crate::support::server::Answer::json(200, &answer));
        let painted = i3blocks.repaints();
        scene.prompt_that_pushes(&name_of(i3blocks.id()), 10, i3blocks.id());
        i3blocks.wait_for_text("codexline", "Codex 5h 0% left");
        assert!(i3blocks.repaints() > painted && i3blocks.alive());
    }
}

/// The name of the process. That of 1.5 is the loader that runs it.
fn name_of(id: u32) -> String {
    let name = std::fs::read_to_string(format!("/proc/{id}/comm")).expect("it runs");
    name.trim().to_owned()
}

/// Clicks until the block shows `wanted`. One click should be enough, but i3blocks drops a click
/// while it thinks that the block's last command still runs. A dropped click changes nothing, so
/// another one does no harm.
fn click(i3blocks: &mut StatusCommand, button: u8, wanted: &str) {
    let text = |i3blocks: &StatusCommand| {
        i3blocks.block("codexline").map(|block| block["full_text"].clone())
    };
    let before = text(i3blocks);
    let mut clicked = None::<Instant>;
    until(&format!("{wanted:?} after a click"), || {
        let now = text(i3blocks);
        if now == before && clicked.is_none_or(|at| at.elapsed() > Duration::from_secs(5)) {
            i3blocks.click("codexline", button);
            clicked = Some(Instant::now());
        }
        now.filter(|now| now == wanted)
    });
}

#[test]
fn a_right_click_shows_the_next_window_and_a_left_click_fetches() {
    needs!("i3blocks");
    for version in versions() {
        let scene = Scene::warm(Stage::new(), usage());
        let mut i3blocks = StatusCommand::i3blocks(&scene.stage, version, SNIPPET);
        i3blocks.wait_for_text("codexline", LINE);
        for text in ["Codex 5h 58% left", "Codex 7d 83% left", LINE] {
            click(&mut i3blocks, 3, text);
        }
        let answer = usage_of(100, 17);
        scene.server.script(move |_| crate::support::server::Answer::json(200, &answer));
        // Numbers from this very second are not fetched again.
        std::thread::sleep(Duration::from_millis(1100));
        click(&mut i3blocks, 1, "Codex 5h 0% left, back in 1h03m");
        assert!(scene.requests() >= 2);
        assert!(i3blocks.alive());
    }
}

#[test]
fn urgency_is_shown_where_that_is_asked_for() {
    needs!("i3blocks");
    let scene = Scene::warm(Stage::new(), usage_of(100, 17));
    for version in versions() {
        let i3blocks =
            StatusCommand::i3blocks(&scene.stage, version, &with_arguments("--urgent-exit"));
        i3blocks.wait_for("codexline", "urgency", |block| block["urgent"] == true);
        let i3blocks = StatusCommand::i3blocks(&scene.stage, version, SNIPPET);
        let block = i3blocks.wait_for_text("codexline", "5h 0% left");
        assert_ne!(block["urgent"], true);
    }
}

#[test]
fn the_object_for_swaybar_is_read_by_the_newer_version() {
    needs!("i3blocks-1.5");
    let scene = Scene::warm(Stage::new(), usage_of(100, 17));
    let config =
        "[codexline]\ncommand=exec codexline swaybar --urgent-exit\ninterval=15\nformat=json\n";
    let i3blocks = StatusCommand::i3blocks(&scene.stage, "i3blocks-1.5", config);
    let block = i3blocks.wait_for_text("codexline", "Codex <b>5h 0% left</b>");
    assert_eq!(
        (&block["short_text"], &block["color"]),
        (&"Codex <b>5h 0% left</b>, back in 1h03m".into(), &"#ffffff".into())
    );
    assert_eq!((&block["markup"], &block["urgent"]), (&"pango".into(), &true.into()));
}
