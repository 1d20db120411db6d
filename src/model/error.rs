//! Everything that can go wrong: what it says, what it is called, and what to do about it.
//!
//! A message names the file or the URL. It never quotes what was in it, and never a decoder's own
//! text: both can repeat a token.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why there are no (new) numbers. The text is one line in lower case, without the hint.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A mistake in the command line or the environment. The text says what to change. Exit
    /// status 2.
    #[error("{0}")]
    Usage(String),
    #[error("no home directory is known")]
    NoHome,
    #[error("CODEX_HOME {path} is not a directory")]
    HomeMissing { path: PathBuf },
    /// There is no auth.json, or no token in it.
    #[error("not signed in: no login in {path}")]
    NotSignedIn { path: PathBuf },
    /// Such a login has no plan limits. `place`: the file or variable that holds the key.
    #[error("signed in with an API key ({place})")]
    ApiKeyLogin { place: String },
    /// A login of another kind than ChatGPT's.
    #[error("a login of the kind {mode:?} in {path} has no plan limits")]
    UnsupportedLogin { path: PathBuf, mode: String },
    /// `cli_auth_credentials_store` says that the login is not in auth.json. `path`: the file that
    /// says so.
    #[error("the login is not in a file: {path} says {store:?}")]
    LoginElsewhere { path: PathBuf, store: String },
    /// A login that only Codex can use. `place`: the file or variable that holds it.
    #[error("only codex can use the login in {place}")]
    LoginForCodex { place: String },
    #[error("cannot read {path}: {reason}")]
    AuthUnreadable { path: PathBuf, reason: String },
    /// auth.json can be read, but is not what Codex writes.
    #[error("{path}: {reason}")]
    AuthInvalid { path: PathBuf, reason: &'static str },
    /// Codex's config.toml cannot be used.
    #[error("{path}: {reason}")]
    ConfigInvalid { path: PathBuf, reason: String },
    /// A mistake in codexline's own config file. The line is printed without that value.
    #[error("{0}")]
    ConfigMistake(Mistake),
    /// A URL that a token may not be sent to.
    #[error("{url}: {reason}")]
    AddressRefused { url: String, reason: &'static str },
    /// A certificate file that the user named cannot be used.
    #[error("certificate file {path}: {reason}")]
    CertificateFile { path: PathBuf, reason: String },
    /// No connection, or one that broke: name, route, proxy.
    #[error("cannot reach {url}: {reason}")]
    Network { url: String, reason: String },
    /// 402: the workspace is gone.
    #[error("{url} says that this workspace is deactivated (402)")]
    WorkspaceGone { url: String },
    /// Nearly always a certificate that is not trusted.
    #[error("no secure connection to {url}: {reason}")]
    Tls { url: String, reason: String },
    #[error("{url}: timed out while {phase}")]
    TimedOut { url: String, phase: &'static str },
    /// 401. `is_json`: the API itself says so, not something on the way.
    #[error("{url} does not accept the access token (401)")]
    Unauthorized { url: String, is_json: bool },
    /// 403 from the API itself.
    #[error("{url} does not allow this login (403)")]
    Forbidden { url: String },
    /// 403 as a web page: Cloudflare, a VPN or a region that is blocked.
    #[error("{url} is blocked on the way (403 with a web page)")]
    Blocked { url: String },
    /// A web page where JSON was expected: a captive portal, or a proxy that wants a sign-in.
    #[error("{url} answered with a web page ({status}), not with JSON")]
    NotJson { url: String, status: u16 },
    /// 429. `retry_after` in seconds.
    #[error("{url} was asked too often (429)")]
    RateLimited { url: String, retry_after: Option<i64> },
    /// 5xx. `retry_after` in seconds.
    #[error("{url} has an outage ({status})")]
    Server { url: String, status: u16, retry_after: Option<i64> },
    /// A redirect is not followed, because the token would travel with it.
    #[error("{url} redirects ({status}), which codexline does not follow")]
    Redirected { url: String, status: u16 },
    #[error("{url} answered with status {status}")]
    UnexpectedStatus { url: String, status: u16 },
    /// `limit` in bytes.
    #[error("{url} answered with more than {} KiB", limit / 1024)]
    TooLarge { url: String, limit: u64 },
    /// JSON, but not a usage answer.
    #[error("{url} answered with {reason}")]
    BadAnswer { url: String, reason: &'static str },
    /// The answer is for another account than the one in auth.json.
    #[error("{url} answered for another account")]
    OtherAccount { url: String },
    #[error("{path} changed to another account during the request")]
    LoginChanged { path: PathBuf },
    /// Without a cache every prompt would send a request, so none is sent.
    #[error("cannot write {path}: {reason}")]
    CacheUnwritable { path: PathBuf, reason: String },
    /// Another fetch held the lock for longer than we wait.
    #[error("another codexline still holds {path}")]
    Busy { path: PathBuf },
    /// Something about the login file could lose a new token, so no refresh token was sent.
    #[error("the login was not refreshed: {path} {reason}")]
    CheckFailed { check: Check, path: PathBuf, reason: String },
    /// The login in the file is of a kind that only Codex can refresh.
    #[error("only codex can refresh the login in {path}")]
    NotRenewable { path: PathBuf },
    /// The access token is refused, and Codex goes first in refreshing it. `wait`: in seconds.
    #[error("{url} does not accept the access token, which codex may refresh first")]
    RefreshDue { url: String, wait: i64 },
    /// The server has refused the refresh token for good.
    #[error("the login in {path} has ended ({code})")]
    RefreshRefused { path: PathBuf, code: String },
    /// The refresh token was sent once, and nobody knows whether it was used up.
    /// `reason`: what happened.
    #[error("{reason} while the login in {path} was being refreshed")]
    RefreshUnknown { path: PathBuf, reason: String },
    #[error("the login in {path} has been refreshed, and another file has the new tokens")]
    RefreshUsed { path: PathBuf },
    /// The refresh token was not used up. `retry_after` in seconds.
    #[error("{reason} when the login in {path} was to be refreshed")]
    RefreshPostponed { path: PathBuf, reason: String, retry_after: Option<i64> },
    /// New tokens came, and every attempt to write them failed.
    #[error("the new tokens for {path} could not be written: {reason}")]
    NewTokensLost { path: PathBuf, reason: String },
    /// New tokens are on disk, and not in the login file yet.
    #[error("new tokens for {path} wait on disk: {reason}")]
    CommitPending { path: PathBuf, reason: String },
    /// `codex app-server` was asked, and gave no numbers.
    #[error("{program} app-server: {reason}")]
    CodexFailed { program: PathBuf, reason: String },
    /// Codex was asked, and has no account. `place`: the file or variable that holds the login. The
    /// login may be refused, or Codex could not ask about it: its words are the same.
    #[error("codex could not sign in with the login in {place}")]
    CodexSignedOut { place: String },
    #[error("cannot find {name} to ask it")]
    CodexMissing { name: PathBuf },
    /// The session files hold no rate limits of this account that are still valid.
    #[error("no session file in {path} has rate limits of this account that still hold")]
    NoSnapshot { path: PathBuf },
    /// The issuer names no token endpoint.
    #[error("the login's issuer {issuer:?} {reason}")]
    NoDiscovery { issuer: String, reason: &'static str },
    /// One of several accounts could not be fetched. A line before this one said why.
    #[error("no new numbers for account {name}")]
    AccountFailed { name: String },
    #[error("cannot start a background process: {reason}")]
    WorkerFailed { reason: String },
}

/// What must hold before a refresh token may be sent. Each of these has cost somebody a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    NotRegular,
    NotOwned,
    ReadOnly,
    HardLinks,
    MountPoint,
    /// No file can be made in the directory.
    Directory,
    /// There is no room for the new content.
    Room,
    /// One of Codex's lock files cannot be used.
    CodexLock,
    /// codexline's own record of what was sent.
    Ledger,
    /// The file in which new tokens wait.
    Staged,
}

/// What belongs to an error of one kind, whatever its details.
struct Kind {
    code: &'static str,
    word: &'static str,
    hint: &'static str,
    is_local: bool,
}

/// An error that happens before anything is asked.
const fn local(code: &'static str, word: &'static str, hint: &'static str) -> Kind {
    Kind { code, word, hint, is_local: true }
}

/// An error that may come after a request.
const fn asked(code: &'static str, word: &'static str, hint: &'static str) -> Kind {
    Kind { code, word, hint, is_local: false }
}

const LOADING: &str = "loading";
const NO_HOME: &str = "no home folder";
const SIGN_IN: &str = "sign in";
const BAD_CONFIG: &str = "bad codex config";
const BAD_CERTIFICATE: &str = "bad certificate";
const NO_NETWORK: &str = "no network";
const PORTAL: &str = "captive portal";
const ODD: &str = "odd answer";
const UNKNOWN: &str = "unknown answer";

const CHATGPT_ONLY: &str = "only a ChatGPT login has plan limits: run codex login";
const CHECK_NETWORK: &str = "check the network and the proxy variables";
const CHECK_PORTAL: &str = "sign in to the network, or check chatgpt_base_url";
const START_CODEX: &str = "start codex once, or run codex login if that does not help";
const LATER: &str = "nothing to do: codexline tries again later";
const NEWER: &str = "look for a newer codexline";

impl Error {
    /// The code of [`Error::RefreshDue`], which the next fetch looks for.
    pub const REFRESH_DUE: &str = "refresh_due";

    /// A stable name for programs: `error.code` in the JSON output.
    pub fn code(&self) -> &'static str {
        self.kind().code
    }

    /// What a bar shows where there are no numbers. At most 16 columns.
    pub fn word(&self) -> &'static str {
        self.kind().word
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        self.kind().hint
    }

    /// Whether nothing was asked. Such a failure costs nobody anything, so it is tried again at an
    /// even pace. Any other failure is tried again ever more rarely.
    pub fn is_local(&self) -> bool {
        self.kind().is_local
    }

    #[rustfmt::skip]
    fn kind(&self) -> Kind {
        use Error::*;
        match self {
            Usage(_) => local("usage", "usage", "see codexline --help"),
            NoHome => local("no_home", NO_HOME, "set HOME or CODEX_HOME"),
            HomeMissing { .. } =>
                local("home_missing", NO_HOME, "create the directory or correct CODEX_HOME"),
            NotSignedIn { .. } => local("not_signed_in", "signed out", "run codex login"),
            ApiKeyLogin { .. } => local("api_key_login", "API key login", CHATGPT_ONLY),
            UnsupportedLogin { .. } => local("unsupported_login", "no plan login", CHATGPT_ONLY),
            LoginElsewhere { .. } => local("login_elsewhere", "login in keyring",
                "put codex on PATH or name it with --codex-bin, and leave --source at auto"),
            LoginForCodex { .. } => local("login_for_codex", "login for codex",
                "put codex on PATH or name it with --codex-bin, and leave --source at auto"),
            AuthUnreadable { .. } => local("auth_unreadable", "login unreadable",
                "check that it is a file that you may read"),
            AuthInvalid { .. } =>
                local("auth_invalid", "login damaged", "run codex login to write it anew"),
            ConfigInvalid { .. } =>
                local("config_invalid", BAD_CONFIG, "correct it: codex reads it too"),
            ConfigMistake(_) =>
                local(Mistake::CODE, LOADING, "correct it; see codexline config"),
            AddressRefused { .. } => local("address_refused", BAD_CONFIG,
                "use an https URL, or plain http to a loopback address"),
            CertificateFile { .. } => local("certificate_file", BAD_CERTIFICATE,
                "name a readable PEM file, or unset the variable that names it"),
            Network { .. } => asked("network", NO_NETWORK, CHECK_NETWORK),
            Tls { .. } => asked("tls", BAD_CERTIFICATE,
                "name your company's CA in CODEX_CA_CERTIFICATE or SSL_CERT_FILE, \
                 and check the clock"),
            TimedOut { .. } => asked("timed_out", NO_NETWORK, CHECK_NETWORK),
            Unauthorized { .. } => asked("unauthorized", SIGN_IN, START_CODEX),
            Forbidden { .. } => asked("forbidden", "not allowed",
                "check that this account may use Codex, or run codex login"),
            Blocked { .. } => asked("blocked", "network blocked",
                "your VPN, proxy or region is blocked: try another network"),
            NotJson { .. } => asked("not_json", PORTAL, CHECK_PORTAL),
            WorkspaceGone { .. } => asked("workspace_gone", "workspace gone",
                "ask the owner of the workspace, or run codex login and choose another"),
            RateLimited { .. } => asked("rate_limited", "asked too often", LATER),
            Server { .. } => asked("server_error", "outage", LATER),
            Redirected { .. } => asked("redirected", PORTAL, CHECK_PORTAL),
            UnexpectedStatus { .. } => asked("unexpected_status", ODD, "check chatgpt_base_url"),
            TooLarge { .. } => asked("too_large", UNKNOWN, "check chatgpt_base_url and the proxy"),
            BadAnswer { .. } => asked("bad_answer", UNKNOWN, NEWER),
            OtherAccount { .. } => asked("other_account", UNKNOWN, "run codex login"),
            LoginChanged { .. } => local("login_changed", LOADING,
                "nothing to do: the next run asks with the new login"),
            CacheUnwritable { .. } => local("cache_unwritable", "no cache",
                "make it writable, or set XDG_CACHE_HOME to a place that is"),
            Busy { .. } => local("busy", LOADING, "try again: another codexline is fetching"),
            CheckFailed { check, .. } => check.kind(),
            NotRenewable { .. } => asked("not_renewable", SIGN_IN, START_CODEX),
            RefreshDue { .. } => asked(Error::REFRESH_DUE, LOADING,
                "nothing to do: if codex does not refresh it, codexline does within a minute"),
            RefreshRefused { .. } => asked("refresh_refused", SIGN_IN, "run codex login"),
            RefreshUnknown { .. } => asked("refresh_unknown", SIGN_IN, START_CODEX),
            RefreshUsed { .. } => asked("refresh_used", SIGN_IN, "run codex login"),
            RefreshPostponed { .. } => asked("refresh_postponed", "asked too often", LATER),
            NewTokensLost { .. } => asked("new_tokens_lost", SIGN_IN, "run codex login"),
            CommitPending { .. } => asked("commit_pending", SIGN_IN,
                "nothing is lost: remove the cause, and the next run stores them"),
            CodexFailed { .. } => asked("codex_failed", "codex failed",
                "run codex, and codex login if it asks for it"),
            CodexSignedOut { .. } => asked("codex_signed_out", SIGN_IN,
                "check the network and that login: run codex"),
            CodexMissing { .. } => local("codex_missing", "codex not found",
                "put it on PATH, or name it with --codex-bin"),
            NoSnapshot { .. } => local("no_snapshot", "no sessions yet",
                "codex writes them at each turn; or leave --source at auto"),
            NoDiscovery { .. } => asked("no_discovery", ODD, NEWER),
            AccountFailed { .. } => asked("account_failed", ODD, "see the lines above"),
            WorkerFailed { .. } => local("worker_failed", "cannot fetch",
                "check the limits on processes and memory"),
        }
    }

    /// The system's text for an error of reading or writing: lower case, and without its number
    /// (`(os error 13)`).
    pub fn io_reason(error: &io::Error) -> String {
        let text = error.to_string();
        let text = text.split(" (os error").next().unwrap_or_default().trim_end_matches('.');
        let mut letters = text.chars();
        letters
            .next()
            .map(|first| first.to_lowercase().collect::<String>() + letters.as_str())
            .unwrap_or_default()
    }
}

impl Check {
    #[rustfmt::skip]
    fn kind(self) -> Kind {
        let (code, hint) = match self {
            Check::NotRegular =>
                ("auth_not_regular", "make it a regular file, or let codex refresh the login"),
            Check::NotOwned => ("auth_not_owned", "run codexline as the user whose login it is"),
            Check::ReadOnly =>
                ("auth_read_only", "chmod u+w it, so that a new token can be stored"),
            Check::HardLinks => ("auth_hard_links", "remove the other link, or use a symbolic one"),
            Check::MountPoint =>
                ("auth_mount_point", "mount its directory instead of the file"),
            Check::Directory => ("auth_directory", "make the directory writable"),
            Check::Room => ("auth_no_room", "free some space on that disk"),
            Check::CodexLock => ("codex_lock",
                "remove it while codex is not running, or make it a file of yours"),
            Check::Ledger => ("ledger",
                "make it readable and writable; if it is damaged, run codex login and remove it"),
            Check::Staged => ("staged", "remove it if it is not codexline's own"),
        };
        asked(code, SIGN_IN, hint)
    }
}

/// A mistake in codexline's config file.
#[derive(Clone, Debug, PartialEq)]
pub struct Mistake {
    pub path: PathBuf,
    /// From 1; `None`: the file as a whole.
    pub line: Option<usize>,
    pub text: String,
}

impl Mistake {
    /// The [`Error::code`] of every mistake.
    pub const CODE: &str = "config_mistake";

    /// The remark behind a line that is printed in spite of the mistake.
    pub fn mark(&self) -> String {
        match self.line {
            Some(line) => format!("config line {line}"),
            None => "config file".into(),
        }
    }

    pub fn error(&self) -> Error {
        Error::ConfigMistake(self.clone())
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(out, "{}:{line}: {}", self.path.display(), self.text),
            None => write!(out, "{}: {}", self.path.display(), self.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_the_thing_and_the_hint_says_what_to_do() {
        let error = Error::HomeMissing { path: "/nowhere".into() };
        assert_eq!(error.to_string(), "CODEX_HOME /nowhere is not a directory");
        assert_eq!(error.hint(), "create the directory or correct CODEX_HOME");
    }

    #[test]
    fn a_path_is_shown_as_it_is() {
        let error = Error::LoginElsewhere { path: "/h/c o.toml".into(), store: "keyring".into() };
        assert_eq!(error.to_string(), "the login is not in a file: /h/c o.toml says \"keyring\"");
        let error = Error::TooLarge { url: "http://x".into(), limit: 64 * 1024 };
        assert_eq!(error.to_string(), "http://x answered with more than 64 KiB");
    }

    #[test]
    fn io_reasons_are_for_people() {
        // Windows ends its sentences with a full stop; wine has words of its own.
        let (code, expected): (i32, &[&str]) = match cfg!(windows) {
            true => (5, &["access is denied", "access denied"]),
            false => (13, &["permission denied"]),
        };
        let reason = Error::io_reason(&io::Error::from_raw_os_error(code));
        assert!(expected.contains(&reason.as_str()), "{reason}");
    }
}
