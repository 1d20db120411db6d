//! The real Codex beside codexline, and the login server at which both spend their tokens.
//!
//! ```ignore
//! let program = needs!("codex");
//! let login = LoginServer::start();
//! let home = login.home(Lifetime::Short);    // signed in with the tokens the server expects
//! let mut codex = AppServer::start(&program, &home);            // `codex app-server`, initialised
//! assert!(codex.rate_limits().is_ok());      // refreshes first: the access token ends soon
//! codex.close();                             // end of file on its stdin, then exit 0
//! assert_eq!(login.spends_of(Who::Codex).len(), 1);
//! ```
//! Observed with Codex 0.169.0, and relied on here: when its access token expires within five
//! minutes, Codex refreshes at its start and before each `account/rateLimits/read`. It sends the
//! refresh as JSON with a `refresh_reason`. Nothing of it reaches a real network, because every
//! proxy variable names a port where nothing listens.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::home::{ACCOUNT, Home, Login, jwt};
use super::server::{Answer, Gate, Request, Server, dead_port};
use super::{TOKEN, USAGE, eventually, now, usage};

/// The real Codex: the path that `CODEXLINE_TEST_CODEX` names, else what `.ci/hosts` installed,
/// else `codex` on `PATH`. A test asks for it with `needs!("codex")`.
pub fn real() -> Option<PathBuf> {
    let path = match std::env::var_os("CODEXLINE_TEST_CODEX") {
        Some(path) => PathBuf::from(path),
        None => super::needs::program("codex")?,
    };
    assert!(path.is_file(), "{} is no file", path.display());
    Some(native(&path).unwrap_or(path))
}

/// npm's `codex` is a script that starts the native binary of a neighbouring package. Starting that
/// binary directly saves a node process, and signals and the end of input reach Codex itself.
fn native(script: &Path) -> Option<PathBuf> {
    let script = script.canonicalize().ok()?;
    let packages = script.parent()?.parent()?.parent()?;
    let inside = |directory: PathBuf| -> Vec<PathBuf> {
        std::fs::read_dir(directory)
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default()
    };
    inside(packages.to_owned())
        .into_iter()
        .filter(|package| {
            package.file_name().is_some_and(|name| name.to_string_lossy().starts_with("codex-"))
        })
        .flat_map(|package| inside(package.join("vendor")))
        .map(|target| target.join("bin/codex"))
        .find(|binary| binary.is_file())
}

/// A running `codex app-server`; JSON lines on stdin and stdout.
pub struct AppServer {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<Value>,
    /// The id of the latest request.
    id: u64,
}

impl AppServer {
    /// Started and initialised; a refresh that is due happens before this returns.
    pub fn start(program: &Path, home: &Home) -> Self {
        let mut server = Self::start_only(program, home);
        server.initialise();
        server
    }

