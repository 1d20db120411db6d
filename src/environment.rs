//! The process's surroundings, read at the edge and handed in: environment variables and the clock.
//!
//! Nothing else in the crate calls `std::env::var*` or `SystemTime::now` (clippy's
//! `disallowed-methods` sees to it), so every other part can be tested with values of the test's own.

use crate::time::Timestamp;
use std::ffi::OsString;
use std::path::PathBuf;

/// How a variable is looked up; `None` where it is not set.
type Lookup = dyn Fn(&str) -> Option<OsString>;

/// What a run knows of the world outside its arguments.
pub struct Surroundings {
    lookup: Box<Lookup>,
    clock: fn() -> Timestamp,
    /// Whether standard output is a terminal: decides `--color auto` for `plain`.
    pub stdout_is_terminal: bool,
}

impl Surroundings {
    /// Those of the running process.
    pub fn of_process() -> Surroundings {
        #[expect(clippy::disallowed_methods, reason = "this is the edge")]
        let lookup = |name: &str| std::env::var_os(name);
        Surroundings {
            lookup: Box::new(lookup),
            clock: Timestamp::of_system_clock,
            stdout_is_terminal: std::io::IsTerminal::is_terminal(&std::io::stdout()),
        }
    }

    /// Made up, for tests: these variables and no others, a clock that stands.
    pub fn made_up(variables: &[(&str, &str)], clock: fn() -> Timestamp) -> Surroundings {
        let variables: Vec<(String, OsString)> =
            variables.iter().map(|(name, value)| (name.to_string(), value.into())).collect();
        Surroundings {
            lookup: Box::new(move |name| {
                variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
            }),
            clock,
            stdout_is_terminal: false,
        }
    }

    /// The present time, read anew at every call.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// A variable's value; an empty one counts as not set, as in Codex.
    pub fn variable(&self, name: &str) -> Option<OsString> {
        (self.lookup)(name).filter(|value| !value.is_empty())
    }

    /// A variable that must be text; bytes that are not UTF-8 are replaced.
    pub fn text(&self, name: &str) -> Option<String> {
        self.variable(name).map(|value| value.to_string_lossy().into_owned())
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
