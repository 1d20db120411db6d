//! What was typed. The only user of clap and of its generators; everything it knows of options comes from
//! [`crate::settings::OPTIONS`], of hosts from [`crate::hosts::HOSTS`].
//!
//! Building clap's grammar costs a quarter of all instructions of a warm start, so what prompts and bars really
//! type, a host and options with values, is read straight from the same tables first ([`plainly`]). Whatever that does
//! not understand goes to clap, which also finds the words for what is wrong. A test compares the two.

use crate::check::Wanted;
use crate::config;
use crate::config_file::ConfigFile;
use crate::doctor;
use crate::environment::Surroundings;
use crate::error::Error;
use crate::fetch::Errand;
use crate::hosts::{self, HOSTS, Host};
use crate::integrations;
use crate::layers::{Layers, Typed};
use crate::render::template::is_label;
use crate::settings::{self, OPTIONS, Opt, Settings};
use crate::text::nearest;
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use clap_complete::{Shell, generate};
use clap_complete_nushell::Nushell;
use clap_mangen::Man;
use std::ffi::OsString;
use std::io::Write;

const NAME: &str = "codexline";

/// What `activity` goes back at most: ten years.
const MOST_DAYS: i64 = 3660;

/// What to do.
pub enum Invocation {
    /// Print the line.
    Line(Box<Settings>),
    Fetch {
        settings: Box<Settings>,
        errand: Errand,
    },
    /// Show what the login looks like.
    Auth,
    /// Renew the login now, or show how that would be done.
    AuthRefresh(Refresh),
    /// Show the page for people, or go on showing it.
    Status {
        settings: Box<Settings>,
        is_watched: bool,
    },
    /// Tell whether enough is left.
    Check {
        settings: Box<Settings>,
        wanted: Wanted,
    },
    /// Look at everything that can be wrong.
    Doctor {
        settings: Box<Settings>,
        wanted: doctor::Wanted,
    },
    /// Show what was done by day.
    Activity(Activity),
    /// Count what was done today, behind a prompt.
    Count(Box<Settings>),
    /// Show every host's output from a sample.
    Demo(Box<Settings>),
    /// Show what is in force, and where it comes from.
    Config {
        host: Option<&'static Host>,
        typed: Vec<Typed>,
    },
    /// Print this text (help, version) and end.
    Print(String),
}

/// `codexline auth refresh`.
pub struct Refresh {
    /// Show the request and send nothing.
    pub print_only: bool,
    /// Ask the issuer for its token endpoint.
    pub discover: bool,
    pub verbose: bool,
}

/// `codexline activity`.
pub struct Activity {
    pub settings: Box<Settings>,
    /// How many, today included; at least one.
    pub days: u16,
    pub json: bool,
}

