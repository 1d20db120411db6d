//! Environment variables and the clock, read once in `main` and passed on.
//!
//! Nothing else calls `std::env::var*` or `SystemTime::now`, which clippy's `disallowed-methods`
//! enforces. So every other part can be tested with made-up values.

use crate::io::files;
use crate::io::platform;
use crate::model::time::Timestamp;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// The file of the system's own time zone, on Linux and macOS.
const LOCAL_ZONE: &str = "/etc/localtime";
/// The directory of all time zones by name.
const ZONES: &str = "/usr/share/zoneinfo";
/// In bytes. Real files have at most 4 KiB.
const LONGEST_ZONE: u64 = 64 * 1024;

/// Codex's own variable for an API key. Only `codex exec` takes it as the login.
pub const API_KEY: &str = "CODEX_API_KEY";
/// Codex's own variable for an access token. Codex prefers it to auth.json.
pub const ACCESS_TOKEN: &str = "CODEX_ACCESS_TOKEN";
/// All variables that hold a login which beats auth.json.
pub const LOGIN_VARIABLES: [&str; 1] = [ACCESS_TOKEN];

/// Of a terminal that does not tell how wide it is.
const USUAL_COLUMNS: usize = 80;

/// Looks up a variable by name.
type Variables = dyn Fn(&str) -> Option<OsString>;

