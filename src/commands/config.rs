//! `codexline config`: what is in force and where it comes from, and a file to start from.

use crate::config::file::{ConfigFile, locate, quoted};
use crate::config::layers::{Force, Layers, Typed};
use crate::config::options::{OPTIONS, Opt};
use crate::config::settings::Settings;
use crate::config::values::is_on;
use crate::hosts::{self, HOSTS, Host};
use crate::io::env::Env;
use crate::io::output;
use crate::model::error::Error;
use crate::model::text::{fit, width, wrap};
use std::fmt::Write;
use std::path::PathBuf;

/// An option with a value, as a line of the file.
fn assignment(option: &Opt, text: &str) -> String {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit())
        && matches!(text.len(), 1..=15)
        && (text == "0" || !text.starts_with('0'));
    match option.value {
        None => format!("{} = {}", option.name, is_on(text)),
        Some(_) if is_number => format!("{} = {text}", option.name),
        Some(_) => format!("{} = {}", option.name, quoted(text)),
    }
}

/// `codexline config`.
pub struct ConfigArgs {
    /// The host that is meant. `None`: no host's section counts.
    pub(crate) host: Option<&'static Host>,
    pub(crate) typed: Vec<Typed>,
}

/// Shows what is in force, and where each value comes from.
///
/// # Errors
/// [`Error::Usage`] as for the line; the last [`Error::ConfigMistake`], after the others have been
/// told, when there are any in the file.
pub fn show(args: &ConfigArgs, env: &Env) -> Result<(), Error> {
    let ConfigArgs { host, typed } = args;
    let host = *host;
    let file = ConfigFile::read(env);
    let section = host.map(|host| host.name);
    let layers = Layers { file: file.as_ref(), section, env, typed };
    let columns = env.terminal_columns().unwrap_or(usize::MAX);
    output::print(&report(host, &layers, locate(env).map(|(path, _)| path), columns)?);
    let mut mistakes = file.map(|file| file.every_mistake()).unwrap_or_default();
    let Some(last) = mistakes.pop() else { return Ok(()) };
    for mistake in mistakes {
        output::warn(mistake);
    }
    Err(last.error())
}

/// What stands in front of an origin that does not fit beside its value.
const BELOW: &str = "    # ";

/// For a terminal of so many columns.
fn report(
    host: Option<&'static Host>,
    layers: &Layers,
    path: Option<PathBuf>,
    columns: usize,
) -> Result<String, Error> {
    let mut lines: Vec<(String, String)> = Vec::new();
    let settings =
        Settings::resolve_telling(host.unwrap_or(hosts::DEFAULT), layers, |option, force| {
            let line = match (&force, option.default_value(), option.value) {
                (Force::Default, None, Some(_)) => format!("# {}", option.name),
                (Force::Default, None, None) => assignment(option, "false"),
                (Force::Default, Some(text), _) => assignment(option, text),
                (Force::Given { text, .. }, _, _) => assignment(option, text),
            };
            let origin = match force {
                Force::Default if option.default_value().is_some() || option.value.is_none() => {
                    "default".into()
                }
                Force::Default => match option.default_words() {
                    Some(words) => format!("default: {words}"),
                    None => "not set".into(),
                },
                Force::Given { origin, .. } => origin.to_string(),
            };
            lines.push((line, origin));
        })?;
    let mut out = String::new();
    let of = host.map_or("any host".to_string(), |host| host.name.to_string());
    let head = match (layers.file, path) {
        (Some(file), _) => format!("for {of}, with {}", file.path.display()),
        (None, Some(path)) => format!("for {of}; there is no {}", path.display()),
        (None, None) => format!("for {of}"),
    };
    comment(&mut out, &head, columns);
    let widest =
        lines.iter().map(|(line, _)| line.chars().count()).filter(|width| *width <= 40).max();
    for (line, origin) in lines {
        let beside = format!("{line:width$}  # {origin}", width = widest.unwrap_or(0));
        if width(&beside) <= columns {
            let _ = writeln!(out, "{beside}");
            continue;
        }
        let _ = writeln!(out, "{line}");
        for part in wrap(&origin, columns.saturating_sub(BELOW.len())) {
            let _ = writeln!(out, "{BELOW}{part}");
        }
    }
    for mistake in &settings.mistakes {
        comment(&mut out, &format!("wrong: {mistake}"), columns);
    }
    Ok(out)
}

/// Lines of a comment, of at most so many columns.
fn comment(out: &mut String, text: &str, columns: usize) {
    for line in fit(text, columns.saturating_sub(2)) {
        let _ = writeln!(out, "# {line}");
    }
}

/// Of the file to start from.
const FILE_COLUMNS: usize = 80;

