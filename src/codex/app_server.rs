//! Asking Codex itself: `codex app-server`, JSON lines on its standard input and output.
//!
//! For logins that are not in a file of ours to use. Checked by running Codex 0.169:
//! * it takes 0.2 s and 117 MB, so it is not asked where the API can be;
//! * on a plain 401 it answers an error; `getAuthStatus` with `refreshToken` makes it refresh
//!   first;
//! * closing its standard input ends it, after whatever it is doing. It is never killed, because it
//!   may be in the middle of a refresh. An interrupt would kill it, so it runs in its own session.

use super::answer::{self, UsageAnswer};
use super::home::Home;
use crate::io::env::{Env, LOGIN_VARIABLES};
use crate::model::error::Error;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// For one answer. A refresh on the way may take Codex two minutes.
const PATIENCE: Duration = Duration::from_secs(150);
/// For its end, after its input was closed. After that it is left to itself.
const FAREWELL: Duration = Duration::from_secs(150);
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// A line that is longer is no answer to us.
const MAX_LINE: u64 = 4 * 1024 * 1024;

/// Leaves out what makes Codex ask for more than the limits: 3 requests instead of 7.
const FEW_REQUESTS: [&str; 4] = ["-c", "features.plugins=false", "-c", "features.apps=false"];
const LIMITS: &str = "account/rateLimits/read";
/// How Codex words a 401 of the usage endpoint: `… failed: 401 Unauthorized; …`.
const REFUSED: &str = "failed: 401 ";
/// How it words a request that its own refresh has overtaken.
const REVOKED: &str = "network permission was revoked";

/// The program to ask: the named one, else `codex` on PATH; `None` if there is none.
pub fn find(named: Option<&Path>, env: &Env) -> Option<PathBuf> {
    let name = named.unwrap_or(Path::new("codex"));
    if name.components().count() > 1 {
        return name.is_file().then(|| name.to_path_buf());
    }
    let path = env.variable("PATH")?;
    let names = crate::io::platform::program_names(name);
    let files = |directory: PathBuf| names.iter().map(move |name| directory.join(name));
    std::env::split_paths(&path).flat_map(files).find(|file| file.is_file())
}

/// Asks for the limits. `may_refresh`: whether Codex may be told to refresh the login if it is
/// refused.
///
/// # Errors
/// [`Error::CodexFailed`]; [`Error::NotSignedIn`] and [`Error::ApiKeyLogin`] if Codex says so.
pub fn ask(
    program: &Path,
    home: &Home,
    may_refresh: bool,
    env: &Env,
) -> Result<UsageAnswer, Error> {
    let failed = |reason: String| Error::CodexFailed { program: program.to_path_buf(), reason };
    let begin = |options: &[&str]| {
        let mut conversation = Conversation::begin(program, home, env, options)?;
        match conversation.greet() {
            Ok(()) => Ok(conversation),
            Err(reason) => {
                conversation.end();
                Err(reason)
            }
        }
    };
    // A Codex that does not know the options may refuse to start with them.
    let mut conversation = begin(&FEW_REQUESTS).or_else(|_| begin(&[])).map_err(failed)?;
    let result = conversation.limits(may_refresh);
    conversation.end();
    let value = result.map_err(|reason| {
        // Codex's own words for two states that have names here.
        if reason.contains("codex account authentication required") {
            Error::NotSignedIn { path: home.path().to_path_buf() }
        } else if reason.contains("chatgpt authentication required") {
            Error::ApiKeyLogin { place: home.path().display().to_string() }
        } else {
            failed(reason)
        }
    })?;
    let body = as_usage(&value).to_string();
    answer::parse(body.as_bytes(), env.now())
        .map_err(|reason| failed(format!("answered with {reason}")))
}

struct Conversation {
    child: Child,
    /// Closed to end it.
    input: Option<ChildStdin>,
    lines: Receiver<Value>,
    last_id: u64,
}

