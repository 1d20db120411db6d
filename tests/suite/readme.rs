//! The READMEs show what the program does: snippets, commands, options, tables.

use crate::support::home::{Home, finish};
use crate::support::server::{Answer, Server};
use crate::support::{TOKEN, usage_of};
use codexline::commands::help::TOPICS;
use codexline::commands::init::INTEGRATIONS;
use codexline::config::options::OPTIONS;
use codexline::render::template::{FIELD_NAMES, LINE_NAMES};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

const README: &str = include_str!("../../README.md");

/// The README, and the reference that `codexline help` prints.
const DOCS: &str = concat!(
    include_str!("../../README.md"),
    include_str!("../../src/commands/help/line.md"),
    include_str!("../../src/commands/help/templates.md"),
    include_str!("../../src/commands/help/config.md"),
    include_str!("../../src/commands/help/json.md"),
    include_str!("../../src/commands/help/sources.md"),
    include_str!("../../src/commands/help/login.md"),
    include_str!("../../src/commands/help/files.md"),
    include_str!("../../src/commands/help/activity.md"),
);

/// The README and those of the hosts: each with its path.
fn readmes() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let hosts =
        INTEGRATIONS.iter().map(|host| root.join("integrations").join(host.name).join("README.md"));
    let topics =
        TOPICS.iter().map(|topic| root.join(format!("src/commands/help/{}.md", topic.name)));
    let paths = std::iter::once(root.join("README.md")).chain(topics).chain(hosts);
    paths.map(|path| (path.clone(), std::fs::read_to_string(&path).unwrap())).collect()
}

/// What stands between `<!-- name -->` and `<!-- /name -->`.
fn part(name: &str) -> &'static str {
    let (begin, end) = (format!("<!-- {name} -->"), format!("<!-- /{name} -->"));
    let part = DOCS.split_once(&begin).and_then(|(_, rest)| rest.split_once(&end));
    part.unwrap_or_else(|| panic!("the documentation has no part {name:?}")).0
}

/// The cells of each row of the table whose heading begins with this.
fn table(heading: &str) -> Vec<Vec<&'static str>> {
    let (_, rest) =
        DOCS.split_once(heading).unwrap_or_else(|| panic!("there is no table {heading:?}"));
    // The rest of the heading, the line below it.
    let rows = rest.lines().skip(2).take_while(|line| line.starts_with('|'));
    let rows: Vec<Vec<_>> =
        rows.map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect()).collect();
    assert!(!rows.is_empty(), "{heading:?}: no rows");
    rows
}

/// The parts in backticks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The fenced blocks with their language, and the text outside of them.
fn fences(text: &str) -> (Vec<(&str, &str)>, String) {
    let (mut blocks, mut outside) = (Vec::new(), String::new());
    for (index, part) in text.split("```").enumerate() {
        match index % 2 {
            0 => outside.push_str(part),
            _ => blocks.push(part.split_once('\n').unwrap()),
        }
    }
    (blocks, outside)
}

