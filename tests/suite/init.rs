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

/// A snippet with the path of the program in place of its name, as bars get it.
pub(crate) fn with_path(text: &str, path: &str) -> String {
    text.split_inclusive('\n')
        .map(|line| match line {
            // The first line of a file says what it is.
            line if line.starts_with(['#', ';', '/']) => line.to_owned(),
            line => line
                .replace("[\"codexline\"]", &format!("[\"{path}\"]"))
                .replace("codexline fetch", &format!("{path} fetch"))
                .replace("exec codexline ", &format!("exec {path} "))
                .replace("= codexline ", &format!("= {path} "))
                .replace("<(codexline ", &format!("<({path} "))
                .replace("\"codexline ", &format!("\"{path} ")),
        })
        .collect()
}

#[test]
fn on_path_the_snippet_is_the_file_as_it_is() {
    let mut home = Home::signed_out();
    let bin = home.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::fs::write(bin.join("codexline"), "").unwrap();
    home.set("PATH", &bin);
    for (host, file) in [
        ("tmux", include_str!("../../integrations/tmux/tmux.conf")),
        ("bash", include_str!("../../integrations/bash/codexline.bash")),
        ("fish", include_str!("../../integrations/fish/codexline.fish")),
        ("zsh", include_str!("../../integrations/zsh/codexline.zsh")),
    ] {
        assert_eq!(home.run(&["init", host]).stdout, file);
    }
    let path = env!("CARGO_BIN_EXE_codexline");
    // Bars and starship are started with another PATH, so the snippet has the whole path.
    for (host, file) in [
        ("starship", include_str!("../../integrations/starship/starship.toml")),
        ("i3blocks", include_str!("../../integrations/i3blocks/i3blocks.conf")),
        ("i3status-rust", include_str!("../../integrations/i3status-rust/config.toml")),
        ("polybar", include_str!("../../integrations/polybar/config.ini")),
    ] {
        assert_eq!(home.run(&["init", host]).stdout, with_path(file, path), "{host}");
    }
    // What cannot be written stands under headings that say exactly where it belongs.
    let waybar = home.run(&["init", "waybar"]).stdout;
    let config = with_path(include_str!("../../integrations/waybar/config.jsonc"), path);
    assert!(waybar.contains(&format!("{},\n", config.trim_end())), "{waybar}");
    let folder = home.path().join("config/waybar");
    for heading in [
        &*format!("==> {}/config, directly behind the first {{:\n", folder.display()),
        "==> and directly behind the [ of \"modules-right\" (or -left, -center):\n\n\
         \"custom/codexline\",\n",
        &*format!("==> {}/style.css, at the end:\n", folder.display()),
    ] {
        assert!(waybar.contains(heading), "{heading}\n{waybar}");
    }
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

    let text = init(&home, &program, &["claude-code", "settings.json"]);
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
                      words tm; words --max-a; words init way; words completions nu; words fe; \
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
                      for line in 'codexline tm' 'codexline --max-a' \
                      'codexline init way' 'codexline fe' \
                      'codexline --color ' 'codexline tmux --glyphs ' \
                      'codexline status --severity ' 'codexline fetch --recover re' \
                      'codexline tmux --max-a'; \
                      echo (complete -C $line | string split -f1 \\t); end";
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
    let shells = home.run(&["completions"]);
    assert_eq!((shells.code, shells.stdout.lines().count()), (Some(0), 6), "{shells:?}");
    assert!(shells.stdout.contains("codexline completions nushell\n"), "{shells:?}");
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

/// A file as a person has it before a snippet is written into it.
struct Before {
    name: &'static str,
    content: Option<&'static [u8]>,
    is_link: bool,
}

const BEFORES: [Before; 7] = [
    Before { name: "absent", content: None, is_link: false },
    Before { name: "empty", content: Some(b""), is_link: false },
    Before { name: "no line end", content: Some(b"# mine"), is_link: false },
    Before { name: "usual", content: Some(b"# mine\n\n"), is_link: false },
    Before { name: "CRLF", content: Some(b"# one\r\n# two\r\n"), is_link: false },
    Before { name: "not UTF-8", content: Some(b"# caf\xe9\n"), is_link: false },
    Before { name: "link", content: Some(b"# in a folder of dotfiles\n"), is_link: true },
];

/// Hosts whose file is written, and the file below HOME.
const WRITTEN: [(&str, &str); 7] = [
    ("starship", ".config/starship.toml"),
    ("tmux", ".tmux.conf"),
    ("tmux --push", ".tmux.conf"),
    ("zsh", ".zshrc"),
    ("bash", ".bashrc"),
    ("fish", ".config/fish/conf.d/codexline.fish"),
    ("waybar", ".config/waybar/style.css"),
];

/// A signed-out home with nothing in it, where `~/.config` is what it says.
fn bare() -> Home {
    let mut home = Home::signed_out();
    home.set("XDG_CONFIG_HOME", "");
    home
}

fn ran(home: &Home, arguments: &[&str]) -> String {
    let output = home.run(arguments);
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{arguments:?}: {output:?}");
    output.stdout
}

#[test]
fn what_is_written_is_taken_out_to_the_byte() {
    for (host, file) in WRITTEN {
        let init = |action: &'static str| -> Vec<&'static str> {
            ["init"].into_iter().chain(host.split(' ')).chain([action]).collect()
        };
        for Before { name, content, is_link } in BEFORES {
            // TOML is UTF-8.
            if host == "starship" && name == "not UTF-8" {
                continue;
            }
            let what = format!("{host}, {name}");
            let home = bare();
            let path = home.path().join("home").join(file);
            let real = home.path().join("dotfiles");
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            if let Some(content) = content {
                std::fs::write(if is_link { &real } else { &path }, content).unwrap();
            }
            if is_link {
                std::os::unix::fs::symlink(&real, &path).unwrap();
            }
            crate::support::home::set_mode(home.path(), 0o755);
            let copy = PathBuf::from(format!("{}.bak", path.display()));

            let shown = ran(&home, &init("--dry-run"));
            assert!(shown.contains("+") && shown.contains(">>> codexline"), "{what}: {shown}");
            assert_eq!(std::fs::read(&path).ok().as_deref(), content, "{what}");
            assert!(!copy.exists(), "{what}");

            ran(&home, &init("--write"));
            let once = std::fs::read(&path).unwrap();
            let text = String::from_utf8_lossy(&once);
            assert!(text.contains("codexline"), "{what}: {text}");
            let is_first = host == "waybar" || once.starts_with(content.unwrap_or_default());
            assert!(is_first && path.is_symlink() == is_link, "{what}: {text}");
            assert_eq!(std::fs::read(&copy).ok().as_deref(), content, "{what}");

            let again = ran(&home, &init("--write"));
            assert!(again.contains("nothing to change"), "{what}: {again}");
            assert_eq!(std::fs::read(&path).unwrap(), once, "{what}");

            ran(&home, &init("--remove"));
            assert_eq!(std::fs::read(&path).ok().as_deref(), content, "{what}");
            assert!(path.is_symlink() == is_link && !copy.exists(), "{what}");
            let left = ran(&home, &init("--remove"));
            assert!(left.contains("nothing to take out"), "{what}: {left}");
        }
    }
}

#[test]
fn one_option_takes_the_place_of_the_other_and_either_is_taken_out_to_the_byte() {
    let home = bare();
    let file = |name: &str| home.path().join("home").join(name);
    let zsh = "eval \"$(starship init zsh)\"\n";
    std::fs::write(file(".zshrc"), zsh).unwrap();
    // Not a shell that starship draws for.
    std::fs::write(file(".bashrc"), "PS1='$ '\n").unwrap();
    for content in [None, Some("add_newline = false\n")] {
        let toml = file(".config/starship.toml");
        content.inspect(|content| std::fs::write(&toml, content).unwrap());
        let read = |name: &str| std::fs::read_to_string(file(name)).unwrap_or_default();
        let shown = ran(&home, &["init", "starship", "--env", "--dry-run"]);
        assert!(shown.contains("+[env_var.CODEXLINE]") && shown.contains("__codexline_export"));
        assert_eq!(read(".zshrc"), zsh);
        for _ in 0..2 {
            ran(&home, &["init", "starship", "--env", "--write"]);
            assert!(read(".zshrc").starts_with(zsh) && read(".zshrc").contains("starship --ttl"));
            assert!(read(".config/starship.toml").contains("[env_var.CODEXLINE]"));
            assert_eq!(read(".bashrc"), "PS1='$ '\n");
            // Back to the module: no hook stays behind.
            ran(&home, &["init", "starship", "--write"]);
            assert_eq!(read(".zshrc"), zsh);
            let text = read(".config/starship.toml");
            assert!(text.contains("[custom.codexline]") && !text.contains("env_var"), "{text}");
        }
        ran(&home, &["init", "starship", "--env", "--write"]);
        ran(&home, &["init", "starship", "--remove"]);
        assert_eq!(read(".zshrc"), zsh);
        assert_eq!(std::fs::read_to_string(&toml).ok().as_deref(), content);
        // tmux's two have one file.
        ran(&home, &["init", "tmux", "--write"]);
        ran(&home, &["init", "tmux", "--push", "--write"]);
        assert_eq!(read(".tmux.conf").matches(">>> codexline tmux >>>").count(), 1);
        assert!(read(".tmux.conf").contains("@codexline"));
        ran(&home, &["init", "tmux", "--remove"]);
        let names = std::fs::read_dir(home.path().join("home")).unwrap();
        let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        names.retain(|name| name != ".config");
        names.sort();
        assert_eq!(names, [".bashrc", ".zshrc"]);
    }
    std::fs::remove_file(file(".zshrc")).unwrap();
    let output = home.run(&["init", "starship", "--env", "--write"]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.stderr.contains("no start file of a shell has 'starship init zsh'"));
    assert_eq!(home.run(&["init", "zsh", "--push"]).code, Some(2));
}

#[test]
fn no_folder_of_a_host_stays_that_was_made_for_the_snippet() {
    for (host, file) in WRITTEN {
        let home = bare();
        let person = home.path().join("home");
        let init = |action: &'static str| -> Vec<&'static str> {
            ["init"].into_iter().chain(host.split(' ')).chain([action]).collect()
        };
        ran(&home, &init("--write"));
        assert!(person.join(file).exists(), "{host}");
        ran(&home, &init("--remove"));
        let left: Vec<_> =
            Path::new(file).ancestors().skip(1).map(|path| person.join(path)).collect();
        let common = [person.clone(), person.join(".config")];
        let left: Vec<_> =
            left.iter().filter(|path| path.exists() && !common.contains(path)).collect();
        assert!(left.is_empty(), "{host}: {left:?}");
    }
}

#[test]
fn a_changed_snippet_takes_the_place_of_the_old_one_and_the_first_copy_stays() {
    let home = bare();
    let path = home.path().join("home/.zshrc");
    let mine = "RPROMPT='mine'\n";
    std::fs::write(&path, mine).unwrap();
    ran(&home, &["init", "zsh", "--write"]);
    let written = std::fs::read_to_string(&path).unwrap();
    let old = written.replace("autoload -Uz ", "an older snippet\n") + "# more\n";
    std::fs::write(&path, &old).unwrap();
    let shown = ran(&home, &["init", "zsh", "--dry-run"]);
    assert!(shown.contains("-an older snippet\n") && shown.contains("+autoload"), "{shown}");
    ran(&home, &["init", "zsh", "--write"]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), written + "# more\n");
    let copy = home.path().join("home/.zshrc.bak");
    assert_eq!(std::fs::read_to_string(&copy).unwrap(), mine);
    // The file has changed since, so the copy says something that it does not.
    let removed = ran(&home, &["init", "zsh", "--remove"]);
    assert!(removed.contains(".zshrc.bak is what it was before, and stays"), "{removed}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{mine}# more\n"));
}

