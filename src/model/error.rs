//! Everything that can go wrong, in one place: what it is called, what it says, what to do about it.
//!
//! A message names the file or the URL and never quotes what was in it: a decoder's own words can
//! repeat a token.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why there are no (new) numbers.
#[derive(Debug)]
pub enum Error {
    /// A misused command line or environment; the text says what to change. Exit status 2.
    Usage(String),
    /// Neither `CODEX_HOME` nor a home directory is known.
    NoHome,
    /// `CODEX_HOME` is set, but is not a directory.
    HomeMissing { path: PathBuf },
    /// There is no auth.json, or no token in it.
    NotSignedIn { path: PathBuf },
    /// Codex is signed in with an API key: such a login has no plan limits.
    ApiKeyLogin { place: String },
    /// A login of another kind than ChatGPT's.
    UnsupportedLogin { path: PathBuf, mode: String },
    /// The login is not in auth.json: `cli_auth_credentials_store` says where.
    LoginElsewhere { path: PathBuf, store: String },
    /// auth.json cannot be read at all.
    AuthUnreadable { path: PathBuf, reason: String },
    /// auth.json is read, but is not what Codex writes.
    AuthInvalid { path: PathBuf, reason: &'static str },
    /// Codex's config.toml cannot be used.
    ConfigInvalid { path: PathBuf, reason: String },
    /// Something in codexline's own config file: the line is printed with the next best value.
    ConfigMistake(Mistake),
    /// An endpoint that a token may not be sent to.
    AddressRefused { url: String, reason: &'static str },
    /// A certificate file that the user named cannot be used.
    CertificateFile { path: PathBuf, reason: String },
    /// The connection failed: name, route, proxy, TLS.
    Network { url: String, reason: String },
    /// TLS failed: nearly always a certificate that is not trusted.
    Tls { url: String, reason: String },
    /// Nothing came in time.
    TimedOut { url: String, phase: &'static str },
    /// 401: the access token is not (or no longer) accepted. `is_json`: by the API itself, not by something on the way.
    Unauthorized { url: String, is_json: bool },
    /// 403 from the API itself.
    Forbidden { url: String },
    /// 403 as a page: Cloudflare, a VPN or region block.
    Blocked { url: String },
    /// A page where JSON was expected: a captive portal, a proxy's log-in page.
    NotJson { url: String, status: u16 },
    /// 429; `retry_after` in seconds.
    RateLimited { url: String, retry_after: Option<i64> },
    /// 5xx; `retry_after` in seconds.
    Server { url: String, status: u16, retry_after: Option<i64> },
    /// A redirect: not followed, for the token must not travel.
    Redirected { url: String, status: u16 },
    /// Any other status.
    UnexpectedStatus { url: String, status: u16 },
    /// More bytes than any real answer has.
    TooLarge { url: String, limit: u64 },
    /// JSON, but not a usage answer.
    BadAnswer { url: String, reason: &'static str },
    /// The answer speaks of another account than auth.json.
    OtherAccount { url: String },
    /// The login changed to another account while we were asking.
    LoginChanged { path: PathBuf },
    /// The cache cannot be written: without it every prompt would ask anew, so nothing is asked.
    CacheUnwritable { path: PathBuf, reason: String },
    /// Another fetch holds the lock and did not finish in time.
    Busy { path: PathBuf },
    /// Something about the login file that would lose a new token: nothing was sent.
    CheckFailed { check: Check, path: PathBuf, reason: String },
    /// The login in the file cannot be renewed from outside.
    NotRenewable { path: PathBuf },
    /// The server has refused the refresh token for good.
    RefreshRefused { path: PathBuf, code: String },
    /// The refresh token was sent once, and what became of it is not known. `reason`: what happened.
    RefreshUnknown { path: PathBuf, reason: String },
    /// The refresh token in this file has been used, and the new one is in another file.
    RefreshUsed { path: PathBuf },
    /// The refresh token was not used up; `retry_after` in seconds.
    RefreshPostponed { path: PathBuf, reason: String, retry_after: Option<i64> },
    /// New tokens are on disk beside the login file, and not in it yet.
    CommitPending { path: PathBuf, reason: String },
    /// New tokens came, and nothing could be written for as long as they were tried to be.
    NewTokensLost { path: PathBuf, reason: String },
    /// Codex itself was asked, and gave no numbers.
    CodexFailed { program: PathBuf, reason: String },
    /// Codex itself is to be asked, and there is none.
    CodexMissing { name: PathBuf },
    /// The session files hold no rate limits of the account that still say something.
    NoSnapshot { path: PathBuf },
    /// The issuer names no token endpoint.
    NoDiscovery { issuer: String, reason: &'static str },
    /// One of several accounts could not be fetched; why has been told.
    AccountFailed { name: String },
    /// The worker could not be started.
    WorkerFailed { reason: String },
}

/// What must hold before a refresh token may be spent. Each of them has lost somebody's login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    NotRegular,
    NotOwned,
    ReadOnly,
    HardLinks,
    MountPoint,
    /// The directory takes no new file.
    Directory,
    /// There is no room for the new content.
    Room,
    /// One of Codex's lock files.
    CodexLock,
    /// codexline's own record of what was sent.
    Ledger,
    /// The file in which new tokens wait.
    Staged,
}

/// The parts of an error that depend on its kind alone.
struct Kind {
    code: &'static str,
    word: &'static str,
    hint: &'static str,
}

const fn kind(code: &'static str, word: &'static str, hint: &'static str) -> Kind {
    Kind { code, word, hint }
}

impl Error {
    /// A stable name for programs: the `error.code` of `json`.
    pub fn code(&self) -> &'static str {
        self.kind().code
    }

    /// One short word for a bar that has nothing else to show.
    pub fn word(&self) -> &'static str {
        self.kind().word
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        self.kind().hint
    }

    fn kind(&self) -> Kind {
        use Error::*;
        match self {
            Usage(_) => kind("usage", "usage", "see codexline --help"),
            NoHome => kind("no_home", "no-home", "set HOME or CODEX_HOME"),
            HomeMissing { .. } => {
                kind("home_missing", "no-home", "create the directory or correct CODEX_HOME")
            }
            NotSignedIn { .. } => kind("not_signed_in", "signed-out", "run codex login"),
            ApiKeyLogin { .. } => kind(
                "api_key_login",
                "api-key",
                "plan limits exist only for a ChatGPT login: run codex login",
            ),
            UnsupportedLogin { .. } => kind(
                "unsupported_login",
                "no-plan",
                "plan limits exist only for a ChatGPT login: run codex login",
            ),
            LoginElsewhere { .. } => kind(
                "login_elsewhere",
                "keyring",
                "put codex on PATH or name it with --codex-bin, and leave --source at auto, to have it asked instead",
            ),
            AuthUnreadable { .. } => {
                kind("auth_unreadable", "no-access", "check that it is a file that you may read")
            }
            AuthInvalid { .. } => {
                kind("auth_invalid", "bad-login", "run codex login to write it anew")
            }
            ConfigInvalid { .. } => {
                kind("config_invalid", "bad-config", "correct it: codex reads it too")
            }
            // Whatever else there is to say takes the line; this stands behind it.
            ConfigMistake(_) => {
                kind("config_mistake", "pending", "correct it; see codexline config")
            }
            AddressRefused { .. } => kind(
                "address_refused",
                "bad-config",
                "use an https URL, or plain http to a loopback address",
            ),
            CertificateFile { .. } => kind(
                "certificate_file",
                "bad-config",
                "name a readable PEM file, or unset the variable that names it",
            ),
            Network { .. } => {
                kind("network", "offline", "check the network and the proxy variables")
            }
            Tls { .. } => kind(
                "tls",
                "tls",
                "name your company's CA in CODEX_CA_CERTIFICATE or SSL_CERT_FILE, and check the clock",
            ),
            TimedOut { .. } => {
                kind("timed_out", "offline", "check the network and the proxy variables")
            }
            Unauthorized { .. } => kind(
                "unauthorized",
                "sign-in",
                "start codex once, or run codex login if that does not help",
            ),
            Forbidden { .. } => kind(
                "forbidden",
                "refused",
                "check that this account may use Codex, or run codex login",
            ),
            Blocked { .. } => kind(
                "blocked",
                "blocked",
                "a VPN, a proxy or your region is being refused: try another network",
            ),
            NotJson { .. } => {
                kind("not_json", "portal", "sign in to the network, or check chatgpt_base_url")
            }
            RateLimited { .. } => {
                kind("rate_limited", "throttled", "nothing: it is asked again later")
            }
            Server { .. } => kind("server_error", "outage", "nothing: it is asked again later"),
            Redirected { .. } => {
                kind("redirected", "portal", "sign in to the network, or check chatgpt_base_url")
            }
            UnexpectedStatus { .. } => kind("unexpected_status", "error", "check chatgpt_base_url"),
            TooLarge { .. } => {
                kind("too_large", "bad-answer", "check chatgpt_base_url and the proxy")
            }
            BadAnswer { .. } => kind("bad_answer", "bad-answer", "look for a newer codexline"),
            OtherAccount { .. } => kind("other_account", "bad-answer", "run codex login"),
            LoginChanged { .. } => {
                kind("login_changed", "pending", "nothing: the new login is asked next")
            }
            CacheUnwritable { .. } => kind(
                "cache_unwritable",
                "no-cache",
                "make it writable, or set XDG_CACHE_HOME to a place that is",
            ),
            Busy { .. } => kind("busy", "pending", "try again: another codexline is fetching"),
            CheckFailed { check, .. } => match check {
                Check::NotRegular => kind(
                    "auth_not_regular",
                    "sign-in",
                    "make it a regular file, or let codex renew the login",
                ),
                Check::NotOwned => {
                    kind("auth_not_owned", "sign-in", "run codexline as the user whose login it is")
                }
                Check::ReadOnly => kind(
                    "auth_read_only",
                    "sign-in",
                    "chmod u+w it, so that a new token can be stored",
                ),
                Check::HardLinks => kind(
                    "auth_hard_links",
                    "sign-in",
                    "remove the other link, or use a symbolic one",
                ),
                Check::MountPoint => {
                    kind("auth_mount_point", "sign-in", "mount its directory instead of the file")
                }
                Check::Directory => {
                    kind("auth_directory", "sign-in", "make the directory writable")
                }
                Check::Room => kind("auth_no_room", "sign-in", "free some space on that disk"),
                Check::CodexLock => kind(
                    "codex_lock",
                    "sign-in",
                    "remove it while codex is not running, or make it a file of yours",
                ),
                Check::Staged => {
                    kind("staged", "sign-in", "remove it if it is not codexline's own")
                }
                Check::Ledger => kind(
                    "ledger",
                    "sign-in",
                    "make it readable and writable; if it is damaged, run codex login and remove it",
                ),
            },
            NotRenewable { .. } => kind(
                "not_renewable",
                "sign-in",
                "start codex once, or run codex login if that does not help",
            ),
            RefreshRefused { .. } => kind("refresh_refused", "sign-in", "run codex login"),
            RefreshUnknown { .. } => kind(
                "refresh_unknown",
                "sign-in",
                "start codex once, or run codex login if that does not help",
            ),
            RefreshUsed { .. } => kind("refresh_used", "sign-in", "run codex login"),
            RefreshPostponed { .. } => kind(
                "refresh_postponed",
                "throttled",
                "nothing: the login is as it was, and it is tried again later",
            ),
            CommitPending { .. } => kind(
                "commit_pending",
                "sign-in",
                "nothing is lost: remove the cause, and the next run stores them",
            ),
            NewTokensLost { .. } => kind("new_tokens_lost", "sign-in", "run codex login"),
            CodexFailed { .. } => {
                kind("codex_failed", "error", "run codex, and codex login if it asks for it")
            }
            CodexMissing { .. } => {
                kind("codex_missing", "no-codex", "put it on PATH, or name it with --codex-bin")
            }
            NoSnapshot { .. } => kind(
                "no_snapshot",
                "no-session",
                "codex writes them at each turn; or leave --source at auto",
            ),
            NoDiscovery { .. } => kind("no_discovery", "error", "look for a newer codexline"),
            AccountFailed { .. } => kind("account_failed", "error", "see the lines above"),
            WorkerFailed { .. } => {
                kind("worker_failed", "error", "check the limits on processes and memory")
            }
        }
    }

    /// Whether the network was asked. What fails before that costs nobody anything, so it is tried
    /// again at an even pace instead of ever more rarely.
    pub fn is_local(&self) -> bool {
        use Error::*;
        matches!(
            self,
            Usage(_)
                | NoHome
                | HomeMissing { .. }
                | NotSignedIn { .. }
                | ApiKeyLogin { .. }
                | UnsupportedLogin { .. }
                | LoginElsewhere { .. }
                | CodexMissing { .. }
                | NoSnapshot { .. }
                | AuthUnreadable { .. }
                | AuthInvalid { .. }
                | ConfigInvalid { .. }
                | ConfigMistake(_)
                | AddressRefused { .. }
                | CertificateFile { .. }
                | LoginChanged { .. }
                | CacheUnwritable { .. }
                | Busy { .. }
                | WorkerFailed { .. }
        )
    }

    /// An error of reading or writing `path`, in words that name no content.
    pub fn io_reason(error: &io::Error) -> String {
        // The system's text without "(os error 13)": the reader is a person.
        let text = error.to_string();
        let text = text.split(" (os error").next().unwrap_or_default();
        let mut letters = text.chars();
        letters
            .next()
            .map(|first| first.to_lowercase().collect::<String>() + letters.as_str())
            .unwrap_or_default()
    }
}

impl fmt::Display for Error {
    /// One line, lower case, without the hint.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Error::*;
        match self {
            Usage(text) => write!(out, "{text}"),
            NoHome => write!(out, "no home directory is known"),
            HomeMissing { path } => write!(out, "CODEX_HOME {} is not a directory", path.display()),
            NotSignedIn { path } => write!(out, "not signed in: no login in {}", path.display()),
            ApiKeyLogin { place } => write!(out, "signed in with an API key ({place})"),
            UnsupportedLogin { path, mode } => {
                write!(out, "a login of the kind {mode:?} in {} has no plan limits", path.display())
            }
            LoginElsewhere { path, store } => {
                write!(out, "the login is not in a file: {} says {store:?}", path.display())
            }
            AuthUnreadable { path, reason } => {
                write!(out, "cannot read {}: {reason}", path.display())
            }
            AuthInvalid { path, reason } => write!(out, "{}: {reason}", path.display()),
            ConfigInvalid { path, reason } => write!(out, "{}: {reason}", path.display()),
            ConfigMistake(mistake) => write!(out, "{mistake}"),
            AddressRefused { url, reason } => write!(out, "{url}: {reason}"),
            CertificateFile { path, reason } => {
                write!(out, "certificate file {}: {reason}", path.display())
            }
            Network { url, reason } => write!(out, "cannot reach {url}: {reason}"),
            Tls { url, reason } => write!(out, "no secure connection to {url}: {reason}"),
            TimedOut { url, phase } => write!(out, "{url}: timed out while {phase}"),
            Unauthorized { url, .. } => write!(out, "{url} does not accept the access token (401)"),
            Forbidden { url } => write!(out, "{url} refuses this login (403)"),
            Blocked { url } => write!(out, "{url} is blocked on the way (403 with a web page)"),
            NotJson { url, status } => {
                write!(out, "{url} answered with a web page ({status}), not with JSON")
            }
            RateLimited { url, .. } => write!(out, "{url} asks to slow down (429)"),
            Server { url, status, .. } => write!(out, "{url} is out of order ({status})"),
            Redirected { url, status } => {
                write!(out, "{url} redirects ({status}), which is not followed")
            }
            UnexpectedStatus { url, status } => write!(out, "{url} answered {status}"),
            TooLarge { url, limit } => {
                write!(out, "{url} answered with more than {} KiB", limit / 1024)
            }
            BadAnswer { url, reason } => write!(out, "{url} answered with {reason}"),
            OtherAccount { url } => write!(out, "{url} answered for another account"),
            LoginChanged { path } => {
                write!(out, "{} changed to another account meanwhile", path.display())
            }
            CacheUnwritable { path, reason } => {
                write!(out, "cannot write {}: {reason}", path.display())
            }
            Busy { path } => write!(out, "{} is still held by another codexline", path.display()),
            CheckFailed { path, reason, .. } => {
                write!(out, "the login is not renewed: {} {reason}", path.display())
            }
            NotRenewable { path } => {
                write!(out, "the login in {} cannot be renewed from outside", path.display())
            }
            RefreshRefused { path, code } => {
                write!(out, "the login in {} has ended ({code})", path.display())
            }
            RefreshUnknown { path, reason } => {
                write!(out, "{reason} while the login in {} was being refreshed", path.display())
            }
            RefreshUsed { path } => write!(
                out,
                "the login in {} has been refreshed, and another file has the new tokens",
                path.display()
            ),
            RefreshPostponed { path, reason, .. } => {
                write!(out, "{reason} when the login in {} was to be refreshed", path.display())
            }
            NewTokensLost { path, reason } => {
                write!(out, "the new tokens for {} could not be written: {reason}", path.display())
            }
            CommitPending { path, reason } => {
                write!(out, "new tokens wait beside {}: {reason}", path.display())
            }
            CodexFailed { program, reason } => {
                write!(out, "{} app-server: {reason}", program.display())
            }
            CodexMissing { name } => write!(out, "there is no {} to ask", name.display()),
            NoSnapshot { path } => {
                let path = path.display();
                write!(
                    out,
                    "no rate limits of this account that still hold in the session files in {path}"
                )
            }
            NoDiscovery { issuer, reason } => write!(out, "the login's issuer {issuer:?} {reason}"),
            AccountFailed { name } => write!(out, "no new numbers for account {name}"),
            WorkerFailed { reason } => write!(out, "cannot start the fetch: {reason}"),
        }
    }
}

impl std::error::Error for Error {}

/// Something wrong in codexline's config file.
#[derive(Clone, Debug, PartialEq)]
pub struct Mistake {
    pub path: PathBuf,
    /// From 1; `None`: the file as a whole.
    pub line: Option<usize>,
    pub text: String,
}

impl Mistake {
    /// What stands behind a line that is printed in spite of it.
    pub fn mark(&self) -> String {
        match self.line {
            Some(line) => format!("config:{line}"),
            None => "config".into(),
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
    fn io_reasons_are_for_people() {
        let error = io::Error::from_raw_os_error(13);
        assert_eq!(Error::io_reason(&error), "permission denied");
    }
}
