//! The process's env, read at the edge and handed in: environment variables and the clock.
//!
//! Nothing else in the crate calls `std::env::var*` or `SystemTime::now` (clippy's
//! `disallowed-methods` sees to it), so every other part can be tested with values of the test's own.

use crate::io::files;
use crate::model::time::Timestamp;
use jiff::tz::TimeZone;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// The system's zone, and all of them by name; Linux and macOS.
const LOCAL_ZONE: &str = "/etc/localtime";
const ZONES: &str = "/usr/share/zoneinfo";
/// The largest are 4 KiB.
const LONGEST_ZONE: u64 = 64 * 1024;

/// Variables that Codex prefers to auth.json.
pub const API_KEY: &str = "CODEX_API_KEY";
pub const ACCESS_TOKEN: &str = "CODEX_ACCESS_TOKEN";
pub const LOGIN_VARIABLES: [&str; 2] = [API_KEY, ACCESS_TOKEN];

/// How the names of codexline's own variables begin.
pub const OWN: &str = "CODEXLINE_";

/// How a variable is looked up; `None` where it is not set.
type Variables = dyn Fn(&str) -> Option<OsString>;

/// What a run knows of the world outside its arguments.
#[derive(Clone)]
pub struct Env {
    lookup: Rc<Variables>,
    clock: fn() -> Timestamp,
    has_own: bool,
    /// Whether standard output is a terminal: decides `--color auto` for `plain`.
    pub stdout_is_terminal: bool,
}

impl Env {
    /// Those of the running process.
    pub fn from_process() -> Env {
        #[expect(clippy::disallowed_methods, reason = "this is the edge")]
        let lookup = |name: &str| std::env::var_os(name);
        Env {
            lookup: Rc::new(lookup),
            clock: Timestamp::of_system_clock,
            has_own: crate::io::platform::has_variable_with(OWN),
            stdout_is_terminal: std::io::IsTerminal::is_terminal(&std::io::stdout()),
        }
    }

    /// Made up, for tests: these variables and no others, a clock that stands.
    pub fn for_test(variables: &[(&str, &str)], clock: fn() -> Timestamp) -> Env {
        let variables: Vec<(String, OsString)> =
            variables.iter().map(|(name, value)| (name.to_string(), value.into())).collect();
        Env {
            has_own: variables.iter().any(|(name, _)| name.starts_with(OWN)),
            lookup: Rc::new(move |name| {
                variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
            }),
            clock,
            stdout_is_terminal: false,
        }
    }

    /// The same for a login of its own: this is its `CODEX_HOME`, and the variables that hold a login are those of another.
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

    /// The present time, read anew at every call.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Whether any of codexline's own variables is set: most often none is, and there are as many as there are options.
    pub fn has_own_variables(&self) -> bool {
        self.has_own
    }

    /// A variable's value; an empty one counts as not set, as in Codex.
    pub fn variable(&self, name: &str) -> Option<OsString> {
        if !self.has_own && name.starts_with(OWN) {
            return None;
        }
        (self.lookup)(name).filter(|value| !value.is_empty())
    }

    /// A variable that must be text; bytes that are not UTF-8 are replaced.
    pub fn text(&self, name: &str) -> Option<String> {
        self.variable(name).map(|value| value.to_string_lossy().into_owned())
    }

    /// The zone that local times are told in: that of `TZ`, else the system's.
    ///
    /// jiff finds it too, but reads the whole directory of zones to do so, some twenty folders. Here it is one file, in all
    /// the usual cases.
    pub fn zone(&self) -> TimeZone {
        let name = self.text("TZ");
        let path = match &name {
            // tzset(3): a name is a file of the database, else it is a rule or a path.
            Some(name) if is_zone_name(name) => Some(Path::new(ZONES).join(name)),
            Some(_) => None,
            None => Some(PathBuf::from(LOCAL_ZONE)),
        };
        let read = path.and_then(|path| files::read_bounded(&path, LONGEST_ZONE).ok());
        let zone = read.and_then(|bytes| TimeZone::tzif("Local", &bytes).ok());
        // A rule can look like a name: UTC0.
        zone.or_else(|| TimeZone::posix(&name?).ok()).unwrap_or_else(TimeZone::system)
    }

    /// The user's home directory: `HOME`, else what the user database says (`HOME` is not set under
    /// some service managers).
    pub fn home_directory(&self) -> Option<PathBuf> {
        match self.variable("HOME") {
            Some(home) => Some(PathBuf::from(home)),
            None => std::env::home_dir().filter(|home| home.is_absolute()),
        }
    }
}

/// Whether it is a name like `Europe/Berlin`, which leads out of no directory.
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
        if Path::new(ZONES).join("Asia/Kolkata").exists() {
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
