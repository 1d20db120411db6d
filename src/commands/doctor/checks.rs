//! Checks of this machine: the program, the login, the cache, Codex and the hosts.

use super::{DoctorContext, Finding, Verdict};
use crate::codex::app_server;
use crate::codex::jwt::Claims;
use crate::codex::stamp::stamp;
use crate::commands::init::INTEGRATIONS;
use crate::config::options;
use crate::io::env::API_KEY;
use crate::io::files::{self, Lock};
use crate::model::entry::Source;
use crate::model::error::Error;
use crate::model::time::{Timestamp, age, countdown};
use crate::refresh::ledger::Ledger;
use crate::refresh::token_record::{TokenState, fingerprint};
use crate::sources;
use serde_json::Value;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// How long to wait for `codex --version`, which usually takes some ten milliseconds.
const VERSION_PATIENCE: Duration = Duration::from_secs(5);
/// Larger configuration files of hosts are not read. They usually have a few KiB.
const MAX_CONFIG: u64 = 1024 * 1024;

pub fn binary(_: &DoctorContext) -> Vec<Finding> {
    let path = std::env::current_exe().map(|path| path.display().to_string()).unwrap_or_default();
    let (system, machine) = (std::env::consts::OS, std::env::consts::ARCH);
    vec![Finding::ok(
        "binary",
        format!("codexline {} ({system} {machine}), {path}", env!("CARGO_PKG_VERSION")),
    )]
}

pub fn settings(context: &DoctorContext) -> Vec<Finding> {
    let broken = |mistake: &crate::model::error::Mistake| {
        Finding::new("settings", Verdict::Broken, mistake.to_string())
            .with("correct it in that file")
    };
    context.settings.mistakes.iter().map(broken).collect()
}

/// Which sources are asked for numbers.
pub fn source(context: &DoctorContext) -> Vec<Finding> {
    const NAME: &str = "source";
    let named = context.settings.source;
    let abouts: Vec<&str> = sources::wanted(named).map(|provider| provider.about).collect();
    let found = format!("{}: {}", options::source_name(named), abouts.join(", then "));
    vec![if named == Some(Source::Codex) && codex_program(context).is_none() {
        Finding::new(NAME, Verdict::Broken, format!("{found}, and there is no codex to ask"))
            .with("put codex on PATH or name it with --codex-bin")
    } else {
        Finding::ok(NAME, found)
    }]
}

pub fn home(context: &DoctorContext) -> Vec<Finding> {
    let named = context.env.variable("CODEX_HOME").is_some();
    vec![match &context.home {
        Err(error) => Finding::broken("CODEX_HOME", error),
        Ok(home) => {
            let origin = if named { "set" } else { "not set: the usual place" };
            let found = format!("{} ({origin})", home.path().display());
            match home.check() {
                Err(error) => Finding::broken("CODEX_HOME", &error),
                Ok(()) if !home.path().is_dir() => {
                    Finding::new("CODEX_HOME", Verdict::Broken, format!("{found} is not there"))
                        .with("run codex login")
                }
                Ok(()) => Finding::ok("CODEX_HOME", found),
            }
        }
    }]
}

fn codex_program(context: &DoctorContext) -> Option<PathBuf> {
    app_server::find(context.settings.codex_bin.as_deref(), context.env)
}

fn may_ask_codex(context: &DoctorContext) -> bool {
    matches!(context.settings.source, None | Some(Source::Codex))
}

pub fn login(context: &DoctorContext) -> Vec<Finding> {
    let mut findings = login_in_force(context);
    if context.env.variable(API_KEY).is_some() {
        let found = format!("{API_KEY} is set and not used: only codex exec takes it");
        findings.push(Finding::note("login", found));
    }
    findings
}