/// # Errors
/// [`Error::Usage`]: the text is complete, with its hint.
pub fn parse(arguments: Vec<OsString>, surroundings: &Surroundings) -> Result<Invocation, Error> {
    if let Some(line) = plainly(&arguments) {
        return line.resolve(surroundings);
    }
    let matches = match command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) if !error.use_stderr() => return Ok(Invocation::Print(error.render().to_string())),
        Err(error) => return Err(Error::Usage(one_line(&error.render().to_string()))),
    };
    match matches.subcommand() {
        Some(("fetch", matches)) => {
            let errand = match (matches.get_flag("worker"), matches.get_flag("force")) {
                (false, _) => Errand::ByHand,
                (true, false) => Errand::Stale,
                (true, true) => Errand::Click,
            };
            // A worker is told everything by the line that started it, which has read the file.
            let settings = match errand {
                Errand::ByHand => with_file(surroundings, matches)?,
                _ => without_file(surroundings, matches)?,
            };
            Ok(Invocation::Fetch { settings: Box::new(settings), errand })
        }
        Some(("auth", matches)) => match matches.subcommand() {
            Some((_, matches)) => {
                let settings = without_file(surroundings, matches)?;
                Ok(Invocation::AuthRefresh(Refresh {
                    print_only: matches.get_flag("print-only"),
                    discover: matches.get_flag("discover"),
                    verbose: settings.verbose,
                }))
            }
            None => Ok(Invocation::Auth),
        },
        Some(("status", matches)) => {
            let settings = Box::new(with_file(surroundings, matches)?);
            Ok(Invocation::Status { settings, is_watched: matches.get_flag("watch") })
        }
        Some(("check", matches)) => {
            let settings = Box::new(with_file(surroundings, matches)?);
            Ok(Invocation::Check { settings, wanted: wanted(matches)? })
        }
        Some(("doctor", matches)) => {
            let settings = Box::new(with_file(surroundings, matches)?);
            let wanted = doctor::Wanted { json: matches.get_flag("json"), email: matches.get_flag("email") };
            Ok(Invocation::Doctor { settings, wanted })
        }
        // As for the fetch: told everything.
        Some(("activity", matches)) if matches.get_flag("worker") => {
            Ok(Invocation::Count(Box::new(without_file(surroundings, matches)?)))
        }
        Some(("activity", matches)) => Ok(Invocation::Activity(Activity {
            settings: Box::new(with_file(surroundings, matches)?),
            days: matches.get_one("days").copied().unwrap_or(1),
            json: matches.get_flag("json"),
        })),
        Some(("demo", matches)) => {
            let settings = without_file(surroundings, matches)?;
            Ok(Invocation::Demo(Box::new(settings)))
        }
        Some(("config", matches)) => Ok(match matches.get_flag("default") {
            true => Invocation::Print(config::default_file()),
            false => {
                let Line { host: name, typed } = line_of(matches);
                Invocation::Config { host: name.map(|name| host(&name)).transpose()?, typed }
            }
        }),
        Some(("init", matches)) => {
            let named = |name| matches.get_one::<String>(name).map(String::as_str);
            let text = match named("integration") {
                Some(name) => integrations::init(name, named("file"), surroundings)?,
                None => integrations::list(),
            };
            Ok(Invocation::Print(text))
        }
        Some(("completions", matches)) => {
            let shell = matches.get_one::<String>("shell").map_or("", String::as_str);
            completions(shell).map(Invocation::Print)
        }
        Some(("man", _)) => Ok(Invocation::Print(man())),
        _ => line_of(&matches).resolve(surroundings),
    }
}

type Completions = fn(&mut Command, &mut Vec<u8>);

/// The shells that the generators of clap know.
const SHELLS: [(&str, Completions); 6] = [
    ("bash", |command, out| generate(Shell::Bash, command, NAME, out)),
    ("zsh", |command, out| generate(Shell::Zsh, command, NAME, out)),
    ("fish", |command, out| generate(Shell::Fish, command, NAME, out)),
    ("nushell", |command, out| generate(Nushell, command, NAME, out)),
    ("elvish", |command, out| generate(Shell::Elvish, command, NAME, out)),
    ("powershell", |command, out| generate(Shell::PowerShell, command, NAME, out)),
];

fn completions(shell: &str) -> Result<String, Error> {
    let Some((_, complete)) = SHELLS.iter().find(|(name, _)| *name == shell) else {
        let near = nearest(shell, SHELLS.iter().map(|(name, _)| *name));
        let shell = crate::text::plain(shell, 60);
        return Err(Error::Usage(format!("unknown shell '{shell}'; did you mean {near}?")));
    };
    let mut out = Vec::new();
    complete(&mut with_values(), &mut out);
    let mut text = String::from_utf8_lossy(&out).into_owned();
    match shell {
        "fish" => text = fish_options(&text) + &fish_words(),
        "zsh" => text = zsh_hosts(&text).unwrap_or(text),
        _ => {}
    }
    Ok(text)
}

/// The generator for zsh takes the first word for a host and looks for the command behind it. Here hosts stand among the
/// commands, with the options of the line behind them. `None` if the text is not of the form that is known.
fn zsh_hosts(text: &str) -> Option<String> {
    let (before, rest) = text.split_once("'::host -- ")?;
    let (_, rest) = rest.split_once('\n')?;
    let (_, options) = before.split_once("_arguments ")?;
    let names: Vec<&str> = HOSTS.iter().map(|host| host.name).collect();
    let case = "case $line[1] in\n";
    let line = format!("{case}({})\n_arguments {options}&& ret=0\n;;\n", names.join("|"));
    let rest = rest.replace("$line[2]", "$line[1]").replacen(case, &line, 1);
    let (before_words, words) = rest.split_once("commands=(\n")?;
    let escaped = |text: &str| text.replace('\'', "'\\''").replace(':', "\\:");
    let hosts: String =
        HOSTS.iter().map(|host| format!("'{}:{}' \\\n", host.name, escaped(host.about))).collect();
    Some(format!("{before}{before_words}commands=(\n{hosts}{words}"))
}

