//! `codexline doctor`: everything that can be wrong, checked in the order in which things break.
//! Its output is a bug report, so it holds no secret, no account and no e-mail address (unless
//! `--email` asks for it), and the home directory is `~`.

mod checks;
mod installed;
mod network;
mod summary;

use self::summary::{ACCOUNT, Summary};
use crate::cache::Cache;
use crate::codex::config::Config;
use crate::codex::dotenv::Dotenv;
use crate::codex::home::Home;
use crate::codex::login::Login;
use crate::config::settings::{LoginEnv, Settings};
use crate::io::env::Env;
use crate::io::http::{Endpoint, Reply};
use crate::io::output;
use crate::model::error::Error;
use crate::model::text::{fit, one_line};
use crate::model::usage::Severity;
use crate::refresh::auth_file::AuthFile;
use crate::render::page::NARROWEST;
use crate::render::style::{paint_ansi, uncoloured};
use serde::Serialize;
use std::cell::OnceCell;

/// `codexline doctor`.
pub struct DoctorArgs {
    pub(crate) settings: Settings,
    /// Every check, also on a terminal.
    pub all: bool,
    pub json: bool,
    pub email: bool,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Ok,
    /// Not as usual, but it works.
    Note,
    Broken,
}

impl Verdict {
    const fn name(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Note => "note",
            Verdict::Broken => "broken",
        }
    }

    const fn severity(self) -> Severity {
        match self {
            Verdict::Ok => Severity::Ok,
            Verdict::Note => Severity::Ok,
            Verdict::Broken => Severity::Critical,
        }
    }
}

/// What a check has found.
#[derive(Clone, Debug, Serialize)]
struct Finding {
    name: String,
    state: Verdict,
    found: String,
    /// What to do.
    advice: Option<String>,
    /// The part of the program that it is about.
    #[serde(skip)]
    area: &'static str,
}

impl Finding {
    fn new(name: &str, state: Verdict, found: impl Into<String>) -> Finding {
        Finding { name: name.into(), state, found: found.into(), advice: None, area: "" }
    }

    fn ok(name: &str, found: impl Into<String>) -> Finding {
        Finding::new(name, Verdict::Ok, found)
    }

    fn note(name: &str, found: impl Into<String>) -> Finding {
        Finding::new(name, Verdict::Note, found)
    }

    fn broken(name: &str, error: &Error) -> Finding {
        Finding::new(name, Verdict::Broken, error.to_string()).with(error.hint())
    }

    /// What was found and what to do.
    fn text(&self) -> String {
        match &self.advice {
            Some(advice) => format!("{}; {advice}", self.found),
            None => self.found.clone(),
        }
    }

    fn with(self, advice: impl Into<String>) -> Finding {
        Finding { advice: Some(advice.into()), ..self }
    }
}

/// What the checks look at.
struct DoctorContext<'a> {
    env: &'a Env,
    dotenv: Option<Dotenv>,
    /// The environment together with the home's `.env`.
    network: Env,
    settings: &'a Settings,
    wants_email: bool,
    home: Result<Home, Error>,
    config: Result<Config, Error>,
    endpoint: Result<Endpoint, Error>,
    login: Result<Login, Error>,
    file: Option<AuthFile>,
    cache: Result<Cache, Error>,
    /// The endpoint's answer; asked for once.
    reply: OnceCell<Result<Reply, Error>>,
}

impl DoctorContext<'_> {
    fn begin<'a>(settings: &'a Settings, env: &'a Env, args: &DoctorArgs) -> DoctorContext<'a> {
        let home = Home::locate(env);
        let dotenv = home.as_ref().ok().map(Dotenv::read);
        let with_home = || Home::locate(env);
        let config = with_home().and_then(|home| Config::read(&home));
        // What follows is looked at even if the file is broken.
        let defaults = Config::default();
        let used = config.as_ref().unwrap_or(&defaults);
        DoctorContext {
            env,
            network: dotenv.as_ref().map_or_else(|| env.clone(), |dotenv| dotenv.below(env)),
            dotenv,
            settings,
            wants_email: args.email,
            endpoint: Endpoint::parse(&used.usage_url()),
            login: with_home().and_then(|home| Login::read(&home, used, env)),
            file: with_home().and_then(|home| AuthFile::locate(&home)).ok(),
            cache: with_home().and_then(|home| Cache::locate(&home, settings.source, env)),
            home,
            config,
            reply: OnceCell::new(),
        }
    }
}