    /// Started, with nothing said yet.
    pub fn start_only(program: &Path, home: &Home) -> Self {
        let program = program.to_str().expect("a path in UTF-8");
        let mut child = home
            .wrapped(&[program, "app-server"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line)
                    .unwrap_or_else(|error| json!({"odd": format!("{error}: {line}")}));
                if sender.send(value).is_err() {
                    return;
                }
            }
        });
        Self { child, stdin, lines, id: 0 }
    }

    /// The handshake.
    pub fn initialise(&mut self) {
        let client = json!({"clientInfo": {"name": "suite", "title": "suite", "version": "0"}});
        let answer = self.ask("initialize", Some(client));
        assert!(answer.is_ok(), "{answer:?}");
        self.write(&json!({"method": "initialized"}));
    }

    /// Asks for the limits: the `result`, or the error's message.
    pub fn rate_limits(&mut self) -> Result<Value, String> {
        /// What Codex says when another part of it refreshed while the request was being made.
        const MEANWHILE: &str = "application network permission was revoked";
        loop {
            match self.ask("account/rateLimits/read", None) {
                Err(message) if message.contains(MEANWHILE) => {}
                answer => return answer,
            }
        }
    }

    /// Asks until the limits come, for at most [`super::SOON`]. A Codex that lost a race for a
    /// token fails once or twice before it takes the winner's.
    pub fn rate_limits_soon(&mut self) -> Value {
        let mut last = Value::Null;
        eventually("limits from Codex", || match self.rate_limits() {
            Ok(limits) => {
                last = limits;
                true
            }
            Err(_) => false,
        });
        last
    }

    /// One request and its answer: the `result`, or the error's message.
    pub fn ask(&mut self, method: &str, parameters: Option<Value>) -> Result<Value, String> {
        let id = self.send(method, parameters);
        self.answer(id)
    }

    /// A request without waiting for its answer; its id.
    pub fn send(&mut self, method: &str, parameters: Option<Value>) -> u64 {
        self.id += 1;
        let mut request = json!({"id": self.id, "method": method});
        if let Some(parameters) = parameters {
            request["params"] = parameters;
        }
        self.write(&request);
        self.id
    }

    /// The answer to request `id`. Notifications before it are skipped.
    pub fn answer(&mut self, id: u64) -> Result<Value, String> {
        let start = Instant::now();
        loop {
            let left = super::home::LIMIT.saturating_sub(start.elapsed());
            match self.lines.recv_timeout(left) {
                Ok(mut line) if line["id"] == id => {
                    return match line.get("error") {
                        None => Ok(line["result"].take()),
                        Some(error) => Err(error["message"].as_str().unwrap_or("?").to_owned()),
                    };
                }
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => panic!("Codex did not answer request {id}"),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("Codex ended before it answered request {id}")
                }
            }
        }
    }

    /// Waits for a notification; all that have come since the last answer, with it as the last one.
    pub fn until(&mut self, method: &str) -> Vec<Value> {
        let mut seen = Vec::new();
        while seen.last().is_none_or(|line: &Value| line["method"] != method) {
            match self.lines.recv_timeout(super::SOON) {
                Ok(line) => seen.push(line),
                Err(error) => panic!("no {method} from Codex ({error}); it said {seen:?}"),
            }
        }
        seen
    }

    fn write(&mut self, message: &Value) {
        let stdin = self.stdin.as_mut().expect("not closed yet");
        writeln!(stdin, "{message}").and_then(|()| stdin.flush()).expect("Codex reads its stdin");
    }

    /// Closes its stdin and waits until it ends by itself. A Codex that is killed can lose a token.
    pub fn close(mut self) {
        self.stdin = None;
        eventually("the end of Codex after the end of its stdin", || {
            self.child.try_wait().expect("a child of ours").is_some()
        });
        let status = self.child.wait().expect("a child of ours");
        assert!(status.success(), "Codex: {status}");
    }
}

impl Drop for AppServer {
    /// For a test that failed: after [`AppServer::close`] there is nothing left to kill.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Who asks for an exchange, by the shape of the request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// Sends a form.
    Codexline,
    /// Sends JSON with a `refresh_reason`.
    Codex,
}

impl Who {
    fn of(body: &Value) -> Self {
        if body.get("refresh_reason").is_some() { Self::Codex } else { Self::Codexline }
    }

    fn other(self) -> Self {
        match self {
            Self::Codexline => Self::Codex,
            Self::Codex => Self::Codexline,
        }
    }
}

/// A token that was sent to be exchanged.
#[derive(Clone, Debug)]
pub struct Spend {
    pub who: Who,
    pub refresh_token: String,
    /// The refresh token it was exchanged for; `None` when it was refused as reused.
    pub given: Option<String>,
}

/// How long the access tokens live that the server hands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// Ten days: nobody has a reason to refresh.
    Long,
    /// A minute: Codex refreshes before every request, since less than five are left.
    Short,
}

impl Lifetime {
    fn seconds(self) -> i64 {
        match self {
            Self::Long => 864_000,
            Self::Short => 60,
        }
    }
}

/// Which of the two requests of a duel is answered first, and how much later the other one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Together,
    WinnerFirst(Duration),
    LoserFirst(Duration),
}

/// Both send the same refresh token at the same moment. This says who gets the new one.
#[derive(Clone, Copy, Debug)]
struct Duel {
    winner: Who,
    order: Order,
}

