//! `codexline status --watch` in a terminal.

use super::Scene;
use crate::support::hosts::terminal::Terminal;
use crate::support::hosts::{Stage, until};
use crate::support::usage;

#[test]
fn watched_it_has_a_screen_of_its_own_and_gives_the_old_one_back() {
    needs!("tmux", "stty");
    let scene = Scene::warm(Stage::new(), usage());
    for (name, key) in [("q", "q"), ("ctrl-c", "\u{3}")] {
        let before = "printf 'before\\n'; stty -a > stty.before";
        let after = "stty -a > stty.after; printf 'after\\n'; sleep 60";
        let command = format!(
            "cd {}; {before}; codexline status --watch; {after}",
            crate::support::hosts::quoted(scene.stage.path("."))
        );
        let terminal = Terminal::open(&scene.stage, name, 90, 30, &command);
        let shown = terminal.wait_for("q ends it");
        assert!(shown.starts_with("Codex Plus"), "{shown}");
        assert!(shown.contains("58% left  resets in 1h03m"), "{shown}");
        assert!(!shown.contains("before"), "{shown}");
        // A narrower terminal gets the narrow page at once.
        terminal.resize(50, 20);
        let narrow = until("the narrow page", || {
            let text = terminal.text();
            (text.contains("q ends it") && text.contains("58% left\n         resets in"))
                .then_some(text)
        });
        assert!(!narrow.contains("before"), "{narrow}");
        terminal.keys(key);
        let shown = terminal.wait_for("after");
        assert!(shown.contains("before") && !shown.contains("58%"), "{name}: {shown}");
        let stty = |file: &str| std::fs::read_to_string(scene.stage.path(file)).expect("stty ran");
        let size = |text: String| text.lines().skip(1).collect::<Vec<_>>().join("\n");
        assert_eq!(size(stty("stty.before")), size(stty("stty.after")), "{name}");
    }
}

#[test]
fn whoever_waits_is_told_for_whom_and_only_on_a_terminal() {
    needs!("tmux");
    for verb in ["", "status"] {
        let (scene, gate) = Scene::hanging(Stage::new());
        let notice = format!(
            "codexline: waiting for {} ...",
            format_args!("127.0.0.1:{}", scene.server.port())
        );
        let command = format!("codexline {verb} --wait 60s; printf 'after\\n'; sleep 60");
        let terminal = Terminal::open(&scene.stage, "waits", 90, 30, &command);
        terminal.wait_for(&notice);
        gate.open();
        let shown = terminal.wait_for("after");
        assert!(shown.starts_with("Codex") && shown.contains("58% left"), "{verb}: {shown}");
        assert!(!shown.contains("waiting"), "{verb}: {shown}");
    }
    let (scene, _gate) = Scene::hanging(Stage::new());
    let mut command = scene.stage.command("codexline");
    let ran = scene.stage.run(command.args(["--wait", "600ms"]));
    assert!(ran.stdout.starts_with("Codex: loading") && ran.stderr.is_empty(), "{ran:?}");
}

#[test]
fn help_breaks_at_blanks_in_a_narrow_terminal() {
    needs!("tmux");
    let stage = Scene::signed_out(Stage::new()).stage;
    let whole = stage.run(stage.command("codexline").arg("--help")).stdout;
    let words: Vec<&str> = whole.split_whitespace().collect();
    for columns in [40, 80] {
        let command = "codexline --help; printf '\\nafter\\n'; sleep 60";
        let terminal = Terminal::open(&stage, &format!("help{columns}"), columns, 300, command);
        let shown = terminal.wait_for("after");
        let (help, _) = shown.split_once("\nafter").expect("it was waited for");
        // A word that the terminal had broken would be two.
        assert_eq!(help.split_whitespace().collect::<Vec<_>>(), words, "{columns}: {shown}");
    }
}