fn login_in_force(context: &DoctorContext) -> Vec<Finding> {
    const NAME: &str = "login";
    let now = context.env.now();
    let login = match &context.login {
        Ok(login) => login,
        Err(error @ (Error::LoginElsewhere { .. } | Error::LoginForCodex { .. })) => {
            return vec![match codex_program(context) {
                Some(_) if may_ask_codex(context) => {
                    Finding::ok(NAME, format!("{error}: codex is asked instead"))
                }
                _ => Finding::broken(NAME, error),
            }];
        }
        Err(error) => return vec![Finding::broken(NAME, error)],
    };
    let mut parts = Vec::new();
    if let Ok(home) = &context.home {
        parts.push(format!("{}: a ChatGPT login", home.auth_json().display()));
    }
    let metadata = context.file.as_ref();
    let metadata = metadata.and_then(|file| std::fs::metadata(file.target()).ok());
    let mode = metadata.as_ref().map(crate::io::platform::mode);
    parts.extend(mode.map(|mode| format!("mode {mode:04o}")));
    let mut finding = match login.claims.expires_at() {
        Some(end) if end > now => {
            parts.push(format!("access token ends in {}", countdown(end.seconds_since(now))));
            Finding::ok(NAME, "")
        }
        Some(end) => {
            parts.push(format!("access token ended {}", age(now.seconds_since(end))));
            Finding::note(NAME, "").with("the next fetch refreshes it, or start codex once")
        }
        None => {
            parts.push("access token does not say when it ends".into());
            Finding::ok(NAME, "")
        }
    };
    if mode.is_some_and(|mode| mode & 0o077 != 0) && cfg!(unix) {
        parts.push("others may read it".into());
        finding = Finding::note(NAME, "").with("chmod 600 it");
    }
    if context.wants_email {
        parts.push(email(context).unwrap_or_else(|| "no e-mail in it".into()));
    }
    finding.found = parts.join(", ");
    vec![finding]
}

fn email(context: &DoctorContext) -> Option<String> {
    let bytes = context.file.as_ref()?.read().ok()?;
    let content: Value = serde_json::from_slice(&bytes).ok()?;
    let claims = Claims::of(content["tokens"]["id_token"].as_str()?);
    claims.email.as_str().map(|email| crate::model::text::plain(email, 100))
}

/// Whether codexline can refresh the login.
pub fn renewal(context: &DoctorContext) -> Vec<Finding> {
    const NAME: &str = "renewal";
    let Ok(login) = &context.login else { return Vec::new() };
    if login.refresh_token.is_none() {
        return vec![
            Finding::note(NAME, "there is no refresh token of Codex's own")
                .with("codex refreshes it by itself"),
        ];
    }
    let Some(file) = &context.file else { return Vec::new() };
    vec![match file.check() {
        Ok(()) => Finding::ok(NAME, "possible: the new token could be stored"),
        Err(error) => Finding::note(NAME, format!("not by codexline: {error}")).with(error.hint()),
    }]
}

pub fn store(context: &DoctorContext) -> Vec<Finding> {
    const NAME: &str = "store";
    let Ok(config) = &context.config else { return Vec::new() };
    let store = config.credentials_store();
    vec![match store {
        "file" => Finding::ok(NAME, "the login is kept in a file"),
        _ if may_ask_codex(context) && codex_program(context).is_some() => {
            Finding::ok(NAME, format!("{store}: codex is asked where need be"))
        }
        _ if !may_ask_codex(context) => {
            Finding::note(NAME, format!("{store}, and codex is not asked: --source says so"))
        }
        _ => Finding::note(NAME, format!("{store}, and there is no codex to ask"))
            .with("put codex on PATH or name it with --codex-bin"),
    }]
}

pub fn config(context: &DoctorContext) -> Vec<Finding> {
    const NAME: &str = "config.toml";
    let Ok(home) = &context.home else { return Vec::new() };
    let path = home.config_toml();
    vec![match &context.config {
        Err(error) => Finding::broken(NAME, error),
        Ok(config) if config.check_for_codex().is_err() => {
            Finding::note(NAME, "profile and profiles are not honoured: codex refuses them too")
                .with("write the values without a profile, and remove both keys")
        }
        Ok(_) if path.exists() => Finding::ok(NAME, path.display().to_string()),
        Ok(_) => Finding::ok(NAME, "none: Codex's defaults"),
    }]
}

