//! Prompts without starship: zsh and fish as the snippets set them up.

use super::{HOSTILE, Scene, WINDOWS, plan};
use crate::support::hosts::terminal::{Terminal, shell};
use crate::support::hosts::{Stage, until};
use crate::support::usage;
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

const BASH: &str = include_str!("../../../integrations/bash/codexline.bash");

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

/// The same in fish, whose clock is the age of a file.
const FISH_PROMPTS: &str = "\
    function prompt; __codexline_prompt; wc -l <$LOG; end\n\
    set -g __codexline_clock $PWD/clock; touch clock\n\
    for i in (seq 999); __codexline_prompt; end; prompt\n\
    touch -d '-30 seconds' clock; prompt\n\
    cd /; prompt\n\
    set -gx CODEX_HOME /x; prompt\n\
    set -gx TZ UTC; prompt\n\
    touch -d '-120 seconds' $__codexline_clock; prompt\n\
    touch $__codexline_clock; prompt\n\
    printf '%s\\n' $__codexline_line\n";

/// Runs a script behind the snippet of a shell, beside a `codexline` that logs each start. Returns
/// the lines that it printed. `wrapper`: the command line that runs the shell.
fn script(name: &str, script: &str, wrapper: &[&str]) -> Vec<String> {
    let stage = Stage::new();
    let bin = stage.path("counting");
    std::fs::create_dir_all(&bin).unwrap();
    let program = bin.join("codexline");
    std::fs::write(&program, COUNTING).unwrap();
    crate::support::home::set_mode(&program, 0o755);
    let log = stage.path("starts.log");
    let (snippet, arguments) = match name {
        "bash" => (BASH, ["--norc", "--noprofile"]),
        "zsh" => (SNIPPETS[0].1, ["-f", "-d"]),
        _ => (SNIPPETS[1].1, ["-N", "-P"]),
    };
    let file = stage.write(&format!("script.{name}"), &format!("{snippet}{script}"));
    let command_line = [wrapper, &[name], &arguments].concat();
    let mut command = std::process::Command::new(command_line[0]);
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    command.args(&command_line[1..]).arg(file).env("PATH", path).env("LOG", &log);
    command.env("FAKETIME_TIMESTAMP_FILE", stage.path("time")).env("FAKETIME_NO_CACHE", "1");
    command.env("HOME", stage.path("")).current_dir(&bin).env_remove("CODEX_HOME").env_remove("TZ");
    stage.write("time", "+0\n");
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(errors, "", "{name}");
    assert!(!bin.join("pwned").exists(), "{name}");
    let starts = std::fs::read_to_string(&log).unwrap();
    assert!(starts.lines().all(|line| line == format!("{name} --ttl")), "{starts}");
    let shown = String::from_utf8(output.stdout).unwrap();
    shown.lines().map(|line| line.trim().to_owned()).collect()
}

#[test]
fn most_prompts_start_no_process() {
    needs!("bash", "zsh", "fish");
    for (shell, prompts, end) in
        [("bash", PROMPTS, "\\n"), ("zsh", PROMPTS, ""), ("fish", FISH_PROMPTS, "")]
    {
        let hostile = format!("$(touch pwned) `touch pwned` %n \\u{end}");
        let expected = ["1", "1", "2", "3", "4", "5", "6", &hostile];
        assert_eq!(script(shell, prompts, &[]), expected, "{shell}");
    }
}

/// A machine that was suspended, and a clock that was set: both show as a clock that jumps.
#[test]
fn a_clock_that_jumps_does_not_keep_a_line() {
    needs!("bash", "zsh", "fish", "faketime");
    let jumps = "time() { echo $1 >\"$FAKETIME_TIMESTAMP_FILE\"; }\n\
        prompt() { __codexline_prompt; wc -l <\"$LOG\"; }\n\
        prompt; time +20; prompt; time +8h; prompt; prompt; time -8h; prompt; prompt\n";
    let in_fish = "function jump; echo $argv >$FAKETIME_TIMESTAMP_FILE; end\n\
        function prompt; __codexline_prompt; wc -l <$LOG; end\n\
        prompt; jump +20; prompt; jump +8h; prompt; prompt; jump -8h; prompt; prompt\n";
    let jumps = jumps.replace("time ", "jump ").replace("time()", "jump()");
    for (shell, jumps) in [("bash", &*jumps), ("zsh", &jumps), ("fish", in_fish)] {
        let wrapper = ["faketime", "-f", "+0s", "env", "-u", "FAKETIME"];
        assert_eq!(script(shell, jumps, &wrapper), ["1", "1", "2", "2", "3", "3"], "{shell}");
    }
}