fn output(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_codexline")).args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// A home with numbers, and `codexline` and a `make` on its PATH.
fn home() -> (Home, Server) {
    let server = Server::start(|request| match (request.line().as_str(), request.bearer()) {
        (TOKEN, _) => {
            Answer::json(200, &json!({ "access_token": crate::support::home::jwt(&json!({})) }))
        }
        (_, Some(_)) => Answer::json(200, &usage_of(42, 17)),
        (_, None) => Answer::json(401, &json!({ "error": { "code": "unauthorized" } })),
    });
    let mut home = Home::new(&server);
    let bin = home.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    for (name, program) in [("codexline", env!("CARGO_BIN_EXE_codexline")), ("make", "/bin/true")] {
        std::os::unix::fs::symlink(program, bin.join(name)).unwrap();
    }
    let path = std::env::var("PATH").unwrap_or_default();
    home.set("PATH", format!("{}:{path}", bin.display()));
    home.set("SHELL", "/bin/sh");
    home.fill();
    (home, server)
}

/// The command line in a text: from `codexline` to the end of the quotes or brackets around it.
fn command_in(text: &str) -> Option<String> {
    let start = text.match_indices("codexline ").map(|(at, _)| at).find(|at| {
        // It must not be the end of a path or of another word.
        !text[..*at]
            .ends_with(|before: char| before.is_alphanumeric() || "-_/.@#{".contains(before))
    })?;
    let mut command = text[start..].trim_end();
    let is_open = |text: &str| {
        let odd = |quote| text.matches(quote).count() % 2 == 1;
        odd('"') || odd('\'') || text.matches('(').count() < text.matches(')').count()
    };
    while is_open(command) {
        command = command[..command.len() - 1].trim_end();
    }
    Some(command.to_owned())
}

/// Every command line that a README shows, with values in place of the words that stand for them.
fn commands(text: &str) -> Vec<String> {
    let (blocks, outside) = fences(text);
    let mut found: Vec<String> =
        code(&outside).filter_map(|span| command_in(&span.replace('\n', " "))).collect();
    for (language, block) in blocks {
        let lines = block.lines().filter_map(|line| match language {
            "sh" => Some(line),
            "console" => line.strip_prefix("$ "),
            _ => None,
        });
        // Commands of cargo are not tested here.
        found.extend(lines.filter(|line| !line.starts_with("cargo")).filter_map(command_in));
    }
    let each = |command: String| -> Vec<String> {
        let command = command.replace("[HOST]", "waybar").replace("HOST", "waybar");
        match command.rsplit_once(' ') {
            Some((start, choice)) if choice.contains('|') && !choice.contains(['\'', '"']) => {
                choice.split('|').map(|word| format!("{start} {word}")).collect()
            }
            _ => vec![command],
        }
    };
    found.into_iter().flat_map(each).collect()
}

#[test]
fn help_prints_every_topic_and_the_help_of_every_command() {
    let (home, _server) = home();
    let overview = home.run(&["help"]).stdout;
    let page = home.run(&["man"]).stdout;
    for topic in &TOPICS {
        assert!(DOCS.contains(topic.text), "{}", topic.name);
        let shown = home.run(&["help", topic.name]);
        assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""), "{}", topic.name);
        assert!(shown.stdout.ends_with(topic.text), "{}", topic.name);
        assert!(overview.contains(&format!("\n  {} ", topic.name)), "{}", topic.name);
        assert!(page.contains(&format!(".SH \"TOPIC: {}\"", topic.name)), "{}", topic.name);
        let link = format!("[`codexline help {0}`](src/commands/help/{0}.md)", topic.name);
        assert!(README.contains(&link), "{link}");
    }
    let commands = overview.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    // A long description goes on in the next line, farther to the right.
    let rows = commands.lines().filter_map(|line| line.strip_prefix("  "));
    let rows = rows.filter(|row| !row.starts_with(' '));
    let commands: Vec<&str> = rows.filter_map(|row| row.split_whitespace().next()).collect();
    assert!(commands.len() > 12, "{commands:?}");
    for command in commands {
        let shown = home.run(&["help", command]).stdout;
        assert!(shown.contains(&format!("Usage: codexline {command}")), "{command}: {shown}");
    }
    let shown = home.run(&["help", "auth", "refresh"]).stdout;
    assert!(shown.contains("--print-only"), "{shown}");
    let wrong = home.run(&["help", "nothing"]);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.stderr.contains("a command or a topic was expected"), "{wrong:?}");
}

#[test]
fn the_readme_is_short() {
    let lines = README.lines().count();
    assert!(lines <= 200, "{lines} lines");
}

#[test]
fn the_reference_has_every_option_and_every_error_code_and_no_other() {
    let rows = table("| option | what for |");
    let shown: BTreeSet<&str> = rows
        .iter()
        .flat_map(|row| code(row[0]))
        .filter_map(|name| name.strip_prefix("--"))
        .collect();
    let known: BTreeSet<&str> = OPTIONS.iter().map(|option| option.name).collect();
    assert_eq!(shown, known);
    let source = include_str!("../../src/model/error.rs");
    let calls = source.split("local(\"").skip(1).chain(source.split("asked(\"").skip(1));
    let codes: BTreeSet<&str> =
        calls.filter_map(|call| call.split('"').next()).filter(|code| *code != "usage").collect();
    let shown: BTreeSet<&str> = code(part("error codes")).collect();
    assert_eq!(shown, codes);
}

