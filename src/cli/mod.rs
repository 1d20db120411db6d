//! What was typed. The only user of clap and its generators. All that it knows of options comes
//! from [`crate::config::options::OPTIONS`], all that it knows of hosts from
//! [`crate::hosts::HOSTS`].
//!
//! Building clap's grammar costs a quarter of all instructions of a warm start. So what prompts and
//! bars type, a host and options with values, is read first from the same tables without clap
//! ([`plainly`]). Whatever that does not understand goes to clap, which also says what is wrong. A
//! test compares the two.

mod completions;
mod grammar;
mod man;
mod mistakes;

use self::completions::completions;
use self::grammar::command;
use self::man::man;
use crate::background::fetch::FetchArgs;
use crate::commands::activity::ActivityArgs;
use crate::commands::auth::RefreshArgs;
use crate::commands::check::CheckArgs;
use crate::commands::config::{self, ConfigArgs};
use crate::commands::demo::DemoArgs;
use crate::commands::doctor::DoctorArgs;
use crate::commands::help;
use crate::commands::init::{InitArgs, UninstallArgs};
use crate::commands::status::StatusArgs;
use crate::config::file::ConfigFile;
use crate::config::layers::{Layers, Typed};
use crate::config::options::OPTIONS;
use crate::config::settings::Settings;
use crate::config::values::percent;
use crate::hosts::{self, HOSTS, Host};
use crate::io::env::Env;
use crate::model::asking::Shows;
use crate::model::decision::Trigger;
use crate::model::error::Error;
use crate::model::text::{did_you_mean, plain, wrap};
use crate::render::template::is_label;
use clap::{ArgMatches, Command};
use std::ffi::OsString;

/// What to do.
pub enum Invocation {
    /// Print the line.
    Line(Box<Settings>),
    Fetch(Box<FetchArgs>),
    /// Count what was done today, as a worker.
    Count(Box<Settings>),
    Status(Box<StatusArgs>),
    Check(Box<CheckArgs>),
    Doctor(Box<DoctorArgs>),
    Activity(ActivityArgs),
    /// Show what the login looks like.
    Auth,
    /// Refresh the login now, or show how that would be done.
    AuthRefresh(RefreshArgs),
    Config(ConfigArgs),
    /// Show what the line says, from made-up numbers.
    Demo(Box<DemoArgs>),
    Init(InitArgs),
    Uninstall(UninstallArgs),
    /// Print this text.
    Print(String),
}

