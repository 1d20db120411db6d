//! Prompts without starship: zsh and fish as the snippets set them up.

use super::{HOSTILE, Scene, WINDOWS, plan};
use crate::support::hosts::terminal::{Terminal, shell};
use crate::support::hosts::{Stage, until};
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

/// A `codexline` that logs each start, and prints a hostile line that lasts a minute.
const COUNTING: &str = "#!/bin/sh\necho \"$*\" >>\"$LOG\"\n\
     printf '60\\t%s\\n' '$(touch pwned) `touch pwned` %n \\u'\n";

/// A thousand prompts within half a minute, and then one for each reason to ask again. After each
/// the script prints how often codexline was started.
const PROMPTS: &str = "\
    PS1='mine> '; RPROMPT=; prompt() { __codexline_prompt; wc -l <\"$LOG\"; }\n\
    i=0; while [ $i -lt 999 ]; do __codexline_prompt; i=$((i+1)); done; prompt\n\
    SECONDS=$((SECONDS+30)); prompt\n\
    cd /; prompt\n\
    export CODEX_HOME=/x; prompt\n\
    export TZ=UTC; prompt\n\
    SECONDS=$((SECONDS+61)); prompt\n\
    SECONDS=0; prompt\n\
    printf '%s\\n' \"$__codexline_line\"\n";

#[test]
fn most_prompts_start_no_process() {
    needs!("bash", "zsh");
    let stage = Stage::new();
    let bin = stage.path("counting");
    std::fs::create_dir_all(&bin).unwrap();
    let program = bin.join("codexline");
    std::fs::write(&program, COUNTING).unwrap();
    crate::support::home::set_mode(&program, 0o755);
    let bash = include_str!("../../../integrations/bash/codexline.bash");
    for (shell, snippet, end) in [("bash", bash, "\\n"), ("zsh", SNIPPETS[0].1, "")] {
        let log = stage.path(&format!("{shell}.log"));
        let script = stage.write(shell, &format!("{snippet}{PROMPTS}"));
        let mut command = std::process::Command::new(shell);
        command.args(if shell == "bash" { ["--norc", "--noprofile"] } else { ["-f", "-d"] });
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        command.arg(script).env("PATH", path).env("LOG", &log).current_dir(&bin);
        command.env_remove("CODEX_HOME").env_remove("TZ");
        let output = command.output().unwrap();
        let shown = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<&str> = shown.lines().map(str::trim).collect();
        let hostile = format!("$(touch pwned) `touch pwned` %n \\u{end}");
        let expected = ["1", "1", "2", "3", "4", "5", "6", &hostile];
        assert_eq!(lines, expected, "{shell}: {}", String::from_utf8_lossy(&output.stderr));
        let starts = std::fs::read_to_string(&log).unwrap();
        assert!(starts.lines().all(|line| line == format!("{shell} --ttl")), "{starts}");
        assert!(!bin.join("pwned").exists() && output.stderr.is_empty(), "{shell}");
    }
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
            // zsh asks again at the first prompt after a second.
            until("the word", || {
                terminal.enter("");
                terminal.text().contains(word).then_some(())
            });
        }
    }
}