/// Those that are started with another PATH than a person's shell.
const NAMED_BY_PATH: [&str; 6] =
    ["starship", "waybar", "i3blocks", "swaybar", "i3status-rust", "polybar"];

#[test]
fn every_snippet_is_what_init_prints() {
    let (home, _server) = home();
    let mut seen = 0;
    for integration in INTEGRATIONS {
        let folder =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("integrations").join(integration.name);
        for entry in std::fs::read_dir(&folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name == "README.md" || name == "picture.png" {
                continue;
            }
            let printed = home.run(&["init", integration.name, &name]);
            let file = std::fs::read_to_string(folder.join(&name)).unwrap();
            let program = home.path().join("bin/codexline");
            let file = match NAMED_BY_PATH.contains(&integration.name) {
                true => crate::init::with_path(&file, program.to_str().unwrap()),
                false => file,
            };
            assert_eq!(printed.stdout, file, "{}/{name}: {}", integration.name, printed.stderr);
            let all = home.run(&["init", integration.name]).stdout;
            // Something follows it where it belongs: a comma stands behind it.
            let file = file.trim_end();
            // These are printed only if they are named, or chosen by an option.
            let is_chosen = ["codexline.tmux", "push.conf", "env.toml", "env.sh"].contains(&&*name);
            assert!(all.contains(file) != is_chosen, "{}/{name}", integration.name);
            seen += 1;
        }
    }
    assert!(seen > INTEGRATIONS.len());
}

#[test]
fn every_command_that_is_shown_runs() {
    let (home, _server) = home();
    for directory in ["home/.config/i3blocks", "home/.tmux"] {
        std::fs::create_dir_all(home.path().join(directory)).unwrap();
    }
    // `init starship --env` writes beside such a line.
    std::fs::write(home.path().join("home/.zshrc"), "eval \"$(starship init zsh)\"\n").unwrap();
    let mut count = 0;
    for (path, text) in readmes() {
        for command in commands(&text) {
            let output = finish(&mut home.wrapped(&["sh", "-c", &command]));
            let may_say_no = command.contains(" check ") || command.contains(" doctor");
            let fine = output.code == Some(0) || may_say_no && output.code == Some(1);
            assert!(fine, "{}: {command}: {output:?}", path.display());
            // Here are no sessions to count.
            let may_speak =
                may_say_no || command.contains("--verbose") || command.ends_with(" activity");
            let is_quiet = may_speak || output.stderr.is_empty();
            assert!(is_quiet, "{}: {command}: {output:?}", path.display());
            count += 1;
        }
    }
    assert!(count > 40, "only {count} commands were found");
}

#[test]
fn every_option_that_is_shown_exists() {
    let manual = output(&["man"]).replace("\\-", "-").replace("\\fB", " ");
    let known: BTreeSet<&str> = manual
        .split(|character: char| !(character.is_ascii_alphanumeric() || character == '-'))
        .filter(|word| word.starts_with("--"))
        .collect();
    for (path, text) in readmes() {
        let (_, outside) = fences(&text);
        for span in code(&outside).filter(|span| span.starts_with("--")) {
            let name = span.split([' ', '=']).next().unwrap();
            // `--NAME` stands for any.
            assert!(known.contains(name) || name == "--NAME", "{}: {name}", path.display());
        }
        for name in text.match_indices("@codexline_").map(|(at, word)| &text[at + word.len()..]) {
            let name = name
                .split(|letter: char| !letter.is_ascii_lowercase() && letter != '_')
                .next()
                .unwrap();
            let known = OPTIONS.iter().any(|option| option.name.replace('-', "_") == name);
            // `@codexline_NAME` stands for any.
            assert!(known || name.is_empty(), "{}: @codexline_{name}", path.display());
        }
    }
}

/// A table of ten rows: each promise with a test that is there.
#[test]
fn every_promise_about_the_login_names_a_test_that_exists() {
    let rows = part("promises").lines().filter(|line| line.starts_with("| ")).skip(1);
    let names: Vec<&str> = rows.map(|row| code(row).last().unwrap_or(row)).collect();
    assert_eq!(names.len(), 10, "{names:?}");
    for name in names {
        let [room, module, test] = name.split("::").collect::<Vec<_>>()[..] else {
            panic!("{name:?} is not the name of a test");
        };
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite").join(room);
        let source = std::fs::read_to_string(tests.join(format!("{module}.rs"))).unwrap();
        let declared = format!("\nfn {test}() {{");
        let (before, _) = source.split_once(&declared).unwrap_or_else(|| panic!("no {name}"));
        let attributes = before.rsplit("\n\n").next().unwrap();
        assert!(attributes.contains("#[test]"), "{name} is not a test");
        assert!(!attributes.contains("#[ignore"), "{name} does not run");
    }
}