struct State {
    /// Refresh tokens that may be exchanged, once.
    live: BTreeSet<String>,
    /// The access tokens that the usage endpoint accepts, the newest last. A refresh does not end
    /// the older ones.
    accepted: Vec<String>,
    lifetime: Lifetime,
    spends: Vec<Spend>,
    serial: u64,
    duel: Option<Duel>,
    /// Who waits for an opponent, and with which token.
    waiting: Vec<(Who, String)>,
    /// Duels in which both came.
    met: usize,
    /// Every token is exchanged as often as it is sent, as some servers do within a few seconds.
    lenient: bool,
    /// The answers to this party wait at this gate.
    held: Option<(Who, Gate)>,
    /// Replaces keys of the next answers; null removes one.
    changes: Value,
}

/// The login server. `POST /oauth/token` exchanges each refresh token exactly once; from then on it
/// refuses that token with 401 `refresh_token_reused`. The usage endpoint accepts the access tokens
/// that were handed out and not revoked, and answers 401 `token_expired` to others.
pub struct LoginServer {
    pub server: Server,
    shared: Arc<(Mutex<State>, Condvar)>,
}

impl LoginServer {
    pub fn start() -> Self {
        let shared = Arc::new((
            Mutex::new(State {
                live: BTreeSet::new(),
                accepted: Vec::new(),
                lifetime: Lifetime::Long,
                spends: Vec::new(),
                serial: 0,
                duel: None,
                waiting: Vec::new(),
                met: 0,
                lenient: false,
                held: None,
                changes: json!({}),
            }),
            Condvar::new(),
        ));
        let server = Server::start({
            let shared = Arc::clone(&shared);
            move |request| match request.line().as_str() {
                USAGE => answer_usage(&shared.0.lock().unwrap(), request),
                TOKEN => answer_token(&shared, request),
                _ => Answer::json(404, &json!({})),
            }
        });
        Self { server, shared }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().unwrap()
    }