pub fn cache(context: &DoctorContext) -> Vec<Finding> {
    const NAME: &str = "cache";
    let now = context.env.now();
    let cache = match &context.cache {
        Ok(cache) => cache,
        Err(error) => return vec![Finding::broken(NAME, error)],
    };
    if let Err(error) = cache.ensure_writable() {
        return vec![Finding::broken(NAME, &error)];
    }
    let path = cache.entry_path().display();
    let Ok(home) = &context.home else { return Vec::new() };
    vec![match cache.read(now) {
        Err(miss) => {
            Finding::note(NAME, format!("{path}: {miss}")).with("codexline fetch writes it anew")
        }
        Ok(entry) if entry.login_stamp != stamp(home, context.env) => {
            Finding::note(NAME, format!("{path}: of an earlier login"))
                .with("the next fetch replaces it")
        }
        Ok(entry) => match &entry.answer {
            Some(answer) => {
                let old = countdown(now.seconds_since(answer.fetched_at));
                let look = entry.asking.as_ref();
                let look = look.map(|look| format!("; at the last look: {look}"));
                let (source, look) = (answer.source.name(), look.unwrap_or_default());
                Finding::ok(NAME, format!("{path}: {old} old, source {source}{look}"))
            }
            None => {
                Finding::note(NAME, format!("{path}: no answer yet")).with("run codexline fetch")
            }
        },
    }]
}

pub fn lock(context: &DoctorContext) -> Vec<Finding> {
    const NAME: &str = "lock";
    let Ok(cache) = &context.cache else { return Vec::new() };
    let path = cache.lock_path();
    let Ok(metadata) = std::fs::symlink_metadata(&path) else {
        return vec![Finding::ok(NAME, "not made yet")];
    };
    let held = Lock::open(&path).and_then(|mut lock| lock.try_hold(|| ()));
    vec![match held {
        Ok(Some(())) => Finding::ok(NAME, format!("{}: free", path.display())),
        Ok(None) => {
            let now = context.env.now();
            // A process that takes the lock touches the file.
            let since = metadata
                .modified()
                .ok()
                .and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
            let since = since.map(|since| Timestamp::from_unix_seconds(since.as_secs() as i64));
            let since = since
                .map(|at| format!(" for {}", countdown(now.seconds_since(at))))
                .unwrap_or_default();
            Finding::note(NAME, format!("{}: held{since}", path.display())).with(
                "a fetch is at work; if that goes on for minutes, \
                 look for a codexline fetch that hangs",
            )
        }
        Err(error) => Finding::new(
            NAME,
            Verdict::Broken,
            format!("{}: {}", path.display(), Error::io_reason(&error)),
        )
        .with("make it a file of yours"),
    }]
}

pub fn back_off(context: &DoctorContext) -> Vec<Finding> {
    const NAME: &str = "back-off";
    let now = context.env.now();
    let entry = context.cache.as_ref().ok().and_then(|cache| cache.read(now).ok());
    let Some(failure) = entry.and_then(|entry| entry.failure) else {
        return vec![Finding::ok(NAME, "none: the last fetch did not fail")];
    };
    let left = failure.retry_at.seconds_since(now);
    let next = if left > 0 {
        format!("next try in {}", countdown(left))
    } else {
        "next try at the next prompt".into()
    };
    let times = if failure.count > 1 {
        format!(", {} times in a row", failure.count)
    } else {
        String::new()
    };
    let ago = age(now.seconds_since(failure.at));
    // The login is told already, with what to do.
    if let Err(error) = &context.login
        && error.code() == failure.problem.code
    {
        let found = format!("the last fetch failed {ago}{times} for want of that login; {next}");
        return vec![Finding::new(NAME, Verdict::Note, found)];
    }
    let found = format!("the last fetch failed {ago}{times}: {}; {next}", failure.problem.message);
    vec![Finding::new(NAME, Verdict::Broken, found).with(failure.problem.hint)]
}

