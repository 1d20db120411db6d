//! What was typed. The only user of clap; everything it knows of options comes from
//! [`crate::settings::OPTIONS`], of hosts from [`crate::hosts::HOSTS`].

use crate::environment::Surroundings;
use crate::error::Error;
use crate::hosts::{self, HOSTS};
use crate::settings::{self, OPTIONS, Opt, Settings};
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::ffi::OsString;

/// What to do.
pub enum Invocation {
    /// Print the line.
    Line(Box<Settings>),
    /// Fetch now; `is_worker`: behind a prompt, and only if the entry is still stale.
    Fetch { settings: Box<Settings>, is_worker: bool },
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
    let matches = match command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) if !error.use_stderr() => return Ok(Invocation::Print(error.render().to_string())),
        Err(error) => return Err(Error::Usage(one_line(&error.render().to_string()))),
    };
    match matches.subcommand() {
        Some(("fetch", matches)) => {
            let settings = Settings::resolve(hosts::DEFAULT, surroundings, &typed(matches))?;
            Ok(Invocation::Fetch { settings: Box::new(settings), is_worker: matches.get_flag("worker") })
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
        _ => {
            let host = match matches.get_one::<String>("host") {
                Some(name) => settings::host(name)?,
                None => hosts::DEFAULT,
            };
            let settings = Settings::resolve(host, surroundings, &typed(&matches))?;
            Ok(Invocation::Line(Box::new(settings)))
        }
    }
}

/// The whole grammar.
pub fn command() -> Command {
    let host = Arg::new("host")
        .value_name("HOST")
        .help(host_help())
        .value_parser(PossibleValuesParser::new(HOSTS.iter().map(|host| host.name)))
        .hide_possible_values(true);
    let worker = switch("worker", "behind a prompt, under a lock that is handed over").hide(true);
    let fetch = Command::new("fetch")
        .about("Fetch now, whatever the cache's age; silent on success, exit 1 on failure")
        .arg(worker)
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
        .args(args(&["format", "window", "separator", "warn", "critical", "color"], false));
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
                    typed.push((option, "1".to_string()));
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

    #[test]
    fn the_grammar_is_sound() {
        command().debug_assert();
    }
}