/// The system's clock. A clock that stands before 1970 counts as 1970.
pub fn system_clock() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "the only place that reads the clock")]
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_seconds(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// What a run knows about the world besides its arguments.
#[derive(Clone)]
pub struct Env {
    lookup: Rc<Variables>,
    clock: fn() -> Timestamp,
    /// Whether standard output is a terminal. Decides `--color auto`.
    pub stdout_is_terminal: bool,
}

impl Env {
    /// The environment of the running process.
    pub fn from_process() -> Env {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads it")]
        let lookup = |name: &str| std::env::var_os(name);
        Env {
            lookup: Rc::new(lookup),
            clock: system_clock,
            stdout_is_terminal: platform::is_colour_terminal(),
        }
    }

    /// An environment for tests with exactly these variables and this clock.
    pub fn for_test(variables: &[(&str, &str)], clock: fn() -> Timestamp) -> Env {
        let variables: Vec<(String, OsString)> =
            variables.iter().map(|(name, value)| (name.to_string(), value.into())).collect();
        Env {
            lookup: Rc::new(move |name| {
                variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
            }),
            clock,
            stdout_is_terminal: false,
        }
    }

    /// The environment for one account: `home` is its `CODEX_HOME`, and the variables that hold
    /// another login are not set. A leading `~` stands for the user's home directory.
    pub fn for_account(&self, home: &Path) -> Env {
        let home = match (home.strip_prefix("~"), self.home_directory()) {
            (Ok(rest), Some(directory)) => directory.join(rest),
            _ => home.to_path_buf(),
        };
        let lookup = Rc::clone(&self.lookup);
        Env {
            lookup: Rc::new(move |name| match name {
                "CODEX_HOME" => Some(home.clone().into_os_string()),
                name if LOGIN_VARIABLES.contains(&name) => None,
                name => lookup(name),
            }),
            ..self.clone()
        }
    }

    /// As this, with values for variables that are not set.
    pub(crate) fn with_fallback(&self, variables: BTreeMap<String, String>) -> Env {
        let env = self.clone();
        let lookup = move |name: &str| {
            env.variable(name).or_else(|| variables.get(name).map(OsString::from))
        };
        Env { lookup: Rc::new(lookup), ..self.clone() }
    }

    /// The current time. Each call reads the clock.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// The value of a variable. An empty one counts as not set, as in Codex.
    pub fn variable(&self, name: &str) -> Option<OsString> {
        (self.lookup)(name).filter(|value| !value.is_empty())
    }

    /// The value of a variable as text. Bytes that are not UTF-8 are replaced.
    pub fn text(&self, name: &str) -> Option<String> {
        self.variable(name).map(|value| value.to_string_lossy().into_owned())
    }

    /// The time zone for local times: that of `TZ`, else the system's.
    ///
    /// Where zones are files, this reads one file in all usual cases. jiff would first list the
    /// whole directory of zones, which has about twenty folders. On Windows the zones are in the
    /// program.
    pub fn zone(&self) -> TimeZone {
        let name = self.text("TZ");
        let path = match &name {
            // tzset(3): TZ is the name of a file of the database, or else a rule or a path.
            Some(name) if is_zone_name(name) => Some(Path::new(ZONES).join(name)),
            Some(_) => None,
            None => Some(PathBuf::from(LOCAL_ZONE)),
        };
        let path = path.filter(|_| platform::HAS_ZONE_FILES);
        let read = path.and_then(|path| files::read_bounded(&path, LONGEST_ZONE).ok());
        let zone = read.and_then(|bytes| TimeZone::tzif("Local", &bytes).ok());
        let named = || {
            let name = name?;
            // A rule such as UTC0 can look like a name.
            TimeZone::posix(&name).or_else(|_| TimeZone::get(&name)).ok()
        };
        zone.or_else(named).unwrap_or_else(TimeZone::system)
    }

    /// Columns and lines to write on: `COLUMNS`, else what the terminal says, else the usual. The
    /// lines are known only of a terminal.
    pub fn page_size(&self) -> (usize, Option<usize>) {
        let named = self.text("COLUMNS").and_then(|text| text.trim().parse().ok());
        let terminal = platform::terminal_size();
        let columns = named.or(terminal.map(|(columns, _)| columns)).filter(|columns| *columns > 0);
        (columns.unwrap_or(USUAL_COLUMNS), terminal.map(|(_, lines)| lines))
    }

    /// How many columns there are to write on. `None`: standard output is no terminal, and lines
    /// may be as long as they are.
    pub fn terminal_columns(&self) -> Option<usize> {
        self.stdout_is_terminal.then(|| self.page_size().0)
    }

    /// The user's home directory: `HOME` (on Windows `USERPROFILE`), else what the user database
    /// says, because some service managers do not set `HOME`.
    pub fn home_directory(&self) -> Option<PathBuf> {
        match self.variable(platform::HOME) {
            Some(home) => Some(PathBuf::from(home)),
            None => std::env::home_dir().filter(|home| home.is_absolute()),
        }
    }

    /// A number that nobody can foresee, another one at each call.
    pub fn random(&self) -> u64 {
        use std::hash::{BuildHasher, RandomState};
        RandomState::new().hash_one(self.now().unix_seconds())
    }

    /// Keeps the memory of this process from core files and other processes: it is about to read a
    /// token. Not if `CODEXLINE_DUMPABLE` is set, for whoever looks into codexline itself.
    pub fn protect_memory(&self) {
        if self.variable("CODEXLINE_DUMPABLE").is_none() {
            crate::io::platform::protect_memory();
        }
    }

    /// `$XDG_STATE_HOME/codexline`, else `~/.local/state/codexline`; `None` if neither is known.
    /// The XDG specification says that a relative path is to be ignored.
    pub fn state_directory(&self) -> Option<PathBuf> {
        let named =
            self.variable("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let state = named.or_else(|| Some(self.home_directory()?.join(".local/state")));
        Some(state?.join("codexline"))
    }
}

/// Whether `name` is like `Europe/Berlin` and cannot lead out of the directory of zones.
fn is_zone_name(name: &str) -> bool {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "_-+".contains(character);
    name.split('/').all(|part| {
        part.starts_with(|first: char| first.is_ascii_alphabetic()) && part.chars().all(is_plain)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_those_of_tz() {
        // Sunday 2026-11-22 15:00 UTC.
        const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_359_600);
        let check = |value: &str, clock: &str| {
            let zone = Env::for_test(&[("TZ", value)], || NOW).zone();
            assert_eq!(NOW.clock(NOW, &zone), clock, "{value}");
        };
        check("UTC", "15:00");
        check("XYZ-5", "20:00");
        check("XXX-5:30", "20:30");
        if Path::new(ZONES).join("Asia/Kolkata").exists() || cfg!(windows) {
            check("Asia/Kolkata", "20:30");
        }
    }

    #[test]
    fn names_of_zones_are_no_paths() {
        for (name, is_name) in [
            ("Europe/Berlin", true),
            ("America/Port-au-Prince", true),
            ("Etc/GMT+3", true),
            ("../../etc/passwd", false),
            ("/etc/localtime", false),
            (":UTC", false),
            ("CET-1CEST,M3.5.0,M10.5.0", false),
            ("", false),
        ] {
            assert_eq!(is_zone_name(name), is_name, "{name}");
        }
    }
}