/// The generator for fish forgets the line's options behind a host, and where the value of one is what is to be completed.
fn fish_options(text: &str) -> String {
    let commands: Vec<_> =
        grammar(false).get_subcommands().map(|command| command.get_name().to_string()).collect();
    let no_command = format!("not __fish_seen_subcommand_from {}", commands.join(" "));
    let generated = format!("__fish_{NAME}_needs_command");
    ["-l", "-s"].iter().fold(text.to_string(), |text, kind| {
        text.replace(&format!("-n \"{generated}\" {kind} "), &format!("-n \"{no_command}\" {kind} "))
    })
}

/// What can stand first, or behind `init`: the generator for fish leaves out all that is not an option.
fn fish_words() -> String {
    let line = |condition: &str, word: &str, about: &str| {
        let about = about.replace('\'', "\\'");
        format!("complete -c {NAME} -n \"__fish_{NAME}_{condition}\" -f -a \"{word}\" -d '{about}'\n")
    };
    let hosts = HOSTS.iter().map(|host| line("needs_command", host.name, host.about));
    let config = HOSTS.iter().map(|host| line("using_subcommand config", host.name, host.about));
    let init = integrations::INTEGRATIONS
        .iter()
        .map(|integration| line("using_subcommand init", integration.name, integration.snippets[0].place));
    let shells = SHELLS.iter().map(|(shell, _)| line("using_subcommand completions", shell, "a shell"));
    hosts.chain(config).chain(init).chain(shells).collect()
}

/// The grammar with what can stand in a place, which clap would check a second time.
fn with_values() -> Command {
    let values = |arg: Arg| {
        let names: Vec<&'static str> = match arg.get_id().as_str() {
            "host" => HOSTS.iter().map(|host| host.name).collect(),
            "integration" => integrations::INTEGRATIONS.iter().map(|integration| integration.name).collect(),
            "shell" => SHELLS.iter().map(|(name, _)| *name).collect(),
            name => {
                let option = OPTIONS.iter().find(|option| option.name == name);
                option.map_or(&[][..], |option| option.choices).to_vec()
            }
        };
        match names.is_empty() {
            true => arg,
            false => arg.value_parser(PossibleValuesParser::new(names)).hide_possible_values(true),
        }
    };
    grammar(false).mut_args(values).mut_subcommands(|command| command.mut_args(values))
}

/// The man page: of the program, and a section for each of its commands, which are too small for pages of their own.
fn man() -> String {
    let mut out = Vec::new();
    // Writing to memory does not fail.
    let _ = write_man(&mut out);
    String::from_utf8_lossy(&out).into_owned()
}

fn write_man(out: &mut Vec<u8>) -> std::io::Result<()> {
    let mut command = grammar(false);
    command.build();
    let page = Man::new(command.clone());
    page.render_title(out)?;
    page.render_name_section(out)?;
    page.render_synopsis_section(out)?;
    page.render_description_section(out)?;
    page.render_options_section(out)?;
    for subcommand in command.get_subcommands() {
        write_man_of(subcommand, NAME, out)?;
    }
    out.write_all(MAN_END.as_bytes())
}

fn write_man_of(command: &Command, parent: &str, out: &mut Vec<u8>) -> std::io::Result<()> {
    let name = format!("{parent} {}", command.get_name());
    writeln!(out, ".SH \"{name}\"")?;
    let mut part = Vec::new();
    let page = Man::new(command.clone());
    page.render_synopsis_section(&mut part)?;
    page.render_description_section(&mut part)?;
    page.render_options_section(&mut part)?;
    // Their headings stand one level lower here.
    out.write_all(String::from_utf8_lossy(&part).replace("\n.SH ", "\n.SS ").as_bytes())?;
    command.get_subcommands().try_for_each(|command| write_man_of(command, &name, out))
}