    /// A home signed in with tokens that this server knows. Access tokens that it hands out from
    /// now on live for `lifetime`.
    pub fn home(&self, lifetime: Lifetime) -> Home {
        let login = self.login(lifetime);
        let mut home = Home::at(&self.server, &login);
        // Codex also asks for things that no setting turns off or points elsewhere. None of that
        // may reach a real server.
        let nowhere = format!("http://127.0.0.1:{}", dead_port());
        for name in ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"] {
            home.set(name, &nowhere);
            home.set(name.to_lowercase(), &nowhere);
        }
        home.set("NO_PROXY", "127.0.0.1");
        home.set("no_proxy", "127.0.0.1");
        home.write_config(&format!(
            "chatgpt_base_url = \"{}\"\ncheck_for_update_on_startup = false\n\n\
             [analytics]\nenabled = false\n",
            self.server.base()
        ));
        home
    }

    /// New tokens, as if the person had signed in again: the old ones are no longer accepted.
    pub fn login(&self, lifetime: Lifetime) -> Login {
        let mut state = self.state();
        state.lifetime = lifetime;
        state.live.clear();
        state.accepted.clear();
        let (access_token, refresh_token) = state.issue();
        Login { access_token, refresh_token, ..Login::of(ACCOUNT) }
    }

    /// From here on the usage endpoint refuses every token handed out so far.
    pub fn revoke_access(&self) {
        self.state().accepted.clear();
    }

    /// As [`LoginServer::revoke_access`], but the newest is still good.
    pub fn revoke_older_access(&self) {
        let mut state = self.state();
        let older = state.accepted.len().saturating_sub(1);
        state.accepted.drain(..older);
    }

    /// The next two exchanges of one and the same token, one from each party, are decided together.
    pub fn duel(&self, winner: Who, order: Order) {
        self.state().duel = Some(Duel { winner, order });
    }

    /// In how many duels both parties took part.
    pub fn met(&self) -> usize {
        self.state().met
    }

    /// From here on every token is exchanged as often as it is sent, each time for another: some
    /// servers do so within a few seconds.
    pub fn lenient(&self) {
        self.state().lenient = true;
    }

    /// From here on the answers to this party wait for the gate. The exchange itself is done at
    /// once.
    pub fn hold(&self, who: Who, gate: &Gate) {
        self.state().held = Some((who, gate.clone()));
    }

    /// Keys to replace in every answer from here on; null removes the key.
    pub fn change_answers(&self, changes: Value) {
        self.state().changes = changes;
    }

    /// Waits until no request has come for a moment: Codex goes on for a while after an answer.
    pub fn settle(&self) {
        const MOMENT: Duration = Duration::from_millis(80);
        eventually("a moment without requests", || {
            self.server.requests().last().is_none_or(|request| request.at.elapsed() > MOMENT)
        });
    }

    /// All exchanges that were asked for, in the order in which they were decided.
    pub fn spends(&self) -> Vec<Spend> {
        self.state().spends.clone()
    }

    pub fn spends_of(&self, who: Who) -> Vec<Spend> {
        let mut spends = self.spends();
        spends.retain(|spend| spend.who == who);
        spends
    }

    /// How long the access tokens of further answers live.
    pub fn lifetime(&self, lifetime: Lifetime) {
        self.state().lifetime = lifetime;
    }

    /// Whether this refresh token could still be exchanged.
    pub fn is_live(&self, refresh_token: &str) -> bool {
        self.state().live.contains(refresh_token)
    }

    /// The promise of codexline: no refresh token was sent twice by it.
    pub fn assert_codexline_spent_nothing_twice(&self) {
        let spends = self.spends_of(Who::Codexline);
        let tokens: BTreeSet<&str> =
            spends.iter().map(|spend| spend.refresh_token.as_str()).collect();
        assert_eq!(tokens.len(), spends.len(), "{spends:#?}");
    }

    /// Nobody is logged out: the refresh token in auth.json can still be exchanged, and the access
    /// token beside it is accepted.
    pub fn assert_signed_in(&self, home: &Home) {
        let tokens = &home.read_auth()["tokens"];
        let refresh_token = tokens["refresh_token"].as_str().unwrap_or_default();
        assert!(
            self.is_live(refresh_token),
            "auth.json holds {refresh_token}; exchanged were {:#?}",
            self.spends()
        );
        let access_token = tokens["access_token"].as_str().unwrap_or_default();
        let accepted = &self.state().accepted;
        assert!(accepted.iter().any(|accepted| accepted == access_token));
    }
}

impl State {
    /// A new pair of tokens.
    fn issue(&mut self) -> (String, String) {
        self.serial += 1;
        let refresh_token = format!("rt_made-up-issued-{}", self.serial);
        let access_token = jwt(&json!({
            "iss": "https://auth.openai.com",
            "exp": now() + self.lifetime.seconds(),
            "scp": ["openid", "profile", "email", "offline_access"],
            "jti": format!("issued-{}", self.serial),
            "https://api.openai.com/auth": {
                "chatgpt_account_id": ACCOUNT, "chatgpt_plan_type": "plus"
            },
        }));
        self.live.insert(refresh_token.clone());
        self.accepted.push(access_token.clone());
        (access_token, refresh_token)
    }

    /// Exchanges or refuses a token, and notes it.
    fn exchange(&mut self, who: Who, refresh_token: &str) -> Answer {
        let known = self.live.contains(refresh_token)
            || self.spends.iter().any(|spend| spend.refresh_token == refresh_token);
        let accepted = if self.lenient { known } else { self.live.remove(refresh_token) };
        let mut spend = Spend { who, refresh_token: refresh_token.into(), given: None };
        let answer = if accepted {
            let (access_token, given) = self.issue();
            let mut body = json!({
                "access_token": access_token,
                "refresh_token": given,
                "id_token": Login::of(ACCOUNT).id_token,
                "token_type": "Bearer",
            });
            spend.given = Some(given);
            for (key, value) in self.changes.as_object().into_iter().flatten() {
                match value {
                    Value::Null => {
                        body.as_object_mut().expect("made above").remove(key);
                    }
                    value => body[key] = value.clone(),
                }
            }
            Answer::json(200, &body)
        } else {
            let message =
                "Your refresh token has already been used to generate a new access token.";
            Answer::json(
                401,
                &json!({"error": {"code": "refresh_token_reused", "message": message}}),
            )
        };
        self.spends.push(spend);
        match &self.held {
            Some((held, gate)) if *held == who => answer.behind(gate),
            _ => answer,
        }
    }
}