#[test]
fn a_file_that_cannot_be_edited_is_left_as_it_is_and_named() {
    let check = |host: &str, file: &str, content: &str, mode: u32, expected: &str| {
        let home = bare();
        let path = home.path().join("home").join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        crate::support::home::set_mode(&path, mode);
        let output = home.run(&["init", host, "--write"]);
        assert_eq!(output.code, Some(1), "{output:?}");
        assert!(output.stderr.contains(expected), "{output:?}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
        let left = std::fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(left, 1, "something was left behind");
    };
    check("zsh", ".zshrc", "x\n", 0o444, "~/.zshrc: is read-only; nothing was changed");
    check(
        "zsh",
        ".zshrc",
        "# codexline zsh\nRPROMPT='$(codexline zsh)'\n",
        0o644,
        "~/.zshrc:2: has codexline already, put there by hand",
    );
    check(
        "bash",
        ".bashrc",
        "# >>> codexline bash >>>\n",
        0o644,
        "~/.bashrc:1: a block of codexline begins here and does not end",
    );
    let starship = ".config/starship.toml";
    check("starship", starship, "a = \n", 0o644, "starship.toml is not valid TOML");
    check("starship", starship, "custom = 1\n", 0o644, "the block does not fit in there");
    let table = "[custom.codexline]\nwhen = true\n";
    check("starship", starship, table, 0o644, "starship.toml:1: has codexline already");
}

#[test]
fn a_starship_whose_format_leaves_the_module_out_is_told() {
    let home = bare();
    let path = home.path().join("home/starship.toml");
    std::fs::write(&path, "format = \"$directory$character\"\n").unwrap();
    let mut home = home;
    home.set("STARSHIP_CONFIG", &path);
    let shown = ran(&home, &["init", "starship", "--write"]);
    assert!(shown.contains("add ${custom.codexline} to format or right_format"), "{shown}");
}

#[test]
fn without_a_host_init_lists_what_is_installed_here() {
    let mut home = bare();
    let bin = home.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    for name in ["codexline", "tmux", "claude"] {
        std::fs::write(bin.join(name), "").unwrap();
    }
    home.set("PATH", &bin);
    let shown = ran(&home, &["init"]);
    for line in ["codexline init tmux --write", "codexline init claude-code  ", "init --list"] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    assert!(!shown.contains("waybar") && !shown.contains("zsh"), "{shown}");
    ran(&home, &["init", "tmux", "--write"]);
    assert!(ran(&home, &["init"]).contains("codexline init tmux --remove"));
    home.set("PATH", "/nowhere");
    assert!(ran(&home, &["init"]).contains("No host that codexline knows is on PATH."));
    let wrong = home.run(&["init", "--write"]);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.stderr.contains("a host was expected"), "{wrong:?}");
}