pub fn ledger(context: &DoctorContext) -> Vec<Finding> {
    const NAME: &str = "ledger";
    let Some(file) = &context.file else { return Vec::new() };
    let now = context.env.now();
    let token = context.login.as_ref().ok().and_then(|login| login.refresh_token.as_ref());
    let record = Ledger::read(file, context.env).and_then(|ledger| match token {
        Some(token) => ledger.find(&fingerprint(token)),
        None => Ok(None),
    });
    let record = match record {
        Ok(record) => record,
        Err(error) => return vec![Finding::broken(NAME, &error)],
    };
    vec![match record {
        None => Finding::ok(NAME, "codexline has not sent this refresh token"),
        Some(record) => {
            let code = record.code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
            let ago = age(now.seconds_since(record.at));
            let found = format!("this refresh token was sent {ago}: {}{code}", record.state.name());
            match record.state {
                TokenState::Refused => {
                    Finding::new(NAME, Verdict::Broken, found).with("run codex login")
                }
                _ => Finding::note(NAME, found)
                    .with("start codex once, or run codex login if that does not help"),
            }
        }
    }]
}

pub fn rescue(context: &DoctorContext) -> Vec<Finding> {
    const NAME: &str = "rescue";
    let Some(file) = &context.file else { return Vec::new() };
    let path = file.staged();
    vec![if path.exists() {
        let found = format!("new tokens wait in {}", path.display());
        Finding::new(NAME, Verdict::Broken, found)
            .with("run codexline fetch, which stores them or says what is in the way")
    } else {
        Finding::ok(NAME, "none pending")
    }]
}

pub fn codex(context: &DoctorContext) -> Vec<Finding> {
    const NAME: &str = "codex";
    let Some(program) = codex_program(context) else {
        return vec![
            Finding::note(NAME, "not on PATH")
                .with("needed only where the endpoint cannot be asked with our token"),
        ];
    };
    let path = program.display();
    vec![match version(&program) {
        Ok(version) => Finding::ok(NAME, format!("{version}, {path}")),
        Err(reason) => Finding::note(NAME, format!("{path}: {reason}"))
            .with("reinstall codex if it does not start"),
    }]
}

/// The first line that `codex --version` prints.
fn version(program: &Path) -> Result<String, String> {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| Error::io_reason(&error))?;
    let (sender, text) = mpsc::channel();
    let output = child.stdout.take();
    // Reading from a pipe has no time-out, so another thread reads.
    std::thread::spawn(move || {
        let mut text = String::new();
        let _ = output.map(|output| output.take(1024).read_to_string(&mut text));
        let _ = sender.send(text);
    });
    let told = text.recv_timeout(VERSION_PATIENCE);
    if told.is_err() {
        // The process only prints its version, so killing it loses nothing.
        let _ = child.kill();
    }
    let _ = child.wait();
    let text = told.map_err(|_| "does not tell its version".to_string())?;
    let line =
        text.lines().next().map(|line| crate::model::text::plain(line, 60)).unwrap_or_default();
    if line.is_empty() { Err("tells no version".into()) } else { Ok(line) }
}

/// The hosts that have a configuration at the usual place or are on PATH.
pub fn hosts(context: &DoctorContext) -> Vec<Finding> {
    let Some(person) = context.env.home_directory() else { return Vec::new() };
    let on_path = |name: &str| app_server::find(Some(Path::new(name)), context.env).is_some();
    let mut findings = Vec::new();
    for integration in INTEGRATIONS {
        let places =
            integration.snippets.iter().filter_map(|snippet| snippet.place.strip_prefix("~/"));
        let texts: Vec<(&str, String)> = places
            .filter_map(|place| {
                let bytes = files::read_bounded(&person.join(place), MAX_CONFIG).ok()?;
                Some((place, String::from_utf8_lossy(&bytes).into_owned()))
            })
            .collect();
        let naming = texts.iter().find(|(_, text)| text.contains("codexline"));
        let found = match (naming, texts.first()) {
            (Some((place, _)), _) => format!("{}: ~/{place} names codexline", integration.name),
            (None, Some((place, _))) => {
                format!("{}: ~/{place} does not name codexline", integration.name)
            }
            (None, None) if integration.programs.iter().any(|name| on_path(name)) => {
                format!("{}: installed, no configuration at the usual place", integration.name)
            }
            (None, None) => continue,
        };
        let finding = Finding::ok("host", found);
        findings.push(match naming {
            Some(_) => finding,
            None => finding.with(format!("to set it up: {}", integration.set_up_command())),
        });
    }
    if findings.is_empty() {
        findings.push(
            Finding::ok("hosts", "none found").with("codexline init --list tells which are known"),
        );
    }
    findings
}