#[test]
fn every_config_file_that_is_shown_is_sound() {
    let (home, _server) = home();
    let directory = home.path().join("config/codexline");
    std::fs::create_dir_all(&directory).unwrap();
    let (blocks, _) = fences(DOCS);
    let files: Vec<_> = blocks.iter().filter(|(language, _)| *language == "toml").collect();
    assert!(files.len() >= 2);
    for (_, file) in files {
        std::fs::write(directory.join("config.toml"), file).unwrap();
        for host in ["plain", "tmux"] {
            let report = home.run(&["config", host]);
            assert_eq!(report.code, Some(0), "{file}: {report:?}");
            assert!(
                report.stdout.contains("config.toml") && !report.stdout.contains("wrong"),
                "{report:?}"
            );
        }
        assert!(!home.run(&["--offline"]).stdout.contains("(config "), "{file}");
    }
}

#[test]
fn the_tables_of_templates_have_every_name_and_no_other() {
    let fields: Vec<&str> = table("| field (").iter().flat_map(|row| code(row[0])).collect();
    let names: Vec<&str> = fields.iter().copied().filter(|field| !field.contains(':')).collect();
    assert_eq!(names, FIELD_NAMES);
    for field in fields {
        assert_eq!(
            Command::new(env!("CARGO_BIN_EXE_codexline"))
                .args(["demo", "--window", &format!("{{{field}}}")])
                .output()
                .unwrap()
                .status
                .code(),
            Some(0),
            "{field}"
        );
    }
    let lines: BTreeSet<&str> = table("| in `--format` |")
        .iter()
        .flat_map(|row| code(row[0]))
        .filter_map(|name| name.strip_prefix('{')?.strip_suffix('}'))
        .filter(|name| name.chars().all(|letter| letter.is_alphabetic() || letter == '_'))
        .collect();
    assert_eq!(lines, LINE_NAMES.into());
}

/// Every key below these objects.
fn keys<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                found.insert(key);
                keys(value, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| keys(value, found)),
        _ => {}
    }
}

#[test]
fn the_table_of_json_has_every_key_and_no_other() {
    let (home, server) = home();
    let mut full = usage_of(42, 17);
    full["plan_type"] = "business".into();
    full["additional_rate_limits"] =
        json!([{ "limit_name": "other", "rate_limit": full["rate_limit"] }]);
    full["credits"] = json!({ "has_credits": true, "unlimited": false, "balance": "12.5" });
    full["spend_control"] = json!({ "reached": false, "individual_limit": {
        "limit": "40", "used": "1", "remaining": "39",
        "used_percent": 2.5, "reset_at": 2_000_000_000,
    } });
    full["model_usage"] = json!({ "gpt": { "available": false } });
    full["rate_limit_reached_type"] = "x".into();
    full["rate_limit"]["allowed"] = false.into();
    server.script(move |_| Answer::json(200, &full));
    home.run(&["fetch"]);
    let with_all = home.run(&["json", "--max-age", "1h"]).stdout;
    let one = format!("one={}", home.codex_home().display());
    // Nobody is signed in to the other one.
    let other = Home::signed_out();
    let two = format!("two={}", other.codex_home().display());
    let with_two = home.run(&["json", "--wait", "9s", "--account", &one, "--account", &two]).stdout;
    let objects = [with_all, with_two].map(|text| serde_json::from_str::<Value>(&text).unwrap());
    let mut found = BTreeSet::new();
    objects.iter().for_each(|value| keys(value, &mut found));
    let rows = part("json keys").lines().filter(|line| line.starts_with("| `"));
    let mut described = BTreeSet::new();
    for row in rows {
        let (key, value) = row[2..].split_once(" | ").unwrap();
        described.extend(code(key).map(|key| key.trim_end_matches("[]")));
        // Behind a colon stand values, not keys.
        let is_object = key.contains("[]") || value.starts_with("null, or ");
        described.extend(code(value).filter(|_| is_object).map(|key| key.trim_end_matches("[]")));
    }
    assert_eq!(found, described);
}

