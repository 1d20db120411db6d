//! Recovery that never logs anyone out: the real binary against a token endpoint that takes each
//! refresh token once, and revokes everything when one comes again.
//!
//! [`Issuer`] is that endpoint and the usage endpoint; [`run`] runs the program with `--verbose`
//! and looks for every token that the issuer knows in whatever it says; [`Issuer::check`] says at
//! the end that no token came twice.

mod answers;
mod asking;
mod away;
mod checks;
mod commands;
mod commit;
mod crash;
mod herd;
mod merge;
#[cfg(target_os = "linux")]
mod order;
#[cfg(target_os = "linux")]
mod patience;
mod sidecars;
#[cfg(target_os = "linux")]
mod steps;
mod turns;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};

use crate::support::home::{ACCOUNT, Home, Login, Output, finish};
pub use crate::support::needs::is_root;
use crate::support::server::{Answer, Gate, Request, Server};
use crate::support::{TOKEN, USAGE, fixture, usage};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_codexline");

type Hook = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct State {
    /// Access tokens that the usage endpoint accepts.
    accepted: HashSet<String>,
    /// Refresh tokens, and whether each may still be spent.
    refresh: HashMap<String, bool>,
    minted: Vec<Login>,
    /// Every token there ever was.
    known: Vec<String>,
    /// Done once, when a POST has been read and before it is answered.
    before_answer: Option<Hook>,
    /// Done once, when a GET has been read.
    before_usage: Option<Hook>,
    gate: Option<Gate>,
}

impl State {
    fn learn(&mut self, login: &Login) {
        self.known
            .extend([&login.access_token, &login.refresh_token, &login.id_token].map(Clone::clone));
    }

    fn usage(&mut self, request: &Request) -> Answer {
        match request.bearer() {
            Some(token) if self.accepted.contains(token) => Answer::json(200, &usage()),
            _ => Answer::bytes(401, "application/json", fixture("error-401-token_expired")),
        }
    }

    fn exchange(&mut self, request: &Request) -> Answer {
        let token = request.form("refresh_token").unwrap_or_default();
        match self.refresh.insert(token, false) {
            Some(true) => {
                let new = Login::of(ACCOUNT);
                self.accepted.insert(new.access_token.clone());
                self.refresh.insert(new.refresh_token.clone(), true);
                self.learn(&new);
                let answer = tokens_of(&new);
                self.minted.push(new);
                Answer::json(200, &answer)
            }
            Some(false) => {
                // What makes it matter.
                self.accepted.clear();
                self.refresh.values_mut().for_each(|fresh| *fresh = false);
                Answer::bytes(401, "application/json", fixture("oauth-error-refresh_token_reused"))
            }
            None => Answer::json(400, &json!({"error": "invalid_grant"})),
        }
    }
}

/// The answer of a token endpoint.
pub fn tokens_of(login: &Login) -> Value {
    json!({
        "access_token": login.access_token,
        "refresh_token": login.refresh_token,
        "id_token": login.id_token,
        "token_type": "Bearer",
        "expires_in": 864_000,
    })
}

/// See the head of this file.
pub struct Issuer {
    pub server: Server,
    state: Arc<Mutex<State>>,
}