type Check = fn(&DoctorContext) -> Vec<Finding>;

/// The areas, each with its checks, in the order in which things break.
const AREAS: &[(&str, &[Check])] = &[
    (
        "program",
        &[
            checks::binary,
            installed::system,
            installed::installed,
            checks::settings,
            checks::source,
        ],
    ),
    ("login", &[checks::home, checks::login, checks::renewal, checks::store, checks::config]),
    (
        "network",
        &[
            network::endpoint,
            network::dotenv,
            network::proxy,
            network::certificates,
            network::name,
            network::server,
            network::clock,
        ],
    ),
    ("numbers", &[checks::cache, checks::lock, checks::back_off]),
    ("login", &[checks::ledger, checks::rescue]),
    ("codex", &[checks::codex]),
    ("hosts", &[checks::hosts]),
];

/// Looks at everything and prints it. Whether nothing is broken.
pub fn run(args: &DoctorArgs, env: &Env) -> bool {
    let settings = &args.settings;
    let person = env.home_directory().map(|path| path.display().to_string());
    let person = person.filter(|path| path.len() > 1);
    let shorten = |text: &str| {
        let text = one_line(text);
        person
            .as_ref()
            .map_or_else(|| text.to_string(), |person| text.replace(person.as_str(), "~"))
    };
    let is_coloured = settings.color.applies(env.stdout_is_terminal, env);
    let columns = env.terminal_columns();
    // Without a terminal it is a bug report or a script's: they want everything.
    let is_summary = columns.is_some() && !args.all && !args.json;
    let mut findings = Vec::new();
    let mut tell = |mut finding: Finding| {
        finding.found = shorten(&finding.found);
        finding.advice = finding.advice.as_deref().map(&shorten);
        if !args.json && !is_summary {
            // One by one: the network can take its time.
            output::print(&line(&finding, settings, is_coloured, columns));
        }
        findings.push(finding);
    };
    for LoginEnv { account, env } in &settings.logins(env) {
        let context = DoctorContext::begin(settings, env, args);
        account.iter().for_each(|name| {
            tell(Finding { area: ACCOUNT, ..Finding::ok("account", name.as_str()) });
        });
        for (area, checks) in AREAS {
            let found = checks.iter().flat_map(|check| check(&context));
            found.map(|finding| Finding { area, ..finding }).for_each(&mut tell);
        }
    }
    let broken = findings.iter().filter(|finding| finding.state == Verdict::Broken).count();
    if let Some(columns) = columns.filter(|_| is_summary) {
        let paint = if is_coloured { paint_ansi } else { uncoloured };
        let palette = settings.host.palette.with(&settings.colors);
        output::print(&Summary { findings: &findings, palette, paint, columns }.text());
    }
    if args.json {
        let report = DoctorReport { version: env!("CARGO_PKG_VERSION"), broken, checks: &findings };
        output::print(&(serde_json::to_string_pretty(&report).unwrap_or_default() + "\n"));
    }
    broken == 0
}

#[derive(Serialize)]
struct DoctorReport<'a> {
    version: &'a str,
    broken: usize,
    checks: &'a [Finding],
}

/// A finding on one line, or, on a terminal of so many columns, on several with an indent.
fn line(
    finding: &Finding,
    settings: &Settings,
    is_coloured: bool,
    columns: Option<usize>,
) -> String {
    // In a narrow terminal the text begins on a line of its own.
    let is_narrow = columns.is_some_and(|columns| columns < 60);
    let indent = if is_narrow { 8 } else { 22 };
    let paint = if is_coloured { paint_ansi } else { uncoloured };
    let palette = settings.host.palette.with(&settings.colors);
    let mut text = String::new();
    paint(palette.of(finding.state.severity()), finding.state.name(), &mut text);
    text.push_str(&" ".repeat(8 - finding.state.name().len()));
    if is_narrow {
        text.push_str(&format!("{}\n{:indent$}", finding.name, ""));
    } else {
        text.push_str(&format!("{:<14}", finding.name));
    }
    let found = finding.text();
    let lines = columns.map_or_else(
        || vec![found.clone()],
        |columns| fit(&found, columns.saturating_sub(indent).max(NARROWEST)),
    );
    text.push_str(&lines.join(&format!("\n{}", " ".repeat(indent))));
    text.push('\n');
    text
}