/// `codexline config --default`: a file that changes nothing, to be changed.
pub fn default_file() -> String {
    let mut out = String::new();
    for line in [
        "codexline's settings: ~/.config/codexline/config.toml, or the file that CODEXLINE_CONFIG \
         names. The command line wins over the environment (CODEXLINE_MAX_AGE=5m), the \
         environment over this file, and in it a host's own section over the rest.",
        "Every line here is a default: take the # away to change it. `codexline config` shows \
         what is in force.",
    ] {
        comment(&mut out, line, FILE_COLUMNS);
    }
    for option in OPTIONS {
        let text = match option.default_words() {
            Some(words) if option.default_value().is_none() => {
                format!("{} (without it: {words})", option.help)
            }
            _ => option.help.to_string(),
        };
        out.push('\n');
        comment(&mut out, &text, FILE_COLUMNS);
        let _ = match (option.default_value(), option.value) {
            (Some(text), _) => writeln!(out, "#{}", assignment(option, text)),
            (None, None) => writeln!(out, "#{}", assignment(option, "false")),
            (None, Some(value)) => writeln!(out, "#{} = {}", option.name, quoted(value)),
        };
    }
    out.push_str("\n# For one host, over what stands above:\n");
    for host in HOSTS {
        let _ = writeln!(out, "#[{}]", host.name);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::file::tests::{entries, mistakes, parse};
    use crate::model::time::Timestamp;

    #[test]
    fn strings_come_back_as_they_were() {
        for text in
            ["", " · ", "a\"b", "a'b\"c", "\\", "\u{1b}[1m\t\u{7f}", "'", "5", "05", "1e3", "ü{x}"]
        {
            let option = OPTIONS.iter().find(|option| option.name == "separator").unwrap();
            let line = assignment(option, text);
            assert_eq!(entries(&line), [(None, "separator", text.to_string(), 1)], "{line}");
        }
    }

    #[test]
    fn the_default_file_changes_nothing_and_names_every_option() {
        let text = default_file();
        assert!(entries(&text).is_empty() && mistakes(&text).is_empty());
        let mut uncommented = String::new();
        for line in text.lines() {
            let key = line.strip_prefix('#').and_then(|line| line.split_once(" = "));
            match OPTIONS.iter().find(|option| key.is_some_and(|(key, _)| key == option.name)) {
                // What has no default as a value has a word there for what it takes.
                Some(option) if option.default_value().is_some() || option.value.is_none() => {
                    uncommented.push_str(&line[1..]);
                }
                Some(_) => assert!(entries(&line[1..]).len() == 1, "{line}"),
                None => {}
            }
            uncommented.push('\n');
        }
        assert_eq!(mistakes(&uncommented), [""; 0], "{uncommented}");
        let file = parse(&uncommented);
        for option in OPTIONS {
            let found = file.values(option, None).next().map(|entry| entry.text.as_str());
            let default = option.default_value().or(option.value.is_none().then_some("false"));
            assert_eq!(found, default, "{}", option.name);
            assert!(text.contains(&format!("\n#{} = ", option.name)), "{}", option.name);
        }
        assert_eq!(entries(&uncommented.replace("#[", "[")).len(), file.entries.len());
    }

    #[test]
    fn the_report_is_a_file_again() {
        let variables = [("CODEXLINE_SEPARATOR", "a'\"b")];
        let env = Env::for_test(&variables, || Timestamp::from_unix_seconds(0));
        let file = parse("warn = 55\n[tmux]\nmax-age = '5m'\ncolor = 'red'\n");
        let host = hosts::find("tmux");
        let layers = Layers { file: Some(&file), section: Some("tmux"), env: &env, typed: &[] };
        let report = report(host, &layers, None, 80).unwrap();
        let squeezed: Vec<String> = report
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        for line in [
            "# for tmux, with config.toml",
            "max-age = \"5m\" # line 3, [tmux]",
            "warn = 55 # line 1",
            "critical = 90 # default",
            "separator = \"a'\\\"b\" # CODEXLINE_SEPARATOR",
            "# wait # default: what the host bears",
            "# on-fetch # not set",
            "# wrong: config.toml:4: color = \"red\": is not auto, always or never",
        ] {
            assert!(squeezed.iter().any(|found| found == line), "{line}\n{report}");
        }
        assert_eq!(mistakes(&report), [""; 0]);
        let narrow = super::report(host, &layers, None, 40).unwrap();
        assert!(narrow.lines().all(|line| line.len() <= 40), "{narrow}");
        assert_eq!(mistakes(&narrow), [""; 0]);
        let without_lines = |text: &str| -> Vec<_> {
            entries(text)
                .into_iter()
                .map(|(section, key, value, _)| (section, key, value))
                .collect()
        };
        assert_eq!(without_lines(&narrow), without_lines(&report));
        assert_eq!(parse(&report).values(&OPTIONS[0], None).next().unwrap().text, "5m");
    }
}
