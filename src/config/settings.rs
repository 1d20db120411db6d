//! The settings of a run: what the options of [`crate::config::options`] come to.

use crate::config::accounts::Account;
use crate::hosts::Host;
use crate::io::env::Env;
use crate::io::platform::MAY_REPLACE_LOGIN;
use crate::model::asking::Shows;
use crate::model::entry::Source;
use crate::model::error::Mistake;
use crate::model::show::Show;
use crate::model::usage::{Measure, Severity, Thresholds};
use crate::render::colour::Style;
use crate::render::glyphs::{self, Glyphs};
use crate::render::template::{Template, TemplateKind};
use std::path::PathBuf;
use std::time::Duration;

const MAX_AGE: Duration = Duration::from_secs(120);
const MAX_IDLE: Duration = Duration::from_secs(900);
const FORMAT: &str = "{windows}";
const WINDOW: &str = "{label} {used} {reset}";
pub(super) const WARN: f64 = 70.0;
const CRITICAL: f64 = 90.0;

/// What is in force for one run.
#[derive(Clone)]
pub struct Settings {
    pub host: &'static Host,
    /// The accounts to show. Empty: the login in `CODEX_HOME`.
    pub accounts: Vec<Account>,
    /// Older numbers are fetched anew.
    pub max_age: Duration,
    /// While Codex is not in use on this machine, the service is asked when its answer gets older.
    pub max_idle: Duration,
    /// What is shown to somebody, whatever the line shows.
    pub shows: Shows,
    /// How long to wait for fresh numbers. `None`: as long as the host allows.
    pub wait: Option<Duration>,
    /// Never start a worker.
    pub offline: bool,
    /// The line. `None`: the program's own form, or [`FORMAT`] if there is a `window`.
    pub format: Option<Template>,
    /// Each limit of the line. `None`: the same, with [`WINDOW`].
    pub window: Option<Template>,
    /// Between windows. `None`: the separator of the glyphs.
    pub separator: Option<String>,
    /// Only the binding limit.
    pub short: bool,
    /// Print first for how many seconds the output reads the same.
    pub ttl: bool,
    /// Whether numbers and bars say what is left or what is used.
    pub show: Show,
    /// When the program's own form says how soon a limit is reset.
    pub reset: ResetTimes,
    /// In place of the word Codex, or where the template says. `None`: nowhere, and where the
    /// template says the icon of the glyphs.
    pub icon: Option<Icon>,
    pub glyphs: &'static Glyphs,
    pub thresholds: Thresholds,
    pub severity: Measure,
    pub color: Color,
    /// In place of the host's own. The last one for a severity counts.
    pub colors: Vec<(Severity, Style)>,
    /// Exit with status 33 when a limit is exhausted, for hosts that know what it means.
    pub urgent_exit: bool,
    /// Where the numbers come from. `None`: from the first source that has some.
    pub source: Option<Source>,
    /// What a fetch may do if the login is refused.
    pub recover: Recover,
    /// The program to ask where the endpoint cannot be asked. `None`: the `codex` on PATH.
    pub codex_bin: Option<PathBuf>,
    /// What a worker runs once new numbers are stored.
    pub on_fetch: Option<String>,
    /// What a fetch runs when a limit has crossed a threshold or has been reset.
    pub on_change: Option<String>,
    /// Tell on stderr what was decided and why.
    pub verbose: bool,
    /// The mistakes in the config file that concern this host. The line is printed all the same.
    pub mistakes: Vec<Mistake>,
}

/// `--recover`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recover {
    /// Read auth.json again, then refresh the login.
    Full,
    /// Read auth.json again only.
    Reload,
    /// Nothing.
    Off,
}

impl Color {
    /// Whether to colour. `is_wanted` is what `auto` means here, unless `NO_COLOR` is set.
    pub fn applies(self, is_wanted: bool, env: &Env) -> bool {
        match self {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => is_wanted && env.variable("NO_COLOR").is_none(),
        }
    }
}

impl Recover {
    /// As much as is allowed on this system.
    pub(crate) const DEFAULT: Recover =
        if MAY_REPLACE_LOGIN { Recover::Full } else { Recover::Reload };

    /// As it is typed.
    pub const fn name(self) -> &'static str {
        match self {
            Recover::Full => "full",
            Recover::Reload => "reload",
            Recover::Off => "off",
        }
    }
}