/// What the grammar does not know.
const MAN_END: &str = "\
.SH ENVIRONMENT
.TP
\\fBCODEXLINE_MAX_AGE\\fR, \\fBCODEXLINE_FORMAT\\fR, …
The options, in capitals and with _ for \\-; what is typed beats them.
.TP
\\fBCODEXLINE_CONFIG\\fR
Another config file than the one below.
.TP
\\fBCODEX_HOME\\fR
Where codex keeps its login; ~/.codex by default.
.TP
\\fBNO_COLOR\\fR
No colours where \\-\\-color is auto.
.SH FILES
.TP
$XDG_CONFIG_HOME/codexline/config.toml
The same options as keys, in a common part and in a section for each host: see codexline config \\-\\-default.
.TP
$XDG_CACHE_HOME/codexline/
The last answer, the counts of activity, and locks.
.SH EXIT STATUS
0 whenever a line was printed, also one that tells of a failure; 1 where fetch, auth, activity or config failed; 2 for a mistake in the
command line or the environment.
";

/// # Errors
/// [`Error::Usage`].
fn wanted(matches: &ArgMatches) -> Result<Wanted, Error> {
    let typed = |id: &str| matches.get_one::<String>(id).map(String::as_str);
    let wrong = |option: &str, text: &str, reason: &str| {
        Error::Usage(format!("--{option} '{}': {reason}", crate::text::plain(text, 60)))
    };
    let text = typed("left").unwrap_or_default();
    let left = settings::percent(text).map_err(|reason| wrong("left", text, &reason))?;
    let window = typed("limit");
    if let Some(label) = window.filter(|label| !is_label(label)) {
        return Err(wrong("window", label, "is not a window's name like 5h or 7d, or budget"));
    }
    Ok(Wanted { left, window: window.map(String::from) })
}

fn with_file(surroundings: &Surroundings, matches: &ArgMatches) -> Result<Settings, Error> {
    let file = ConfigFile::read(surroundings);
    let layers = Layers { file: file.as_ref(), section: None, surroundings, typed: &typed(matches) };
    Settings::resolve(hosts::DEFAULT, &layers)
}

fn without_file(surroundings: &Surroundings, matches: &ArgMatches) -> Result<Settings, Error> {
    let layers = Layers { file: None, section: None, surroundings, typed: &typed(matches) };
    Settings::resolve(hosts::DEFAULT, &layers)
}

/// A line as it was typed.
#[derive(Debug, PartialEq)]
struct Line {
    host: Option<String>,
    typed: Vec<Typed>,
}

impl Line {
    fn resolve(self, surroundings: &Surroundings) -> Result<Invocation, Error> {
        let host = self.host.map_or(Ok(hosts::DEFAULT), |name| host(&name))?;
        let file = ConfigFile::read(surroundings);
        let layers =
            Layers { file: file.as_ref(), section: Some(host.name), surroundings, typed: &self.typed };
        Settings::resolve(host, &layers).map(|settings| Invocation::Line(Box::new(settings)))
    }
}

/// # Errors
/// [`Error::Usage`] with the nearest name that could stand there.
fn host(name: &str) -> Result<&'static Host, Error> {
    hosts::find(name).ok_or_else(|| {
        let command = command();
        let commands = command.get_subcommands().map(Command::get_name);
        let near = nearest(name, HOSTS.iter().map(|host| host.name).chain(commands));
        let name = crate::text::plain(name, 60);
        Error::Usage(format!("unknown host or command '{name}'; did you mean {near}?"))
    })
}

fn line_of(matches: &ArgMatches) -> Line {
    Line { host: matches.get_one::<String>("host").cloned(), typed: typed(matches) }
}

/// Reads a host and options of the line, each as `--name value`, `--name=value` or `--name`; `None` for anything
/// else, right or wrong.
fn plainly(arguments: &[OsString]) -> Option<Line> {
    let mut line = Line { host: None, typed: Vec::new() };
    let mut arguments = arguments.iter().skip(1);
    while let Some(argument) = arguments.next() {
        let argument = argument.to_str()?;
        let Some(option) = argument.strip_prefix("--") else {
            if line.host.is_some() || hosts::find(argument).is_none() {
                return None;
            }
            line.host = Some(argument.to_string());
            continue;
        };
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (option, None),
        };
        let option = OPTIONS.iter().find(|option| option.name == name)?;
        let value = match (option.value, value) {
            (None, None) if line.typed.iter().all(|(typed, _)| typed.name != name) => ON,
            (Some(_), Some(value)) => value,
            (Some(_), None) => arguments.next()?.to_str()?,
            _ => return None,
        };
        line.typed.push((option, value.to_string()));
    }
    Some(line)
}

