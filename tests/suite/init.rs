//! `codexline init`, `completions` and `man`: what they print works as it is.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::home::{Home, finish};
use crate::support::{USUAL_LINE, signed_in};

/// A home with fresh numbers, and the program in a directory with an odd name. No `codexline` is on
/// PATH.
fn odd() -> (Home, PathBuf) {
    let (_server, home) = signed_in();
    home.fill();
    let directory = home.path().join("odd 'n\" $HOME & co");
    std::fs::create_dir(&directory).unwrap();
    let program = directory.join("codexline");
    // Copied by another process: one that this process has had open for writing cannot always be
    // run ("text file busy").
    let status =
        Command::new("cp").arg(env!("CARGO_BIN_EXE_codexline")).arg(&program).status().unwrap();
    assert!(status.success());
    (home, program)
}

/// What `init` of a program in an odd place prints, without `codexline` on PATH.
fn init(home: &Home, program: &Path, arguments: &[&str]) -> String {
    let mut command = home.wrapped(&[program.to_str().unwrap(), "init"]);
    let output = finish(command.args(arguments).env("PATH", "/nowhere"));
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    output.stdout
}

/// The rest of the line that begins with `start`.
fn rest<'text>(text: &'text str, start: &str) -> &'text str {
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix(start));
    line.unwrap_or_else(|| panic!("no {start:?} in {text}"))
}

#[test]
fn on_path_the_snippet_is_the_file_as_it_is() {
    let mut home = Home::signed_out();
    let bin = home.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::fs::write(bin.join("codexline"), "").unwrap();
    home.set("PATH", &bin);
    for (host, file) in [
        ("starship", include_str!("../../integrations/starship/starship.toml")),
        ("tmux", include_str!("../../integrations/tmux/tmux.conf")),
        ("i3blocks", include_str!("../../integrations/i3blocks/i3blocks.conf")),
        ("zsh", include_str!("../../integrations/zsh/codexline.zsh")),
    ] {
        assert_eq!(home.run(&["init", host]).stdout, file);
    }
    let waybar = home.run(&["init", "waybar"]).stdout;
    assert!(waybar.contains(include_str!("../../integrations/waybar/config.jsonc")), "{waybar}");
    assert!(waybar.ends_with(include_str!("../../integrations/waybar/style.css")), "{waybar}");
    let style = home.run(&["init", "waybar", "style.css"]).stdout;
    assert_eq!(style, include_str!("../../integrations/waybar/style.css"));
    let list = home.run(&["init", "--list"]);
    assert_eq!((list.code, list.stderr.as_str()), (Some(0), ""));
    for (host, line) in
        [("tmux", "codexline.tmux"), ("waybar", "style.css"), ("starship", "~/.config")]
    {
        assert!(
            list.stdout.lines().any(|found| found.starts_with(host) && found.contains(line)),
            "{list:?}"
        );
    }
    let wrong = home.run(&["init", "tmx"]);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.stderr.contains("did you mean tmux?"), "{wrong:?}");
}

#[test]
fn without_it_on_path_the_commands_run_from_where_it_lies() {
    let (home, program) = odd();
    let shell = |command: &str| finish(&mut home.wrapped(&["sh", "-c", command])).stdout;
    let text = init(&home, &program, &["starship"]);
    // These strings of TOML are strings of JSON too.
    let [direct]: [String; 1] = serde_json::from_str(rest(&text, "shell = ")).unwrap();
    let output = finish(&mut home.wrapped(&[&direct, "starship"]));
    assert!(output.stdout.contains("58% left"), "{output:?}");

    let text = init(&home, &program, &["i3blocks"]);
    assert!(shell(rest(&text, "command=")).starts_with(USUAL_LINE), "{text}");

    let text = init(&home, &program, &["waybar", "config.jsonc"]);
    let exec: String =
        serde_json::from_str(rest(&text, "\"exec\": ").trim_end_matches(',')).unwrap();
    assert!(shell(&exec).contains("\"text\":\"Codex 5h 58% left"), "{text}");

    let text = init(&home, &program, &["claude-code"]);
    let settings: serde_json::Value = serde_json::from_str(&text).unwrap();
    let command = settings["statusLine"]["command"].as_str().unwrap();
    assert!(command.ends_with(" claude-code") && command.starts_with('/'), "{command}");
}