/// All sources of the program.
fn sources(directory: &Path) -> String {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| match path.is_dir() {
            true => sources(&path),
            false => std::fs::read_to_string(&path).unwrap(),
        })
        .collect()
}

#[test]
fn the_table_of_words_has_every_word_and_no_other() {
    let source = include_str!("../../src/model/error.rs");
    // `local("code", "word", …)` or `asked("code", WORD, …)`, where a constant has the word.
    let word = |call: &'static str| {
        let named = call.strip_prefix('"')?.split(',').nth(1)?.trim();
        let text = match named.strip_prefix('"') {
            Some(text) => text,
            None => source.split(&format!("const {named}: &str = \"")).nth(1)?,
        };
        text.split('"').next()
    };
    let calls = source.split("local(").chain(source.split("asked("));
    let words: BTreeSet<&str> = calls.filter_map(word).collect();
    let shown: BTreeSet<&str> =
        table("| shown | meaning |").iter().flat_map(|row| code(row[0])).collect();
    let all = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    for word in &shown {
        // Two rows show a line.
        let is_line = word.contains(['%', '…']);
        assert!(
            is_line || all.contains(&format!("\"{word}\"")),
            "{word} is no word of the program's"
        );
    }
    let missing: Vec<_> =
        words.iter().filter(|word| !shown.contains(*word) && **word != "usage").collect();
    assert!(words.len() > 10 && missing.is_empty(), "not in the table: {missing:?}");
}

#[test]
fn every_variable_that_is_shown_is_read() {
    let source = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let is_name = |text: &str| {
        text.len() > 4
            && text.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_')
            && text.contains('_')
    };
    // Those belong to the library that connects.
    let mut count = 0;
    let (_, outside) = fences(DOCS);
    for span in code(&outside) {
        let name = span.trim_start_matches('$').split(['=', '/']).next().unwrap();
        if is_name(name) {
            let is_option = || OPTIONS.iter().any(|option| option.variable() == name);
            assert!(source.contains(&format!("\"{name}\"")) || is_option(), "nothing reads {name}");
            count += 1;
        }
    }
    assert!(count > 15, "{count}");
}

#[test]
fn the_table_of_on_change_has_every_variable_and_no_other() {
    let (home, server) = home();
    server.script(|_| Answer::json(200, &usage_of(75, 17)));
    let told = home.path().join("told");
    let command = format!("env > '{0}.new' && mv '{0}.new' '{0}'", told.display());
    home.run(&["fetch", "--on-change", &command]);
    crate::support::eventually("the command to be run", || told.exists());
    let environment = std::fs::read_to_string(told).unwrap();
    let names = environment.lines().filter_map(|line| line.split_once('=').map(|(name, _)| name));
    // This variable keeps a codexline in the command from fetching; it is not for users.
    let told: BTreeSet<&str> = names
        .filter(|name| name.starts_with("CODEXLINE_") && *name != "CODEXLINE_PUSHED_AT")
        // The home of a test has it.
        .filter(|name| *name != "CODEXLINE_MAX_IDLE")
        .collect();
    let shown: BTreeSet<&str> =
        table("| variable | value |").iter().flat_map(|row| code(row[0])).collect();
    assert_eq!(told, shown);
}

/// A stand-in for macOS's `osascript` writes down its arguments.
#[test]
fn the_notification_of_macos_is_a_script_and_one_argument() {
    let (mut home, server) = home();
    server.script(|_| Answer::json(200, &usage_of(75, 17)));
    let (blocks, _) = fences(DOCS);
    let file = blocks.iter().find(|(_, block)| block.contains("osascript")).unwrap().1;
    let directory = home.path().join("config/codexline");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("config.toml"), file).unwrap();
    let (bin, told) = (home.path().join("stand-ins"), home.path().join("told"));
    std::fs::create_dir(&bin).unwrap();
    let script = format!("#!/bin/sh\nprintf '[%s]' \"$@\" >{}\n", told.display());
    std::fs::write(bin.join("osascript"), script).unwrap();
    crate::support::home::set_mode(&bin.join("osascript"), 0o755);
    home.set("PATH", format!("{}:/usr/bin:/bin", bin.display()));
    home.run(&["fetch"]);
    assert_eq!(
        std::fs::read_to_string(told).unwrap(),
        "[-e][on run argv][-e][display notification (item 1 of argv) with title \"Codex\"]\
         [-e][end run][5h: warning, 25 % left]"
    );
}