/// What happens elsewhere is shown once the line's time is over, and not later.
#[test]
fn numbers_fetched_in_the_same_shell_are_shown_by_the_deadline() {
    needs!("bash", "zsh");
    for (name, snippet) in [("bash", BASH), SNIPPETS[0]] {
        let scene = Scene::warm(Stage::new(), usage());
        let script = format!(
            "{snippet}\nprompt() {{ __codexline_prompt; echo \"$__codexline_line\"; }}\n\
             prompt; touch there; until [ -e go ]; do sleep 0.05; done\n\
             codexline fetch; SECONDS=$((SECONDS+120)); prompt\n"
        );
        let file = scene.stage.write("script", &script);
        let mut command = scene.stage.command(name);
        let arguments: &[&str] = if name == "bash" { &["--norc"] } else { &["-f", "-d"] };
        let there = scene.stage.path("there");
        let ran = std::thread::scope(|scope| {
            scope.spawn(|| {
                until("the first prompt", || there.exists().then_some(()));
                let answer = crate::support::usage_of(77, 17);
                scene.server.always(crate::support::server::Answer::json(200, &answer));
                scene.stage.write("go", "");
            });
            scene.stage.run(command.args(arguments).arg(file))
        });
        let lines: Vec<&str> = ran.stdout.lines().collect();
        assert!(lines.len() == 2 && ran.stderr.is_empty(), "{name}: {ran:?}");
        assert!(lines[0].contains("58%") && lines[1].contains("23%"), "{name}: {ran:?}");
    }
}

/// What stands in zsh's prompt is text, whether that runs commands in it or not.
#[test]
fn zsh_needs_no_prompt_subst_and_bears_it() {
    needs!("zsh", "tmux");
    let name = "$(id>x)`id>x`%n \\u";
    let scene = Scene::warm(Stage::new(), plan(name));
    for option in ["setopt", "unsetopt"] {
        for mine in ["", "mine", "$(echo mine)"] {
            let setup = format!(
                "{option} PROMPT_SUBST\nRPROMPT='{mine}'\n{}",
                setup("zsh", SNIPPETS[0].1, "--format \"{plan} {windows}\"")
            );
            let terminal = format!("{option}{}", mine.len());
            let command = shell(&scene.stage, "zsh", &setup);
            let terminal = Terminal::open(&scene.stage, &terminal, 120, 8, &command);
            let mine = match option {
                "setopt" => mine.replace("$(echo mine)", "mine"),
                _ => mine.to_owned(),
            };
            let line = format!("{name} {WINDOWS} {mine}");
            terminal.wait_for(line.trim_end());
            terminal.enter("echo a''b");
            terminal.wait_until("a second prompt", |text| {
                text.split_once("\nab").is_some_and(|(_, text)| text.contains(line.trim_end()))
            });
            assert!(!terminal.text().contains("__codexline"), "{}", terminal.text());
        }
    }
    assert!(!scene.was_tricked());
}

/// macOS has bash 3.2, which no package repository does. So what is newer must not be written.
#[test]
fn the_snippets_for_bash_use_nothing_that_bash_3_2_does_not_know() {
    // From bash's CHANGES, 4.0 to 5.3.
    const NEWER: [&str; 28] = [
        "EPOCHSECONDS",
        "EPOCHREALTIME",
        "SRANDOM",
        "BASHPID",
        "BASH_ARGV0",
        "BASH_REMATCH[",
        "@Q}",
        "@P}",
        "@E}",
        "@A}",
        "@K}",
        "@k}",
        "@a}",
        "@U}",
        "@u}",
        "@L}",
        "^}",
        "^^",
        ",}",
        ",,",
        "declare -A",
        "local -A",
        "-n ",
        "mapfile",
        "readarray",
        "coproc",
        "|&",
        "&>>",
    ];
    let starship = include_str!("../../../integrations/starship/env.sh");
    for snippet in [BASH, starship] {
        let code = snippet.lines().filter(|line| !line.trim_start().starts_with('#'));
        for line in code.filter(|line| !line.contains("[ -n ")) {
            for newer in NEWER {
                assert!(!line.contains(newer), "{newer}: {line}");
            }
            // `read -t 0.1`, `-i` and `-N`, a time in printf, `;&`, `[[ -v`.
            let words: Vec<&str> = line.split_whitespace().collect();
            let reads = words.iter().position(|word| *word == "read");
            assert!(reads.is_none_or(|at| words[at + 1] == "-r"), "{line}");
            assert!(
                !words.contains(&"-v") && !line.contains(";&") && !line.contains(")T"),
                "{line}"
            );
            // Only a `declare` that asks, and an array only where the user has made one.
            assert!(!words.contains(&"declare") || line.contains("declare -p"), "{line}");
        }
        // A `case` in `$( )` and a `)` in a comment there confuse 3.2's parser.
        assert!(!snippet.contains("$(case"));
    }
    // As 3.2 has it, `PROMPT_COMMAND` is a string.
    let script = format!(
        "PROMPT_COMMAND='echo mine'\ncodexline() {{ printf '60\\tline\\n'; }}\n{BASH}{BASH}\n\
         PS1='> '\neval \"$PROMPT_COMMAND\"; eval \"$PROMPT_COMMAND\"; printf '%s\\n' \"$PS1\"\n"
    );
    let output = std::process::Command::new("bash").args(["--posix", "-c", &script]).output();
    let output = output.unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert_eq!((&*shown, &*output.stderr), ("mine\nmine\nline\\n> \n", &b""[..]));
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