#[cfg(target_os = "linux")]
#[test]
fn tmux_shows_the_line_of_a_program_that_is_not_on_path() {
    use crate::support::hosts::Stage;
    use crate::support::hosts::tmux::Tmux;
    needs!("tmux");
    let (home, _) = odd();
    // A quote would end the string in tmux.conf. Every other odd character is in this name.
    let directory = home.path().join("odd $HOME & co 100% #S");
    std::fs::create_dir(&directory).unwrap();
    let program = directory.join("codexline");
    std::fs::rename(home.path().join("odd 'n\" $HOME & co/codexline"), &program).unwrap();
    let snippet = init(&home, &program, &["tmux"]);
    let mut stage = Stage::new();
    for (name, value) in home.command(&[]).get_envs() {
        if let (Some("CODEX_HOME" | "XDG_CACHE_HOME"), Some(value)) = (name.to_str(), value) {
            stage.set(name.to_str().unwrap(), value);
        }
    }
    let tmux = Tmux::start(&stage, &format!("set -g status-interval 1\n{snippet}"));
    tmux.attach("client", 120, 5).wait_for(USUAL_LINE.trim());
    // The plugin, in a file of its own, as its instructions say.
    let plugin = directory.join("codexline.tmux");
    std::fs::write(&plugin, init(&home, &program, &["tmux", "codexline.tmux"])).unwrap();
    crate::support::home::set_mode(&plugin, 0o755);
    assert!(tmux.run(&["set", "-g", "status-right", "plugin #{codexline} end"]).success);
    let plugin = crate::support::hosts::quoted(&plugin).replace('#', "##");
    assert!(tmux.run(&["run-shell", &plugin]).success);
    tmux.attach("second", 120, 5).wait_for(&format!("plugin {} end", USUAL_LINE.trim()));
}

/// What a script in a shell prints, with the program on PATH.
fn in_shell(command: &[&str]) -> String {
    let mut home = Home::signed_out();
    let bin = PathBuf::from(env!("CARGO_BIN_EXE_codexline"));
    let path = std::env::var("PATH").unwrap_or_default();
    home.set("PATH", format!("{}:{path}", bin.parent().unwrap().display()));
    let output = finish(&mut home.wrapped(command));
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{command:?}");
    output.stdout
}

#[test]
fn completions_know_hosts_commands_and_options() {
    if has!("bash") {
        let script = "source <(codexline completions bash); \
                      words() { COMP_WORDS=(codexline \"$@\"); COMP_CWORD=$#; COMPREPLY=(); \
                      _codexline codexline \"${!#}\" \"${COMP_WORDS[COMP_CWORD-1]}\"; \
                      echo \"${COMPREPLY[*]}\"; }; \
                      words tm; words --max; words init way; words completions nu; words fe; \
                      words --color \"\"; words tmux --glyphs \"\"; words status --severity \"\"; \
                      words fetch --recover re";
        let found = in_shell(&["bash", "-c", script]);
        assert_eq!(
            found,
            "tmux\n--max-age\nwaybar\nnushell\nfetch\nauto always never\n\
             unicode nerd ascii\nused pace\nreload\n"
        );
    }
    if has!("fish") {
        let script = "codexline completions fish | source; \
                      for line in 'codexline tm' 'codexline --max' \
                      'codexline init way' 'codexline fe' \
                      'codexline --color ' 'codexline tmux --glyphs ' \
                      'codexline status --severity ' 'codexline fetch --recover re' \
                      'codexline tmux --max'; echo (complete -C $line | string split -f1 \\t); end";
        assert_eq!(
            in_shell(&["fish", "-N", "-c", script]),
            "tmux\n--max-age\nwaybar\nfetch\nalways auto never\nascii nerd unicode\npace used\n\
             reload\n--max-age\n"
        );
    }
    if has!("zsh") {
        let script = "autoload -U compinit; compinit -u -d $HOME/dump; \
                      source <(codexline completions zsh); print ${_comps[codexline]}";
        assert_eq!(in_shell(&["zsh", "-f", "-c", script]), "_codexline\n");
    }
    if has!("elvish") {
        // `$edit:` exists only at a terminal. This one only keeps the words.
        let script = "use str
            var edit: = (ns [
                &complex-candidate~={|text &display=''| put $text}
                &completion:=(ns [&arg-completer=[&]])
            ])
            eval &ns=(ns [&edit:=$edit:]) (codexline completions elvish | slurp)
            for words [['' ''] ['' init ''] ['' fetch --r]] {
                echo (str:join ' ' [($edit:completion:arg-completer[codexline] $@words)])
            }";
        let found = in_shell(&["elvish", "-norc", "-c", script]);
        let lines: Vec<Vec<&str>> = found.lines().map(|line| line.split(' ').collect()).collect();
        for (line, word) in [(0, "status"), (0, "--max-age"), (1, "--list"), (2, "--recover")] {
            assert!(lines[line].contains(&word), "{word}: {found}");
        }
        assert!(!lines[1].contains(&"--max-age"), "{found}");
    }
    if has!("nu") {
        in_shell(&["sh", "-c", "codexline completions nushell > c.nu && nu -n -c 'source c.nu'"]);
    }
    if has!("pwsh") {
        let script = "codexline completions powershell | Out-String | Invoke-Expression";
        in_shell(&["pwsh", "-NoProfile", "-Command", script]);
    }
    let home = Home::signed_out();
    for shell in ["bash", "zsh", "fish", "nushell", "elvish", "powershell"] {
        let output = home.run(&["completions", shell]);
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
        assert!(output.stdout.contains("max-age") && !output.stdout.contains("worker"), "{shell}");
    }
    let wrong = home.run(&["completions", "fsh"]);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.stderr.contains("did you mean fish?"), "{wrong:?}");
}