#[test]
fn uninstall_takes_out_every_host_and_purge_everything_else() {
    let (_server, mut home) = signed_in();
    home.set("XDG_CONFIG_HOME", "");
    let person = home.path().join("home");
    for (host, _) in WRITTEN {
        ran(&home, &[&["init"], &host.split(' ').collect::<Vec<_>>()[..], &["--write"]].concat());
    }
    std::fs::create_dir_all(person.join(".config/codexline")).unwrap();
    std::fs::write(person.join(".config/codexline/config.toml"), "warn = 80\n").unwrap();
    std::fs::write(person.join(".config/waybar/config"), "\n\"custom/codexline\": {\n").unwrap();
    home.fill();
    let ledger = home.codex_home().join("auth.json.codexline.ledger");
    std::fs::write(&ledger, "").unwrap();

    let shown = ran(&home, &["uninstall", "--purge", "--dry-run"]);
    assert!(shown.contains("would be removed") && ledger.exists(), "{shown}");
    let shown = ran(&home, &["uninstall"]);
    assert!(shown.contains("~/.config/waybar/config:2 names codexline"), "{shown}");
    for left in ["~/.config/codexline/config.toml", "auth.json.codexline.ledger", "cache"] {
        assert!(shown.contains(left), "{left}: {shown}");
    }
    for (_, file) in WRITTEN {
        assert!(!person.join(file).exists(), "{file}");
    }
    assert!(ledger.exists());

    // Not while another one works, nor while new tokens wait for their place.
    let lock = home.codex_home().join("auth.json.codexline.lock");
    let held = std::fs::File::create(&lock).unwrap();
    held.lock().unwrap();
    let refused = home.run(&["uninstall", "--purge"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("a codexline is running"), "{refused:?}");
    drop(held);
    let staged = home.codex_home().join("auth.json.codexline.new");
    std::fs::write(&staged, "{}").unwrap();
    let refused = home.run(&["uninstall", "--purge"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("new tokens wait here"), "{refused:?}");
    assert!(ledger.exists() && staged.exists());
    std::fs::remove_file(&staged).unwrap();
    let state = person.join(".local/state/codexline");
    std::fs::create_dir_all(state.join("kept")).unwrap();
    let kept = state.join("kept/made-up.json");
    std::fs::write(&kept, "{}").unwrap();
    let refused = home.run(&["uninstall", "--purge"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("an auth.json that is away"), "{refused:?}");
    assert!(ledger.exists() && kept.exists());
    std::fs::remove_file(&kept).unwrap();

    ran(&home, &["uninstall", "--purge"]);
    assert!(!state.exists());
    assert!(!ledger.exists() && !lock.exists());
    assert!(!person.join(".config/codexline").exists());
    assert!(!home.path().join("cache/codexline").exists());
    assert!(home.codex_home().join("auth.json").exists());
}