/// # Errors
/// [`Error::Usage`]: the text is complete, with its hint.
pub fn parse(arguments: Vec<OsString>, env: &Env) -> Result<Invocation, Error> {
    if let Some(line) = plainly(&arguments) {
        return line.resolve(env);
    }
    let matches = match command().try_get_matches_from(&arguments) {
        Ok(matches) => matches,
        Err(error) if !error.use_stderr() => {
            let text = error.render().to_string();
            return Ok(Invocation::Print(with_usage_broken(&text, env.terminal_columns())));
        }
        Err(error) => return Err(Error::Usage(mistakes::sentence(&error, &arguments))),
    };
    let Some((verb, matches)) = matches.subcommand() else {
        return line_of(&matches).resolve(env);
    };
    let is_set = |name| matches.get_flag(name);
    let named = |name| matches.get_one::<String>(name).map(String::as_str);
    Ok(match verb {
        "fetch" => {
            let (settings, trigger) = match (is_set("worker"), is_set("force")) {
                (false, _) => (with_file(env, matches)?, Trigger::Manual),
                // A worker is told everything by the line that starts it, which has read the file.
                (true, false) => (without_file(env, matches)?, Trigger::Stale),
                (true, true) => (without_file(env, matches)?, Trigger::Click),
            };
            let shows = Shows { pools: is_set("shows-pools"), budget: is_set("shows-budget") };
            let settings = Settings { shows, ..settings };
            Invocation::Fetch(Box::new(FetchArgs { settings, trigger }))
        }
        "activity" if is_set("worker") => Invocation::Count(Box::new(without_file(env, matches)?)),
        "activity" => Invocation::Activity(ActivityArgs {
            settings: Box::new(with_file(env, matches)?),
            days: days(named("days").unwrap_or_default())?,
            json: is_set("json"),
        }),
        "auth" => match matches.subcommand() {
            Some((_, matches)) => Invocation::AuthRefresh(RefreshArgs {
                print_only: matches.get_flag("print-only"),
                discover: matches.get_flag("discover"),
                verbose: without_file(env, matches)?.verbose,
            }),
            None => Invocation::Auth,
        },
        "status" => Invocation::Status(Box::new(StatusArgs {
            settings: with_file(env, matches)?,
            is_watched: is_set("watch"),
        })),
        "check" => Invocation::Check(Box::new(check_args(matches, env)?)),
        "doctor" => Invocation::Doctor(Box::new(DoctorArgs {
            settings: with_file(env, matches)?,
            json: is_set("json"),
            email: is_set("email"),
            all: is_set("all"),
        })),
        "demo" => Invocation::Demo(Box::new(DemoArgs {
            settings: without_file(env, matches)?,
            host: named("host").map(host).transpose()?,
            is_raw: is_set("raw"),
        })),
        "config" if is_set("default") => Invocation::Print(config::default_file()),
        "config" => {
            let TypedLine { host: name, typed } = line_of(matches);
            Invocation::Config(ConfigArgs {
                host: name.map(|name| host(&name)).transpose()?,
                typed,
            })
        }
        "init" => Invocation::Init(InitArgs {
            host: named("integration").map(String::from),
            file: named("file").map(String::from),
            write: is_set("write"),
            remove: is_set("remove"),
            dry_run: is_set("dry-run"),
            list: is_set("list"),
            with: ["push", "env"].into_iter().find(|option| is_set(option)),
        }),
        "uninstall" => Invocation::Uninstall(UninstallArgs {
            purge: is_set("purge"),
            dry_run: is_set("dry-run"),
        }),
        "completions" => match named("shell") {
            Some(shell) => Invocation::Print(completions(shell)?),
            None => Invocation::Print(completions::shells()),
        },
        "help" => {
            let words = matches.get_many::<String>("topic").unwrap_or_default();
            Invocation::Print(help(&words.map(String::as_str).collect::<Vec<_>>(), env)?)
        }
        _ => Invocation::Print(man()),
    })
}

/// A help text of clap's. It breaks every line to the terminal's width but that of the usage.
fn with_usage_broken(text: &str, columns: Option<usize>) -> String {
    const USAGE: &str = "Usage: ";
    let columns = columns.unwrap_or(usize::MAX).saturating_sub(USAGE.len());
    let broken = |line: &str| match line.strip_prefix(USAGE) {
        Some(usage) => {
            let lines = wrap(usage, columns);
            format!("{USAGE}{}\n", lines.join(&format!("\n{:1$}", "", USAGE.len())))
        }
        None => format!("{line}\n"),
    };
    text.lines().map(broken).collect()
}

/// What `codexline help` prints: the help of the program or of a command, or a topic.
///
/// # Errors
/// [`Error::Usage`] for a word that is neither.
fn help(words: &[&str], env: &Env) -> Result<String, Error> {
    let topic = words.first().and_then(|word| help::find(word));
    let columns = env.terminal_columns();
    let laid_out = |text: &str| columns.map_or(text.into(), |columns| help::lay_out(text, columns));
    let mut command = grammar::grammar(false);
    command.build();
    let mut found = Some(&mut command);
    for word in words {
        found = found.and_then(|command| command.find_subcommand_mut(word));
    }
    match (found, topic) {
        (Some(command), topic) => {
            let mut text = with_usage_broken(&command.render_help().to_string(), columns);
            match topic {
                Some(topic) => text.push_str(&format!("\n{}", laid_out(topic.text))),
                None if words.is_empty() => text.push_str(&help::list(columns)),
                None => {}
            }
            Ok(text)
        }
        (None, Some(topic)) if words.len() == 1 => Ok(laid_out(topic.text)),
        _ => {
            let words = plain(&words.join(" "), 60);
            Err(Error::Usage(format!(
                "help: a command or a topic was expected, not '{words}'; codexline help lists them"
            )))
        }
    }
}