/// zsh completes only at a terminal.
#[cfg(target_os = "linux")]
#[test]
fn zsh_completes_what_is_typed() {
    use crate::support::hosts::Stage;
    use crate::support::hosts::terminal::{Terminal, shell};
    needs!("zsh", "tmux");
    let stage = Stage::new();
    stage.install("codexline", Path::new(env!("CARGO_BIN_EXE_codexline")));
    let setup = "PROMPT='ready> '\nautoload -U compinit\ncompinit -u -d $HOME/dump\n\
                 source <(codexline completions zsh)\n";
    let terminal = Terminal::open(&stage, "zsh", 100, 30, &shell(&stage, "zsh", setup));
    terminal.wait_for("ready>");
    for (typed, completed) in [
        ("tm", "tmux"),
        ("fe", "fetch"),
        ("--color al", "--color always"),
        ("tmux --glyphs n", "tmux --glyphs nerd"),
        ("status --severity p", "status --severity pace"),
        ("fetch --recover rel", "fetch --recover reload"),
        ("init way", "init waybar"),
        ("completions nu", "completions nushell"),
        ("auth ref", "auth refresh"),
        ("check --of", "check --offline"),
        ("--offline tmux --win", "--offline tmux --window"),
    ] {
        terminal.keys(&format!("codexline {typed}\t"));
        terminal.wait_for(&format!("ready> codexline {completed}"));
        // Clears the line, which is not to be run. The shell reads this key in its turn; Ctrl-C can
        // get lost during a completion.
        terminal.keys("\u{15}");
        terminal.wait_until("an empty line", |text| text.trim_end().ends_with("ready>"));
    }
}

#[test]
fn the_man_page_tells_of_every_option_and_command() {
    let home = Home::signed_out();
    let page = home.run(&["man"]).stdout;
    let help = home.run(&["--help"]).stdout;
    let names = help.split_whitespace().filter(|word| word.starts_with("--"));
    for name in names {
        assert!(page.contains(&name.replace('-', "\\-")), "{name}");
    }
    for command in ["fetch", "config", "auth refresh", "init", "completions"] {
        assert!(page.contains(&format!(".SH \"codexline {command}\"\n")), "{command}");
    }
    if has!("groff") {
        let path = home.path().join("codexline.1");
        std::fs::write(&path, page).unwrap();
        let output = finish(&mut home.wrapped(&[
            "groff",
            "-k",
            "-Tutf8",
            "-man",
            "-ww",
            path.to_str().unwrap(),
        ]));
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
        assert!(output.stdout.contains("The last answer"));
    }
}
