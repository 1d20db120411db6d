//! starship's custom module, alone and in the prompts of the shells that it draws for.

use super::{HOSTILE, LINE, Scene, WINDOWS, plan};
use crate::support::hosts::terminal::{Terminal, shell};
use crate::support::hosts::{Stage, is_root, starship, until};
use crate::support::usage;
use std::time::Duration;

const SNIPPET: &str = include_str!("../../../integrations/starship/starship.toml");

const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

/// A prompt of the module alone, with marks around it.
fn config(snippet: &str) -> String {
    // On a busy machine starship can need more than its 30 ms for scanning the directory, and warns
    // then.
    format!(
        "scan_timeout = 2000\nadd_newline = false\nformat = '<${{custom.codexline}}>'\n{snippet}"
    )
}

/// The snippet with arguments, in the place where its README says that they go.
fn with_arguments(arguments: &[&str]) -> String {
    let mut words = vec!["codexline"];
    words.extend(arguments);
    let changed = SNIPPET.replace("shell = [\"codexline\"]", &format!("shell = {words:?}"));
    assert_ne!(changed, SNIPPET, "the snippet has another form");
    changed
}

/// What each shell runs to have its prompt drawn, in its own language.
fn start(shell: &str) -> String {
    match shell {
        "fish" => "starship init fish | source".into(),
        other => format!("eval \"$(starship init {other})\""),
    }
}

#[test]
fn the_number_is_in_the_prompt() {
    needs!("starship");
    let scene = Scene::warm(Stage::new(), usage());
    for (shell, percent, open, close) in
        [("bash", "%", "\\[", "\\]"), ("zsh", "%%", "%{", "%}"), ("fish", "%", "", "")]
    {
        let ran = starship::prompt(&scene.stage, shell, &config(SNIPPET));
        let prompt = ran.stdout.trim_start_matches("\x1b[J");
        let fine = LINE.replace('%', percent);
        assert_eq!((prompt, ran.stderr.as_str()), (format!("<{fine} >").as_str(), ""), "{shell}");
        // starship wraps the colours so that the shell knows how wide the prompt is.
        let ran =
            starship::prompt(&scene.stage, shell, &config(&with_arguments(&["--warn", "40"])));
        let marked = format!(
            "<Codex {open}\x1b[38;5;16;48;5;220m{close}5h 58{percent} left{open}\x1b[0m{close}, \
             resets in 1h03m · 7d 83{percent} left >"
        );
        assert_eq!(ran.stdout.trim_start_matches("\x1b[J"), marked, "{shell}");
    }
    assert_eq!(scene.requests(), 1, "the numbers were fresh");
}

const VARIABLE: &str = include_str!("../../../integrations/starship/env.toml");
const HOOK: &str = include_str!("../../../integrations/starship/env.sh");

#[test]
fn it_can_be_drawn_from_a_variable_that_the_shell_keeps() {
    needs!("starship", "tmux", "bash", "zsh");
    let scene = Scene::warm(Stage::new(), plan(HOSTILE));
    let mut stage = scene.stage;
    let format = "scan_timeout = 2000\nadd_newline = false\nformat = '<$env_var>'\n";
    let config = format!("{format}{VARIABLE}");
    stage.set("STARSHIP_CONFIG", stage.write("starship.toml", &config));
    let arguments = "codexline starship --warn 40 --format \"{plan} {windows}\" \
                     --window \"{label} {used}\"";
    // No countdown, so it lasts two minutes.
    let windows = "5h 42% · 7d 17%";
    let hook = HOOK.replace("codexline starship", arguments);
    for name in ["bash", "zsh"] {
        let setup = format!("{}\n{hook}", start(name));
        let terminal = Terminal::open(&stage, name, 120, 8, &shell(&stage, name, &setup));
        let shown = terminal.wait_for(windows);
        let as_root = name == "bash" && is_root();
        let plan = if as_root { HOSTILE.replace('$', "#") } else { HOSTILE.into() };
        assert!(shown.contains(&format!("<{plan} {windows} >")), "{name}:\n{shown}");
        assert!(terminal.coloured().contains("\x1b[38;5;16m\x1b[48;5;220m5h 42%"));
        // The next prompt has it from the variable, and the shell knows how wide it is.
        terminal.enter("codexline() { echo started; }; echo a''b");
        let shown = terminal.wait_for("\nab");
        assert!(shown.contains(" >codexline() {"), "{name}:\n{shown}");
        terminal.enter("echo c''d");
        let shown = terminal.wait_until("a prompt behind it", |text| {
            text.split_once("\ncd").is_some_and(|(_, behind)| behind.contains(windows))
        });
        assert!(!shown.contains("\nstarted"), "{shown}");
    }
    assert!(!stage.path("x").exists());
}

#[test]
fn every_shell_draws_it() {
    needs!("starship", "tmux", "bash", "zsh", "fish");
    let scene = Scene::warm(Stage::new(), plan(HOSTILE));
    let mut stage = scene.stage;
    let config = config(&with_arguments(&["--warn", "40", "--format", "{plan} {windows}"]));
    stage.set("STARSHIP_CONFIG", stage.write("starship.toml", &config));
    for name in SHELLS {
        let terminal = Terminal::open(&stage, name, 120, 8, &shell(&stage, name, &start(name)));
        let shown = terminal.wait_for(WINDOWS);
        // starship writes `\$` for bash, which shows that as `#` to root.
        let as_root = name == "bash" && is_root();
        let plan = if as_root { HOSTILE.replace('$', "#") } else { HOSTILE.into() };
        assert!(shown.contains(&format!("<{plan} {WINDOWS} >")), "{name}:\n{shown}");
        assert!(
            terminal.coloured().contains("\x1b[38;5;16m\x1b[48;5;220m5h 42% 1h03m"),
            "{name}: {:?}",
            terminal.coloured()
        );
    }
    assert!(!stage.path("x").exists());
}

#[test]
fn signed_out_is_a_word() {
    needs!("starship");
    let scene = Scene::signed_out(Stage::new());
    // The first prompt may come before the worker has found out.
    until("the word", || {
        let ran = starship::prompt(&scene.stage, "fish", &config(SNIPPET));
        assert_eq!(ran.stderr, "");
        ran.stdout.contains("Codex: signed out").then_some(())
    });
    assert_eq!(scene.requests(), 0);
}

#[test]
fn a_hanging_network_does_not_hold_the_prompt() {
    needs!("starship");
    let (scene, gate) = Scene::hanging(Stage::new());
    for _ in 0..3 {
        let ran = starship::prompt(&scene.stage, "fish", &config(SNIPPET));
        // After 500 ms starship would kill it and warn here. Then it would wait for everything that
        // holds its pipe.
        assert_eq!(ran.stderr, "");
        assert!(ran.stdout.contains("Codex: loading"), "{ran:?}");
        assert!(ran.elapsed < Duration::from_secs(2), "{ran:?}");
    }
    scene.server.wait_for(crate::support::USAGE, 1);
    gate.open();
    until("the number", || {
        starship::prompt(&scene.stage, "fish", &config(SNIPPET))
            .stdout
            .contains("58%")
            .then_some(())
    });
    assert_eq!(scene.requests(), 1);
}
