//! Prompts without starship: zsh and fish as the snippets set them up.

use super::{HOSTILE, Scene, WINDOWS, plan};
use crate::support::hosts::Stage;
use crate::support::hosts::terminal::{Terminal, shell};
use std::time::{Duration, Instant};

const SNIPPETS: [(&str, &str); 2] = [
    ("zsh", include_str!("../../../integrations/zsh/codexline.zsh")),
    ("fish", include_str!("../../../integrations/fish/codexline.fish")),
];

/// A short prompt on the left, the snippet, and arguments behind its `codexline NAME`.
fn setup(name: &str, snippet: &str, arguments: &str) -> String {
    let left = match name {
        "fish" => "function fish_prompt; echo -n 'ready> '; end\n",
        _ => "PROMPT='ready> '\n",
    };
    let word = format!("codexline {name}");
    assert!(snippet.contains(&word), "the snippet has another form");
    format!("{left}{}", snippet.replace(&word, &format!("{word} {arguments}")))
}

#[test]
fn the_number_is_in_the_prompt_and_names_are_text() {
    needs!("tmux", "zsh", "fish");
    let scene = Scene::warm(Stage::new(), plan(HOSTILE));
    for (name, snippet) in SNIPPETS {
        let setup = setup(name, snippet, "--warn 40 --format \"{plan} {windows}\"");
        let terminal =
            Terminal::open(&scene.stage, name, 120, 8, &shell(&scene.stage, name, &setup));
        terminal.wait_for(&format!("{HOSTILE} {WINDOWS}"));
        // The shell must know the width of the line: what is typed comes right behind the prompt.
        terminal.enter("echo a''b");
        let shown = terminal.wait_for("\nab");
        assert!(shown.contains("ready> echo a''b"), "{name}:\n{shown}");
        assert!(
            terminal.coloured().contains("\x1b[38;5;16m\x1b[48;5;220m5h 42% 1h03m"),
            "{name}: {:?}",
            terminal.coloured()
        );
    }
    assert!(!scene.was_tricked());
}

#[test]
fn neither_a_missing_login_nor_a_hanging_network_holds_the_prompt() {
    needs!("tmux", "zsh", "fish");
    let (hanging, _gate) = Scene::hanging(Stage::new());
    for (scene, word) in
        [(&Scene::signed_out(Stage::new()), "Codex: signed out"), (&hanging, "Codex: loading")]
    {
        for (name, snippet) in SNIPPETS {
            let setup = setup(name, snippet, "");
            let terminal =
                Terminal::open(&scene.stage, name, 80, 24, &shell(&scene.stage, name, &setup));
            terminal.wait_for("ready>");
            let start = Instant::now();
            for count in 1..=4 {
                terminal.enter(&format!("echo {count}''0"));
                terminal.wait_for(&format!("\n{count}0"));
            }
            // Four prompts, with two calls of tmux each: one types and one looks.
            assert!(start.elapsed() < Duration::from_secs(5), "{name}: {:?}", start.elapsed());
            terminal.wait_for(word);
        }
    }
}