#[test]
fn every_readme_of_a_host_says_what_one_must_know() {
    // Those hosts cannot run here, so there is no picture.
    let without_picture = ["powerlevel10k", "sketchybar", "swiftbar", "zjstatus"];
    for (path, text) in readmes().into_iter().skip(1 + TOPICS.len()) {
        let host = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
        for part in ["**Options**", "**What it costs.**", "**Pitfall"] {
            assert!(text.contains(part), "{host}: no {part}");
        }
        assert_eq!(text.contains("](picture.png)"), !without_picture.contains(&host), "{host}");
        // It is in the README's table of what to paste, and in its gallery if there is a picture.
        let links = README.matches(&format!("](integrations/{host}/README.md)")).count();
        assert_eq!(links, 1, "{host}");
        let pictures = README.matches(&format!("](integrations/{host}/picture.png)")).count();
        assert_eq!(pictures, usize::from(!without_picture.contains(&host)), "{host}");
    }
}

#[test]
fn the_how_to_of_two_accounts_works_as_printed() {
    let (home, _server) = home();
    let (other, _other_server) = self::home();
    let person = home.path().join("home");
    for (name, home) in [(".codex", &home), (".codex-work", &other)] {
        std::os::unix::fs::symlink(home.codex_home(), person.join(name)).unwrap();
    }
    let (blocks, _) = fences(DOCS);
    let of_accounts = |language: &str| {
        let has = |block: &str| block.contains("account") && block.contains("~/.codex-work");
        blocks.iter().find(|(of, block)| *of == language && has(block)).unwrap().1
    };
    let check = |shown: &str| {
        let (first, second) = shown.split_once(" · ").unwrap_or_else(|| panic!("{shown}"));
        assert!(first.contains("home 5h 58% left"), "{shown}");
        assert!(second.contains("work 5h 58% left"), "{shown}");
    };
    let command = of_accounts("sh").trim().replace("codexline", "codexline --wait 9s");
    check(&finish(&mut home.wrapped(&["sh", "-c", &command])).stdout);
    let directory = home.path().join("config/codexline");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("config.toml"), of_accounts("toml")).unwrap();
    check(&home.run(&["--wait", "9s"]).stdout);
    let one = home.run(&["--account", "work"]).stdout;
    assert!(!one.contains("home") && one.contains("58% left"), "{one}");
}

/// The first cells of the table behind a heading.
fn rows(text: &str, heading: &str) -> Vec<String> {
    let (_, rest) = text.split_once(heading).unwrap_or_else(|| panic!("no {heading}"));
    let table = rest.lines().skip_while(|line| !line.starts_with('|'));
    let cells = table.take_while(|line| line.starts_with('|')).skip(2);
    cells.map(|line| line.split('|').nth(1).unwrap().trim().replace('`', "")).collect()
}

#[test]
fn the_tables_of_speed_have_the_rows_of_the_benchmark() {
    let bench = concat!(
        include_str!("../bench/activity.rs"),
        include_str!("../bench/fetch.rs"),
        include_str!("../bench/growth.rs"),
        include_str!("../bench/hook.rs"),
        include_str!("../bench/prompt.rs"),
        include_str!("../bench/warm.rs"),
    );
    let short = rows(README, "\n## How fast it is\n");
    assert_eq!(short.len(), 5, "{short:?}");
    let guide = include_str!("../../.github/CONTRIBUTING.md");
    let rest = rows(guide, "\n## How to measure\n");
    assert!(rest.len() > 10, "{rest:?}");
    for row in short.iter().chain(&rest) {
        // The benchmark puts numbers into some names.
        let mut words = row.split(|character: char| character.is_ascii_digit()).map(str::trim);
        assert!(words.all(|words| bench.contains(words)), "{row}");
    }
}
