//! What `codexline init HOST --write` writes, in the real hosts, beside a prompt or a bar of one's
//! own.

use super::{HOSTILE, LINE, Scene, WINDOWS, plan};
use crate::support::hosts::Stage;
use crate::support::hosts::starship;
use crate::support::hosts::terminal::Terminal;
use crate::support::hosts::tmux::Tmux;
use crate::support::usage;

/// Runs codexline on the stage; it must succeed.
fn codexline(scene: &Scene, arguments: &[&str]) {
    let mut command = scene.stage.command("codexline");
    let ran = scene.stage.run(command.args(arguments));
    assert!(ran.success && ran.stderr.is_empty(), "{arguments:?}: {ran:?}");
}

/// Writes the snippet into a file that has `mine` in it; answers how to start that shell.
fn written(scene: &Scene, shell: &str, file: &str, mine: &str) -> String {
    let path = scene.stage.path(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    if !mine.is_empty() {
        scene.stage.write(file, mine);
    }
    codexline(scene, &["init", shell, "--write"]);
    codexline(scene, &["init", shell, "--write"]);
    match shell {
        "zsh" => "exec zsh -d -i".into(),
        "bash" => "exec bash -i".into(),
        _ => format!("exec {shell} -i"),
    }
}

#[test]
fn a_shell_shows_the_line_beside_its_own_prompt() {
    needs!("tmux", "zsh", "bash", "fish");
    let fish = "function fish_prompt; echo -n 'ready> '; end\n\
                function fish_right_prompt; echo 'MINE'; end\n";
    for (shell, file, mine, shown) in [
        ("zsh", ".zshrc", "PROMPT='ready> '\nRPROMPT='MINE'", format!("{LINE} MINE")),
        ("zsh", ".zshrc", "PROMPT='ready> '\n", LINE.to_string()),
        ("bash", ".bashrc", "PS1='ready> '\n", format!("{LINE}\nready>")),
        (
            "bash",
            ".bashrc",
            "PROMPT_COMMAND='PS1=\"MINE ready> \";'",
            format!("{LINE}\nMINE ready>"),
        ),
        (
            "bash",
            ".bashrc",
            "PS1='ready> '\nmine() { MINE=$?; }\nPROMPT_COMMAND=(mine)\nPS1='$MINE ready> '\n",
            format!("{LINE}\n0 ready>"),
        ),
        ("fish", "config/fish/config.fish", fish, format!("{LINE} MINE")),
    ] {
        let scene = Scene::warm(Stage::new(), usage());
        let start = written(&scene, shell, file, mine);
        let terminal = Terminal::open(&scene.stage, shell, 100, 12, &start);
        terminal.wait_for(&shown);
        // The shell must know how wide the line is, and go on showing it once.
        terminal.enter("echo a''b");
        terminal.wait_for("\nab");
        terminal.enter("false");
        let text = terminal.wait_until("a third prompt", |text| text.matches("ready>").count() > 2);
        assert!(text.matches(LINE).count() <= text.matches("ready>").count(), "{shell}:\n{text}");
        if mine.contains("$MINE") {
            terminal.wait_for("1 ready>");
        }
    }
}

#[test]
fn bash_shows_names_from_the_server_as_text() {
    needs!("tmux", "bash");
    let scene = Scene::warm(Stage::new(), plan(HOSTILE));
    let mine = "PS1='ready> '\nexport CODEXLINE_FORMAT='{plan} {windows}'\n";
    let start = written(&scene, "bash", ".bashrc", mine);
    let terminal = Terminal::open(&scene.stage, "bash", 120, 8, &start);
    terminal.wait_for(&format!("{HOSTILE} {WINDOWS}\nready>"));
    assert!(!scene.was_tricked());
}

#[test]
fn tmux_shows_the_line_behind_its_own_bar_also_when_it_reads_the_file_again() {
    needs!("tmux");
    for mine in ["set -g status-right 'MINE'", ""] {
        let scene = Scene::warm(Stage::new(), usage());
        let file = scene.stage.write(".tmux.conf", mine);
        codexline(&scene, &["init", "tmux", "--write"]);
        let config = std::fs::read_to_string(&file).unwrap();
        let tmux = Tmux::start(&scene.stage, &config);
        let client = tmux.attach("client", 120, 5);
        let shown = client.wait_for(LINE);
        assert!(mine.is_empty() || shown.contains(&format!("MINE {LINE}")), "{shown}");
        let path = scene.stage.path("tmux.conf");
        assert!(tmux.run(&["source-file", path.to_str().unwrap()]).success);
        let value = tmux.run(&["show", "-gv", "status-right"]).stdout;
        assert_eq!(value.matches("codexline tmux").count(), 1, "{value}");
    }
}

#[test]
fn starship_draws_what_was_written_twice() {
    needs!("starship");
    let scene = Scene::warm(Stage::new(), usage());
    std::fs::create_dir_all(scene.stage.path(".config")).unwrap();
    let file = scene.stage.write(".config/starship.toml", "add_newline = false");
    codexline(&scene, &["init", "starship", "--write"]);
    codexline(&scene, &["init", "starship", "--write"]);
    let config = std::fs::read_to_string(&file).unwrap();
    let ran = starship::prompt(&scene.stage, "fish", &config);
    assert_eq!(ran.stderr, "");
    assert!(ran.stdout.contains(LINE.split(' ').next().unwrap()), "{ran:?}");
}

#[test]
fn starship_draws_from_the_variable_that_was_written_for_it() {
    needs!("starship", "tmux", "zsh", "bash");
    for (shell, file) in [("zsh", ".zshrc"), ("bash", ".bashrc")] {
        let scene = Scene::warm(Stage::new(), usage());
        // starship does not look where XDG_CONFIG_HOME leads.
        std::fs::create_dir_all(scene.stage.path(".config")).unwrap();
        scene.stage.write(".config/starship.toml", "scan_timeout = 2000\nadd_newline = false");
        let mine = format!("eval \"$(starship init {shell})\"\nstarship_precmd_user_func=mine\n");
        scene.stage.write(file, &format!("mine() {{ MINE=$((MINE+1)); }}\n{mine}"));
        for _ in 0..2 {
            codexline(&scene, &["init", "starship", "--env", "--write"]);
        }
        let start = if shell == "zsh" { "exec zsh -d -i" } else { "exec bash -i" };
        let terminal = Terminal::open(&scene.stage, shell, 120, 12, start);
        terminal.wait_for(LINE);
        // From here on nothing can be started, and the line is still there.
        terminal.enter("codexline() { :; }; PATH=; echo a''b:$MINE:");
        let text = terminal.wait_for("\nab:");
        // What ran before each prompt in bash still does.
        assert!(text.contains("\nab::") == (shell == "zsh"), "{text}");
        assert_eq!(scene.requests(), 1);
    }
}
