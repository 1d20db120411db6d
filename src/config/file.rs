//! codexline's own config file: where it is, and what it says in which line. Codex's config file is
//! read in [`crate::codex::config`].
//!
//! Its keys are the names of the long options, in a common part and in a section for each host.
//! What is wrong in it becomes a [`Mistake`]. The line is printed all the same, with the value of
//! the next layer ([`crate::config::layers`]).

use crate::config::options::{ACCOUNT, OPTIONS, Opt};
use crate::config::settings::Settings;
use crate::hosts::{self, HOSTS};
use crate::io::env::Env;
use crate::io::files;
use crate::model::error::{Error, Mistake};
use crate::model::text::{did_you_mean, nearest, plain};
use std::borrow::Cow;
use std::fmt::Write;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A file with every option for every host, with comments, has a tenth of this.
const MAX_BYTES: u64 = 256 * 1024;

/// The file, read.
#[derive(Debug, Default)]
pub struct ConfigFile {
    pub path: PathBuf,
    /// In the order of the file.
    pub entries: Vec<ConfigEntry>,
    /// What is wrong for every host. Wrong values are found when they are applied.
    pub mistakes: Vec<Mistake>,
}

/// One key and its value.
#[derive(Debug, PartialEq)]
pub struct ConfigEntry {
    /// The host of its section. `None`: the common part.
    pub section: Option<&'static str>,
    pub option: &'static Opt,
    /// As it would be typed.
    pub text: String,
    /// From 1.
    pub line: usize,
}

/// Where the file is, and whether `CODEXLINE_CONFIG` names it.
pub fn locate(env: &Env) -> Option<(PathBuf, bool)> {
    if let Some(named) = env.variable("CODEXLINE_CONFIG") {
        return Some((PathBuf::from(named), true));
    }
    // The XDG specification says that a relative path is ignored.
    let named =
        env.variable("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let directory = named.or_else(|| env.home_directory().map(|home| home.join(".config")))?;
    Some((directory.join("codexline/config.toml"), false))
}

impl ConfigFile {
    /// Reads the file. `None`: there is none, which costs one failing `open`.
    pub fn read(env: &Env) -> Option<ConfigFile> {
        let (path, is_named) = locate(env)?;
        if is_named && path == Path::new("/dev/null") {
            return None;
        }
        let whole = |path: PathBuf, text: String| {
            let mistake = Mistake { path: path.clone(), line: None, text };
            Some(ConfigFile { path, mistakes: vec![mistake], ..ConfigFile::default() })
        };
        match files::read_bounded(&path, MAX_BYTES) {
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => Some(ConfigFile::parse(path, &text)),
                Err(error) => {
                    let valid = error.utf8_error().valid_up_to();
                    let line = Some(line_of(error.as_bytes(), valid));
                    let mistake = Mistake { path: path.clone(), line, text: "is not UTF-8".into() };
                    Some(ConfigFile { path, mistakes: vec![mistake], ..ConfigFile::default() })
                }
            },
            // `~/.config` can be a file. Then there is no config file either.
            Err(error)
                if !is_named
                    && matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                None
            }
            Err(error) => whole(path, format!("cannot be read: {}", Error::io_reason(&error))),
        }
    }

    /// Parses a file, and keeps whatever can be understood.
    pub fn parse(path: PathBuf, text: &str) -> ConfigFile {
        let mut file = ConfigFile { path, ..ConfigFile::default() };
        let (table, errors) = DeTable::parse_recoverable(text);
        let bytes = text.as_bytes();
        for error in errors {
            let line = error.span().map(|span| line_of(bytes, span.start));
            file.mistake(line, error.message().replace('\n', ", "));
        }
        file.part(bytes, None, table.get_ref());
        file.entries.sort_by_key(|entry| entry.line);
        file.mistakes.sort_by_key(|mistake| mistake.line);
        // One mistake a line is enough, because a broken line leads to further ones.
        file.mistakes.dedup_by_key(|mistake| mistake.line);
        let broken: Vec<usize> = file.mistakes.iter().filter_map(|mistake| mistake.line).collect();
        file.entries.retain(|entry| !broken.contains(&entry.line));
        file
    }

    fn part(&mut self, bytes: &[u8], section: Option<&'static str>, table: &DeTable) {
        for (key, value) in table {
            let line = line_of(bytes, key.span().start);
            let key: &str = key.get_ref();
            let option = OPTIONS.iter().find(|option| option.name == key);
            match (option, section, value.get_ref()) {
                (Some(option), _, _) => match text(option, value) {
                    Ok(text) => {
                        let text = text.into_owned();
                        self.entries.push(ConfigEntry { section, option, text, line });
                    }
                    Err(reason) => self.mistake(Some(line), format!("{key} {reason}")),
                },
                (None, None, DeValue::Table(inner)) => match hosts::find(key) {
                    Some(host) => self.part(bytes, Some(host.name), inner),
                    None => {
                        let near = nearest(key, HOSTS.iter().map(|host| host.name))
                            .map_or_else(String::new, |near| format!("; did you mean [{near}]?"));
                        self.mistake(
                            Some(line),
                            format!("unknown host [{}]{near}", plain(key, 40)),
                        );
                    }
                },
                (None, _, _) => {
                    let near = did_you_mean(key, OPTIONS.iter().map(|option| option.name));
                    self.mistake(Some(line), format!("unknown key {}{near}", plain(key, 40)));
                }
            }
        }
    }

    fn mistake(&mut self, line: Option<usize>, text: String) {
        self.mistakes.push(Mistake { path: self.path.clone(), line, text: plain(&text, 200) });
    }

    /// The values of an option for a section. The first one wins.
    pub fn values(
        &self,
        option: &Opt,
        section: Option<&str>,
    ) -> impl Iterator<Item = &ConfigEntry> {
        let own =
            self.entries.iter().filter(move |entry| section.is_some() && entry.section == section);
        let common = self.entries.iter().filter(|entry| entry.section.is_none());
        let name = option.name;
        own.chain(common).filter(move |entry| entry.option.name == name)
    }

    /// Every mistake, in the sections of all hosts.
    pub fn every_mistake(&self) -> Vec<Mistake> {
        let mut mistakes = self.mistakes.clone();
        for entry in &self.entries {
            let host = entry.section.and_then(hosts::find).unwrap_or(hosts::DEFAULT);
            if let Err(reason) = entry.option.try_on(&mut Settings::new(host), &entry.text) {
                mistakes.push(self.wrong_value(entry, &reason));
            }
        }
        mistakes.sort_by_key(|mistake| mistake.line);
        mistakes
    }

    /// The mistake for a value that its option does not take.
    pub fn wrong_value(&self, entry: &ConfigEntry, reason: &str) -> Mistake {
        let text = format!("{} = {}: {reason}", entry.option.name, quoted(&plain(&entry.text, 60)));
        Mistake { path: self.path.clone(), line: Some(entry.line), text }
    }
}