/// What `activity` goes back at most: ten years.
const MOST_DAYS: u16 = 3660;

/// # Errors
/// [`Error::Usage`].
fn days(text: &str) -> Result<u16, Error> {
    text.parse().ok().filter(|days| (1..=MOST_DAYS).contains(days)).ok_or_else(|| {
        let text = plain(text, 60);
        Error::Usage(format!("--days '{text}': is not a number of days from 1 to {MOST_DAYS}"))
    })
}

/// # Errors
/// [`Error::Usage`].
fn check_args(matches: &ArgMatches, env: &Env) -> Result<CheckArgs, Error> {
    let settings = with_file(env, matches)?;
    let typed = |id: &str| matches.get_one::<String>(id).map(String::as_str);
    let wrong = |option: &str, text: &str, reason: &str| {
        Error::Usage(format!("--{option} '{}': {reason}", plain(text, 60)))
    };
    let text = typed("left").unwrap_or_default();
    let left = percent(text).map_err(|reason| wrong("left", text, &reason))?;
    let window = typed("limit");
    if let Some(label) = window.filter(|label| !is_label(label)) {
        return Err(wrong("window", label, "is not a window's name like 5h or 7d, or budget"));
    }
    Ok(CheckArgs { settings, left, window: window.map(String::from) })
}

fn with_file(env: &Env, matches: &ArgMatches) -> Result<Settings, Error> {
    let file = ConfigFile::read(env);
    let layers = Layers { file: file.as_ref(), section: None, env, typed: &typed(matches) };
    Settings::resolve(hosts::DEFAULT, &layers)
}

fn without_file(env: &Env, matches: &ArgMatches) -> Result<Settings, Error> {
    let layers = Layers { file: None, section: None, env, typed: &typed(matches) };
    Settings::resolve(hosts::DEFAULT, &layers)
}

/// A line as it was typed.
#[derive(Debug, PartialEq)]
struct TypedLine {
    host: Option<String>,
    typed: Vec<Typed>,
}

impl TypedLine {
    fn resolve(self, env: &Env) -> Result<Invocation, Error> {
        let host = self.host.map_or(Ok(hosts::DEFAULT), |name| host(&name))?;
        let file = ConfigFile::read(env);
        let layers =
            Layers { file: file.as_ref(), section: Some(host.name), env, typed: &self.typed };
        Settings::resolve(host, &layers).map(|settings| Invocation::Line(Box::new(settings)))
    }
}

/// # Errors
/// [`Error::Usage`] with the nearest name that could be there.
fn host(name: &str) -> Result<&'static Host, Error> {
    hosts::find(name).ok_or_else(|| {
        let command = command();
        if command.get_subcommands().any(|known| known.get_name() == name) {
            return Error::Usage(format!(
                "the options of a command stand behind it: codexline {name} [OPTIONS]"
            ));
        }
        let commands = command.get_subcommands().map(Command::get_name);
        let near = did_you_mean(name, HOSTS.iter().map(|host| host.name).chain(commands));
        Error::Usage(format!("unknown host or command '{}'{near}", plain(name, 60)))
    })
}

fn line_of(matches: &ArgMatches) -> TypedLine {
    TypedLine { host: matches.get_one::<String>("host").cloned(), typed: typed(matches) }
}

/// Reads a host and options of the line, each as `--name value`, `--name=value` or `--name`.
/// `None`: there is something else, right or wrong.
fn plainly(arguments: &[OsString]) -> Option<TypedLine> {
    let mut line = TypedLine { host: None, typed: Vec::new() };
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Words that a line may have, and some that are wrong in it.
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
                let line = std::iter::once("codexline")
                    .chain(picks[..length].iter().map(|pick| WORDS[*pick]));
                let line: Vec<OsString> = line.map(OsString::from).collect();
                let Some(plain) = plainly(&line) else { continue };
                let matches = command().try_get_matches_from(&line);
                let clap =
                    matches.map(|matches| line_of(&matches)).map_err(|error| error.to_string());
                let sorted = |mut line: TypedLine| {
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