impl Issuer {
    pub fn new() -> Self {
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        let server = Server::start(move |request| {
            let hook = {
                let mut state = shared.lock().unwrap();
                match request.line().as_str() {
                    TOKEN => state.before_answer.take(),
                    _ => state.before_usage.take(),
                }
            };
            if let Some(hook) = hook {
                hook();
            }
            let mut state = shared.lock().unwrap();
            match request.line().as_str() {
                USAGE => state.usage(request),
                TOKEN => {
                    let answer = state.exchange(request);
                    match &state.gate {
                        Some(gate) => answer.behind(gate),
                        None => answer,
                    }
                }
                _ => Answer::status(404),
            }
        });
        Self { server, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// A login that the usage endpoint refuses, and that can be renewed once.
    pub fn expired(&self) -> Login {
        let login = Login::of(ACCOUNT);
        let mut state = self.state();
        state.learn(&login);
        state.refresh.insert(login.refresh_token.clone(), true);
        login
    }

    /// A login that the usage endpoint accepts.
    pub fn good(&self) -> Login {
        let login = self.expired();
        self.state().accepted.insert(login.access_token.clone());
        login
    }

    /// A home with an expired login, in Codex's own layout.
    pub fn home(&self) -> Home {
        self.home_of(&self.expired())
    }

    pub fn home_of(&self, login: &Login) -> Home {
        let home = Home::at(&self.server, login);
        home.write_auth(codex_text(login));
        home
    }

    /// Whether an exchange has given a login.
    pub fn has_minted(&self) -> bool {
        !self.state().minted.is_empty()
    }

    /// The latest login that an exchange gave.
    pub fn minted(&self) -> Login {
        self.state().minted.last().expect("nothing was renewed").clone()
    }

    /// Done once, when the next POST has been read and before it is answered.
    pub fn before_answer(&self, hook: impl FnOnce() + Send + 'static) {
        self.state().before_answer = Some(Box::new(hook));
    }

    /// Done once, when the next GET has been read and before it is answered.
    pub fn before_usage(&self, hook: impl FnOnce() + Send + 'static) {
        self.state().before_usage = Some(Box::new(hook));
    }

    /// Holds the answers to every further POST.
    pub fn hold(&self) -> Gate {
        let gate = Gate::closed();
        self.state().gate = Some(gate.clone());
        gate
    }

    /// Somebody else exchanges a refresh token, if it may still be spent.
    pub fn exchange_elsewhere(&self, token: &str) -> Option<Login> {
        let mut state = self.state();
        let fresh = state.refresh.get_mut(token).filter(|fresh| **fresh)?;
        *fresh = false;
        let new = Login::of(ACCOUNT);
        state.accepted.insert(new.access_token.clone());
        state.refresh.insert(new.refresh_token.clone(), true);
        state.learn(&new);
        Some(new)
    }

    /// Every login that our own exchanges gave, in order.
    pub fn all_minted(&self) -> Vec<Login> {
        self.state().minted.clone()
    }

    /// Somebody else has spent this login's refresh token.
    pub fn spend(&self, login: &Login) {
        self.state().refresh.insert(login.refresh_token.clone(), false);
    }

    /// From now on nothing that was accepted is.
    pub fn expire_all(&self) {
        self.state().accepted.clear();
    }

    pub fn gets(&self) -> usize {
        self.server.count(USAGE)
    }

    /// The refresh tokens that were sent, in order.
    pub fn posted(&self) -> Vec<String> {
        let requests = self.server.requests();
        let posts = requests.iter().filter(|request| request.method == "POST");
        posts.map(|request| request.form("refresh_token").unwrap_or_default()).collect()
    }

    pub fn posts(&self) -> usize {
        self.posted().len()
    }

    /// No refresh token came twice.
    #[track_caller]
    pub fn check(&self) {
        let posted = self.posted();
        let different: HashSet<&String> = posted.iter().collect();
        assert_eq!(different.len(), posted.len(), "a token was sent twice: {posted:?}");
    }

    /// No token of this issuer in `text`.
    #[track_caller]
    pub fn check_text(&self, place: &str, text: &str) {
        for token in &self.state().known {
            // The header of a token is the same in all the world.
            for part in token.split('.').filter(|part| part.len() > 9 && !token.starts_with(*part))
            {
                assert!(!text.contains(part), "{place} holds {part}: {text}");
            }
            assert!(
                token.is_empty() || !text.contains(token.as_str()),
                "{place} holds {token}: {text}"
            );
        }
    }
}

/// auth.json as Codex writes it: its order of keys, two blanks, no line feed at the end.
pub fn codex_text(login: &Login) -> String {
    let text = |value: &Option<String>| {
        value.as_ref().map_or("null".into(), |value| format!("\"{value}\""))
    };
    let mode = login.mode.as_ref().map(|mode| format!("  \"auth_mode\": \"{mode}\",\n"));
    format!(
        "{{\n{}  \"OPENAI_API_KEY\": {},\n  \"tokens\": {{\n    \
         \"id_token\": \"{}\",\n    \"access_token\": \"{}\",\n    \
         \"refresh_token\": \"{}\",\n    \"account_id\": {}\n  }},\n  \"last_refresh\": {}\n}}",
        mode.unwrap_or_default(),
        text(&login.api_key),
        login.id_token,
        login.access_token,
        login.refresh_token,
        text(&login.account),
        text(&login.last_refresh),
    )
}

/// Runs the program and looks for tokens in all that came of it.
#[track_caller]
pub fn run(issuer: &Issuer, home: &Home, arguments: &[&str]) -> Output {
    run_command(issuer, home, &mut home.command(arguments))
}

/// `codexline fetch --verbose`.
#[track_caller]
pub fn fetch(issuer: &Issuer, home: &Home) -> Output {
    run(issuer, home, &["fetch", "--verbose"])
}

/// As [`run`] with a command of any kind.
#[track_caller]
pub fn run_command(issuer: &Issuer, home: &Home, command: &mut Command) -> Output {
    let output = finish(command);
    assert!(!output.stderr.contains("panicked"), "{output:?}");
    issuer.check_text("stdout", &output.stdout);
    issuer.check_text("stderr", &output.stderr);
    for path in home.entries().into_iter().chain([beside(home, ".ledger")]) {
        issuer.check_text("a file", &std::fs::read_to_string(path).unwrap_or_default());
    }
    output
}

/// The program succeeded.
#[track_caller]
pub fn succeeds(output: &Output) {
    assert_eq!(output.code, Some(0), "{output:?}");
}

/// The program failed: the last line on stderr is the failure with its hint, and the cache holds it
/// with this code.
#[track_caller]
pub fn fails(home: &Home, output: &Output, code: &str) {
    assert_eq!(output.code, Some(1), "{code}: {output:?}");
    let failure = home.entry().expect("an entry")["failure"].clone();
    assert_eq!(failure["code"], code, "{output:?}");
    let last = output.stderr.lines().last().unwrap_or_default();
    assert!(last.starts_with("codexline: ") && last.contains("; "), "{output:?}");
}

/// As [`fails`], and `json` says the same as stderr. (Not where auth.json has changed since, or is
/// another one outside of a mount: then that failure is another login's.)
#[track_caller]
pub fn fails_openly(home: &Home, output: &Output, code: &str) {
    fails(home, output, code);
    let shown = home.run(&["json", "--offline"]).json();
    assert_eq!(shown["error"]["code"], code, "{output:?}");
    let (message, hint) =
        (shown["error"]["message"].as_str().unwrap(), shown["error"]["hint"].as_str().unwrap());
    assert!(!hint.is_empty());
    assert_eq!(
        output.stderr.lines().last().unwrap_or_default(),
        format!("codexline: {message}; {hint}")
    );
}

/// One of codexline's own files beside auth.json.
pub fn beside(home: &Home, ending: &str) -> PathBuf {
    home.codex_home().join(format!("auth.json.codexline{ending}"))
}

/// The files in which new tokens are kept whose auth.json is away.
pub fn kept(home: &Home) -> Vec<PathBuf> {
    let directory = home.path().join("home/.local/state/codexline/kept");
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

pub fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// auth.json holds this login's three tokens, and nothing waits beside it.
#[track_caller]
pub fn holds(home: &Home, login: &Login) {
    let tokens = &home.read_auth()["tokens"];
    assert_eq!(tokens["refresh_token"], login.refresh_token);
    assert_eq!(tokens["access_token"], login.access_token);
    assert_eq!(tokens["id_token"], login.id_token);
    no_rescue(home);
}

#[track_caller]
pub fn no_rescue(home: &Home) {
    for ending in [".new", ".new.new"] {
        assert!(!beside(home, ending).exists(), "{ending} was left behind");
    }
}

/// The ledger's states, oldest first.
pub fn ledger(home: &Home) -> Vec<String> {
    let content: Value = serde_json::from_str(&read(&beside(home, ".ledger"))).unwrap();
    let records = content["records"].as_array().unwrap();
    records.iter().map(|record| record["state"].as_str().unwrap().to_owned()).collect()
}

/// Does `work` for each item, a few at a time: most of them wait for something.
pub fn each<T: Sync>(items: &[T], at_once: usize, work: impl Fn(&T) + Sync) {
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(item) =
                    items.get(next.fetch_add(1, std::sync::atomic::Ordering::SeqCst))
                {
                    work(item);
                }
            });
        }
    });
}
