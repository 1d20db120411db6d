//! What was typed. The only user of clap; everything it knows of options comes from
//! [`crate::settings::OPTIONS`], of hosts from [`crate::hosts::HOSTS`].
//!
//! Building clap's grammar costs a quarter of all instructions of a warm start, so what prompts and bars really
//! type, a host and options with values, is read straight from the same tables first ([`plainly`]). Whatever that does
//! not understand goes to clap, which also finds the words for what is wrong. A test compares the two.

use crate::environment::Surroundings;
use crate::error::Error;
use crate::fetch::Errand;
use crate::hosts::{self, HOSTS, Host};
use crate::settings::{OPTIONS, Opt, Settings};
use crate::text::nearest;
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::ffi::OsString;

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
    /// Show every host's output from a sample.
    Demo(Box<Settings>),
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
            let settings = Settings::resolve(hosts::DEFAULT, surroundings, &typed(matches))?;
            let errand = match (matches.get_flag("worker"), matches.get_flag("force")) {
                (false, _) => Errand::ByHand,
                (true, false) => Errand::Stale,
                (true, true) => Errand::Click,
            };
            Ok(Invocation::Fetch { settings: Box::new(settings), errand })
        }
        Some(("auth", matches)) => match matches.subcommand() {
            Some((_, matches)) => {
                let settings = Settings::resolve(hosts::DEFAULT, surroundings, &typed(matches))?;
                Ok(Invocation::AuthRefresh(Refresh {
                    print_only: matches.get_flag("print-only"),
                    discover: matches.get_flag("discover"),
                    verbose: settings.verbose,
                }))
            }
            None => Ok(Invocation::Auth),
        },
        Some(("demo", matches)) => {
            let settings = Settings::resolve(hosts::DEFAULT, surroundings, &typed(matches))?;
            Ok(Invocation::Demo(Box::new(settings)))
        }
        _ => line_of(&matches).resolve(surroundings),
    }
}

/// A line as it was typed.
#[derive(Debug, PartialEq)]
struct Line {
    host: Option<String>,
    typed: Vec<(&'static Opt, String)>,
}

impl Line {
    fn resolve(self, surroundings: &Surroundings) -> Result<Invocation, Error> {
        let host = self.host.map_or(Ok(hosts::DEFAULT), |name| host(&name))?;
        Settings::resolve(host, surroundings, &self.typed)
            .map(|settings| Invocation::Line(Box::new(settings)))
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
const LOOKS: [&str; 11] = [
    "format",
    "window",
    "separator",
    "short",
    "icon",
    "glyphs",
    "ascii",
    "warn",
    "critical",
    "color",
    "colors",
];

/// The whole grammar.
pub fn command() -> Command {
    let host = Arg::new("host").value_name("HOST").help(host_help());
    let worker = switch("worker", "behind a prompt, under a lock that is handed over").hide(true);
    let force = switch("force", "with --worker: also if the entry is fresh").hide(true);
    let fetch = Command::new("fetch")
        .about("Fetch now, whatever the cache's age; silent on success, exit 1 on failure")
        .arg(worker)
        .arg(force)
        .args(args(&["recover", "codex-bin", "verbose"], false))
        .args(args(&["max-age"], true));
    let refresh = Command::new("refresh")
        .about("Renew the login now, as codex would")
        .arg(switch("print-only", "show the request that would be sent, the token masked; send nothing"))
        .arg(switch("discover", "ask the login's issuer for its token endpoint"))
        .args(args(&["verbose"], false));
    let auth = Command::new("auth")
        .about("Show what the login looks like, without its secrets")
        .disable_help_subcommand(true)
        .subcommand(refresh);
    let demo = Command::new("demo")
        .about("Show every host's output from a sample answer: no login, no network, no files")
        .args(args(&LOOKS, false));
    Command::new("codexline")
        .about("Prints how much of a Codex (ChatGPT) plan is used, for a shell prompt or a bar.")
        .version(env!("CARGO_PKG_VERSION"))
        .args_conflicts_with_subcommands(true)
        .disable_help_subcommand(true)
        .arg(host)
        .args(OPTIONS.iter().map(|option| arg(option, false)))
        .subcommand(fetch)
        .subcommand(auth)
        .subcommand(demo)
}

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
    let help = match option.default {
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
fn typed(matches: &ArgMatches) -> Vec<(&'static Opt, String)> {
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
