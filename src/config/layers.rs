//! What was meant: from every place where an option can be given, the one that counts.

use crate::config::accounts::{self, Account};
use crate::config::file::ConfigFile;
use crate::config::options::{ACCOUNT, OPTIONS, Opt};
use crate::config::settings::Settings;
use crate::hosts::Host;
use crate::io::env::Env;
use crate::model::change;
use crate::model::error::{Error, Mistake};
use std::fmt;

/// An option that was typed, with its value.
pub type Typed = (&'static Opt, String);

/// Where values can come from. A later field beats an earlier one, and all of them the defaults.
#[derive(Clone, Copy)]
pub struct Layers<'a> {
    pub file: Option<&'a ConfigFile>,
    /// The host whose section of the file beats its common part. `None`: no host is meant.
    pub section: Option<&'static str>,
    pub env: &'a Env,
    pub typed: &'a [Typed],
}

/// What is in force for an option.
pub enum Force {
    Default,
    Given { text: String, origin: Origin },
}

/// Where a value comes from.
pub enum Origin {
    File { section: Option<&'static str>, line: usize },
    Variable(String),
    CommandLine,
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File { section: None, line } => write!(out, "line {line}"),
            Origin::File { section: Some(section), line } => {
                write!(out, "line {line}, [{section}]")
            }
            Origin::Variable(name) => write!(out, "{name}"),
            Origin::CommandLine => write!(out, "command line"),
        }
    }
}

impl Layers<'_> {
    /// The accounts to show. A wrong word in the file is a mistake, elsewhere an error.
    fn accounts(&self, mistakes: &mut Vec<Mistake>) -> Result<Vec<Account>, Error> {
        let is_account = |option: &Opt| option.name == ACCOUNT;
        let words = |texts: &mut dyn Iterator<Item = &str>| {
            // `apply` has named what cannot be read.
            texts.flat_map(|text| accounts::parse(text).unwrap_or_default()).collect::<Vec<_>>()
        };
        let typed = self.typed.iter().filter(|(option, _)| is_account(option));
        let typed = words(&mut typed.map(|(_, text)| text.as_str()));
        let variable = self.env.text("CODEXLINE_ACCOUNT");
        let variable = words(&mut variable.iter().map(String::as_str));
        let entry = OPTIONS.iter().find(|option| is_account(option)).zip(self.file);
        let entry = entry
            .and_then(|(option, file)| file.values(option, self.section).next().zip(Some(file)));
        let in_file = words(&mut entry.iter().map(|(entry, _)| entry.text.as_str()));
        let asked = !typed.is_empty() || !variable.is_empty();
        match (accounts::choose([typed, variable, in_file]), entry) {
            (Ok(accounts), _) => Ok(accounts),
            (Err(reason), Some((entry, file))) if !asked => {
                mistakes.push(file.wrong_value(entry, &reason));
                Ok(Vec::new())
            }
            (Err(reason), _) => Err(Error::Usage(format!("--{ACCOUNT}: {reason}"))),
        }
    }

    /// Applies the topmost layer that has the option. What the layers below say does not matter,
    /// not even if it is wrong.
    fn apply(&self, settings: &mut Settings, option: &'static Opt) -> Result<Force, Error> {
        let given = |text: &str, origin| Ok(Force::Given { text: text.to_string(), origin });
        let mut last = None;
        for (_, text) in self.typed.iter().filter(|(typed, _)| typed.name == option.name) {
            option.try_on(settings, text).map_err(|reason| {
                Error::Usage(format!("--{} {}: {reason}", option.name, shown(text)))
            })?;
            last = Some(text);
        }
        if let Some(text) = last {
            return given(text, Origin::CommandLine);
        }
        if let Some((variable, text)) = self.variable(option) {
            option
                .try_on(settings, &text)
                .map_err(|reason| Error::Usage(format!("{variable}={}: {reason}", shown(&text))))?;
            return given(&text, Origin::Variable(variable));
        }
        let Some(file) = self.file else { return Ok(Force::Default) };
        for entry in file.values(option, self.section) {
            match option.try_on(settings, &entry.text) {
                Ok(()) => {
                    let origin = Origin::File { section: entry.section, line: entry.line };
                    return given(&entry.text, origin);
                }
                Err(reason) => settings.mistakes.push(file.wrong_value(entry, &reason)),
            }
        }
        Ok(Force::Default)
    }

    /// The name and the value of the variable that sets an option.
    fn variable(&self, option: &Opt) -> Option<(String, String)> {
        // In a command of --on-change this variable is the name of a window.
        let is_fact = option.name == "window" && self.env.variable(change::MARK).is_some();
        let name = option.variable();
        let text = self.env.text(&name).filter(|_| !is_fact)?;
        Some((name, text))
    }
}

