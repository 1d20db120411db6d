//! `codexline status --watch` in a terminal.

use super::Scene;
use crate::support::hosts::terminal::Terminal;
use crate::support::hosts::{Stage, quoted, until};
use crate::support::usage;
use codexline::commands::help::TOPICS;
use codexline::model::text::width;

#[test]
fn watched_it_has_a_screen_of_its_own_and_gives_the_old_one_back() {
    needs!("tmux", "stty");
    let scene = Scene::warm(Stage::new(), usage());
    for (name, key) in [("q", "q"), ("ctrl-c", "\u{3}")] {
        let before = "printf 'before\\n'; stty -a > stty.before";
        let after = "stty -a > stty.after; printf 'after\\n'; sleep 60";
        let command = format!(
            "cd {}; {before}; codexline status --watch; {after}",
            quoted(scene.stage.path("."))
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
fn a_signal_leaves_the_terminal_as_it_was() {
    needs!("tmux", "stty");
    let scene = Scene::warm(Stage::new(), usage());
    // With keys to read, and without.
    for (signal, status, input) in
        [("TERM", 143, ""), ("HUP", 129, ""), ("INT", 130, ""), ("TERM", 143, "< /dev/null")]
    {
        let name = format!("{signal}{}", input.len());
        let path = |file: &str| quoted(scene.stage.path(&format!("{name}.{file}")));
        let command = format!(
            "printf 'before\\n'; stty -a > {0}; sh -c 'echo $$ > {1}; exec codexline status \
             --watch {input}'; echo \"status $?\"; stty -a > {2}; printf 'after\\n'; sleep 60",
            path("before"),
            path("pid").replace('\'', ""),
            path("after"),
        );
        let terminal = Terminal::open(&scene.stage, &name, 90, 30, &command);
        terminal.wait_for("ends it");
        let id = std::fs::read_to_string(scene.stage.path(&format!("{name}.pid"))).unwrap();
        let mut kill = scene.stage.command("kill");
        assert!(scene.stage.run(kill.arg(format!("-{signal}")).arg(id.trim())).success);
        let shown = terminal.wait_for("after");
        assert!(shown.contains(&format!("before\nstatus {status}\nafter")), "{name}: {shown}");
        let stty = |file: &str| {
            std::fs::read_to_string(scene.stage.path(&format!("{name}.{file}"))).expect("stty ran")
        };
        assert_eq!(stty("before"), stty("after"), "{name}");
        // The cursor is there again.
        assert_eq!(terminal.ask("#{cursor_flag}").trim(), "1", "{name}");
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

/// Every command that prints a page, in real terminals that are wide enough and too narrow for it:
/// it is compared with what it prints where lines may be as long as they are.
#[test]
fn nothing_breaks_inside_a_word_in_a_narrow_terminal() {
    needs!("tmux", "script");
    let scene = Scene::warm(Stage::new(), usage());
    // What is found on PATH decides what init and doctor tell.
    let topics = TOPICS.iter().map(|topic| format!("help {}", topic.name));
    let pages = ["--help", "help", "auth", "status", "doctor", "doctor --all", "activity", "init"];
    let pages = pages.into_iter().chain(["config", "config tmux", "help init"]).map(String::from);
    let pages: Vec<String> = pages.chain(topics).collect();
    for columns in [40, 80] {
        let run = |page: &String| format!("codexline {page} 2>/dev/null; printf '\\001'; ");
        // A terminal remembers where it has broken a line; a page has no such line.
        let commands: String = pages.iter().map(run).collect();
        let raw = scene.stage.path(&format!("raw{columns}"));
        let command = format!("script -qec {} {}", quoted(commands), quoted(&raw));
        let name = format!("pages{columns}");
        let done = format!("{command} >/dev/null; printf 'after\\n'; sleep 60");
        let _terminal = Terminal::open(&scene.stage, &name, columns, 50, &done).wait_for("after");
        let text = std::fs::read_to_string(&raw).expect("script wrote it");
        let (_, text) = text.split_once('\n').expect("its first line is its own");
        for (page, text) in pages.iter().zip(text.split('\u{1}')) {
            let text = without_escapes(text).replace('\r', "");
            assert!(text.lines().count() > 2, "{page}: {text}");
            let mut command = scene.stage.command("codexline");
            let whole = scene.stage.run(command.args(page.split(' '))).stdout;
            let words: Vec<&str> = whole.split_whitespace().collect();
            for line in text.lines().filter(|line| width(line) > columns) {
                // Code to copy stays in one piece.
                let is_code = line.starts_with("    ") && whole.contains(line.trim_start());
                assert!(is_code, "{page} at {columns}: {line}");
            }
            // `status` and `doctor` show other pages there: the short ones.
            if !["status", "doctor"].contains(&page.as_str()) {
                let broken = |word: &&str| {
                    !words.contains(word)
                        && words.iter().any(|whole| whole.len() < 30 && whole.starts_with(*word))
                };
                let broken: Vec<&str> = text.split_whitespace().filter(broken).collect();
                assert!(broken.is_empty(), "{page} at {columns}: {broken:?}\n{text}");
            }
        }
    }
}

fn without_escapes(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("\u{1b}[") {
        out.push_str(before);
        rest = behind.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
        rest = rest.get(1..).unwrap_or_default();
    }
    out + rest
}