/// `--reset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetTimes {
    /// For a limit that is in trouble.
    Trouble,
    /// For every limit.
    Always,
}

/// `--icon`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Icon {
    /// The icon of the glyphs.
    Auto,
    Text(String),
}

/// `--color`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    Auto,
    Always,
    Never,
}

/// One of the logins that a run works for.
pub(crate) struct LoginEnv {
    /// The account's name, if accounts are named.
    pub(crate) account: Option<String>,
    /// The environment as it is for this login: `CODEX_HOME` names its home.
    pub(crate) env: Env,
}

impl Settings {
    /// [`Settings::max_age`] in seconds.
    pub(crate) fn max_age_seconds(&self) -> i64 {
        self.max_age.as_secs() as i64
    }

    /// The logins to work for: one for each account, or the one in `CODEX_HOME`.
    pub(crate) fn logins(&self, env: &Env) -> Vec<LoginEnv> {
        if self.accounts.is_empty() {
            return vec![LoginEnv { account: None, env: env.clone() }];
        }
        let login = |account: &Account| LoginEnv {
            account: Some(account.name.clone()),
            env: env.for_account(&account.home),
        };
        self.accounts.iter().map(login).collect()
    }

    /// Whether the line, or the host around it, shows what was done today.
    pub fn tells_today(&self) -> bool {
        self.host.tells_today
            || !self.short && self.format.as_ref().is_some_and(Template::tells_today)
    }

    /// What the line, or the host around it, shows.
    pub(crate) fn shows(&self) -> Shows {
        let template = self.format.as_ref().filter(|_| !self.short);
        let shows = |what: fn(&Template) -> bool| template.is_some_and(what);
        Shows {
            pools: self.shows.pools || self.host.tells_everything || shows(Template::tells_pools),
            // The program's own form has it among the limits.
            budget: self.shows.budget
                || self.host.tells_everything
                || template.is_none()
                || shows(Template::tells_budget),
        }
    }

    /// `--format` and `--window`, with the default of one where only the other is given. `None`:
    /// neither is given, and the line has the program's own form.
    pub fn templates(&self) -> Option<(Template, Template)> {
        if self.format.is_none() && self.window.is_none() {
            return None;
        }
        let or_default = |given: &Option<Template>, text, kind| {
            given.clone().unwrap_or_else(|| {
                Template::parse(text, kind).unwrap_or_else(|_| unreachable!("tested below"))
            })
        };
        let line = or_default(&self.format, FORMAT, TemplateKind::Line);
        Some((line, or_default(&self.window, WINDOW, TemplateKind::Window)))
    }

    /// The defaults for a host.
    pub fn new(host: &'static Host) -> Settings {
        Settings {
            host,
            accounts: Vec::new(),
            max_age: MAX_AGE,
            max_idle: MAX_IDLE,
            shows: Shows::default(),
            wait: None,
            offline: false,
            format: None,
            window: None,
            separator: None,
            short: false,
            ttl: false,
            show: Show::Left,
            reset: ResetTimes::Trouble,
            icon: None,
            glyphs: &glyphs::UNICODE,
            thresholds: Thresholds { warn: WARN, critical: CRITICAL },
            severity: Measure::Used,
            color: Color::Auto,
            colors: Vec::new(),
            urgent_exit: false,
            source: None,
            recover: Recover::DEFAULT,
            codex_bin: None,
            on_fetch: None,
            on_change: None,
            verbose: false,
            mistakes: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::options::tests::option;
    use crate::hosts;

    #[test]
    fn one_template_brings_the_default_of_the_other() {
        let check = |option_name: &str, text: &str, line: &str, window: &str| {
            let mut settings = Settings::new(hosts::DEFAULT);
            assert_eq!(settings.templates(), None);
            option(option_name).try_on(&mut settings, text).unwrap();
            let expected = (
                Template::parse(line, TemplateKind::Line).unwrap(),
                Template::parse(window, TemplateKind::Window).unwrap(),
            );
            assert_eq!(settings.templates(), Some(expected));
        };
        check("format", "{plan}", "{plan}", "{label} {used} {reset}");
        check("window", "{left}", "{windows}", "{left}");
    }
}