/// The options that decide how a line looks.
const LOOKS: [&str; 12] = [
    "format",
    "window",
    "separator",
    "short",
    "icon",
    "glyphs",
    "ascii",
    "warn",
    "critical",
    "severity",
    "color",
    "colors",
];

/// The whole grammar.
pub fn command() -> Command {
    grammar(true)
}

/// The grammar; without what is hidden from people, if so wanted: `hide` is for clap's help only.
fn grammar(with_hidden: bool) -> Command {
    let host = Arg::new("host").value_name("HOST").help(host_help());
    let config = Command::new("config")
        .about("Show what is in force for a host, and where each value comes from")
        .arg(switch("default", "print a config file of all defaults, with comments, instead"))
        .arg(host.clone().help("The host that is meant; without it, no host's section counts"))
        .args(OPTIONS.iter().map(|option| arg(option, true)).filter(|_| with_hidden));
    let init = Command::new("init")
        .about("Print what to paste into a host's configuration")
        .arg(Arg::new("integration").value_name("HOST").required_unless_present("list"))
        .arg(
            Arg::new("file")
                .value_name("FILE")
                .help("One file of it; without it, those that everybody needs"),
        )
        .arg(switch("list", "list every host with its files and where they belong"));
    let shells = SHELLS.map(|(name, _)| name).join(", ");
    let completions = Command::new("completions")
        .about("Print completions for a shell")
        .arg(Arg::new("shell").value_name("SHELL").help(shells).required(true));
    let man = Command::new("man").about("Print the man page");
    let worker = switch("worker", "behind a prompt, under a lock that is handed over").hide(true);
    let force = switch("force", "with --worker: also if the entry is fresh").hide(true);
    let fetch = Command::new("fetch")
        .about("Fetch now, whatever the cache's age; silent on success, exit 1 on failure")
        .args([worker.clone(), force].into_iter().filter(|_| with_hidden))
        .args(args(
            &[
                "account",
                "source",
                "recover",
                "codex-bin",
                "on-fetch",
                "on-change",
                "warn",
                "critical",
                "verbose",
            ],
            false,
        ))
        .args(args(&["max-age"], true).filter(|_| with_hidden));
    let refresh = Command::new("refresh")
        .about("Renew the login now, as codex would")
        .arg(switch("print-only", "show the request that would be sent, the token masked; send nothing"))
        .arg(switch("discover", "ask the login's issuer for its token endpoint"))
        .args(args(&["verbose"], false));
    let auth = Command::new("auth")
        .about("Show what the login looks like, without its secrets")
        .disable_help_subcommand(true)
        .subcommand(refresh);
    let status = Command::new("status")
        .about("Show everything that is known, for a person at a terminal")
        .arg(switch("watch", "go on showing it, until interrupted"))
        .args(args(&ASKING, false))
        .args(args(&["glyphs", "ascii", "warn", "critical", "severity", "color", "colors"], false));
    let check = Command::new("check")
        .about("Exit 0 if so much is left of every limit, 1 if it is not or nobody knows, 2 on misuse")
        .arg(
            Arg::new("left")
                .long("left")
                .value_name("PERCENT")
                .required(true)
                .help("what must be left, such as 10%"),
        )
        // Not the option of this name, which is the template of a window.
        .arg(
            Arg::new("limit")
                .long("window")
                .value_name("LABEL")
                .help("of this window only: 5h, 7d, … or budget"),
        )
        .args(args(&ASKING, false));
    let doctor = Command::new("doctor")
        .about("Look at everything that can be wrong, and say what to do; exit 1 if something is broken")
        .arg(switch("json", "as JSON, for programs"))
        .arg(switch("email", "with the e-mail address of the login"))
        .args(args(&["account", "source", "codex-bin", "color", "colors"], false));
    let days = Arg::new("days").long("days").value_name("N").default_value("7");
    let days =
        days.help("so many days, today included").value_parser(value_parser!(u16).range(1..=MOST_DAYS));
    let activity = Command::new("activity")
        .about("Show sessions, turns and tokens by day, from the local session files")
        .arg(days)
        .arg(switch("json", "as one object on one line: days[] and total"))
        .args([worker].into_iter().filter(|_| with_hidden))
        .args(args(&["account"], false))
        .args(args(&["max-age", "on-fetch", "source"], true).filter(|_| with_hidden));
    let demo = Command::new("demo")
        .about("Show every host's output from a sample answer: no login, no network, no files")
        .args(args(&LOOKS, false));
    Command::new(NAME)
        .about("Prints how much of a Codex (ChatGPT) plan is used, for a shell prompt or a bar.")
        .version(env!("CARGO_PKG_VERSION"))
        .args_conflicts_with_subcommands(true)
        .disable_help_subcommand(true)
        .arg(host)
        .args(OPTIONS.iter().map(|option| arg(option, false)))
        .subcommand(fetch)
        .subcommand(config)
        .subcommand(auth)
        .subcommand(status)
        .subcommand(check)
        .subcommand(doctor)
        .subcommand(activity)
        .subcommand(demo)
        .subcommand(init)
        .subcommand(completions)
        .subcommand(man)
}

