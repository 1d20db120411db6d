//! What is wrong with the arguments, as one sentence that says what was expected. clap finds the
//! mistake; its own text has several lines, and speaks of clap's terms.

use super::grammar::{NAME, command};
use crate::model::text::{did_you_mean, plain};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, Error};
use std::ffi::OsString;

/// The sentence for a mistake that clap has found in `arguments`.
pub fn sentence(error: &Error, arguments: &[OsString]) -> String {
    let mut command = command();
    command.build();
    let command = meant(&command, arguments);
    // The program's own name in front says nothing.
    let place = match command.get_name() {
        NAME => String::new(),
        name => format!("{name}: "),
    };
    let word = |kind| named(error, kind).map(|text| plain(text, 60)).unwrap_or_default();
    let argument = word(ContextKind::InvalidArg);
    // `--left <PERCENT>` names both the option and its value.
    let (option, value) = argument.split_once(' ').unwrap_or((&argument, ""));
    match error.kind() {
        ErrorKind::MissingRequiredArgument => {
            format!("{place}{argument} was expected{}", about(command, option))
        }
        ErrorKind::InvalidValue if word(ContextKind::InvalidValue).is_empty() => {
            format!("{option}: {value} was expected behind it{}", about(command, option))
        }
        ErrorKind::UnknownArgument if argument.starts_with('-') => {
            let name = argument.trim_start_matches('-');
            let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
            let near = did_you_mean(name, shown.filter_map(|arg| arg.get_long()));
            let near = near.replace("did you mean ", "did you mean --");
            format!("{place}there is no option {argument}{near}")
        }
        ErrorKind::UnknownArgument if takes_words(command) => {
            format!("{place}nothing more was expected, not '{argument}'")
        }
        ErrorKind::UnknownArgument => {
            format!("{place}an option was expected, not '{argument}'")
        }
        ErrorKind::InvalidSubcommand => {
            let known: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
            let word = word(ContextKind::InvalidSubcommand);
            format!("{place}{} was expected, not '{word}'", known.join(" or "))
        }
        ErrorKind::ArgumentConflict => conflict(error, option),
        ErrorKind::TooManyValues if !argument.starts_with('-') => {
            let word = word(ContextKind::InvalidValue);
            format!("{place}nothing more was expected, not '{word}'")
        }
        ErrorKind::TooManyValues => format!("{option}: no value was expected"),
        ErrorKind::InvalidUtf8 => "arguments in UTF-8 were expected".into(),
        _ => first_line(error),
    }
}

/// Two arguments that cannot stand beside each other.
fn conflict(error: &Error, option: &str) -> String {
    if let Some(word) = named(error, ContextKind::InvalidSubcommand) {
        return format!("one host or command was expected, not '{}' as well", plain(word, 60));
    }
    match named(error, ContextKind::PriorArg).map(first_word) {
        Some(prior) if prior != option => {
            format!("{option} or {} was expected, not both", plain(prior, 60))
        }
        _ => format!("{option} was expected only once"),
    }
}

/// The command that was typed, or the program itself.
fn meant<'a>(program: &'a Command, arguments: &[OsString]) -> &'a Command {
    let words = arguments.iter().skip(1).filter_map(|argument| argument.to_str());
    words.fold(program, |command, word| command.find_subcommand(word).unwrap_or(command))
}

/// Whether a command takes words besides options.
fn takes_words(command: &Command) -> bool {
    command.get_positionals().next().is_some()
}

/// What an option is for, behind a colon.
fn about(command: &Command, option: &str) -> String {
    let name = option.trim_start_matches('-');
    let found = command.get_arguments().find(|arg| arg.get_long() == Some(name));
    found.and_then(|arg| arg.get_help()).map_or_else(String::new, |help| format!(": {help}"))
}

/// A part of clap's message.
fn named(error: &Error, kind: ContextKind) -> Option<&str> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text),
        ContextValue::Strings(texts) => texts.first().map(String::as_str),
        _ => None,
    }
}

fn first_word(text: &str) -> &str {
    text.split(' ').next().unwrap_or_default()
}

/// For kinds of mistakes that this grammar cannot have today.
fn first_line(error: &Error) -> String {
    let text = error.render().to_string();
    text.trim_start_matches("error: ").lines().next().unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mistake_is_one_sentence_that_says_what_was_expected() {
        for (line, expected) in [
            ("check", "check: --left <PERCENT> was expected: what must be left, such as 10%"),
            (
                "check --left",
                "--left: <PERCENT> was expected behind it: what must be left, such as 10%",
            ),
            ("--foo", "there is no option --foo"),
            ("--wran 3", "there is no option --wran; did you mean --warn?"),
            ("demo --shrt", "demo: there is no option --shrt; did you mean --short?"),
            ("status --foo", "status: there is no option --foo"),
            ("--short=1", "--short: no value was expected"),
            ("activity plain", "activity: an option was expected, not 'plain'"),
            ("init a b c", "init: nothing more was expected, not 'c'"),
            ("help a b c", "help: nothing more was expected, not 'c'"),
            ("auth foo", "auth: refresh was expected, not 'foo'"),
            ("init x --write --remove", "--write or --remove was expected, not both"),
            ("check --left 1 --left 2", "--left was expected only once"),
            ("tmux waybar", "one host or command was expected, not 'waybar' as well"),
            ("tmux status", "one host or command was expected, not 'status' as well"),
        ] {
            let words = std::iter::once(NAME).chain(line.split(' '));
            let arguments: Vec<OsString> = words.map(OsString::from).collect();
            let error = command().try_get_matches_from(&arguments).unwrap_err();
            assert_eq!(sentence(&error, &arguments), expected, "{line}");
        }
    }

    /// A command, and every two of these words behind it: whatever kind of mistake clap sees.
    // Arguments that are not UTF-8 are made in another way on Windows.
    #[cfg(unix)]
    #[test]
    fn no_mistake_is_told_in_clap_s_words() {
        use std::os::unix::ffi::OsStringExt;
        let words = "status --left --left=5 --short=1 --warn --foo -- --write --remove x --days=x";
        let mut words: Vec<OsString> = words.split(' ').map(OsString::from).collect();
        words.push(OsString::from_vec(b"\xff".to_vec()));
        let mut kinds = std::collections::BTreeSet::new();
        let command_of = ["tmux", "check", "auth", "init", "help", "activity", "completions"];
        // One more than there are words: nothing stands there.
        let count = words.len() + 1;
        let lines = command_of.iter().flat_map(|command| {
            (0..count * count).map(move |pick| (command, [pick % count, pick / count]))
        });
        for (name, picks) in lines {
            let behind = picks.iter().filter_map(|pick| words.get(*pick).cloned());
            let line: Vec<OsString> =
                [NAME.into(), name.into()].into_iter().chain(behind).collect();
            let Err(error) = command().try_get_matches_from(&line) else { continue };
            if !error.use_stderr() {
                continue;
            }
            kinds.insert(format!("{:?}", error.kind()));
            let text = sentence(&error, &line);
            let is_ours = text.contains(" expected") || text.contains("there is no option ");
            assert!(is_ours && !text.contains(['\n', '\u{1b}']), "{line:?}: {text}");
        }
        let expected = [
            "ArgumentConflict",
            "InvalidSubcommand",
            "InvalidUtf8",
            "InvalidValue",
            "MissingRequiredArgument",
            "TooManyValues",
            "UnknownArgument",
        ];
        assert!(kinds.iter().eq(expected.iter()), "{kinds:?}");
    }
}