impl Conversation {
    fn begin(
        program: &Path,
        home: &Home,
        env: &Env,
        options: &[&str],
    ) -> Result<Conversation, String> {
        let mut command = Command::new(program);
        command
            .arg("app-server")
            .args(options)
            .env("CODEX_HOME", home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        // One account of several is asked about its own login.
        for name in LOGIN_VARIABLES {
            if env.variable(name).is_none() {
                command.env_remove(name);
            }
        }
        crate::io::platform::detach(&mut command);
        let mut child = command.spawn().map_err(|error| Error::io_reason(&error))?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (sender, lines) = channel();
        // A thread, for reads from a pipe have no time-out. It ends with the pipe.
        std::thread::spawn(move || {
            let Some(output) = output else { return };
            let mut output = BufReader::new(output);
            let mut line = Vec::new();
            while output
                .by_ref()
                .take(MAX_LINE)
                .read_until(b'\n', &mut line)
                .is_ok_and(|length| length > 0)
            {
                if let Ok(value) = serde_json::from_slice(&line)
                    && sender.send(value).is_err()
                {
                    return;
                }
                line.clear();
            }
        });
        Ok(Conversation { child, input, lines, last_id: 0 })
    }

    fn greet(&mut self) -> Result<(), String> {
        let version = env!("CARGO_PKG_VERSION");
        let client = json!({"name": "codexline", "title": "codexline", "version": version});
        self.call("initialize", json!({"clientInfo": client}))?;
        self.send(&json!({"method": "initialized"}))
    }

    fn limits(&mut self, may_refresh: bool) -> Result<Value, String> {
        match self.read_limits() {
            Err(reason) if may_refresh && reason.contains(REFUSED) => {
                self.call("getAuthStatus", json!({"includeToken": false, "refreshToken": true}))?;
                self.read_limits()
            }
            // Its login has just been refreshed in another part of it.
            Err(reason) if reason.contains(REVOKED) => self.read_limits(),
            result => result,
        }
    }

    fn read_limits(&mut self) -> Result<Value, String> {
        match self.call(LIMITS, json!({"excludeResetCreditDetails": true})) {
            // How a Codex that takes no parameters here words it.
            Err(reason) if reason.to_ascii_lowercase().starts_with("invalid") => {
                self.call(LIMITS, Value::Null)
            }
            result => result,
        }
    }

    /// Sends a request and waits for its answer, passing over everything else.
    fn call(&mut self, method: &str, parameters: Value) -> Result<Value, String> {
        self.last_id += 1;
        let mut request = json!({"id": self.last_id, "method": method});
        if !parameters.is_null() {
            request["params"] = parameters;
        }
        self.send(&request)?;
        let begun = Instant::now();
        loop {
            let left = PATIENCE.saturating_sub(begun.elapsed());
            let mut line = match self.lines.recv_timeout(left) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!("gave no answer to {method}"));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(format!("ended before it answered {method}"));
                }
            };
            if line["id"] != self.last_id || line.get("method").is_some() {
                continue;
            }
            if let Some(message) = line["error"]["message"].as_str() {
                // It quotes whole bodies behind the first semicolon.
                let message = message.split("; ").next().unwrap_or_default();
                return Err(crate::model::text::plain(message, 160));
            }
            return Ok(line["result"].take());
        }
    }

    fn send(&mut self, message: &Value) -> Result<(), String> {
        let line = format!("{message}\n");
        let input = self.input.as_mut().ok_or("has been ended")?;
        input
            .write_all(line.as_bytes())
            .and_then(|()| input.flush())
            .map_err(|error| Error::io_reason(&error))
    }

    fn end(mut self) {
        drop(self.input.take());
        let begun = Instant::now();
        while let Ok(None) = self.child.try_wait() {
            if begun.elapsed() > FAREWELL {
                return;
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }
}

/// Codex's answer in the words of the usage endpoint.
fn as_usage(result: &Value) -> Value {
    let main = &result["rateLimits"];
    let others = result["rateLimitsByLimitId"].as_object().into_iter().flatten();
    let pools: Vec<Value> = others
        .filter(|(id, _)| *id != main["limitId"].as_str().unwrap_or("codex"))
        .map(|(id, limit)| {
            let name = limit["limitName"].as_str().unwrap_or(id);
            json!({"limit_name": name, "rate_limit": rate_limit(limit)})
        })
        .collect();
    let mut plan = rate_limit(main);
    if plan.is_object() {
        plan["allowed"] = result["ordinaryUsageAllowed"].clone();
    }
    let credits = &main["credits"];
    json!({
        "plan_type": main["planType"],
        "account_id": result["accountId"],
        "rate_limit": plan,
        "additional_rate_limits": pools,
        "credits": credits.is_object().then(|| json!({
            "has_credits": credits["hasCredits"],
            "unlimited": credits["unlimited"],
            "balance": credits["balance"],
        })),
        "spend_control": {
            "reached": main["spendControlReached"],
            "individual_limit": snake_case(&main["individualLimit"]),
        },
        "rate_limit_reached_type": main["rateLimitReachedType"],
        "rate_limit_reset_credits": snake_case(&result["rateLimitResetCredits"]),
    })
}

/// What is not there stays away, and null stays null: only that says that there is no limit.
fn rate_limit(limit: &Value) -> Value {
    let Some(limit) = limit.as_object() else { return json!({}) };
    let mut windows = json!({});
    for (name, slot) in [("primary", "primary_window"), ("secondary", "secondary_window")] {
        let Some(window) = limit.get(name) else { continue };
        let seconds = window["windowDurationMins"].as_f64().map(|minutes| minutes * 60.0);
        windows[slot] = match window {
            Value::Null => Value::Null,
            window => json!({
                "used_percent": window["usedPercent"],
                "limit_window_seconds": seconds,
                "reset_at": window["resetsAt"],
            }),
        };
    }
    windows
}

/// An object with its keys from camelCase to snake_case.
fn snake_case(value: &Value) -> Value {
    let Some(object) = value.as_object() else { return value.clone() };
    let rename = |key: &String| {
        key.chars().fold(String::new(), |mut out, letter| {
            if letter.is_ascii_uppercase() {
                out.push('_');
            }
            out.push(letter.to_ascii_lowercase());
            out
        })
    };
    object
        .iter()
        .map(|(key, value)| (rename(key), value.clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Timestamp;

    #[test]
    fn codex_words_are_translated() {
        let now = Timestamp::from_unix_seconds(1_795_359_600);
        let result = json!({
            "rateLimits": {
                "limitId": "codex",
                "primary": {
                    "usedPercent": 42, "windowDurationMins": 300, "resetsAt": 1_795_363_200
                },
                "secondary": null,
                "credits": {"hasCredits": true, "unlimited": false, "balance": "7"},
                "individualLimit": {
                    "limit": "100", "used": "5", "usedPercent": 5, "resetsAt": null
                },
                "planType": "plus",
            },
            "rateLimitsByLimitId": {
                "codex": {},
                "spark": {
                    "limitName": "Spark", "primary": {"usedPercent": 1, "windowDurationMins": 60}
                },
            },
            "accountId": "acc-1",
        });
        let answer = answer::parse(as_usage(&result).to_string().as_bytes(), now).unwrap();
        let usage = answer.usage;
        assert_eq!(answer.account_id.as_deref(), Some("acc-1"));
        assert_eq!(
            (usage.plan.as_deref(), usage.windows.len(), usage.blocked),
            (Some("plus"), 1, None)
        );
        assert_eq!((usage.windows[0].label().as_str(), usage.windows[0].used), ("5h", 42.0));
        assert_eq!(usage.windows[0].resets_at, Some(now.plus(3600)));
        assert_eq!((usage.pools[0].name.as_str(), usage.pools.len()), ("Spark", 1));
        assert_eq!(usage.budget.map(|budget| budget.used_percent), Some(5.0));
        assert_eq!(usage.credits.and_then(|credits| credits.balance), Some(7.0));
    }
}