/// A value as it would be typed.
fn text<'a>(option: &Opt, value: &'a Spanned<DeValue>) -> Result<Cow<'a, str>, &'static str> {
    match (value.get_ref(), option.value) {
        (DeValue::String(text), _) => Ok(Cow::Borrowed(text)),
        (DeValue::Boolean(value), None) => Ok(Cow::Borrowed(if *value { "true" } else { "false" })),
        (_, None) => Err("is true or false"),
        (DeValue::Integer(number), Some(_)) if number.radix() == 10 => {
            Ok(Cow::Borrowed(number.as_str()))
        }
        (DeValue::Float(number), Some(_)) => Ok(Cow::Borrowed(number.as_str())),
        // As in `account = ["home=~/.codex", "work=~/.codex-work"]`.
        (DeValue::Array(values), Some(_)) if option.name == ACCOUNT => {
            let strings: Option<Vec<&str>> =
                values.iter().map(|value| value.get_ref().as_str()).collect();
            match strings {
                Some(strings) => Ok(Cow::Owned(strings.join(","))),
                None => Err("is a string in quotes, or a list of them"),
            }
        }
        (_, Some(_)) => Err("is a string in quotes, or a number"),
    }
}

fn line_of(bytes: &[u8], offset: usize) -> usize {
    bytes[..offset.min(bytes.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// A string in TOML's quotes, with escapes only where they are needed.
pub fn quoted(text: &str) -> String {
    if !text.contains(['"', '\\']) && !text.chars().any(char::is_control) {
        return format!("\"{text}\"");
    }
    if !text.contains('\'') && !text.chars().any(char::is_control) {
        return format!("'{text}'");
    }
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            _ if character.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(character));
            }
            _ => out.push(character),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::time::Timestamp;

    pub(crate) fn parse(text: &str) -> ConfigFile {
        ConfigFile::parse("config.toml".into(), text)
    }

    pub(crate) fn mistakes(text: &str) -> Vec<String> {
        parse(text).every_mistake().iter().map(ToString::to_string).collect()
    }

    pub(crate) fn entries(text: &str) -> Vec<(Option<&'static str>, &'static str, String, usize)> {
        let entries = parse(text).entries.into_iter();
        entries.map(|entry| (entry.section, entry.option.name, entry.text, entry.line)).collect()
    }

    #[test]
    fn keys_are_options_and_sections_are_hosts() {
        let text =
            "# mine\nwarn = 80\ncritical = 90.5\noffline = true\n[tmux]\nseparator = \" | \"\n";
        assert_eq!(
            entries(text),
            [
                (None, "warn", "80".into(), 2),
                (None, "critical", "90.5".into(), 3),
                (None, "offline", "true".into(), 4),
                (Some("tmux"), "separator", " | ".into(), 6)
            ]
        );
        assert!(mistakes(text).is_empty());
        assert_eq!(
            entries("account = ['a=/a', \"b=~/b\"]\n"),
            [(None, "account", "a=/a,b=~/b".into(), 1)]
        );
        assert_eq!(entries("tmux.warn = 5\n"), [(Some("tmux"), "warn", "5".into(), 1)]);
    }

    #[test]
    fn mistakes_are_named_with_their_line_and_the_nearest_right_one() {
        let check = |text: &str, expected: &[&str]| assert_eq!(mistakes(text), expected, "{text}");
        check("\nmax_age = '2m'", &["config.toml:2: unknown key max_age; did you mean max-age?"]);
        check("[tmx]\nwarn = 1", &["config.toml:1: unknown host [tmx]; did you mean [tmux]?"]);
        check("[tmux]\n[tmux.waybar]\nwarn = 1", &["config.toml:2: unknown key waybar"]);
        check("tmux = 1", &["config.toml:1: unknown key tmux"]);
        check("offline = 'perhaps'", &["config.toml:1: offline = \"perhaps\": is not 1 or 0"]);
        check("offline = 3", &["config.toml:1: offline is true or false"]);
        check("warn = true", &["config.toml:1: warn is a string in quotes, or a number"]);
        check(
            "account = [1]",
            &["config.toml:1: account is a string in quotes, or a list of them"],
        );
        check("format = [1]", &["config.toml:1: format is a string in quotes, or a number"]);
        check(
            "[waybar]\nwindow = '{usd}'",
            &["config.toml:2: window = \"{usd}\": unknown name {usd}; did you mean {used}?"],
        );
    }

    #[test]
    fn what_is_no_toml_is_told_once_a_line_and_the_rest_is_kept() {
        for broken in
            ["warn = ", "warn", "= 5", "warn = 'x", "warn = 1\nwarn = 2", "[tmux", "\u{1}"]
        {
            let text = format!("critical = 95\n{broken}\noffline = true\n");
            let file = parse(&text);
            let lines: Vec<Option<usize>> =
                file.mistakes.iter().map(|mistake| mistake.line).collect();
            assert!(!lines.is_empty(), "{broken:?}");
            let mut different = lines.clone();
            different.dedup();
            assert_eq!(lines, different, "{broken:?}");
            assert_eq!(file.entries[0].text, "95", "{broken:?}");
        }
    }

    #[test]
    fn where_it_lies() {
        const HOME: &str = crate::io::platform::HOME;
        let at = |variables: &[(&str, &Path)]| {
            let variables: Vec<_> =
                variables.iter().map(|(name, path)| (*name, path.to_str().unwrap())).collect();
            let env = Env::for_test(&variables, || Timestamp::from_unix_seconds(0));
            locate(&env).map(|(path, _)| path).unwrap()
        };
        let (home, other) = (std::env::temp_dir().join("h"), std::env::temp_dir().join("x"));
        let usual = home.join(".config/codexline/config.toml");
        assert_eq!(at(&[(HOME, &home)]), usual);
        let named = at(&[(HOME, &home), ("XDG_CONFIG_HOME", &other)]);
        assert_eq!(named, other.join("codexline/config.toml"));
        assert_eq!(at(&[(HOME, &home), ("XDG_CONFIG_HOME", Path::new("x"))]), usual);
        let named = at(&[("XDG_CONFIG_HOME", &other), ("CODEXLINE_CONFIG", Path::new("c"))]);
        assert_eq!(named, Path::new("c"));
    }
}
