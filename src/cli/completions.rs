//! Completions from clap's generators. They do not know that the first word can be a host, which is
//! mended here.

use super::grammar::{NAME, SHELLS, grammar};
use crate::commands::init;
use crate::config::options::OPTIONS;
use crate::hosts::HOSTS;
use crate::model::error::Error;
use crate::model::text::{did_you_mean, plain};
use clap::builder::PossibleValuesParser;
use clap::{Arg, Command};
use clap_complete::{Shell, generate};
use clap_complete_nushell::Nushell;

/// The completion script for a shell.
///
/// # Errors
/// [`Error::Usage`] for a shell that is not known.
pub fn completions(shell: &str) -> Result<String, Error> {
    let mut out = Vec::new();
    let mut write = |generator: Shell| generate(generator, &mut with_values(), NAME, &mut out);
    match shell {
        "bash" => write(Shell::Bash),
        "zsh" => write(Shell::Zsh),
        "fish" => write(Shell::Fish),
        "elvish" => write(Shell::Elvish),
        "powershell" => write(Shell::PowerShell),
        "nushell" => generate(Nushell, &mut with_values(), NAME, &mut out),
        _ => {
            let (near, shell) = (did_you_mean(shell, SHELLS), plain(shell, 60));
            let shells = SHELLS.join(", ");
            let text = format!("completions: one of {shells} was expected, not '{shell}'{near}");
            return Err(Error::Usage(text));
        }
    }
    let mut text = String::from_utf8_lossy(&out).into_owned();
    match shell {
        "fish" => text = fish_options(&text) + &fish_words(),
        "zsh" => text = zsh_hosts(&text).unwrap_or(text),
        _ => {}
    }
    Ok(text)
}

/// The shells, for somebody who named none.
pub fn shells() -> String {
    SHELLS.iter().map(|shell| format!("{NAME} completions {shell}\n")).collect()
}

/// The generator for zsh takes the first word for a host and expects the command after it. This
/// puts the hosts among the commands, with the options of the line after them. `None`: the script
/// has another form than this code knows.
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

/// The generator for fish leaves out the line's options after a host, and where the value of an
/// option is to be completed.
fn fish_options(text: &str) -> String {
    let commands: Vec<_> =
        grammar(false).get_subcommands().map(|command| command.get_name().to_string()).collect();
    let no_command = format!("not __fish_seen_subcommand_from {}", commands.join(" "));
    let generated = format!("__fish_{NAME}_needs_command");
    ["-l", "-s"].iter().fold(text.to_string(), |text, kind| {
        text.replace(
            &format!("-n \"{generated}\" {kind} "),
            &format!("-n \"{no_command}\" {kind} "),
        )
    })
}

/// The words that can come first, or after `init`. The generator for fish leaves out all that is
/// not an option.
fn fish_words() -> String {
    let line = |condition: &str, word: &str, about: &str| {
        let about = about.replace('\'', "\\'");
        format!(
            "complete -c {NAME} -n \"__fish_{NAME}_{condition}\" -f -a \"{word}\" -d '{about}'\n"
        )
    };
    let hosts = HOSTS.iter().map(|host| line("needs_command", host.name, host.about));
    let config = HOSTS.iter().map(|host| line("using_subcommand config", host.name, host.about));
    let init = init::INTEGRATIONS.iter().map(|integration| {
        line("using_subcommand init", integration.name, integration.snippets[0].place)
    });
    let shells = SHELLS.iter().map(|shell| line("using_subcommand completions", shell, "a shell"));
    hosts.chain(config).chain(init).chain(shells).collect()
}

/// The grammar with the possible values of each argument. Only for the generators, because clap
/// would check the values a second time.
fn with_values() -> Command {
    let values = |arg: Arg| {
        let names: Vec<&'static str> = match arg.get_id().as_str() {
            "host" => HOSTS.iter().map(|host| host.name).collect(),
            "integration" => {
                init::INTEGRATIONS.iter().map(|integration| integration.name).collect()
            }
            "shell" => SHELLS.to_vec(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_that_is_named_has_completions() {
        for shell in SHELLS {
            assert!(completions(shell).unwrap().contains(NAME), "{shell}");
        }
        let error = completions("fsh").unwrap_err().to_string();
        let expected = "completions: one of bash, zsh, fish, nushell, elvish, powershell was \
                        expected, not 'fsh'; did you mean fish?";
        assert_eq!(error, expected);
    }
}
