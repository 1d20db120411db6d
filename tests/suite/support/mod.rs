//! What the scenarios share: a scripted server in place of OpenAI's, a made-up home in place of a
//! person's, and waiting for something to become true instead of sleeping.
//!
//! Everything stays on loopback and in temporary directories, so the scenarios can run side by
//! side. Every token is made up. Not every binary or module uses every helper, hence the `allow`.
#![allow(dead_code, unused_macros)]

// Comes first, because its macros are known only to what follows.
#[macro_use]
pub mod needs;

pub mod codex;
pub mod double;
pub mod home;
#[cfg(target_os = "linux")]
pub mod hosts;
pub mod server;
pub mod sessions;
#[cfg(target_os = "linux")]
pub mod windows;

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The request for usage, under a base URL that contains `/backend-api`.
pub const USAGE: &str = "GET /backend-api/wham/usage";

/// The request that refreshes a login. `Home::new` points `CODEX_REFRESH_TOKEN_URL_OVERRIDE` at it.
pub const TOKEN: &str = "POST /oauth/token";

/// How long anything that must happen soon may take, on a machine that is busy with the rest of the
/// suite.
pub const SOON: Duration = Duration::from_secs(15);

/// Waits until `condition` holds. Panics with `what` when it does not within [`SOON`].
pub fn eventually(what: &str, condition: impl FnMut() -> bool) {
    eventually_within(SOON, what, condition);
}

/// As [`eventually`] with a limit of its own.
pub fn eventually_within(limit: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < limit, "waited {limit:?} in vain for: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Gives what is started from now on the default dispositions of all signals.
///
/// A shell lets a job in the background ignore SIGINT, `nohup` lets one ignore SIGHUP, and a child
/// inherits that. So the tests get a handler that does nothing: for them the signal is ignored as
/// before, and a child starts with the default.
pub fn reset_signals() {
    extern "C" fn nothing(_: libc::c_int) {}
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        for signal in 1..32 {
            // Rust itself ignores this one, and resets it in children.
            if signal == libc::SIGPIPE {
                continue;
            }
            // SAFETY: the structure is valid and lives throughout; the handler touches nothing.
            unsafe {
                let mut action: libc::sigaction = std::mem::zeroed();
                let known = libc::sigaction(signal, std::ptr::null(), &mut action) == 0;
                if known && action.sa_sigaction == libc::SIG_IGN {
                    action.sa_sigaction = nothing as *const () as usize;
                    action.sa_flags = libc::SA_RESTART;
                    libc::sigaction(signal, &action, std::ptr::null_mut());
                }
            }
        }
    });
}

/// Unix seconds.
pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock stands after 1970").as_secs()
        as i64
}

/// The text of `tests/fixtures/usage/<name>.json`, as the server once sent it. Its reset times have
/// long passed.
pub fn fixture(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/usage")
        .join(format!("{name}.json"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A fixture as if the server had sent it now. Every `reset_at` is moved so that it agrees with its
/// `reset_after_seconds`; where there is none, it is an hour before the end of its window. Both get
/// 45 seconds more, so that a countdown reads the same however long the test takes. A window that
/// has not started is the exception: its mark is that both are equal.
pub fn fresh_fixture(name: &str) -> serde_json::Value {
    use serde_json::Value;
    fn walk(value: &mut Value, now: i64) {
        match value {
            Value::Object(object) => {
                let whole = |key: &str| object.get(key).and_then(Value::as_i64);
                let (after, length) = (whole("reset_after_seconds"), whole("limit_window_seconds"));
                let left = match (after, length) {
                    (Some(after), length) if Some(after) == length => after,
                    (Some(after), _) => after + 45,
                    (None, length) => length.unwrap_or(86_400) - 3600 + 45,
                };
                if object.contains_key("reset_at") {
                    object.insert("reset_at".into(), (now + left).into());
                }
                if after.is_some() {
                    object.insert("reset_after_seconds".into(), left.into());
                }
                object.values_mut().for_each(|inner| walk(inner, now));
            }
            Value::Array(items) => items.iter_mut().for_each(|inner| walk(inner, now)),
            _ => {}
        }
    }
    let mut value = serde_json::from_str(&fixture(name)).expect("a fixture is JSON");
    walk(&mut value, now());
    value
}

/// The usual set-up: a server that gives the usual answer, and a home that is signed in to it.
pub fn signed_in() -> (server::Server, home::Home) {
    let server = server::Server::usage(usage());
    let home = home::Home::new(&server);
    (server, home)
}

/// The usual answer: 42 % of 5 hours, which reset in 1 h 3 min, and 17 % of 7 days, which reset in
/// 5 d 8 h. Both have half a minute to spare, so that the text does not depend on how long the test
/// takes. Its `account_id` is [`home::ACCOUNT`].
pub fn usage() -> serde_json::Value {
    usage_of(42, 17)
}

/// [`usage`] with other percentages.
pub fn usage_of(five_hours: i64, week: i64) -> serde_json::Value {
    let now = now();
    serde_json::json!({
        "account_id": home::ACCOUNT,
        "plan_type": "plus",
        "rate_limit": {
            "allowed": true,
            "limit_reached": false,
            "primary_window": {
                "used_percent": five_hours, "limit_window_seconds": 18_000,
                "reset_after_seconds": 3810, "reset_at": now + 3810
            },
            "secondary_window": {
                "used_percent": week, "limit_window_seconds": 604_800,
                "reset_after_seconds": 460_830, "reset_at": now + 460_830
            }
        },
        "credits": { "has_credits": false, "unlimited": false, "balance": "0" }
    })
}

/// The plain line of [`usage`].
pub const USUAL_LINE: &str = "Codex 5h 58% left · 7d 83% left\n";

/// The same with `--reset always`.
pub const USUAL_LINE_WITH_RESETS: &str =
    "Codex 5h 58% left, resets in 1h03m · 7d 83% left, resets in 5d8h\n";

/// How many cases a property is tried with: as many as `PROPTEST_CASES` says, else `usual`. What
/// fails is shown and not written down: it becomes a test.
pub fn cases(usual: u32) -> proptest::test_runner::Config {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    proptest::test_runner::Config {
        cases: cases.unwrap_or(usual),
        failure_persistence: None,
        ..Default::default()
    }
}