/// The options of whoever asks and waits.
const ASKING: [&str; 8] =
    ["account", "max-age", "wait", "offline", "source", "recover", "codex-bin", "verbose"];

fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).help(help).action(ArgAction::SetTrue)
}

fn host_help() -> String {
    let names: Vec<&str> = HOSTS.iter().map(|host| host.name).collect();
    format!("Where the line is shown: {} [default: {}]", names.join(", "), hosts::DEFAULT.name)
}

fn args(names: &[&str], hidden: bool) -> impl Iterator<Item = Arg> {
    OPTIONS.iter().filter(|option| names.contains(&option.name)).map(move |option| arg(option, hidden))
}

fn arg(option: &'static Opt, hidden: bool) -> Arg {
    let help = match option.default_words() {
        Some(default) => format!("{} [default: {default}]", option.help),
        None => option.help.to_string(),
    };
    let arg = Arg::new(option.name).long(option.name).help(help).hide(hidden);
    match option.value {
        Some(value) => arg.value_name(value).action(ArgAction::Append).allow_hyphen_values(true),
        None => arg.action(ArgAction::SetTrue),
    }
}

/// The value of a switch that was typed.
const ON: &str = "1";

/// The options that were typed, with their values.
fn typed(matches: &ArgMatches) -> Vec<Typed> {
    let mut typed = Vec::new();
    for option in OPTIONS {
        match option.value {
            Some(_) => {
                if let Ok(Some(values)) = matches.try_get_many::<String>(option.name) {
                    typed.extend(values.map(|value| (option, value.clone())));
                }
            }
            None => {
                if let Ok(Some(true)) = matches.try_get_one::<bool>(option.name) {
                    typed.push((option, ON.to_string()));
                }
            }
        }
    }
    typed
}

/// clap's message as one line: a prompt or a log has room for one.
fn one_line(text: &str) -> String {
    let text = text.trim_start_matches("error: ");
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let lines = lines.iter().take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    lines.copied().collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words that a line may be made of, and some that break it.
    const WORDS: [&str; 16] = [
        "plain",
        "tmux",
        "fetch",
        "tmx",
        "--offline",
        "--verbose",
        "--warn",
        "--warn=80",
        "80",
        "--color",
        "auto",
        "--format",
        "{plan}",
        "--max-age=",
        "--nonsense",
        "--",
    ];

    #[test]
    fn both_readers_understand_the_same() {
        // Every line of up to three words.
        for number in 0..WORDS.len().pow(3) {
            let (first, rest) = (number % WORDS.len(), number / WORDS.len());
            let picks = [first, rest % WORDS.len(), rest / WORDS.len()];
            for length in 1..=3 {
                let line =
                    std::iter::once("codexline").chain(picks[..length].iter().map(|pick| WORDS[*pick]));
                let line: Vec<OsString> = line.map(OsString::from).collect();
                let Some(plain) = plainly(&line) else { continue };
                let matches = command().try_get_matches_from(&line);
                let clap = matches.map(|matches| line_of(&matches)).map_err(|error| error.to_string());
                let sorted = |mut line: Line| {
                    line.typed.sort_by_key(|(option, _)| option.name);
                    line
                };
                assert_eq!(clap.map(sorted), Ok(sorted(plain)), "{line:?}");
            }
        }
    }

    #[test]
    fn the_grammar_is_sound() {
        command().debug_assert();
    }
}