fn answer_usage(state: &State, request: &Request) -> Answer {
    let sent = request.bearer().unwrap_or_default();
    if state.accepted.iter().any(|accepted| accepted == sent) {
        Answer::json(200, &usage())
    } else {
        let message = "Provided authentication token is expired.";
        let error = json!({"message": message, "code": "token_expired"});
        Answer::json(401, &json!({"error": error, "status": 401}))
    }
}

fn answer_token(shared: &(Mutex<State>, Condvar), request: &Request) -> Answer {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let who = Who::of(&body);
    let refresh_token = match who {
        Who::Codex => body["refresh_token"].as_str().map(str::to_owned),
        Who::Codexline => request.form("refresh_token"),
    }
    .unwrap_or_default();
    let (state, changed) = (shared.0.lock().unwrap(), &shared.1);
    let Some(duel) = state.duel else {
        let mut state = state;
        return state.exchange(who, &refresh_token);
    };
    fight(state, changed, duel, who, &refresh_token)
}

/// Waits for the other party to send the same token. If it does, the winner is served first,
/// whichever request came first.
fn fight(
    mut state: MutexGuard<'_, State>,
    changed: &Condvar,
    duel: Duel,
    who: Who,
    refresh_token: &str,
) -> Answer {
    /// Long enough for a Codex that has just been started on a busy machine. A duel with one party
    /// alone costs this time once.
    const PATIENCE: Duration = Duration::from_secs(3);
    state.waiting.push((who, refresh_token.into()));
    changed.notify_all();
    let opponent = (who.other(), refresh_token.to_owned());
    let (mut state, timed_out) = changed
        .wait_timeout_while(state, PATIENCE, |state| !state.waiting.contains(&opponent))
        .unwrap();
    if timed_out.timed_out() {
        state.waiting.retain(|(waiting, _)| *waiting != who);
        state.duel = None;
        return state.exchange(who, refresh_token);
    }
    if who == duel.winner {
        state.met += 1;
        state.duel = None;
        let answer = state.exchange(who, refresh_token);
        changed.notify_all();
        return match duel.order {
            Order::LoserFirst(delay) => answer.delayed(delay),
            _ => answer,
        };
    }
    let mut state = changed.wait_while(state, |state| state.live.contains(refresh_token)).unwrap();
    state.waiting.clear();
    let answer = state.exchange(who, refresh_token);
    match duel.order {
        Order::WinnerFirst(delay) => answer.delayed(delay),
        _ => answer,
    }
}

/// Reads auth.json again and again in a thread, and checks that it is whole each time.
pub struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<usize, String>>,
}

impl Watch {
    pub fn start(path: PathBuf) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let stop = Arc::clone(&stop);
            move || {
                let mut reads = 0;
                while !stop.load(Ordering::SeqCst) {
                    let text = std::fs::read_to_string(&path)
                        .map_err(|error| format!("auth.json is gone: {error}"))?;
                    let value: Value = serde_json::from_str(&text)
                        .map_err(|error| format!("{error}: {} bytes", text.len()))?;
                    for key in ["access_token", "refresh_token", "id_token", "account_id"] {
                        if value["tokens"][key].as_str().is_none_or(str::is_empty) {
                            return Err(format!("tokens.{key} is missing"));
                        }
                    }
                    reads += 1;
                    std::thread::sleep(Duration::from_micros(200));
                }
                Ok(reads)
            }
        });
        Self { stop, thread }
    }

    /// How often it was read. Panics if it was ever broken.
    pub fn end(self) -> usize {
        self.stop.store(true, Ordering::SeqCst);
        match self.thread.join().expect("the watch does not panic") {
            Ok(reads) => reads,
            Err(error) => panic!("auth.json was broken for a moment: {error}"),
        }
    }
}