impl Settings {
    /// The settings that all layers make together.
    ///
    /// # Errors
    /// [`Error::Usage`] names the option or variable. What is wrong in the file is a mistake, not
    /// an error.
    pub fn resolve(host: &'static Host, layers: &Layers) -> Result<Settings, Error> {
        Settings::resolve_telling(host, layers, |_, _| {})
    }

    /// The same, and tells of each option which layer won.
    ///
    /// # Errors
    /// As [`Settings::resolve`].
    pub fn resolve_telling(
        host: &'static Host,
        layers: &Layers,
        mut tell: impl FnMut(&'static Opt, Force),
    ) -> Result<Settings, Error> {
        let mut settings = Settings::new(host);
        if let Some(file) = layers.file {
            settings.mistakes.clone_from(&file.mistakes);
        }
        for option in OPTIONS {
            let force = layers.apply(&mut settings, option)?;
            tell(option, force);
        }
        settings.accounts = layers.accounts(&mut settings.mistakes)?;
        settings.mistakes.sort_by_key(|mistake| mistake.line);
        Ok(settings)
    }
}

fn shown(text: &str) -> String {
    format!("'{}'", crate::model::text::plain(text, 60))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::options::tests::option;
    use crate::config::settings::{Icon, WARN};
    use crate::hosts;
    use crate::model::time::Timestamp;

    fn resolve(variables: &[(&str, &str)], typed: &[(&str, &str)]) -> Result<Settings, String> {
        layered("", None, variables, typed).map(|(settings, _)| settings)
    }

    /// The settings, and where each value comes from that is not the default.
    fn layered(
        file: &str,
        section: Option<&'static str>,
        variables: &[(&str, &str)],
        typed: &[(&str, &str)],
    ) -> Result<(Settings, Vec<String>), String> {
        let env = Env::for_test(variables, || Timestamp::from_unix_seconds(0));
        let file = ConfigFile::parse("config.toml".into(), file);
        let typed: Vec<(&'static Opt, String)> =
            typed.iter().map(|(name, value)| (option(name), value.to_string())).collect();
        let layers = Layers { file: Some(&file), section, env: &env, typed: &typed };
        let mut origins = Vec::new();
        let settings = Settings::resolve_telling(hosts::DEFAULT, &layers, |option, force| {
            if let Force::Given { text, origin } = force {
                origins.push(format!("{} {text} {origin}", option.name));
            }
        });
        settings.map(|settings| (settings, origins)).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_typed_beats_the_environment() {
        let environment =
            [("CODEXLINE_MAX_AGE", "5m"), ("CODEXLINE_OFFLINE", "1"), ("CODEXLINE_WARN", "")];
        let settings = resolve(&environment, &[("max-age", "90s")]).unwrap();
        assert_eq!(
            (settings.max_age.as_secs(), settings.offline, settings.thresholds.warn),
            (90, true, WARN)
        );
        assert!(resolve(&[("CODEXLINE_MAX_AGE", "x")], &[("max-age", "90s")]).is_ok());
    }

    #[test]
    fn looks_add_up() {
        let variables = [("CODEXLINE_COLORS", "ok=blue"), ("CODEXLINE_GLYPHS", "ascii")];
        let settings = resolve(&variables, &[("icon", "⚡")]).unwrap();
        assert_eq!((settings.glyphs.name, settings.icon), ("ascii", Some(Icon::Text("⚡".into()))));
        assert_eq!(settings.colors.len(), 1);
        let settings =
            resolve(&variables, &[("colors", "ok=red"), ("colors", "unknown=8")]).unwrap();
        assert_eq!((settings.glyphs.name, settings.colors.len()), ("ascii", 2));
        assert_eq!(resolve(&variables, &[("glyphs", "nerd")]).unwrap().glyphs.name, "nerd");
    }

    #[test]
    fn mistakes_name_the_place() {
        let check = |variables: &[(&str, &str)], typed: &[(&str, &str)], expected: &str| {
            assert_eq!(resolve(variables, typed).err().unwrap(), expected);
        };
        check(
            &[("CODEXLINE_COLOR", "red")],
            &[],
            "CODEXLINE_COLOR='red': is not auto, always or never",
        );
        check(
            &[],
            &[("max-age", "5M")],
            "--max-age '5M': is more than 1day; M are months, m are minutes",
        );
        check(&[], &[("wait", "soon")], "--wait 'soon': is not a duration like 90s, 2m or 1h 30m");
        check(&[], &[("warn", "170")], "--warn '170': is not a percentage from 0 to 100");
        check(
            &[],
            &[("glyphs", "nrd")],
            "--glyphs 'nrd': is not unicode, nerd or ascii; did you mean nerd?",
        );
        let colors = "--colors 'ok=gren': unknown colour gren; did you mean green?";
        check(&[], &[("colors", "ok=gren")], colors);
        check(
            &[],
            &[("window", "{usd}")],
            "--window '{usd}': unknown name {usd}; did you mean {used}?",
        );
    }

    #[test]
    fn each_layer_beats_the_one_below() {
        let file = "warn = 50\nmax-age = '1m'\ncritical = 60\noffline = true\n\n\
                    [tmux]\nwarn = 51\ncritical = 61\nmax-age = '3m'\n[waybar]\nwarn = 5\n";
        let environment = [("CODEXLINE_WARN", "52"), ("CODEXLINE_CRITICAL", "62")];
        let (settings, origins) =
            layered(file, Some("tmux"), &environment, &[("warn", "53")]).unwrap();
        assert_eq!(
            origins,
            [
                "max-age 3m line 9, [tmux]",
                "offline true line 4",
                "warn 53 command line",
                "critical 62 CODEXLINE_CRITICAL"
            ]
        );
        assert_eq!((settings.max_age.as_secs(), settings.offline), (180, true));
        assert_eq!((settings.thresholds.warn, settings.thresholds.critical), (53.0, 62.0));
        assert!(settings.mistakes.is_empty());
        let (settings, _) = layered(file, None, &[], &[]).unwrap();
        assert_eq!((settings.max_age.as_secs(), settings.thresholds.warn), (60, 50.0));
    }

    #[test]
    fn a_wrong_value_gives_way_to_the_next_layer_and_is_named() {
        let file = "warn = 50\n[tmux]\nwarn = 170\nmax-age = 'soon'\n[waybar]\ncolor = 'red'\n";
        let (settings, origins) = layered(file, Some("tmux"), &[], &[]).unwrap();
        assert_eq!(origins, ["warn 50 line 1"]);
        let texts: Vec<String> = settings.mistakes.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "config.toml:3: warn = \"170\": is not a percentage from 0 to 100",
                "config.toml:4: max-age = \"soon\": is not a duration like 90s, 2m or 1h 30m",
            ]
        );
        // A wrong value that is beaten does not matter.
        let (settings, _) =
            layered(file, Some("tmux"), &[("CODEXLINE_WARN", "1")], &[("max-age", "9s")]).unwrap();
        assert!(settings.mistakes.is_empty());
    }

    proptest::proptest! {
        #[test]
        fn no_layer_panics_and_the_file_is_never_an_error(
            lines in proptest::collection::vec((0..OPTIONS.len(), ".{0,12}"), 0..5),
            text in "((\\[(tmux|zsh|x)\\]|[a-z-]{1,9} ?= ?[\"'\\[{]?.{0,9}|.{0,9})\n){0,5}",
            variable in (0..OPTIONS.len(), ".{0,12}"),
        ) {
            let line = |(option, value): &(usize, String)| {
                format!("{} = {}\n", OPTIONS[*option].name, serde_json::Value::from(&value[..]))
            };
            let file = lines.iter().map(line).collect::<String>() + &text;
            proptest::prop_assert!(layered(&file, Some("tmux"), &[], &[]).is_ok());
            let name = OPTIONS[variable.0].variable();
            let _ = layered(&file, None, &[(&name, &variable.1)], &[]);
            let _ = layered(&file, None, &[], &[(OPTIONS[variable.0].name, &variable.1)]);
        }
    }
}
